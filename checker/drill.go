package checker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// The sizes of a drill-down: rows in a bucket, and what is held in memory at
// once, by rows and by the bytes of a side's keys. Small buckets keep the rows
// that have to be read near the rows that differ, so that a thousand scattered
// ones still fit one batch: each batch reads its unit once more.
const (
	bucketRows = 32
	batchRows  = 50_000
	batchBytes = 8 << 20
	maxBuckets = 1 << 16
)

// drill finds the suspects of a unit whose digests differ: it divides the
// unit into buckets of the key's hash, keeps those that differ, and compares
// their rows a batch at a time. found may be called several times.
func (r *run) drill(ctx context.Context, tr *tableRun, u sampler.Unit, rows int64, found func([][]string) error) error {
	b := hashing.Buckets{Count: 1}
	for int64(b.Count)*bucketRows < rows && b.Count < maxBuckets {
		b.Count *= 2
	}
	sums, err := r.sums(ctx, tr, u, b)
	if err != nil {
		return err
	}
	var held int64
	next := hashing.Buckets{Count: b.Count}
	for n := range b.Count {
		source, target := sums[0][n], sums[1][n]
		if source == target {
			continue
		}
		rows := max(source.Rows, target.Rows)
		if held > 0 && held+rows > batchRows {
			if err := r.compareRows(ctx, tr, u, next, found); err != nil {
				return err
			}
			next.Only, held = nil, 0
		}
		next.Only = append(next.Only, n)
		held += rows
	}
	return r.compareRows(ctx, tr, u, next, found)
}

// compareRows hands the suspects of some buckets to found. Buckets whose keys
// take more memory than a batch may are divided further.
func (r *run) compareRows(ctx context.Context, tr *tableRun, u sampler.Unit, b hashing.Buckets, found func([][]string) error) error {
	if len(b.Only) == 0 {
		return nil
	}
	suspects, err := r.suspects(ctx, tr, u, b)
	if errors.Is(err, errBatchFull) {
		for _, half := range halves(b) {
			if err := r.compareRows(ctx, tr, u, half, found); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil || len(suspects) == 0 {
		return err
	}
	return found(suspects)
}

// halves divides a list of buckets, or one bucket by the next bit of the hash.
func halves(b hashing.Buckets) [2]hashing.Buckets {
	if n := len(b.Only); n > 1 {
		return [2]hashing.Buckets{{Count: b.Count, Only: b.Only[:n/2]}, {Count: b.Count, Only: b.Only[n/2:]}}
	}
	only := b.Only[0]
	return [2]hashing.Buckets{{Count: 2 * b.Count, Only: []int{only}}, {Count: 2 * b.Count, Only: []int{only + b.Count}}}
}

// suspects compares the rows of some buckets and returns the keys of those
// that are on one side only or have another hash.
func (r *run) suspects(ctx context.Context, tr *tableRun, u sampler.Unit, b hashing.Buckets) ([][]string, error) {
	rows := [2]*rowSet{newRowSet(), newRowSet()}
	var mu sync.Mutex
	err := r.read(ctx, tr, u, func(ctx context.Context, s *postgres.Session, side postgres.Side, scope postgres.Scope) error {
		return tr.digest.Rows(ctx, s, scope, b, func(row hashing.Row) error {
			mu.Lock()
			defer mu.Unlock()
			return rows[index(side)].add(row)
		})
	})
	if err != nil {
		return nil, err
	}
	return rows[0].differing(rows[1]), nil
}

// rowSet holds rows by key, as many as a batch may.
type rowSet struct {
	rows  map[string]hashing.Row
	bytes int
}

func newRowSet() *rowSet { return &rowSet{rows: map[string]hashing.Row{}} }

// errBatchFull says that a set's keys take more than batchBytes.
var errBatchFull = errors.New("the keys of a batch take too much memory")

func (s *rowSet) add(row hashing.Row) error {
	k := joinKey(row.Key)
	if old, ok := s.rows[k]; ok {
		if len(row.Key) == 1 && row.Hash == old.Hash { // a multiset read row by row
			row.Copies += old.Copies
		} else {
			return hashing.ErrKeyTwice
		}
	} else {
		s.bytes += len(k)
	}
	s.rows[k] = row
	if s.bytes > batchBytes && len(s.rows) > 1 {
		return errBatchFull
	}
	return nil
}

// differing lists the keys on which two sets do not agree. It empties other.
func (s *rowSet) differing(other *rowSet) [][]string {
	var keys [][]string
	for k, row := range s.rows {
		if twin, ok := other.rows[k]; !ok || twin.Hash != row.Hash || twin.Copies != row.Copies {
			keys = append(keys, row.Key)
		}
		delete(other.rows, k)
	}
	for _, row := range other.rows {
		keys = append(keys, row.Key)
	}
	return keys
}

// joinKey makes one string of a key, so that no two keys make the same.
func joinKey(key []string) string {
	if len(key) == 1 {
		return key[0]
	}
	var b []byte
	for _, part := range key {
		b = fmt.Appendf(b, "%d:%s", len(part), part)
	}
	return string(b)
}
