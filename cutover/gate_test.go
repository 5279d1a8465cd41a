package cutover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
)

// gateTables: one that is compared by what changed, one that is small, one
// without a key, and one that is partitioned on the one side.
var gateTables = []string{
	`CREATE TABLE a (id int PRIMARY KEY, v text)`,
	`INSERT INTO a SELECT g, 'v' || g FROM generate_series(1, 2000) g`,
	`CREATE TABLE s (id int PRIMARY KEY, v text)`,
	`INSERT INTO s SELECT g, 'v' || g FROM generate_series(1, 20) g`,
	`CREATE TABLE k (v text)`,
	`INSERT INTO k SELECT 'v' || g % 10 FROM generate_series(1, 50) g`,
}

// still opens a run on a pair that nothing replicates: what is written to one side
// alone is what a replication has lost, or a stranger has done.
func (w *world) still(t *testing.T, change func(*Options)) *run {
	t.Helper()
	o := w.options(t)
	o.Verify.Replication = fence.KindStill
	if change != nil {
		change(&o)
	}
	return w.open(t, o)
}

// believe makes the run believe that all content was just found equal.
func (r *run) believe(t *testing.T) {
	t.Helper()
	since, err := checker.ReadHorizon(t.Context(), r.from.db, r.to.db, r.fence, r.o.Verify.Settle)
	if err != nil {
		t.Fatal(err)
	}
	res := &checker.Result{Verdict: checker.Match, FinishedAt: time.Now(), Source: checker.Identify(r.from.db), Target: checker.Identify(r.to.db)}
	r.facts.Evidence = r.evidenceOf(res, since, true)
}

// claim has a table read in a way, whatever would be cheapest.
func (r *run) claim(t *testing.T, name, claim string) {
	t.Helper()
	for _, gt := range r.gating.tables {
		if gt.Name == name {
			gt.claim, gt.task.Aim = claim, checker.Aim(claim)
			return
		}
	}
	t.Fatalf("no table %s", name)
}

// armed prepares the gate, public.a to be compared by what changed.
func (r *run) armed(t *testing.T) {
	t.Helper()
	if err := r.prepareGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.claim(t, "public.a", claimChanged)
}

func (g *Gate) table(t *testing.T, name string) GateTable {
	t.Helper()
	i := slices.IndexFunc(g.Tables, func(gt GateTable) bool { return gt.Name == name })
	if i < 0 {
		t.Fatalf("the gate says nothing of %s: %+v", name, g.Tables)
	}
	return g.Tables[i]
}

