package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Now is to be taken before a full pass begins, for Passed. It waits, at most as long as rows
// may settle, for transactions that ran when the slot was made: one that committed before
// may not be visible yet, and no key of it is known.
func (f *Follower) Now(ctx context.Context) (postgres.LSN, time.Time, error) { return f.f.now(ctx) }

func (f *follower) now(ctx context.Context) (postgres.LSN, time.Time, error) {
	for deadline := time.Now().Add(f.o.Settle); len(f.awaited) > 0; {
		open, err := f.source.OpenTransactions(ctx)
		if err != nil {
			return 0, time.Time{}, err
		}
		f.awaited = slices.DeleteFunc(f.awaited, func(x string) bool { return !slices.Contains(open, x) })
		if len(f.awaited) == 0 || time.Now().After(deadline) {
			break
		}
		if err := rest(ctx, lookEvery); err != nil {
			return 0, time.Time{}, err
		}
	}
	if n := len(f.awaited); n > 0 {
		return 0, time.Time{}, fmt.Errorf("source: %d transactions are still open that ran before the changes were followed, the oldest is %s: a pass can begin when they are over", n, f.awaited[0])
	}
	when := time.Now()
	at, err := f.source.WriteMark(ctx)
	return at, when, err
}

// Passed tells that a full pass over the tables, begun after Now gave at and when, ended in
// a match or in findings that were told: their watermarks begin there, and they are not dirty any
// more. Tables that are not followed are left out. ErrTooEarly and ErrRedefined say that the
// pass does not count for the tables that they name; it does for the others.
func (f *Follower) Passed(ctx context.Context, tables []string, at postgres.LSN, when time.Time) error {
	return f.f.passed(ctx, tables, at, when)
}

func (f *follower) passed(ctx context.Context, tables []string, at postgres.LSN, when time.Time) error {
	prints, err := f.prints(ctx)
	if err != nil {
		return err
	}
	var refused []error
	next := f.state.clone()
	for _, name := range tables {
		t := f.tables[name]
		if t == nil {
			continue
		}
		ts := next.Tables[name]
		since, err := postgres.ParseLSN(ts.Since)
		switch {
		case t.changed || prints[name].Definition != t.print.Definition:
			refused = append(refused, fmt.Errorf("%s: %w", name, ErrRedefined))
			continue
		case prints[name] != t.print:
			refused = append(refused, fmt.Errorf("%s: %w", name, ErrTooEarly))
			continue
		case ts.Since != "" && (err != nil || at < since || when.Before(f.soiled[name])):
			refused = append(refused, fmt.Errorf("%s: %w", name, ErrTooEarly))
			continue
		}
		// What was judged of the stream was judged for this table too, dirty or not: so all is
		// covered that committed before Through.
		ts.LSN, ts.Dirty, ts.Since = f.state.Through, "", ""
		if f.at.After(ts.At) {
			ts.At = f.at
		}
		if f.through() >= at && when.After(ts.At) {
			ts.At = when
		}
		next.Tables[name] = ts
	}
	if err := f.keep(ctx, next); err != nil {
		return err
	}
	f.state = next
	return errors.Join(refused...)
}

// State is a copy of what is known, the last bit of which may not be kept yet.
func (f *Follower) State() State { return f.f.state.clone() }

// Close ends the stream. The slot stays, and keeps what comes.
func (f *Follower) Close() { f.f.changes.Close() }
