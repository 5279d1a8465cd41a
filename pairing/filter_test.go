package pairing

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/postgres"
)

func TestMatchTable(t *testing.T) {
	for _, c := range []struct {
		glob, schema, name string
		want               bool
	}{
		{"orders", "public", "orders", true},
		{"orders", "shop", "orders", true}, // no dot: any schema
		{"orders", "public", "order", false},
		{"public.orders", "public", "orders", true},
		{"public.orders", "shop", "orders", false},
		{"*", "public", "orders", true},
		{"*.*", "public", "orders", true},
		{"public.*", "public", "", true},
		{"pub*orders", "public", "orders", false}, // * does not cross the dot
		{"pub*.orders", "public", "orders", true},
		{"public?orders", "public", "orders", false},
		{"?rders", "public", "orders", true},
		{"?orders", "public", "orders", false},
		{"o*s*", "public", "orders", true},
		{"**", "public", "x", true},
		{"", "public", "orders", false},
		{"Orders", "public", "orders", false}, // case counts
		{"a.b.c", "a", "b.c", true},           // either name may hold dots
		{"a.b.c", "a.b", "c", true},
		{"a.b.c", "a.b.c", "", false},
		{"shop.*", "shop", "with.dot", true},
		{"with.dot", "shop", "with.dot", false}, // a dot divides schema and table
		{"*.with.dot", "shop", "with.dot", true},
		{"*é?", "public", "caféx", true},
		{"?", "public", "😀", true},
		{"a[b]", "public", "ab", false}, // no character classes
		{`a\*`, "public", "a*", false},  // and no escapes
		{`a\*`, "public", `a\b`, true},
	} {
		if got := matchTable(c.glob, c.schema, c.name); got != c.want {
			t.Errorf("%q on %q.%q: got %t, want %t", c.glob, c.schema, c.name, got, c.want)
		}
	}
}

// TestGlobIsItsRegexp compares the matcher with the regular expression that
// says what a glob means.
func TestGlobIsItsRegexp(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab.?*é$")), 0, 12, -1)
	matched := 0
	rapid.Check(t, func(rt *rapid.T) {
		pattern, s := text.Draw(rt, "glob"), text.Draw(rt, "name")
		if rapid.Bool().Draw(rt, "near") { // make the name likely to match
			s = strings.NewReplacer("*", s, "?", "b").Replace(pattern)
		}
		quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile("(?s)^" + quoted + "$").MatchString(s)
		if got := glob(pattern, s); got != want {
			rt.Fatalf("glob %q on %q: got %t, want %t", pattern, s, got, want)
		}
		if want {
			matched++
		}
	})
	if matched == 0 {
		t.Error("no glob matched: the test is broken")
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 100 || len(s) > 100 || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			t.Skip("skipped: names are short valid UTF-8")
		}
		quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		if got, want := glob(pattern, s), regexp.MustCompile("(?s)^"+quoted+"$").MatchString(s); got != want {
			t.Errorf("glob %q on %q: got %t, want %t", pattern, s, got, want)
		}
	})
}

// TestGlobIsQuick keeps a glob of many stars from taking exponential time.
func TestGlobIsQuick(t *testing.T) {
	if glob(strings.Repeat("*a", 30)+"b", strings.Repeat("a", 60)) {
		t.Error("matched a name without a b")
	}
}

func TestChosen(t *testing.T) {
	for _, c := range []struct {
		name         string
		filter       Filter
		schema       string
		table        string
		want, denied bool
	}{
		{"empty", Filter{}, "public", "a", true, false},
		{"one of several", Filter{Tables: []string{"b", "a"}}, "public", "a", true, false},
		{"none of them", Filter{Tables: []string{"b", "c"}}, "public", "a", false, false},
		{"excluded", Filter{ExcludeTables: []string{"a"}}, "public", "a", false, true},
		{"exclusion wins", Filter{Tables: []string{"a"}, ExcludeTables: []string{"public.*"}}, "public", "a", false, true},
		{"schema", Filter{Schemas: []string{"s*"}}, "shop", "a", true, false},
		{"other schema", Filter{Schemas: []string{"s*"}}, "public", "a", false, false},
		{"schema and table", Filter{Schemas: []string{"shop"}, Tables: []string{"public.a"}}, "public", "a", false, false},
		{"schema excluded", Filter{Tables: []string{"a"}, ExcludeSchemas: []string{"pub*"}}, "public", "a", false, true},
		{"not chosen is not excluded", Filter{Tables: []string{"b"}, ExcludeTables: []string{"a"}}, "public", "a", false, false},
	} {
		if got, denied := c.filter.chosen(c.schema, c.table); got != c.want || denied != c.denied {
			t.Errorf("%s: got %t, excluded %t; want %t, %t", c.name, got, denied, c.want, c.denied)
		}
	}
}

func TestLeafIsRefused(t *testing.T) {
	root := relation("public", "orders", 'p')
	middle, leaf := relation("public", "orders_2024", 'p'), relation("public", "orders_2024_01", 'r')
	middle.Partition, middle.Parent = true, root.Quoted
	leaf.Partition, leaf.Parent = true, middle.Quoted
	twin := relation("archive", "orders_2024_01", 'r') // a table of its own
	for _, c := range []struct {
		name   string
		tables []*postgres.Table
		globs  []string
		leaf   string
	}{
		{"leaf", []*postgres.Table{root, middle, leaf}, []string{"orders_2024_01"}, "public.orders_2024_01"},
		{"leaf with its schema", []*postgres.Table{root, middle, leaf}, []string{"public.orders_2024_01"}, "public.orders_2024_01"},
		{"middle", []*postgres.Table{root, middle, leaf}, []string{"orders", "orders_2024"}, "public.orders_2024"},
		{"root", []*postgres.Table{root, middle, leaf}, []string{"orders"}, ""},
		{"glob", []*postgres.Table{root, middle, leaf}, []string{"orders_*"}, ""},
		{"also a table of its own", []*postgres.Table{root, middle, leaf, twin}, []string{"orders_2024_01"}, ""},
	} {
		_, err := Join(&postgres.Catalog{Tables: c.tables}, &postgres.Catalog{Tables: c.tables}, Options{Filter: Filter{Tables: c.globs}})
		var refused *LeafError
		switch {
		case c.leaf == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.leaf != "" && (!errors.As(err, &refused) || refused.Leaf != c.leaf || refused.Root != "public.orders" || !strings.Contains(err.Error(), "--table public.orders")):
			t.Errorf("%s: got %v, want %s refused, pointing to its root", c.name, err, c.leaf)
		}
	}
}
