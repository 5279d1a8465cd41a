package checker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestResumeAfterRewrite: rows that only the source has lie at its end, not read
// yet when the run is killed. VACUUM FULL moves them to pages that were read:
// what was read of the table before counts no more.
func TestResumeAfterRewrite(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	made := []string{
		`CREATE TABLE heap (a int, b text)`,
		`INSERT INTO heap SELECT g, repeat('y', 100) FROM generate_series(1, 6000) g`, `ANALYZE`,
	}
	// Half of the pages at the beginning are empty.
	hollow := []string{`DELETE FROM heap WHERE a <= 3000`}
	for _, rewrite := range []string{``, `VACUUM FULL heap`} {
		t.Run(rewrite, func(t *testing.T) {
			sourceURL := pgcluster.Shared(t, 15).TestDB(t, append(slices.Clone(made), hollow...)...)
			source := open(t, postgres.Source, sourceURL)
			target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, append(slices.Clone(made), append(hollow, `DELETE FROM heap WHERE a > 5950`)...)...))
			o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
			o.Checks, o.Concurrency = []string{"ranges"}, 1
			interrupted(t, source, target, o, checker.PieceDone, 20)
			must(t, connect(t, sourceURL), rewrite)
			res, err := checker.Run(t.Context(), source, target, o)
			if err != nil {
				t.Fatal(err)
			}
			if tab := table(res, "public.heap"); res.Verdict != checker.Mismatch || tab.FindingsTotal != 50 || *tab.Rows.Source != 3000 {
				t.Errorf("%s, %d findings, %d rows: %q", res.Verdict, tab.FindingsTotal, *tab.Rows.Source, res.Reasons)
			}
			noted := contains(res.Notes, "the source's cluster ran write transactions during the run")
			if rewrite != "" && !noted {
				t.Errorf("a write between the runs is not noted: %q", res.Notes)
			}
		})
	}
}

// TestResumeAndNewTable: what came between the runs was not planned, and is said.
func TestResumeAndNewTable(t *testing.T) {
	made := []string{`CREATE TABLE a (id int PRIMARY KEY)`, `INSERT INTO a SELECT generate_series(1, 1000)`, `ANALYZE`}
	sourceURL, targetURL := pgcluster.Shared(t, 15).TestDB(t, made...), pgcluster.Shared(t, 18).TestDB(t, made...)
	source, target := open(t, postgres.Source, sourceURL), open(t, postgres.Target, targetURL)
	o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
	first := interrupted(t, source, target, o, checker.UnitDone, 3)
	for _, url := range []string{sourceURL, targetURL} {
		must(t, connect(t, url), `CREATE TABLE late (id int PRIMARY KEY)`)
	}
	res, err := checker.Run(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Verdict != checker.Unproven || !contains(res.Reasons, "public.late: it was created") || res.Coverage.ChunksPlanned != first.Coverage.ChunksPlanned {
		t.Errorf("%s, %d planned: %q", res.Verdict, res.Coverage.ChunksPlanned, res.Reasons)
	}
	if tab := table(res, "public.a"); tab.Verdict != checker.Match {
		t.Errorf("public.a: %s", tab.Verdict)
	}
}

// TestResumeAfterLoss: a server that goes away ends the run early, and its file
// is there for the next one.
func TestResumeAfterLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: starts a cluster of its own; run without -short")
	}
	mortal, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 15, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mortal.Stop(context.Background()) }()
	made := []string{`CREATE TABLE a (id int PRIMARY KEY)`, `INSERT INTO a SELECT generate_series(1, 5000)`, `ANALYZE`}
	if err := mortal.Exec(t.Context(), "postgres", made...); err != nil {
		t.Fatal(err)
	}
	targetURL := pgcluster.Shared(t, 18).TestDB(t, made...)
	o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
	o.Concurrency = 1
	done := 0
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.UnitDone {
			if done++; done == 6 {
				mortal.Kill()
			}
		}
	}
	first := verify(t, mortal.URL("postgres"), targetURL, o)
	if first.Verdict != checker.Unproven || first.Coverage.ChunksCompared < 6 {
		t.Fatalf("%s, %d compared: %q", first.Verdict, first.Coverage.ChunksCompared, first.Reasons)
	}
	if err := mortal.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.OnEvent = nil
	res := verify(t, mortal.URL("postgres"), targetURL, o)
	if res.Verdict != checker.Match || !contains(res.Notes, "resumed once; first started") || !contains(res.Notes, fmt.Sprintf(" %d of %d chunks", first.Coverage.ChunksCompared, res.Coverage.ChunksPlanned)) {
		t.Errorf("%s: %q %q", res.Verdict, res.Reasons, res.Notes)
	}
}

