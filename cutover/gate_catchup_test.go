package cutover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// settled waits until all that was written is on the other side.
func (r *run) settled(t *testing.T) {
	t.Helper()
	mark, err := r.fence.Mark(t.Context())
	if err == nil {
		err = r.fence.Wait(t.Context(), mark)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// copied replicates gateTables, of which the target has the rows by that alone.
func (w *world) copied(t *testing.T) {
	t.Helper()
	w.target.exec(t, `DO $$ BEGIN IF to_regclass('a') IS NOT NULL THEN TRUNCATE a, s, k; END IF; END $$`)
	w.replicate(t)
}

// load writes to all of gateTables until it is stopped: updates, inserts, deletes,
// changed keys, and one row again and again.
func (p *place) load(t *testing.T) (stop func() int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() {
		n := 0
		defer func() { done <- n }()
		defer conn.Close(context.Background())
		for ; ctx.Err() == nil; n++ {
			id := rand.IntN(2000) + 1
			sql := []string{
				fmt.Sprintf(`UPDATE a SET v = 'w%d' WHERE id = %d`, n, id),
				fmt.Sprintf(`INSERT INTO a VALUES (%d, 'n')`, 100_000+n),
				fmt.Sprintf(`DELETE FROM a WHERE id = %d`, id),
				fmt.Sprintf(`UPDATE a SET id = %d WHERE id = %d`, 500_000+n, 100_000+n-5),
				fmt.Sprintf(`UPDATE s SET v = 'w%d' WHERE id = 1`, n),
				fmt.Sprintf(`INSERT INTO k VALUES ('w%d')`, n),
			}[n%6]
			if _, err := conn.Exec(context.Background(), sql); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	return sync.OnceValue(func() int { cancel(); return <-done })
}

// TestCatchUpUnderLoad: while the application writes, what was written since the
// full verification is caught up with; when it has stopped, the gate sees no
// difference that is none, and every one that is.
func TestCatchUpUnderLoad(t *testing.T) {
	long(t)
	for _, majors := range [][2]int{{15, 18}, {13, 17}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			if majors[0] != 15 {
				slow(t)
			}
			w := newWorld(t, majors[0], majors[1], gateTables...)
			w.source.exec(t, `ALTER TABLE k REPLICA IDENTITY FULL`)
			w.copied(t)
			r := w.open(t, w.options(t))
			stop := w.source.load(t)
			defer stop()
			if err := r.verifyFull(t.Context()); err != nil {
				t.Fatal(err)
			}
			full := r.facts.Evidence
			for range 3 {
				rest(t.Context(), 300*time.Millisecond)
				if err := r.catchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			rest(t.Context(), 100*time.Millisecond)
			n := stop()
			r.settled(t)
			r.armed(t)
			if err := r.verifyWindow(t.Context()); err != nil {
				t.Fatal(err)
			}
			a := r.result.Gate.table(t, "public.a")
			t.Logf("%d statements; the gate took %.1f ms: %+v", n, r.result.Gate.TookMS, a)
			if since := r.gating.tables[0].Since; since.Source == full.Horizon || a.Claim != claimChanged || a.Compared == 0 || a.Compared > int64(n)/3 {
				t.Errorf("the horizon %v of %v was not brought forward: %+v", since, full, a)
			}
			w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = (SELECT max(id) FROM a)`, `DELETE FROM a WHERE id = (SELECT min(id) FROM a)`, `UPDATE s SET v = 'x' WHERE id = 2`)
			if err := r.verifyWindow(t.Context()); err == nil || len(r.result.Gate.Findings) < 3 {
				t.Errorf("%v", r.result.Gate.Findings)
			}
		})
	}
}

// TestCatchUpFinds: a difference ends the run before the window.
func TestCatchUpFinds(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.copied(t)
	for _, c := range []struct{ both, target, want string }{
		{"", `UPDATE a SET v = 'a secret' WHERE id = 5`, "public.a: different id=5 (v)"},
		{`UPDATE a SET v = 'y' WHERE id = 6`, `UPDATE a SET v = 'a secret' WHERE id = 6`, "public.a: different id=6 (v)"},
		{`UPDATE a SET v = 'y' WHERE id = 7`, `DELETE FROM a WHERE id = 7`, "public.a: missing id=7"},
		{"", `INSERT INTO a VALUES (70000, 'a secret')`, "public.a: extra id=70000"},
	} {
		r := w.open(t, w.options(t))
		r.believe(t)
		before := *r.facts.Evidence
		w.source.exec(t, c.both)
		r.settled(t)
		w.target.exec(t, c.target)
		err := r.catchUp(t.Context())
		var final errGiveUp
		if !errors.As(err, &final) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, c.want)
		}
		if *r.facts.Evidence != before {
			t.Error("the horizon was brought forward over a difference")
		}
		r.o.drop = map[string]bool{"catch-up": true}
		if err := r.catchUp(t.Context()); err != nil {
			t.Errorf("left out, it still says %v", err)
		}
		w.target.exec(t, `DELETE FROM a WHERE id > 2000`, `INSERT INTO a VALUES (7, 'y') ON CONFLICT DO NOTHING`, `UPDATE a SET v = 'v5' WHERE id = 5`, `UPDATE a SET v = 'y' WHERE id = 6`)
		r.close()
	}
}

// TestCatchUpCarries: a row that did not settle is looked up in the window, though
// it is older than the new horizon by then.
func TestCatchUpCarries(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.copied(t)
	r := w.open(t, w.options(t))
	r.believe(t)
	w.target.exec(t, "ALTER SUBSCRIPTION "+w.name+" DISABLE")
	w.source.exec(t, `UPDATE a SET v = 'lost' WHERE id = 5`, `UPDATE a SET v = 'late' WHERE id = 6`)
	before := *r.facts.Evidence
	if err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := r.gating.tables[0]
	if since := a.Since; since.Source == before.Horizon || a.Found != 2 {
		t.Errorf("since %+v, found %d", since, a.Found)
	}
	if *r.facts.Evidence != before {
		t.Error("another process would start from the new horizon, and not know of the rows")
	}
	w.target.exec(t, `UPDATE a SET v = 'late' WHERE id = 6`) // and the stream is lost
	r.armed(t)
	err := r.verifyWindow(t.Context())
	if want := []string{"public.a: different id=5 (v)"}; err == nil || !slices.Equal(r.result.Gate.Findings, want) {
		t.Errorf("%v, %q, want %q", err, r.result.Gate.Findings, want)
	}
}

// TestCatchUpBringsForward: what was caught up with is not read again, by another
// process neither.
func TestCatchUpBringsForward(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.copied(t)
	r := w.open(t, w.options(t))
	r.believe(t)
	w.source.exec(t, `UPDATE a SET v = 'w' WHERE id <= 1000`)
	r.settled(t)
	if err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.source.exec(t, `UPDATE a SET v = 'w' WHERE id = 1500`)
	r.settled(t)
	next := w.open(t, w.options(t))
	next.facts = r.facts
	for _, r := range []*run{r, next} {
		r.armed(t)
		if err := r.verifyWindow(t.Context()); err != nil || r.result.Gate.table(t, "public.a").Compared != 1 {
			t.Errorf("%v %+v", err, r.result.Gate)
		}
	}
	// A table whose pass takes too long keeps its horizon, and is not to be read so.
	w.target.exec(t, `BEGIN; LOCK TABLE a`)
	next.o.Budgets.Gate = 200 * time.Millisecond
	kept := next.gating.tables[0].Since
	facts := *next.facts.Evidence
	if err := next.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.target.exec(t, `COMMIT`)
	if next.gating.tables[0].Since != kept || *next.facts.Evidence != facts {
		t.Errorf("%+v, was %+v", next.gating.tables[0].Since, kept)
	}
	next.gating.tables[0].whole, next.gating.tables[0].measured = time.Minute, true
	if err := next.prepareGate(t.Context()); err == nil || next.gating.tables[0].claim != claimLast {
		t.Errorf("%v %s", err, next.gating.tables[0].claim)
	}
}

// TestGateActions: each action of the gate is needed.
func TestGateActions(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 5`)
	gateless := func(id string) *run {
		return w.still(t, func(o *Options) { o.drop = map[string]bool{id: true} })
	}
	if err := gateless("verified-recently").verifyFull(t.Context()); err != nil {
		t.Errorf("a mismatch is seen by the gate alone: %v", err)
	}
	if err := gateless("verify-full").verifyFull(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no full verification") {
		t.Errorf("%v", err)
	}
	r := gateless("gate-fits")
	r.o.Budgets.Gate = time.Nanosecond
	r.believe(t)
	if err := r.prepareGate(t.Context()); err != nil {
		t.Errorf("what does not fit is seen by the gate alone: %v", err)
	}
	r = gateless("gate-verify")
	r.believe(t)
	r.armed(t)
	w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 6`)
	if err := r.verifyWindow(t.Context()); err != nil || r.result.Gate != nil {
		t.Errorf("%v %+v", err, r.result.Gate)
	}
}

// TestGateTakes: how long the gate takes on half a million rows, some thousand of
// them written since. It is printed; a bound is there for what went wrong.
func TestGateTakes(t *testing.T) {
	slow(t)
	w := newWorld(t, 15, 18,
		`CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))`,
		`CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84))`,
		`CREATE TABLE branches (bid int PRIMARY KEY, bbalance int, filler char(88))`,
		`CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))`,
	)
	w.source.exec(t, `INSERT INTO tellers SELECT g, 1, 0, '' FROM generate_series(1, 50) g`, `INSERT INTO branches SELECT g, 0, '' FROM generate_series(1, 5) g`, `INSERT INTO accounts SELECT g, 1, 0, '' FROM generate_series(1, 500000) g`, `VACUUM ANALYZE accounts`, `ALTER TABLE history REPLICA IDENTITY FULL`)
	w.copied(t)
	w.target.exec(t, `VACUUM ANALYZE accounts`)
	r := w.open(t, w.options(t))
	began := time.Now()
	if err := r.verifyFull(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("full verification: %v", time.Since(began))
	w.source.exec(t, `UPDATE accounts SET abalance = abalance + 1 WHERE aid % 100 = 1`, `UPDATE tellers SET tbalance = 1`, `INSERT INTO history SELECT 1, 1, g, 5, now(), '' FROM generate_series(1, 3000) g`)
	began = time.Now()
	if err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("catching up: %v", time.Since(began))
	w.source.exec(t, `UPDATE accounts SET abalance = abalance + 1 WHERE aid % 100 = 2`, `INSERT INTO history SELECT 1, 1, g, 5, now(), '' FROM generate_series(1, 3000) g`)
	r.settled(t)
	began = time.Now()
	if err := r.prepareGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("preparing: %v; %s; predicted %v", time.Since(began), r.gating.summary(), r.gating.predicted())
	var took []float64
	for _, claim := range []string{"", claimChanged, claimWhole} {
		if claim != "" {
			r.claim(t, "public.accounts", claim)
		}
		for range 5 {
			if err := r.verifyWindow(t.Context()); err != nil {
				t.Fatal(err)
			}
			took = append(took, r.result.Gate.TookMS)
		}
		t.Logf("the gate, %q: %.1f ms", r.result.Gate.table(t, "public.accounts").Claim, took)
		t.Logf("beside, to count accounts on both sides at once: %v", bothCount(t, w))
		if slices.Min(took) > 3000 {
			t.Errorf("the gate took %v ms", took)
		}
		took = nil
	}
}

// bothCount is what the machine is capable of at the moment.
func bothCount(t *testing.T, w *world) time.Duration {
	t.Helper()
	began := time.Now()
	var counting sync.WaitGroup
	for _, p := range []*place{w.source, w.target} {
		counting.Go(func() {
			if _, err := p.conn.Exec(t.Context(), `SET max_parallel_workers_per_gather = 0; SELECT count(*) FROM accounts`, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Error(err)
			}
		})
	}
	counting.Wait()
	return time.Since(began)
}
