package cutover

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Outage is what the application's own connection saw. Durations are in
// milliseconds, moments in milliseconds since the probe began.
//
// An outage is the time from the end of one acknowledged statement to the end
// of the next that is acknowledged, less the pause that the probe makes in between
// anyway: what passed until it tried again, and at most Interval. So it is what a
// client waited that wanted to write, failures and second tries included, and at
// most Interval shorter than the database was away. The beginning and the end of
// the probe count as acknowledged. Those count that ended since the application was
// first to be kept out (see Marks), so that a stumble an hour before does not;
// where it never was, all.
type Outage struct {
	WriteMS float64 `json:"write_ms"` // the longest time without an acknowledged write
	ReadMS  float64 `json:"read_ms"`
	// WriteAtMS and ReadAtMS are when these began.
	WriteAtMS  float64 `json:"write_at_ms"`
	ReadAtMS   float64 `json:"read_at_ms"`
	IntervalMS float64 `json:"interval_ms"` // from one statement's beginning to the next one's
	ProbedMS   float64 `json:"probed_ms"`   // how long the probe went on
	Writes     int     `json:"writes"`      // acknowledged
	Reads      int     `json:"reads"`       // likewise
	Failed     int     `json:"failed"`      // statements that failed, connecting included
	Retried    int     `json:"retried"`     // of those, tried again, and then acknowledged
	// Lost: acknowledged writes that are not in the database that acknowledged them.
	Lost int `json:"lost"`
	// Elsewhere: acknowledged writes of a database that is neither side.
	Elsewhere int `json:"elsewhere,omitempty"`
	// Failures are what the failed statements said, the first few that differ.
	Failures []Failure `json:"failures,omitempty"`
	// Marks are when states were reached. The freeze begins with ARMED.
	Marks []Mark `json:"marks"`
	// Timeline has all statements around a window, from some seconds before until
	// some after it, and of the others those that took longest or failed.
	Timeline []Beat `json:"timeline"`
}

// Beat is one statement of the probe.
type Beat struct {
	AtMS   float64 `json:"at_ms"` // since the probe began
	TookMS float64 `json:"took_ms"`
	Kind   string  `json:"kind"` // write or read
	// On is source or target, and elsewhere for a database that is neither. It is
	// "" where the statement failed, or had not ended when the probe did.
	On     string `json:"on"`
	Failed bool   `json:"failed,omitempty"`
}

func (b Beat) end() float64 { return b.AtMS + b.TookMS }

// acknowledged tells whether the statement was confirmed by a database.
func (b Beat) acknowledged() bool { return b.On != "" && !b.Failed }

// Mark is when a state was reached.
type Mark struct {
	State State   `json:"state"`
	AtMS  float64 `json:"at_ms"`
}

// Failure is what failed statements said.
type Failure struct {
	Kind  string `json:"kind"` // write or read
	Error string `json:"error"`
	Count int    `json:"count"`
}

// The kinds of statements, and what they can be acknowledged by.
const (
	kindWrite = "write"
	kindRead  = "read"

	onSource  = string(postgres.Source)
	onTarget  = string(postgres.Target)
	elsewhere = "elsewhere"
)

// How often the probe tries, and what it waits for.
const (
	beatEvery      = 50 * time.Millisecond
	beatConnect    = 5 * time.Second  // to connect
	beatPatience   = time.Minute      // a statement, or twice the window's budget: a pooler that pauses is waited for
	beatFirst      = 10 * time.Second // for the first statements to be acknowledged
	beatGrace      = time.Second      // for what is under way when the probe ends
	accountBudget  = 5 * time.Second  // to count on a side what it acknowledged
	applicationEnd = "application"    // as errors and actions call the other end of its connection
)

// downtime writes and reads through the application's connection.
type downtime struct {
	began  time.Time
	record recorder
	end    context.CancelFunc // no further statement begins
	cut    context.CancelFunc // and what is under way is given up
	ended  sync.WaitGroup
}

// startDowntime begins to write and read through the application's connection, and
// returns when both were acknowledged by the side that is switched from. The error
// says why they were not; then nothing is left that runs. What was begun goes on
// when ctx is over, since giving up is measured too, until stopDowntime.
func (r *run) startDowntime(ctx context.Context) error {
	return r.downtime(ctx, func(ctx context.Context, first chan beaten) error {
		ctx, cancel := context.WithTimeoutCause(ctx, beatFirst, fmt.Errorf("no answer within %v", beatFirst))
		defer cancel()
		for range 2 {
			select {
			case b := <-first:
				if err := r.leadsToFrom(b); err != nil {
					return err
				}
			case <-ctx.Done():
				return fmt.Errorf("%s: %w: see that the application's connection string leads to the %s, and that no pooler is paused", applicationEnd, context.Cause(ctx), r.from.name)
			}
		}
		return nil
	})
}

// followDowntime is startDowntime for a run that is taken up again behind the point
// of no return, when nothing may be acknowledged yet: nothing is waited for.
func (r *run) followDowntime(ctx context.Context) error {
	return r.downtime(ctx, func(context.Context, chan beaten) error { return nil })
}

// leadsToFrom judges the first statement of a kind.
func (r *run) leadsToFrom(b beaten) error {
	switch {
	case b.err != nil:
		return fmt.Errorf("%w: it is by this connection string that the outage is measured: correct it, or leave it out", b.err)
	case b.On != r.from.name:
		return fmt.Errorf("%s: its connection string leads %s, and not to the %s, which is switched from: correct it", applicationEnd, leads(b.On), r.from.name)
	}
	return nil
}

func leads(on string) string {
	if on == elsewhere {
		return "to a database of neither side, or one that was not prepared"
	}
	return "to the " + on
}

// downtime starts the probe, as an action.
func (r *run) downtime(ctx context.Context, ready func(context.Context, chan beaten) error) error {
	if r.o.Application == "" {
		r.note("no connection string of the application is known: how long it could not write is not measured")
		return nil
	}
	if r.watcher != nil {
		return nil
	}
	a := Action{ID: "downtime-start", On: applicationEnd, Do: fmt.Sprintf("%s; %s -- each every %v, through the application's connection string", writeBeat, readBeat, beatEvery),
		Why: "measures how long the application cannot write, and read"}
	return r.do(ctx, a, func(ctx context.Context) error {
		first := make(chan beaten, 2)
		r.watcher = r.watch(context.WithoutCancel(ctx), first)
		if err := ready(ctx, first); err != nil {
			r.watcher.stop()
			r.watcher = nil
			return err
		}
		return nil
	})
}

// stopDowntime ends the probe and gives what was seen, after it has counted what
// was acknowledged on the side that did. It is nil where nothing was probed. It
// takes a few seconds at most, also when nothing answers.
func (r *run) stopDowntime() *Outage {
	d := r.watcher
	if d == nil {
		return nil
	}
	r.watcher = nil
	d.stop()
	o := d.record.outage()
	r.account(o, d.record.tokens)
	return o
}

// mark says that a state was reached. A nil downtime hears nothing.
func (d *downtime) mark(s State, at time.Time) {
	if d != nil {
		d.record.mark(s, milliseconds(at.Sub(d.began)))
	}
}

// stop ends the probe: what is under way has a moment to be acknowledged.
func (d *downtime) stop() {
	d.end()
	cut := time.AfterFunc(beatGrace, d.cut)
	d.ended.Wait()
	cut.Stop()
	d.cut()
	d.record.stop(milliseconds(time.Since(d.began)))
}
