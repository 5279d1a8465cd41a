package soak_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pgparity/pgparity/checker"
)

// revive starts a killed server again and connects to it.
func (e *end) revive(t *testing.T) {
	t.Helper()
	if err := e.cluster.Restart(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	_ = e.conn.Close(t.Context())
	e.conn = connect(t, e.url)
}

// TestKilledInTheMiddle: a server crashes at some moment of a run and is back
// soon. The run ends, accuses only rows that are damaged, says match only where
// all was compared, and leaves no session behind.
func TestKilledInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds and kills servers: runs without -short")
	}
	p := pairOn(t, ownServer(t, 15), ownServer(t, 18), "", shop...)
	// So that what a run has seen may be lost with the source.
	p.source.exec(t, "ALTER DATABASE "+p.source.name+" SET synchronous_commit = off")
	busy(t, p.source.url, -1, 100)
	verdicts := map[checker.Verdict]int{}
	round := func(side string, victim *end, at moment, damaged bool) {
		var back sync.WaitGroup
		killed, when := false, at.String()
		res := p.verify(t, func(o *checker.Options) {
			o.Concurrency = 2
			o.OnEvent = func(e checker.Event) {
				if killed || !at.is(e) {
					return
				}
				killed = true
				victim.cluster.Kill()
				back.Go(func() { victim.revive(t) })
			}
		})
		back.Wait()
		verdicts[res.Verdict]++
		t.Logf("%s killed at %s: %s in %s: %.200q", side, when, res.Verdict, res.FinishedAt.Sub(res.StartedAt), res.Reasons)
		switch {
		case !killed:
			t.Errorf("%s, %s: nobody was killed", side, when)
		case damaged && res.Verdict == checker.Match:
			t.Errorf("%s, %s: a match of a damaged pair: %s", side, when, toldBriefly(res))
		case res.Verdict == checker.Match:
			matches(t, res)
		case res.Verdict == checker.Unproven:
			unproven(t, res, side)
		}
		for _, f := range strings.Split(listOf(res), ", ") {
			if f != "" && (!damaged || !strings.Contains(shopFindings, f)) {
				t.Errorf("%s, %s: accused %s: %s", side, when, f, toldBriefly(res))
			}
		}
		quiet(t, p.source, p.target)
		p.arrived(t)
	}
	moments := []moment{{checker.RunPlanned, 1}, {checker.UnitStarted, 3}, {checker.UnitDone, 3}, {checker.UnitDone, 5}}
	round("source", p.source, moments[0], false)
	round("target", p.target, moments[1], false)
	round("source", p.source, moments[2], false)
	round("target", p.target, moments[3], false)
	matches(t, p.verify(t))
	ruin(t, p.target, shopDamage...)
	round("target", p.target, moments[0], true)
	round("source", p.source, moments[1], true)
	round("target", p.target, moments[2], true)
	round("source", p.source, moments[3], true)
	finds(t, p.verify(t), shopFindings)
	if verdicts[checker.Unproven] < 4 {
		t.Errorf("%v: most kills came too late to tell anything", verdicts)
	}
}

// moment is the nth event of a kind.
type moment struct {
	kind checker.EventKind
	nth  int
}

func (m *moment) is(e checker.Event) bool {
	if e.Kind == m.kind {
		m.nth--
	}
	return e.Kind == m.kind && m.nth == 0
}

func (m moment) String() string {
	return fmt.Sprintf("%s %d", map[checker.EventKind]string{checker.RunPlanned: "planning", checker.UnitStarted: "start", checker.UnitDone: "end"}[m.kind], m.nth)
}
