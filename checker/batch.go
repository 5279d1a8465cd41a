package checker

import (
	"context"
	"sync"
	"time"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// maxBatch is how many chunks one statement reads at most: what a statement
// costs by itself, in time and on the wire, is then small beside its chunks.
const maxBatch = 8

// batches groups units that one statement can read together: neighbouring
// chunks of one table. The others are alone.
func (r *run) batches(units []sampler.Unit) [][]sampler.Unit {
	var all [][]sampler.Unit
	for _, u := range units {
		tr := r.byName[u.Table]
		if n := len(all); n > 0 && r.batchable(tr, u) {
			last := all[n-1]
			if before := last[len(last)-1]; before.Table == u.Table && before.Chunk+1 == u.Chunk && r.batchable(tr, before) && len(last) < r.batchSize(tr) {
				all[n-1] = append(last, u)
				continue
			}
		}
		all = append(all, []sampler.Unit{u})
	}
	return all
}

// batchable tells whether a unit can share a statement: a range with both ends.
func (r *run) batchable(tr *tableRun, u sampler.Unit) bool {
	return tr != nil && tr.digest != nil && tr.digest.Way != hashing.Stream && u.Check == sampler.CheckContent &&
		tr.plan.Strategy == sampler.Ranges && u.Range.From != nil && u.Range.To != nil
}

// batchSize is how many chunks of a table one statement is planned to read: a
// quarter of the budget's worth by the expected cost of a row.
func (r *run) batchSize(tr *tableRun) int {
	chunk := time.Duration(tr.plan.Rows/int64(max(tr.plan.Chunks, 1))+1) * sampler.Cost(tr.table.Source, len(tr.table.Columns))
	if r.o.Budget <= 0 {
		return maxBatch
	}
	return int(min(max(time.Duration(paceShare*float64(r.o.Budget))/chunk, 1), maxBatch))
}

// doBatch does units that share a statement, and folds what comes of each.
// Those that differ, and those of a batch that could not be read, are done by
// themselves.
func (r *run) doBatch(ctx context.Context, batch []sampler.Unit) {
	tr := r.byName[batch[0].Table]
	for _, u := range batch {
		r.emit(Event{Kind: UnitStarted, Table: u.Table})
	}
	if len(batch) > 1 && !tr.differs.Load() && tr.digest.Fingerprint() == batch[0].Fingerprint {
		if sums, err := r.batchSums(ctx, tr, batch); err == nil {
			var differing []sampler.Unit
			for i, u := range batch {
				if sums[0][i] != sums[1][i] {
					differing = append(differing, u)
					continue
				}
				r.Fold(Outcome{Unit: u, Compared: true, Source: sums[0][i].Rows, Target: sums[1][i].Rows})
			}
			if batch = differing; len(batch) > 0 {
				tr.differs.Store(true)
			}
		}
	}
	for _, u := range batch {
		r.doOne(ctx, u)
	}
}

// doOne does a unit by itself and folds what comes of it.
func (r *run) doOne(ctx context.Context, u sampler.Unit) {
	out, err := r.Do(ctx, u)
	if err != nil {
		// What was confirmed before the error stays true.
		out.Unit, out.Compared, out.Err = u, false, reason(ctx, err)
	}
	if tr := r.byName[u.Table]; tr != nil && u.Check != sampler.CheckCounts && err == nil {
		tr.differs.Store(out.Confirmed > 0)
	}
	r.watchLosses(err)
	r.Fold(out)
}

// batchSums reads the digests of several ranges of a table on both sides.
func (r *run) batchSums(ctx context.Context, tr *tableRun, batch []sampler.Unit) ([2][]hashing.Sum, error) {
	ranges := make([]sampler.Range, len(batch))
	at := map[string]int{}
	for i, u := range batch {
		ranges[i] = u.Range
		at[joinKey(u.Range.From)] = i
	}
	sums := [2][]hashing.Sum{make([]hashing.Sum, len(batch)), make([]hashing.Sum, len(batch))}
	rows := tr.plan.Rows * int64(len(batch)) / int64(max(tr.plan.Chunks, 1))
	var mu sync.Mutex
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readPieces(ctx, tr, db, batch[0], binRun{ranges: ranges, rows: max(rows, 1)}, pass{op: "bins", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
			run := p.(binRun)
			base, bins := run.bins(tr, db)
			part, err := tr.digest.BinSums(ctx, s, base, bins)
			return func() error {
				mu.Lock()
				defer mu.Unlock()
				for i, rng := range run.ranges {
					sums[index(db.Side())][at[joinKey(rng.From)]] = part[i]
				}
				return nil
			}, err
		}})
	})
	return sums, err
}
