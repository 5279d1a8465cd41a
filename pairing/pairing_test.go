package pairing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/postgres"
)

var (
	int4 = &postgres.Type{Name: "int4", Text: "integer", Kind: 'b', BuiltIn: true}
	text = &postgres.Type{Name: "text", Text: "text", Kind: 'b', BuiltIn: true}
)

func relation(schema, name string, kind byte, columns ...*postgres.Column) *postgres.Table {
	return &postgres.Table{Schema: schema, Name: name, Quoted: schema + "." + name, Kind: kind, Columns: columns}
}

// column is not null.
func column(name string, typ *postgres.Type) *postgres.Column {
	c := &postgres.Column{Name: name, Quoted: name, Type: typ, TypeText: typ.Text, NotNull: true, Deterministic: true, ByteOrder: true}
	if typ == text {
		c.Collation = `pg_catalog."default"`
	}
	return c
}

func changed(c *postgres.Column, change func(*postgres.Column)) *postgres.Column {
	change(c)
	return c
}

func unique(name string, columns ...string) *postgres.Index {
	ix := &postgres.Index{Name: name, Unique: true, Columns: columns}
	for range columns {
		ix.EqualOp = append(ix.EqualOp, "OPERATOR(pg_catalog.=)")
	}
	return ix
}

func primary(columns ...string) *postgres.Index {
	ix := unique("pk", columns...)
	ix.Primary = true
	return ix
}

func catalog(tables ...*postgres.Table) *postgres.Catalog { return &postgres.Catalog{Tables: tables} }

