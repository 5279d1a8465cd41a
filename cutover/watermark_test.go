package cutover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/postgres"
)

// monitored follows a pair as a monitor does, from a full pass on, and then leaves it. It gives
// the state, and the pass.
func (w *world) monitored(t *testing.T, o Options) (state *follow.State, pass *checker.Result) {
	t.Helper()
	r := w.open(t, o)
	fo := follow.Options{Pair: o.Pair, URL: w.source.url, Settle: 5 * time.Second}
	f, _, refused, err := follow.Begin(t.Context(), r.from.db, r.to.db, r.pair, checker.Stream{Detection: r.detection, Fence: r.fence}, follow.State{}, fo)
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	t.Cleanup(func() {
		db, err := postgres.Open(context.Background(), postgres.Options{Side: postgres.Source, URL: w.source.url, MaxConns: 2, Run: "clean"})
		if err == nil {
			err = follow.Drop(context.Background(), db, w.source.url, *state)
			db.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	at, when, err := f.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vo := o.Verify
	vo.Checks = []string{"ranges"}
	pass, err = checker.Run(t.Context(), r.from.db, r.to.db, vo)
	if err != nil || pass.Verdict != checker.Match {
		t.Fatalf("%v %v", pass, err)
	}
	if _, err := f.Step(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range r.pair.Tables {
		names = append(names, table.Name)
	}
	if err := f.Passed(t.Context(), names, at, when); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Step(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s := f.State()
	f.Close()
	return &s, pass
}

// handing is a monitor that has left its slot.
func handing(state *follow.State, pass *checker.Result) func(context.Context) (*follow.State, *checker.Result, error) {
	return func(context.Context) (*follow.State, *checker.Result, error) { return state, pass, nil }
}

// TestGateByWatermark: of what a monitor has followed the gate looks at what changed since, so
// that it takes as long for a table ten times as large.
func TestGateByWatermark(t *testing.T) {
	slow(t)
	var took []float64
	for _, rows := range []int{60_000, 600_000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			w := newWorld(t, 15, 18, `CREATE TABLE accounts (aid int PRIMARY KEY, balance int, filler char(84))`)
			w.source.exec(t, fmt.Sprintf(`INSERT INTO accounts SELECT g, 0, '' FROM generate_series(1, %d) g`, rows), `VACUUM ANALYZE accounts`)
			w.replicate(t)
			w.target.exec(t, `VACUUM ANALYZE accounts`)
			o := w.options(t)
			state, pass := w.monitored(t, o)
			o.Monitor = handing(state, pass)
			w.source.exec(t, `UPDATE accounts SET balance = 1 WHERE aid <= 500`)
			o.point = func(id string) {
				if id == "before freeze-limit" { // some come when the watermark was brought up
					w.source.exec(t, `UPDATE accounts SET balance = 2 WHERE aid % 100 = 1 AND aid <= 30000`)
				}
			}
			r, err := Run(t.Context(), o)
			succeed(t, r, err)
			g := r.Gate.table(t, "public.accounts")
			if g.Claim != claimFollowed || g.Compared != 300 {
				t.Fatalf("%+v; notes: %v", g, r.Notes)
			}
			took = append(took, r.Gate.TookMS)
		})
	}
	t.Logf("the gate took %.1f ms, and of the table ten times as large %.1f ms", took[0], took[1])
	if took[1] > 2*took[0]+50 {
		t.Errorf("the gate took %v ms: it grows with the table", took)
	}
}

// TestWatermarkSees: what was changed by who applies it is seen by the gate, whether before the
// window or in it; and the monitor goes on from where it was.
func TestWatermarkSees(t *testing.T) {
	slow(t)
	for _, at := range []string{"before watermark-now", "before freeze-limit"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 15, 18, `CREATE TABLE accounts (aid int PRIMARY KEY, balance int, filler char(84))`)
			w.source.exec(t, `INSERT INTO accounts SELECT g, 0, '' FROM generate_series(1, 60000) g`)
			w.replicate(t)
			o := w.options(t)
			state, pass := w.monitored(t, o)
			o.Monitor = handing(state, pass)
			w.target.exec(t, `CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.balance = NEW.balance + 1; RETURN NEW; END'`,
				`CREATE TRIGGER other BEFORE UPDATE ON accounts FOR EACH ROW WHEN (NEW.aid = 777) EXECUTE FUNCTION other()`, `ALTER TABLE accounts ENABLE REPLICA TRIGGER other`)
			o.drop = map[string]bool{"preflight": true} // it sees the trigger
			done := false
			o.point = func(id string) {
				if id == at && !done {
					done = true
					w.source.exec(t, `UPDATE accounts SET balance = 5 WHERE aid BETWEEN 770 AND 780`)
				}
			}
			r, err := Run(t.Context(), o)
			if err != nil || r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, " "), "public.accounts: different aid=777 (balance)") {
				t.Fatalf("%v %+v", err, r)
			}
			if confirmed := w.source.ask(t, `SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '`+state.Slot+`'`); confirmed > state.Through && len(confirmed) == len(state.Through) {
				t.Errorf("the slot is at %s, and the monitor at %s", confirmed, state.Through)
			}
		})
	}
}

