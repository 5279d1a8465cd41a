package cutover

import (
	"context"
	"fmt"
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

// live runs effects, and keeps what they were and how long they took.
type live struct {
	list  []Action
	point func(id string) // a test's, called before and after each effect
}

func (l *live) dry() bool { return false }

func (l *live) taken() []Action {
	list := l.list
	l.list = nil
	return list
}

func (l *live) do(ctx context.Context, a Action, effect func(context.Context) error) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %w", a.ID, err)
	}
	l.at("before " + a.ID)
	began := time.Now()
	err := effect(ctx)
	took := milliseconds(time.Since(began))
	a.TookMS = &took
	if err != nil {
		a.Error = err.Error()
	}
	l.list = append(l.list, a)
	l.at("after " + a.ID)
	return err
}

func (l *live) at(point string) {
	if l.point != nil {
		l.point(point)
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
