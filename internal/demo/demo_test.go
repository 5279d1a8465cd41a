package demo

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file that a person can read.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// trigger is an output that calls back once, when a text comes along.
type trigger struct {
	mu   sync.Mutex
	text strings.Builder
	on   string
	call func()
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.call != nil && strings.Contains(w.text.String(), w.on) {
		w.call()
		w.call = nil
	}
	return len(p), nil
}

func (w *trigger) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func testOptions(t *testing.T) Options {
	return Options{
		Check: checker.Options{Version: "test", Checks: []string{"sequences", "counts", "last", "ranges"}, Last: 1000,
			Concurrency: 2, Digest: hashing.Way("auto"), MaxDiffs: 100},
		Dir:       filepath.Join(t.TempDir(), "new", "folder"),
		Rendering: report.Options{Width: 80},
	}
}

// needServers skips where the demo has no server to start.
func needServers(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: -short, and the demo starts two servers and moves 400,000 rows")
	}
	_, err := pickMajors(pgcluster.Available(t.Context()), func(major int) error {
		_, err := pgcluster.Ensure(t.Context(), major)
		return err
	})
	switch {
	case errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true":
		t.Skipf("skipped: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

func TestDemo(t *testing.T) {
	needServers(t)
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out := &trigger{on: "is replicated: ", call: cancel} // Ctrl-C, once --keep has said all
	o := testOptions(t)
	o.Out, o.Keep = out, true
	s, err := Run(ctx, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if s.Clean.Verdict != checker.Match || s.Damaged.Verdict != checker.Mismatch {
		t.Errorf("verdicts %s and %s, not match and mismatch", s.Clean.Verdict, s.Damaged.Verdict)
	}
	golden(t, "clean.golden", strings.Join(reports(s.Clean), "\n")+"\n")
	golden(t, "damaged.golden", strings.Join(reports(s.Damaged), "\n")+"\n")
	checkNarration(t, out.String())
	checkReports(t, o.Dir, s)
}

func checkNarration(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		// A folder's name and a server's URL can't be shortened.
		if n := utf8.RuneCountInString(line); n > 80 && !strings.Contains(line, "/demo-report.") && !strings.Contains(line, "export PGPARITY_") {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	if strings.Contains(text, "\x1b") || strings.Contains(text, "\r") {
		t.Error("control characters, and the output is no terminal")
	}
	order := regexp.MustCompile(`(?s)\n1/7  .*\n4/7  .*\nMATCH .*\n5/7  .*\n6/7  .*\nMISMATCH .*\n7/7  .*All 21 damages were found.*PGPARITY_TARGET=`)
	if !order.MatchString(text) {
		t.Errorf("the steps are not told in order:\n%s", text)
	}
}

func checkReports(t *testing.T, dir string, s Summary) {
	t.Helper()
	if want := filepath.Join(dir, "demo-report.html"); s.HTML != want {
		t.Errorf("the page is %s, not %s", s.HTML, want)
	}
	page, err := os.ReadFile(s.HTML)
	if err != nil || !strings.Contains(string(page), "10.0.11.185/24") {
		t.Errorf("the page does not show the values: %v", err)
	}
	f, err := os.Open(s.JSON)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	saved, err := report.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := judgeDamaged(saved, damages); err != nil {
		t.Errorf("the saved report: %v", err)
	}
}

// TestInterrupted stops the demo in the middle of the copy: the cause comes
// back, and no server stays.
func TestInterrupted(t *testing.T) {
	needServers(t)
	defer goleak.VerifyNone(t)
	ctrlC := errors.New("ctrl-c")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	out := &trigger{on: "of 11 tables", call: func() { cancel(ctrlC) }}
	o := testOptions(t)
	o.Out, o.Live = out, true
	d := newDemo(o)
	_, err := d.runAndClose(ctx)
	if !errors.Is(err, ctrlC) {
		t.Fatalf("the error is %v, not the interruption", err)
	}
	if d.summary.Clean != nil {
		t.Error("the demo went on after the interruption")
	}
	for _, c := range []*pgcluster.Cluster{d.source, d.target} {
		if _, err := os.Stat(c.Dir()); c.PID() != 0 || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("server %s is still there: pid %d, %v", c.Version(), c.PID(), err)
		}
	}
	if !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("the terminal is left with an unfinished line: %q", out)
	}
}

// TestDamagesGolden keeps the list of damages in sight of whoever changes it.
func TestDamagesGolden(t *testing.T) {
	var b strings.Builder
	for _, x := range damages {
		b.WriteString(x.table + ": " + x.what + "\n")
		for _, line := range expectations([]damage{x}) {
			if !strings.Contains(line, forgotten) {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	golden(t, "damages.golden", b.String())
}

func TestFolderRefusedBeforeTheWork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := testOptions(t)
	out := &trigger{}
	o.Out, o.Dir = out, file
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("the error is %v, not one that names --dir", err)
	}
	if out.String() != "" {
		t.Errorf("work was begun: %s", out)
	}
}
