// Package cutover switches an application from one database of a pair to the
// other: it closes the one, drains what replicates them, proves that both hold
// the same, opens the other, and leaves a way back.
//
// The rules are:
//
//   - A switch is a machine of states (machine.go). Each step has a gate that
//     is proved by looking, a budget, and, up to the point of no return, an undo.
//   - Every effect goes through one executor (executor.go): the live one runs and
//     records it, the dry one lists it. So a plan is what a run does.
//   - Before the point of no return every way out, the death of the process
//     included, ends with the application writing to where it wrote before.
//     After it the only way is forward, or the same machine mirrored.
//   - What was done is read from the databases before anything is done again:
//     the journal (journal.go) says what was meant, they say what is.
//   - Never do two databases take writes.
package cutover

import (
	"cmp"
	"context"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/preflight"
)

// State is how far a switch has come. Each is reached when its step has ended.
type State string

// The states, in the order in which they are reached.
const (
	Init         State = "INIT"
	Preflighted  State = "PREFLIGHT"
	Prepared     State = "PREPARED"
	Synced       State = "SYNCED"
	Armed        State = "ARMED"
	Freezing     State = "FREEZING"
	Frozen       State = "FROZEN"
	Drained      State = "DRAINED"
	Sequenced    State = "SEQUENCED"
	Verified     State = "VERIFIED"
	ReverseReady State = "REVERSE_READY"
	PNR          State = "PNR" // the point of no return
	TargetOpen   State = "TARGET_OPEN"
	Redirected   State = "REDIRECTED"
	Live         State = "LIVE"
	Stabilising  State = "STABILISING"
	Finalised    State = "FINALISED"
	Aborting     State = "ABORTING"
	Aborted      State = "ABORTED"
)

// Direction tells a switch from its way back.
type Direction string

// The directions. In a rollback the configured target is what is switched from.
const (
	Forward  Direction = "forward"
	Rollback Direction = "rollback"
)

// Strategy is what a switch does about what replicates the pair.
type Strategy string

// The strategies.
const (
	// Auto is Native where native logical replication is all that carries the
	// pair, else Tool.
	Auto Strategy = "auto"
	// Native: subscriptions are stopped, and a stream back is prepared.
	Native Strategy = "native"
	// Tool: something else replicates; it is waited for by its fence, and hooks
	// stop and remove it. There is no way back but one's own.
	Tool Strategy = "tool"
	// VerifyOnly: somebody else switches. What is proved is proved; nothing is
	// written, frozen or redirected.
	VerifyOnly Strategy = "verify-only"
)

// Options say what to switch, and how. They are not changed by a run.
type Options struct {
	Version     string // the tool's, for the report
	OptionsHash string // likewise
	Pair        string // the pair's name, "" for none

	// Source and Target are connection strings that lead straight to the servers,
	// not through a pooler.
	Source, Target string
	// Maintenance is another database of both servers, from which one that is
	// closed can be opened; "" is postgres.
	Maintenance string
	// Journal is the path of the file that says how far the switch has come.
	Journal string

	// Verify are the options of a verification, full or in the window; what
	// replicates the pair is in them. Its Source and Target are filled in.
	Verify    checker.Options
	Preflight preflight.Options

	Strategy Strategy
	// Application is the application's own connection string, "" for none: by it
	// the outage is measured, and by it is seen that the switch has arrived.
	Application string
	Poolers     []Pooler
	Hooks       []Hook
	Delayed     []Delayed
	Reverse     Reverse

	// Verified is a full verification that somebody ran, nil for none; MaxAge is
	// how old one may be.
	Verified *checker.Result
	MaxAge   time.Duration
	// Monitor gives how far a monitor has followed the pair, and the full pass that this rests on, which is
	// then taken for Verified where that is nil. nil where none watches it. It is asked when the journal says
	// that a switch has begun, by which the monitor leaves its slot to that.
	Monitor func(context.Context) (*follow.State, *checker.Result, error)
	Gate    GateOptions
	Budgets Budgets
	// Attempts is how often the window is tried before the switch is given up; at
	// least 1. Between two lies Backoff, doubled each time.
	Attempts int
	Backoff  time.Duration
	// KeepPrepared leaves what was prepared in place when a run is given up.
	KeepPrepared bool
	// SequenceMargin is how many values a sequence is set ahead.
	SequenceMargin int64
	// Stragglers: what still is in a transaction when the grace is over is ended;
	// else the attempt is given up.
	TerminateStragglers bool
	// RefreshMatviews are globs of materialised views to be refreshed on the
	// target when they are prepared; nil is those that were never filled.
	RefreshMatviews []string

	// Confirm asks a person, and returns nil for yes. nil asks nobody.
	Confirm func(ctx context.Context, q Question) error
	// StartGuard starts the guard as another process. nil leaves the window
	// unguarded, which a report says.
	StartGuard func(ctx context.Context, g Guarding) (Guard, error)
	// OnEvent receives what happens, one at a time; nil for none.
	OnEvent func(Event)

	// probes are a test's.
	probes
}

