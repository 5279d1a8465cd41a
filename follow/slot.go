package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// resume makes sure that there is a slot: state's, or a new one.
func (f *follower) resume(ctx context.Context, now both, name string, use published, state State) (fresh bool, err error) {
	slots, err := f.source.ReadSlots(ctx)
	if err != nil {
		return false, err
	}
	slot := slots.Slot(name)
	fits := slot != nil && !use.made && state.Source == now.source && state.Target == now.target && state.Slot == name &&
		slot.Plugin == "pgoutput" && slot.Database == now.source.Database && slot.Invalid == "" && slot.WALStatus != "lost" &&
		subset(use.names, state.Publications) && subset(state.Publications, use.all) // the slot looks for each as of when a change was made
	if fits {
		through, err := postgres.ParseLSN(state.Through)
		// One that was made anew, or advanced by somebody, has confirmed what was not judged.
		fits = err == nil && slot.Confirmed <= through
	}
	f.state = State{Source: now.source, Target: now.target, Slot: name, Own: use.own, Tables: map[string]TableState{}, Found: state.Found}
	f.untold = state.Found // differences that were seen, whatever becomes of the slot
	switch {
	case f.o.Observe && !fits:
		return false, Refusal{Why: fmt.Sprintf("slot %s is not where the state says that it is: the changes are followed anew after the next full pass", name)}
	case f.o.Observe && len(state.Found) > 0:
		return false, Refusal{Why: "differences were found last, and not told of: look at what the monitor says, and run again"}
	case fits:
		f.state.Created, f.state.Through, f.state.Publications = state.Created, state.Through, state.Publications
		return false, nil
	}
	f.state.Publications = use.names
	err = f.control(ctx, func(c *postgres.Control) error {
		if slot != nil {
			if err := dropSlot(ctx, c, name); err != nil {
				return err
			}
		}
		within, cancel := context.WithTimeout(ctx, slotPatience)
		defer cancel()
		at, err := c.CreateSlot(within, name, f.source.Server().VersionNum)
		if err != nil && within.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("source: no slot was made within %s: it waits until all transactions are over that write, and one is open (see pg_stat_activity, pg_prepared_xacts): %w", slotPatience, err)
		}
		f.state.Created, f.state.Through = at.String(), at.String()
		return err
	})
	if postgres.SlotRefused(err) {
		return true, Refusal{Why: fmt.Sprintf("a logical slot can't be made: set wal_level = logical, raise max_replication_slots and max_wal_senders, or let the role replicate (%v)", err)}
	}
	return true, err
}

// slotPatience is how long the slot is waited for that a session still reads from (one that
// died is noticed within 20 s), or that is being made.
const slotPatience = 30 * time.Second

// open begins to read from the slot.
func (f *follower) open(ctx context.Context) error {
	from, err := postgres.ParseLSN(f.state.Through)
	if err != nil {
		return err
	}
	o := postgres.ChangesOptions{URL: f.o.URL, Slot: f.state.Slot, Publications: f.state.Publications, From: from, Route: f.route}
	err = untilFree(ctx, func() (err error) {
		f.changes, err = postgres.OpenChanges(ctx, f.source, o)
		return err
	})
	if errors.Is(err, postgres.ErrSlotActive) {
		return fmt.Errorf("%w: another monitor follows this pair", err)
	}
	f.batch = newBatch(from)
	return err
}

// dropSlot removes the slot, as soon as nobody reads from it.
func dropSlot(ctx context.Context, c *postgres.Control, name string) error {
	return untilFree(ctx, func() error { return c.DropSlot(ctx, name) })
}

// untilFree does what needs the slot for itself.
func untilFree(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(slotPatience)
	for {
		err := do()
		if !errors.Is(err, postgres.ErrSlotActive) || time.Now().After(deadline) {
			return err
		}
		if err := rest(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// rest waits d, or less when ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// control lends a connection that may write.
func (f *follower) control(ctx context.Context, do func(*postgres.Control) error) error {
	return withControl(ctx, f.source, f.o.URL, do)
}

func withControl(ctx context.Context, source *postgres.DB, url string, do func(*postgres.Control) error) error {
	c, err := postgres.OpenControl(ctx, postgres.Options{Side: postgres.Source, URL: url, Database: source.Server().Database})
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// Drop removes the slot, and the publication where it is ours. source may be any connection
// to the database. What is gone already is no error.
func Drop(ctx context.Context, source *postgres.DB, url string, state State) error {
	return withControl(ctx, source, url, func(c *postgres.Control) error {
		if state.Slot != "" {
			if err := dropSlot(ctx, c, state.Slot); err != nil {
				return err
			}
		}
		if state.Own == "" {
			return nil
		}
		return c.Exec(ctx, "publication", "DROP PUBLICATION IF EXISTS "+postgres.Ident(state.Own))
	})
}