// TestGateFinds: what was lost or done since the full verification is found, and
// named.
func TestGateFinds(t *testing.T) {
	all := func(format string, of ...int) (list []string) {
		for _, n := range of {
			list = append(list, fmt.Sprintf(format, n))
		}
		return list
	}
	cases := []struct {
		name           string
		both           string // replicated
		source, target string // on one side alone
		want           []string
	}{
		{name: "nothing", both: `UPDATE a SET v = 'w' WHERE id % 7 = 0; DELETE FROM a WHERE id = 9; INSERT INTO a VALUES (9000, 'n'), (9001, NULL)`},
		{name: "a changed key", both: `UPDATE a SET id = id + 5000 WHERE id < 10`},
		{name: "written on the target alone", target: `UPDATE a SET v = 'x' WHERE id = 5`, want: all("public.a: different id=%d (v)", 5)},
		{name: "young on both sides, and not the same", both: `UPDATE a SET v = 'w' WHERE id < 10`, target: `UPDATE a SET v = 'x' WHERE id = 6`, want: all("public.a: different id=%d (v)", 6)},
		{name: "lost update of an old row", source: `UPDATE a SET v = 'x' WHERE id = 7`, want: all("public.a: different id=%d (v)", 7)},
		{name: "lost insert", source: `INSERT INTO a VALUES (8000, 'x')`, want: []string{"public.a: missing id=8000", "public.a: 2001 rows on the source, 2000 on the target"}},
		{name: "foreign insert", target: `INSERT INTO a VALUES (8000, 'x')`, want: []string{"public.a: extra id=8000", "public.a: 2000 rows on the source, 2001 on the target"}},
		{name: "lost delete", source: `DELETE FROM a WHERE id = 8`, want: []string{"public.a: extra id=8", "public.a: 1999 rows on the source, 2000 on the target"}},
		{name: "foreign delete", target: `DELETE FROM a WHERE id = 8`, want: []string{"public.a: missing id=8", "public.a: 2000 rows on the source, 1999 on the target"}},
		{name: "as many lost deletes as foreign ones", source: `DELETE FROM a WHERE id = 8`, target: `DELETE FROM a WHERE id = 1999`, want: []string{"public.a: extra id=8", "public.a: missing id=1999"}},
		{name: "lost change of a key", source: `UPDATE a SET id = 8001 WHERE id = 8`, want: []string{"public.a: missing id=8001"}},
		{name: "lost TRUNCATE", source: `TRUNCATE s; INSERT INTO s VALUES (1, 'v1')`, want: append(all("public.s: extra id=%d", 2, 3, 20), "public.s: 1 rows on the source, 20 on the target")},
		{name: "lost TRUNCATE of a table of which nothing is young then", source: `TRUNCATE a`, want: []string{"public.a: extra id=1", "public.a: 0 rows on the source, 2000 on the target"}},
		{name: "without a key", target: `DELETE FROM k WHERE ctid = (SELECT min(ctid) FROM k WHERE v = 'v3')`, want: []string{"public.k: different row_hash=", "public.k: 50 rows on the source, 49 on the target"}},
		{name: "without a key, as many rows", target: `UPDATE k SET v = 'z' WHERE ctid = (SELECT min(ctid) FROM k WHERE v = 'v3')`, want: []string{"public.k: extra row_hash=", "public.k: different row_hash="}},
	}
	for _, majors := range [][2]int{{15, 18}, {11, 17}} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%d-%d %s", majors[0], majors[1], c.name), func(t *testing.T) {
				if majors[0] != 15 && c.name != "nothing" && !strings.HasPrefix(c.name, "lost") {
					slow(t)
				}
				w := newWorld(t, majors[0], majors[1], gateTables...)
				r := w.still(t, nil)
				r.believe(t)
				r.armed(t)
				w.source.exec(t, c.both, c.source)
				w.target.exec(t, c.both, c.target)
				err := r.verifyWindow(t.Context())
				gate := r.result.Gate
				if (err == nil) != (len(c.want) == 0) || gate.Passed != (err == nil) || err != nil && !strings.Contains(err.Error(), gate.Findings[0]) {
					t.Fatalf("error %v, gate %+v", err, gate)
				}
				for _, want := range c.want {
					if !slices.ContainsFunc(gate.Findings, func(s string) bool { return strings.HasPrefix(s, want) }) {
						t.Errorf("no finding %q in %q", want, gate.Findings)
					}
				}
				if len(c.want) == 0 && len(gate.Findings) > 0 {
					t.Errorf("findings: %q", gate.Findings)
				}
				for name, claim := range map[string]string{"public.a": claimChanged, "public.s": claimWhole, "public.k": claimWhole} {
					if got := gate.table(t, name); got.Claim != claim || !got.Count {
						t.Errorf("%+v, want the claim %s", got, claim)
					}
				}
			})
		}
	}
}

