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

		// Who reads from several, or within another query, is always named.
		{"SELECT a.x FROM s.a; SELECT b.x FROM s.b;", "SELECT x FROM s.a; SELECT x FROM s.b;", false},
		{"SELECT a.x FROM s.a WHERE (EXISTS ( SELECT 1 FROM s.b WHERE (a.y = b.y)))", "SELECT x FROM s.a WHERE (EXISTS ( SELECT 1 FROM s.b WHERE (a.y = b.y)))", true},
		{"SELECT a.x FROM s.a WHERE (EXISTS ( SELECT 1 FROM s.b WHERE (a.y = b.y)))", "SELECT x FROM s.a WHERE (EXISTS ( SELECT 1 FROM s.b WHERE (y = b.y)))", false},
		{"SELECT a.x FROM s.a WHERE (EXISTS ( SELECT 1 FROM s.b WHERE (b.y = 1)))", "SELECT x FROM s.a WHERE (EXISTS ( SELECT 1 FROM s.b WHERE (y = 1)))", false},
		{"SELECT q.x FROM ( SELECT a.x FROM s.a) q WHERE (q.x > 1)", "SELECT x FROM ( SELECT a.x FROM s.a) q WHERE (x > 1)", true},
		{"SELECT q.x FROM ( SELECT q.x FROM s.q) q", "SELECT x FROM ( SELECT x FROM s.q) q", false},
		{"SELECT ( SELECT max(b.x) AS max FROM s.b WHERE (b.y = a.y)) AS m, a.x FROM s.a", "SELECT ( SELECT max(b.x) AS max FROM s.b WHERE (b.y = a.y)) AS m, x FROM s.a", true},
		{"SELECT a.x FROM s.a UNION SELECT b.x FROM s.b", "SELECT x FROM s.a UNION SELECT x FROM s.b", false},
		{"SELECT a.x, b.x FROM s.a, s.b", "SELECT a.x, x FROM s.a, s.b", false},
		{"WITH w AS ( SELECT a.x FROM s.a) SELECT w.x FROM w", "WITH w AS ( SELECT a.x FROM s.a) SELECT x FROM w", true},
		{"WITH w AS ( SELECT a.x FROM s.a) SELECT w.x FROM w", "WITH w AS ( SELECT x FROM s.a) SELECT x FROM w", false},
		{"SELECT r.x FROM s.f(1) r(x s.t)", "SELECT x FROM s.f(1) r(x s.t)", true},
		{"SELECT s.x FROM f(1) s(x s.t)", "SELECT x FROM f(1) s(x t)", false},
		{"SELECT a.x FROM s.a TABLESAMPLE system (5) WHERE (a.x > 1) FOR UPDATE OF a", "SELECT x FROM s.a TABLESAMPLE system (5) WHERE (x > 1) FOR UPDATE OF a", true},
		{"SELECT EXTRACT(year FROM a.at) AS y, count(*) FILTER (WHERE (a.x > 1)) FROM s.a GROUP BY GROUPING SETS ((a.x), ())", "SELECT EXTRACT(year FROM at) AS y, count(*) FILTER (WHERE (x > 1)) FROM s.a GROUP BY GROUPING SETS ((x), ())", true},

		{"CHECK ((((x >= 1) AND (x <= 2)) AND (y > 0)))", "CHECK (((x >= 1) AND (x <= 2) AND (y > 0)))", true},
		{"CHECK (((a OR b) OR (c OR d)))", "CHECK ((a OR b OR c OR d))", true},
		{"CHECK (((a AND b) OR c))", "CHECK ((a AND (b OR c)))", false},
		{"CHECK (((a OR b) AND c))", "CHECK ((a OR b AND c))", false},
		{"CHECK ((NOT (a AND b) AND c))", "CHECK ((NOT a AND b AND c))", false},
		{"CHECK ((f(a AND b) AND c))", "CHECK ((f a AND b AND c))", false},
		{"CHECK (((a AND b) = c))", "CHECK ((a AND b = c))", false},
		{"CHECK ((((a AND b) IS NULL) AND c))", "CHECK (((a AND b IS NULL) AND c))", false},

		{"('0.100000000000000006'::double precision)", "('0.1'::double precision)", true},
		{"('0.100000001'::real)", "('0.1'::real)", true},
		{"('0.100000001'::double precision)", "('0.1'::double precision)", false},
		{"('{0.100000000000000006,2}'::double precision[])", "('{0.1,2}'::double precision[])", true},
		{"('<(0.100000000000000006,0.200000000000000011),1>'::circle)", "('<(0.1,0.2),1>'::circle)", true},
		{"('(0.1,0.2)'::point)", "('(0.1,0.3)'::point)", false},
		{`(B'101'::"bit")`, `('101'::"bit")`, true},
		{`(B'101')`, `('101')`, false},
		{`(B '101'::"bit")`, `('101'::"bit")`, false},
		{"('0.10'::text)", "('0.1'::text)", false},
		{"('0.100000000000000006'::numeric)", "('0.1'::numeric)", false},
		{"partition of p FOR VALUES FROM ('0.100000000000000006') TO ('1')", "partition of p FOR VALUES FROM ('0.1') TO ('1')", true},
		{"partition of p FOR VALUES FROM ('0.10') TO ('1')", "partition of p FOR VALUES FROM ('0.1') TO ('1')", false},
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
			if strings.Join(strings.Fields(strings.Join(texts(sql), "")), "") != strings.Join(strings.Fields(sql), "") && utf8.ValidString(sql) {
				t.Fatalf("tokens lost something of %q: %q", sql, texts(sql))
			}
		}
		if !sameTokens(a, a, true, false) {
			t.Errorf("%q is not the same as itself", a)
		}
		if sameTokens(a, b, true, true) && count(a) != count(b) {
			t.Errorf("%q and %q", a, b)
		}
		if sameTokens(a, b, true, false) && count(a) < count(b) {
			t.Errorf("the side that leaves names out has more: %q and %q", a, b)
		}
	})
}

func texts(sql string) []string {
	var list []string
	for _, t := range lex(sql) {
		list = append(list, t.text)
	}
	return list
}

// count is how many tokens are compared.
func count(sql string) int { return len(chained(unprefixed(lex(sql)))) }
