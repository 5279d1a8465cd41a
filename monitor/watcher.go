package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/follow"
)

// watcher watches one pair. What is known of it outlives its sessions, each of which has the pair open
// until something fails.
type watcher struct {
	o    Pair
	s    *Service
	log  *slog.Logger
	wake chan struct{} // a pass may be due
	now  chan int64    // findings to be rechecked at once
	news chan struct{} // the board is to be told

	keeping sync.Mutex // held while facts are written, so that the last ones stay

	mu    sync.Mutex // guards what follows
	facts facts
	known
}

// known is what a watcher knows of its pair beside its facts.
type known struct {
	followed follow.State
	refused  map[string]string // why a table is not followed
	cells    map[string][]Cell
	findings []Finding // open ones first
	runs     []Run
	samples  []Sample
	totals   Totals

	activity    Activity
	aside       string // why it is left alone, "" where it is not
	failed      string // why it is out of reach, "" where it is not
	failedSince time.Time
	lastError   string
	lastSuccess time.Time
	quick       []string // what the last quick check left unproven, where the one before did as well
	quickDoubts int      // quick checks in a row that left something unproven
	unprovenAt  time.Time

	nextPass, nextTables, nextQuick time.Time
	tries                           int // passes in a row that were not completed
	forced                          bool
	dirty                           map[string]bool // tables that wait for a pass
	suspicions                      []suspicion
	pass                            *Progress
	stopPass                        context.CancelCauseFunc // of the one under way
	passing                         bool

	lag       *Lag
	fenceMS   *float64
	oldest    *Age
	slot      *Slot
	sequences []Sequence
	cutover   *Switch
}

// suspicion is a row that was found to differ some time ago, and may have healed since.
type suspicion struct {
	table string
	key   []KeyPart
}

// What ends a pass or a session early.
var (
	errPaused = errors.New("somebody paused it")
	errEnding = errors.New("the monitor is ending")
)

// How much of the history a status holds.
const (
	shownHealed  = 50
	shownOpen    = 1000
	shownRuns    = 20
	shownSamples = 24 * time.Hour
)

// newWatcher reads what is known of a pair.
func newWatcher(ctx context.Context, s *Service, o Pair) (*watcher, error) {
	w := &watcher{o: o, s: s, log: s.log.With(keyPair, o.Name), wake: make(chan struct{}, 1), now: make(chan int64, 100), news: make(chan struct{}, 1)}
	w.activity, w.dirty = Starting, map[string]bool{}
	var err error
	if w.facts, w.followed, err = s.store.pair(ctx, o.Name); err != nil {
		return nil, err
	}
	if w.facts.Tables == nil {
		w.facts.Tables = map[string]tableFacts{}
	}
	w.pass = w.facts.Last
	if w.cells, err = s.store.cells(ctx, o.Name); err != nil {
		return nil, err
	}
	if w.samples, err = s.store.samples(ctx, o.Name, time.Now().Add(-shownSamples)); err != nil {
		return nil, err
	}
	if err = w.readHistory(ctx); err != nil {
		return nil, err
	}
	if w.facts.Pass == nil && !w.facts.Began.IsZero() {
		w.nextPass = w.facts.Began.Add(o.Cycle)
	}
	return w, nil
}

// readHistory reads findings and runs anew.
func (w *watcher) readHistory(ctx context.Context) error {
	findings, err := w.s.store.findings(ctx, w.o.Name, shownHealed)
	if err != nil {
		return err
	}
	runs, err := w.s.store.runs(ctx, w.o.Name, shownRuns)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.findings, w.runs = findings, runs
	return nil
}

// keep writes the facts down, and has the board told.
func (w *watcher) keep(ctx context.Context) error {
	w.keeping.Lock()
	defer w.keeping.Unlock()
	w.mu.Lock()
	text, err := json.Marshal(w.facts)
	w.mu.Unlock()
	w.changed()
	if err != nil {
		return err
	}
	return w.s.store.keepJSON(context.WithoutCancel(ctx), w.o.Name, "facts", json.RawMessage(text))
}

// changed has the board told soon.
func (w *watcher) changed() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// nudge has the pass loop look again.
func (w *watcher) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// set changes what is known, and has the board told.
func (w *watcher) set(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	w.changed()
}

// run watches the pair until ctx is done.
func (w *watcher) run(ctx context.Context) {
	var telling sync.WaitGroup
	tell, stop := context.WithCancel(context.WithoutCancel(ctx))
	telling.Go(func() { w.publishing(tell) })
	defer func() {
		w.set(func() { w.activity = NotRunning })
		stop()
		telling.Wait()
		w.publish(context.WithoutCancel(ctx), time.Now())
	}()
	wait := w.s.pace.retry
	for ctx.Err() == nil {
		if w.isAside() {
			rest(ctx, w.s.pace.yield)
			continue
		}
		began := time.Now()
		err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errAside) {
			w.log.Info("left alone", keyReason, w.asideFor())
			continue
		}
		if time.Since(began) > w.s.pace.retries {
			wait = w.s.pace.retry
		}
		w.fails(err)
		// Not all pairs at the same time: a server that comes back has enough to do.
		rest(ctx, wait/2+rand.N(wait/2+1))
		wait = min(2*wait, w.s.pace.retries)
	}
}

