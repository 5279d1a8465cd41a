package preflight

import (
	"math/big"
	"slices"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// meet tells whether two sequences come to give the same value.
func meet(s standing) bool {
	target := coming(s.target, s.Target)
	return slices.ContainsFunc(coming(s.source, s.Source), func(r steps) bool { return slices.ContainsFunc(target, r.meet) })
}

// steps are the values low, low + by, …, up to high at most; none where low is
// more than that.
type steps struct{ low, high, by *big.Int }

// coming is what a sequence will still give: what is left of its range, and,
// where it cycles, all of a round that begins at the range's other end.
func coming(state postgres.SequenceState, s *postgres.Sequence) []steps {
	from := []*big.Int{pairing.Upcoming(state, s.Increment)}
	switch {
	case s.Cycle && s.Increment < 0:
		from = append(from, big.NewInt(s.Max))
	case s.Cycle:
		from = append(from, big.NewInt(s.Min))
	}
	list := make([]steps, len(from))
	for i, first := range from {
		by := new(big.Int).Abs(big.NewInt(s.Increment))
		list[i] = steps{first, big.NewInt(s.Max), by}
		if s.Increment < 0 { // the same values, from the least one on
			least := new(big.Int).Sub(first, big.NewInt(s.Min))
			if least.Sign() >= 0 {
				least.Mod(least, by)
			} else { // none is left
				least.Add(first, big.NewInt(1)).Sub(least, big.NewInt(s.Min))
			}
			list[i] = steps{least.Add(least, big.NewInt(s.Min)), first, by}
		}
	}
	return list
}

// meet tells whether two have a value in common: the least number that is in
// the residue classes of both, and below neither, must be above neither.
func (r steps) meet(other steps) bool {
	g := new(big.Int).GCD(nil, nil, r.by, other.by)
	apart := new(big.Int).Sub(other.low, r.low)
	if new(big.Int).Mod(apart, g).Sign() != 0 {
		return false
	}
	among := new(big.Int).Div(other.by, g)
	n := new(big.Int) // of r's steps from its low on, to a number in the other's class
	if among.Cmp(big.NewInt(1)) > 0 {
		n.ModInverse(new(big.Int).Div(r.by, g), among)
		n.Mod(n.Mul(n, new(big.Int).Div(apart, g)), among)
	}
	common := n.Add(n.Mul(n, r.by), r.low)
	if short := new(big.Int).Sub(other.low, common); short.Sign() > 0 { // by whole multiples of both steps
		both := new(big.Int).Mul(r.by, among)
		short.Add(short, both).Sub(short, big.NewInt(1)).Div(short, both)
		common.Add(common, short.Mul(short, both))
	}
	return common.Cmp(r.high) <= 0 && common.Cmp(other.high) <= 0
}
