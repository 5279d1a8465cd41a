package report

import (
	"fmt"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

var cutovers = map[string]func() *cutover.Result{
	"plan":        plannedCutover,
	"switched":    switchedCutover,
	"aborted":     abortedCutover,
	"stopped":     stoppedCutover,
	"rollback":    rolledBackCutover,
	"status":      statusCutover,
	"refused":     refusedCutover,
	"verify-only": verifyOnlyCutover,
	"hostile":     hostileCutover,
}

// still is a switch of which nothing is known but whose it is.
func still(command string) *cutover.Result {
	start := time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)
	return &cutover.Result{
		SchemaVersion: 1,
		Tool:          preflight.Tool{Version: "0.1.0", OptionsHash: "5f2c9a"},
		Pair:          "shop", Command: command, Run: "7f3a", Direction: cutover.Forward, Strategy: cutover.Native,
		Outcome: cutover.Done, State: cutover.Init,
		Reasons: []string{}, Notes: []string{}, Next: []string{}, Steps: []cutover.StepResult{},
		StartedAt: start, FinishedAt: start.Add(94_300 * time.Millisecond),
		Source: preflight.Server{ServerVersion: "15.18", SystemIdentifier: "7301234567890123456", Database: "shop", Timeline: 1},
		Target: preflight.Server{ServerVersion: "18.4", SystemIdentifier: "7399876543210987654", Database: "shop_new", Timeline: 3},
	}
}

// sequencesSQL is longer than a line, and has a name with a blank that must not
// be broken.
const sequencesSQL = `SELECT pg_catalog.setval('public.orders_id_seq', GREATEST(1204000132, (SELECT max(id) FROM public.orders)), true),
       pg_catalog.setval('billing."Customer Invoices_id_seq"', GREATEST(4000032, (SELECT max("Invoice Number of the year") FROM billing."Customer Invoices")), true)`