// TestGateRestsOnVerification: what only the full verification could have found is
// found by a gate that reads the whole table, and not by one that does not.
func TestGateRestsOnVerification(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 5`, `UPDATE s SET v = 'x' WHERE id = 5`)
	r := w.still(t, nil)
	r.believe(t)
	r.armed(t)
	err := r.verifyWindow(t.Context())
	if want := []string{"public.s: different id=5 (v)"}; err == nil || !slices.Equal(r.result.Gate.Findings, want) {
		t.Fatalf("%v, %q, want %q", err, r.result.Gate.Findings, want)
	}
	if why := r.result.Gate.table(t, "public.a").Why; !strings.Contains(why, "rests on the full verification") {
		t.Errorf("%q", why)
	}
	r.o.Gate.Tables = []string{"public.*"}
	r.gating = nil
	if err := r.prepareGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.verifyWindow(t.Context()); err == nil || len(r.result.Gate.Findings) != 2 {
		t.Fatalf("%v, %q", err, r.result.Gate.Findings)
	}
}

// TestGateByTheClient: where the client hashes, keys are counted, and the gate says
// what that leaves open.
func TestGateByTheClient(t *testing.T) {
	for _, c := range []struct {
		source, target string
		want           int
	}{
		{`UPDATE a SET v = 'x' WHERE id = 5`, ``, 1},
		{`DELETE FROM a WHERE id = 5`, ``, 2},
		{`DELETE FROM a WHERE id = 5`, `DELETE FROM a WHERE id = 6`, 0}, // not seen: that is what it says
	} {
		w := newWorld(t, 15, 18, gateTables...)
		r := w.still(t, func(o *Options) { o.Verify.Digest = hashing.Stream })
		r.believe(t)
		r.armed(t)
		w.source.exec(t, c.source)
		w.target.exec(t, c.target)
		err := r.verifyWindow(t.Context())
		a := r.result.Gate.table(t, "public.a")
		if (err == nil) != (c.want == 0) || len(r.result.Gate.Findings) != c.want || !strings.Contains(a.Why, "as many that only one side lost as only the other did") {
			t.Errorf("%q, %q: %v, %q, %+v", c.source, c.target, err, r.result.Gate.Findings, a)
		}
	}
}

// TestGatePartitioned: through the root, whatever the other side is.
func TestGatePartitioned(t *testing.T) {
	w := newWorld(t, 13, 17)
	w.source.exec(t, `CREATE TABLE a (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)`,
		`CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (500)`, `CREATE TABLE a2 PARTITION OF a FOR VALUES FROM (500) TO (9000)`)
	w.target.exec(t, `CREATE TABLE a (id int PRIMARY KEY, v text)`)
	for _, p := range []*place{w.source, w.target} {
		p.exec(t, `INSERT INTO a SELECT g, 'v' FROM generate_series(1, 1000) g`)
	}
	r := w.still(t, nil)
	r.believe(t)
	w.source.exec(t, `UPDATE a SET v = 'w' WHERE id > 900`)
	w.target.exec(t, `UPDATE a SET v = 'w' WHERE id > 901`)
	until(t, "the statistics tell of the partitions' rows", func() bool {
		w.source.exec(t, `SELECT 1`) // a session hands in what it counted when it has something to do
		r.armed(t)
		return r.gating.tables[0].activity >= 1000
	})
	err := r.verifyWindow(t.Context())
	if want := []string{"public.a: different id=901 (v)"}; err == nil || !slices.Equal(r.result.Gate.Findings, want) {
		t.Fatalf("%v, %q, want %q", err, r.result.Gate.Findings, want)
	}
}

// TestGateHidesKeys: keys are personal data.
func TestGateHidesKeys(t *testing.T) {
	w := newWorld(t, 15, 18, `CREATE TABLE a (mail text PRIMARY KEY, v int)`, `INSERT INTO a VALUES ('ann@example.com', 1)`)
	r := w.still(t, func(o *Options) { o.Verify.HashKeys = true })
	r.believe(t)
	r.armed(t)
	w.source.exec(t, `UPDATE a SET v = 2`)
	err := r.verifyWindow(t.Context())
	if err == nil || strings.Contains(fmt.Sprint(err, r.result.Gate), "ann@") || !strings.Contains(err.Error(), "mail=hidden:") {
		t.Errorf("%v %+v", err, r.result.Gate)
	}
}

// TestGateBudget: what does not fit is told before the window, and rests on the full
// verification only where somebody accepts that.
func TestGateBudget(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	r := w.still(t, func(o *Options) { o.Budgets.Gate = time.Nanosecond })
	r.believe(t)
	err := r.prepareGate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no proof of 3 tables: public.a: the last 1000 rows by its key were compared; to read all of it takes about") || !strings.Contains(err.Error(), "public.k: to read all") {
		t.Fatalf("%v", err)
	}
	r.o.Gate.Accept = true
	if err := r.prepareGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 5`, `UPDATE k SET v = 'x'`) // neither is looked at
	r.o.Budgets.Gate = 10 * time.Second                                           // as for statements
	if err := r.verifyWindow(t.Context()); err != nil || !r.result.Gate.Passed {
		t.Fatalf("%v %+v", err, r.result.Gate)
	}
	for name, want := range map[string]GateTable{"public.a": {Claim: claimLast, Rows: 1000, Compared: 1000}, "public.s": {Claim: claimLast, Rows: 20, Compared: 20}, "public.k": {Claim: claimNothing}} {
		got := r.result.Gate.table(t, name)
		if got.Why == "" || got.Count {
			t.Errorf("%+v", got)
		}
		if got.Name, got.Why = "", ""; got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if len(r.result.Notes) != 3 {
		t.Errorf("%q", r.result.Notes)
	}
	w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 1500`)
	if err := r.verifyWindow(t.Context()); err == nil || r.result.Gate.Findings[0] != "public.a: different id=1500 (v)" {
		t.Fatalf("%v", err)
	}
}

// TestGateRunsOutOfTime: a reading that does not end is no proof.
func TestGateRunsOutOfTime(t *testing.T) {
	for _, accept := range []bool{false, true} {
		w := newWorld(t, 15, 18, gateTables...)
		r := w.still(t, func(o *Options) { o.Budgets.Gate, o.Gate.Accept = 400*time.Millisecond, accept })
		r.believe(t)
		r.armed(t)
		r.gating.tables[0].cost = time.Second // so that it is read by itself
		w.target.exec(t, `BEGIN; LOCK TABLE a`)
		ctx, cancel := context.WithTimeout(t.Context(), 20*r.o.Budgets.Gate)
		defer cancel()
		err := r.verifyWindow(ctx)
		if (err == nil) != accept || ctx.Err() != nil {
			t.Errorf("accept %v: %v", accept, err)
		}
		if a, s := r.result.Gate.table(t, "public.a"), r.result.Gate.table(t, "public.s"); a.Claim != claimNothing || a.Why == "" || s.Claim != claimWhole {
			t.Errorf("%+v %+v", a, s)
		}
	}
}

// TestGateWithoutHorizon: where it is not known from when on rows are new, whole
// tables are read.
func TestGateWithoutHorizon(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	r := w.still(t, nil)
	r.believe(t)
	r.facts.Evidence.Horizon, r.facts.Evidence.ToHorizon = "", ""
	if err := r.prepareGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.gating.tables[0].whole, r.gating.tables[0].Scan = time.Minute, time.Millisecond // changed would be cheaper, and cannot be told
	r.gating.choose(r)
	if c := r.gating.tables[0].claim; c != claimLast {
		t.Errorf("a table that does not fit is claimed to be read: %s", c)
	}
}

// TestGateParts: a large table is read in parts, which add up.
func TestGateParts(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	for _, claim := range []string{claimWhole, claimChanged} {
		r := w.still(t, nil)
		r.believe(t)
		r.armed(t)
		a := r.gating.tables[0]
		r.claim(t, a.Name, claim)
		a.cost = time.Second
		w.source.exec(t, `UPDATE a SET v = 'w' || id WHERE id % 3 = 0`)
		w.target.exec(t, `UPDATE a SET v = 'w' || id WHERE id % 3 = 0`)
		if err := r.verifyWindow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.result.Gate.table(t, a.Name); got.Rows != 2000 || a.task.Parts < 2 || claim == claimChanged && got.Compared != 666 {
			t.Errorf("%d parts: %+v", a.task.Parts, got)
		}
		w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 3`)
		if err := r.verifyWindow(t.Context()); err == nil || r.result.Gate.Findings[0] != "public.a: different id=3 (v)" {
			t.Errorf("%s: %v", claim, err)
		}
		w.target.exec(t, `UPDATE a SET v = 'w3' WHERE id = 3`)
	}
}

