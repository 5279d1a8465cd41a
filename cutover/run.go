package cutover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// run is one command at work on a pair.
type run struct {
	o         Options
	id        string
	direction Direction
	strategy  Strategy
	// from is switched from, to is switched to: in a rollback the configured
	// target and source.
	from, to *end
	exec     executor
	journal  *journal
	facts    Facts // what is remembered in the journal
	result   *Result
	attempt  int

	phases map[string]int64 // how long those of a rehearsal are expected to take, in ms
	trip   time.Duration    // that a statement takes to be answered

	prepared prepared // what sequences, triggers and delayed tables were found to need

	pair      *pairing.Pair    // from and to joined
	detection *fence.Detection // of from → to
	fence     fence.Fence
	baseline  fence.Health // of the fence, when the window began

	begun   State     // the last step that was begun and not taken back
	opened  time.Time // when the window began, zero outside of it
	guard   Guard
	poolers poolers
	// leaveGuard: the guard goes on when this run has ended, which could not open
	// the source again.
	leaveGuard bool
	past       bool  // it was taken up behind the point of no return
	superseded error // another run has the lock that this one lost
	// toolStopped: a hook has stopped what replicates the pair; its sessions are
	// clients like any other now.
	toolStopped bool
	noting      sync.Mutex // guards result.Notes
	watcher     *downtime

	wrote    map[string]int64 // how much was written to each table of from, when the full verification began
	follower *follow.Follower // from the monitor's watermark on, nil without one
	handed   *checker.Result  // the monitor's last full pass
	gating   *gating          // what the gate has at hand; nil before it is prepared
}

// end is one database of the pair, with the connections that a switch keeps.
type end struct {
	name string // source or target, as configured
	url  string
	// db is a pool that reads, warmed and kept. Its side is source for what is
	// switched from.
	db *postgres.DB
	// control writes; maintenance is connected to another database of the server,
	// and so can open one that is closed.
	control, maintenance *postgres.Control
	lost                 []int  // backends of connections that were lost, and replaced
	database             string // quoted
}

// Facts are what a run remembers from one record of the journal to the next.
type Facts struct {
	Strategy Strategy `json:"strategy,omitempty"`
	// Saved is how the databases were, by configured side, before anything was
	// changed.
	Saved map[string]SavedDatabase `json:"saved,omitempty"`
	// Streams carry from → to, Reverse to → from once the target is open.
	Streams []Stream `json:"streams,omitempty"`
	Reverse []Stream `json:"reverse,omitempty"`
	// Heartbeat: the publication of the source that was given the heartbeat table,
	// "" for none.
	Heartbeat string `json:"heartbeat,omitempty"`
	// Systems are the sides' system identifiers and databases: a journal is of
	// one pair.
	Systems map[string]string `json:"systems,omitempty"`
	// Fingerprint is of the source's definitions, when the run was armed.
	Fingerprint map[string]string `json:"fingerprint,omitempty"`
	FenceLSN    string            `json:"fence_lsn,omitempty"`
	Evidence    *Evidence         `json:"evidence,omitempty"`
	// Triggers are statements that were run to enable triggers on the target, and
	// those that undo them.
	Enabled  []string `json:"enabled,omitempty"`
	Disabled []string `json:"disabled,omitempty"`
	// Files are configuration files that were edited, with what stood there.
	Files []EditedFile `json:"files,omitempty"`
	// Copied are the watermarks of delayed tables, by table: all up to there is on
	// the target.
	Copied map[string]string `json:"copied,omitempty"`
	// Ends are the last values of delayed tables, by table, when the side was closed;
	// nil before.
	Ends map[string]string `json:"ends,omitzero"`
	// Later are the delayed tables of which the rest is copied when to is live, and
	// Poolers those that are paused in the window: a run that is taken up needs them.
	Later   []string `json:"later,omitempty"`
	Poolers []string `json:"poolers,omitempty"`
	// ClosedAt is when the side that is switched from was closed, by this host's clock:
	// who has connected there since is read only for as long as they last.
	ClosedAt time.Time `json:"closed_at,omitzero"`
	// PredictedMS is how long writes were expected to stop.
	PredictedMS *int64 `json:"predicted_ms,omitempty"`
}

