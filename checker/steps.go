package checker

import (
	"context"
	"math"
	"sync"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// compareSteps digests a range in steps of its key's leading integer, and hands
// the suspects of those that differ to found. equal: none did, which proves as
// much as equal digests of the whole, since every row lies in a step.
func (r *run) compareSteps(ctx context.Context, tr *tableRun, u sampler.Unit, out *Outcome, found func([][]string) error) (equal bool, err error) {
	rows := max(out.Source, out.Target)
	if rows == 0 {
		rows = max(tr.plan.Rows/int64(max(u.Chunks, 1)), 1)
	}
	all := sampler.Step{From: math.MinInt64, To: math.MaxInt64}
	total, differ, err := r.steps(ctx, tr, u, all, rows, found)
	if err == nil || out.Compared {
		out.Source, out.Target = total[0].Rows, total[1].Rows
	}
	out.Compared = out.Compared || err == nil
	return !differ && err == nil, err
}

// steps digests what of a unit lies within a step in smaller steps. total is
// the digest of all on each side.
func (r *run) steps(ctx context.Context, tr *tableRun, u sampler.Unit, within sampler.Step, rows int64, found func([][]string) error) (total [2]hashing.Sum, differ bool, err error) {
	ends, err := r.ends(ctx, tr, u, within)
	if err != nil {
		return total, false, err
	}
	steps := within.Steps(ends, int(min(max(rows/r.sizes.step, 1), int64(r.sizes.steps))))
	sums, err := r.stepSums(ctx, tr, u, steps, rows)
	if err != nil {
		return total, false, err
	}
	var batch []sampler.Step
	var held int64
	flush := func() error {
		defer func() { batch, held = nil, 0 }()
		return r.compareRows(ctx, tr, u, batch, held, found)
	}
	for i, step := range steps {
		source, target := sums[0][i], sums[1][i]
		total[0], total[1] = total[0].Plus(source), total[1].Plus(target)
		if source == target {
			continue
		}
		differ = true
		n := max(source.Rows, target.Rows)
		switch {
		case n > r.sizes.batch && step != within && step.From < step.To:
			_, _, err = r.steps(ctx, tr, u, step, n, found)
		case n > r.sizes.batch:
			err = r.drill(ctx, tr, u, area{within: u.Range, steps: []sampler.Step{step}, rows: n}, found)
		case held+n > r.sizes.batch:
			err = flush()
			fallthrough
		default:
			batch, held = append(batch, step), held+n
		}
		if err != nil {
			return total, true, err
		}
	}
	return total, differ, flush()
}

// ends finds the least and the greatest of the key's leading integer within a
// step of a unit, over both sides.
func (r *run) ends(ctx context.Context, tr *tableRun, u sampler.Unit, within sampler.Step) (sampler.Step, error) {
	if known, ok := u.Range.Ends(tr.table); ok && within == (sampler.Step{From: math.MinInt64, To: math.MaxInt64}) {
		return known, nil
	}
	all := sampler.Step{From: math.MaxInt64, To: math.MinInt64}
	var mu sync.Mutex
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readAgain(ctx, db, u.ID(), func(ctx context.Context, s *postgres.Session) error {
			base := u.Range.Scope(tr.table, db.Side())
			ends, ok, err := sampler.Ends(ctx, s, tr.table, sampler.StepBins(tr.table, len(base.Args), []sampler.Step{within}).Of(base))
			if err == nil && ok {
				mu.Lock()
				defer mu.Unlock()
				all = sampler.Step{From: min(all.From, ends.From), To: max(all.To, ends.To)}
			}
			return err
		}, r.readWhatever, hashing.IndexOnly...)
	})
	return all, err
}

// stepSums reads the digests of steps on both sides.
func (r *run) stepSums(ctx context.Context, tr *tableRun, u sampler.Unit, steps []sampler.Step, rows int64) ([2][]hashing.Sum, error) {
	at := make(map[sampler.Step]int, len(steps))
	for i, s := range steps {
		at[s] = i
	}
	return r.binSums(ctx, tr, u, binRun{within: u.Range, steps: steps, rows: max(rows, 1)}, len(steps), func(p binRun, i int) int { return at[p.steps[i]] })
}

// binSums reads the digests of n bins on both sides. place tells which of them
// the i-th of a piece is; a step may be read in several pieces.
func (r *run) binSums(ctx context.Context, tr *tableRun, u sampler.Unit, all binRun, n int, place func(p binRun, i int) int) ([2][]hashing.Sum, error) {
	sums := [2][]hashing.Sum{make([]hashing.Sum, n), make([]hashing.Sum, n)}
	var mu sync.Mutex
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readPieces(ctx, tr, db, u, all, pass{op: "bins", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
			run := p.(binRun)
			base, bins := run.bins(tr, db)
			part, err := tr.digest.BinSums(ctx, s, base, bins)
			return func() error {
				mu.Lock()
				defer mu.Unlock()
				for i := range part {
					sum := &sums[index(db.Side())][place(run, i)]
					*sum = sum.Plus(part[i])
				}
				return nil
			}, err
		}})
	})
	return sums, err
}
