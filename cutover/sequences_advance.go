package cutover

import (
	"math/big"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// mark is a sequence's place in the switch: what it is, where it stands on both
// sides, and what the columns hold that it feeds.
type mark struct {
	*pairing.Sequence
	from, to postgres.SequenceState
	// furthest is the value of the fed columns that is furthest in the sequence's
	// direction, among those that it can give; nil where there is none, or it is
	// not known.
	furthest *big.Int
	// least and most are what the sequence can give and its columns can hold.
	least, most *big.Int
	// taken are, of a sequence that cycles, those of its next values that a fed
	// column has.
	taken map[int64]bool
}

// reason says what is odd about where a sequence was set, "" for nothing.
type reason string

// The reasons.
const (
	exhausted   reason = "have no value left, as on the side that is switched from: what takes one fails there and here"
	overtaken   reason = "have no value left, though those of the side that is switched from have: they were ahead, and are not set back"
	unfollowed  reason = "feed a column with values so far ahead that most of what is left would be passed by: they are set by the other side's alone"
	circling    reason = "cycle, and the values that come next are all in the column that they feed: they are set as they are on the other side"
	allExceeded reason = "are past what the column can hold that they feed, as on the side that is switched from"
)

// advance decides where the target's sequence is to stand: never behind where it
// stands, behind the source's, or behind what its columns hold, and margin values
// ahead of that, as far as its bounds go. It gives to itself where nothing has to
// move. It is idempotent: a second time nothing moves.
//
// A sequence that gave no value on the source is not set ahead of it. One that has
// none left stays so. What cycles has no order: it is set as the source's is, or,
// where the column has those values, to the first that it has not.
func (m *mark) advance(margin int64) (postgres.SequenceState, reason) {
	if m.Source.Cycle {
		return m.round()
	}
	line := number{down: m.Source.Increment < 0, by: new(big.Int).Abs(big.NewInt(m.Source.Increment))}
	from, to := line.at(pairing.Upcoming(m.from, m.Source.Increment)), line.at(pairing.Upcoming(m.to, m.Source.Increment))
	end := line.at(line.end(big.NewInt(m.Source.Min), big.NewInt(m.Source.Max)))
	if from.Cmp(end) > 0 {
		if to.Cmp(from) >= 0 {
			return m.to, exhausted
		}
		return m.from, exhausted
	}
	next, why := from, reason("")
	most := line.at(line.end(m.least, m.most))
	if most.Cmp(from) < 0 {
		why = allExceeded
	}
	moved := false
	if m.furthest != nil {
		past := line.past(from, line.at(m.furthest))
		switch {
		case past.Cmp(from) == 0:
		case new(big.Int).Mul(line.left(past, most), big.NewInt(2)).Cmp(line.left(from, most)) < 0:
			why = unfollowed
		default:
			next, moved = past, true
		}
	}
	if m.from.IsCalled || moved {
		next = line.ahead(next, margin, most)
	}
	switch {
	case to.Cmp(next) >= 0:
		if to.Cmp(end) > 0 {
			why = overtaken
		}
		return m.to, why
	case next.Cmp(from) == 0:
		return m.from, why
	}
	// A value before it is within the bounds: the source's next one is.
	last := line.at(next.Sub(next, line.by))
	return postgres.SequenceState{LastValue: last.Int64(), IsCalled: true}, why
}

// round is advance for a sequence that cycles.
func (m *mark) round() (postgres.SequenceState, reason) {
	s := m.from
	for i := range cycleLooks {
		next, _ := pairing.NextValue(s, m.Source)
		if !m.taken[next] {
			if i == 0 {
				return m.from, ""
			}
			return postgres.SequenceState{LastValue: next}, ""
		}
		s = postgres.SequenceState{LastValue: next, IsCalled: true}
	}
	return m.from, circling
}

// cycleLooks is how many of the next values of a sequence that cycles are looked
// for in its column.
const cycleLooks = 100

// coming are the values that round looks at.
func (m *mark) coming() []int64 {
	list, s := make([]int64, 0, cycleLooks), m.from
	for range cycleLooks {
		next, _ := pairing.NextValue(s, m.Source)
		list = append(list, next)
		s = postgres.SequenceState{LastValue: next, IsCalled: true}
	}
	return list
}

// number is the line on which a sequence's values lie, turned so that it counts
// up. int8 does not hold its sums.
type number struct {
	down bool
	by   *big.Int // above 0
}

// at turns a value onto the line, and back.
func (l number) at(v *big.Int) *big.Int {
	if l.down {
		return new(big.Int).Neg(v)
	}
	return new(big.Int).Set(v)
}

// end is the bound that the sequence runs towards.
func (l number) end(least, most *big.Int) *big.Int {
	if l.down {
		return least
	}
	return most
}

// past is the first value from `from` on, in steps, that lies behind v.
func (l number) past(from, v *big.Int) *big.Int {
	if v.Cmp(from) < 0 {
		return from
	}
	steps := new(big.Int).Sub(v, from)
	steps.Quo(steps, l.by).Add(steps, big.NewInt(1))
	return steps.Mul(steps, l.by).Add(steps, from)
}

// left is how many values there are from `from` to most.
func (l number) left(from, most *big.Int) *big.Int {
	n := new(big.Int).Sub(most, from)
	if n.Sign() < 0 {
		return new(big.Int)
	}
	return n.Quo(n, l.by).Add(n, big.NewInt(1))
}

// ahead is the value n steps ahead of from, or the last up to most; from itself
// where that is past most.
func (l number) ahead(from *big.Int, n int64, most *big.Int) *big.Int {
	steps := l.left(from, most)
	if steps.Sign() > 0 {
		steps.Sub(steps, big.NewInt(1))
	}
	if wanted := big.NewInt(max(n, 0)); steps.Cmp(wanted) > 0 {
		steps = wanted
	}
	return steps.Mul(steps, l.by).Add(steps, from)
}