// fails notes why the pair is out of reach.
func (w *watcher) fails(err error) {
	if err == nil {
		err = errors.New("its session ended")
	}
	w.log.Warn("pair out of reach: it is tried again", keyError, err)
	w.set(func() {
		w.activity, w.failed, w.lastError = Retrying, err.Error(), err.Error()
		w.totals.Errors++
		if w.failedSince.IsZero() {
			w.failedSince = time.Now()
		}
	})
}

// reached notes that the pair is within reach.
func (w *watcher) reached() {
	w.set(func() {
		if w.failed != "" {
			w.log.Info("pair within reach again")
		}
		w.failed, w.failedSince, w.activity = "", time.Time{}, Resting
	})
}

// see keeps what was found.
func (w *watcher) see(ctx context.Context, by string, at time.Time, seen []sighting) error {
	opened, err := w.s.store.see(context.WithoutCancel(ctx), w.o.Name, by, at, seen)
	if err != nil || len(seen) == 0 {
		return err
	}
	if opened > 0 {
		w.log.Warn("differences found", keyFindings, opened, "by", by)
	}
	err = w.readHistory(context.WithoutCancel(ctx))
	w.changed()
	return err
}

// heal notes that findings were found equal, but for those that were seen since.
func (w *watcher) heal(ctx context.Context, by string, since time.Time, ids []int64) error {
	healed, err := w.s.store.heal(context.WithoutCancel(ctx), time.Now(), since, ids)
	if err != nil || healed == 0 {
		return err
	}
	w.log.Info("differences healed", keyHealed, healed, "by", by)
	if err := w.readHistory(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return w.healCells(ctx)
}

// healCells clears the cells of tables in which nothing is open any more.
func (w *watcher) healCells(ctx context.Context) error {
	w.mu.Lock()
	open := map[string]bool{}
	for _, f := range w.findings {
		if f.Open() {
			open[f.Object] = true
		}
	}
	mended := map[string][]Cell{}
	for name, cells := range w.cells {
		if t := w.facts.Tables[name]; open[name] || t.Unlisted > 0 || t.Differs || w.passing {
			continue
		}
		for _, c := range cells {
			if c.Verdict == checker.Mismatch {
				mended[name] = healedCells(cells)
				break
			}
		}
	}
	maps.Copy(w.cells, mended)
	w.mu.Unlock()
	w.changed()
	if len(mended) == 0 {
		return nil
	}
	return w.s.store.keepCells(context.WithoutCancel(ctx), w.o.Name, mended)
}

// ended keeps a run.
func (w *watcher) ended(ctx context.Context, r Run) error {
	if err := w.s.store.addRun(context.WithoutCancel(ctx), w.o.Name, r); err != nil {
		return err
	}
	level := slog.LevelInfo
	if r.Kind == "quick" && r.Verdict == checker.Match {
		level = slog.LevelDebug
	}
	w.log.Log(ctx, level, r.Kind+" ended", keyVerdict, r.Verdict.String(), keyRows, r.Rows, keyFindings, r.Findings, keyTook, r.FinishedAt.Sub(r.StartedAt).Seconds(), "reasons", len(r.Reasons))
	w.set(func() {
		if w.lastSuccess = r.FinishedAt; r.Kind == "pass" {
			w.totals.Passes++
		} else {
			w.totals.Quick++
		}
	})
	return w.readHistory(context.WithoutCancel(ctx))
}

// rest waits d, or less when ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Commands.

func (w *watcher) trigger() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.facts.Paused:
		return fmt.Errorf("%w: the pair is paused: resume it first", ErrNotNow)
	case w.passing:
		return fmt.Errorf("%w: a pass is under way", ErrNotNow)
	}
	w.forced = true
	w.nudge()
	return nil
}

// pause stops passes and checks, or lets them go on. What is followed is followed all the
// same: a slot that nobody reads holds back log.
func (w *watcher) pause(ctx context.Context, on bool) error {
	w.mu.Lock()
	if w.facts.Paused == on {
		w.mu.Unlock()
		return nil
	}
	w.facts.Paused = on
	if on && w.stopPass != nil {
		w.stopPass(errPaused)
	}
	w.mu.Unlock()
	w.log.Info(map[bool]string{true: "paused", false: "resumed"}[on])
	w.nudge()
	return w.keep(ctx)
}

func (w *watcher) paused() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts.Paused
}

func (w *watcher) recheckNow(id int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.findings {
		if f.ID != id {
			continue
		}
		switch {
		case !f.Open():
			return fmt.Errorf("%w: finding %d has healed", ErrNotNow, id)
		case len(f.Key) == 0:
			return fmt.Errorf("%w: finding %d is about no row: the next check or pass looks at it", ErrNotNow, id)
		case w.failed != "":
			return fmt.Errorf("%w: the pair is out of reach: %s", ErrNotNow, w.failed)
		}
		select {
		case w.now <- id:
			return nil
		default:
			return fmt.Errorf("%w: too many wait already", ErrNotNow)
		}
	}
	return fmt.Errorf("finding %d is %w, or healed long ago", id, ErrNotKnown)
}
