package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/pairing"
)

// passes begins a full pass whenever one is due, and a pass over single tables where following has
// lost track of them.
func (s *session) passes(ctx context.Context) error {
	for {
		full, tables, wait := s.w.due(time.Now())
		if !full && len(tables) == 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return context.Cause(ctx)
			case <-s.w.wake:
			case <-t.C:
			}
			t.Stop()
			continue
		}
		release, err := s.w.s.passLimit.take(ctx)
		if err != nil {
			return err
		}
		err = s.passOnce(ctx, full, tables)
		release()
		if err != nil {
			return err
		}
	}
}

// passOnce does one pass, which a pause ends.
func (s *session) passOnce(ctx context.Context, full bool, tables []string) error {
	passing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	paused := false
	s.w.set(func() {
		paused = s.w.facts.Paused
		s.w.stopPass, s.w.passing, s.w.forced = stop, !paused, false
		for _, t := range tables {
			delete(s.w.dirty, t)
		}
	})
	defer s.w.set(func() {
		s.w.stopPass, s.w.passing = nil, false
		if p := s.w.pass; p != nil && p.Running {
			stopped := *p
			stopped.Running = false
			s.w.pass = &stopped
		}
	})
	if paused {
		return nil
	}
	var err error
	if full {
		if err = s.fullPass(passing); passing.Err() != nil { // it goes on as soon as it may
			s.w.set(func() { s.w.forced = true })
		}
	} else if err = s.tablePass(passing, tables); passing.Err() != nil {
		s.w.makeDirty(tables)
	}
	if errors.Is(context.Cause(passing), errPaused) && ctx.Err() == nil {
		return nil
	}
	return err
}

// due tells what is to be read now, or how long there is nothing.
func (w *watcher) due(now time.Time) (full bool, tables []string, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const idle = time.Hour
	switch {
	case w.facts.Paused:
		return false, nil, idle
	case w.forced || !now.Before(w.nextPass):
		return true, nil, 0
	}
	wait = w.nextPass.Sub(now)
	if len(w.dirty) > 0 {
		if !now.Before(w.nextTables) {
			for t := range w.dirty {
				tables = append(tables, t)
			}
			slices.Sort(tables)
			return false, tables, 0
		}
		wait = min(wait, w.nextTables.Sub(now))
	}
	return false, nil, min(wait, idle)
}

// makeDirty has tables read again soon.
func (w *watcher) makeDirty(tables []string) {
	if len(tables) == 0 {
		return
	}
	w.set(func() {
		for _, t := range tables {
			w.dirty[t] = true
		}
	})
	w.nudge()
}

// fullPass reads everything. One that a restart or a pause has cut short goes on where it was.
func (s *session) fullPass(ctx context.Context) error {
	w := s.w
	point, err := s.trail.point(ctx, s, true)
	if err != nil {
		return err
	}
	path := w.s.checkpoint(w.o.Name)
	resumed := w.beginPass(point, path)
	if err := w.keep(ctx); err != nil {
		return err
	}
	c, res, err := s.runPass(ctx, path)
	var mistake *checker.OperatorError
	if resumed && errors.As(err, &mistake) {
		w.log.Info("the pass begins anew", keyReason, err.Error())
		w.mu.Lock()
		w.facts.Pass = nil
		w.mu.Unlock()
		w.beginPass(point, path)
		if err := w.keep(ctx); err != nil {
			return err
		}
		c, res, err = s.runPass(ctx, path)
	}
	if err != nil {
		return err
	}
	if ctx.Err() != nil { // what was compared stays in the checkpoints
		return context.Cause(ctx)
	}
	return s.endPass(ctx, c, res)
}

