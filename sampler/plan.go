// Package sampler decides which rows to look at: the plan of a table, the
// ranges of its key, and the units of work made of them.
package sampler

import (
	"time"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Strategy is how a table's content is cut into chunks.
type Strategy string

// The strategies.
const (
	Ranges   Strategy = "ranges"   // ranges of the key, which both servers order alike
	Sweep    Strategy = "sweep"    // one pass, grouped by a hash of the key
	Multiset Strategy = "multiset" // no key: grouped by a hash of the row
)

// Plan is how one table will be read. The numbers are the planner's
// estimates: for people and for cutting, never for results.
type Plan struct {
	Strategy Strategy
	Why      string
	Rows     int64 // estimated, of the larger side
	Bytes    int64 // heap size, of the larger side
	Chunks   int   // how many the table is to be cut into
}

// A chunk is one statement, so its size bounds how long a snapshot is held: it
// is what a server hashes in about a second, by the costs below (measured on
// one slow core; `make bench`), and reads in about as much.
const (
	chunkTime  = time.Second
	rowTime    = 60 * time.Nanosecond
	columnTime = 40 * time.Nanosecond
	chunkBytes = 256 << 20
	// unknownWidth stands in for a row's size where the table was never analysed.
	unknownWidth = 100
)

// Choose plans a table that is on both sides. keyed says that its rows can be
// told apart by the key; chunkRows overrides the size of a chunk, 0 leaves it.
func Choose(t *pairing.Table, keyed bool, chunkRows int) Plan {
	p := Plan{
		Rows:  max(estimatedRows(t.Source), estimatedRows(t.Target)),
		Bytes: max(t.Source.Bytes, t.Target.Bytes),
	}
	switch {
	case !keyed:
		p.Strategy, p.Why, p.Chunks = Multiset, t.KeyReason, 1
	case !t.Key.Ordered:
		p.Strategy, p.Why, p.Chunks = Sweep, t.Key.Unordered, 1
	default:
		p.Strategy, p.Why = Ranges, "both servers order the "+t.KeyReason+" alike"
		p.Chunks = chunkCount(p, len(t.Columns), chunkRows)
		if p.Chunks > 1 && scattered(t) {
			p.Strategy, p.Chunks = Sweep, 1
			p.Why = "the heap does not follow the " + t.KeyReason + ": a range of it would be read page by page"
		}
	}
	return p
}

// scattered tells whether ranges of the key are random reads, while both sides
// can sweep their heaps instead.
func scattered(t *pairing.Table) bool {
	lead := t.Key.Columns[0]
	return t.Source.PageRanges && t.Target.PageRanges && (lead.Source.Scattered || lead.Target.Scattered)
}

func estimatedRows(t *postgres.Table) int64 {
	if t.EstimatedRows > 0 {
		return t.EstimatedRows
	}
	return t.Bytes / unknownWidth
}

func chunkCount(p Plan, columns, chunkRows int) int {
	if chunkRows > 0 {
		return int(max(1, divideUp(p.Rows, int64(chunkRows))))
	}
	rows := int64(chunkTime / (rowTime + time.Duration(columns)*columnTime))
	return int(max(1, divideUp(p.Rows, rows), divideUp(p.Bytes, chunkBytes)))
}

func divideUp(n, by int64) int64 { return (n + by - 1) / by }
