package checker_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// The claim under test: no statement that reads a table runs past the budget,
// whatever the plan, the version and the statistics; and what comes out is the
// same as without a budget.

// slowRows fills a table with rows that are slow to hash and quick to make: a
// text of 30 kB each, compressed in the row. The expected cost of such a row is
// a tenth of what it takes, so that every first guess at a piece is far too
// large.
const slowRows = `CREATE TABLE seed AS SELECT repeat('0123456789', 3000) AS v;
INSERT INTO slow SELECT %s, s.v FROM generate_series(1, %d) AS g, LATERAL (SELECT v FROM seed) AS s;
DROP TABLE seed`

// slowTable is a table to be read within a budget.
type slowTable struct {
	name    string
	columns string // of the key, and constraints, around v
	key     string // as selected from g
	plan    string
	chunks  int // rows of a chunk, 0 for one
}

const damageByN = `UPDATE slow SET v = v || '!' WHERE n = 2000; DELETE FROM slow WHERE n = 5000; INSERT INTO slow SELECT %s, 'extra' FROM (VALUES (90001)) AS g(g)`

var slowTables = []slowTable{
	{name: "integer key", columns: `n int PRIMARY KEY, v text`, key: `g`, plan: "ranges", chunks: 2000},
	{name: "integer key, one chunk", columns: `n int PRIMARY KEY, v text`, key: `g`, plan: "ranges"},
	{name: "text key", columns: `k text COLLATE "C" PRIMARY KEY, n int, v text`, key: `'key ' || 100000 + g, g`, plan: "ranges", chunks: 2000},
	{name: "composite key", columns: `a int, b text COLLATE "C", n int, v text, PRIMARY KEY (a, b)`, key: `g / 4000, 'b' || 100000 + g, g`, plan: "ranges"},
	{name: "sweep", columns: `k text COLLATE "en-x-icu" PRIMARY KEY, n int, v text`, key: `'key ' || g, g`, plan: "sweep"},
	{name: "multiset", columns: `n int, v text`, key: `g`, plan: "multiset"},
}

// lies are what the statistics may say of a table.
var lies = []struct{ name, sql string }{
	{"never analysed", ``},
	{"far too few rows", `ANALYZE slow; UPDATE pg_catalog.pg_class SET reltuples = 10 WHERE relname = 'slow'`},
	{"far too many rows", `ANALYZE slow; UPDATE pg_catalog.pg_class SET reltuples = 100000 WHERE relname = 'slow'`},
}