// SavedDatabase is what closing a database changes.
type SavedDatabase struct {
	Limit    int     `json:"limit"`     // its connection limit, -1 for none
	ReadOnly *string `json:"read_only"` // its default_transaction_read_only; nil: not set
	Roles    []Role  `json:"roles,omitempty"`
}

// Role is a role with a setting of its own that would override the database's.
type Role struct {
	Name  string `json:"name"`  // quoted
	Here  bool   `json:"here"`  // it is set for this database, and not for all
	Value string `json:"value"` // of default_transaction_read_only
}

// Stream is a subscription and its slot.
type Stream struct {
	Subscription string   `json:"subscription"`
	Slot         string   `json:"slot"`
	Publications []string `json:"publications"`
	Own          bool     `json:"own"` // made by pgparity
}

// carriers are the streams that carried the switch, and carry it again after a
// rollback: those that were there before. One that was interrupted has them as the
// way back already.
func (f Facts) carriers() []Stream {
	for _, list := range [][]Stream{f.Streams, f.Reverse} {
		if len(list) > 0 && !list[0].Own {
			return slices.Clone(list)
		}
	}
	return nil
}

// EditedFile is a file that was edited for the switch.
type EditedFile struct {
	Path   string `json:"path"`
	Before string `json:"before"` // the line that stood there
	After  string `json:"after"`
}

// sql runs one statement on an end's control connection.
func (r *run) sql(ctx context.Context, e *end, id, why, statement string) error {
	return r.do(ctx, Action{ID: id, On: e.name, Do: statement, Why: why}, func(ctx context.Context) error {
		return e.control.Exec(ctx, "cutover "+id, statement)
	})
}

// do has one effect.
func (r *run) do(ctx context.Context, a Action, effect func(context.Context) error) error {
	if r.o.drop[a.ID] {
		return nil
	}
	return r.exec.do(ctx, a, effect)
}

// gate is something that has to hold. look's error says what does not, and what
// to do.
func (r *run) gate(ctx context.Context, a Action, look func(context.Context) error) error {
	a.Gate = true
	return r.do(ctx, a, look)
}

// await repeats look until it says yes. Its second result says what is waited
// for, for the error when ctx is over.
func (r *run) await(ctx context.Context, a Action, look func(context.Context) (bool, string, error)) error {
	a.Wait = true
	return r.do(ctx, a, func(ctx context.Context) error { return poll(ctx, look) })
}

// The pause between two looks.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 25 * time.Millisecond
)

func poll(ctx context.Context, look func(context.Context) (bool, string, error)) error {
	last := "" // what the last look that ended saw
	for pause := firstPause; ; pause = min(pause*3/2, lastPause) {
		ok, why, err := look(ctx)
		switch {
		case err == nil && ok:
			return nil
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil:
			last = why
		}
		rest(ctx, pause)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %s", context.Cause(ctx), cmp.Or(last, why, fmt.Sprint(err)))
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

// rows reads one statement on a control connection.
func rows[T any](ctx context.Context, c *postgres.Control, tag, sql string, one func(postgres.Row) T, args ...string) ([]T, error) {
	var list []T
	err := c.Each(ctx, "cutover "+tag, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
		list = append(list, one(r))
		return nil
	})
	return list, err
}

// text reads one value.
func text(ctx context.Context, c *postgres.Control, tag, sql string, args ...string) (string, error) {
	list, err := rows(ctx, c, tag, sql, func(r postgres.Row) string { return r.Text(0) }, args...)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

// note says something once.
func (r *run) note(format string, args ...any) {
	r.noting.Lock()
	defer r.noting.Unlock()
	if n := fmt.Sprintf(format, args...); !slices.Contains(r.result.Notes, n) {
		r.result.Notes = append(r.result.Notes, n)
	}
}

// tell tells whoever listens.
func (r *run) tell(s State, reached bool, format string, args ...any) {
	if r.o.OnEvent != nil {
		r.o.OnEvent(Event{At: time.Now(), State: s, Reached: reached, Message: fmt.Sprintf(format, args...)})
	}
}

// mark tells the downtime probe that a state is reached.
func (r *run) mark(s State) { r.watcher.mark(s, time.Now()) }

// calls is what sessions of this process call themselves.
func (r *run) calls() string {
	if r.result.Command == "guard" {
		return guardApplication(r.id)
	}
	return application(r.id)
}
