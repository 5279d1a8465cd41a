package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// lanes is how many tables are rechecked at a time.
const lanes = 4

// judgement is what comes of a batch.
type judgement struct {
	next    State
	step    *Step
	changed bool // something else than the watermark

	mu    sync.Mutex
	still bool                  // rows that the fence was not passed for stay in the batch
	done  map[string][][]string // those of such a table that were judged
}

// judge rechecks the batch and moves the watermark on; see the top of follow.go.
func (f *follower) judge(ctx context.Context, s *Step) error {
	j := &judgement{next: f.state.clone(), step: s, done: map[string][][]string{}}
	why, err := f.visible(ctx)
	if err == nil && why == "" {
		why, err = f.applied(ctx, s)
	}
	if err != nil || why != "" {
		s.Waiting, s.Through = why, f.through()
		return err
	}
	if err := f.compareDefinitions(ctx, j); err != nil {
		return err
	}
	if err := f.recheckAll(ctx, j); err != nil {
		return err
	}
	if s.Keys > 0 {
		if err := f.compareDefinitions(ctx, j); err != nil {
			return err
		}
	}
	for name, why := range f.batch.dirty {
		if err := f.soil(ctx, j, name, why); err != nil {
			return err
		}
	}
	return f.conclude(ctx, j)
}

func (f *follower) through() postgres.LSN {
	at, _ := postgres.ParseLSN(f.state.Through) // Begin has read it
	return at
}

// applied waits until the target has applied what the batch holds: a row whose change is not
// there yet is neither a finding nor an exception.
func (f *follower) applied(ctx context.Context, s *Step) (why string, err error) {
	if f.batch.n == 0 || f.stream.Fence == nil {
		return "", nil
	}
	began := time.Now()
	within, cancel := context.WithTimeout(ctx, f.o.Settle)
	defer cancel()
	m, err := f.stream.Fence.Mark(within)
	if err == nil {
		err = f.stream.Fence.Wait(within, m)
	}
	s.FenceMS = float64(time.Since(began).Microseconds()) / 1000
	var stalled *fence.Stalled
	if errors.As(err, &stalled) && ctx.Err() == nil {
		return stalled.Error(), nil
	}
	return "", err
}

// compareDefinitions makes tables dirty that are not what they were, or that the replication
// does not carry.
func (f *follower) compareDefinitions(ctx context.Context, j *judgement) error {
	at, err := f.source.WriteMark(ctx)
	if err != nil {
		return err
	}
	// What is in the log need not be visible yet: it is later, with nothing new in the log.
	shown, err := f.source.Transactions(ctx)
	now := fmt.Sprint(at, " ", shown)
	if err != nil || now == f.checked && j.step.Keys == 0 && f.batch.n == 0 {
		return err // nothing was written since they were read
	}
	prints, err := f.prints(ctx)
	if err != nil {
		return err
	}
	f.checked = now
	for name, t := range f.tables {
		if t.changed || prints[name] == t.print {
			continue
		}
		why := "its definition changed"
		if prints[name].Definition == t.print.Definition {
			why = "its files were made anew: it was truncated, or rewritten (VACUUM FULL, CLUSTER)"
			t.print = prints[name]
			ts := j.next.Tables[name]
			ts.Print = stored(t.print)
			j.next.Tables[name] = ts
		} else {
			t.changed, j.step.Redefined = true, true
		}
		if err := f.soil(ctx, j, name, why); err != nil {
			return err
		}
	}
	return nil
}

// soil makes a table dirty: a pass has to read it that begins from now on.
func (f *follower) soil(ctx context.Context, j *judgement, table, why string) error {
	since, err := f.source.WriteMark(ctx)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	ts := j.next.Tables[table]
	if ts.Dirty == "" {
		j.step.Dirty = append(j.step.Dirty, table)
		ts.Dirty = why
	}
	ts.Since = since.String()
	f.soiled[table] = time.Now()
	j.next.Tables[table] = ts
	j.changed = true
	return nil
}

