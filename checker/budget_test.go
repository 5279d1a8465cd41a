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
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// The claim under test: no statement that reads a table runs past the budget,
// whatever the plan, the version and the statistics; and what comes out is the
// same as without a budget.

// slowRows fills a table with rows that are slow to hash and quick to make: a
// text of 30 kB each, compressed in the row. The expected cost of such a row is
// a hundredth of what it takes, so that every first guess at a piece is far too
// large.
const slowRows = `CREATE TABLE seed AS SELECT repeat('0123456789', 3000) AS v;
INSERT INTO slow SELECT %s, s.v || '' FROM generate_series(1, %d) AS g, LATERAL (SELECT v FROM seed) AS s;
DROP TABLE seed`

// slowTable is a table to be read within a budget.
type slowTable struct {
	name    string
	columns string // of the key, and constraints, around v
	key     string // as selected from g
	plan    string
	chunks  int // rows of a chunk, 0 for one
	damage  string
	total   int64
}

const (
	damageByN = `UPDATE slow SET v = v || '!' WHERE n = 4000; DELETE FROM slow WHERE n = 12000; INSERT INTO slow SELECT %s, 'extra' FROM (VALUES (90001)) AS g(g)`
)

var slowTables = []slowTable{
	{name: "integer key", columns: `n int PRIMARY KEY, v text`, key: `g`, plan: "ranges", chunks: 4000},
	{name: "integer key, one chunk", columns: `n int PRIMARY KEY, v text`, key: `g`, plan: "ranges"},
	{name: "text key", columns: `k text COLLATE "C" PRIMARY KEY, n int, v text`, key: `'key ' || g, g`, plan: "ranges", chunks: 4000},
	{name: "composite key", columns: `a int, b text COLLATE "C", n int, v text, PRIMARY KEY (a, b)`, key: `g / 1000, 'b' || g, g`, plan: "ranges", chunks: 4000},
	{name: "sweep", columns: `k text COLLATE "en-x-icu" PRIMARY KEY, n int, v text`, key: `'key ' || g, g`, plan: "sweep"},
	{name: "multiset", columns: `n int, v text`, key: `g`, plan: "multiset"},
}

// lies are what the statistics may say of a table.
var lies = []struct{ name, sql string }{
	{"never analysed", ``},
	{"far too few rows", `ANALYZE slow; UPDATE pg_catalog.pg_class SET reltuples = 10 WHERE relname = 'slow'`},
	{"far too many rows", `ANALYZE slow; UPDATE pg_catalog.pg_class SET reltuples = 100000000 WHERE relname = 'slow'`},
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
		slices.SortFunc(findings, func(a, b checker.Finding) int { return strings.Compare(fmt.Sprint(a.Key, a.Kind), fmt.Sprint(b.Key, b.Kind)) })
		p.Tables[i].Findings = findings
	}
	return p
}

// margin is what a statement may take beyond its budget until the server has
// cancelled it: the machine has other work.
const margin = 150 * time.Millisecond

// TestBudget reads tables whose statistics lie, clean and damaged.
func TestBudget(t *testing.T) {
	const budget, rows = 60 * time.Millisecond, 20_000
	for _, majors := range [][2]int{{15, 18}, {13, 11}} {
		servers := [2]*pgcluster.Cluster{pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1])}
		for i, table := range slowTables {
			for j, lie := range lies {
				if testing.Short() && (i+j)%len(lies) != 1 {
					continue
				}
				t.Run(fmt.Sprint(majors[0], "-", majors[1], "/", table.name, "/", lie.name), func(t *testing.T) {
					source := servers[0].TestDB(t, table.make(rows, lie.sql, false)...)
					for _, damaged := range []bool{false, true} {
						target := servers[1].TestDB(t, table.make(rows, lie.sql, damaged)...)
						budgeted(t, servers, [2]string{source, target}, table, damaged, budget)
					}
				})
			}
		}
	}
}

// budgeted holds a run under a budget against one without.
func budgeted(t *testing.T, servers [2]*pgcluster.Cluster, urls [2]string, table slowTable, damaged bool, budget time.Duration) {
	t.Helper()
	o := defaults()
	o.ChunkRows = table.chunks
	run := func(b time.Duration) (checker.Result, [2][]statement, int) {
		marks := [2]logMark{markLog(t, servers[0], urls[0]), markLog(t, servers[1], urls[1])}
		o.Budget = b
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		res := verifyWithin(t, ctx, urls, o)
		var all [2][]statement
		cancelled := 0
		for i, m := range marks {
			var n int
			all[i], n = m.since(t)
			cancelled += n
		}
		t.Logf("damaged %t, budget %s: %s, %d and %d statements, the longest took %s and %s, %d cancelled", damaged, b, time.Since(began).Round(time.Millisecond), len(all[0]), len(all[1]), longest(all[0]).took, longest(all[1]).took, cancelled)
		return same(res), all, cancelled
	}
	free, unbounded, _ := run(0)
	tight, bounded, _ := run(budget)
	if diff := cmp.Diff(free, tight); diff != "" {
		t.Errorf("damaged %t: the budget changed the result (-without +with):\n%s", damaged, diff)
	}
	want, verdict := int64(0), checker.Match
	if damaged {
		want, verdict = 3, checker.Mismatch
		if table.plan == "multiset" {
			want = 4 // another row is one that lacks and one that is too many
		}
	}
	if tab := tight.Tables[0]; tight.Verdict != verdict || tab.FindingsTotal != want || tab.Plan != table.plan {
		t.Errorf("damaged %t: %s by %s with %d findings, want %s by %s with %d: %q", damaged, tight.Verdict, tab.Plan, tab.FindingsTotal, verdict, table.plan, want, tight.Reasons)
	}
	for i := range servers {
		if most := longest(bounded[i]); most.took > budget+margin {
			t.Errorf("damaged %t: %d: %q took %s, the budget is %s", damaged, servers[i].Major(), most.tag, most.took, budget)
		}
		if table.chunks == 0 && longest(unbounded[i]).took < budget+margin {
			t.Errorf("damaged %t: %d: without a budget the longest statement took %s: this shows nothing", damaged, servers[i].Major(), longest(unbounded[i]).took)
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

var _ = hashing.Auto
