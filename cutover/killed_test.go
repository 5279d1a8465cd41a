package cutover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// kill is where a run is killed.
type kill struct {
	at    string
	after time.Duration // later than that, while the action is under way
}

func (k kill) String() string {
	if k.after > 0 {
		return fmt.Sprintf("%v after %s", k.after, k.at)
	}
	return k.at
}

// points are all points of a switch that nothing happens to, and how long after
// each the next one came.
func points(t *testing.T) (names []string, took map[string]time.Duration) {
	t.Helper()
	a := newArena(t)
	a.begin(t)
	took = map[string]time.Duration{}
	s := a.script(journalFile(t))
	s.Preflight = everything()
	o := s.options()
	o.StartGuard = guarded
	named, last := naming(), time.Now()
	o.point = func(id string) {
		if len(names) > 0 {
			took[names[len(names)-1]] = time.Since(last)
		}
		names, last = append(names, named(id)), time.Now()
	}
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	a.end()
	a.oneAtATime(t)
	a.all(t, a.target, true)
	return names, took
}

// TestKilled kills a switch with kill -9: at every boundary of a state from ARMED on
// and at some other points that are drawn; with CUTOVER_KILL=all at all of them, and once in
// the midst of each action. Before the point of no return the guard has the
// application write again within seconds, and the next run switches; behind it the
// next run completes. Never is a row that was acknowledged lost, and never do both
// sides take writes.
func TestKilled(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	random := draw(t)
	names, took := points(t)
	var kills []kill
	var others []kill
	for _, name := range names {
		k := kill{at: name}
		switch {
		case strings.HasPrefix(name, "journal "+string(Reached)) && (everything() || rank(stateOf(name)) >= rank(Armed)):
			kills = append(kills, k)
		default:
			others = append(others, k)
		}
		if d := took[name]; strings.HasPrefix(name, "before ") && d > time.Millisecond {
			others = append(others, kill{name, time.Duration(random.Int64N(int64(d)))})
		}
	}
	random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	if !everything() {
		others = others[:min(4, len(others))]
	}
	kills = append(kills, others...)
	t.Logf("%d points, %d kills", len(names), len(kills))
	var slowest sync.Map
	t.Run("at", func(t *testing.T) {
		turn := make(chan struct{}, atOnce)
		for _, k := range kills {
			t.Run(k.String(), func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				if d := killed(t, k); d > 0 {
					slowest.Store(k.String(), d)
				}
			})
		}
	})
	var worst []string
	slowest.Range(func(k, d any) bool {
		worst = append(worst, fmt.Sprintf("%8v %v", d.(time.Duration).Round(time.Millisecond), k))
		return true
	})
	slices.Sort(worst)
	if len(worst) > 0 {
		t.Logf("%d times the guard had the application write again; the longest took %s", len(worst), worst[len(worst)-1])
	}
}

// stateOf is the state that a point of the journal is about.
func stateOf(name string) State {
	words := strings.Fields(strings.TrimSuffix(name, "#1"))
	return State(words[len(words)-1])
}

// everything tells whether all cases are to be tried, which takes half an hour.
func everything() bool { return os.Getenv("CUTOVER_KILL") == "all" }

// atOnce is how many switches are killed at the same time.
const atOnce = 4

// guardBudget is how long the guard may take until the application writes again.
const guardBudget = 5 * time.Second

// killed kills one switch, and has another go on. It gives how long the
// application could not write before the guard opened the source, 0 where it was
// not the guard.
func killed(t *testing.T, k kill) (guard time.Duration) {
	a := newArena(t)
	a.begin(t)
	s := a.script(journalFile(t))
	s.Preflight = everything()
	s.At, s.What, s.After = k.at, "kill", k.after
	c := play(t, s)
	<-c.ended
	died := time.Now()
	if state := c.cmd.ProcessState.String(); state != "signal: killed" {
		if k.after > 0 && c.cmd.ProcessState.Success() {
			t.Logf("it had ended when it was to be killed") // the action was quicker than the time before
		} else {
			t.Fatalf("it was to be killed at %s, and ended by itself: %s", k, state)
		}
	}
	j, _, err := readJournal(s.Journal)
	if err != nil {
		t.Fatal(err)
	}
	was := j.standing()
	if was.passed() {
		guard = 0
	} else {
		until(t, "the application writes to the source again", func() bool { return !a.acknowledged(0, died).IsZero() })
		if d := a.acknowledged(0, died).Sub(died); was.exposed() {
			guard = d
		}
		if guard > guardBudget {
			t.Errorf("killed at %s: the application could write again after %v, want %v at most", k, guard, guardBudget)
		}
	}
	r, err := again(t, Run, s.options())
	succeed(t, r, err)
	until(t, "the application writes to the target", func() bool { return !a.acknowledged(1, died).IsZero() })
	a.end()
	if was.passed() {
		if at := a.acknowledged(0, died); !at.IsZero() {
			t.Errorf("killed at %s, behind the point of no return: the source took a write %v later", k, at.Sub(died))
		}
	}
	a.oneAtATime(t)
	a.all(t, a.target, true)
	return guard
}

// again runs a command as soon as the guard has let go of the journal.
func again(t *testing.T, command func(context.Context, Options) (*Result, error), o Options) (r *Result, err error) {
	t.Helper()
	until(t, "the journal is free", func() bool {
		r, err = command(t.Context(), o)
		return !errors.Is(err, errHeld)
	})
	return r, err
}
