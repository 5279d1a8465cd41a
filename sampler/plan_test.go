package sampler

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// TestBetweenCoversAll cuts random sorted bounds and demands that each key
// belongs to exactly one range, and that the ranges are no more than asked.
func TestBetweenCoversAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var bounds [][]string
		for _, n := range slices.Sorted(slices.Values(rapid.SliceOfN(rapid.IntRange(0, 99), 0, 60).Draw(rt, "bounds"))) {
			bounds = append(bounds, []string{fmt.Sprintf("%02d", n)})
		}
		n := rapid.IntRange(1, 40).Draw(rt, "chunks")
		ranges := between(bounds, n)
		if len(ranges) > n {
			rt.Fatalf("%d ranges, want at most %d", len(ranges), n)
		}
		for key := range 100 {
			k, in := fmt.Sprintf("%02d", key), 0
			for _, r := range ranges {
				if (r.From == nil || r.From[0] <= k) && (r.To == nil || k < r.To[0]) {
					in++
				}
			}
			if in != 1 {
				rt.Fatalf("key %s is in %d of the ranges %v", k, in, ranges)
			}
		}
	})
}

// TestBetweenIsEven takes bounds that are spread evenly among the rows.
func TestBetweenIsEven(t *testing.T) {
	var bounds [][]string
	for i := range 100 {
		bounds = append(bounds, []string{fmt.Sprint(i)})
	}
	for _, n := range []int{1, 2, 7, 50, 100} {
		if got := between(bounds, n); len(got) != n {
			t.Errorf("%d chunks asked of 100 bounds, got %d", n, len(got))
		}
	}
}

func TestChooseStrategy(t *testing.T) {
	size := func(rows, bytes int64) *postgres.Table {
		return &postgres.Table{EstimatedRows: rows, Bytes: bytes}
	}
	lead := func(scattered bool) []pairing.KeyColumn {
		return []pairing.KeyColumn{{Column: &pairing.Column{Source: &postgres.Column{}, Target: &postgres.Column{Scattered: scattered}}}}
	}
	ordered, unordered := &pairing.Key{Ordered: true, Columns: lead(false)}, &pairing.Key{Unordered: "text under a collation"}
	random := &pairing.Key{Ordered: true, Columns: lead(true)}
	heap := func(rows int64) *postgres.Table { return &postgres.Table{EstimatedRows: rows, PageRanges: true} }
	for _, c := range []struct {
		name           string
		key            *pairing.Key
		source, target *postgres.Table
		keyed          bool
		chunkRows      int
		strategy       Strategy
		chunks         int
	}{
		{"empty", ordered, size(0, 0), size(0, 0), true, 0, Ranges, 1},
		{"small", ordered, size(1000, 8192), size(1000, 8192), true, 0, Ranges, 1},
		{"by rows", ordered, size(10_000_000, 8192), size(0, 0), true, 0, Ranges, 104},
		{"by bytes", ordered, size(1000, 640<<20), size(0, 0), true, 0, Ranges, 80},
		{"the target is larger", ordered, size(0, 0), size(4_000_000, 0), true, 0, Ranges, 41},
		{"by values out of line", ordered, &postgres.Table{EstimatedRows: 1000, Bytes: 8192, ToastBytes: 320 << 20}, size(0, 0), true, 0, Ranges, 40},
		{"huge", ordered, size(50_000_000_000, 4<<40), size(0, 0), true, 0, Ranges, maxChunks},
		{"asked", ordered, size(100, 8192), size(100, 8192), true, 10, Ranges, 10},
		{"never analysed", ordered, size(0, 100_000), size(0, 100_000), true, 100, Ranges, 10},
		{"scattered, one chunk", random, heap(100), heap(100), true, 0, Ranges, 1},
		{"scattered, several chunks", random, heap(10_000_000), heap(10_000_000), true, 0, Sweep, 1},
		{"scattered, one side cannot sweep", random, heap(10_000_000), size(10_000_000, 0), true, 0, Ranges, 104},
		{"not ordered alike", unordered, size(1_000_000, 1<<30), size(0, 0), true, 10, Sweep, 1},
		{"no key", nil, size(1_000_000, 1<<30), size(0, 0), false, 10, Multiset, 1},
		{"a key that cannot be hashed", ordered, size(1_000_000, 1<<30), size(0, 0), false, 10, Multiset, 1},
	} {
		tab := &pairing.Table{Columns: make([]*pairing.Column, 5), Key: c.key, KeyReason: "primary key", Source: c.source, Target: c.target}
		p, err := Choose(tab, c.keyed, Wish{ChunkRows: c.chunkRows})
		if err != nil || p.Strategy != c.strategy || p.Chunks != c.chunks || p.Why == "" {
			t.Errorf("%s: got %+v, %v; want %s in %d chunks and a reason", c.name, p, err, c.strategy, c.chunks)
		}
	}
}

