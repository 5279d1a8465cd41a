// Package fence knows what replicates a pair. It detects it, marks a moment,
// waits until what was visible at the mark has arrived, and tells what is wrong
// with the stream.
//
// The rules are:
//
//   - Between a reading of the source and the next one of the target stands the
//     forward fence, between a reading of the target and the next one of the
//     source the barrier. Both are Fences: Mark after the one reading has
//     returned, Wait before the other begins, never inside a transaction.
//   - Wait's nil is a proof; each kind's doc comment has it in numbered steps.
//     Whatever can't be proved is an error that names what stands in the way.
//   - Nothing is written, but for a heartbeat that the operator asked for.
package fence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Fence is one way, from where changes are made to where they are read. It is
// safe for concurrent use: a mark belongs to whoever took it.
type Fence interface {
	// Mark takes the moment. Everything that a statement had seen on the near
	// side when Mark was called lies before it.
	Mark(ctx context.Context) (Mark, error)
	// Wait returns nil when everything before the mark is visible to any
	// statement that begins on the far side from now on, in the tables that
	// Cover says are carried. It waits as long as ctx lets it; when that is
	// over by deadline, or waiting is in vain, the error is a *Stalled that
	// names why. A cancelled ctx gives its cause.
	Wait(ctx context.Context, m Mark) error
	// Cover reads how far tables, named as quote_ident prints them, are
	// carried. A proof about a reading of the far side needs two Covers, one
	// after Wait and before the reading and one after it, which are Same and
	// have no Gaps: a state that was the same row version before and after was
	// there all the time.
	Cover(ctx context.Context, tables []string) (Cover, error)
	// Health looks once and tells what is wrong, and what has gone wrong since
	// the fence was made.
	Health(ctx context.Context) (Health, error)
}

// Mark is a moment of one fence; only that one can wait for it.
type Mark struct {
	// LSN is where the near side's log was: what is proved holds for all that
	// was visible there at this position. 0 where the kind has none.
	LSN postgres.LSN

	beat    string
	writers []postgres.Writer
	deltas  *deltas // Bucardo's
	parts   []Mark
}

// errForeignMark is a mistake of the caller's, told rather than passed by.
var errForeignMark = errors.New("fence: the mark was taken by another fence")

// Cover is how tables stand in a stream at one moment.
type Cover struct {
	// Gaps are the tables of those asked for that the stream does not carry
	// now: not subscribed to, or still being copied.
	Gaps []postgres.TableState

	versions map[string]string // by table
}

// Same tells whether nothing changed between two Covers of the same tables.
func (c Cover) Same(other Cover) bool { return maps.Equal(c.versions, other.versions) }

// Version tells Covers of one table apart: as long as it is the same, nothing
// has changed.
func (c Cover) Version(table string) string { return c.versions[table] }

// Of is what a Cover says of one of its tables.
func (c Cover) Of(table string) Cover {
	one := Cover{}
	if v, ok := c.versions[table]; ok {
		one.versions = map[string]string{table: v}
	}
	for _, g := range c.Gaps {
		if g.Table == table {
			one.Gaps = append(one.Gaps, g)
		}
	}
	return one
}

// Stream is one subscription, standby or heartbeat, as it stands.
type Stream struct {
	Kind      Kind
	Name      string
	Slot      string
	Confirmed postgres.LSN // applied and durable on the far side
	Lag       int64        // bytes from there to the end of the near side's log; of log, not of changes
	Worker    int          // pid of what applies, 0 for none
}

// Health is one look at a fence.
type Health struct {
	Streams  []Stream
	Troubles []Trouble
}

// TroubleKind tells troubles apart.
type TroubleKind string