// Reverse says what prepares the way back.
type Reverse struct {
	Off bool // there is none: a rollback loses what was written since
	// Connection is how the source's server reaches the target, as a subscription
	// says it; "" is Options.Target.
	Connection string
}

// Budgets bound the steps. What overruns its budget before the point of no
// return ends the attempt.
type Budgets struct {
	Window time.Duration // from the first pooler's pause to the point of no return
	Pause  time.Duration // of the poolers
	Grace  time.Duration // for transactions that clients have open
	Freeze time.Duration // until all clients are gone
	Drain  time.Duration
	Gate   time.Duration // of the verification in the window
	Lag    time.Duration // how long a mark may take to arrive before the window begins
	Arm    time.Duration // from arming to freezing, the person's answer left out
	Open   time.Duration // per try, of what follows the point of no return
}

// DefaultBudgets are those of a switch that nobody is to notice.
func DefaultBudgets() Budgets {
	return Budgets{Window: 30 * time.Second, Pause: 2 * time.Second, Grace: 2 * time.Second, Freeze: 10 * time.Second,
		Drain: 15 * time.Second, Gate: 10 * time.Second, Lag: 5 * time.Second, Arm: time.Minute, Open: 30 * time.Second}
}

// orDefaults fills in what is zero.
func (b Budgets) orDefaults() Budgets {
	d := DefaultBudgets()
	return Budgets{Window: cmp.Or(b.Window, d.Window), Pause: cmp.Or(b.Pause, d.Pause), Grace: cmp.Or(b.Grace, d.Grace), Freeze: cmp.Or(b.Freeze, d.Freeze), Drain: cmp.Or(b.Drain, d.Drain),
		Gate: cmp.Or(b.Gate, d.Gate), Lag: cmp.Or(b.Lag, d.Lag), Arm: cmp.Or(b.Arm, d.Arm), Open: cmp.Or(b.Open, d.Open)}
}

// Question is what a person is asked before writes stop, or before the way back
// is removed.
type Question struct {
	What        string // what will happen, in sentences
	Type        string // what has to be typed
	PredictedMS *int64 // of the write outage; nil where it is not known
}

// Event is something that happened. Receivers must not block.
type Event struct {
	At      time.Time
	State   State  // that is worked towards
	Reached bool   // it is reached
	Message string // a sentence, or ""
}

// Outcome is what came of a command.
type Outcome string

// The outcomes. The zero value is none of them.
const (
	Done       Outcome = "done"        // what was asked for
	Refused    Outcome = "refused"     // nothing was touched: the preflight blocks, or somebody said no
	Unproven   Outcome = "unproven"    // nothing is claimed; the source may still be closed where Reasons say so
	AbortedRun Outcome = "aborted"     // undone: the application can write where it wrote
	Stopped    Outcome = "stopped"     // after the point of no return: run it again
	Elsewhere  Outcome = "interrupted" // by a person, before anything was touched
)