// plannedSteps are those of a native switch through a pooler, with a hook.
func plannedSteps() []cutover.StepResult {
	act := func(id, on, do, why string) cutover.Action {
		return cutover.Action{ID: id, On: on, Do: do, Why: why}
	}
	gate := func(id, on, do, why string) cutover.Action {
		return cutover.Action{ID: id, On: on, Do: do, Why: why, Gate: true}
	}
	wait := func(id, on, do, why string) cutover.Action {
		return cutover.Action{ID: id, On: on, Do: do, Why: why, Wait: true}
	}
	return []cutover.StepResult{
		{State: cutover.Preflighted, What: "look for what would go wrong", PredictedMS: ptr(int64(4200)), Actions: []cutover.Action{
			gate("preflight", "here", "pgparity preflight", "no hazard may block"),
		}},
		{State: cutover.Prepared, What: "prepare what a window has no time for, and the way back", PredictedMS: ptr(int64(2_702_000)), Actions: []cutover.Action{
			act("close-target", "target", `ALTER DATABASE shop_new SET default_transaction_read_only = on`, "nobody writes there before the switch"),
			act("reverse-publication", "target", `CREATE PUBLICATION pgparity_reverse FOR ALL TABLES`, "the way back reads it"),
			act("reverse-subscription", "source", `CREATE SUBSCRIPTION pgparity_reverse CONNECTION 'host=db2.internal dbname=shop_new user=replicator password=xxxxx' PUBLICATION pgparity_reverse WITH (enabled = false, create_slot = false, slot_name = 'pgparity_reverse', copy_data = false)`, "stopped until the target is open"),
		}, Undo: []cutover.Action{
			act("drop-reverse", "source", "DROP SUBSCRIPTION pgparity_reverse", ""),
			act("drop-reverse-publication", "target", "DROP PUBLICATION pgparity_reverse", ""),
		}},
		{State: cutover.Synced, What: "all is carried, in time, and verified", Actions: []cutover.Action{
			gate("replication-healthy", "target", "SELECT … FROM pg_subscription, pg_stat_subscription, pg_subscription_rel", "workers run, every table is carried, nothing failed"),
			wait("lag", "source", "SELECT pg_catalog.pg_current_wal_insert_lsn()", "what is written now arrives within 5s"),
		}},
		{State: cutover.Armed, What: "ask, look once more, and have all at hand that the window needs", BudgetMS: 60_000, PredictedMS: ptr(int64(300)), Actions: []cutover.Action{
			gate("confirm", "here", "type shop", "a person says yes"),
		}},
		{State: cutover.Freezing, What: "keep clients out, and end what they have open", BudgetMS: 14_000, PredictedMS: ptr(int64(180)), Actions: []cutover.Action{
			act("pause-pooler", "pooler a", "PAUSE shop;", "clients wait instead of failing"),
			act("limit", "source", "ALTER DATABASE shop CONNECTION LIMIT 0", "no client gets in any more"),
			wait("end-clients", "source", `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND backend_type = 'client backend' AND application_name NOT LIKE 'pgparity %'`, "transactions have 2s to end"),
		}, Undo: []cutover.Action{
			act("thaw-limit", "source", "ALTER DATABASE shop CONNECTION LIMIT -1", "as it was"),
			act("resume-pooler", "pooler a", "RESUME shop;", ""),
		}},
		{State: cutover.Frozen, What: "prove that nobody writes", BudgetMS: 2000, PredictedMS: ptr(int64(20)), Actions: []cutover.Action{
			gate("frozen-clients", "source", "SELECT … FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'", "no session of a client is left"),
		}},
		{State: cutover.Drained, What: "wait until all that was written has arrived", BudgetMS: 15_000, PredictedMS: ptr(int64(90)), Actions: []cutover.Action{
			wait("drained", "source", "SELECT slot_name, confirmed_flush_lsn FROM pg_replication_slots", "each slot has confirmed the mark"),
		}},
		{State: cutover.Sequenced, What: "set the sequences ahead", BudgetMS: 2000, PredictedMS: ptr(int64(30)), Actions: []cutover.Action{
			act("sequences", "target", sequencesSQL, "no number is given out twice"),
		}},
		{State: cutover.Verified, What: "prove that both sides hold the same", BudgetMS: 10_000, PredictedMS: ptr(int64(160)), Actions: []cutover.Action{
			gate("verify-window", "both", "compare what was written since transaction 771203", "what may have changed since the full verification"),
		}},
		{State: cutover.ReverseReady, What: "stop the replication, and have the way back ready", BudgetMS: 5000, PredictedMS: ptr(int64(80)), Actions: []cutover.Action{
			act("disable", "target", "ALTER SUBSCRIPTION shop DISABLE", "nothing may come after the proof"),
		}, Undo: []cutover.Action{act("enable", "target", "ALTER SUBSCRIPTION shop ENABLE", "")}},
		{State: cutover.PNR, What: "write down that there is no way back but the mirrored one", BudgetMS: 2000, PredictedMS: ptr(int64(10)), Actions: []cutover.Action{
			act("record", "both", "INSERT INTO pgparity.cutover_journal …", "it is known on both sides, and here"),
		}},
		{State: cutover.TargetOpen, What: "open the way back, and the database that is switched to", BudgetMS: 30_000, PredictedMS: ptr(int64(20)), Actions: []cutover.Action{
			act("open-reverse", "source", "ALTER SUBSCRIPTION pgparity_reverse ENABLE", ""),
			act("open-target", "target", "ALTER DATABASE shop_new RESET default_transaction_read_only", "it may be written"),
		}},
		{State: cutover.Redirected, What: "lead the application there", BudgetMS: 30_000, PredictedMS: ptr(int64(10)), Actions: []cutover.Action{
			act("edit-pooler", "pooler a", "shop = host=db2.internal port=5432 dbname=shop_new", "in /etc/pgbouncer/databases.ini"),
			act("reload-pooler", "pooler a", "RELOAD;\nRESUME shop;", ""),
			act("redirect-dns", "hook dns", "/usr/local/bin/flip --name db.internal --to db2.internal --token xxxxx", "who comes without the pooler"),
		}},
		{State: cutover.Live, What: "see that it has arrived, and that nobody writes to the other side", BudgetMS: 30_000, Actions: []cutover.Action{
			gate("arrived", "here", "connect as the application, and write", "it reaches the target"),
		}},
	}
}

