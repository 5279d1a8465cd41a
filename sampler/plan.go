// Package sampler decides which rows to look at: the plan of a table, the
// ranges of its key, and the units of work made of them.
package sampler

import (
	"fmt"
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

// A chunk is what a server hashes in about a fortieth of a second: small enough
// that one that differs is cheap to look into. One statement reads several. The
// costs below were measured on one slow core (`make bench`).
const (
	chunkTime   = 25 * time.Millisecond
	rowTime     = 60 * time.Nanosecond
	columnTime  = 40 * time.Nanosecond
	bytesPerSec = 320 << 20
	// maxChunks bounds what has to be planned and kept of one table; beyond it
	// chunks grow, and are read in several statements.
	maxChunks = 4096
	// unknownWidth stands in for a row's size where the table was never analysed.
	unknownWidth = 100
)

// Wish is what the operator asks of a plan; the zero value asks for nothing.
type Wish struct {
	ChunkRows int // rows of a chunk; 0 leaves it to the table's size
	// Strategy overrides the choice, "" leaves it. For Multiset the pairing
	// leaves the table's key out (pairing.Options.Keyless).
	Strategy Strategy
}

// Choose plans a table that is on both sides. keyed says that its rows can be
// told apart by the key. The error refuses a wish under which rows could go
// unseen or could not be told apart, and says which would do.
func Choose(t *pairing.Table, keyed bool, w Wish) (Plan, error) {
	p := Plan{
		Rows:  max(estimatedRows(t.Source), estimatedRows(t.Target)),
		Bytes: max(t.Source.Bytes, t.Target.Bytes),
	}
	p.Strategy, p.Why = soundest(t, keyed)
	if why := unsound(w.Strategy, p.Strategy); why != "" {
		return Plan{}, fmt.Errorf("%s: its plan cannot be %s, %s (%s): ask for %s, or leave the plan to pgparity", t.Name, w.Strategy, why, p.Why, p.Strategy)
	}
	p.Chunks = 1
	if p.Strategy == Ranges {
		p.Chunks = chunkCount(t, w.ChunkRows)
	}
	switch {
	case w.Strategy == Multiset || w.Strategy == Sweep:
		p.Strategy, p.Why, p.Chunks = w.Strategy, "asked for", 1
	case w.Strategy == Ranges:
		p.Why = "asked for"
	case p.Chunks > 1 && scattered(t):
		p.Strategy, p.Chunks = Sweep, 1
		p.Why = "the heap does not follow the " + t.KeyReason + ": a range of it would be read page by page"
	}
	return p, nil
}

// soundest is the strategy that asks most of a table, of those that it can be
// compared by: one that needs less would do as well.
func soundest(t *pairing.Table, keyed bool) (Strategy, string) {
	switch {
	case t.Key == nil:
		return Multiset, t.KeyReason
	case !keyed:
		return Multiset, "the " + t.KeyReason + " cannot be hashed alike on both sides"
	case !t.Key.Ordered:
		return Sweep, t.Key.Unordered
	}
	return Ranges, "both servers order the " + t.KeyReason + " alike"
}

// unsound says why a table that best is the soundest strategy of cannot be
// compared by the one asked for, or "".
func unsound(asked, best Strategy) string {
	switch {
	case asked == Ranges && best == Sweep:
		return "since a range of its key would not hold the same rows on both sides"
	case (asked == Ranges || asked == Sweep) && best == Multiset:
		return "which needs a key"
	}
	return ""
}

// scattered tells whether ranges of the key are random reads, while both sides
// can sweep their heaps instead. Of a composite key the leading column decides:
// the rows of a range share it or lie near it, and are as far apart in the heap
// as its values are.
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

// Cost is how long a server is expected to hash one row of a table, before
// anything was measured.
func Cost(t *postgres.Table, columns int) time.Duration {
	cost := rowTime + time.Duration(columns)*columnTime
	if rows := estimatedRows(t); rows > 0 {
		cost += time.Duration(float64(t.Bytes+t.ToastBytes) / float64(rows) / bytesPerSec * float64(time.Second))
	}
	return cost
}

func chunkCount(t *pairing.Table, chunkRows int) int {
	chunks := int64(1)
	for _, side := range []*postgres.Table{t.Source, t.Target} {
		rows := estimatedRows(side)
		if chunkRows > 0 {
			chunks = max(chunks, divideUp(rows, int64(chunkRows)))
		} else {
			chunks = max(chunks, min(maxChunks, int64(time.Duration(rows)*Cost(side, len(t.Columns))/chunkTime)))
		}
	}
	return int(chunks)
}

func divideUp(n, by int64) int64 { return (n + by - 1) / by }