// Result is what came of a command. Its JSON form is a contract
// (docs/cutover.schema.json): fields are added, never renamed. Durations are in
// milliseconds.
type Result struct {
	SchemaVersion int            `json:"schema_version"`
	Tool          preflight.Tool `json:"tool"`
	Pair          string         `json:"pair,omitempty"`
	Command       string         `json:"command"` // plan, run, rehearse, abort, rollback, finalize, status
	Run           string         `json:"run"`
	Direction     Direction      `json:"direction"`
	Strategy      Strategy       `json:"strategy"`
	Outcome       Outcome        `json:"outcome"`
	State         State          `json:"state"`
	Reasons       []string       `json:"reasons"` // why the outcome is not done
	Notes         []string       `json:"notes"`
	Next          []string       `json:"next"` // what to do now, in sentences
	StartedAt     time.Time      `json:"started_at"`
	FinishedAt    time.Time      `json:"finished_at"`
	// Source and Target are the configured ones, whatever the direction.
	Source preflight.Server `json:"source"`
	Target preflight.Server `json:"target"`
	// FenceLSN is the position in the log of the side that was closed: all that
	// was committed there before is on the other side.
	FenceLSN  string            `json:"fence_lsn,omitempty"`
	Steps     []StepResult      `json:"steps"`
	Preflight *preflight.Result `json:"preflight,omitempty"`
	Verified  *Evidence         `json:"verified,omitempty"`
	Gate      *Gate             `json:"gate,omitempty"`
	Outage    *Outage           `json:"outage,omitempty"`
	// PredictedMS is how long writes were expected to stop.
	PredictedMS *int64 `json:"predicted_ms,omitempty"`
}

// StepResult is one step, as planned or as it went.
type StepResult struct {
	State       State    `json:"state"`
	What        string   `json:"what"`
	BudgetMS    int64    `json:"budget_ms,omitempty"`
	PredictedMS *int64   `json:"predicted_ms,omitempty"`
	StartedAt   string   `json:"started_at,omitempty"` // RFC 3339, with milliseconds
	TookMS      *float64 `json:"took_ms,omitempty"`    // nil where it was not taken, or not ended
	Attempt     int      `json:"attempt,omitempty"`
	Skipped     string   `json:"skipped,omitempty"` // why it was not taken
	Error       string   `json:"error,omitempty"`
	Actions     []Action `json:"actions"`
	Undo        []Action `json:"undo,omitempty"` // in a plan: how it is taken back
}

// Action is one effect, or one gate, as the runbook prints it.
type Action struct {
	ID string `json:"id"`
	On string `json:"on"` // source, target, pooler a, hook dns, here
	// Do is the statement or the command, complete, but for secrets.
	Do     string   `json:"do"`
	Why    string   `json:"why,omitempty"`
	Wait   bool     `json:"wait,omitempty"` // it is repeated until it says yes
	Gate   bool     `json:"gate,omitempty"` // nothing is changed: it has to hold
	TookMS *float64 `json:"took_ms,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// Evidence is the full verification that a switch rests on.
type Evidence struct {
	Verdict    checker.Verdict `json:"verdict"`
	FinishedAt time.Time       `json:"finished_at"`
	AsOfLSN    string          `json:"as_of_lsn"`
	Tables     int             `json:"tables"`
	Rows       int64           `json:"rows"`
	Own        bool            `json:"own"` // made by this run
	// Horizon is the oldest transaction that the source did not see when it began:
	// what was written since has this one or a later one. "" where it is not known.
	Horizon string `json:"horizon,omitempty"`
	// ToHorizon is the like of the side that is switched to.
	ToHorizon string `json:"to_horizon,omitempty"`
	// From and To say which databases were compared, as system/database; Scope is a
	// hash of which tables and columns of them.
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	Scope string `json:"scope,omitempty"`
}

// SchemaVersion is the version of the JSON report.
const SchemaVersion = 1