// TestWatermarkOfNoUse: a state that does not fit costs a note, and the gate reads more.
func TestWatermarkOfNoUse(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE accounts (aid int PRIMARY KEY, balance int, filler char(84))`)
	w.source.exec(t, `INSERT INTO accounts SELECT g, 0, '' FROM generate_series(1, 60000) g`)
	w.replicate(t)
	o := w.options(t)
	state, pass := w.monitored(t, o)
	o.Monitor = handing(state, pass)
	state.Source.Timeline++
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if g := r.Gate.table(t, "public.accounts"); g.Claim == claimFollowed || !strings.Contains(strings.Join(r.Notes, "\n"), "the monitor's watermark is of no use") {
		t.Errorf("%+v %v", g, r.Notes)
	}
}

// TestWatermarkActions: without the one the gate reads the whole table, without the other a
// difference is found when writes have stopped.
func TestWatermarkActions(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE accounts (aid int PRIMARY KEY, balance int, filler char(84))`)
	w.source.exec(t, `INSERT INTO accounts SELECT g, 0, '' FROM generate_series(1, 60000) g`)
	w.replicate(t)
	o := w.options(t)
	state, pass := w.monitored(t, o)
	o.Monitor = handing(state, pass)
	without := func(id string) (r *Result, window bool) {
		o.drop = map[string]bool{"preflight": true, id: true}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r, slices.ContainsFunc(r.Steps, func(s StepResult) bool { return s.State == Freezing })
	}
	w.target.exec(t, `CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.balance = NEW.balance + 1; RETURN NEW; END'`,
		`CREATE TRIGGER other BEFORE UPDATE ON accounts FOR EACH ROW WHEN (NEW.aid = 777) EXECUTE FUNCTION other()`, `ALTER TABLE accounts ENABLE REPLICA TRIGGER other`)
	w.source.exec(t, `UPDATE accounts SET balance = 5 WHERE aid = 777`)
	if r, window := without(""); window || r.Outcome != AbortedRun {
		t.Errorf("%s %v, in the window: %t", r.Outcome, r.Reasons, window)
	}
	if r, window := without("watermark-now"); !window || r.Outcome != AbortedRun {
		t.Errorf("%s %v, in the window: %t", r.Outcome, r.Reasons, window)
	}
	w.target.exec(t, `DROP TRIGGER other ON accounts`)
	w.source.exec(t, `UPDATE accounts SET balance = 6 WHERE aid = 777`)
	w.settle(t)
	r, _ := without("watermark")
	succeed(t, r, nil)
	if g := r.Gate.table(t, "public.accounts"); g.Claim == claimFollowed {
		t.Errorf("%+v", g)
	}
}
