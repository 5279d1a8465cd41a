// Package follow follows what changes on the source, and rechecks just that. Its
// product is a watermark per table:
//
//	Every row of the table whose last change committed on the source at or before the
//	watermark, but for the exceptions and the findings that were told, was read on the
//	target after that change was applied, and was equal then.
//
// It rests on a full pass that began after the slot was made (Begin, then Now, the pass and
// Passed, and Step again and again all the while). It says nothing of later writes to the
// target, of definitions, sequences, large objects, and of tables that are not followed.
//
// Why that holds, for a step that moves the watermark to W:
//
//  1. The slot has sent all transactions that committed before W, each once its commit was
//     in the log. The keys of their rows are the batch.
//  2. Each of those transactions is visible on the source, before any of its rows is read
//     there: a commit is sent before it can be seen.
//  3. Each key is rechecked between fences: the target is read after it has applied all that
//     the source showed, the change among that. So it is equal, or a finding, or an
//     exception, which the state remembers.
//  4. The definitions of the tables were the same before and after, else they are dirty.
//  5. The state is kept. Only then does the slot hear of it: who dies before that is sent
//     the same changes again.
//
// And for the rows that did not change since the slot was made, or since a table was dirty: a
// pass has read them that began when all transactions were visible whose keys were not in a
// batch that was rechecked.
package follow

import (
	"context"
	"errors"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// Options says what to follow, and how.
type Options struct {
	Pair   string // its name; the slot's is made of it, and of the databases
	URL    string // of the source: the change stream needs a connection of its own
	Settle time.Duration
	// MaxKeys bounds the keys that are held in memory, 0 for 100,000. What there is more waits
	// on the source: also a transaction of any size is read in batches.
	MaxKeys int
	// MaxExceptions bounds the keys of a table that did not settle, 0 for 1,000; with more of
	// them the table is dirty.
	MaxExceptions int
	// Retention is how many bytes of log the slot may keep; behind it the slot is dropped. 0
	// for no bound: then a monitor that stands still fills the source's disk.
	Retention int64
	// Observe: the state is somebody else's, who goes on with it when the Follower is closed:
	// nothing is made, kept or dropped, and the slot hears of nothing. A state that does not fit is a
	// Refusal.
	Observe  bool
	HashKeys bool
	MaxDiffs int // findings that a step lists per table, 0 for 100; with more the table is dirty
	// Keep persists the state. What Keep has not taken is not acknowledged to the slot, so
	// that nothing is lost when the process dies. It must not change what it is given.
	Keep func(context.Context, State) error
}

// State is all that a Follower has to know to go on after it died: plain data.
type State struct {
	Source       Identity              `json:"source"`
	Target       Identity              `json:"target"`
	Slot         string                `json:"slot"`
	Created      string                `json:"created"`                // the LSN from which on the slot has changes
	Publications []string              `json:"publications,omitempty"` // that were there before the slot
	Own          string                `json:"own,omitempty"`          // the one that Begin made, "" for none
	Through      string                `json:"through"`                // all that committed up to here was judged
	Tables       map[string]TableState `json:"tables"`                 // by schema.table
	// Found are the findings of the last step, which may not have been told: the first step after
	// Begin tells them, perhaps again.
	Found []checker.Located `json:"found,omitempty"`
}

// Identity tells whether a side is still the one that it was.
type Identity struct {
	SystemIdentifier string `json:"system_identifier"`
	Timeline         int64  `json:"timeline"`
	Database         string `json:"database"`
}

// TableState is how far a table is.
type TableState struct {
	LSN string `json:"lsn"` // its watermark; "" for none yet
	// At: all that committed on the source before this moment, by the monitor's clock, lies
	// before LSN.
	At time.Time `json:"at"`
	// Dirty is why the watermark stands still until a full pass has read the table again, ""
	// for no reason.
	Dirty string `json:"dirty,omitempty"`
	// Since is, of a table that is dirty or has no watermark yet, where a pass has to have
	// begun at or behind: an LSN that Now gave.
	Since string `json:"since,omitempty"`
	// Exceptions are keys that did not settle. They are tried again with each step.
	Exceptions [][]string `json:"exceptions,omitempty"`
	// Print is the table's definition: where it changes the table is Dirty.
	Print string `json:"print"`
}

// Step is what came of one step.
type Step struct {
	Through  postgres.LSN
	Changes  int64            // row changes that were read
	Keys     int64            // different rows that were rechecked
	Rows     map[string]int64 // those, by table
	Rounds   int64
	Findings []checker.Located // differences that were confirmed: at most MaxDiffs a table
	Total    int64             // all of them
	Dirty    []string          // tables that became dirty, and wait for a full pass
	Idle     bool              // there was nothing to read any more
	Retained int64             // bytes of log that the slot keeps
	FenceMS  float64           // the slowest of the step, 0 where none was needed
	// Waiting is why the watermark did not move though there were changes, "" where it did:
	// the target is behind, or the source does not show yet what it has committed. The next
	// step goes on with them.
	Waiting string
	// Redefined: a table's definition changed. Close, read the catalogs, Begin again with the
	// state, and only then pass over the dirty tables.
	Redefined bool
}

// Refusal is why nothing can be followed, or a table can't, with what to do. As an error
// (of Begin or Step, by errors.As) it has no table, and means that there is no use in
// trying again before somebody has done something; a slot that was dropped is made anew by
// the next Begin.
type Refusal struct{ Table, Why string }

// Error is the reason, and what to do.
func (r Refusal) Error() string {
	if r.Table == "" {
		return "source: " + r.Why
	}
	return r.Table + ": " + r.Why
}

// ErrRedefined says that a table's definition is not the one that the Follower began with. Close it,
// read the catalogs, and Begin again with its state.
var ErrRedefined = errors.New("a table was redefined: read the catalogs again")

// ErrTooEarly says that the pass that Passed tells of began before the table was dirty, or before the
// slot was made: another one is needed, and Now before that.
var ErrTooEarly = errors.New("the pass began too early: take Now, and pass again")

const (
	defaultKeys       = 100_000
	defaultExceptions = 1000
	defaultDiffs      = 100
	defaultSettle     = 10 * time.Second
	// stepSettle is how long the rows of a step have to settle, once the target has applied
	// them: one that is written again and again is an exception then, and does not hold up
	// the others.
	stepSettle = time.Second
	lookBudget = 2 * time.Second
	// keepEvery is how often a state is kept in which nothing but the watermark has moved.
	keepEvery = 5 * time.Second
)

func (o Options) filled() Options {
	for n, otherwise := range map[*int]int{&o.MaxKeys: defaultKeys, &o.MaxExceptions: defaultExceptions, &o.MaxDiffs: defaultDiffs} {
		if *n <= 0 {
			*n = otherwise
		}
	}
	if o.Settle <= 0 {
		o.Settle = defaultSettle
	}
	return o
}

// Follower follows one pair. It is for one caller at a time. After an error of Step that is
// no Refusal it may be tried again a few times; where that does not help it is to be
// closed, both sides opened anew, and begun again with its state.
type Follower struct {
	f *follower
}
