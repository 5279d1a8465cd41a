package checker

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// Stream is what carries a pair's changes: as it was detected, and the fence.
type Stream struct {
	Detection *fence.Detection
	Fence     fence.Fence
}

// CaughtUp is what came of a CatchUp.
type CaughtUp struct {
	Rows     int64     // that were written since, on the source
	Findings []Located // at most MaxDiffs a table
	Total    int64     // all of them
	// Horizon is the new one, where all tables that were asked for have it and no row is
	// carried along; else it is not Known, since who starts anew would not know of those.
	Horizon Horizon
	// Left are tables that keep the horizon that they had: a pass took longer than
	// the limit, or found too many rows.
	Left []*WindowTable
}

// Located is a finding and its table's name.
type Located struct {
	Table string
	Finding
}

// maxYoung bounds the rows of a table and side that are held in memory, and
// maxCarried those that are carried along.
const (
	maxYoung   = 1_000_000
	maxCarried = 10_000
)

// CatchUp compares what was written to tables since their horizons, while
// writers go on, and brings the horizons forward: see above. lanes is how many tables
// are read at a time, limit how long a pass over one may take.
func (w *Window) CatchUp(ctx context.Context, tables []*WindowTable, stream Stream, lanes int, limit time.Duration) (*CaughtUp, error) {
	next, err := ReadHorizon(ctx, w.run.source, w.run.target, stream.Fence, w.run.o.Settle)
	if err != nil {
		return nil, err
	}
	each := make([]*CaughtUp, len(tables))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(lanes, 1))
	for i, t := range tables {
		g.Go(func() (err error) {
			each[i], err = w.catchUp(gctx, t, stream, next, limit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := &CaughtUp{Horizon: next}
	for i, c := range each {
		all.Rows += c.Rows
		all.Total += c.Total
		all.Findings = append(all.Findings, c.Findings...)
		all.Left = append(all.Left, c.Left...)
		if len(c.Left) > 0 || len(tables[i].carried) > 0 {
			all.Horizon = Horizon{}
		}
	}
	return all, nil
}

func (w *Window) catchUp(ctx context.Context, t *WindowTable, stream Stream, next Horizon, limit time.Duration) (*CaughtUp, error) {
	c := &CaughtUp{}
	young, took, err := w.young(ctx, t, limit)
	if postgres.TimedOut(err) && ctx.Err() == nil || errors.Is(err, errBatchFull) {
		t.Scan = max(limit, 1)
		c.Left = append(c.Left, t)
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	c.Rows = int64(len(young[0].rows))
	t.Scan, t.Found = took, c.Rows
	keys := young[0].differing(young[1])
	seen := map[string]bool{}
	for _, k := range keys {
		seen[joinKey(k)] = true
	}
	for _, k := range t.carried {
		if !seen[joinKey(k)] {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, byKey)
	open, err := w.recheck(ctx, t, stream, keys, c)
	if err != nil {
		return nil, err
	}
	if len(open) > maxCarried {
		c.Left = append(c.Left, t)
		return c, nil
	}
	t.Since, t.carried = next, open
	return c, nil
}

// young reads both sides' young rows.
func (w *Window) young(ctx context.Context, t *WindowTable, limit time.Duration) (sets [2]*rowSet, took time.Duration, err error) {
	times := [2]time.Duration{}
	err = w.both(ctx, "catch up "+t.Name, func(ctx context.Context, s *postgres.Session) error {
		began, side := time.Now(), s.Side()
		set := newRowSet(0)
		sets[index(side)] = set
		defer func() { times[index(side)] = time.Since(began) }()
		return t.tr.digest.Rows(ctx, s, postgres.Young(t.Scope(side), t.Since.of(side)), hashing.All, set.within(maxYoung))
	}, timeout(limit))
	return sets, max(times[0], times[1]), err
}

// recheck settles suspects of a table, and returns the keys of those that stay
// open.
func (w *Window) recheck(ctx context.Context, t *WindowTable, stream Stream, keys [][]string, c *CaughtUp) (open [][]string, err error) {
	out, err := w.Recheck(ctx, t, stream, keys)
	if err != nil {
		return nil, err
	}
	for _, row := range out.Open {
		open = append(open, row.Key)
	}
	c.Findings, c.Total = out.Findings, out.Total
	return open, nil
}

// streamFences are the fences between the readings of one table.
type streamFences struct {
	forward, back fence.Fence
	table         string
	before        fence.Cover
	patience      time.Duration
}

func newStreamFences(ctx context.Context, t *WindowTable, stream Stream, patience time.Duration) (*streamFences, error) {
	back, err := stream.Detection.Barrier([]string{t.Source.Quoted})
	if err != nil {
		return nil, err
	}
	f := &streamFences{forward: stream.Fence, back: back, table: t.Target.Quoted, patience: patience}
	if f.before, err = f.forward.Cover(ctx, []string{f.table}); err != nil {
		return nil, err
	}
	if len(f.before.Gaps) > 0 {
		return nil, gapError(f.before.Gaps[0])
	}
	return f, nil
}

// Forward waits until the target has got what the source shows now.
func (f *streamFences) Forward(ctx context.Context) error { return passed(ctx, f.forward, f.patience) }

// Back waits until the source shows what the target has got.
func (f *streamFences) Back(ctx context.Context) error { return passed(ctx, f.back, f.patience) }

// Covered compares how the table is carried with how it was.
func (f *streamFences) Covered(ctx context.Context) error {
	c, err := f.forward.Cover(ctx, []string{f.table})
	if err == nil && !c.Same(f.before) {
		return errUncovered
	}
	return err
}
