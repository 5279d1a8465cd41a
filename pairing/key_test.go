package pairing

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/postgres"
)

// TestChooseKey takes the first key of the source's, in the catalog's order
// (the primary key, then the narrowest), that both sides enforce.
func TestChooseKey(t *testing.T) {
	columns := func() []*postgres.Column {
		nullable := changed(column("n", int4), func(c *postgres.Column) { c.NotNull = false })
		return []*postgres.Column{column("a", int4), column("b", text), nullable}
	}
	table := func(columns []*postgres.Column, indexes ...*postgres.Index) *postgres.Table {
		tab := relation("s", "t", 'r', columns...)
		tab.Indexes = indexes
		return tab
	}
	plain := unique("plain", "a")
	plain.Unique = false
	for _, c := range []struct {
		name           string
		source, target *postgres.Table
		want           []string
		why            string
		differs        bool
	}{
		{"primary key", table(columns(), primary("a"), unique("u", "b")), table(columns(), primary("a")), []string{"a"}, "primary key", false},
		{"unique instead", table(columns(), unique("u", "b")), table(columns(), unique("v", "b")), []string{"b"}, "unique index u", false},
		{"primary here, unique there", table(columns(), primary("a")), table(columns(), unique("u", "a")), []string{"a"}, "primary key", false},
		{"columns in another order", table(columns(), primary("a", "b")), table(columns(), primary("b", "a")), []string{"a", "b"}, "primary key", false},
		{"the target lacks the first", table(columns(), primary("a"), unique("u", "b")), table(columns(), unique("u", "b")), []string{"b"}, "unique index u", false},
		{"the target lacks it", table(columns(), primary("a")), table(columns()), nil, "the target has no unique index on (a)", true},
		{"the target's is not unique", table(columns(), primary("a")), table(columns(), plain), nil, "the target has no unique index on (a)", true},
		{"part of it there", table(columns(), primary("a", "b")), table(columns(), primary("a")), nil, "the target has no unique index on (a, b)", true},
		{"nulls on both sides", table(columns(), unique("u", "n")), table(columns(), unique("u", "n")), nil, "unique index u allows nulls in n", false},
		{"nulls there", table(columns(), unique("u", "b")), table([]*postgres.Column{changed(column("b", text), func(c *postgres.Column) { c.NotNull = false })}, unique("u", "b")), nil, "the target allows nulls in b", true},
		{"none", table(columns(), plain), table(columns(), plain), nil, "no primary key and no unique index without nulls", false},
		{"of another type there", table(columns(), primary("a")), table([]*postgres.Column{column("a", text)}, primary("a")), nil, "column a of key pk cannot be compared", false},
	} {
		p := join(t, catalog(c.source), catalog(c.target), Options{})
		got := p.Tables[0]
		if !slices.Equal(names(got.Key), c.want) || got.KeyReason != c.why {
			t.Errorf("%s: got key %q, %q; want %q, %q", c.name, names(got.Key), got.KeyReason, c.want, c.why)
		}
		differs := slices.ContainsFunc(p.Differences, func(d Difference) bool { return d.Kind == "no_common_key" })
		if differs != c.differs {
			t.Errorf("%s: said to differ: %t, want %t", c.name, differs, c.differs)
		}
	}
}

