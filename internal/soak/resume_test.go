package soak_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// interruptible is a pair that is judged with checkpoints in a file.
type interruptible struct {
	*pair
	file string
}

// run goes on from what the file holds, and is interrupted when so many units
// are done; 0 is never. It tells how many units were taken over.
func (p interruptible) run(t *testing.T, units int) (res *checker.Result, restored int, err error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	source, target := open(t, postgres.Source, p.source.url), open(t, postgres.Target, p.target.url)
	defer source.Close()
	defer target.Close()
	done := 0
	res, err = checker.Run(ctx, source, target, checker.Options{Checks: []string{"last", "ranges"}, Last: 100, Concurrency: 1, Settle: 20 * time.Second,
		Budget: 2 * time.Second, MaxDiffs: 1000, ChunkRows: 200, OptionsHash: "same", Resume: p.file,
		OnEvent: func(e checker.Event) {
			switch {
			case e.Kind == checker.UnitDone && e.Restored:
				restored++
			case e.Kind == checker.UnitDone:
				if done++; done == units {
					cancel(errInterrupted)
				}
			}
		}})
	if err == nil && units > 0 && (done < units || res.Verdict == checker.Match) {
		t.Fatalf("it was not interrupted: %s", toldBriefly(res))
	}
	return res, restored, err
}

// stepwise interrupts runs after so many units each, and returns the result of
// the one after. between is called after each interruption.
func (p *pair) stepwise(t *testing.T, steps []int, between func()) *checker.Result {
	t.Helper()
	i, before := interruptible{p, filepath.Join(t.TempDir(), "journal")}, 0
	for start, n := range append(steps, 0) {
		res, restored, err := i.run(t, n)
		if err != nil {
			t.Fatal(err)
		}
		if start > 0 && restored <= before {
			t.Errorf("%d units were taken over, %d the last time: it does not go on", restored, before)
		}
		before = restored
		if n == 0 {
			return res
		}
		between()
	}
	panic("unreachable")
}

var errInterrupted = errors.New("interrupted")

// TestResumeUnderLoad: a run that is ended in the middle goes on from there
// though rows were written meanwhile, and ends in a match, or finds what is
// damaged: before the first run, and meanwhile in rows that it had read already.
func TestResumeUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	p := newPair(t, 15, 18, shop...)
	stop := busy(t, p.source.url, -1, 100)
	matches(t, p.stepwise(t, []int{4, 1}, func() {}))

	// Rows of the first range are read first. What is lost of it when it is written
	// anew is told by the horizon of the first start alone.
	p.source.exec(t, "INSERT INTO orders VALUES (-1, 0, ''), (-2, 0, '')")
	p.arrived(t)
	ruin(t, p.target, shopDamage...)
	res := p.stepwise(t, []int{12, 1}, func() {
		ruin(t, p.target, "DELETE FROM orders WHERE id < 0")
		p.source.exec(t, "UPDATE orders SET state = state + 1 WHERE id < 0")
		p.arrived(t)
	})
	finds(t, res, "orders missing -2, orders missing -1, "+shopFindings)
	stop()

	// A pair that came to rest is another.
	i := interruptible{p, filepath.Join(t.TempDir(), "journal")}
	if _, _, err := i.run(t, 3); err != nil {
		t.Fatal(err)
	}
	p.target.exec(t, "DROP SUBSCRIPTION "+p.subscription)
	if _, _, err := i.run(t, 0); err == nil || !strings.Contains(err.Error(), "was replicated at the first start and is not now") {
		t.Errorf("it went on: %v", err)
	}
}
