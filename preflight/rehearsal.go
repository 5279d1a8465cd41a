package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/pairing"
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
	// WriteOutageMS is for how long the application is predicted not to write:
	// the phases in which it can't, without WriteOutageWithout, those that can't
	// be known beforehand. nil where another of them is not known.
	WriteOutageMS      *int64   `json:"write_outage_ms"`
	WriteOutageWithout []string `json:"write_outage_without"`
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
	// CountBytesPerSecond is how fast rows were counted there, nil where that was
	// not measured.
	CountBytesPerSecond *float64 `json:"count_bytes_per_second"`
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

// How many tables are named as the largest, and as those with the most dead
// rows, of which fewer than fewDead are no work.
const (
	mostTables = 5
	fewDead    = 1000
)

// rehearse works the figures out. What fails is a note: a figure that lacks
// decides nothing. It is nil where the run was stopped.
func (f *facts) rehearse(ctx context.Context, r *Result) *Rehearsal {
	h := &Rehearsal{Largest: []TableSize{}, Oldest: []OldestTransaction{}, DeadTuples: []DeadTuples{}, Phases: []Phase{}, WriteOutageWithout: []string{}, Lag: f.lagOf()}
	f.seen = map[postgres.Side]bool{}
	note := func(err error) {
		if err == nil || ctx.Err() != nil { // that it was stopped is said of the run
			return
		}
		if n := "rehearsal: " + err.Error(); !slices.Contains(r.Notes, n) {
			r.Notes = append(r.Notes, n)
		}
	}
	h.sizes(f)
	speed, err := f.measureSpeed(ctx)
	note(err)
	if speed != nil {
		h.Rate = speed.rate()
	}
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		note(h.readOldest(ctx, f, side))
		note(h.readDead(ctx, f, side))
	}
	note(h.plan(ctx, f, speed))
	if ctx.Err() != nil {
		return nil
	}
	return h
}

// compared are the tables that a verify reads.
func (f *facts) compared() (tables []*pairing.Table) {
	for _, t := range f.pair.Tables {
		if t.Both() && t.Barred == "" {
			tables = append(tables, t)
		}
	}
	return tables
}

// bytesOf is what a table takes, and what it stores out of line.
func bytesOf(t *postgres.Table) int64 { return t.Bytes + t.ToastBytes }

// sizes come from the catalog of the source.
func (h *Rehearsal) sizes(f *facts) {
	for _, t := range f.compared() {
		h.Tables++
		h.Rows += t.Source.EstimatedRows
		h.Bytes += bytesOf(t.Source)
		h.Largest = append(h.Largest, TableSize{Name: t.Name, Rows: t.Source.EstimatedRows, Bytes: bytesOf(t.Source)})
	}
	slices.SortStableFunc(h.Largest, func(a, b TableSize) int { return cmp.Compare(b.Bytes, a.Bytes) })
	h.Largest = h.Largest[:min(len(h.Largest), mostTables)]
	for i := range h.Largest {
		if h.Bytes > 0 {
			h.Largest[i].Share = float64(h.Largest[i].Bytes) / float64(h.Bytes)
		}
	}
}

// oldestSQL reads the oldest transaction of the database's clients, a prepared
// one among them. The run's own are over when it is asked.
const oldestSQL = `SELECT pid, usename, state, (extract(epoch FROM pg_catalog.clock_timestamp() - began) * 1000)::pg_catalog.int8
FROM (
  SELECT a.pid, a.usename::pg_catalog.text, a.state, a.xact_start
  FROM pg_catalog.pg_stat_activity a
  WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid() AND a.xact_start IS NOT NULL
  UNION ALL
  SELECT 0, p.owner::pg_catalog.text, 'prepared', p.prepared
  FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()
) t(pid, usename, state, began)
ORDER BY began LIMIT 1`

func (h *Rehearsal) readOldest(ctx context.Context, f *facts, side postgres.Side) error {
	db := f.on(side)
	found, err := queryRows(ctx, db, "preflight rehearsal", postgres.Statement{SQL: oldestSQL}, func(r postgres.Row) OldestTransaction {
		return OldestTransaction{Side: side, PID: int(r.Int(0)), User: r.Text(1), State: r.Text(2), AgeMS: max(r.Int(3), 0)}
	})
	if err != nil {
		return err
	}
	var held postgres.Gauge
	if err := postgres.Again(ctx, func() (err error) { held, err = db.XminAge(ctx); return err }); err != nil {
		return err
	}
	for i := range found {
		found[i].XminAge = held.Value
	}
	h.Oldest = append(h.Oldest, found...)
	if held.Hidden > 0 {
		return fmt.Errorf("%s: sessions of other roles are hidden (%d), and the oldest transaction may be one of theirs: GRANT pg_monitor TO %s", side, held.Hidden, postgres.Ident(db.Server().User))
	}
	f.seen[side] = true
	return nil
}

const deadSQL = `SELECT pg_catalog.quote_ident(s.schemaname) || '.' || pg_catalog.quote_ident(s.relname), s.n_dead_tup, s.n_live_tup
FROM pg_catalog.pg_stat_user_tables s
WHERE s.n_dead_tup >= $1::pg_catalog.int8
ORDER BY s.n_dead_tup DESC, 1`

func (h *Rehearsal) readDead(ctx context.Context, f *facts, side postgres.Side) error {
	found, err := queryRows(ctx, f.on(side), "preflight rehearsal", postgres.Statement{SQL: deadSQL, Args: []string{fmt.Sprint(fewDead)}}, func(r postgres.Row) DeadTuples {
		return DeadTuples{Side: side, Table: r.Text(0), Dead: r.Int(1), Live: r.Int(2)}
	})
	found = slices.DeleteFunc(found, func(d DeadTuples) bool { return !f.chosen(d.Table) })
	h.DeadTuples = append(h.DeadTuples, found[:min(len(found), mostTables)]...)
	return err
}
