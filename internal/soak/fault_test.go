//go:build unix

package soak_test

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// signal sends a signal to the walsender of the pair's subscription.
func (p *pair) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	pid, err := strconv.Atoi(p.source.ask(t, "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '"+p.subscription+"'"))
	if err == nil {
		err = syscall.Kill(pid, s)
	}
	if err != nil {
		t.Fatalf("signal the walsender: %v", err)
	}
}

func contentOnly(o *checker.Options) { o.Checks = []string{"ranges"} }

// TestPausedInTheMiddle: whatever stops the replication in the middle of a run,
// no row is accused, and what was not proven says why. Where it goes on within
// the time to settle, the run goes on as well and ends in a match.
func TestPausedInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	source, target := ownServer(t, 15), ownServer(t, 18)
	w := newWire(t, source)
	p := pairOn(t, source, target, w.address(), shop...)
	busy(t, p.source.url, -1, 100)
	for _, c := range []struct {
		name           string
		pause, resume  func()
		says           string // beside the subscription's name
		stays, resumes bool   // which is tried: that it stays so, and that it goes on after a second
	}{
		{"the walsender is stopped", func() { p.signal(t, syscall.SIGSTOP) }, func() { p.signal(t, syscall.SIGCONT) }, "bytes are left", true, true},
		{"the network is silent", func() { w.set(wireSilent) }, func() { w.set(wireOpen) }, "bytes are left", false, true},
		{"the network is cut", func() { w.set(wireCut) }, func() { w.set(wireOpen) }, "no apply worker at the moment", true, true},
		{"the subscription is disabled", func() { p.target.exec(t, "ALTER SUBSCRIPTION "+p.subscription+" DISABLE") },
			func() { p.target.exec(t, "ALTER SUBSCRIPTION "+p.subscription+" ENABLE") }, "is disabled: ALTER SUBSCRIPTION", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.stays {
				paused := false
				defer func() {
					if paused {
						c.resume()
					}
				}()
				res := p.verify(t, patience(time.Second), contentOnly, whenPlanned(func() { paused = true; c.pause() }))
				unproven(t, res, strconv.Quote(p.subscription), c.says)
				t.Logf("%s: %s", res.FinishedAt.Sub(res.StartedAt).Round(time.Millisecond), res.Reasons[0])
				c.resume()
				paused = false
				p.arrived(t)
			}
			if c.resumes {
				resumed := make(chan struct{})
				res := p.verify(t, whenPlanned(func() {
					c.pause()
					time.AfterFunc(time.Second, func() { defer close(resumed); c.resume() })
				}))
				<-resumed
				matches(t, res)
				if took := res.FinishedAt.Sub(res.StartedAt); took < time.Second {
					t.Errorf("it took %s: nothing was waited for", took)
				}
				p.arrived(t)
			}
		})
	}
	// It is not for want of looking that nothing was found.
	ruin(t, p.target, shopDamage...)
	finds(t, p.verify(t), shopFindings)
}
