package checker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// Materialised views are left out and named, or, on request, compared as
// tables without a key.
func TestMatviews(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	const (
		view      = "CREATE MATERIALIZED VIEW totals AS SELECT g AS id, g * 2 AS v FROM generate_series(1, 2000) g"
		changed   = "CREATE MATERIALIZED VIEW totals AS SELECT g AS id, CASE g WHEN 77 THEN 0 ELSE g * 2 END AS v FROM generate_series(1, 2000) g"
		unfilled  = view + " WITH NO DATA"
		plain     = "CREATE TABLE totals AS SELECT g AS id, g * 2 AS v FROM generate_series(1, 2000) g"
		elsewhere = "CREATE MATERIALIZED VIEW more AS SELECT 1 AS id"
	)
	for _, c := range []struct {
		name           string
		source, target []string
		off            bool
		want           checker.Verdict
		gist           string // of the reasons, or of what is excluded
		findings       int64
	}{
		{"not asked for", []string{view}, []string{changed}, true, checker.Match, "public.totals: materialised view", 0},
		{"equal", []string{view, "CREATE UNIQUE INDEX ON totals (id)"}, []string{view}, false, checker.Match, "", 0},
		{"a row differs", []string{view}, []string{changed}, false, checker.Mismatch, "public.totals: 2 rows differ", 2},
		{"missing", []string{view}, nil, false, checker.Mismatch, "public.totals is missing on the target", 0},
		{"on the target only", nil, []string{elsewhere}, false, checker.Match, "", 0},
		{"not filled on the target", []string{view}, []string{unfilled}, false, checker.Unproven, `public.totals: target: not populated: REFRESH MATERIALIZED VIEW "public"."totals";`, 0},
		{"not filled on the source", []string{unfilled}, []string{view}, false, checker.Unproven, `public.totals: source: not populated: REFRESH MATERIALIZED VIEW "public"."totals";`, 0},
		{"a table on the target", []string{view}, []string{plain}, false, checker.Unproven, "kind is materialised view on the source, table on the target", 0},
		{"a table on the source", []string{plain}, []string{view}, false, checker.Unproven, "kind is table on the source, materialised view on the target", 0},
		{"a table on the source, not asked for", []string{plain}, []string{view}, true, checker.Unproven, "kind is table on the source, materialised view on the target", 0},
	} {
		for _, majors := range [][2]int{{10, 15}, {15, 18}} {
			if testing.Short() && majors[0] < 15 {
				continue
			}
			t.Run(fmt.Sprint(majors, c.name), func(t *testing.T) {
				both := []string{"CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)"}
				source := pgcluster.Shared(t, majors[0]).TestDB(t, slices.Concat(both, c.source)...)
				target := pgcluster.Shared(t, majors[1]).TestDB(t, slices.Concat(both, c.target)...)
				o := defaults()
				o.Pairing.Matviews = !c.off
				o.ChunkRows = 300 // several segments
				res := verify(t, source, target, o)
				said := slices.Clone(res.Reasons)
				for _, s := range res.Coverage.Excluded {
					said = append(said, s.Object+": "+s.Reason)
				}
				if res.Verdict != c.want || !strings.Contains(strings.Join(said, "\n"), c.gist) {
					t.Errorf("%s %q, want %s and %q", res.Verdict, said, c.want, c.gist)
				}
				tab := table(res, "public.totals")
				switch compared := !c.off && (c.want == checker.Match || c.findings > 0) && c.source != nil; {
				case compared && (tab.Plan != "multiset" || *tab.Rows.Source != 2000 || tab.FindingsTotal != c.findings):
					t.Errorf("compared as %+v, want 2000 rows of a multiset and %d findings", tab, c.findings)
				case c.off && tab != nil && tab.Verdict == checker.Match:
					t.Errorf("not asked for, yet compared: %+v", tab)
				}
			})
		}
	}
}

// The privileges of materialised views are looked up like those of tables.
func TestGrantsOnMatviews(t *testing.T) {
	const view = "CREATE MATERIALIZED VIEW totals AS SELECT 1 AS id"
	source, target := pairOf(t, []string{view}, nil, nil)
	o := defaults()
	o.Pairing.Matviews = true
	needs, err := checker.Needs(t.Context(), open(t, postgres.Source, source), open(t, postgres.Target, target), o, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range needs {
		if n.Tables != 1 || len(n.Missing()) > 0 {
			t.Errorf("%s: %d tables, a superuser lacks %v", n.Side, n.Tables, n.Missing())
		}
	}
}