// TestGateDelayed: a table that the switch copies was never verified, so it is read
// whole, or what the window copied of it.
func TestGateDelayed(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	delayed := func(o *Options) { o.Delayed = []Delayed{{Table: "public.a"}} }
	w.target.exec(t, `UPDATE a SET v = 'x' WHERE id = 5`) // was damaged while it was copied
	r := w.still(t, delayed)
	r.believe(t)
	r.facts.Copied = map[string]string{"public.a": "1000"}
	if err := r.prepareGate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.verifyWindow(t.Context()); err == nil || r.result.Gate.Findings[0] != "public.a: different id=5 (v)" || r.result.Gate.table(t, "public.a").Claim != claimWhole {
		t.Fatalf("%v %+v", err, r.result.Gate)
	}
	r.gating.tables[0].whole = time.Minute
	r.gating.choose(r)
	if err := r.verifyWindow(t.Context()); err == nil || !strings.Contains(err.Error(), "those that were copied before were not") || len(r.result.Gate.Findings) > 0 {
		t.Errorf("%v", err)
	}
	r.o.Gate.Accept = true
	if err := r.verifyWindow(t.Context()); err != nil || r.result.Gate.table(t, "public.a").Compared != 1000 {
		t.Errorf("%v %+v", err, r.result.Gate)
	}
	w.target.exec(t, `DELETE FROM a WHERE id = 1001`)
	if err := r.verifyWindow(t.Context()); err == nil {
		t.Error("a row that the window did not copy went unseen")
	}
	after := w.still(t, func(o *Options) { o.Delayed = []Delayed{{Table: "public.a", After: true}} })
	after.believe(t)
	if err := after.prepareGate(t.Context()); err != nil || len(after.gating.tables) != 2 || len(after.result.Notes) != 1 {
		t.Errorf("%v, %d tables, %q", err, len(after.gating.tables), after.result.Notes)
	}
}
