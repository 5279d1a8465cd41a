package sampler

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/postgres"
)

// Every page, those that do not exist yet included, is in exactly one segment.
func TestSegmentsCoverTheHeap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := &postgres.Table{PageRanges: true, EstimatedRows: rapid.Int64Range(0, 1<<34).Draw(rt, "rows"), Bytes: rapid.Int64Range(0, 1<<42).Draw(rt, "bytes")}
		segments := Segments(table, 5, 0)
		next := int64(0)
		for i, s := range segments {
			last := i == len(segments)-1
			if s.From != next || last != (s.To == 0) || !last && s.To <= s.From {
				rt.Fatalf("segment %d of %v does not follow", i, segments)
			}
			next = s.To
		}
	})
}

func TestSegmentsOnlyWhereTheyAreCheap(t *testing.T) {
	for _, c := range []struct {
		name  string
		table *postgres.Table
		one   bool
	}{
		{"a large heap", &postgres.Table{PageRanges: true, EstimatedRows: 1 << 30, Bytes: 1 << 40}, false},
		{"no page ranges", &postgres.Table{EstimatedRows: 1 << 30, Bytes: 1 << 40}, true},
		{"a small heap", &postgres.Table{PageRanges: true, Bytes: 8192}, true},
	} {
		if got := Segments(c.table, 5, 0); (len(got) == 1) != c.one {
			t.Errorf("%s: %d segments", c.name, len(got))
		}
	}
}
