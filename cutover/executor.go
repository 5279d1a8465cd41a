package cutover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// executor has the effects of a run: the live one runs them, the dry one lists
// them.
type executor interface {
	// do has one effect, which the action describes.
	do(ctx context.Context, a Action, effect func(context.Context) error) error
	// dry tells that nothing is run, so that what an effect would have brought
	// about is not there to be read.
	dry() bool
	// taken gives the actions since it was last called.
	taken() []Action
}

// live runs effects, and keeps what they were and how long they took, in the order
// in which they were begun. It is safe for concurrent use.
type live struct {
	mu       sync.Mutex
	list     []Action
	pointing sync.Mutex      // held while point runs
	point    func(id string) // a test's, called before and after each effect
}

func (l *live) dry() bool { return false }

func (l *live) taken() []Action {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

func (l *live) do(ctx context.Context, a Action, effect func(context.Context) error) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %w", a.ID, err)
	}
	l.at("before " + a.ID)
	l.mu.Lock()
	n := len(l.list)
	l.list = append(l.list, a)
	l.mu.Unlock()
	began := time.Now()
	err := effect(ctx)
	took := milliseconds(time.Since(began))
	a.TookMS = &took
	if err != nil {
		a.Error = err.Error()
	}
	l.mu.Lock()
	l.list[n] = a
	l.mu.Unlock()
	l.at("after " + a.ID)
	return err
}

func (l *live) at(point string) {
	if l.point != nil {
		l.pointing.Lock()
		defer l.pointing.Unlock()
		l.point(point)
	}
}

// together has parts at work at the same time, and returns when all have ended: none
// is cut off because another one fails, as a statement that is cut off may cost its
// connection. Parts that use one connection take turns. In a plan they come one
// after the other.
func (r *run) together(ctx context.Context, parts ...func(context.Context) error) error {
	errs, panics := make([]error, len(parts)), make([]any, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		work := func() {
			defer func() { panics[i] = recover() }()
			errs[i] = part(ctx)
		}
		if r.exec.dry() {
			work()
		} else {
			all.Go(work)
		}
	}
	all.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p) // the caller's, as if it had done the part itself
		}
	}
	return errors.Join(errs...)
}

// inTurn makes one part of several, each begun when the one before has succeeded.
func inTurn(parts ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, part := range parts {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// dry lists what would be done.
type dry struct{ list []Action }

func (d *dry) dry() bool { return true }

func (d *dry) taken() []Action {
	list := d.list
	d.list = nil
	return list
}

func (d *dry) do(ctx context.Context, a Action, _ func(context.Context) error) error {
	d.list = append(d.list, a)
	return context.Cause(ctx)
}

// milliseconds of a duration, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
