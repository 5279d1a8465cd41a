package checker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/postgres"
)

// dial is a gauge's reading that a test turns.
type dial struct {
	mu    sync.Mutex
	gauge postgres.Gauge
	err   error
	stuck chan struct{} // not nil: a reading waits until it is closed
}

func (d *dial) read(ctx context.Context) (postgres.Gauge, error) {
	d.mu.Lock()
	g, err, stuck := d.gauge, d.err, d.stuck
	d.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return g, err
}

func (d *dial) turn(g postgres.Gauge, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gauge, d.err = g, err
}

// guarded is a guard over two dials, the source's active sessions (limit 40)
// and the target's (limit 5), a switch and a file.
type guarded struct {
	*guard
	source, target *dial
	pause          *Pause
	file           string
	mu             sync.Mutex
	said           []string
}

func newGuarded(t *testing.T) *guarded {
	w := &guarded{source: &dial{}, target: &dial{}, file: filepath.Join(t.TempDir(), "pause"),
		pause: &Pause{By: "SIGUSR1", Resume: "send it again to go on"}}
	w.guard = newGuard(Guard{PauseFile: w.file, Pause: w.pause}, nil, nil, func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, map[EventKind]string{Held: "held: ", Released: "released: ", Warned: "warned: "}[e.Kind]+e.Message)
	})
	for _, s := range []struct {
		db    *postgres.DB
		side  postgres.Side
		limit int64
		d     *dial
	}{{&postgres.DB{}, postgres.Source, 40, w.source}, {&postgres.DB{}, postgres.Target, 5, w.target}} {
		g := activeGauge(s.db, s.limit)
		g.side, g.read = s.side, s.d.read
		g.say = func(r postgres.Gauge) (string, string) {
			return string(s.side) + " has " + sizeText(r.Value), string(s.side) + " had " + sizeText(r.Value)
		}
		w.sides = append(w.sides, []*gauge{g})
	}
	return w
}

// news are the events since the last call.
func (w *guarded) news() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := w.said
	w.said = nil
	return said
}

// passes tells whether a statement could begin now.
func (w *guarded) passes() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	passed := make(chan error, 1)
	go func() { passed <- w.pass(ctx) }()
	synctest.Wait()
	select {
	case err := <-passed:
		return err == nil
	default:
		cancel()
		return <-passed == nil // not so: it waited, and was cancelled
	}
}

func sessions(n int64) postgres.Gauge { return postgres.Gauge{Value: n} }

// refusal is an error that the server itself raised.
var refusal = &postgres.Error{Side: postgres.Source, Op: "read", Code: "42883"}

// TestGuardLifeCycle leads one guard through all of its states. Each step
// changes one thing and lets a second pass, or none.
func TestGuardLifeCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newGuarded(t)
		w.start(t.Context())
		defer w.stop()
		touch := func() {
			if err := os.WriteFile(w.file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		source := func(n int64) func() { return func() { w.source.turn(sessions(n), nil) } }
		for _, step := range []struct {
			name   string
			do     func()
			now    bool // without waiting for the next look
			passes bool
			says   string
		}{
			{"at the limit", source(40), false, true, ""},
			{"over it", source(57), false, false, "held: source has 57 bytes"},
			{"back at the limit", source(40), false, false, ""},
			{"not yet far enough below", source(33), false, false, ""},
			{"a fifth below", source(32), false, true, "released: held back for 3s"},
			{"again at the limit", source(40), false, true, ""},
			{"over it again", source(41), false, false, "held: source has 41 bytes"},
			{"the target as well", func() { w.target.turn(sessions(6), nil) }, false, false, "held: source has 41 bytes; target has 6 bytes"},
			{"the source no more", source(0), false, false, "held: target has 6 bytes"},
			{"nor the target", func() { w.target.turn(sessions(4), nil) }, false, true, "released: held back for 3s"},

			{"the switch, at once", w.pause.Toggle, true, false, "held: paused by SIGUSR1: send it again to go on"},
			{"pressure beside it", source(50), false, false, "held: paused by SIGUSR1: send it again to go on; source has 50 bytes"},
			{"the switch off, pressure stays", w.pause.Toggle, true, false, "held: source has 50 bytes"},
			{"no pressure", source(0), false, true, "released: held back for 2s"},
			{"the switch twice", func() { w.pause.Toggle(); w.pause.Toggle() }, true, true, ""},

			{"the file", touch, false, false, "held: paused by the file " + w.file + ": remove it to go on"},
			{"no file", func() { _ = os.Remove(w.file) }, false, true, "released: held back for 1s"},

			{"over the limit", source(99), false, false, "held: source has 99 bytes"},
			{"the server is gone", func() { w.source.turn(sessions(99), errors.New("gone")) }, false, true, "released: held back for 1s"},
			{"the server is back, at the limit", source(40), false, true, ""},
			{"over the limit once more", source(41), false, false, "held: source has 41 bytes"},
			{"the server refuses", func() { w.source.turn(sessions(99), refusal) }, false, true, "warned: " + refusal.Error() + ": --max-active holds nothing back there|released: held back for 1s"},
			{"and goes on refusing", func() {}, false, true, ""},
			{"the role sees little", func() { w.target.turn(postgres.Gauge{Hidden: 3}, nil) }, false, true,
				"warned: target: the role cannot see whether 3 sessions of other roles are active: GRANT pg_monitor TO it there, or --max-active is blind to them"},
			{"and goes on seeing little", func() { w.target.turn(postgres.Gauge{Hidden: 4, Value: 6}, nil) }, false, false, "held: target has 6 bytes"},
			{"the end", func() { w.target.turn(sessions(0), nil) }, false, true, "released: held back for 1s"},
		} {
			step.do()
			if !step.now {
				<-time.After(time.Second)
			}
			synctest.Wait()
			if got := strings.Join(w.news(), "|"); got != step.says {
				t.Errorf("%s: said %q, want %q", step.name, got, step.says)
			}
			if got := w.passes(); got != step.passes {
				t.Errorf("%s: passes %v", step.name, got)
			}
		}
		// Each step that was held made one statement wait, and for no time.
		total, reasons := w.held()
		if want := []string{"source had 99 bytes", "target had 6 bytes", "paused by SIGUSR1", "paused by the file " + w.file}; total != 0 || !slices.Equal(reasons, want) {
			t.Errorf("held for %s: %q", total, reasons)
		}
	})
}

