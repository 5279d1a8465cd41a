package checker_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// The claim under test: many differences are counted to the row, and cost time
// in proportion to their number and no memory.

// bulkTable is a table of which many rows differ. n counts its rows from 1.
type bulkTable struct {
	name, columns, row, plan string
}

var bulkTables = []bulkTable{
	{"integer key", `n int PRIMARY KEY, v int`, `g, g`, "ranges"},
	{"text key", `k text COLLATE "C" PRIMARY KEY, n int, v int`, `'key ' || 10000000 + g, g, g`, "ranges"},
	{"composite key", `a int, b text COLLATE "C", n int, v int, PRIMARY KEY (a, b)`, `g / 500, 'b' || 10000000 + g, g, g`, "ranges"},
	{"sweep", `k text COLLATE "en-x-icu" PRIMARY KEY, n int, v int`, `'key ' || g, g, g`, "sweep"},
	{"multiset", `n int, v int`, `g, g`, "multiset"},
}

// make is the statements that make a table of so many rows and then change it.
func (b bulkTable) make(rows int, changes ...string) []string {
	sql := []string{fmt.Sprintf(`CREATE TABLE bulk (%s) WITH (autovacuum_enabled = off)`, b.columns), fmt.Sprintf(`INSERT INTO bulk SELECT %s FROM generate_series(1, %d) AS g`, b.row, rows)}
	return append(append(sql, changes...), `ANALYZE bulk`)
}

// bulkDamages are what happened to a target of so many rows, and how many
// findings that makes. In a table without a key another row is one that lacks
// and one that is too many.
var bulkDamages = []struct {
	name, source, target string
	kind                 string
	findings             func(rows int) int
}{
	{"one different", ``, `UPDATE bulk SET v = -v WHERE n = 77`, checker.KindDifferent, func(int) int { return 1 }},
	{"1000 scattered", ``, `UPDATE bulk SET v = -v WHERE n %% (%d / 1000) = 1`, checker.KindDifferent, func(int) int { return 1000 }},
	{"all different", ``, `UPDATE bulk SET v = -v`, checker.KindDifferent, func(rows int) int { return rows }},
	{"all missing", ``, `TRUNCATE bulk`, checker.KindMissing, func(rows int) int { return rows }},
	{"others instead", ``, `TRUNCATE bulk`, "", func(rows int) int { return 2 * rows }},
	{"all extra", `TRUNCATE bulk`, ``, checker.KindExtra, func(rows int) int { return rows }},
}

// TestBulk: all that differs is counted, as many as asked for are listed.
func TestBulk(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	const rows, listed = 5_000, 25
	servers := [2]*pgcluster.Cluster{pgcluster.Shared(t, 15), pgcluster.Shared(t, 18)}
	for i, b := range bulkTables {
		for j, d := range bulkDamages {
			if (i+j)%2 != 1 || testing.Short() && j%3 != 0 {
				continue
			}
			t.Run(b.name+"/"+d.name, func(t *testing.T) {
				change := func(sql string) string {
					if d.name == "1000 scattered" && sql != "" {
						return fmt.Sprintf(sql, rows)
					}
					return sql
				}
				source, changes := servers[0].TestDB(t, b.make(rows, change(d.source))...), []string{change(d.target)}
				if d.kind == "" {
					changes = append(changes, fmt.Sprintf(`INSERT INTO bulk SELECT %s FROM generate_series(%d, %d) AS g`, b.row, rows+1, 2*rows))
				}
				target := servers[1].TestDB(t, b.make(rows, changes...)...)
				o := defaults()
				o.MaxDiffs, o.ChunkRows, o.Last, o.Budget = listed, 1200, 100, 2*time.Second
				res := verify(t, source, target, o)
				want := d.findings(rows)
				if b.plan == "multiset" && d.kind == checker.KindDifferent {
					want *= 2
				}
				tab := res.Tables[0]
				if tab.FindingsTotal != int64(want) || len(tab.Findings) != min(want, listed) || tab.Error != "" || tab.Plan != b.plan || tab.Chunks.Compared != tab.Chunks.Planned {
					t.Errorf("by %s: %d findings, %d listed, %d of %d units compared, %q; want %d", tab.Plan, tab.FindingsTotal, len(tab.Findings), tab.Chunks.Compared, tab.Chunks.Planned, tab.Error, want)
				}
				for _, f := range tab.Findings {
					if f.Kind != d.kind && d.kind != "" && b.plan != "multiset" {
						t.Fatalf("%s %v, want only %s", f.Kind, f.Key, d.kind)
					}
				}
				if res.Verdict != checker.Mismatch {
					t.Errorf("%s: %q", res.Verdict, res.Reasons)
				}
			})
		}
	}
}

// peak watches the heap until it is asked, and returns how much of it was in
// use at most.
func peak() (stop func() uint64) {
	done := make(chan struct{})
	var work sync.WaitGroup
	var most uint64
	work.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() uint64 { close(done); work.Wait(); return most }
}

// TestBulkIsLinear: where every row differs, four times the rows take about four
// times as long, and no more memory than a batch does.
func TestBulkIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const few, factor = 4_000, 4
	servers := [2]*pgcluster.Cluster{pgcluster.Shared(t, 15), pgcluster.Shared(t, 18)}
	for i, b := range bulkTables {
		t.Run(b.name, func(t *testing.T) {
			if testing.Short() && i > 0 {
				t.Skip("-short leaves it out: it takes long to tell how long something takes")
			}
			var again func() time.Duration // the last, which is the larger one
			var took [2]time.Duration
			for i, rows := range []int{few, factor * few} {
				source, target := servers[0].TestDB(t, b.make(rows)...), servers[1].TestDB(t, b.make(rows, `UPDATE bulk SET v = -v`)...)
				again = func() time.Duration { return b.allDiffer(t, source, target, rows) }
				took[i] = again()
			}
			// A fixed part of a run is the same for both, which the margin is for.
			// What else the machine does may slow down one of them, not each time.
			limit := func() time.Duration { return 2*factor*took[0] + 500*time.Millisecond }
			for n := 0; n < 3 && took[1] > limit(); n++ {
				took[1] = min(took[1], again())
			}
			if took[1] > limit() {
				t.Errorf("%s for %d rows, %s for %d", took[0], few, took[1], factor*few)
			}
		})
	}
}

// allDiffer compares a table of which every row differs, and tells how long
// that took.
func (b bulkTable) allDiffer(t *testing.T, source, target string, rows int) time.Duration {
	t.Helper()
	o := defaults()
	o.Checks, o.MaxDiffs, o.Budget = []string{"ranges"}, 10, 2*time.Second
	runtime.GC()
	most := peak()
	began := time.Now()
	res := verify(t, source, target, o)
	took := time.Since(began)
	heap := most()
	if heap > 64<<20 {
		t.Errorf("%d rows: the heap was %d MiB", rows, heap>>20)
	}
	want := int64(rows)
	if b.plan == "multiset" {
		want *= 2
	}
	if res.Tables[0].FindingsTotal != want {
		t.Errorf("%d findings, want %d: %q", res.Tables[0].FindingsTotal, want, res.Tables[0].Error)
	}
	t.Logf("%d rows: %s, heap %d MiB", rows, took.Round(time.Millisecond), heap>>20)
	return took
}