// beginPass notes that a pass begins, or that it goes on: where the file of its checkpoints is there, and
// what was followed since it began still is.
func (w *watcher) beginPass(at trailPoint, path string) (resumed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.facts.Pass; p != nil && p.Follower == at.follower {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	_ = os.Remove(path) // where that fails, the pass says so
	w.facts.Pass = &passFacts{Began: time.Now().UTC(), Follower: at.follower, At: at.lsn, When: at.when}
	return false
}

// runPass compares all, and tells of it while it goes on.
func (s *session) runPass(ctx context.Context, path string) (*collector, *checker.Result, error) {
	o := s.options()
	o.Resume = path
	s.w.mu.Lock()
	began := s.w.facts.Pass.Began
	s.w.mu.Unlock()
	c := newCollector(s, began, o.MaxDiffs)
	o.OnEvent = c.event
	stop := c.start(ctx)
	res, err := checker.Run(ctx, s.sides.Source, s.sides.Target, o)
	return c, res, errors.Join(err, stop())
}

// endPass takes in what a full pass found.
func (s *session) endPass(ctx context.Context, c *collector, res *checker.Result) error {
	w, now := s.w, time.Now().UTC()
	// What can't be compared at all must not keep the rest from being read again.
	complete := c.planned && (res.Coverage.ChunksCompared == res.Coverage.ChunksPlanned || w.tried() >= maxTries)
	if err := s.takeIn(ctx, c, res, "pass", nil); err != nil {
		return err
	}
	w.mu.Lock()
	point := *w.facts.Pass
	if complete {
		w.facts.Pass, w.tries = nil, 0
		w.facts.Began, w.facts.PassedAt, w.facts.Doubts, w.facts.Unlisted = point.Began, now, res.Doubts, 0
		if res.Verdict == checker.Match && s.options().Checks != nil && slices.Contains(s.options().Checks, "ranges") {
			w.facts.ProvenAt, w.facts.AsOfLSN = now, res.AsOfLSN
		}
		// A pass that takes as long as its cycle leaves the servers a moment.
		w.nextPass = laterOf(point.Began.Add(w.o.Cycle), now.Add(min(w.o.Cycle/10, w.s.pace.again)))
		clear(w.dirty)
	} else {
		// The next one goes on with what this one has left.
		w.tries++
		w.nextPass = now.Add(min(w.o.Cycle, w.s.pace.again<<min(w.tries-1, 8)))
		w.facts.Doubts = res.Doubts
	}
	last := c.progress(false)
	w.facts.Last, w.pass = &last, &last
	w.passing = false
	w.mu.Unlock()
	if err := w.keep(ctx); err != nil {
		return err
	}
	if err := w.healCells(ctx); err != nil {
		return err
	}
	if complete && res.Verdict == checker.Match {
		if err := w.s.store.keepJSON(ctx, w.o.Name, "proof", res); err != nil {
			return err
		}
	}
	if err := s.trail.passed(ctx, s, passedTables(res), trailPoint{point.Follower, point.At, point.When}); err != nil {
		return err
	}
	return w.ended(ctx, runFrom("pass", point.Began, res))
}

// maxTries is how often a pass goes on with what it could not compare, before the next one begins.
const maxTries = 3

func (w *watcher) tried() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tries
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// tablePass reads single tables anew.
func (s *session) tablePass(ctx context.Context, tables []string) error {
	w, began := s.w, time.Now().UTC()
	point, err := s.trail.point(ctx, s, false)
	if err != nil {
		return err
	}
	o := s.options()
	o.Checks = []string{"ranges"}
	o.Pairing.Filter = pairing.Filter{}
	for _, t := range s.joined().Tables {
		if t.Both() && slices.Contains(tables, t.Name) {
			o.Pairing.Filter.Tables = append(o.Pairing.Filter.Tables, t.Source.Schema+"."+t.Source.Name)
		}
	}
	if o.Pairing.Filter.Empty() { // they are gone
		return nil
	}
	w.log.Info("tables are read anew", keyTable, strings.Join(tables, ", "))
	c := newCollector(s, began, o.MaxDiffs)
	o.OnEvent = c.event
	stop := c.start(ctx)
	res, err := checker.Run(ctx, s.sides.Source, s.sides.Target, o)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.takeIn(ctx, c, res, "pass", tables); err != nil {
		return err
	}
	now := time.Now().UTC()
	w.set(func() {
		// A table that is emptied and filled all the time would keep the servers busy.
		w.nextTables = now.Add(max(w.s.pace.again, 10*now.Sub(began)))
		w.passing = false
		if w.pass != nil {
			w.pass.Running = false
		}
	})
	passed := passedTables(res)
	for _, t := range tables {
		if !slices.Contains(passed, t) && slices.ContainsFunc(res.Tables, func(r checker.TableResult) bool { return r.Name == t }) {
			w.makeDirty([]string{t})
		}
	}
	if err := errors.Join(w.keep(ctx), w.healCells(ctx)); err != nil {
		return err
	}
	if err := s.trail.passed(ctx, s, passed, point); err != nil {
		return err
	}
	return w.ended(ctx, runFrom("tables", began, res))
}

// passedTables are those of which a pass has compared all rows, and listed all that differ.
func passedTables(res *checker.Result) (names []string) {
	for _, t := range res.Tables {
		if whole(t) {
			names = append(names, t.Name)
		}
	}
	return names
}

// whole tells whether all of a table was compared, and all that differs is listed.
func whole(t checker.TableResult) bool {
	return t.Verdict != checker.Unproven && t.Error == "" && t.Chunks.Planned > 0 && t.Chunks.Compared == t.Chunks.Planned && t.FindingsTotal == int64(len(t.Findings))
}

// takeIn keeps what a result says: what differs, and what was open and does not any
// more. only are the tables that were read, nil for all.
func (s *session) takeIn(ctx context.Context, c *collector, res *checker.Result, by string, only []string) error {
	w := s.w
	// Of what is about no row was read when the pass began. A check may have seen it heal since.
	others := slices.DeleteFunc(structural(res), func(f sighting) bool { return w.healedSince(f, c.began) })
	if only != nil {
		others = slices.DeleteFunc(others, func(f sighting) bool { return !slices.Contains(only, f.object) })
	}
	if err := w.see(ctx, by, c.began, others); err != nil {
		return err
	}
	if c.planned {
		if err := w.heal(ctx, by, c.began, w.gone(res, only, c.began)); err != nil {
			return err
		}
	}
	w.takeTables(res, only)
	return s.keepStrips(ctx, c, res, only)
}

// healedSince tells whether a difference healed after a moment.
func (w *watcher) healedSince(s sighting, at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.findings, func(f Finding) bool {
		return f.Object == s.object && f.Kind == s.kind && len(f.Key) == 0 && f.HealedAt.After(at)
	})
}