// The kinds of trouble.
const (
	Disabled       TroubleKind = "disabled"        // a subscription is switched off
	Dropped        TroubleKind = "dropped"         // a subscription is gone since it was found
	WorkerDown     TroubleKind = "worker_down"     // nothing applies at the moment
	WorkerRestarts TroubleKind = "worker_restarts" // what applies was started anew since it was found
	ApplyErrors    TroubleKind = "apply_errors"    // the server counted errors since it was found
	Conflicts      TroubleKind = "conflicts"       // the server counted conflicts since it was found
	NotReady       TroubleKind = "not_ready"       // tables that are not carried yet, or not at all
	SlotMissing    TroubleKind = "slot_missing"
	SlotLost       TroubleKind = "slot_lost"     // it can't be used any more
	SlotAtRisk     TroubleKind = "slot_at_risk"  // its log may be removed at the next checkpoint
	SlotInactive   TroubleKind = "slot_inactive" // nobody reads it
	Elsewhere      TroubleKind = "elsewhere"     // it follows another server
	Partial        TroubleKind = "partial"       // not everything is published
	NotStandby     TroubleKind = "not_standby"   // it left recovery
	ReplayPaused   TroubleKind = "replay_paused"
	ReceiverDown   TroubleKind = "receiver_down" // a standby receives nothing
	WritersOpen    TroubleKind = "writers_open"  // transactions whose changes are not visible yet
	Behind         TroubleKind = "behind"        // all is well but slow
	NoBeat         TroubleKind = "no_beat"       // the heartbeat stands still
	NoPrivilege    TroubleKind = "no_privilege"  // the role may not see whether tables are carried; the sentence has the grant
)

// Trouble is one thing that is wrong.
type Trouble struct {
	Kind     TroubleKind
	Side     postgres.Side
	Subject  string                // the subscription, slot, standby or marker
	Tables   []postgres.TableState // those it concerns, where it isn't all
	Sentence string                // what is wrong, and what to do
	// Blocking: no Wait can succeed until somebody has done something.
	Blocking bool
}

// Stalled says that a fence was not passed, and why.
type Stalled struct {
	Mark     Mark
	Troubles []Trouble // never empty
	cause    error     // context.DeadlineExceeded, or nil where waiting is in vain
}

// Error names the mark and every trouble.
func (e *Stalled) Error() string {
	sentences := make([]string, len(e.Troubles))
	for i, t := range e.Troubles {
		sentences[i] = t.Sentence
	}
	text := strings.Join(sentences, "; ")
	if e.Mark.LSN != 0 {
		return fmt.Sprintf("%s: %s was not reached: %s", e.Troubles[0].Side, e.Mark.LSN, text)
	}
	return fmt.Sprintf("%s: the mark was not reached: %s", e.Troubles[0].Side, text)
}

// Unwrap gives context.DeadlineExceeded, or nil where waiting was in vain.
func (e *Stalled) Unwrap() error { return e.cause }

// The pause between two looks doubles from the first to the last.
const (
	firstPause = 4 * time.Millisecond
	lastPause  = 128 * time.Millisecond
)

// lookPatience bounds the last look at a fence whose deadline is over.
const lookPatience = 5 * time.Second

// await calls passed until it says yes. When the deadline is over, why tells
// what it waited for.
func await(ctx context.Context, m Mark, passed func(context.Context) (bool, error), why func(context.Context) ([]Trouble, error)) error {
	// Each pause is as long as a third of those before: waiting is overrun by that at
	// most.
	for pause := firstPause; ; pause = min(pause*4/3, lastPause) {
		ok, err := passed(ctx)
		if ok && err == nil {
			return nil // proved, though the deadline may be over by now
		}
		if ctx.Err() == nil {
			if err != nil {
				return err
			}
			rest(ctx, pause)
		}
		switch {
		case ctx.Err() == nil:
		case !errors.Is(ctx.Err(), context.DeadlineExceeded):
			return context.Cause(ctx)
		default:
			look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookPatience)
			defer cancel()
			troubles, err := why(look)
			if err != nil {
				return err
			}
			return &Stalled{Mark: m, Troubles: troubles, cause: ctx.Err()}
		}
	}
}

// rest waits d, or less when ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// orBehind makes sure that a stall has a reason to name.
func orBehind(troubles []Trouble, otherwise Trouble) []Trouble {
	if slices.ContainsFunc(troubles, func(t Trouble) bool { return t.Kind != NoPrivilege && t.Kind != Partial }) {
		return troubles
	}
	return append([]Trouble{otherwise}, troubles...)
}

// coverOf makes a Cover of what was read.
func coverOf(states []postgres.TableState, asked []string) Cover {
	c := Cover{versions: map[string]string{}}
	seen := map[string]bool{}
	for _, s := range states {
		seen[s.Table] = true
		c.versions[s.Table] += fmt.Sprintf("%q %q %s %s\n", s.Leaf, s.Subscription, s.State, s.Version)
		if !s.Ready() {
			c.Gaps = append(c.Gaps, s)
		}
	}
	for _, t := range asked {
		if !seen[t] { // it does not exist there
			c.Gaps = append(c.Gaps, postgres.TableState{Table: t, Leaf: t})
		}
	}
	return c
}