func plannedCutover() *cutover.Result {
	r := still("plan")
	r.Steps, r.PredictedMS = plannedSteps(), ptr(int64(600))
	r.Preflight = readyPreflight()
	find(r.Preflight, preflight.Hazard{ID: "long-transaction", Severity: schema.Warn, Side: postgres.Source, Object: "pid 4242",
		Sentence: "user app has had a transaction open for 21 min 03 s: the freeze waits for it", Fix: "SELECT pg_terminate_backend(4242)"})
	r.Verified = evidence(r)
	r.Notes = []string{"source: the role is no superuser: it owns the database and has pg_monitor and pg_signal_backend, which is enough"}
	r.Next = []string{"run pgparity cutover rehearse, and then pgparity cutover run"}
	return r
}

func evidence(r *cutover.Result) *cutover.Evidence {
	return &cutover.Evidence{Verdict: checker.Match, FinishedAt: r.StartedAt.Add(-2 * time.Hour), AsOfLSN: "0/1A2B3C8", Tables: 412, Rows: 1_204_000_000, Horizon: "771203"}
}

// went gives planned steps the times that they took.
func went(steps []cutover.StepResult, start time.Time, attempt int, took ...float64) []cutover.StepResult {
	for i := range steps {
		s := &steps[i]
		s.Undo = nil
		s.StartedAt, s.TookMS = start.Format("2006-01-02T15:04:05.000Z07:00"), ptr(took[i])
		start = start.Add(time.Duration(took[i] * float64(time.Millisecond)))
		if rankOf(s.State) >= rankOf(cutover.Armed) && rankOf(s.State) <= rankOf(cutover.PNR) {
			s.Attempt = attempt
		}
		for k := range s.Actions {
			s.Actions[k].TookMS = ptr(took[i] / float64(len(s.Actions)+1))
		}
	}
	return steps
}

func passedGate() *cutover.Gate {
	g := &cutover.Gate{LSN: "0/1B00FF8", TookMS: 121.5, Passed: true, Findings: []string{}, Tables: []cutover.GateTable{
		{Name: "public.orders", Claim: "changed", Rows: 120_000_000, Compared: 4120, Count: true, Why: "written since transaction 771203"},
		{Name: "public.customers", Claim: "whole", Rows: 80_000, Compared: 80_000, Count: true, Why: "named by --gate-table"},
		{Name: `billing."Customer Invoices of the years before the merger"`, Claim: "last", Rows: 1000, Compared: 1000, Why: "its last 1000 rows by id: 3.0 GiB did not fit the budget"},
		{Name: "public.archive", Claim: "nothing", Why: "not written since the full verification, by its statistics"},
	}}
	for i := range 40 {
		g.Tables = append(g.Tables, cutover.GateTable{Name: fmt.Sprintf("tenant_%03d.events", i), Claim: "changed", Rows: int64(i), Compared: int64(i), Why: "written since transaction 771203"})
	}
	return g
}

// saw is what a probe saw of a window that begins in its second second, in which
// a write waits for its end.
func saw() *cutover.Outage {
	o := &cutover.Outage{WriteMS: 412.3, ReadMS: 398, WriteAtMS: 1002.1, ReadAtMS: 1004, IntervalMS: 50, ProbedMS: 2000, Writes: 32, Reads: 32, Retried: 1, Failed: 1,
		Failures: []cutover.Failure{{Kind: "read", Error: "FATAL: the database is closed for a moment", Count: 1}}}
	at := 1000.0
	for i, s := range []cutover.State{cutover.Armed, cutover.Freezing, cutover.Frozen, cutover.Drained, cutover.Sequenced, cutover.Verified, cutover.ReverseReady, cutover.PNR, cutover.TargetOpen, cutover.Redirected, cutover.Live} {
		at += []float64{0, 131, 8, 61, 23, 121, 45, 7, 12, 3, 10}[i]
		o.Marks = append(o.Marks, cutover.Mark{State: s, AtMS: at})
	}
	for i := range 40 {
		at := float64(i * 50)
		b := cutover.Beat{AtMS: at, TookMS: 2.1, Kind: "write", On: "source"}
		switch {
		case at > 1000 && at < 1400:
			if i > 21 {
				continue
			}
			b.TookMS, b.On = 1412-at, "target"
		case at >= 1400:
			b.On = "target"
		}
		read := cutover.Beat{AtMS: at + 1, TookMS: 1.2, Kind: "read", On: b.On}
		if i == 21 {
			read.On, read.Failed = "", true
		}
		o.Timeline = append(o.Timeline, b, read)
	}
	return o
}

