package schema

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// The long texts are what earlier servers print, the short ones what later do.
func TestSameTokens(t *testing.T) {
	cases := []struct {
		long, short string
		same        bool
	}{
		{"SELECT a.x FROM s.a", "SELECT x FROM s.a", true},
		{" SELECT a.x,\n    a.y\n   FROM s.a\n  WHERE (a.z > 0);", " SELECT x,\n    y\n   FROM s.a\n  WHERE (z > 0);", true},
		{"SELECT a.x, a.y FROM s.a", "SELECT x, a.y FROM s.a", true},
		{"SELECT o.x FROM s.a o", "SELECT x FROM s.a o", true},
		{`SELECT "A b".x FROM s."A b"`, `SELECT x FROM s."A b"`, true},
		{"SELECT orders.orders FROM s.orders", "SELECT orders FROM s.orders", true},
		{"SELECT v.column1 FROM ( VALUES (1)) v", "SELECT column1 FROM ( VALUES (1)) v", true},
		{"SELECT EXTRACT(year FROM a.at) FROM s.a", "SELECT EXTRACT(year FROM at) FROM s.a", true},
		{"SELECT a.x FROM s.a; SELECT b.x FROM s.b;", "SELECT x FROM s.a; SELECT x FROM s.b;", true},
		{`SELECT a.json FROM s.a`, `SELECT "json" FROM s.a`, true},
		{"CHECK ((x > 0))", "CHECK ( ( x>0 ) )", true},

		{"SELECT a.x FROM s.a", "SELECT b.x FROM s.a", false},
		{"SELECT a.x FROM s.a", "SELECT y FROM s.a", false},
		{"SELECT a.x FROM s.a", "SELECT x FROM s.b", false},
		{"SELECT b.x FROM s.a", "SELECT x FROM s.a", false},
		{"SELECT a.x, b.x FROM s.a, s.b", "SELECT x, x FROM s.a, s.b", false},
		{"SELECT a.x, b.y FROM (s.a JOIN s.b ON true)", "SELECT a.x, y FROM (s.a JOIN s.b ON true)", false},
		{"SELECT s.f(1) FROM s.s", "SELECT f(1) FROM s.s", false},
		{"SELECT x FROM s.a", "SELECT x FROM a", false},
		{"SELECT x::s.t FROM s.s", "SELECT x::t FROM s.s", false},
		{"SELECT x COLLATE s.c FROM s.s", "SELECT x COLLATE c FROM s.s", false},
		{"SELECT 1 FROM s.a WHERE EXISTS ( SELECT 1 FROM a.b)", "SELECT 1 FROM s.a WHERE EXISTS ( SELECT 1 FROM b)", false},
		{"SELECT 'a.x' FROM s.a", "SELECT 'x' FROM s.a", false},
		{"SELECT a.x FROM s.a", "SELECT a.x FROM s.a WHERE true", false},
		{"SELECT 'a  b'", "SELECT 'a b'", false},
		{"SELECT E'\\\\'", "SELECT E'\\'", false},
		{`SELECT "A"`, `SELECT a`, false},
		{`SELECT "true"`, `SELECT true`, false},
		{"x >= 0", "x > = 0", false},
		{"SELECT 12", "SELECT 1 2", false},
	}
	for _, c := range cases {
		if got := sameTokens(c.long, c.short, true, false); got != c.same {
			t.Errorf("%q and %q: %t", c.long, c.short, got)
		}
		if got := sameTokens(c.short, c.long, false, true); got != c.same {
			t.Errorf("the other way round: %q and %q: %t", c.short, c.long, got)
		}
		// Where both print alike nothing is passed over.
		if strings.Contains(c.long, "a.x") && !strings.Contains(c.short, "a.x") && sameTokens(c.long, c.short, true, true) {
			t.Errorf("passed over between servers that print alike: %q and %q", c.long, c.short)
		}
	}
}

// query is one that servers of both ages print.
type query struct {
	table, alias string
	columns      []string
	compare      string
	value        int
}

func (q query) print(qualified bool) string {
	reference := func(column string) string {
		if !qualified {
			return column
		}
		if q.alias != "" {
			return q.alias + "." + column
		}
		return q.table + "." + column
	}
	var list []string
	for _, c := range q.columns {
		list = append(list, reference(c))
	}
	return fmt.Sprintf("SELECT %s FROM s.%s %s WHERE (%s %s %d)", strings.Join(list, ", "), q.table, q.alias, reference(q.columns[0]), q.compare, q.value)
}

// TestSameTokensProperty: a query is the same as itself however it is printed,
// and as no other.
func TestSameTokensProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) query {
			return query{
				table:   rapid.SampledFrom([]string{"a", "b", "x"}).Draw(t, label+" table"),
				alias:   rapid.SampledFrom([]string{"", "", "o", "x"}).Draw(t, label+" alias"),
				columns: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "x", "y"}), 1, 3).Draw(t, label+" columns"),
				compare: rapid.SampledFrom([]string{"=", "<>"}).Draw(t, label+" operator"),
				value:   rapid.IntRange(0, 1).Draw(t, label+" value"),
			}
		}
		p, q := draw("one"), draw("other")
		if !sameTokens(p.print(true), p.print(false), true, false) || !sameTokens(p.print(true), p.print(true), true, true) {
			t.Fatalf("not the same as itself: %q, %q", p.print(true), p.print(false))
		}
		if same := fmt.Sprint(p) == fmt.Sprint(q); sameTokens(p.print(true), q.print(false), true, false) != same {
			t.Fatalf("%q and %q: want %t", p.print(true), q.print(false), same)
		}
	})
}

// FuzzSameTokens: whatever is said to be the same is, letter by letter, but for
// blanks, quotes and names with a dot that one side has.
func FuzzSameTokens(f *testing.F) {
	f.Add("SELECT a.x FROM s.a", "SELECT x FROM s.a")
	f.Add(`"a""b".c 'x''y' E'\''`, `c`)
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, sql := range []string{a, b} {
			if strings.Join(strings.Fields(strings.Join(tokens(sql), "")), "") != strings.Join(strings.Fields(sql), "") && utf8.ValidString(sql) {
				t.Fatalf("tokens lost something of %q: %q", sql, tokens(sql))
			}
		}
		if !sameTokens(a, a, true, false) {
			t.Errorf("%q is not the same as itself", a)
		}
		if sameTokens(a, b, true, true) && len(tokens(a)) != len(tokens(b)) {
			t.Errorf("%q and %q", a, b)
		}
		if sameTokens(a, b, true, false) && len(tokens(a)) < len(tokens(b)) {
			t.Errorf("the side that leaves names out has more: %q and %q", a, b)
		}
	})
}
