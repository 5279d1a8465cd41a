package pairing

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/postgres"
)

// TestQuotingIsNotAName: whether a name is quoted depends on the keywords of
// the server's version.
func TestQuotingIsNotAName(t *testing.T) {
	old, young := relation("s", "json", 'r', column("id", int4)), relation("s", "json", 'r', column("id", int4))
	young.Quoted = `s."json"`
	source, target := catalog(old), catalog(young)
	source.Sequences = []*postgres.Sequence{{Schema: "s", Name: "absent", Quoted: "s.absent"}}
	target.Sequences = []*postgres.Sequence{{Schema: "s", Name: "absent", Quoted: `s."absent"`}}
	p := join(t, source, target, Options{})
	if len(p.Tables) != 1 || !p.Tables[0].Both() || p.Tables[0].Name != "s.json" || len(p.Differences) != 0 {
		t.Errorf("got %d tables, differences %v; want one table on both sides", len(p.Tables), p.Differences)
	}
	if len(p.Sequences) != 1 || p.Sequences[0].Source == nil || p.Sequences[0].Target == nil {
		t.Errorf("got %d sequences, want one on both sides", len(p.Sequences))
	}
}

// TestPartitionsWithoutTheirRoot: a filter that chooses partitions but not
// their root chooses nothing, and is told so.
func TestPartitionsWithoutTheirRoot(t *testing.T) {
	root, leaf := relation("s", "orders", 'p'), relation("archive", "orders_1", 'r')
	leaf.Partition, leaf.Parent = true, root.Quoted
	tables := catalog(relation("archive", "notes", 'r'), leaf, root)
	for _, c := range []struct {
		name      string
		filter    Filter
		unmatched []string
		omitted   []Omission
	}{
		{"no filter", Filter{}, nil, nil},
		{"glob of the partitions", Filter{Tables: []string{"notes", "orders_*"}}, []string{"orders_*"}, []Omission{{"archive.orders_1", "partition of s.orders, which the filter does not choose", OnRequest}}},
		{"schema of the partitions", Filter{Schemas: []string{"archive"}}, nil, []Omission{{"archive.orders_1", "partition of s.orders, which the filter does not choose", OnRequest}}},
		{"glob of both", Filter{Tables: []string{"orders*"}}, nil, nil},
		{"root excluded", Filter{ExcludeTables: []string{"orders"}}, nil, []Omission{{"s.orders", "excluded on request", OnRequest}}},
	} {
		p := join(t, tables, tables, Options{Filter: c.filter})
		if diff := cmp.Diff(c.unmatched, p.Unmatched) + cmp.Diff(c.omitted, p.Excluded); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestOrderThatOnlyOneSideHas: ranges need a key that both sides order alike,
// and that both have an index for.
func TestOrderThatOnlyOneSideHas(t *testing.T) {
	side := func(encoding string, indexes ...*postgres.Index) *postgres.Catalog {
		r := relation("s", "t", 'r', column("a", text), column("b", int4))
		r.Indexes = indexes
		c := catalog(r)
		c.Encoding = encoding
		return c
	}
	for _, c := range []struct {
		name           string
		source, target *postgres.Catalog
		want           bool
	}{
		{"alike", side("UTF8", primary("a", "b")), side("UTF8", primary("a", "b")), true},
		{"other encoding", side("KOI8R", primary("a", "b")), side("UTF8", primary("a", "b")), false},
		{"other encoding, no text", side("KOI8R", primary("b")), side("UTF8", primary("b")), true},
		{"columns turned", side("UTF8", primary("a", "b")), side("UTF8", primary("b", "a")), false},
		{"turned and as it is", side("UTF8", primary("a", "b")), side("UTF8", primary("b", "a"), unique("u", "a", "b")), true},
	} {
		key := join(t, c.source, c.target, Options{}).Tables[0].Key
		if key == nil || key.Ordered != c.want || (key.Unordered == "") != c.want {
			t.Errorf("%s: %+v, want ordered %t", c.name, key, c.want)
		}
	}
}
