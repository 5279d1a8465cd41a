package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/postgres"
)

func side(list ...Definition) *Definitions {
	return &Definitions{List: list, bootstrap: "postgres", passwords: true, mappings: true, privileges: map[string]bool{"SELECT": true, "UPDATE": true},
		present: map[string]bool{"role postgres": true, "role app": true}}
}

// TestFacts are what no damage of a real server makes.
func TestFacts(t *testing.T) {
	fact := func(kind, object, text string) Definition { return Definition{Kind: kind, Object: object, Text: text} }
	owner := func(name, otherwise string) Definition {
		return Definition{Kind: "owner", Object: "x", Text: name, otherwise: otherwise}
	}
	right := func(grantee, text, otherwise string) Definition {
		return Definition{Kind: "privilege", Object: "x", Text: text, grantee: grantee, otherwise: otherwise}
	}
	cases := map[string]struct {
		source, target *Definitions
		want           []string
	}{
		"encoding":                        {side(fact("database_encoding", "database", "UTF8")), side(fact("database_encoding", "database", "LATIN1")), []string{"warn database_encoding database"}},
		"locale":                          {side(fact("database_locale", "database", "collate C")), side(fact("database_locale", "database", "collate de_DE")), []string{"warn database_locale database"}},
		"config":                          {side(fact("extension_config", "extension e", "t")), side(), []string{"warn extension_config extension e"}},
		"another superuser made it":       {side(owner("postgres", bootstrapOwner)), side(owner("rdsadmin", bootstrapOwner)), nil},
		"a role of the superuser's name":  {side(owner("postgres", bootstrapOwner)), side(owner("postgres", "")), nil},
		"the superuser, and another":      {side(owner("postgres", bootstrapOwner)), side(owner("app", "")), []string{"block owner x"}},
		"a privilege that one server has": {side(right("app", "SELECT", "")), side(right("app", "MAINTAIN, SELECT", "")), nil},
		"that one and another":            {side(right("app", "SELECT", "")), side(right("app", "MAINTAIN, SELECT, UPDATE", "")), []string{"warn privilege x"}},
		"as it was made":                  {side(right("PUBLIC", "UPDATE, SELECT", sinceMade)), side(right("PUBLIC", "SELECT", sinceMade)), nil},
		"changed since":                   {side(right("PUBLIC", "UPDATE, SELECT", sinceMade)), side(right("PUBLIC", "UPDATE", sinceMade+"-SELECT")), []string{"block privilege x"}},
		"of a role that is not there":     {side(right("app", "SELECT", "")), &Definitions{present: map[string]bool{}, privileges: map[string]bool{"SELECT": true}}, nil},
		"a name that later servers quote": {side(fact("table", "public.json", "table")), side(fact("table", `public."json"`, "table")), nil},
		"passwords that were not read": {side(fact("role", "role app", "login"), fact("password", "role app", "has one")), func() *Definitions {
			d := side(fact("role", "role app", "login"))
			d.passwords = false
			return d
		}(), nil},
		"a default version of each": {side(Definition{Kind: "extension_version", Object: "extension e", Text: "1.0", otherwise: usualVersion}),
			side(Definition{Kind: "extension_version", Object: "extension e", Text: "2.0", otherwise: usualVersion}), nil},
		"a procedure's IN": {side(fact("function", "function f()", "procedure (INOUT a integer, b text)")), side(fact("function", "function f()", "procedure (INOUT a integer, IN b text)")), nil},
		"not a function's": {side(fact("function", "function f()", "procedure (INOUT a integer, b text)")), side(fact("function", "function f()", "procedure (INOUT a integer, INOUT b text)")), []string{"block function function f()"}},
	}
	for name, c := range cases {
		want := c.want
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(want, told(Compare(c.source, c.target, nil))); diff != "" {
			t.Errorf("%s: (-want +found)\n%s", name, diff)
		}
	}
}

// TestChosen: with a filter just the tables that it chose, and nothing that
// belongs to none.
func TestChosen(t *testing.T) {
	source := side(Definition{Kind: "table", Table: "a", Object: "a", Text: "table"}, Definition{Kind: "table", Table: "b", Object: "b", Text: "table"}, Definition{Kind: "schema", Object: "schema s", Text: "schema"})
	found := told(Compare(source, side(), func(table string) bool { return table == "a" }))
	if diff := cmp.Diff([]string{"block table a"}, found); diff != "" {
		t.Error(diff)
	}
	if found := Compare(source, side(), nil); len(found) != 3 {
		t.Errorf("without a filter: %+v", found)
	}
}