// TestDiskFull: where no checkpoint can be written any more the run goes on and
// says so once; what was written until then can be resumed from.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("skipped: a small disk cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	made := []string{`CREATE TABLE a (id int PRIMARY KEY)`, `INSERT INTO a SELECT generate_series(1, 60000)`, `ANALYZE`}
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, made...))
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, made...))
	o := resumeOptions(filepath.Join(dir, "journal"))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var warnings []string
	done := 0
	o.OnEvent = func(e checker.Event) {
		switch e.Kind { //nolint:exhaustive // the others do not matter here
		case checker.Warned:
			warnings = append(warnings, e.Message)
		case checker.UnitDone:
			if done++; done == 220 {
				cancel(errKilled)
			}
		}
	}
	res, err := checker.Run(ctx, source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	const says = "could not be written (no space left on device)"
	if len(warnings) != 1 || !strings.Contains(warnings[0], says) || !contains(res.Notes, says) {
		t.Errorf("warned %q, noted %q", warnings, res.Notes)
	}
	if res.Coverage.ChunksCompared < 200 || !contains(res.Reasons, "killed") {
		t.Errorf("%d compared: %q", res.Coverage.ChunksCompared, res.Reasons)
	}
	// Elsewhere there is room for the rest.
	content, err := os.ReadFile(o.Resume)
	if err != nil {
		t.Fatal(err)
	}
	o.Resume, o.OnEvent = filepath.Join(t.TempDir(), "journal"), nil
	if err := os.WriteFile(o.Resume, content, 0o600); err != nil {
		t.Fatal(err)
	}
	res, err = checker.Run(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Verdict != checker.Match || !contains(res.Notes, "resumed once") || contains(res.Notes, ", 0 of ") {
		t.Errorf("%s: %q", res.Verdict, res.Notes)
	}
}

// TestResumeAfterALoss: one session is ended by somebody, and with it one unit.
// The run comes to its end, and the next one does that unit alone.
func TestResumeAfterALoss(t *testing.T) {
	made := []string{
		`CREATE TABLE a (id int PRIMARY KEY)`, `INSERT INTO a SELECT generate_series(1, 1000)`,
		`CREATE TABLE b (id int PRIMARY KEY)`, `INSERT INTO b SELECT generate_series(1, 100)`, `ANALYZE`,
	}
	sourceURL := pgcluster.Shared(t, 15).TestDB(t, made...)
	source := open(t, postgres.Source, sourceURL)
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, made...))
	o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
	o.Checks = []string{"ranges"}
	holder, other := connect(t, sourceURL), connect(t, sourceURL)
	must(t, holder, `BEGIN`, `LOCK TABLE b IN ACCESS EXCLUSIVE MODE`)
	type outcome struct {
		res *checker.Result
		err error
	}
	ended := make(chan outcome)
	go func() {
		res, err := checker.Run(t.Context(), source, target, o)
		ended <- outcome{res, err}
	}()
	eventually(t, "a session waits for the lock, and is ended", func() bool {
		return queryInt(t, other, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
	})
	must(t, holder, `ROLLBACK`)
	first := <-ended
	if first.err != nil || first.res.Verdict != checker.Unproven || first.res.Coverage.ChunksCompared != first.res.Coverage.ChunksPlanned-1 {
		t.Fatalf("%v %+v", first.err, first.res)
	}
	var started int64
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.UnitStarted {
			started++
		}
	}
	res, err := checker.Run(t.Context(), source, target, o)
	if err != nil || res.Verdict != checker.Match || started != 1 {
		t.Errorf("%v, %d units done: %+v", err, started, res)
	}
}

// TestResumeKeepsThePlan: statistics that changed since change no unit.
func TestResumeKeepsThePlan(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	made := []string{`CREATE TABLE a (id int PRIMARY KEY)`, `INSERT INTO a SELECT generate_series(1, 5000)`, `ANALYZE`}
	for name, change := range map[string]string{
		"fewer rows": `UPDATE pg_class SET reltuples = 300 WHERE relname = 'a'`,
		"more rows":  `UPDATE pg_class SET reltuples = 20000 WHERE relname = 'a'`,
		"bounds":     `ALTER TABLE a ALTER id SET STATISTICS 33; ANALYZE a`,
		"scattered":  `CREATE TABLE b AS TABLE a; TRUNCATE a; INSERT INTO a SELECT id FROM b ORDER BY random(); DROP TABLE b; ANALYZE a`,
	} {
		t.Run(name, func(t *testing.T) {
			sourceURL, targetURL := pgcluster.Shared(t, 15).TestDB(t, made...), pgcluster.Shared(t, 18).TestDB(t, made...)
			source, target := open(t, postgres.Source, sourceURL), open(t, postgres.Target, targetURL)
			o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
			first := interrupted(t, source, target, o, checker.UnitDone, 10)
			for _, url := range []string{sourceURL, targetURL} {
				must(t, connect(t, url), change)
			}
			res, err := checker.Run(t.Context(), source, target, o)
			if err != nil {
				t.Fatal(err)
			}
			was, tab := table(first, "public.a"), table(res, "public.a")
			if res.Verdict != checker.Match || tab.Plan != was.Plan || tab.Chunks.Planned != was.Chunks.Planned || *tab.Rows.Source != 5000 {
				t.Errorf("%s, %s with %+v, %d rows; first %s with %+v: %q", res.Verdict, tab.Plan, tab.Chunks, *tab.Rows.Source, was.Plan, was.Chunks, res.Reasons)
			}
		})
	}
}
