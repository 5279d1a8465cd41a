package cutover

import (
	"context"
	"errors"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// refuses wants a side to take no client's write now, and for as long as d.
func (a *arena) refuses(t *testing.T, side int, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); ; rest(t.Context(), 100*time.Millisecond) {
		if err := a.tryOnce(t.Context(), a.client[side]); err == nil {
			t.Fatalf("side %d took a write", side)
		}
		if !time.Now().Before(end) {
			return
		}
	}
}

// opens wants a side to take clients' writes within the guard's budget.
func (a *arena) opens(t *testing.T, side int) {
	t.Helper()
	began := time.Now()
	until(t, "writes are taken", func() bool { return a.tryOnce(t.Context(), a.client[side]) == nil })
	if d := time.Since(began); d > guardBudget {
		t.Errorf("it took %v until writes were taken, want %v at most", d, guardBudget)
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// guard is its process id, as the run says it.
func (c *child) guard(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(c.says(t, "guard"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestGuardLeavesAStoppedRun: a run that is stopped in its window holds the journal
// still, and may go on: the guard waits, however long that takes. When the run goes
// on, its window is over, and it takes back what it did.
func TestGuardLeavesAStoppedRun(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	a := newArena(t)
	s := a.script(journalFile(t))
	s.Budgets.Window, s.At, s.What = time.Second, "before drained#1", "stop"
	c := play(t, s)
	guard := c.guard(t)
	c.says(t, "at")
	a.refuses(t, 0, 1500*time.Millisecond)
	if !alive(guard) {
		t.Error("the guard has ended while the run was stopped")
	}
	if err := c.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r := c.result(t)
	if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, ""), "the window did not end within its budget of 1s") {
		t.Errorf("%s: %v", r.Outcome, r.Reasons)
	}
	a.opens(t, 0)
}

// TestGuardOutlivesSignals: what ends the run from the terminal does not end its
// guard.
func TestGuardOutlivesSignals(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM}
	if random := draw(t); !everything() {
		signals = signals[random.IntN(2):][:1]
	}
	for _, sig := range signals {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skipf("%v is ignored by all that this shell starts, as nohup has it: run it without", sig)
			}
			a := newArena(t)
			s := a.script(journalFile(t))
			s.At, s.What = "before drained#1", "hang"
			c := play(t, s)
			c.says(t, "at")
			if err := syscall.Kill(-c.cmd.Process.Pid, sig); err != nil {
				t.Fatal(err)
			}
			<-c.ended
			a.opens(t, 0)
		})
	}
}

// TestGuardHasToLive: no window begins without the guard's eyes on it.
func TestGuardHasToLive(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	o.StartGuard = func(ctx context.Context, g Guarding) (Guard, error) {
		started, err := guarded(ctx, g)
		if err == nil {
			_ = started.(*process).cmd.Process.Kill()
			<-started.(*process).ended
		}
		return started, err
	}
	o.point = func(id string) {
		if id == "before freeze-limit" {
			t.Error("the window began all the same")
		}
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, ""), "the guard has ended") {
		t.Errorf("%s: %v", r.Outcome, r.Reasons)
	}
}

// TestGuardAndRunKilled: when nobody is left, abort has the application write
// again, and so does the next run, before it switches.
func TestGuardAndRunKilled(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, at := range []string{"before drained#1", "before no-return#2"} {
		for name, command := range map[string]func(context.Context, Options) (*Result, error){"abort": Abort, "run": Run} {
			t.Run(name+" "+at, func(t *testing.T) {
				t.Parallel()
				a := newArena(t)
				before := howItStands(t, a.source) + howItStands(t, a.target)
				s := a.script(journalFile(t))
				s.At, s.What = at, "hang"
				c := play(t, s)
				guard := c.guard(t)
				c.says(t, "at")
				for _, pid := range []int{guard, c.cmd.Process.Pid} {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				<-c.ended
				a.refuses(t, 0, 500*time.Millisecond)
				r, err := again(t, command, s.options())
				succeed(t, r, err)
				if name == "run" {
					a.opens(t, 1)
					return
				}
				a.opens(t, 0)
				if after := howItStands(t, a.source) + howItStands(t, a.target); after != before {
					t.Errorf("before:\n%s\nafterwards:\n%s", before, after)
				}
			})
		}
	}
}

// TestGuardOfAnOlderRun: the run that took up one that had died dies too, before it
// has a guard of its own: the first one's guard is there still.
func TestGuardOfAnOlderRun(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	a := newArena(t)
	s := a.script(journalFile(t))
	s.At, s.What = "before drained#1", "hang"
	c := play(t, s)
	guard := c.guard(t)
	c.says(t, "at")
	if err := errors.Join(syscall.Kill(guard, syscall.SIGSTOP), syscall.Kill(c.cmd.Process.Pid, syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	second := s
	second.At, second.What = "before thaw#1", "kill"
	<-play(t, second).ended
	a.refuses(t, 0, 300*time.Millisecond)
	if err := syscall.Kill(guard, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.opens(t, 0)
	r, err := again(t, Run, s.options())
	succeed(t, r, err)
}

// TestGuardOfARollback: the guard of a rollback opens the target again.
func TestGuardOfARollback(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	before := []string{"after freeze-limit#1", "journal reached DRAINED#1", "journal reached REVERSE_READY#1"}
	behind := []string{"journal reached PNR#1", "journal reached TARGET_OPEN#1", "after reverse-arrived#1", "journal reached LIVE#1"}
	if random := draw(t); !everything() {
		before, behind = []string{before[random.IntN(len(before))]}, []string{behind[random.IntN(len(behind))]}
	}
	for _, at := range slices.Concat(before, behind) {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			a := newArena(t)
			a.begin(t)
			s := a.script(journalFile(t))
			r, err := Run(t.Context(), s.options())
			succeed(t, r, err)
			until(t, "the application writes to the target", func() bool { return !a.acknowledged(1, r.FinishedAt).IsZero() })
			s.Command, s.At, s.What = "rollback", at, "kill"
			c := play(t, s)
			<-c.ended
			died := time.Now()
			j, _, err := readJournal(s.Journal)
			if err != nil {
				t.Fatal(err)
			}
			if !j.standing().passed() {
				a.opens(t, 1)
				a.refuses(t, 0, 100*time.Millisecond)
			}
			r, err = again(t, RollBack, s.options())
			succeed(t, r, err)
			until(t, "the application writes to the source", func() bool { return !a.acknowledged(0, died).IsZero() })
			a.end()
			a.all(t, a.source, true)
		})
	}
}
