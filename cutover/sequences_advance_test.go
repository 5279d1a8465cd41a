package cutover

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

func at(v int64, called bool) postgres.SequenceState {
	return postgres.SequenceState{LastValue: v, IsCalled: called}
}

// TestAdvance: what is expected of a few sequences, by hand.
func TestAdvance(t *testing.T) {
	up := postgres.Sequence{Increment: 1, Min: 1, Max: math.MaxInt64, Start: 1}
	down := postgres.Sequence{Increment: -1, Min: math.MinInt64, Max: -1, Start: -1}
	tens := postgres.Sequence{Increment: 10, Min: 1, Max: 1000, Start: 1}
	small := postgres.Sequence{Increment: 1, Min: 1, Max: 100, Start: 1}
	cycle := postgres.Sequence{Increment: 1, Min: 1, Max: 10, Start: 1, Cycle: true}
	all := postgres.Sequence{Increment: 1, Min: math.MinInt64, Max: math.MaxInt64, Start: 1}
	huge := postgres.Sequence{Increment: math.MaxInt64, Min: math.MinInt64, Max: math.MaxInt64, Start: math.MinInt64}
	for _, c := range []struct {
		name     string
		q        postgres.Sequence
		from, to postgres.SequenceState
		furthest int64 // 0 for none
		most     int64 // 0 for the sequence's own
		taken    []int64
		margin   int64
		want     postgres.SequenceState
		why      reason
	}{
		{name: "goes on as the source would", q: up, from: at(41, true), to: at(1, false), want: at(41, true)},
		{name: "virgin stays virgin, margin or not", q: up, from: at(1, false), to: at(1, false), margin: 1000, want: at(1, false)},
		{name: "reset, not virgin", q: up, from: at(500, false), to: at(1, false), margin: 1000, want: at(500, false)},
		{name: "margin", q: up, from: at(41, true), to: at(1, false), margin: 1000, want: at(1041, true)},
		{name: "margin in steps", q: tens, from: at(41, true), to: at(1, false), margin: 3, want: at(71, true)},
		{name: "margin up to the bound", q: tens, from: at(981, true), to: at(1, false), margin: 3, want: at(981, true)},
		{name: "never back", q: up, from: at(41, true), to: at(77, true), want: at(77, true)},
		{name: "never back, with a margin that was there", q: up, from: at(41, true), to: at(1041, true), margin: 1000, want: at(1041, true)},
		{name: "equal, said otherwise", q: up, from: at(41, true), to: at(42, false), want: at(42, false)},
		{name: "the column is further", q: up, from: at(41, true), to: at(1, false), furthest: 60, want: at(60, true)},
		{name: "the column of a virgin one", q: up, from: at(1, false), to: at(1, false), furthest: 60, want: at(60, true)},
		{name: "the column lies between steps", q: tens, from: at(41, true), to: at(1, false), furthest: 62, want: at(61, true)},
		{name: "a marker in the column", q: small, from: at(41, true), to: at(1, false), furthest: 99, want: at(41, true), why: unfollowed},
		{name: "the very last in the column", q: small, from: at(41, true), to: at(1, false), furthest: 100, want: at(41, true), why: unfollowed},
		{name: "exhausted", q: small, from: at(100, true), to: at(7, true), margin: 5, want: at(100, true), why: exhausted},
		{name: "exhausted long since", q: small, from: at(100, true), to: at(100, true), want: at(100, true), why: exhausted},
		{name: "one is left", q: small, from: at(99, true), to: at(7, true), margin: 5, want: at(99, true)},
		{name: "the target has none left", q: small, from: at(9, true), to: at(100, true), want: at(100, true), why: overtaken},
		{name: "the column's type is narrower", q: up, from: at(32760, true), to: at(1, false), most: math.MaxInt16, margin: 1000, want: at(32766, true)},
		{name: "the column's type is exceeded", q: up, from: at(32767, true), to: at(1, false), most: math.MaxInt16, margin: 1000, want: at(32767, true), why: allExceeded},
		{name: "down", q: down, from: at(-41, true), to: at(-1, false), margin: 5, want: at(-46, true)},
		{name: "down, never back", q: down, from: at(-41, true), to: at(-50, true), want: at(-50, true)},
		{name: "down, the column is further", q: down, from: at(-41, true), to: at(-1, false), furthest: -60, want: at(-60, true)},
		{name: "round, further on the target", q: cycle, from: at(3, true), to: at(8, true), furthest: 10, margin: 5, want: at(3, true)},
		{name: "round, and taken", q: cycle, from: at(9, true), to: at(9, true), taken: []int64{10, 1, 2}, want: at(3, false)},
		{name: "round, and all taken", q: cycle, from: at(9, true), to: at(9, true), taken: []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, want: at(9, true), why: circling},
		{name: "the last of all", q: all, from: at(math.MaxInt64, true), to: at(1, false), margin: math.MaxInt64, want: at(math.MaxInt64, true), why: exhausted},
		{name: "the last but one of all", q: all, from: at(math.MaxInt64-1, true), to: at(1, false), margin: math.MaxInt64, want: at(math.MaxInt64-1, true)},
		{name: "from the first to the last", q: all, from: at(math.MinInt64, true), to: at(math.MinInt64, false), margin: math.MaxInt64, want: at(-1, true)},
		{name: "enormous steps", q: huge, from: at(math.MinInt64, true), to: at(math.MinInt64, false), margin: 9, want: at(-1, true)},
	} {
		q := c.q
		m := &mark{Sequence: &pairing.Sequence{Source: &q, Target: &q}, from: c.from, to: c.to, least: big.NewInt(q.Min), most: big.NewInt(q.Max), taken: map[int64]bool{}}
		if c.furthest != 0 {
			m.furthest = big.NewInt(c.furthest)
		}
		if c.most != 0 {
			m.most = big.NewInt(c.most)
		}
		for _, v := range c.taken {
			m.taken[v] = true
		}
		if got, why := m.advance(c.margin); got != c.want || why != c.why {
			t.Errorf("%s: got %+v %q, want %+v %q", c.name, got, why, c.want, c.why)
		}
	}
}