// make is the statements that make a table of so many rows.
func (s slowTable) make(rows int, lie string, damaged bool) []string {
	sql := []string{fmt.Sprintf(`CREATE TABLE slow (%s) WITH (autovacuum_enabled = off)`, s.columns), fmt.Sprintf(slowRows, s.key, rows)}
	if damaged {
		sql = append(sql, fmt.Sprintf(damageByN, s.key))
	}
	return append(sql, lie, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_min_duration_statement = 0', current_database()); END $$`)
}

// statement is one that a run had a server do on a table.
type statement struct {
	took time.Duration
	tag  string // its comment
}

// logMark is a place in a server's log.
type logMark struct {
	server *pgcluster.Cluster
	db     string
	at     int64
}

func markLog(t *testing.T, server *pgcluster.Cluster, url string) logMark {
	t.Helper()
	info, err := os.Stat(server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return logMark{server, url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")], info.Size()}
}

var logged = regexp.MustCompile(`(?m)@(\S+) pgparity LOG:  duration: (\d+\.\d+) ms  execute <unnamed>: /\* pgparity run=\S+ (.*?(?:public\.\S+).*?) \*/`)

// since lists the statements on tables that were done since, and how many were
// cancelled for their time.
func (m logMark) since(t *testing.T) (done []statement, cancelled int) {
	t.Helper()
	f, err := os.Open(m.server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.NewSectionReader(f, m.at, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range logged.FindAllSubmatch(b, -1) {
		if string(hit[1]) != m.db {
			continue
		}
		ms, _ := strconv.ParseFloat(string(hit[2]), 64) // digits
		done = append(done, statement{time.Duration(ms * float64(time.Millisecond)), string(hit[3])})
	}
	return done, strings.Count(string(b), "@"+m.db+" pgparity ERROR:  canceling statement due to statement timeout")
}

func longest(all []statement) statement {
	return slices.MaxFunc(append(all, statement{}), func(a, b statement) int { return int(a.took - b.took) })
}

// same is the part of a result that no budget may change.
func same(res *checker.Result) checker.Result {
	p := proven(res)
	for i := range p.Tables {
		findings := slices.Clone(p.Tables[i].Findings)
		for j := range findings {
			if findings[j].Count != nil {
				findings[j].Key = nil // a hash under the run's own seeds
			}
		}
		slices.SortFunc(findings, func(a, b checker.Finding) int {
			return strings.Compare(fmt.Sprint(a.Key, a.Kind), fmt.Sprint(b.Key, b.Kind))
		})
		p.Tables[i].Findings = findings
		p.Tables[i].Chunks.Strip = "" // where the bounds lie may be drawn
	}
	return p
}

// margin is what a statement may take beyond its budget until the server has
// cancelled it: the machine has other work.
const margin = 150 * time.Millisecond

// TestBudget reads tables whose statistics lie, clean and damaged.
//
// PGPARITY_TEST_LIES=all tells every lie of every table.
func TestBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const budget, rows = 30 * time.Millisecond, 8_000
	all := os.Getenv("PGPARITY_TEST_LIES") == "all"
	for m, majors := range [][2]int{{15, 18}, {13, 11}} {
		servers := [2]*pgcluster.Cluster{pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1])}
		for i, table := range slowTables {
			for j, lie := range lies {
				if !all && (i+m+1)%len(lies) != j || testing.Short() && i != 4*m {
					continue
				}
				t.Run(fmt.Sprintf("%d-%d/%s/%s", majors[0], majors[1], table.name, lie.name), func(t *testing.T) {
					source := servers[0].TestDB(t, table.make(rows, lie.sql, false)...)
					for _, damaged := range []bool{false, true} {
						if !all && damaged != (i%2 == m) {
							continue // the one shows nearly as much as the other
						}
						target := servers[1].TestDB(t, table.make(rows, lie.sql, damaged)...)
						table.budgeted(t, servers, [2]string{source, target}, damaged, lie.name, budget)
					}
				})
			}
		}
	}
}

// readings are a run's result and the statements that it took.
type readings struct {
	result    checker.Result
	done      [2][]statement
	cancelled int
}

// readWithin makes a run under a budget.
func readWithin(t *testing.T, servers [2]*pgcluster.Cluster, urls [2]string, o checker.Options, budget time.Duration) readings {
	t.Helper()
	marks := [2]logMark{markLog(t, servers[0], urls[0]), markLog(t, servers[1], urls[1])}
	o.Budget = budget
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	began := time.Now()
	r := readings{result: same(verifyWithin(t, ctx, urls, o))}
	took := time.Since(began)
	for i, m := range marks {
		done, cancelled := m.since(t)
		r.done[i], r.cancelled = done, r.cancelled+cancelled
	}
	t.Logf("budget %s: %s, %d and %d statements, the longest took %s and %s, %d cancelled", budget, took.Round(time.Millisecond),
		len(r.done[0]), len(r.done[1]), longest(r.done[0]).took, longest(r.done[1]).took, r.cancelled)
	return r
}

// budgeted holds a run under a budget against one without.
func (s slowTable) budgeted(t *testing.T, servers [2]*pgcluster.Cluster, urls [2]string, damaged bool, lie string, budget time.Duration) {
	t.Helper()
	o := defaults()
	o.ChunkRows, o.Last = s.chunks, 100
	free, tight := readWithin(t, servers, urls, o, 0), readWithin(t, servers, urls, o, budget)
	if lie == lies[0].name { // without statistics bounds are drawn, and may coincide
		for _, r := range []*readings{&free, &tight} {
			r.result.Coverage.ChunksPlanned, r.result.Coverage.ChunksCompared = 0, 0
			r.result.Tables[0].Chunks = checker.ChunkCounts{}
		}
	}
	if diff := cmp.Diff(free.result, tight.result); diff != "" {
		t.Errorf("damaged %t: the budget changed the result (-without +with):\n%s", damaged, diff)
	}
	want, verdict := int64(0), checker.Match
	if damaged {
		want, verdict = 3, checker.Mismatch
		if s.plan == "multiset" {
			want = 4 // another row is one that lacks and one that is too many
		}
	}
	if tab := tight.result.Tables[0]; tight.result.Verdict != verdict || tab.FindingsTotal != want || tab.Plan != s.plan {
		t.Errorf("damaged %t: %s by %s with %d findings, want %s by %s with %d: %q", damaged, tight.result.Verdict, tab.Plan, tab.FindingsTotal, verdict, s.plan, want, tight.result.Reasons)
	}
	for i := range servers {
		if most := longest(tight.done[i]); most.took > budget+margin {
			t.Errorf("damaged %t: %d: %q took %s, the budget is %s", damaged, servers[i].Major(), most.tag, most.took, budget)
		}
		if most := longest(free.done[i]); s.chunks == 0 && lie != lies[2].name && most.took < 3*budget {
			t.Errorf("damaged %t: %d: without a budget the longest statement took %s: this shows nothing", damaged, servers[i].Major(), most.took)
		}
	}
}

// TestBudgetOfCounts: counting alone keeps to the budget, too. Rows are counted
// so fast that how many statements it takes says more than how long they are.
func TestBudgetOfCounts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const rows = 200_000
	for _, majors := range [][2]int{{15, 18}, {13, 11}} {
		if testing.Short() && majors[0] < 15 {
			continue
		}
		servers := [2]*pgcluster.Cluster{pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1])}
		for name, columns := range map[string]string{"key": `n int PRIMARY KEY`, "no key": `n int`} {
			table := slowTable{columns: columns, key: `g`}
			make := func(more int) []string {
				sql := table.make(0, lies[1].sql, false)
				sql[1] = fmt.Sprintf(`INSERT INTO slow SELECT generate_series(1, %d)`, rows+more)
				return sql
			}
			urls := [2]string{servers[0].TestDB(t, make(0)...), servers[1].TestDB(t, make(7)...)}
			o := defaults()
			o.Checks = []string{"counts"}
			r := readWithin(t, servers, urls, o, 12*time.Millisecond)
			if tab := r.result.Tables[0]; *tab.Rows.Source != rows || *tab.Rows.Target != rows+7 || r.result.Verdict == checker.Match {
				t.Errorf("%v %s: %d and %d rows, %s: %q", majors, name, *tab.Rows.Source, *tab.Rows.Target, r.result.Verdict, r.result.Reasons)
			}
			for i, done := range r.done {
				if most := longest(done); len(done) < 4 || most.took > 12*time.Millisecond+margin {
					t.Errorf("%v %s: %d: %d statements, the longest took %s", majors, name, servers[i].Major(), len(done), most.took)
				}
			}
		}
	}
}

// verifyWithin is verify with a context.
func verifyWithin(t *testing.T, ctx context.Context, urls [2]string, o checker.Options) *checker.Result {
	t.Helper()
	res, err := checker.Run(ctx, open(t, "source", urls[0]), open(t, "target", urls[1]), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
