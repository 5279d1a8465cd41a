package pairing

import (
	"math"
	"testing"

	"github.com/pgparity/pgparity/postgres"
)

func TestNextValue(t *testing.T) {
	seq := func(increment, least, most int64, cycle bool) *postgres.Sequence {
		return &postgres.Sequence{Increment: increment, Min: least, Max: most, Cycle: cycle}
	}
	for _, c := range []struct {
		name  string
		seq   *postgres.Sequence
		at    postgres.SequenceState
		next  int64
		given bool
	}{
		{"called", seq(1, 1, 100, false), postgres.SequenceState{LastValue: 9, IsCalled: true}, 10, true},
		{"not called", seq(1, 1, 100, false), postgres.SequenceState{LastValue: 9}, 9, true},
		{"exhausted", seq(1, 1, math.MaxInt64, false), postgres.SequenceState{LastValue: math.MaxInt64, IsCalled: true}, 1, false},
		{"overflows and cycles", seq(10, 3, math.MaxInt64, true), postgres.SequenceState{LastValue: math.MaxInt64 - 5, IsCalled: true}, 3, true},
		{"last one", seq(1, 1, math.MaxInt64, false), postgres.SequenceState{LastValue: math.MaxInt64}, math.MaxInt64, true},
		{"down, exhausted", seq(-1, math.MinInt64, -1, false), postgres.SequenceState{LastValue: math.MinInt64, IsCalled: true}, -1, false},
		{"down, cycles", seq(-1, -5, -1, true), postgres.SequenceState{LastValue: -5, IsCalled: true}, -1, true},
	} {
		if next, given := NextValue(c.at, c.seq); given != c.given || given && next != c.next {
			t.Errorf("%s: got %d, %t; want %d, %t", c.name, next, given, c.next, c.given)
		}
	}
}

func TestCompareNext(t *testing.T) {
	called, fresh := func(n int64) postgres.SequenceState { return postgres.SequenceState{LastValue: n, IsCalled: true} }, func(n int64) postgres.SequenceState { return postgres.SequenceState{LastValue: n} }
	for _, c := range []struct {
		a, b      postgres.SequenceState
		increment int64
		want      int
	}{
		{called(9), fresh(10), 1, 0}, {called(9), called(9), 1, 0}, {called(8), called(9), 1, -1}, {fresh(9), called(9), 1, -1},
		{called(9), fresh(9), 1, 1}, {called(9), fresh(8), -1, 0}, {called(-5), called(-9), -1, -1}, {fresh(-9), called(-5), -1, 1},
		{called(math.MaxInt64), fresh(math.MaxInt64), 1, 1}, {called(math.MinInt64), fresh(math.MinInt64), -1, 1},
	} {
		if got := CompareNext(c.a, c.b, c.increment); got != c.want {
			t.Errorf("%+v against %+v by %d: got %d, want %d", c.a, c.b, c.increment, got, c.want)
		}
	}
}

// TestOwnerTable finds the table by the column that both sides' sequences feed,
// as long as that holds integers.
func TestOwnerTable(t *testing.T) {
	tables := func() []*postgres.Table {
		return []*postgres.Table{relation("public", "orders", 'r', column("id", int4), column("code", text)), relation("other", "orders", 'r', column("id", int4))}
	}
	owned := func(schema, table, col string) *postgres.Sequence {
		return &postgres.Sequence{Schema: "public", Name: "s", Quoted: "public.s", OwnerSchema: schema, OwnerTable: table, OwnerColumn: col}
	}
	p := join(t, catalog(tables()...), catalog(append(tables(), relation("public", "only_there", 'r', column("id", int4)))...), Options{})
	for _, c := range []struct {
		name           string
		source, target *postgres.Sequence
		want           string
	}{
		{"owned on both sides", owned("public", "orders", "id"), owned("public", "orders", "id"), "public.orders"},
		{"of the other schema", owned("other", "orders", "id"), owned("other", "orders", "id"), "other.orders"},
		{"a column of text", owned("public", "orders", "code"), owned("public", "orders", "code"), ""},
		{"another column there", owned("public", "orders", "id"), owned("public", "orders", "code"), ""},
		{"owned by nothing", owned("", "", ""), owned("", "", ""), ""},
		{"a table of the target alone", owned("public", "only_there", "id"), owned("public", "only_there", "id"), ""},
		{"on the source alone", owned("public", "orders", "id"), nil, ""},
	} {
		got := ""
		if table := p.OwnerTable(&Sequence{Source: c.source, Target: c.target}); table != nil {
			got = table.Name
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