func join(t *testing.T, source, target *postgres.Catalog, o Options) *Pair {
	t.Helper()
	p, err := Join(source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDifferences lists what is said of two catalogs that disagree, and
// whether it decides.
func TestDifferences(t *testing.T) {
	id := func() *postgres.Column { return column("id", int4) }
	enum := &postgres.Type{Schema: "public", Name: "mood", Text: "public.mood", Kind: 'e'}
	domain := &postgres.Type{Schema: "public", Name: "mood", Text: "public.mood", Kind: 'd', Base: text}
	long := func(typmod string) *postgres.Column {
		return changed(column("v", text), func(c *postgres.Column) { c.TypeText = "character varying(" + typmod + ")" })
	}
	collated := func(name string, deterministic bool) *postgres.Column {
		return changed(column("v", text), func(c *postgres.Column) { c.Collation, c.Deterministic = name, deterministic })
	}
	nameType := &postgres.Type{Name: "name", Text: "name", Kind: 'b', BuiltIn: true}
	for _, c := range []struct {
		name           string
		source, target *postgres.Catalog
		want           []string // kind object effect
		columns        int      // paired in the first table
	}{
		{"same", catalog(relation("s", "t", 'r', id())), catalog(relation("s", "t", 'r', id())), nil, 1},
		{"missing table", catalog(relation("s", "t", 'r', id())), catalog(), []string{"missing_table s.t decisive"}, 0},
		{"extra table", catalog(), catalog(relation("s", "t", 'p', id())), []string{"extra_table s.t noted"}, 0},
		{"missing column", catalog(relation("s", "t", 'r', id(), column("v", text))), catalog(relation("s", "t", 'r', id())), []string{"missing_column s.t.v decisive"}, 1},
		{"extra column", catalog(relation("s", "t", 'r', id())), catalog(relation("s", "t", 'r', id(), column("v", text))), []string{"extra_column s.t.v noted"}, 1},
		{"another order", catalog(relation("s", "t", 'r', id(), column("v", text))), catalog(relation("s", "t", 'r', column("v", text), id())), nil, 2},
		{"another type", catalog(relation("s", "t", 'r', id(), column("v", text))), catalog(relation("s", "t", 'r', id(), column("v", int4))), []string{"column_type s.t.v undecided"}, 1},
		{"another length", catalog(relation("s", "t", 'r', id(), long("10"))), catalog(relation("s", "t", 'r', id(), long("20"))), []string{"column_type s.t.v noted"}, 2},
		{"an enum and a domain of one name", catalog(relation("s", "t", 'r', column("v", enum))), catalog(relation("s", "t", 'r', column("v", domain))), []string{"column_type s.t.v undecided"}, 0},
		{"another collation", catalog(relation("s", "t", 'r', collated("C", true))), catalog(relation("s", "t", 'r', collated("de", true))), []string{"column_collation s.t.v noted"}, 1},
		{"one deterministic", catalog(relation("s", "t", 'r', collated("x", true))), catalog(relation("s", "t", 'r', collated("x", false))), []string{"column_collation s.t.v noted"}, 1},
		{"names, which got a collation in 12", catalog(relation("s", "t", 'r', column("v", nameType))),
			catalog(relation("s", "t", 'r', changed(column("v", nameType), func(c *postgres.Column) { c.Collation = `pg_catalog."C"` }))), nil, 1},
		{"partitioned there", catalog(relation("s", "t", 'r', id())), catalog(relation("s", "t", 'p', id())), nil, 1},
		{"foreign there", catalog(relation("s", "t", 'r', id())), catalog(relation("s", "t", 'f', id())), []string{"kind s.t undecided"}, 0},
		{"a view's copy there", catalog(relation("s", "t", 'r', id())), catalog(relation("s", "t", 'm', id())), []string{"kind s.t undecided"}, 0},
		{"case counts", catalog(relation("s", "T", 'r', id())), catalog(relation("s", "t", 'r', id())), []string{"missing_table s.T decisive", "extra_table s.t noted"}, 0},
	} {
		p := join(t, c.source, c.target, Options{})
		var got []string
		for _, d := range p.Differences {
			got = append(got, fmt.Sprint(d.Kind, " ", d.Object, " ", []string{"noted", "undecided", "decisive"}[d.Effect]))
			if !strings.Contains(d.Sentence(), d.Object) {
				t.Errorf("%s: the sentence %q does not name %s", c.name, d.Sentence(), d.Object)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if n := len(p.Tables[0].Columns); n != c.columns {
			t.Errorf("%s: %d columns paired, want %d", c.name, n, c.columns)
		}
		undecided := strings.Contains(strings.Join(got, ","), "undecided")
		if (len(p.Tables[0].Incomparable) > 0) != undecided {
			t.Errorf("%s: incomparable: %q", c.name, p.Tables[0].Incomparable)
		}
	}
}

// TestMatviews pairs materialised views where they are asked for, and bars
// those that cannot be compared with what the other side has.
func TestMatviews(t *testing.T) {
	view := func(populated bool) *postgres.Table {
		v := relation("s", "Mat", 'm', column("id", int4))
		v.Populated = populated
		return v
	}
	table := relation("s", "Mat", 'r', column("id", int4))
	for _, c := range []struct {
		name           string
		source, target *postgres.Table
		barred         string
	}{
		{"both filled", view(true), view(true), ""},
		{"the source's not filled", view(false), view(true), `source: not populated: REFRESH MATERIALIZED VIEW "s"."Mat";`},
		{"the target's not filled", view(true), view(false), `target: not populated: REFRESH MATERIALIZED VIEW "s"."Mat";`},
		{"a table there", view(true), table, "s.Mat: kind is materialised view on the source, table on the target"},
		{"a table here", table, view(true), "s.Mat: kind is table on the source, materialised view on the target"},
		{"tables", table, table, ""},
	} {
		p := join(t, catalog(c.source), catalog(c.target), Options{Matviews: true})
		got := p.Tables[0]
		if len(p.Excluded) > 0 || got.Barred != c.barred || (c.barred == "") != (len(got.Columns) == 1) {
			t.Errorf("%s: excluded %v, barred by %q with %d columns; want %q", c.name, p.Excluded, got.Barred, len(got.Columns), c.barred)
		}
		if c.barred != "" && !slices.Equal(got.Incomparable, []string{c.barred}) {
			t.Errorf("%s: incomparable: %q", c.name, got.Incomparable)
		}
	}
}

// TestOmissions leaves out on purpose, and says so; of partitions it lists
// the root only.
func TestOmissions(t *testing.T) {
	extension, leaf := relation("s", "spatial", 'r'), relation("s", "leaf", 'r')
	extension.Extension, leaf.Partition = "postgis", true
	source := catalog(relation("s", "t", 'r'), relation("s", "out", 'r'), extension, leaf, relation("s", "far", 'f'), relation("s", "mat", 'm'), relation("bucardo", "sync", 'r'))
	p := join(t, source, source, Options{Filter: Filter{ExcludeTables: []string{"out"}}})
	var tables, excluded []string
	for _, tab := range p.Tables {
		tables = append(tables, tab.Name)
	}
	for _, o := range p.Excluded {
		excluded = append(excluded, o.Object+": "+o.Reason)
	}
	if diff := cmp.Diff([]string{"s.t"}, tables); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	want := []string{"s.out: excluded on request", "s.spatial: member of extension postgis", "s.far: foreign table", "s.mat: materialised view", "bucardo.sync: belongs to a replication or maintenance tool"}
	if diff := cmp.Diff(want, excluded); diff != "" {
		t.Errorf("excluded (-want +got):\n%s", diff)
	}
	if len(p.Differences) > 0 {
		t.Errorf("equal catalogs differ: %+v", p.Differences)
	}
}

// TestLeafThatIsATableThere compares a partition with the table that the
// target has in its place.
func TestLeafThatIsATableThere(t *testing.T) {
	leaf := relation("s", "leaf", 'r', column("id", int4))
	leaf.Partition, leaf.Parent = true, "s.root"
	p := join(t, catalog(relation("s", "root", 'p'), leaf), catalog(relation("s", "leaf", 'r', column("id", int4))), Options{})
	if len(p.Tables) != 2 || p.Tables[0].Name != "s.leaf" || !p.Tables[0].Both() || p.Tables[1].Both() {
		t.Errorf("got %d tables, want the leaf on both sides and the root on one", len(p.Tables))
	}
}

func TestUnmatchedGlobs(t *testing.T) {
	source, target := catalog(relation("s", "here", 'r')), catalog(relation("s", "here", 'r'), relation("s", "there", 'r'))
	source.Sequences = []*postgres.Sequence{{Schema: "s", Name: "counter", Quoted: "s.counter"}}
	p := join(t, source, target, Options{Filter: Filter{Tables: []string{"here", "there", "counter", "typo*"}, Schemas: []string{"s", "t"}}})
	if diff := cmp.Diff([]string{"typo*", "t"}, p.Unmatched); diff != "" {
		t.Errorf("unmatched (-want +got):\n%s", diff)
	}
}

// TestSequencesFollowTheirTables: a table's own sequence comes and goes with it.
func TestSequencesFollowTheirTables(t *testing.T) {
	seq := func(name, owner string) *postgres.Sequence {
		q := &postgres.Sequence{Schema: "s", Name: name, Quoted: "s." + name}
		if owner != "" {
			q.OwnerSchema, q.OwnerTable, q.OwnerColumn = "s", owner, "id"
		}
		return q
	}
	tool, member := seq("tool", ""), seq("member", "")
	tool.Schema, member.Extension = "pglogical", "postgis"
	source := &postgres.Catalog{Sequences: []*postgres.Sequence{seq("a_id_seq", "a"), seq("b_id_seq", "b"), seq("free", ""), tool, member}}
	target := &postgres.Catalog{Sequences: []*postgres.Sequence{seq("a_id_seq", "a"), seq("free", ""), seq("more", "")}}
	for _, c := range []struct {
		name   string
		filter Filter
		want   string
	}{
		{"no filter", Filter{}, "s.a_id_seq s.b_id_seq< s.free s.more>"},
		{"a table", Filter{Tables: []string{"a"}}, "s.a_id_seq"},
		{"a table excluded", Filter{ExcludeTables: []string{"s.a"}}, "s.b_id_seq< s.free s.more>"},
		{"all but a table", Filter{Tables: []string{"*"}, ExcludeTables: []string{"b"}}, "s.a_id_seq s.free s.more>"},
		{"by its own name", Filter{Tables: []string{"b_*"}}, "s.b_id_seq<"},
		{"its name excluded, its table not", Filter{ExcludeTables: []string{"free"}}, "s.a_id_seq s.b_id_seq< s.more>"},
		{"another schema", Filter{Schemas: []string{"x"}}, ""},
	} {
		p := &Pair{}
		p.joinSequences(source, target, c.filter)
		var got []string
		for _, q := range p.Sequences {
			mark := ""
			if q.Target == nil {
				mark = "<"
			} else if q.Source == nil {
				mark = ">"
			}
			got = append(got, q.Name+mark)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDefinitionDiffers(t *testing.T) {
	base := postgres.Sequence{Type: "bigint", Start: 1, Increment: 1, Min: 1, Max: 100}
	for word, change := range map[string]func(*postgres.Sequence){
		"":          func(q *postgres.Sequence) { q.OID, q.CanSelect = 5, true },
		"type":      func(q *postgres.Sequence) { q.Type = "integer" },
		"start":     func(q *postgres.Sequence) { q.Start = 2 },
		"increment": func(q *postgres.Sequence) { q.Increment = -1 },
		"minimum":   func(q *postgres.Sequence) { q.Min = 0 },
		"maximum":   func(q *postgres.Sequence) { q.Max = 99 },
		"cycle":     func(q *postgres.Sequence) { q.Cycle = true },
	} {
		other := base
		change(&other)
		got := (&Sequence{Source: &base, Target: &other}).DefinitionDiffers()
		if (word == "") != (got == "") || !strings.HasPrefix(got, word) {
			t.Errorf("%s: got %q", word, got)
		}
	}
}

func names(k *Key) []string {
	if k == nil {
		return nil
	}
	var list []string
	for _, c := range k.Columns {
		list = append(list, c.Name)
	}
	return slices.Clip(list)
}
