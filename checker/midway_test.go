package checker_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestStoppedMidway: a run is stopped in the middle and goes on from the file that it
// leaves itself. What was waiting for its turn when it was stopped was not read:
// it is not compared, and the rows there that differ are found later.
func TestStoppedMidway(t *testing.T) {
	made := []string{
		`CREATE TABLE ranged (id bigint PRIMARY KEY, a int)`,
		`INSERT INTO ranged SELECT g, g % 97 FROM generate_series(1, 4000) g`,
	}
	for i := range 8 { // units that are whole tables
		name := string(rune('a' + i))
		made = append(made, `CREATE TABLE `+name+` (id int)`, `INSERT INTO `+name+` SELECT generate_series(1, 200)`)
	}
	made = append(made, `ANALYZE`)
	damage := []string{`DELETE FROM ranged WHERE id % 100 = 0`}
	for i := range 8 {
		damage = append(damage, `DELETE FROM `+string(rune('a'+i))+` WHERE id = 7`)
	}
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, made...))
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, append(slices.Clone(made), damage...)...))
	stops := []int{1, 3, 7, 12}
	if testing.Short() {
		stops = stops[1:2]
	}
	for _, at := range stops {
		o := defaults()
		o.Checks, o.ChunkRows, o.OptionsHash, o.Resume = []string{"ranges"}, 100, "same", filepath.Join(t.TempDir(), "journal")
		n := 0
		ctx, cancel := context.WithCancelCause(t.Context())
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.UnitDone && !e.Restored {
				if n++; n == at {
					cancel(errKilled)
				}
			}
		}
		res, err := checker.Run(ctx, source, target, o)
		cancel(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tab := range res.Tables {
			if tab.FindingsTotal == 0 && tab.Chunks.Planned == 1 && tab.Chunks.Compared == 1 {
				t.Errorf("stopped after %d units: %s was compared, and nothing found", at, tab.Name)
			}
		}
		o.OnEvent = nil
		res, err = checker.Run(t.Context(), source, target, o)
		if err != nil {
			t.Fatal(err)
		}
		var total int64
		for _, tab := range res.Tables {
			total += tab.FindingsTotal
		}
		if total != 48 || res.Coverage.RowsCompared != 4000+8*200 {
			t.Errorf("stopped after %d units and resumed: %d rows differ of %d: %q", at, total, res.Coverage.RowsCompared, res.Reasons)
		}
	}
}

// TestResumeAfterAQuickFailure: the last rows could not be compared at first, and
// all content could. The next run compares both, and counts a row once.
func TestResumeAfterAQuickFailure(t *testing.T) {
	made := []string{`CREATE TABLE ranged (id bigint PRIMARY KEY, a int)`, `INSERT INTO ranged SELECT g, g FROM generate_series(1, 1000) g`, `ANALYZE`}
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, made...))
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, append(made, `UPDATE ranged SET a = -1 WHERE id IN (5, 995, 996)`)...))
	o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
	o.Checks, o.Concurrency = []string{"last", "ranges"}, 1
	_, content := recorded(t, source, target, o)
	var without [][]byte
	for line := range bytes.Lines(content) {
		if !bytes.Contains(line, []byte(`{"compared":{"table":"public.ranged","check":"last"`)) {
			without = append(without, bytes.Clone(line))
		}
	}
	if len(without) != bytes.Count(content, []byte("\n"))-1 {
		t.Fatalf("no line of the last rows in %s", content)
	}
	// As if the check had failed: the content counted its rows.
	all := bytes.ReplaceAll(bytes.Join(without, nil), []byte(`"confirmed":2`), []byte(`"total":2,"confirmed":2`))
	if bytes.Equal(all, bytes.Join(without, nil)) {
		t.Fatalf("no unit found the last rows again: %s", content)
	}
	if err := os.WriteFile(o.Resume, checker.Resum(all), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := checker.Run(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	if tab := table(res, "public.ranged"); tab.FindingsTotal != 3 || tab.Chunks.Compared != tab.Chunks.Planned {
		t.Errorf("%d rows differ, %d chunks compared: want 3 in %d", tab.FindingsTotal, tab.Chunks.Compared, tab.Chunks.Planned)
	}
}

// TestRewrittenMeanwhile: VACUUM FULL moves the one row that only the target has
// from the pages that are not read yet to those that are. Whenever it comes, the
// row is found; where it came in the middle, the table is read again, which
// is said.
func TestRewrittenMeanwhile(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: ten pairs; the rewrites of a moving table are tested in internal/soak; run without -short")
	}
	made := []string{
		`CREATE TABLE heap (a int, b text) WITH (autovacuum_enabled = off)`,
		`INSERT INTO heap SELECT g, repeat('y', 100) FROM generate_series(1, 6000) g`, `ANALYZE`,
	}
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, append(made, `DELETE FROM heap WHERE a IN (1, 6000)`)...))
	for range 10 {
		targetURL := pgcluster.Shared(t, 18).TestDB(t, made...)
		conn := connect(t, targetURL)
		must(t, conn, `DELETE FROM heap WHERE a = 1`, `UPDATE heap SET a = 1 WHERE a = 6000`)
		target := open(t, postgres.Target, targetURL)
		o := defaults()
		o.Checks, o.ChunkRows, o.Concurrency = []string{"ranges"}, 100, 1
		n := 0
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.PieceDone {
				if n++; n == 5 {
					must(t, conn, `VACUUM FULL heap`)
				}
			}
		}
		res, err := checker.Run(t.Context(), source, target, o)
		if err != nil {
			t.Fatal(err)
		}
		tab := table(res, "public.heap")
		if tab.Verdict != checker.Mismatch || tab.FindingsTotal != 1 {
			t.Fatalf("%s after %d pieces, %d findings: %q", tab.Verdict, n, tab.FindingsTotal, res.Reasons)
		}
		if contains(tab.Notes, "it was rewritten while it was read") {
			return
		}
	}
	t.Error("it never came in the middle of a reading: this shows nothing")
}
