package checker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// Outcome is what came of one unit. Only Compared units count towards a match.
type Outcome struct {
	Unit     sampler.Unit
	Compared bool
	// Source and Target are the sides' rows in the unit, where it counts them.
	Source, Target int64
	Findings       []Finding // the first ones, up to Options.MaxDiffs
	Total          int64     // all distinct rows found to differ, not found before
	Confirmed      int64     // all rows found to differ, found before or not
	Unsettled      int64     // suspects that no reading settled
	Err            string    // why not compared
}

var errStale = errors.New("the unit was planned for other columns or forms: plan again")

// Do compares one unit on both sides, down to the confirmed rows. An error
// means it was not compared; the findings that come with it are true all the
// same.
func (r *run) Do(ctx context.Context, u sampler.Unit) (Outcome, error) {
	tr := r.byName[u.Table]
	if tr == nil || tr.digest.Fingerprint() != u.Fingerprint {
		return Outcome{}, errStale
	}
	switch u.Check {
	case sampler.CheckCounts:
		return r.doCounts(ctx, tr, u)
	case sampler.CheckLast:
		return r.doLast(ctx, tr, u)
	default:
		return r.doContent(ctx, tr, u)
	}
}

// both reads the two sides at the same time.
func (r *run) both(ctx context.Context, tag string, read func(context.Context, *postgres.Session, postgres.Side) error) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		g.Go(func() error {
			return r.db(side).Read(gctx, tag, func(ctx context.Context, s *postgres.Session) error {
				return read(ctx, s, side)
			})
		})
	}
	return g.Wait()
}

// index is where a side's part of a pair of values is kept.
func index(side postgres.Side) int {
	if side == postgres.Source {
		return 0
	}
	return 1
}

func (r *run) doCounts(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	var counts [2]int64
	err := r.both(ctx, u.ID(), func(ctx context.Context, s *postgres.Session, side postgres.Side) error {
		return s.Each(ctx, postgres.Statement{SQL: "SELECT count(*) " + tr.table.Scope(side).Clause()}, func(row postgres.Row) error {
			counts[index(side)] = row.Int(0)
			return nil
		})
	})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Unit: u, Compared: true, Source: counts[0], Target: counts[1]}, nil
}

// resums is how often a unit whose digests differ, though no row of it does,
// is read again before it is given up as moving.
const resums = 3

func (r *run) doContent(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	out := Outcome{Unit: u}
	for range resums {
		sums, err := r.sums(ctx, tr, u, hashing.Whole)
		if err != nil {
			return out, err
		}
		source, target := sums[0][0], sums[1][0]
		out.Source, out.Target, out.Compared = source.Rows, target.Rows, true
		if source == target {
			return out, nil
		}
		err = r.drill(ctx, tr, u, max(source.Rows, target.Rows), func(suspects [][]string) error {
			return r.settle(ctx, tr, suspects, &out)
		})
		if err != nil || out.Confirmed > 0 || out.Unsettled > 0 {
			return out, err
		}
		// Every suspect was cleared, yet the digests differed: only equal
		// digests prove that nothing else does.
	}
	return out, fmt.Errorf("its rows changed each of the %d times it was read", resums)
}

// scopes are the sets of rows that make up a unit on one side, each read by a
// statement of its own: its range of the key, or the segments of the heap.
func (r *run) scopes(tr *tableRun, u sampler.Unit, side postgres.Side) []postgres.Scope {
	if tr.plan.Strategy == sampler.Ranges {
		return []postgres.Scope{u.Range.Scope(tr.table, side)}
	}
	var scopes []postgres.Scope
	for _, s := range sampler.Segments(tr.table.On(side), len(tr.table.Columns), r.o.ChunkRows) {
		scopes = append(scopes, s.Of(tr.table.Scope(side)))
	}
	return scopes
}

// read reads all scopes of a unit on both sides, several at a time, each in a
// transaction of its own, so that no snapshot is held across statements.
func (r *run) read(ctx context.Context, tr *tableRun, u sampler.Unit, do func(context.Context, *postgres.Session, postgres.Side, postgres.Scope) error) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		g.Go(func() error {
			each, ectx := errgroup.WithContext(gctx)
			each.SetLimit(max(r.o.Concurrency, 1))
			for _, scope := range r.scopes(tr, u, side) {
				each.Go(func() error {
					return r.db(side).Read(ectx, u.ID(), func(ctx context.Context, s *postgres.Session) error {
						if u.Chunks > 1 {
							// A range of the key belongs to the key's index; for a wide range
							// the planner may prefer to read the whole table once per chunk.
							if err := s.Set(ctx, "enable_seqscan = off"); err != nil {
								return err
							}
						}
						return do(ctx, s, side, scope)
					})
				})
			}
			return each.Wait()
		})
	}
	return g.Wait()
}

// sums reads the digests of a unit's buckets on both sides.
func (r *run) sums(ctx context.Context, tr *tableRun, u sampler.Unit, b hashing.Buckets) ([2]map[int]hashing.Sum, error) {
	sums := [2]map[int]hashing.Sum{{}, {}}
	var mu sync.Mutex
	err := r.read(ctx, tr, u, func(ctx context.Context, s *postgres.Session, side postgres.Side, scope postgres.Scope) error {
		if b.Count > 1 { // the groups of a drill-down belong in memory, not in a file
			if err := s.Set(ctx, "work_mem = '64MB'"); err != nil {
				return err
			}
		}
		part, err := tr.digest.Sums(ctx, s, scope, b)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		total := sums[index(side)]
		for n, sum := range part {
			total[n] = total[n].Plus(sum)
		}
		return nil
	})
	return sums, err
}

// doLast compares the rows that come last: whatever is not the same in both
// lists is looked up by key, since a row that only one list holds may well be
// on both sides.
func (r *run) doLast(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	rows := [2]*rowSet{newRowSet(), newRowSet()}
	err := r.both(ctx, u.ID(), func(ctx context.Context, s *postgres.Session, side postgres.Side) error {
		return tr.digest.Last(ctx, s, side, u.Last, u.LastBy, rows[index(side)].add)
	})
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Unit: u, Compared: true}
	// Apart from the return, which may copy out before settle fills it.
	err = r.settle(ctx, tr, rows[0].differing(rows[1]), &out)
	return out, err
}