func TestKeyOnRequest(t *testing.T) {
	source := relation("s", "t", 'r', column("a", int4), column("b", text))
	source.Indexes = []*postgres.Index{primary("a"), unique("u", "b"), unique("both", "a", "b")}
	target := relation("s", "t", 'r', column("a", int4), column("b", text))
	target.Indexes = []*postgres.Index{primary("a"), unique("u", "b")}
	for _, c := range []struct {
		asked []string
		want  []string
		err   string
	}{
		{[]string{"b"}, []string{"b"}, ""},
		{nil, []string{"a"}, ""},
		{[]string{"a", "b"}, nil, "the target has no unique index on (a, b)"},
		{[]string{"c"}, nil, "no unique index of the source has exactly these columns"},
	} {
		p, err := Join(catalog(source), catalog(target), Options{Keys: map[string][]string{"s.t": c.asked}})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "s.t") {
				t.Errorf("%q: got %v, want %q", c.asked, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(names(p.Tables[0].Key), c.want) {
			t.Errorf("%q: got %v, %v; want %q", c.asked, names(p.Tables[0].Key), err, c.want)
		}
	}
}

// TestKeyless leaves out the key of a table that is wanted as a multiset, and
// says nothing of a key that the target lacks.
func TestKeyless(t *testing.T) {
	source, target := relation("s", "t", 'r', column("a", int4)), relation("s", "t", 'r', column("a", int4))
	source.Indexes = []*postgres.Index{primary("a")}
	p := join(t, catalog(source), catalog(target), Options{Keyless: map[string]bool{"s.t": true}})
	if tab := p.Tables[0]; tab.Key != nil || tab.KeyReason != "asked for as a multiset" || len(p.Differences) > 0 {
		t.Errorf("key %q, %q; differences %v", names(tab.Key), tab.KeyReason, p.Differences)
	}
	if p := join(t, catalog(source), catalog(source), Options{Keyless: map[string]bool{"s.u": true}}); p.Tables[0].Key == nil {
		t.Error("another table's wish took the key away")
	}
}

// TestOrderedKeys allows ranges only where both servers order the key alike.
func TestOrderedKeys(t *testing.T) {
	builtIn := func(name string) *postgres.Type {
		return &postgres.Type{Name: name, Text: name, Kind: 'b', BuiltIn: true}
	}
	of := func(typ *postgres.Type, byteOrder bool) *postgres.Column {
		return changed(column("k", typ), func(c *postgres.Column) { c.ByteOrder = byteOrder })
	}
	citext := &postgres.Type{Name: "citext", Text: "public.citext", Kind: 'b'}
	fake := &postgres.Type{Name: "int4", Text: "evil.int4", Kind: 'b'} // only the name is known
	domain := func(base *postgres.Type) *postgres.Type {
		return &postgres.Type{Name: "d", Text: "public.d", Kind: 'd', Base: base}
	}
	for _, c := range []struct {
		name           string
		source, target *postgres.Column
		want           bool
	}{
		{"int8", of(builtIn("int8"), true), of(builtIn("int8"), true), true},
		{"uuid", of(builtIn("uuid"), true), of(builtIn("uuid"), true), true},
		{"numeric", of(builtIn("numeric"), true), of(builtIn("numeric"), true), true},
		{"text in C", of(text, true), of(text, true), true},
		{"text in C on the source only", of(text, true), of(text, false), false},
		{"text in C on the target only", of(text, false), of(text, true), false},
		{"bpchar in C", of(builtIn("bpchar"), true), of(builtIn("bpchar"), true), true},
		{"interval", of(builtIn("interval"), true), of(builtIn("interval"), true), false},
		{"enum", of(&postgres.Type{Name: "mood", Text: "public.mood", Kind: 'e'}, true), of(&postgres.Type{Name: "mood", Text: "public.mood", Kind: 'e'}, true), false},
		{"citext", of(citext, true), of(citext, true), false},
		{"another's int4", of(fake, true), of(fake, true), false},
		{"domain of int4", of(domain(int4), true), of(domain(int4), true), true},
		{"domain of a domain of int4", of(domain(domain(int4)), true), of(domain(domain(int4)), true), true},
		{"domain of citext", of(domain(citext), true), of(domain(citext), true), false},
	} {
		source, target := relation("s", "t", 'r', column("a", int4), c.source), relation("s", "t", 'r', column("a", int4), c.target)
		source.Indexes, target.Indexes = []*postgres.Index{primary("a", "k")}, []*postgres.Index{primary("a", "k")}
		key := join(t, catalog(source), catalog(target), Options{}).Tables[0].Key
		if key.Ordered != c.want || (key.Unordered == "") != c.want {
			t.Errorf("%s: ordered %t because %q, want %t", c.name, key.Ordered, key.Unordered, c.want)
		}
	}
}