// keepStrips keeps the cells, and forgets those of tables that are gone.
func (s *session) keepStrips(ctx context.Context, c *collector, res *checker.Result, only []string) error {
	w := s.w
	var gone []string
	cells := c.cells()
	w.mu.Lock()
	for name := range w.cells {
		if only == nil && c.planned && !slices.ContainsFunc(res.Tables, func(t checker.TableResult) bool { return t.Name == name }) {
			gone = append(gone, name)
			delete(w.cells, name)
			delete(w.facts.Tables, name)
		}
	}
	w.mu.Unlock()
	if err := w.s.store.keepCells(context.WithoutCancel(ctx), w.o.Name, cells); err != nil || len(gone) == 0 {
		return err
	}
	return w.s.store.forgetCells(context.WithoutCancel(ctx), w.o.Name, gone)
}

// structural are the differences that are about no row: of definitions, sequences and counts. None of
// what made a mismatch is left out, however it is called.
func structural(res *checker.Result) (list []sighting) {
	for _, d := range res.Schema {
		if d.Severity == checker.SeverityBlock {
			list = append(list, sighting{object: d.Object, kind: d.Kind})
		}
	}
	for _, q := range res.Sequences {
		if q.Verdict == checker.Mismatch {
			kind := q.Finding
			if kind == "" {
				kind = "different"
			}
			list = append(list, sighting{object: q.Name, kind: kind})
		}
	}
	rows := int64(0)
	for _, t := range res.Tables {
		rows += t.FindingsTotal
		said := slices.ContainsFunc(list, func(s sighting) bool { return s.object == t.Name || strings.HasPrefix(s.object, t.Name+".") })
		if t.Verdict != checker.Mismatch || t.FindingsTotal > 0 || said {
			continue
		}
		kind := "differs"
		if t.Rows.Source != nil && t.Rows.Target != nil && *t.Rows.Source != *t.Rows.Target {
			kind = "counts"
		}
		list = append(list, sighting{object: t.Name, kind: kind})
	}
	if res.Verdict == checker.Mismatch && rows == 0 && len(list) == 0 {
		list = append(list, sighting{object: res.Source.Database, kind: "differs"})
	}
	return list
}

// gone are the open findings that a result disproves: it compared what they are about, and did
// not find them.
func (w *watcher) gone(res *checker.Result, only []string, since time.Time) (ids []int64) {
	tables := map[string]checker.TableResult{}
	for _, t := range res.Tables {
		tables[t.Name] = t
	}
	unread := map[string]bool{}
	for _, q := range res.Sequences {
		unread[q.Name] = q.Verdict == checker.Unproven
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.findings {
		if !f.Open() || !f.LastSeen.Before(since) || only != nil && !slices.Contains(only, f.Object) {
			continue
		}
		t, there := tables[f.Object]
		ok := false
		switch {
		case len(f.Key) > 0 && there:
			ok = whole(t)
		case len(f.Key) > 0:
			ok = len(res.Doubts) == 0 // the table is gone from both sides
		case there:
			ok = t.Verdict == checker.Match
		default:
			ok = only == nil && !unread[f.Object]
		}
		if ok {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// takeTables keeps what a pass says of its tables.
func (w *watcher) takeTables(res *checker.Result, only []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	doubts := map[string]string{}
	for _, s := range res.Coverage.Skipped {
		doubts[s.Object] = s.Reason
	}
	for _, t := range res.Tables {
		if only != nil && !slices.Contains(only, t.Name) {
			continue
		}
		f := tableFacts{Compared: t.Chunks.Compared == t.Chunks.Planned && t.Chunks.Planned > 0 || t.Verdict != checker.Unproven, Doubt: t.Error, Unlisted: t.FindingsTotal - int64(len(t.Findings))}
		if t.Rows.Source != nil {
			f.Rows = *t.Rows.Source
		}
		f.Differs = t.Verdict == checker.Mismatch && t.FindingsTotal == 0
		for object, why := range doubts {
			if f.Doubt == "" && (object == t.Name || strings.HasPrefix(object, t.Name+".")) {
				f.Doubt = why
			}
		}
		if t.Verdict == checker.Unproven && f.Doubt == "" {
			f.Doubt = "it was not compared"
		}
		w.facts.Tables[t.Name] = f
	}
}

// runFrom is a result for the history.
func runFrom(kind string, began time.Time, res *checker.Result) Run {
	r := Run{Kind: kind, StartedAt: began, FinishedAt: time.Now().UTC(), Verdict: res.Verdict, Reasons: res.Reasons, Rows: res.Coverage.RowsCompared}
	const most = 20
	if more := len(r.Reasons) - most; more > 0 {
		r.Reasons = append(slices.Clone(r.Reasons[:most]), fmt.Sprintf("and %d more", more))
	}
	for _, t := range res.Tables {
		r.Findings += t.FindingsTotal
	}
	r.Findings += int64(len(structural(res)))
	return r
}
