package checker_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/testdata/zoo"
)

// notOfTables are what the zoo has and a verify leaves out and names.
var notOfTables = []string{
	"pg_catalog.pg_largeobject: large objects are not compared",
	"zoo.abroad: foreign table",
	"zoo.m_empty: materialised view",
	"zoo.m_filled: materialised view",
	"zoo.m_of_m: materialised view",
}

// What a dump carries from one major version to another is found equal, whole:
// every table of the zoo, every row, every sequence. Then a row less in each
// table, and a number taken from each sequence, are found in each.
func TestZoo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	for _, majors := range [][2]int{{10, 18}, {15, 18}} {
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			t.Parallel()
			source, target := zoo.Pair(t, majors[0], majors[1])
			checkZoo(t, source, target)
		})
	}
	t.Run("18 made twice", func(t *testing.T) { // what no dump of an older server has
		t.Parallel()
		checkZoo(t, zoo.New(t, 18), zoo.New(t, 18))
	})
}

func checkZoo(t *testing.T, source, target string) {
	o := defaults()
	o.Checks = append(o.Checks, "schema")
	o.Strict = true // what is only noted would decide, too
	res := verify(t, source, target, o)
	wholeZoo(t, res, source)

	damageZoo(t, res, source, target)
	res = verify(t, source, target, o)
	if res.Verdict != checker.Mismatch {
		t.Errorf("damaged all over: %s", res.Verdict)
	}
	for _, tab := range res.Tables {
		if filled := *tab.Rows.Source > 0; filled && (tab.Verdict != checker.Mismatch || tab.FindingsTotal != 1) {
			t.Errorf("%s has a row less: %s, %d findings", tab.Name, tab.Verdict, tab.FindingsTotal)
		}
	}
	for _, s := range res.Sequences {
		if s.Finding != "behind" {
			t.Errorf("sequence %s: %q, want behind", s.Name, s.Finding)
		}
	}
}

// wholeZoo: all was compared and agreed, but for what is left out on purpose.
func wholeZoo(t *testing.T, res *checker.Result, source string) {
	t.Helper()
	if res.Verdict != checker.Match || len(res.Reasons) > 0 {
		t.Errorf("%s: %q", res.Verdict, res.Reasons)
	}
	if res.Coverage.ChunksPlanned != res.Coverage.ChunksCompared || len(res.Coverage.Skipped) > 0 {
		t.Errorf("%d of %d chunks, skipped %v", res.Coverage.ChunksCompared, res.Coverage.ChunksPlanned, res.Coverage.Skipped)
	}
	var excluded []string
	for _, s := range res.Coverage.Excluded {
		excluded = append(excluded, s.Object+": "+s.Reason)
	}
	slices.Sort(excluded)
	if diff := cmp.Diff(notOfTables, excluded); diff != "" {
		t.Errorf("excluded (-want +got):\n%s", diff)
	}
	for _, f := range res.Schema {
		t.Errorf("definitions differ: %+v", f)
	}
	conn := connect(t, source)
	const ownTables = `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname NOT IN ('pg_catalog', 'information_schema')`
	if n := queryInt(t, conn, ownTables); int(n) != len(res.Tables) || res.Coverage.Tables != len(res.Tables) || n < 50 {
		t.Errorf("%d tables compared, %d covered, of %d", len(res.Tables), res.Coverage.Tables, n)
	}
	if n := queryInt(t, conn, "SELECT count(*) FROM pg_sequences"); int(n) != len(res.Sequences) || n < 15 {
		t.Errorf("%d sequences compared of %d", len(res.Sequences), n)
	}
	var rows int64
	for _, tab := range res.Tables {
		rows += *tab.Rows.Source
	}
	if rows < 10_000 || res.Coverage.RowsCompared < rows {
		t.Errorf("%d rows compared of %d", res.Coverage.RowsCompared, rows)
	}
}

// damageZoo takes one row from each table of the target, and a number from each
// sequence of the source.
func damageZoo(t *testing.T, res *checker.Result, source, target string) {
	t.Helper()
	conn := connect(t, target)
	must(t, conn, "SET session_replication_role = replica") // neither triggers nor rules
	for _, tab := range res.Tables {
		only := "ONLY "
		if queryText(t, conn, "SELECT relkind::text FROM pg_class WHERE oid = "+postgres.Literal(tab.Name)+"::regclass") == "p" {
			only = ""
		}
		from := only + tab.Name
		must(t, conn, "DELETE FROM "+from+" x USING (SELECT tableoid AS t, ctid AS at FROM "+from+" LIMIT 1) one WHERE x.tableoid = one.t AND x.ctid = one.at")
	}
	must(t, connect(t, source), `DO $$
DECLARE s regclass;
BEGIN
  FOR s IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'S' LOOP PERFORM nextval(s); END LOOP;
END $$`)
}
