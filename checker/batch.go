package checker

import (
	"context"
	"sort"
	"strconv"
	"time"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/sampler"
)

// maxBatch is how many chunks one statement reads at most: what a statement
// costs by itself, in time and on the wire, is then small beside its chunks.
const maxBatch = 10

// batches groups units that one statement can read together: neighbouring
// chunks of one table. The others are alone.
func (r *run) batches(units []sampler.Unit) [][]sampler.Unit {
	var all [][]sampler.Unit
	chunks := map[string]int{} // of a table, that can share a statement
	for _, u := range units {
		if r.batchable(r.byName[u.Table], u) {
			chunks[u.Table]++
		}
	}
	for _, u := range units {
		tr := r.byName[u.Table]
		if n := len(all); n > 0 && r.batchable(tr, u) {
			last := all[n-1]
			if before := last[len(last)-1]; before.Table == u.Table && before.Chunk+1 == u.Chunk && r.batchable(tr, before) && len(last) < r.batchSize(tr, chunks[u.Table]) {
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
// quarter of the budget's worth by the expected cost of a row, and no more than
// leaves every worker some.
func (r *run) batchSize(tr *tableRun, chunks int) int {
	most := min((chunks+r.o.Concurrency-1)/max(r.o.Concurrency, 1), maxBatch)
	chunk := time.Duration(tr.plan.Rows/int64(max(tr.plan.Chunks, 1))+1) * sampler.Cost(tr.table.Source, len(tr.table.Columns))
	if r.o.Budget <= 0 {
		return most
	}
	return int(min(max(time.Duration(paceShare*float64(r.o.Budget))/chunk, 1), time.Duration(most)))
}

// doBatch does units that share a statement, and folds what comes of each.
// Those that differ, and those of a batch that could not be read, are done by
// themselves.
func (r *run) doBatch(ctx context.Context, batch []sampler.Unit) {
	tr := r.byName[batch[0].Table]
	for _, u := range batch {
		r.emit(Event{Kind: UnitStarted, Table: u.Table})
	}
	if len(batch) > 1 && tr.digest.Fingerprint() == batch[0].Fingerprint {
		switch {
		case r.moving != nil:
			batch = r.batchMoving(ctx, tr, batch)
		case tr.differs.Load() && tr.alignable(batch[0]):
			batch = r.batchSteps(ctx, tr, batch)
		case !tr.differs.Load():
			batch = r.batchEqual(ctx, tr, batch)
		}
	}
	for _, u := range batch {
		r.doOne(ctx, u)
	}
}

// batchMoving compares a batch of a moving pair: those that differ at first
// wait for the fence together.
func (r *run) batchMoving(ctx context.Context, tr *tableRun, batch []sampler.Unit) (left []sampler.Unit) {
	if tr.barred != nil {
		return batch
	}
	left = r.batchEqual(ctx, tr, batch)
	if len(left) < 2 || !tr.alignable(left[0]) || r.arrive(ctx) != nil {
		return left
	}
	return r.batchSteps(ctx, tr, left)
}

// batchEqual folds the units of a batch whose digests are equal, and returns
// the others.
func (r *run) batchEqual(ctx context.Context, tr *tableRun, batch []sampler.Unit) (left []sampler.Unit) {
	sums, err := r.batchSums(ctx, tr, batch)
	if err != nil {
		return batch
	}
	for i, u := range batch {
		if sums[0][i] != sums[1][i] {
			left = append(left, u)
			continue
		}
		r.Fold(Outcome{Unit: u, Compared: true, Source: sums[0][i].Rows, Target: sums[1][i].Rows})
	}
	if len(left) > 0 {
		tr.differs.Store(true)
	}
	return left
}

// alignable tells whether steps can end where chunks end: where the key is one
// integer.
func (tr *tableRun) alignable(u sampler.Unit) bool {
	return tr.steppable(u) && len(tr.table.Key.Columns) == 1
}

// batchSteps looks into all units of a batch at once, for a table that differs
// all over: the digests of all their steps in one statement, then the rows of
// those that differ. It folds what was decided and returns the others.
func (r *run) batchSteps(ctx context.Context, tr *tableRun, batch []sampler.Unit) (left []sampler.Unit) {
	outs := make([]Outcome, len(batch))
	all := batch[0] // the whole batch as one unit, to read
	all.Range.To = batch[len(batch)-1].Range.To
	each := max(tr.plan.Rows/int64(max(tr.plan.Chunks, 1)), 1)
	var steps []sampler.Step
	var of []int // which unit a step is of
	for i, u := range batch {
		ends, ok := u.Range.Ends(tr.table)
		if !ok {
			return batch
		}
		outs[i] = Outcome{Unit: u, Compared: true}
		for _, s := range ends.Steps(ends, int(min(max(each/r.sizes.step, 1), int64(r.sizes.steps/maxBatch)))) {
			steps, of = append(steps, s), append(of, i)
		}
	}
	sums, err := r.stepSums(ctx, tr, all, steps, each*int64(len(batch)))
	if err != nil {
		return batch
	}
	var differing []sampler.Step
	var rows int64
	differ := make([]bool, len(batch))
	for n, step := range steps {
		source, target, i := sums[0][n], sums[1][n], of[n]
		outs[i].Source += source.Rows
		outs[i].Target += target.Rows
		if source != target {
			differ[i] = true
			differing, rows = append(differing, step), rows+max(source.Rows, target.Rows)
		}
	}
	if rows > r.sizes.batch {
		return batch // too many at once
	}
	tr.differs.Store(len(differing) > 0)
	err = r.compareRows(ctx, tr, all, differing, rows, func(suspects [][]string) error {
		return r.settleEach(ctx, tr, suspects, func(key []string) *Outcome { return &outs[unitOf(batch, key)] })
	})
	for i := range outs {
		out := &outs[i]
		switch {
		case differ[i] && err != nil: // what was confirmed stays true
			out.Compared, out.Err = false, reason(ctx, err)
		case differ[i] && out.Confirmed == 0 && out.Unsettled == 0 && r.moving == nil:
			left = append(left, out.Unit) // all were cleared: only equal digests prove it
			continue
		}
		r.Fold(*out)
	}
	r.watchLosses(err)
	return left
}

// unitOf finds the unit of a batch that holds an integer key.
func unitOf(batch []sampler.Unit, key []string) int {
	n, _ := strconv.ParseInt(key[0], 10, 64) // printed by a server
	i := sort.Search(len(batch), func(i int) bool {
		to, _ := strconv.ParseInt(batch[i].Range.To[0], 10, 64)
		return n < to
	})
	return min(i, len(batch)-1)
}

// doOne does a unit by itself and folds what comes of it.
func (r *run) doOne(ctx context.Context, u sampler.Unit) {
	out, err := r.Do(ctx, u)
	if r.putOff(u, err) && out.Confirmed == 0 {
		r.mu.Lock()
		r.again = append(r.again, u)
		r.mu.Unlock()
		return
	}
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
	rows := tr.plan.Rows * int64(len(batch)) / int64(max(tr.plan.Chunks, 1))
	return r.binSums(ctx, tr, batch[0], binRun{ranges: ranges, rows: max(rows, 1)}, len(batch), func(p binRun, i int) int { return at[joinKey(p.ranges[i].From)] })
}
