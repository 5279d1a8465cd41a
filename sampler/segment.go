package sampler

import (
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// Segment is a run of a table's pages, [From, To) by number; To 0 is open, so
// that pages added later belong to the last. It bounds a statement of a sweep:
// the unit of reading, where the unit of comparison is a bucket of key hashes.
type Segment struct{ From, To int64 }

// pageSize is the usual size of a page. Where a server was built with another,
// segments are as right, only of another size.
const pageSize = 8192

// Segments divides one side of a table into statements of about a second
// each, or of chunkRows rows where that is not 0. They lie differently on both
// sides, so their digests mean something only when added up. A table that
// cannot be read by ranges of pages is one segment.
func Segments(t *postgres.Table, columns, chunkRows int) []Segment {
	n := 1
	if t.PageRanges {
		n = chunkCount(Plan{Rows: estimatedRows(t), Bytes: t.Bytes}, columns, chunkRows)
	}
	pages := t.Bytes / pageSize
	segments := make([]Segment, 0, n)
	from := int64(0)
	for i := 1; i < n; i++ {
		to := pages * int64(i) / int64(n)
		if to > from {
			segments = append(segments, Segment{from, to})
			from = to
		}
	}
	return append(segments, Segment{From: from})
}

// Of narrows a scope to the segment's pages.
func (s Segment) Of(scope postgres.Scope) postgres.Scope {
	if s.From > 0 {
		scope = scope.And(fmt.Sprintf("t.ctid >= '(%d,0)'::pg_catalog.tid", s.From))
	}
	if s.To > 0 {
		scope = scope.And(fmt.Sprintf("t.ctid < '(%d,0)'::pg_catalog.tid", s.To))
	}
	return scope
}