func switchedCutover() *cutover.Result {
	r := still("run")
	r.State, r.PredictedMS, r.FenceLSN = cutover.Live, ptr(int64(600)), "0/1B00FF8"
	r.Steps = went(plannedSteps(), r.StartedAt, 1, 4170, 61_200, 2310, 290.5, 131.2, 8.4, 61, 22.7, 121.5, 44.9, 7.3, 11.8, 3.1, 9.9)
	r.Verified, r.Gate = evidence(r), passedGate()
	r.Outage = saw()
	r.Notes = []string{"the window was guarded by process 4711"}
	r.Next = []string{"watch the application; pgparity cutover rollback leads back, with what is written meanwhile", "when you are sure: pgparity cutover finalize"}
	return r
}

// abortedCutover failed twice, and each time all was undone.
func abortedCutover() *cutover.Result {
	r := still("run")
	r.Outcome, r.State, r.PredictedMS = cutover.AbortedRun, cutover.Aborted, ptr(int64(600))
	back := func(attempt int) cutover.StepResult {
		return cutover.StepResult{State: cutover.Aborting, What: "take back what was done", Attempt: attempt, TookMS: ptr(66.0), Actions: []cutover.Action{
			{ID: "thaw-limit", On: "source", Do: "ALTER DATABASE shop CONNECTION LIMIT -1", TookMS: ptr(12.0)},
		}}
	}
	first := went(plannedSteps()[:6], r.StartedAt, 1, 4170, 61_200, 2310, 290.5, 131.2, 2000)
	first[5].Error = "FROZEN did not end within its budget of 2s: source: pid 4242 (user app) has a transaction open that writes"
	first[5].Actions[0].Error = "source: pid 4242 (user app) has a transaction open that writes"
	second := went(plannedSteps()[3:9], r.StartedAt.Add(75*time.Second), 2, 290.5, 131.2, 8.4, 61, 22.7, 340)
	second[5].Error = "public.orders differs in the window: 1 row of key id=42; run verify before you try again"
	r.Steps = append(append(append(first, back(1)), second...), back(2))
	r.Verified = evidence(r)
	r.Gate = &cutover.Gate{LSN: "0/1B00FF8", TookMS: 340, Findings: []string{"public.orders: 1 row differs: id=42"}, Tables: []cutover.GateTable{{Name: "public.orders", Claim: "changed", Rows: 4120, Compared: 4120, Why: "written since transaction 771203"}}}
	r.Outage = saw()
	r.Outage.WriteMS, r.Outage.ReadMS, r.Outage.ProbedMS = 2140, 2140, 4000
	r.Outage.Marks = append(r.Outage.Marks[:2], cutover.Mark{State: cutover.Aborting, AtMS: 3000}, cutover.Mark{State: cutover.Aborted, AtMS: 3070})
	r.Reasons = []string{"VERIFIED: public.orders differs in the window: 1 row of key id=42; run verify before you try again"}
	r.Next = []string{"run pgparity verify, and mend what it finds"}
	return r
}

// stoppedCutover could not open the target.
func stoppedCutover() *cutover.Result {
	r := switchedCutover()
	r.Outcome, r.State, r.Outage = cutover.Stopped, cutover.PNR, nil
	r.Steps = r.Steps[:12]
	s := &r.Steps[11]
	s.TookMS = ptr(30_004.0)
	s.Error = "TARGET_OPEN did not end within its budget of 30s: target: connection refused; start the server, and run the cutover again"
	s.Actions = s.Actions[:1]
	s.Actions[0].Error = "target: connection refused; start the server, and run the cutover again"
	r.Reasons = []string{"TARGET_OPEN: target: connection refused; start the server, and run the cutover again"}
	r.Next = []string{"start the target's server, and run pgparity cutover run again: it goes on where it stopped"}
	return r
}

