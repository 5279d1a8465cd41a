package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Readings on the other side are this far apart at first, and at last.
const (
	firstPause = time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// round takes one row through its life in one direction.
func (r *run) round(ctx context.Context, w *way) {
	if r.lost != "" {
		r.skip(w, 0, "not tried: "+r.lost)
		return
	}
	p, err := r.newProbe(ctx, w)
	if err != nil {
		r.fail(ctx, w, 0, err)
		r.skip(w, 1, "not tried: nor was INSERT")
		return
	}
	r.rows = append(r.rows, p) // before it is written: nobody may be able to tell whether it was
	if !r.try(ctx, w, 0, p, func(ctx context.Context) (string, error) { return w.from.insert(ctx, p.key, p.contents[0]) }) {
		r.skip(w, 1, "not tried: INSERT was not seen")
		return
	}
	// An UPDATE that does not arrive does not keep a DELETE from it: a
	// publication may leave out either.
	if !r.try(ctx, w, 1, p, func(ctx context.Context) (string, error) { return w.from.update(ctx, p.key, p.contents[1]) }) && r.lost != "" {
		r.skip(w, 2, "not tried: "+r.lost)
		return
	}
	if r.try(ctx, w, 2, p, func(ctx context.Context) (string, error) { return "", w.from.delete(ctx, p.key) }) {
		r.forget(p) // removed here, and seen to be gone there
	}
}

// skip says why the rest of a direction's operations is not tried.
func (r *run) skip(w *way, first int, why string) {
	w.over = true
	for _, op := range w.ops[first:] {
		if op.Outcome == Unproven {
			op.Why = why
		}
	}
}

// try does one operation and waits until the other side shows it.
func (r *run) try(ctx context.Context, w *way, i int, p *probe, write func(context.Context) (string, error)) bool {
	op := w.ops[i]
	writing, cancel := context.WithTimeoutCause(ctx, r.o.Timeout, errWrite)
	defer cancel()
	content, err := write(writing)
	if err != nil {
		if ctx.Err() == nil && context.Cause(writing) != nil {
			err = fmt.Errorf("%s: %w within %s: something holds it up there; see pg_stat_activity", w.from.db.Side(), errWrite, r.o.Timeout)
		}
		r.fail(ctx, w, i, err)
		return false
	}
	committed := time.Now()
	p.written = true
	waiting, cancel := context.WithTimeoutCause(ctx, r.o.Timeout, errWait)
	defer cancel()
	last, err := await(waiting, w.to, p.key, func(now reading) bool {
		p.arrived = p.arrived || now.there
		return now.there == (op.Kind != Delete) && now.content == content
	})
	switch {
	case err == nil:
		op.Latencies, op.Why = append(op.Latencies, time.Since(committed)), ""
		return true
	case ctx.Err() == nil && context.Cause(waiting) != nil && last.answered:
		op.Outcome, op.Why, w.over = NotSeen, notSeen(op.Kind, last, r.o.Timeout), true
	case ctx.Err() == nil && context.Cause(waiting) != nil:
		r.fail(ctx, w, i, fmt.Errorf("%s: %w within %s", w.to.db.Side(), errSilent, r.o.Timeout))
	default:
		r.fail(ctx, w, i, err)
	}
	return false
}

var (
	errWrite  = errors.New("the write was not confirmed")
	errWait   = errors.New("not seen in time")
	errSilent = errors.New("the server did not answer")
)

func notSeen(kind Kind, last reading, timeout time.Duration) string {
	why := fmt.Sprintf("not seen within %s", timeout)
	if kind == Insert && last.there {
		why += "; the row is there, with other content than was written"
	}
	return why
}

// fail says what became of an operation that was not waited for in vain, and
// stops all others where they could not do better.
func (r *run) fail(ctx context.Context, w *way, i int, err error) {
	op := w.ops[i]
	w.over = true
	switch {
	case ctx.Err() != nil:
		op.Why = context.Cause(ctx).Error()
		r.lost = op.Why
	case errors.Is(err, errSilent) || postgres.Lost(err):
		op.Why = err.Error()
		r.lost = "a side was lost"
	default:
		op.Outcome, op.Why = Failed, err.Error()
	}
}

// reading is what a side showed of a row.
type reading struct {
	answered bool
	there    bool
	content  string // "" where it is not there
}

// await reads the row on one side until it is as wanted: then the error is nil.
// Otherwise it gives the last reading, and the error of the next, or of ctx.
func await(ctx context.Context, e *end, key string, wanted func(reading) bool) (last reading, err error) {
	began := time.Now()
	for {
		now := reading{answered: true}
		if now.content, now.there, err = e.read(ctx, key); err != nil {
			return last, err
		}
		last = now
		if wanted(now) {
			return last, nil
		}
		pause := time.NewTimer(min(max(time.Since(began)/20, firstPause), lastPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return last, context.Cause(ctx)
		}
	}
}

// newProbe makes a row whose key is on neither side: a replicated row that
// meets another of its key would stop the replication.
func (r *run) newProbe(ctx context.Context, w *way) (*probe, error) {
	for range 10 {
		p := &probe{way: w, key: randomKey(w.from.key.Type)}
		p.contents[0], p.contents[1] = contents(w.from.value.Type)
		taken := false
		for _, e := range []*end{w.from, w.to} {
			_, there, err := e.read(ctx, p.key)
			if err != nil {
				return nil, err
			}
			taken = taken || there
		}
		if !taken {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%s: %s: ten random keys are all taken: empty the table", w.from.db.Side(), w.from.table.Quoted)
}