// recheckAll rechecks the keys of all tables, and the exceptions.
func (f *follower) recheckAll(ctx context.Context, j *judgement) error {
	todo := map[*followed][][]string{}
	for name, t := range f.tables {
		keys := f.batch.of(name, j.next.Tables[name].Exceptions)
		if len(keys) > 0 && t.changed { // they can't be read by what is known of it; a pass that begins now reads them
			if err := f.soil(ctx, j, name, "its definition changed"); err != nil {
				return err
			}
			keys = nil
		}
		if len(keys) > 0 {
			todo[t] = keys
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lanes)
	for t, keys := range todo {
		g.Go(func() error { return f.recheck(gctx, j, t, keys) })
	}
	return g.Wait()
}

// recheck rechecks keys of one table.
func (f *follower) recheck(ctx context.Context, j *judgement, t *followed, keys [][]string) error {
	why, err := f.uncarried(ctx, t)
	var r checker.Rechecked
	if err == nil && why == "" {
		r, err = f.window.Recheck(ctx, t.WindowTable, f.stream, keys)
	}
	if postgres.Refused(err) {
		// It is not what it was on the target, or may not be read any more.
		why, err = err.Error(), nil
		j.mu.Lock()
		j.step.Redefined = true
		j.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	if why != "" {
		return f.soil(ctx, j, t.Name, why)
	}
	return f.settle(ctx, j, t, int64(len(keys)), r)
}

// uncarried says why the replication does not carry a table, "" where it does.
func (f *follower) uncarried(ctx context.Context, t *followed) (why string, err error) {
	if f.stream.Fence == nil { // nothing moves any more
		return "", nil
	}
	c, err := f.stream.Fence.Cover(ctx, []string{t.Target.Quoted})
	if err != nil || len(c.Gaps) == 0 {
		return "", err
	}
	return fmt.Sprintf("the replication does not carry it: %s is %s", c.Gaps[0].Leaf, c.Gaps[0].Phase()), nil
}

// settle takes what came of a table's keys.
func (f *follower) settle(ctx context.Context, j *judgement, t *followed, keys int64, r checker.Rechecked) error {
	j.mu.Lock()
	s := j.step
	s.Keys += keys
	if s.Rows == nil {
		s.Rows = map[string]int64{}
	}
	s.Rows[t.Name] += keys
	s.Rounds += r.Rounds
	s.FenceMS = max(s.FenceMS, float64(r.Fence.Microseconds())/1000)
	s.Findings = append(s.Findings, r.Findings...)
	s.Total += r.Total
	j.changed = j.changed || r.Total > 0
	ts := j.next.Tables[t.Name]
	before := ts.Exceptions
	ts.Exceptions = nil
	var open [][]string
	for _, row := range r.Open {
		open = append(open, row.Key)
	}
	switch {
	case r.Stalled != nil: // what is open of the batch stays there
		j.done[t.Name] = append(r.Equal, r.Confirmed...)
		ts.Exceptions = common(before, open)
		j.still, s.Waiting = true, r.Stalled.Error()
	case len(open) <= f.o.MaxExceptions:
		ts.Exceptions = open
	}
	j.changed = j.changed || len(before)+len(ts.Exceptions) > 0
	j.next.Tables[t.Name] = ts
	j.mu.Unlock()
	switch {
	case r.Stalled == nil && len(open) > f.o.MaxExceptions:
		return f.soil(ctx, j, t.Name, fmt.Sprintf("%d rows did not settle, more than the %d that are remembered: %s", len(open), f.o.MaxExceptions, r.Open[0].Why))
	case r.Total > int64(len(r.Findings)):
		return f.soil(ctx, j, t.Name, fmt.Sprintf("%d rows differ, more than the %d that are listed", r.Total, len(r.Findings)))
	}
	return nil
}

// conclude moves the watermark on, keeps the state, and lets the slot know.
func (f *follower) conclude(ctx context.Context, j *judgement) error {
	s, reached := j.step, max(f.batch.reached, f.through())
	if len(f.untold) > 0 {
		s.Findings, s.Total = append(f.untold, s.Findings...), s.Total+int64(len(f.untold))
	}
	if j.still { // the batch is judged to its end by the next step
		reached = f.through()
	}
	at := f.marks.reached(reached)
	j.next.Through = reached.String()
	// Who asks for the next step has been told of the findings of the one before.
	j.changed = j.changed || len(f.state.Found) > 0
	j.next.Found = s.Findings
	for name, ts := range j.next.Tables {
		if ts.Dirty != "" || ts.LSN == "" || j.still {
			continue
		}
		ts.LSN = reached.String()
		if at.After(ts.At) {
			ts.At = at
		}
		j.next.Tables[name] = ts
	}
	if j.changed || s.Keys > 0 || time.Since(f.kept) >= keepEvery {
		if err := f.keep(ctx, j.next); err != nil {
			return err
		}
		if !f.o.Observe {
			f.changes.Confirm(reached)
		}
	}
	f.state, f.untold, s.Through = j.next, nil, reached
	if at.After(f.at) {
		f.at = at
	}
	for table, keys := range j.done {
		f.batch.done(table, keys)
	}
	if !j.still {
		f.batch = newBatch(f.batch.reached)
	}
	return nil
}

// common are the keys that both lists have.
func common(a, b [][]string) (both [][]string) {
	in := map[string]bool{}
	for _, k := range a {
		in[joined(k)] = true
	}
	for _, k := range b {
		if in[joined(k)] {
			both = append(both, k)
		}
	}
	return both
}