func rolledBackCutover() *cutover.Result {
	r := switchedCutover()
	r.Command, r.Direction, r.PredictedMS = "rollback", cutover.Rollback, nil
	r.Outage.Timeline, r.Outage.Marks, r.Outage.Failed, r.Outage.Failures, r.Outage.Elsewhere = []cutover.Beat{}, []cutover.Mark{}, 0, nil, 2
	r.Next = []string{"find out what went wrong before you switch again"}
	return r
}

func statusCutover() *cutover.Result {
	r := still("status")
	r.State = cutover.Live
	r.Steps = []cutover.StepResult{{State: cutover.Live, What: "see that it has arrived", StartedAt: "2026-11-21T22:10:00.250Z", TookMS: ptr(9.9), Actions: []cutover.Action{}}}
	r.Notes = []string{"source: closed: connection limit 0, read only, no client", "target: open, 41 clients, the stream back is 16 kB behind"}
	r.Next = []string{"pgparity cutover rollback leads back; pgparity cutover finalize ends it"}
	return r
}

func refusedCutover() *cutover.Result {
	r := still("run")
	r.Outcome, r.Preflight = cutover.Refused, blockedPreflight()
	r.Reasons = []string{"the preflight is blocked: replica-identity-missing (12)"}
	r.Steps = []cutover.StepResult{{State: cutover.Preflighted, What: "look for what would go wrong", TookMS: ptr(4170.0), Error: "blocked: replica-identity-missing (12)", Actions: []cutover.Action{}}}
	return r
}

func verifyOnlyCutover() *cutover.Result {
	r := still("run")
	r.Pair, r.Strategy, r.State = "", cutover.VerifyOnly, cutover.Verified
	r.Verified, r.Gate = evidence(r), passedGate()
	r.Verified.Own, r.Verified.Horizon = true, ""
	r.Steps = []cutover.StepResult{
		{State: cutover.Verified, What: "prove that both sides hold the same", TookMS: ptr(121.5), Actions: []cutover.Action{}},
		{State: cutover.Freezing, What: "keep clients out", Skipped: "the strategy is verify-only", Actions: []cutover.Action{}},
	}
	return r
}

// hostileCutover holds it in every text field.
func hostileCutover() *cutover.Result {
	h := hostile
	r := still("plan")
	r.Pair, r.Run, r.Tool, r.FenceLSN = h, h, preflight.Tool{Version: h, OptionsHash: h}, h
	r.Outcome, r.State, r.Direction, r.Strategy = cutover.Outcome(h), cutover.State(h), cutover.Direction(h), cutover.Strategy(h)
	r.Source = preflight.Server{ServerVersion: h, SystemIdentifier: h, Database: h}
	r.Target = r.Source
	r.Reasons, r.Notes, r.Next = []string{h}, []string{h}, []string{h}
	statement := "SELECT '" + h + "'\n```\n# not a heading\n" + h
	a := cutover.Action{ID: h, On: h, Do: statement, Why: h, Error: h, TookMS: ptr(1.0)}
	r.Steps = []cutover.StepResult{
		{State: cutover.State(h), What: h, Error: h, StartedAt: h, Attempt: 1, Actions: []cutover.Action{a}, Undo: []cutover.Action{a}},
		{State: cutover.Freezing, What: h, Actions: []cutover.Action{{ID: h, On: "source", Do: statement, Why: h, Gate: true}, {ID: h, On: "pooler " + h, Do: h, Wait: true}, {ID: h, On: "hook " + h, Do: h}}},
		{State: cutover.PNR, What: h, Skipped: h},
	}
	r.Preflight = hostilePreflight()
	r.Verified = &cutover.Evidence{AsOfLSN: h, Horizon: h}
	r.Gate = &cutover.Gate{LSN: h, Findings: []string{h}, Tables: []cutover.GateTable{{Name: h, Claim: h, Why: h}, {Name: h, Claim: "whole", Why: h}}}
	r.Outage = &cutover.Outage{Timeline: []cutover.Beat{{Kind: h, On: h}, {Kind: "write", On: h, AtMS: 20}}, Marks: []cutover.Mark{{State: cutover.State(h)}, {State: cutover.Freezing, AtMS: 2}, {State: cutover.State(h), AtMS: 5}}, Failures: []cutover.Failure{{Kind: h, Error: h, Count: 1}}, Lost: 1, Elsewhere: 1}
	return r
}
