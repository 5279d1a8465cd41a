// Package preflight finds what will hurt when a pair is switched, before it
// does: everything that replication does not carry, that stops it, or that
// behaves otherwise on the other side.
//
// The rules are:
//
//   - A hazard says nothing about the data: whether that is equal is verify's to
//     prove. It never decides a verdict of verify.
//   - A detector is one piece of SQL or Go in one place (Detector), with an id
//     that stays. What it finds names an object, says in one sentence what will
//     go wrong, and gives the statement that mends it.
//   - What could not be looked at is told (Unknown) and keeps the pair from being
//     ready: silence is never taken for health.
//   - Catalogs are read set-wise; what versions have is asked for by name.
package preflight

import (
	"slices"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// Options say what to look at. They are not changed by a run.
type Options struct {
	Version     string // the tool's, for the report
	OptionsHash string // likewise
	Pair        string // the pair's name, "" for none

	Pairing pairing.Options
	// Fence says what replicates the pair, and where its primaries are; its
	// Source and Target are filled in by Run.
	Fence fence.Options
	// Acks are the hazards that somebody has taken note of.
	Acks []Ack
	// Strict: a warning that nobody has acknowledged blocks.
	Strict bool
	// Deep: tables are read as well, to look for orphans of foreign keys, and for
	// indexes that disagree with their tables. Else only catalogs, and a sample
	// for the rate.
	Deep bool
	// Measure is how long lag, counters and the rate of hashing are watched, 0
	// for not at all.
	Measure time.Duration
	// Margin is how many values a sequence of the target may be ahead.
	Margin int64
	// LongTransaction is from which age on an open transaction is a hazard.
	LongTransaction time.Duration
	// Budget is how long a statement that reads a table may take.
	Budget time.Duration
}

// Verdict is what a preflight concludes. Its zero value is Unproven.
type Verdict string

// The verdicts. A block wins over what could not be looked at.
const (
	Unproven Verdict = "unproven" // something could not be looked at
	Ready    Verdict = "ready"
	Blocked  Verdict = "blocked"
)

// Hazard is one thing that was found, about one object. Its JSON form is part
// of the report contract (docs/preflight.schema.json): fields are added, never
// renamed.
type Hazard struct {
	ID       string          `json:"id"`
	Severity schema.Severity `json:"severity"`
	Side     postgres.Side   `json:"side,omitempty"`   // where it is; "" for the pair
	Object   string          `json:"object,omitempty"` // as reports name it; "" for the whole side
	Sentence string          `json:"sentence"`         // what will go wrong
	Fix      string          `json:"fix,omitempty"`    // the statement or command that mends it, run on Side
	// Acknowledged: a warning that somebody has taken note of.
	Acknowledged bool `json:"acknowledged,omitempty"`
}

// Unknown is a detector that could not look, and so keeps the pair from being
// ready.
type Unknown struct {
	ID           string        `json:"id"`
	Side         postgres.Side `json:"side,omitempty"`
	Reason       string        `json:"reason"` // ends in what to do, a GRANT mostly
	Acknowledged bool          `json:"acknowledged,omitempty"`
}

// Result is what a preflight found. Its JSON form is a contract, as is
// verify's.
type Result struct {
	SchemaVersion int          `json:"schema_version"`
	Tool          Tool         `json:"tool"`
	Pair          string       `json:"pair,omitempty"`
	Verdict       Verdict      `json:"verdict"`
	Reasons       []string     `json:"reasons"` // why it is not ready; empty when it is
	Notes         []string     `json:"notes"`
	StartedAt     time.Time    `json:"started_at"`
	FinishedAt    time.Time    `json:"finished_at"`
	Source        Server       `json:"source"`
	Target        Server       `json:"target"`
	Replication   *Replication `json:"replication,omitempty"` // nil where a run did not get to look
	Coverage      Coverage     `json:"coverage"`
	Hazards       []Hazard     `json:"hazards"` // the worst first
	Unknown       []Unknown    `json:"unknown"`
	Checked       []Checked    `json:"checked"` // every detector, and what came of it
	Rehearsal     *Rehearsal   `json:"rehearsal,omitempty"`
}

// Tool names the program and the options that made a result.
type Tool struct {
	Version     string `json:"version"`
	OptionsHash string `json:"options_hash"`
}

// Server identifies one side. A later look at the same pair finds another
// timeline or identifier where somebody failed over meanwhile.
type Server struct {
	ServerVersion    string `json:"server_version"`
	SystemIdentifier string `json:"system_identifier"`
	Database         string `json:"database"`
	Timeline         uint32 `json:"timeline,omitempty"` // 0 where it may not be read
	InRecovery       bool   `json:"in_recovery,omitempty"`
}

// Replication is what carries the source's changes to the target.
type Replication struct {
	Kind     string   `json:"kind"` // as --replication names it; several are joined by +
	Name     string   `json:"name,omitempty"`
	BothWays bool     `json:"both_ways,omitempty"`
	Evidence []string `json:"evidence"`
}

// Coverage tells how much of the source's data the replication carries.
type Coverage struct {
	Tables int `json:"tables"` // of the source that were chosen; of a partitioned one, its root
	// Carried are whole: every row, every column, every operation, and copied. It
	// is 0 where nothing replicates the pair, and where what does tells nobody
	// which tables it carries, as with a heartbeat.
	Carried int `json:"carried"`
	// NotCarried are the other tables, and what was left out beside them, each
	// with the reason. Where nothing is known to carry tables it has only what
	// logical replication could not carry: unlogged and foreign tables, large
	// objects, materialised views, what was excluded.
	NotCarried []Omitted `json:"not_carried"`
}

// Omitted is an object that the replication does not carry, or not whole.
type Omitted struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// Checked is one detector's turn.
type Checked struct {
	ID    string `json:"id"`
	About string `json:"about"`
	Found int    `json:"found"`
	// Skipped says why there was nothing to look at: it concerns another kind of
	// replication, or something that these versions do not have. "" where it
	// looked, or where Unknown says why it could not.
	Skipped string `json:"skipped,omitempty"`
}

// Count counts the hazards of a severity: all, and those nobody acknowledged.
func (r *Result) Count(s schema.Severity) (all, open int) {
	for i := range r.Hazards {
		if h := &r.Hazards[i]; h.Severity == s {
			all++
			if !h.Acknowledged {
				open++
			}
		}
	}
	return all, open
}

// rank orders severities, the worst first.
func rank(s schema.Severity) int {
	return slices.Index([]schema.Severity{schema.Block, schema.Warn, schema.Info}, s)
}