// TestAdvanceAgainstCounting: of small sequences everything is counted out, one
// value at a time.
func TestAdvanceAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := &postgres.Sequence{Min: rapid.Int64Range(-20, 5).Draw(t, "min"), Increment: rapid.Int64Range(1, 4).Draw(t, "by")}
		q.Max = q.Min + rapid.Int64Range(1, 25).Draw(t, "room")
		if rapid.Bool().Draw(t, "down") {
			q.Increment = -q.Increment
		}
		state := func(name string) postgres.SequenceState {
			return at(rapid.Int64Range(q.Min, q.Max).Draw(t, name), rapid.Bool().Draw(t, name+" called"))
		}
		m := &mark{Sequence: &pairing.Sequence{Source: q, Target: q}, from: state("from"), to: state("to"), least: big.NewInt(q.Min), most: big.NewInt(q.Max)}
		narrow := rapid.Int64Range(q.Min, q.Max).Draw(t, "most")
		if q.Increment > 0 {
			m.most = big.NewInt(narrow)
		} else {
			m.least = big.NewInt(narrow)
		}
		var furthest *int64
		if rapid.Bool().Draw(t, "filled") {
			v := rapid.Int64Range(q.Min, q.Max).Draw(t, "furthest")
			furthest, m.furthest = &v, big.NewInt(v)
		}
		margin := rapid.Int64Range(0, 6).Draw(t, "margin")
		got, _ := m.advance(margin)
		if want := counted(q, m.from, m.to, furthest, narrow, margin); next(got, q) != want {
			t.Fatalf("%+v from %+v to %+v: next is %d, counted %d", q, m.from, m.to, next(got, q), want)
		}
		if got.LastValue < q.Min || got.LastValue > q.Max {
			t.Fatalf("%+v cannot be set", got)
		}
		for name, other := range map[string]postgres.SequenceState{"the source": m.from, "the target": m.to} {
			if pairing.CompareNext(got, other, q.Increment) < 0 {
				t.Fatalf("%+v is behind %s", got, name)
			}
		}
		m.to = got
		if again, _ := m.advance(margin); again != got {
			t.Fatalf("%+v, and the second time %+v", got, again)
		}
	})
}

func next(s postgres.SequenceState, q *postgres.Sequence) int64 {
	return pairing.Upcoming(s, q.Increment).Int64()
}

// counted is the value that comes next, found by counting.
func counted(q *postgres.Sequence, from, to postgres.SequenceState, furthest *int64, narrow, margin int64) int64 {
	sign := int64(1)
	if q.Increment < 0 {
		sign = -1
	}
	beyond := func(a, b int64) bool { return sign*a > sign*b } // a comes after b
	end := q.Max
	if sign < 0 {
		end = q.Min
	}
	start := next(from, q)
	last := next(to, q)
	wanted := start
	if !beyond(start, end) { // not exhausted
		left := func(v int64) (n int) {
			for ; !beyond(v, narrow); v += q.Increment {
				n++
			}
			return n
		}
		called := from.IsCalled
		if furthest != nil {
			v := start
			for !beyond(v, *furthest) {
				v += q.Increment
			}
			if v != start && 2*left(v) >= left(start) {
				wanted, called = v, true
			}
		}
		for i := int64(0); called && i < margin && !beyond(wanted+q.Increment, narrow); i++ {
			wanted += q.Increment
		}
	}
	if beyond(last, wanted) {
		return last
	}
	return wanted
}

// TestWhole: what a sequence must pass of a value that is not whole.
func TestWhole(t *testing.T) {
	for _, c := range []struct {
		text     string
		up, down string
	}{{"7", "7", "7"}, {"7.5", "7", "8"}, {"-7.5", "-8", "-7"}, {"-7.0", "-7", "-7"}, {"123456789012345678901234567890.5", "123456789012345678901234567890", "123456789012345678901234567891"}, {"NaN", "<nil>", "<nil>"}, {"", "<nil>", "<nil>"}} {
		if up, down := whole(c.text, false).String(), whole(c.text, true).String(); up != c.up || down != c.down {
			t.Errorf("%q: %s upwards and %s downwards, want %s and %s", c.text, up, down, c.up, c.down)
		}
	}
}
