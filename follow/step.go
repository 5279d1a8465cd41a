package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Step reads what is there (a bounded batch), rechecks it, keeps the state, and lets the slot
// know. Where there is nothing it waits up to wait for something to come; the watermark
// moves on all the same.
func (f *Follower) Step(ctx context.Context, wait time.Duration) (Step, error) {
	return f.f.step(ctx, wait)
}

func (f *follower) step(ctx context.Context, wait time.Duration) (s Step, err error) {
	if err := f.guard(ctx, &s); err != nil {
		return s, err
	}
	if err := f.drain(ctx, wait); err != nil {
		return s, err
	}
	if f.batch.empty() && wait > 0 {
		if err := f.listen(ctx, wait); err != nil {
			return s, err
		}
		if err := f.guard(ctx, &s); err != nil { // a mark, by which the watermark is young
			return s, err
		}
		if err := f.drain(ctx, wait); err != nil {
			return s, err
		}
	}
	b := f.batch
	s.Idle = b.empty()
	if err := f.judge(ctx, &s); err != nil {
		return s, err
	}
	s.Changes, b.changes = b.changes, 0
	if s.Waiting != "" {
		return s, rest(ctx, wait) // it may have been said at once, and be so for hours
	}
	return s, nil
}

// guard takes a mark, and drops the slot where it keeps too much.
func (f *follower) guard(ctx context.Context, s *Step) error {
	m := mark{at: time.Now()}
	var err error
	if m.lsn, err = f.source.WriteMark(ctx); err != nil {
		return err
	}
	f.marks.put(m)
	kept, err := f.source.ReadRetained(ctx, f.state.Slot)
	if err != nil {
		return err
	}
	s.Retained = kept.Bytes
	switch {
	case !kept.Exists:
		return f.lose(ctx, "somebody dropped its slot "+f.state.Slot)
	case f.o.Retention > 0 && !f.o.Observe && kept.Bytes > f.o.Retention:
		f.changes.Close()
		if err := f.control(ctx, func(c *postgres.Control) error { return dropSlot(ctx, c, f.state.Slot) }); err != nil {
			return err
		}
		return f.lose(ctx, fmt.Sprintf("its slot %s kept %d bytes of log, more than the %d it may, and was dropped before it fills the disk: see why the monitor or the target is behind, or allow it more",
			f.state.Slot, kept.Bytes, f.o.Retention))
	}
	return nil
}

// lose is the end of a slot: no table has a watermark any more.
func (f *follower) lose(ctx context.Context, why string) error {
	f.changes.Close()
	next := f.state.clone()
	next.Slot, next.Created, next.Through = "", "", ""
	next.Tables, next.Found = map[string]TableState{}, f.untold
	refusal := Refusal{Why: why + "; the changes are followed anew after the next full pass"}
	if err := f.keep(ctx, next); err != nil {
		return errors.Join(refusal, err)
	}
	f.state = next
	return refusal
}

// drainFor is how long a server is waited for that does not send all that it has in its log:
// it reads through what nobody follows.
const drainFor = 2 * time.Second

// askEvery is how often the server is asked how far it is.
const askEvery = 100 * time.Millisecond

// drain reads until the last mark, as long as there is room.
func (f *follower) drain(ctx context.Context, wait time.Duration) error {
	to := f.marks[len(f.marks)-1].lsn
	within, cancel := context.WithTimeout(ctx, max(wait, drainFor))
	defer cancel()
	for f.batch.reached < to && f.batch.n < f.o.MaxKeys && within.Err() == nil {
		f.changes.Ask()
		if err := f.read(within, askEvery, func() bool { return f.batch.reached >= to }); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// listen waits for a change of what is followed.
func (f *follower) listen(ctx context.Context, wait time.Duration) error {
	if err := f.read(ctx, wait, func() bool { return !f.batch.empty() }); err != nil {
		return err
	}
	return ctx.Err()
}

// read takes changes for so long, or until enough; or there is no room.
func (f *follower) read(ctx context.Context, limit time.Duration, enough func() bool) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for f.batch.n < f.o.MaxKeys {
		c, err := f.changes.Next(within)
		if err != nil {
			if within.Err() != nil {
				return nil // the caller looks whether it is his own
			}
			return err
		}
		if f.batch.take(c); enough() {
			return nil
		}
	}
	return nil
}

// snapshot reads which transactions the source shows.
func (f *follower) snapshot(ctx context.Context) (snapshot, error) {
	text, err := f.source.Transactions(ctx)
	if err != nil {
		return snapshot{}, err
	}
	s, ok := parseSnapshot(text)
	if !ok {
		return s, fmt.Errorf("source: %q is no snapshot", text)
	}
	return s, nil
}

// lookEvery is how often the source is asked whether it shows a transaction.
const lookEvery = 20 * time.Millisecond

// visible waits until the source shows all transactions of the batch; "" when it does, else
// why not.
func (f *follower) visible(ctx context.Context) (why string, err error) {
	if len(f.batch.xids) == 0 {
		return "", nil
	}
	for deadline := time.Now().Add(f.o.Settle); ; {
		s, err := f.snapshot(ctx)
		if err != nil {
			return "", err
		}
		why = ""
		for id := range f.batch.xids {
			if s.over(s.widened(id)) {
				delete(f.batch.xids, id)
				continue
			}
			why = fmt.Sprintf("transaction %d has committed, and the source does not show it yet: it waits for a synchronous standby, perhaps", s.widened(id))
		}
		if why == "" || time.Now().After(deadline) {
			return why, nil
		}
		if err := rest(ctx, lookEvery); err != nil {
			return "", err
		}
	}
}

// keep persists a state.
func (f *follower) keep(ctx context.Context, s State) error {
	if f.o.Keep != nil && !f.o.Observe {
		if err := f.o.Keep(ctx, s.clone()); err != nil {
			return fmt.Errorf("keep the state: %w", err)
		}
	}
	f.kept = time.Now()
	return nil
}