func TestHolds(t *testing.T) {
	cases := []struct {
		a, b        string
		there, back bool
	}{
		{"integer", "bigint", true, false}, {"smallint", "numeric", true, false}, {"integer", "text", false, false}, {"integer", "numeric(3,0)", false, false},
		{"character varying(10)", "character varying(20)", true, false}, {"character varying(10)", "text", true, false}, {"character varying", "text", true, true},
		{"numeric(10,2)", "numeric(12,2)", true, false}, {"numeric(10,2)", "numeric(10,4)", false, false}, {"numeric(10,2)", "numeric", true, false},
		{"character(3)", "character(4)", false, false}, {"bit(3)", "bit", false, false}, {"bit varying(3)", "bit varying", true, false}, {"real", "double precision", true, false},
		{"timestamp(3) without time zone", "timestamp without time zone", true, false}, {"timestamp without time zone", "timestamp with time zone", false, false},
		{"integer[]", "bigint[]", false, false}, {"shop.mood", "text", false, false},
	}
	for _, c := range cases {
		if holds(c.a, c.b) != c.there || holds(c.b, c.a) != c.back {
			t.Errorf("%s and %s: %t, %t", c.a, c.b, holds(c.a, c.b), holds(c.b, c.a))
		}
	}
}

// TestShorten: what differs is never shown alike, and nothing shown is long or
// broken.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "ä", " ", "\n", "abc", "日本", strings.Repeat("long ", 60), "\x01x", "\x01y"})
		text := func(label string) string { return strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, label), "") }
		common := text("common")
		a, b := common+text("a"), common+text("b")
		x, y := shorten(a, b)
		if (a == b) != (x == y) {
			t.Fatalf("%q, %q are shown as %q, %q", a, b, x, y)
		}
		for _, s := range []string{x, y} {
			if len(s) > shown+20 || !utf8.ValidString(s) || strings.Contains(s, "\x01") {
				t.Fatalf("shown as %q", s)
			}
		}
	})
}

func TestSameLocale(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"icu und-u-ks-level1-kc-true, not deterministic", "icu und-u-kc-ks-level1, not deterministic", true},
		{"icu und-u-ks-level1", "icu und-u-ks-level2", false},
		{"icu de-u-co-phonebk", "icu de", false},
		{"icu und-u-ks-level1", "icu und-u-ks-level1, not deterministic", false},
		{"libc de_DE", "libc en_US", false},
	} {
		if sameLocale(c.a, c.b) != c.same {
			t.Errorf("%q and %q: want %t", c.a, c.b, c.same)
		}
	}
}

// TestReadByAnyone: a role without any privilege reads all but what is told it
// may not see, and finds the same differences.
func TestReadByAnyone(t *testing.T) {
	for _, major := range []int{10, 13, 15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			c := cluster(t, major)
			url := c.TestDB(t, worldSQL(min(major, 15))...)
			all := read(t, postgres.Source, url)
			mine := read(t, postgres.Target, strings.Replace(url, "//postgres@", "//nobody:secret@", 1))
			// One file of an extension that the server can't read hides all their versions.
			for _, d := range []*Definitions{all, mine} {
				d.Hidden = slices.DeleteFunc(d.Hidden, func(s string) bool { return strings.HasPrefix(s, "versions of extensions") })
			}
			if len(all.Hidden) > 0 {
				t.Errorf("a superuser sees all: %q", all.Hidden)
			}
			if len(mine.Hidden) != 2 || !strings.Contains(mine.Hidden[0], `GRANT SELECT ON pg_catalog.pg_authid TO "nobody"`) || !strings.Contains(mine.Hidden[1], "user mappings") {
				t.Errorf("hidden: %q", mine.Hidden)
			}
			if found := Compare(all, mine, nil); len(found) > 0 {
				t.Errorf("the same database differs: %+v", found)
			}
			if found := Compare(mine, all, nil); len(found) > 0 {
				t.Errorf("the same database differs, the other way: %+v", found)
			}
			secrets := 0
			for _, d := range mine.List {
				if d.Kind == "password" || d.Kind == "user_mapping_options" {
					secrets++
				}
				if strings.Contains(visible(d.Text), "hush") {
					t.Errorf("a secret: %+v", d)
				}
			}
			if secrets > 0 {
				t.Errorf("%d facts that are hidden were read", secrets)
			}
		})
	}
}