// TestWishes: a plan on request is taken where it is sound, and refused with
// the reason and with one that would do where it is not.
func TestWishes(t *testing.T) {
	table := func(key *pairing.Key, why string) *pairing.Table {
		heap := &postgres.Table{EstimatedRows: 10_000_000, PageRanges: true}
		return &pairing.Table{Name: "s.t", Columns: make([]*pairing.Column, 5), Key: key, KeyReason: why, Source: heap, Target: heap}
	}
	lead := []pairing.KeyColumn{{Column: &pairing.Column{Source: &postgres.Column{Scattered: true}, Target: &postgres.Column{}}}}
	scattered := table(&pairing.Key{Ordered: true, Columns: lead}, "primary key")
	unordered := table(&pairing.Key{Unordered: "v is text"}, "primary key")
	keyless := table(nil, "no unique index")
	for _, c := range []struct {
		name  string
		table *pairing.Table
		keyed bool
		asked Strategy
		many  bool // chunks
		err   string
	}{
		{"ranges though scattered", scattered, true, Ranges, true, ""},
		{"sweep", scattered, true, Sweep, false, ""},
		{"multiset of a keyed table", scattered, true, Multiset, false, ""},
		{"multiset of a table without a key", keyless, false, Multiset, false, ""},
		{"sweep where the order differs", unordered, true, Sweep, false, ""},
		{"ranges where the order differs", unordered, true, Ranges, false, "s.t: its plan cannot be ranges, since a range of its key would not hold the same rows on both sides (v is text): ask for sweep, or"},
		{"ranges without a key", keyless, false, Ranges, false, "s.t: its plan cannot be ranges, which needs a key (no unique index): ask for multiset, or"},
		{"sweep without a key", keyless, false, Sweep, false, "s.t: its plan cannot be sweep, which needs a key (no unique index): ask for multiset, or"},
		{"sweep by a key that cannot be hashed", scattered, false, Sweep, false, "which needs a key (the primary key cannot be hashed alike on both sides)"},
	} {
		p, err := Choose(c.table, c.keyed, Wish{Strategy: c.asked})
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %+v, %v; want the error %q", c.name, p, err, c.err)
			}
		case err != nil || p.Strategy != c.asked || (p.Chunks > 1) != c.many || p.Why != "asked for" || p.Rows != 10_000_000:
			t.Errorf("%s: got %+v, %v; want it, in several chunks: %t", c.name, p, err, c.many)
		}
	}
}

// TestRangeStatement shows the condition of a range, which has to serve the
// key's index.
func TestRangeStatement(t *testing.T) {
	int8 := &postgres.Type{Name: "int8", Text: "bigint", Kind: 'b', BuiltIn: true}
	domain := &postgres.Type{Name: "d", Text: `"My"."d"`, Kind: 'd', Base: int8}
	col := func(name string, typ *postgres.Type) pairing.KeyColumn {
		return pairing.KeyColumn{Column: &pairing.Column{Name: name, Source: &postgres.Column{Name: name, Type: typ}, Target: &postgres.Column{Name: name, Type: typ}}}
	}
	rel := &postgres.Table{Schema: "s", Name: `q"t`, Kind: 'r'}
	one := &pairing.Table{Source: rel, Target: rel, Key: &pairing.Key{Columns: []pairing.KeyColumn{col("Id $1", domain)}}}
	two := &pairing.Table{Source: rel, Target: rel, Key: &pairing.Key{Columns: []pairing.KeyColumn{col("a", int8), col("b", int8)}}}
	for _, c := range []struct {
		table *pairing.Table
		r     Range
		want  string
		args  string
	}{
		{one, Range{}, `FROM ONLY "s"."q""t" AS t`, ""},
		{one, Range{From: []string{"1"}}, `FROM ONLY "s"."q""t" AS t WHERE t."Id $1" OPERATOR(pg_catalog.>=) CAST($1 AS bigint)`, "1"},
		{one, Range{To: []string{"9"}}, `FROM ONLY "s"."q""t" AS t WHERE t."Id $1" OPERATOR(pg_catalog.<) CAST($1 AS bigint)`, "9"},
		{two, Range{From: []string{"1", "2"}, To: []string{"3", "4"}}, `FROM ONLY "s"."q""t" AS t WHERE ROW(t."a", t."b") >= ROW(CAST($1 AS bigint), CAST($2 AS bigint)) AND ROW(t."a", t."b") < ROW(CAST($3 AS bigint), CAST($4 AS bigint))`, "1 2 3 4"},
	} {
		scope := c.r.Scope(c.table, postgres.Target)
		if got := scope.Clause(); got != c.want || strings.Join(scope.Args, " ") != c.args {
			t.Errorf("%v:\n got %s %q\nwant %s %q", c.r, got, scope.Args, c.want, c.args)
		}
	}
}
