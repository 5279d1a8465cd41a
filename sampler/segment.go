package sampler

import (
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// Segment is a run of a table's pages, [From, To) by number; To 0 is open, so
// that pages added later belong to the last. It bounds a statement of a sweep:
// the unit of reading, where the unit of comparison is the whole table. Of a
// partitioned table it is that run of each leaf's pages.
type Segment struct{ From, To int64 }

// Of narrows a scope of the table to the segment's pages. From version 14 on
// the server reads just those; before, it is given every row's place that they
// may have, which costs several times as much but bounds the statement too.
func (s Segment) Of(scope postgres.Scope, t *postgres.Table, blockSize int64) postgres.Scope {
	if s == (Segment{}) {
		return scope
	}
	if !t.PageRanges {
		return scope.And(s.places(t, blockSize))
	}
	if s.From > 0 {
		scope = scope.And(fmt.Sprintf("t.ctid >= '(%d,0)'::pg_catalog.tid", s.From))
	}
	if s.To > 0 {
		scope = scope.And(fmt.Sprintf("t.ctid < '(%d,0)'::pg_catalog.tid", s.To))
	}
	return scope
}

// places lists all row places of the segment's pages.
func (s Segment) places(t *postgres.Table, blockSize int64) string {
	last := fmt.Sprint(s.To - 1)
	if s.To == 0 {
		last = fmt.Sprintf("pg_catalog.pg_relation_size('%d'::pg_catalog.oid) / %d", t.OID, blockSize)
	}
	return fmt.Sprintf(`t.ctid = ANY (ARRAY(SELECT CAST('(' || p || ',' || o || ')' AS pg_catalog.tid)
  FROM pg_catalog.generate_series(%d, %s) AS p, pg_catalog.generate_series(1, %d) AS o))`, s.From, last, PlacesPerPage(blockSize))
}

// PlacesPerPage is how many rows a page can hold at most: a page less its
// header, by the room of an empty row and its line pointer
// (MaxHeapTuplesPerPage in access/htup_details.h).
func PlacesPerPage(blockSize int64) int64 { return (blockSize - 24) / 28 }
