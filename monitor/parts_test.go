package monitor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// A cell shows what the pass before said until all its chunks were compared, but for a difference.
func TestCells(t *testing.T) {
	old := time.Unix(1, 0)
	known := []Cell{{checker.Match, old}, {checker.Mismatch, old}}
	s := newLedger(known, 4) // four chunks: four cells
	show := func(s *ledger) string {
		var b strings.Builder
		for _, c := range s.cells {
			fmt.Fprintf(&b, "%s@%d ", c.Verdict.String()[:2], max(c.At.Unix(), 0))
		}
		return b.String()
	}
	if got := show(s); got != "ma@1 ma@1 mi@1 mi@1 " {
		t.Errorf("begins with %s", got)
	}
	s.mark(0, checker.Mismatch, time.Unix(5, 0))
	s.mark(1, checker.Unproven, time.Unix(6, 0))
	s.mark(2, checker.Match, time.Unix(7, 0))
	if got := show(s); got != "mi@5 un@6 ma@7 mi@1 " {
		t.Errorf("goes on with %s", got)
	}
	many := newLedger(nil, 2*MaxCells) // two chunks a cell
	many.mark(0, checker.Match, time.Unix(5, 0))
	if c := many.cells[0]; c.Verdict != checker.Unproven || !c.At.IsZero() {
		t.Errorf("half a cell is shown as %v", c)
	}
	many.mark(1, checker.Match, time.Unix(9, 0))
	if c := many.cells[0]; c.Verdict != checker.Match || c.At.Unix() != 5 || len(many.cells) != MaxCells {
		t.Errorf("a cell is %v: its oldest chunk counts", c)
	}
	if got := healedCells([]Cell{{checker.Mismatch, old}, {checker.Unproven, old}}); got[0].Verdict != checker.Match || got[1].Verdict != checker.Unproven {
		t.Errorf("healed: %v", got)
	}
}

// Seconds of lag come from when the log was where the target is now.
func TestSecondsOfLag(t *testing.T) {
	h, at := &heads{}, time.Unix(1000, 0)
	if _, known := h.behind(at, 5); known {
		t.Error("known of nothing")
	}
	for i := range 3 * maxHeads {
		h.take(at.Add(time.Duration(i)*time.Second), postgres.LSN(100*i))
	}
	if len(h.list) > maxHeads {
		t.Errorf("%d are kept", len(h.list))
	}
	now := at.Add(3 * maxHeads * time.Second)
	last := postgres.LSN(100 * (3*maxHeads - 1))
	for _, c := range []struct {
		applied postgres.LSN
		want    float64
	}{{last, 0}, {last + 7, 0}, {last - 1, 1}, {last - 100, 1}, {last - 950, 10}} {
		if got, known := h.behind(now, c.applied); !known || got != c.want {
			t.Errorf("%d behind: %v s, want %v", last-c.applied, got, c.want)
		}
	}
}

// A limit lets so many at a time, in turn, and can be changed; who gives up takes no place.
func TestLimit(t *testing.T) {
	l := &limit{most: 1}
	first, err := l.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	impatient, stop := context.WithCancel(t.Context())
	stop()
	if _, err := l.take(impatient); err == nil {
		t.Fatal("two at a time")
	}
	got := make(chan func(), 2)
	for range 2 {
		go func() {
			if release, err := l.take(t.Context()); err == nil {
				got <- release
			}
		}()
	}
	until(t, "both wait", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.waiting) == 2 })
	first()
	second := <-got
	select {
	case <-got:
		t.Fatal("two at a time")
	default:
	}
	l.set(2)
	third := <-got
	second()
	third()
	if l.taken != 0 {
		t.Errorf("%d places are taken", l.taken)
	}
}

// No two keys are taken for one.
func TestKeysAreToldApart(t *testing.T) {
	seen := map[string]string{}
	for _, key := range [][]string{{"a", "b"}, {"a|b"}, {"a|", "b"}, {"a", "|b"}, {`a\`, "b"}, {`a\|b`}, {"", ""}, {""}, {"|"}} {
		name := joined(key)
		if other, twice := seen[name]; twice {
			t.Errorf("%q and %s have one name", key, other)
		}
		seen[name] = fmt.Sprintf("%q", key)
	}
}

// What is left of a sequence.
func TestHeadroom(t *testing.T) {
	for _, c := range []struct {
		q    postgres.Sequence
		last int64
		want float64
	}{
		{postgres.Sequence{Min: 0, Max: 100, Increment: 1}, 75, 0.25}, {postgres.Sequence{Min: 0, Max: 100, Increment: -1}, 75, 0.75},
		{postgres.Sequence{Min: 0, Max: 100, Increment: 1, Cycle: true}, 100, 1}, {postgres.Sequence{Min: 1, Max: 1<<63 - 1, Increment: 1}, 1, 1}, {postgres.Sequence{Min: 1, Max: 1, Increment: 1}, 1, 0},
	} {
		if got := left(&c.q, c.last); got != c.want {
			t.Errorf("%+v at %d: %v", c.q, c.last, got)
		}
	}
}