// TestGuardWaiting: who waits is let go, or told why the run ended; what
// counts is the time in which somebody waited.
func TestGuardWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newGuarded(t)
		w.source.turn(sessions(57), nil)
		w.start(t.Context())
		if got := w.news(); len(got) != 1 {
			t.Errorf("the first statement is not held back: %q", got)
		}
		<-time.After(time.Minute)
		if notes := w.notes(); notes != nil {
			t.Errorf("nobody waited: %q", notes)
		}
		passed := make(chan error)
		ctx, cancel := context.WithCancelCause(t.Context())
		for range 20 {
			go func() { passed <- w.pass(context.Background()) }()
		}
		go func() { passed <- w.pass(ctx) }()
		<-time.After(5 * time.Second)
		deadline := errors.New("the deadline passed")
		cancel(deadline)
		if err := <-passed; !errors.Is(err, deadline) {
			t.Errorf("a cancelled wait: %v", err)
		}
		w.source.turn(sessions(60), nil)
		<-time.After(4 * time.Second)
		synctest.Wait()
		if total, _ := w.held(); total != 9*time.Second {
			t.Errorf("held for %s so far", total)
		}
		w.source.turn(sessions(0), nil)
		for range 20 {
			if err := <-passed; err != nil {
				t.Error(err)
			}
		}
		<-time.After(time.Minute)
		if diff := cmp.Diff([]string{"held back for 10s: source had 60 bytes"}, w.notes()); diff != "" {
			t.Error(diff)
		}
		w.stop()
		w.stop()
	})
}

// TestGuardStop: the end of the looking lets go whoever waits, and leaves no
// goroutine: the bubble would not end with one.
func TestGuardStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		newGuarded(t).stop() // never started
		w := newGuarded(t)
		w.pause.Toggle()
		w.start(t.Context())
		passed := make(chan error)
		go func() { passed <- w.pass(context.Background()) }()
		synctest.Wait()
		w.stop()
		if err := <-passed; err != nil {
			t.Error(err)
		}
		// The switch outlives the run.
		next := newGuarded(t)
		next.pause = w.pause
		next.o.Pause = w.pause
		next.start(t.Context())
		defer next.stop()
		if next.passes() {
			t.Error("the next run is not paused")
		}
		w.pause.Toggle()
		synctest.Wait()
		if !next.passes() {
			t.Error("the next run stays paused")
		}
	})
}

// TestGuardSlowServer: a server that does not answer keeps neither the
// operator waiting nor, for long, the run.
func TestGuardSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newGuarded(t)
		w.source.turn(sessions(57), nil)
		w.start(t.Context())
		defer w.stop()
		w.source.mu.Lock()
		w.source.stuck = make(chan struct{})
		w.source.mu.Unlock()
		<-time.After(2 * time.Second)
		w.news()
		w.pause.Toggle()
		synctest.Wait()
		if got := w.news(); len(got) != 1 || !strings.HasPrefix(got[0], "held: paused by SIGUSR1") {
			t.Errorf("said %q", got)
		}
		w.pause.Toggle()
		<-time.After(gaugePatience)
		synctest.Wait()
		if !w.passes() {
			t.Errorf("a server that is silent holds the run: %q", w.news())
		}
	})
}

// TestGuardIdle: without a limit nothing is asked and nothing runs.
func TestGuardIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(Guard{}, nil, nil, func(e Event) { t.Errorf("event %v", e) })
		g.start(t.Context())
		if err := g.pass(t.Context()); err != nil {
			t.Error(err)
		}
		if g.notes() != nil {
			t.Error("notes of nothing")
		}
		// No stop: the bubble ends only where no goroutine is left.
	})
}

// TestGuardPauseFileUnseen: a path that cannot be looked at is said once.
func TestGuardPauseFileUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newGuarded(t)
		touch := filepath.Join(filepath.Dir(w.file), "plain")
		if err := os.WriteFile(touch, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.o.PauseFile = filepath.Join(touch, "below a file")
		w.start(t.Context())
		defer w.stop()
		<-time.After(3 * time.Second)
		if got := w.news(); len(got) != 1 || !strings.HasSuffix(got[0], "--pause-file holds nothing back") {
			t.Errorf("said %q", got)
		}
		if got := w.notes(); len(got) != 1 || !w.passes() {
			t.Errorf("notes %q", got)
		}
	})
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1kB", 64 << 20: "64MB", 3<<29 + 1: "1.5GB", 5 << 40: "5TB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
