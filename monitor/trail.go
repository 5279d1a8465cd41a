package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/postgres"
)

// trail is a session's following of changes: it has two callers, the loop that takes steps, and passes,
// from which watermarks begin.
type trail struct {
	mu   sync.Mutex // guards what follows, and is held during a step
	f    *follow.Follower
	lost bool // the slot was given up: the next full pass makes another one
}

// trailPoint is a place in what is followed: all changes behind it will be. Its follower is "" where nothing is
// followed.
type trailPoint struct {
	follower string
	lsn      string
	when     time.Time
}

// How long a step waits for something to come, and how much it may hold.
const (
	stepWait      = time.Second
	maxKeys       = 200_000
	maxExceptions = 1000
)

// errNotFollowed: there is a reason, which refused has.
var errNotFollowed = errors.New("changes are not followed")

// begin begins to follow, or goes on with it. What can't be followed is no error of the pair's: it
// is said, and passes find the rest. To be called with mu held.
func (t *trail) begin(ctx context.Context, s *session) error {
	w := s.w
	if t.f != nil {
		return nil
	}
	if s.stream.Fence == fence.Still() {
		w.refuse(map[string]string{"": "nothing replicates the pair, so there is nothing to follow"})
		return errNotFollowed
	}
	w.mu.Lock()
	state := w.followed
	w.mu.Unlock()
	o := s.options()
	f, fresh, refused, err := follow.Begin(ctx, s.sides.Source, s.sides.Target, s.joined(), s.stream, state, follow.Options{Pair: w.o.Name, URL: w.o.SourceURL, Settle: o.Settle,
		MaxKeys: maxKeys, MaxExceptions: maxExceptions, Retention: w.o.Retention, MaxDiffs: max(o.MaxDiffs, 1), Keep: func(ctx context.Context, now follow.State) error {
			return w.s.store.keepFollow(ctx, w.o.Name, &now)
		}})
	why := map[string]string{}
	for _, r := range refused {
		why[r.Table] = r.Why
	}
	var refusal follow.Refusal
	if errors.As(err, &refusal) {
		why[refusal.Table] = refusal.Why
		w.refuse(why)
		return errNotFollowed
	}
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	w.refuse(why)
	t.f = f
	now := f.State()
	t.lost = false
	behind := behind(now)
	w.set(func() {
		w.followed = now
		if w.slot == nil || w.slot.Name != now.Slot || w.slot.Dropped != "" {
			w.slot = &Slot{Name: now.Slot, LimitBytes: w.o.Retention}
		}
		if fresh && !w.passing { // watermarks begin with a pass
			w.forced = true
		}
	})
	switch {
	case fresh:
		w.log.Info("changes are followed from now on", keySlot, now.Slot)
		w.nudge()
	case len(behind) > 0:
		w.makeDirty(behind)
	}
	return nil
}

