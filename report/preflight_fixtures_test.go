package report

import (
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

var preflights = map[string]func() *preflight.Result{
	"ready":        readyPreflight,
	"blocked":      blockedPreflight,
	"unproven":     unprovenPreflight,
	"acknowledged": acknowledgedPreflight,
	"strict":       strictPreflight,
	"bare":         barePreflight,
	"hostile":      hostilePreflight,
}

// calm is a pair without a hazard, and without a rehearsal.
func calm() *preflight.Result {
	start := time.Date(2026, 11, 20, 3, 4, 5, 0, time.UTC)
	return &preflight.Result{
		SchemaVersion: 1,
		Tool:          preflight.Tool{Version: "0.1.0", OptionsHash: "5f2c9a"},
		Pair:          "shop",
		Verdict:       preflight.Ready,
		Reasons:       []string{}, Notes: []string{},
		StartedAt: start, FinishedAt: start.Add(4200 * time.Millisecond),
		Source:      preflight.Server{ServerVersion: "15.18", SystemIdentifier: "7301234567890123456", Database: "shop", Timeline: 1},
		Target:      preflight.Server{ServerVersion: "18.4", SystemIdentifier: "7399876543210987654", Database: "shop_new", Timeline: 3},
		Replication: &preflight.Replication{Kind: "logical", Name: "shop", Evidence: []string{`subscription "shop" of the target is fed by slot "shop" of the source`}},
		Coverage:    preflight.Coverage{Tables: 412, Carried: 412, NotCarried: []preflight.Omitted{}},
		Hazards:     []preflight.Hazard{}, Unknown: []preflight.Unknown{},
		Checked: []preflight.Checked{
			{ID: "replica-identity-missing", About: "published tables without a usable replica identity"},
			{ID: "table-unpublished", About: "tables that no publication carries"},
			{ID: "slot-inactive", About: "slots that nobody reads"},
			{ID: "slot-failover", About: "slots that a failover loses", Skipped: "source: PostgreSQL 15 has no pg_replication_slots.failover"},
			{ID: "sequence-behind", About: "sequences of the target behind their source"},
			{ID: "large-objects", About: "large objects, which no logical replication carries"},
			{ID: "long-transaction", About: "transactions that have been open for long"},
			{ID: "foreign-key-orphans", About: "rows that a foreign key should have refused", Skipped: "reads tables: asked for with --deep"},
			{ID: "schema-index", About: "indexes that are defined otherwise"},
		},
	}
}

// find appends a hazard, and counts it.
func find(r *preflight.Result, h preflight.Hazard) {
	r.Hazards = append(r.Hazards, h)
	for i := range r.Checked {
		if r.Checked[i].ID == h.ID {
			r.Checked[i].Found++
		}
	}
}

func sequencesBehind(r *preflight.Result) {
	for _, name := range []string{"public.customers_id_seq", "public.orders_id_seq"} {
		find(r, preflight.Hazard{ID: "sequence-behind", Severity: schema.Info, Side: postgres.Target, Object: name,
			Sentence: "it stands behind its source, as logical replication leaves it; a cutover sets it"})
	}
}

func fullRehearsal() *preflight.Rehearsal {
	return &preflight.Rehearsal{
		Tables: 412, Rows: 1_204_000_000, Bytes: 412 << 30,
		Largest: []preflight.TableSize{
			{Name: "public.events", Rows: 900_000_000, Bytes: 301 << 30, Share: 0.7306},
			{Name: "public.orders", Rows: 120_000_000, Bytes: 61 << 30, Share: 0.1481},
			{Name: `billing."Customer Invoices of the years before the merger"`, Rows: 4_000_000, Bytes: 3 << 30, Share: 0.0073},
		},
		Rate: &preflight.Rate{Table: "public.orders", Bytes: 64 << 20, ElapsedMS: 410, BytesPerSecond: 163_680_000},
		Lag: &preflight.Lag{WindowMS: 10_000, Bytes: 16 << 20, Inflow: 2.5e6, Drained: 9.1e6, DrainMS: ptr(int64(1843)), CatchUp: ptr(int64(2541)),
			Slot: "shop", Stream: "shop"},
		Oldest: []preflight.OldestTransaction{
			{Side: postgres.Source, AgeMS: 1_263_000, PID: 4242, User: "app", State: "idle in transaction", XminAge: 120_400},
			{Side: postgres.Target, AgeMS: 310, PID: 991, User: "postgres", State: "active"},
		},
		DeadTuples:         []preflight.DeadTuples{{Side: postgres.Source, Table: "public.events", Dead: 41_000_000, Live: 900_000_000}},
		WriteOutageWithout: []string{"redirect"},
		Phases: []preflight.Phase{
			{Name: "verify", EstimateMS: ptr(int64(2_702_000)), Writes: true, How: "412 GiB at the measured rate on 1 connection"},
			{Name: "drain", EstimateMS: ptr(int64(1843)), Writes: true, How: "16.0 MiB of lag at 8.7 MiB/s"},
			{Name: "freeze", EstimateMS: ptr(int64(1000)), How: "one setting, and the end of 41 sessions"},
			{Name: "fence", EstimateMS: ptr(int64(2300)), How: "what is written in the last seconds, at the measured rate"},
			{Name: "sequences", EstimateMS: ptr(int64(140)), How: "38 sequences"},
			{Name: "gate", EstimateMS: ptr(int64(5400)), How: "the rows that changed since the verify"},
			{Name: "open", EstimateMS: ptr(int64(0)), How: "one setting"},
		},
	}
}

func readyPreflight() *preflight.Result {
	r := calm()
	sequencesBehind(r)
	r.Notes = []string{"target: no privilege to read pg_subscription.subconninfo: GRANT pg_read_all_settings TO app"}
	r.Rehearsal = fullRehearsal()
	return r
}

func blockedPreflight() *preflight.Result {
	r := calm()
	r.Verdict = preflight.Blocked
	for i := range 12 {
		name := fmt.Sprintf("tenant_%03d.events", i)
		find(r, preflight.Hazard{ID: "replica-identity-missing", Severity: schema.Block, Side: postgres.Source, Object: name,
			Sentence: "UPDATE and DELETE on it fail on the source, for it is published and has no usable replica identity",
			Fix:      "ALTER TABLE " + name + " REPLICA IDENTITY FULL"})
	}
	find(r, preflight.Hazard{ID: "slot-inactive", Severity: schema.Block, Side: postgres.Source, Object: "slot shop",
		Sentence: "nobody reads it: the target falls behind, and the source keeps all log until its disk is full", Fix: "ALTER SUBSCRIPTION shop ENABLE"})
	for i, rows := range []int{9, 120, 4, 77, 1, 30, 2} {
		find(r, preflight.Hazard{ID: "table-unpublished", Severity: schema.Block, Side: postgres.Source, Object: fmt.Sprintf("audit.log_%d", i),
			Sentence: fmt.Sprintf("its %d rows will be missing on the target, for no publication carries it", rows),
			Fix:      fmt.Sprintf("ALTER PUBLICATION shop ADD TABLE audit.log_%d", i)})
	}
	find(r, preflight.Hazard{ID: "long-transaction", Severity: schema.Warn, Side: postgres.Source, Object: "pid 4242",
		Sentence: "user app has had a transaction open for 21 min 03 s: the freeze waits for it", Fix: "SELECT pg_terminate_backend(4242)"})
	find(r, preflight.Hazard{ID: "large-objects", Severity: schema.Warn, Side: postgres.Source,
		Sentence: "the 1204 large objects of the source will be missing on the target, for replication does not carry them"})
	find(r, preflight.Hazard{ID: "schema-index", Severity: schema.Warn, Object: "public.orders index by_day", Sentence: "index: on the source only", Acknowledged: true})
	sequencesBehind(r)
	r.Coverage = preflight.Coverage{Tables: 412, Carried: 405, NotCarried: []preflight.Omitted{{Object: "public.carts", Reason: "unlogged: nothing of it is replicated"}}}
	for i := range 7 {
		r.Coverage.NotCarried = append(r.Coverage.NotCarried, preflight.Omitted{Object: fmt.Sprintf("audit.log_%d", i), Reason: "in no publication that feeds the target"})
	}
	r.Unknown = []preflight.Unknown{{ID: "foreign-key-orphans", Side: postgres.Target, Reason: "target: permission denied for table payroll: GRANT SELECT ON public.payroll TO app"}}
	r.Checked[7].Skipped = ""
	r.Reasons = []string{"blocked: replica-identity-missing (12)", "blocked: slot-inactive (1)", "blocked: table-unpublished (7)",
		"unproven: foreign-key-orphans was not looked for: target: permission denied for table payroll: GRANT SELECT ON public.payroll TO app"}
	r.Rehearsal = fullRehearsal()
	r.Rehearsal.Lag.Growing, r.Rehearsal.Lag.CatchUp, r.Rehearsal.Lag.Drained, r.Rehearsal.Lag.DrainMS = true, nil, 0, nil
	r.Rehearsal.Phases[1].EstimateMS, r.Rehearsal.Phases[3].EstimateMS = nil, nil
	r.Rehearsal.Phases[3].How = "nothing was drained while it was watched"
	return r
}

func unprovenPreflight() *preflight.Result {
	r := calm()
	r.Verdict = preflight.Unproven
	r.Replication = &preflight.Replication{Evidence: []string{"two subscriptions of the target feed the same tables: name one with --replication"}}
	r.Coverage = preflight.Coverage{NotCarried: []preflight.Omitted{}}
	const why = "permission denied for view pg_stat_activity: GRANT pg_read_all_stats TO app"
	r.Unknown = []preflight.Unknown{
		{ID: "long-transaction", Side: postgres.Source, Reason: why},
		{ID: "slot-inactive", Side: postgres.Source, Reason: why},
		{ID: "large-objects", Reason: "the pair was closed", Acknowledged: true},
	}
	r.Reasons = []string{"unproven: long-transaction was not looked for: " + why, "unproven: slot-inactive was not looked for: " + why,
		"unproven: replication: two subscriptions of the target feed the same tables: name one with --replication"}
	r.Rehearsal = &preflight.Rehearsal{Largest: []preflight.TableSize{}, Oldest: []preflight.OldestTransaction{}, DeadTuples: []preflight.DeadTuples{}, Phases: []preflight.Phase{}, WriteOutageWithout: []string{}}
	return r
}

func acknowledgedPreflight() *preflight.Result {
	r := calm()
	for i := range 8 {
		find(r, preflight.Hazard{ID: "schema-index", Severity: schema.Warn, Object: fmt.Sprintf("public.orders index by_day_%d", i), Sentence: "index: on the source only", Acknowledged: true})
	}
	find(r, preflight.Hazard{ID: "large-objects", Severity: schema.Warn, Side: postgres.Source, Sentence: "the 4 large objects of the source will be missing on the target", Acknowledged: true})
	r.Unknown = []preflight.Unknown{{ID: "long-transaction", Side: postgres.Source, Reason: "permission denied: GRANT pg_read_all_stats TO app", Acknowledged: true}}
	r.Notes = []string{"slot-inactive is acknowledged, and was not found: take the acknowledgement out"}
	r.Rehearsal = fullRehearsal()
	return r
}

// strictPreflight is blocked by a warning.
func strictPreflight() *preflight.Result {
	r := calm()
	r.Verdict, r.Reasons = preflight.Blocked, []string{"blocked: long-transaction (1)"}
	find(r, preflight.Hazard{ID: "long-transaction", Severity: schema.Warn, Side: postgres.Source, Object: "pid 4242", Sentence: "the freeze waits for it", Fix: "SELECT pg_terminate_backend(4242)"})
	return r
}

// barePreflight is of a pair at rest, with as little as there can be.
func barePreflight() *preflight.Result {
	r := calm()
	r.Pair, r.Tool, r.Source.Timeline, r.Target.InRecovery = "", preflight.Tool{}, 0, true
	r.Replication = &preflight.Replication{Kind: "still", Evidence: []string{}}
	return r
}

// hostilePreflight holds it in every text field.
func hostilePreflight() *preflight.Result {
	r, h := calm(), hostile
	r.Verdict, r.Pair, r.Tool = preflight.Blocked, h, preflight.Tool{Version: h, OptionsHash: h}
	r.Source = preflight.Server{ServerVersion: h, SystemIdentifier: h, Database: h}
	r.Target = r.Source
	r.Reasons, r.Notes = []string{h}, []string{h}
	r.Replication = &preflight.Replication{Kind: h, Name: h, Evidence: []string{h}, BothWays: true}
	r.Coverage.NotCarried = []preflight.Omitted{{Object: h, Reason: h}}
	r.Checked = append(r.Checked, preflight.Checked{ID: h, About: h}, preflight.Checked{ID: "s", About: h, Skipped: h})
	side := postgres.Side(h)
	r.Hazards = []preflight.Hazard{
		{ID: h, Severity: schema.Block, Side: side, Object: h, Sentence: h, Fix: h},
		{ID: h, Severity: schema.Block, Side: side, Object: h + "2", Sentence: h + "2", Fix: h + "2"},
		{ID: h, Severity: schema.Severity(h), Side: side, Sentence: h},
		{ID: h, Severity: schema.Warn, Side: postgres.Source, Object: h, Sentence: h, Fix: h, Acknowledged: true},
		{ID: h, Severity: schema.Info, Side: postgres.Source, Object: h, Sentence: h, Fix: h},
	}
	r.Unknown = []preflight.Unknown{{ID: h, Side: side, Reason: h}, {ID: h, Reason: h, Acknowledged: true}}
	r.Rehearsal = fullRehearsal()
	rh := r.Rehearsal
	rh.Largest[0].Name, rh.Rate.Table, rh.Lag.Slot, rh.Lag.Stream = h, h, h, h
	rh.Oldest[0] = preflight.OldestTransaction{Side: side, AgeMS: -1, User: h, State: h}
	rh.DeadTuples[0] = preflight.DeadTuples{Side: side, Table: h, Dead: 1}
	rh.Phases = append(rh.Phases, preflight.Phase{Name: h, How: h}, preflight.Phase{Name: h, EstimateMS: ptr(int64(1)), How: h})
	return r
}
