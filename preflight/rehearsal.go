package preflight

import (
	"context"

	"github.com/pgparity/pgparity/postgres"
)

// Rehearsal are the figures that a team looks at before it chooses a window.
// What could not be measured is nil, and said in the notes. Durations are in
// milliseconds.
type Rehearsal struct {
	Tables  int         `json:"tables"`  // that a verify reads
	Rows    int64       `json:"rows"`    // as the planner estimates them
	Bytes   int64       `json:"bytes"`   // of the source, heaps and what they store out of line
	Largest []TableSize `json:"largest"` // the largest few, of the source: one bounds what can be done at once
	Rate    *Rate       `json:"rate"`
	Lag     *Lag        `json:"lag"`
	// Oldest is each side's oldest open transaction, DeadTuples the tables with
	// the most of them.
	Oldest     []OldestTransaction `json:"oldest_transactions"`
	DeadTuples []DeadTuples        `json:"dead_tuples"`
	Phases     []Phase             `json:"phases"` // of a switch, in order
}

// TableSize is a table and its share of the whole.
type TableSize struct {
	Name  string  `json:"name"`
	Rows  int64   `json:"rows"`
	Bytes int64   `json:"bytes"`
	Share float64 `json:"share"` // of all bytes, 0 to 1
}

// Rate is how fast rows were hashed, both sides at the same time, on one
// connection each.
type Rate struct {
	Table          string  `json:"table"` // whose sample was hashed
	Bytes          int64   `json:"bytes"`
	ElapsedMS      int64   `json:"elapsed_ms"`       // of the slower side
	BytesPerSecond float64 `json:"bytes_per_second"` // of the slower side
}

// Lag is how the replication's lag went while it was watched. Its bytes are
// those of the log, of which changes are a part.
type Lag struct {
	WindowMS int64   `json:"window_ms"`
	Bytes    int64   `json:"bytes"`            // at the end
	Inflow   float64 `json:"inflow"`           // bytes of log written a second
	Drained  float64 `json:"drained"`          // bytes a second that were confirmed
	Growing  bool    `json:"growing"`          // more came in than was drained
	DrainMS  *int64  `json:"drain_ms"`         // until all is drained once nothing comes in, at that rate; nil where that is not known
	CatchUp  *int64  `json:"catch_up_ms"`      // until all is drained while as much comes in; nil is never, or not known
	Slot     string  `json:"slot,omitempty"`   // the one that is furthest behind
	Stream   string  `json:"stream,omitempty"` // its subscription or standby
}

// OldestTransaction is a side's oldest open transaction.
type OldestTransaction struct {
	Side  postgres.Side `json:"side"`
	AgeMS int64         `json:"age_ms"`
	PID   int           `json:"pid"` // 0: prepared
	User  string        `json:"user"`
	State string        `json:"state"` // active, idle in transaction, prepared, …
	// XminAge is how many transactions back vacuum is held by anything on this
	// side.
	XminAge int64 `json:"xmin_age"`
}

// DeadTuples is a table in which vacuum has work to do.
type DeadTuples struct {
	Side  postgres.Side `json:"side"`
	Table string        `json:"table"`
	Dead  int64         `json:"dead"`
	Live  int64         `json:"live"`
}

// Phase is one step of a switch, and how long it is expected to take.
type Phase struct {
	Name       string `json:"name"`
	EstimateMS *int64 `json:"estimate_ms"` // nil where it is not known
	Writes     bool   `json:"writes"`      // the application can write meanwhile
	How        string `json:"how"`         // what the estimate rests on
}

// rehearse works the figures out. What fails is a note: a figure that lacks
// decides nothing.
func (f *facts) rehearse(ctx context.Context, r *Result) *Rehearsal { return nil }