// behind are the tables that wait for a pass.
func behind(s follow.State) (names []string) {
	for name, table := range s.Tables {
		if table.Dirty != "" || table.LSN == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// refuse notes why nothing can be followed (under ""), or a table can't.
func (w *watcher) refuse(why map[string]string) {
	w.mu.Lock()
	before := w.refused
	w.refused = why
	if w.slot != nil && why[""] != "" {
		slot := *w.slot
		slot.Dropped = why[""]
		w.slot = &slot
	}
	w.mu.Unlock()
	for table, reason := range why {
		if before[table] != reason {
			w.log.Warn("not followed", keyTable, table, keyReason, reason)
		}
	}
	w.changed()
}

// point takes a place in what is followed, for a pass that begins now. The catalogs are read anew,
// so that what is followed is what is read. Without a place the pass is worth as much, but no watermark begins with it.
func (t *trail) point(ctx context.Context, s *session, full bool) (p trailPoint, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := s.join(ctx); err != nil {
		return p, err
	}
	if !s.w.o.Follow || t.lost && !full {
		return p, nil
	}
	if t.f != nil { // its tables may be others by now
		s.w.set(func() { s.w.followed = t.f.State() })
		t.f.Close()
		t.f = nil
	}
	if err := t.begin(ctx, s); err != nil {
		t.lament(s, err)
		return p, nil
	}
	lsn, when, err := t.f.Now(ctx)
	if err != nil {
		t.lament(s, err)
		return p, context.Cause(ctx)
	}
	return trailPoint{follower: followerOf(t.f.State()), lsn: lsn.String(), when: when}, nil
}

// followerOf tells a slot from one of the same name that was made later.
func followerOf(s follow.State) string { return s.Slot + "@" + s.Created }

// passed tells that a pass that began at p has compared all of some tables.
func (t *trail) passed(ctx context.Context, s *session, tables []string, p trailPoint) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.f == nil {
		return nil
	}
	defer func() {
		now := t.f.State()
		s.w.set(func() { s.w.followed = now })
		s.w.makeDirty(behind(now))
	}()
	if p.follower == "" || p.follower != followerOf(t.f.State()) || len(tables) == 0 {
		return nil
	}
	lsn, err := postgres.ParseLSN(p.lsn)
	if err != nil {
		return err
	}
	err = t.f.Passed(ctx, tables, lsn, p.when)
	if errors.Is(err, follow.ErrTooEarly) || errors.Is(err, follow.ErrRedefined) {
		s.w.log.Info("tables that changed during the pass are read anew", keyReason, err.Error())
		return nil
	}
	return err
}

// following takes one step after the other. What fails is begun anew: the pair goes on being read
// meanwhile.
func (s *session) following(ctx context.Context) error {
	wait := s.w.s.pace.retry
	for ctx.Err() == nil {
		step, err := s.trail.step(ctx, s)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			rest(ctx, wait)
			wait = min(2*wait, s.w.s.pace.retries)
		default:
			wait = s.w.s.pace.retry
			if err := s.stepped(ctx, step); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

func (t *trail) step(ctx context.Context, s *session) (step follow.Step, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost {
		return step, errNotFollowed
	}
	if t.f == nil { // the tables may have changed since
		err = s.join(ctx)
	}
	if err == nil {
		err = t.begin(ctx, s)
	}
	if err != nil {
		t.lament(s, err)
		return step, err
	}
	if step, err = t.f.Step(ctx, stepWait); err != nil && ctx.Err() == nil {
		s.w.set(func() { s.w.followed = t.f.State() })
		t.f.Close()
		t.f = nil
		var refusal follow.Refusal
		if t.lost = errors.As(err, &refusal); t.lost {
			s.w.refuse(map[string]string{"": refusal.Why})
		}
		t.lament(s, err)
		return step, err
	}
	now := t.f.State()
	s.w.set(func() { s.w.followed = now })
	return step, err
}

// lament notes why following failed.
func (t *trail) lament(s *session, err error) {
	if errors.Is(err, errNotFollowed) || errors.Is(err, follow.ErrRedefined) || errors.Is(err, context.Canceled) {
		return
	}
	s.w.log.Warn("changes are not followed at the moment: it is tried again", keyError, err)
	s.w.set(func() {
		s.w.lastError = err.Error()
		s.w.totals.Errors++
		if t.f == nil && !t.lost {
			s.w.refused = map[string]string{"": err.Error()}
		}
	})
}

// stepped takes in what came of a step.
func (s *session) stepped(ctx context.Context, step follow.Step) error {
	w := s.w
	order := s.keys()
	var seen []sighting
	for _, f := range step.Findings {
		seen = append(seen, sightingOf(f.Table, f.Finding, order[f.Table]))
	}
	if err := w.see(ctx, "follow", time.Now().UTC(), seen); err != nil {
		return err
	}
	more := step.Total - int64(len(step.Findings))
	w.set(func() {
		w.totals.Changes += step.Changes
		w.totals.Rounds += step.Rounds
		w.totals.Suspects += step.Keys
		w.facts.Unlisted += more
		if step.FenceMS > 0 {
			ms := step.FenceMS
			w.fenceMS = &ms
		}
		if w.slot != nil {
			slot := *w.slot
			slot.RetainedBytes = step.Retained
			w.slot = &slot
		}
	})
	for _, t := range step.Dirty {
		w.log.Warn("a table waits for a pass", keyTable, t, keyReason, w.dirtyReason(t))
	}
	w.makeDirty(step.Dirty)
	if more > 0 {
		return w.keep(ctx)
	}
	return nil
}

func (w *watcher) dirtyReason(table string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.followed.Tables[table].Dirty
}

// close leaves the slot as it is.
func (t *trail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.f != nil {
		t.f.Close()
		t.f = nil
	}
}
