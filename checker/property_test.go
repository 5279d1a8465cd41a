package checker_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

func randOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// route is a pair of databases in which one world after another is made.
type route struct {
	majors [2]int
	conns  [2]*pgconn.PgConn
	sides  [2]*postgres.DB
}

// routes are the pairs of versions, the usual way up more often than others.
var routes = [][2]int{{15, 18}, {15, 18}, {15, 18}, {15, 18}, {15, 18}, {10, 15}, {11, 13}, {18, 11}}

// openRoute makes the types that worlds use. The enum's labels stand in
// another order on the other side, so its sort order and its OIDs differ.
func openRoute(t *testing.T, majors [2]int) *route {
	r := &route{majors: majors}
	labels := []string{`'sad', 'ok', 'happy', 'it''s $c'`, `'it''s $c', 'happy', 'ok', 'sad'`}
	for side, major := range majors {
		setup := []string{
			"CREATE SCHEMA ext", "CREATE EXTENSION citext SCHEMA ext", "CREATE EXTENSION hstore SCHEMA ext", "CREATE SCHEMA ty",
			"CREATE TYPE ty.mood AS ENUM (" + labels[side] + ")", "CREATE TYPE ty.duo AS (a integer, b text)",
			"CREATE DOMAIN ty.amount AS numeric CHECK (VALUE IS NULL OR VALUE < 1e12)",
			"CREATE DOMAIN ty.word AS text", "CREATE DOMAIN ty.big AS bigint",
		}
		if major >= 12 {
			setup = append(setup, "CREATE COLLATION ty.nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
		}
		url := pgcluster.Shared(t, major).TestDB(t, setup...)
		conn, err := pgconn.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		r.conns[side] = conn
		r.sides[side] = open(t, []postgres.Side{postgres.Source, postgres.Target}[side], url)
	}
	return r
}

// build makes both schemas of a world from nothing.
func (r *route) build(t *rapid.T, w *world, analyze bool) {
	var wg sync.WaitGroup
	var errs [2]error
	for side := range r.conns {
		wg.Go(func() {
			list := []string{`DROP SCHEMA IF EXISTS "My.Schema" CASCADE`, `DROP SCHEMA IF EXISTS "s""$c" CASCADE`, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"}
			if w.schema != "public" {
				list = append(list, "CREATE SCHEMA "+ident(w.schema))
			}
			for _, m := range w.tables {
				list = append(list, m.statements(w.schema, side)...)
			}
			if analyze {
				list = append(list, "ANALYZE")
			}
			script := "SET client_min_messages = warning;\n" + strings.Join(list, ";\n")
			_, errs[side] = r.conns[side].Exec(context.Background(), script).ReadAll()
		})
	}
	wg.Wait()
	for side, err := range errs {
		if err != nil {
			t.Fatalf("%d cannot hold the world: %v\n%s", r.majors[side], err, w)
		}
	}
}

// String prints a world's statements, without the rows, and its damages.
func (w *world) String() string {
	var b strings.Builder
	for _, m := range w.tables {
		for side, name := range []string{"source", "target"} {
			for _, s := range m.statements(w.schema, side) {
				if !strings.HasPrefix(s, "INSERT") {
					fmt.Fprintf(&b, "%s: %s;\n", name, s)
				}
			}
		}
		fmt.Fprintf(&b, "-- %d rows on the source, %d on the target\n", len(m.rows[0]), len(m.rows[1]))
		for _, d := range m.damage {
			fmt.Fprintf(&b, "-- %s\n", d)
		}
	}
	return b.String()
}

// patience is how long worlds are made where no number of them is asked for.
const patience = 25 * time.Second

// TestFindsExactlyWhatDiffers makes random tables with the same rows on two
// servers, damages one side, and demands exactly the findings that a plain
// comparison of the rows in memory gives: by the servers' hashes, and by the
// client's. Run it again with -rapid.seed, which a failure prints, and longer
// with -rapid.checks.
func TestFindsExactlyWhatDiffers(t *testing.T) {
	t.Parallel()
	opened := map[[2]int]*route{}
	var worlds, damaged int
	start, patience := time.Now(), patience
	if testing.Short() {
		patience /= 8
	}
	checks := flag.Lookup("rapid.checks")
	asked := checks.Value.String() != checks.DefValue
	rapid.Check(t, func(rt *rapid.T) {
		if !asked && time.Since(start) > patience {
			return
		}
		majors := anyOf(routes).Draw(rt, "versions")
		if opened[majors] == nil {
			opened[majors] = openRoute(t, majors)
		}
		w := drawWorld(rt, majors)
		hurt(rt, w)
		o := defaults()
		o.Checks = []string{"counts", "ranges"}
		if rapid.Bool().Draw(rt, "last rows first") { // then what they find is not found twice
			o.Checks = append(o.Checks, "last")
		}
		o.Last = rapid.SampledFrom([]int{1, 10, 1000}).Draw(rt, "last")
		o.ChunkRows = rapid.SampledFrom([]int{0, 10, 40}).Draw(rt, "chunk rows")
		o.Budget = rapid.SampledFrom([]time.Duration{0, 2 * time.Second}).Draw(rt, "budget")
		if rapid.Bool().Draw(rt, "small sizes") { // then a few rows go the ways of many
			o.Small()
		}
		o.MaxDiffs = 10_000
		o.Pairing.Filter = pairing.Filter{Schemas: []string{strings.NewReplacer("*", "?").Replace(w.schema)}}
		r := opened[majors]
		r.build(rt, w, rapid.Bool().Draw(rt, "analyze"))
		for _, way := range []hashing.Way{hashing.Auto, hashing.Stream} {
			o.Digest = way
			res, err := checker.Run(context.Background(), r.sides[0], r.sides[1], o)
			if err != nil {
				rt.Fatalf("%s: %v\n%s", way, err, w)
			}
			if diff := w.judge(res); diff != "" {
				rt.Fatalf("%d → %d, %s:\n%s\n%s", majors[0], majors[1], way, diff, w)
			}
			if res.Verdict == checker.Mismatch {
				damaged++
			}
			worlds++
		}
	})
	t.Logf("%d comparisons, %d of them found damages, on %d pairs of versions, in %s", worlds, damaged, len(opened), time.Since(start).Round(time.Millisecond))
	if damaged == 0 && !testing.Short() { // a few worlds may all be sound
		t.Error("no comparison found a damage: the test is broken")
	}
}

// judge says in what a result is not the one that the rows call for.
func (w *world) judge(res *checker.Result) string {
	var want, got, wrong []string
	for _, m := range w.tables {
		want = append(want, m.expected(reportName(w.schema, m.name))...)
	}
	for _, tab := range res.Tables {
		for _, f := range tab.Findings {
			if f.Count != nil {
				if line := countLine(tab.Name, f.Count.Source, f.Count.Target); f.Kind == strings.Fields(strings.TrimPrefix(line, tab.Name+": "))[0] {
					got = append(got, line)
				} else {
					got = append(got, line+" but called "+f.Kind)
				}
			} else {
				got = append(got, findingLine(tab.Name, f.Kind, f.Key, f.Columns))
			}
		}
		wrong = append(wrong, w.judgeTable(tab)...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		wrong = append(wrong, "findings (-want +got):\n"+diff)
	}
	verdict := checker.Match
	if len(want) > 0 {
		verdict = checker.Mismatch
	}
	c := res.Coverage
	if res.Verdict != verdict || c.Tables != len(w.tables) || c.ChunksCompared != c.ChunksPlanned || len(c.Skipped) > 0 || len(res.Schema) > 0 {
		wrong = append(wrong, fmt.Sprintf("want verdict %s and %d tables fully covered, got %s, coverage %+v, reasons %q, schema %+v", verdict, len(w.tables), res.Verdict, c, res.Reasons, res.Schema))
	}
	return strings.Join(wrong, "\n")
}

// judgeTable checks a table's numbers and its own verdict.
func (w *world) judgeTable(tab checker.TableResult) []string {
	at := slices.IndexFunc(w.tables, func(m *modelTable) bool { return reportName(w.schema, m.name) == tab.Name })
	if at < 0 {
		return []string{"unknown table " + tab.Name}
	}
	m := w.tables[at]
	var wrong []string
	if tab.Rows.Source == nil || *tab.Rows.Source != int64(len(m.rows[0])) || *tab.Rows.Target != int64(len(m.rows[1])) {
		wrong = append(wrong, fmt.Sprintf("%s: want %d and %d rows, got %+v", tab.Name, len(m.rows[0]), len(m.rows[1]), tab.Rows))
	}
	want, verdict := m.expected(tab.Name), checker.Match
	if len(want) > 0 {
		verdict = checker.Mismatch
	}
	if tab.Verdict != verdict || tab.FindingsTotal != int64(len(want)) {
		wrong = append(wrong, fmt.Sprintf("%s: want %s with %d findings, got %s with %d", tab.Name, verdict, len(want), tab.Verdict, tab.FindingsTotal))
	}
	return wrong
}
