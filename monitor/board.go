// Package monitor watches pairs for as long as it is let: it reads all of them
// again and again, follows their changes in between, remembers what it found,
// and shows it as metrics, as JSON and as a page.
package monitor

import (
	"slices"
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// Activity is what a pair is being kept busy with.
type Activity string

// The activities.
const (
	Starting   Activity = "starting"   // nothing is known yet
	Passing    Activity = "passing"    // a full pass reads everything
	Following  Activity = "following"  // changes are followed, between two passes
	Resting    Activity = "resting"    // changes are not followed; the next pass or quick check is waited for
	Paused     Activity = "paused"     // somebody paused it
	Retrying   Activity = "retrying"   // something failed, and is tried again
	Aside      Activity = "aside"      // a switch is at work, or has led the application to the target
	NotRunning Activity = "notrunning" // its configuration is wrong, or the monitor is ending
)

// Status is what is known of a pair at one moment. A board owns what it was given: neither who
// put it nor who took it changes it.
type Status struct {
	Name string `json:"name"`
	// UpdatedAt is when the board was told this, by Put: ages go on from there, so that a
	// service that hangs is seen to.
	UpdatedAt time.Time       `json:"updated_at,omitzero"`
	Activity  Activity        `json:"activity"`
	Verdict   checker.Verdict `json:"verdict"` // of the last full pass and all that came since: an open finding is a mismatch
	Reasons   []string        `json:"reasons"` // why it is no match
	// ProvenAt is when all content was last found equal by a full pass, zero for never.
	ProvenAt time.Time          `json:"proven_at,omitzero"`
	AsOfLSN  string             `json:"as_of_lsn,omitempty"` // of that pass
	Source   checker.ServerInfo `json:"source"`
	Target   checker.ServerInfo `json:"target"`

	Watermark   *Watermark `json:"watermark,omitempty"` // the least of all followed tables; nil where nothing is followed
	Lag         *Lag       `json:"lag,omitempty"`       // nil where it is not known
	Slot        *Slot      `json:"slot,omitempty"`      // our own; nil where nothing is followed
	FenceMS     *float64   `json:"fence_ms,omitempty"`  // how long the last fence took
	OldestXmin  *Age       `json:"oldest_xmin,omitempty"`
	Pass        *Progress  `json:"pass,omitempty"` // the one under way, or the last
	NextPassAt  time.Time  `json:"next_pass_at,omitzero"`
	NextQuickAt time.Time  `json:"next_quick_at,omitzero"`
	LastSuccess time.Time  `json:"last_success_at,omitzero"` // any check that ended, whatever it found
	LastError   string     `json:"last_error,omitempty"`
	Totals      Totals     `json:"totals"`

	Tables    []Table    `json:"tables"`
	Sequences []Sequence `json:"sequences,omitempty"`
	Findings  []Finding  `json:"findings"` // open ones first, then the last that healed
	Runs      []Run      `json:"runs"`     // the last ones, newest first
	Samples   []Sample   `json:"samples"`  // for plots, oldest first
	Cutover   *Switch    `json:"cutover,omitempty"`
}

// Watermark says: every row of the table whose last change committed on the source at or
// before LSN, but for the exceptions, was read on the target after that change was
// applied, and was equal then.
type Watermark struct {
	LSN        string    `json:"lsn"`
	At         time.Time `json:"at"` // all that committed on the source before this is covered
	AgeSeconds float64   `json:"age_seconds"`
	Exceptions int       `json:"exceptions"` // keys that did not settle
}

// Lag is how far the target is behind, by the replication's own account.
type Lag struct {
	Bytes   int64    `json:"bytes"`
	Seconds *float64 `json:"seconds,omitempty"` // nil where it is not known
}

// Slot is the one that the monitor reads changes from.
type Slot struct {
	Name          string `json:"name"`
	RetainedBytes int64  `json:"retained_bytes"`
	LimitBytes    int64  `json:"limit_bytes"`       // at which the monitor drops it
	Dropped       string `json:"dropped,omitempty"` // why there is none any more
}

// Age is of the oldest transaction that a side still sees.
type Age struct {
	Source int64 `json:"source"` // in transactions
	Target int64 `json:"target"`
}

// Progress is of a pass.
type Progress struct {
	StartedAt      time.Time `json:"started_at"`
	ChunksPlanned  int64     `json:"chunks_planned"`
	ChunksCompared int64     `json:"chunks_compared"`
	RowsCompared   int64     `json:"rows_compared"`
	Running        bool      `json:"running"`
}

// Totals only grow while the monitor runs.
type Totals struct {
	Chunks   int64 `json:"chunks"`
	Rows     int64 `json:"rows"`
	Suspects int64 `json:"suspects"`
	Rounds   int64 `json:"rounds"`
	Changes  int64 `json:"changes"`
	Errors   int64 `json:"errors"`
	Passes   int64 `json:"passes"`
	Quick    int64 `json:"quick"`
}

// Table is a table of a pair.
type Table struct {
	Name      string          `json:"name"` // schema.table, each part as quote_ident prints it
	Verdict   checker.Verdict `json:"verdict"`
	Reason    string          `json:"reason,omitempty"` // why it is not a match, or not followed
	Rows      int64           `json:"rows"`             // of the last pass, on the source
	Followed  bool            `json:"followed"`
	Watermark *Watermark      `json:"watermark,omitempty"`
	Open      int64           `json:"open_findings"`
	Cells     []Cell          `json:"cells"` // its chunks, put together into at most MaxCells, in the order of the plan
}

// MaxCells bounds the cells of a table.
const MaxCells = 120

// Cell is some chunks of a table.
type Cell struct {
	Verdict checker.Verdict `json:"verdict"`
	At      time.Time       `json:"at,omitzero"` // when the oldest of them was compared, zero for never
}

// Sequence is how much a sequence of the target has left.
type Sequence struct {
	Name     string          `json:"name"`
	Verdict  checker.Verdict `json:"verdict"`
	Headroom float64         `json:"headroom"` // the part of its values that is left, 0 to 1
}

// Finding is a difference, for as long as it is known.
type Finding struct {
	ID        int64     `json:"id"`
	Object    string    `json:"object"` // a table, a sequence, or what a definition is of
	Kind      string    `json:"kind"`   // missing, extra, different; behind, collides, …
	Key       []KeyPart `json:"key,omitempty"`
	Columns   []string  `json:"columns,omitempty"`
	FirstSeen time.Time `json:"first_seen_at"`
	LastSeen  time.Time `json:"last_seen_at"`
	HealedAt  time.Time `json:"healed_at,omitzero"` // zero: it is open
	By        string    `json:"by"`                 // pass, quick, follow, recheck
}

// Open tells whether it has not healed.
func (f Finding) Open() bool { return f.HealedAt.IsZero() }

// KeyPart is a column of a key and its value, hashed where the configuration says so.
type KeyPart struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// Run is a pass or a quick check that ended.
type Run struct {
	ID         int64           `json:"id"`
	Kind       string          `json:"kind"` // pass, quick
	StartedAt  time.Time       `json:"started_at"`
	FinishedAt time.Time       `json:"finished_at"`
	Verdict    checker.Verdict `json:"verdict"`
	Reasons    []string        `json:"reasons"`
	Rows       int64           `json:"rows"`
	Findings   int64           `json:"findings"`
}

// Sample is one point of the plots.
type Sample struct {
	At           time.Time `json:"at"`
	WatermarkAge *float64  `json:"watermark_age_seconds,omitempty"`
	LagBytes     *int64    `json:"lag_bytes,omitempty"`
	LagSeconds   *float64  `json:"lag_seconds,omitempty"`
}

// Switch is how far a cutover of the pair is, read from its journal.
type Switch struct {
	Run       string       `json:"run"`
	Direction string       `json:"direction"`
	State     string       `json:"state"`
	Outcome   string       `json:"outcome,omitempty"` // "" while it runs
	StartedAt time.Time    `json:"started_at"`
	Steps     []SwitchStep `json:"steps"`
}

// SwitchStep is one that was reached, or is under way.
type SwitchStep struct {
	State     string    `json:"state"`
	BeganAt   time.Time `json:"began_at"`
	ReachedAt time.Time `json:"reached_at,omitzero"`
}

// Board holds the statuses of all pairs, in the order of the configuration. It is safe for
// concurrent use.
type Board struct {
	mu    sync.Mutex
	order []string
	pairs map[string]Status
	ears  map[chan struct{}]bool
}

// NewBoard has no pairs yet.
func NewBoard() *Board {
	return &Board{pairs: map[string]Status{}, ears: map[chan struct{}]bool{}}
}

// Keep sets which pairs there are, and their order. What is known of those that
// stay stays known; new ones are Starting.
func (b *Board) Keep(names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order = slices.Clone(names)
	for name := range b.pairs {
		if !slices.Contains(names, name) {
			delete(b.pairs, name)
		}
	}
	for _, name := range names {
		if _, known := b.pairs[name]; !known {
			b.pairs[name] = Status{Name: name, Activity: Starting}
		}
	}
	b.tell()
}

// Put replaces what is known of s.Name, if the board has it, and notes when.
func (b *Board) Put(s Status) {
	s.UpdatedAt = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.pairs[s.Name]; known {
		b.pairs[s.Name] = s
		b.tell()
	}
}

// tell wakes who listens; who has not looked since the last time is not woken twice.
func (b *Board) tell() {
	for ear := range b.ears {
		select {
		case ear <- struct{}{}:
		default:
		}
	}
}

// Pair is what is known of one.
func (b *Board) Pair(name string) (Status, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, known := b.pairs[name]
	return s, known
}

// Pairs is what is known of all, in the order of the configuration.
func (b *Board) Pairs() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Status, len(b.order))
	for i, name := range b.order {
		all[i] = b.pairs[name]
	}
	return all
}

// Listen gives a channel that has a value whenever something has changed since it was
// last read. stop ends it.
func (b *Board) Listen() (changed <-chan struct{}, stop func()) {
	ear := make(chan struct{}, 1)
	b.mu.Lock()
	b.ears[ear] = true
	b.mu.Unlock()
	return ear, func() {
		b.mu.Lock()
		delete(b.ears, ear)
		b.mu.Unlock()
	}
}
