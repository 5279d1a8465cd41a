package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixture is figures of two workloads, of growth and beside pgbench; narrow
// meets its targets but for pg_dump, text misses those of a sweep, and verify
// slows its neighbour down, though not much.
func fixture() figures {
	ms := func(took ...time.Duration) []time.Duration {
		for i := range took {
			took[i] *= time.Millisecond
		}
		return took
	}
	f := figures{
		At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Rounds: 5, Scale: 1,
		Machine: machine{Cores: 4, CPU: "Some CPU @ 2 GHz", Memory: 16 << 30, OS: "Some Linux 1", Platform: "linux/amd64", Source: "15.1", Target: "18.2"},
		Workloads: []measured{
			{Workload: "narrow", Rows: 2_000_000, What: "narrow, 2000000 rows", Times: []line{
				{Name: "verify", What: judgedCommand, Took: ms(400, 900, 401, 402, 399), Memory: 30 << 20},
				{Name: differing(1000), What: "the same, 1000 different", Took: ms(600), Memory: 40 << 20},
				{Name: "copy", What: "`COPY`", Took: ms(500)},
				{Name: "hashtext", What: "`SELECT 'x'||y`", Took: ms(1000)},
				{Name: "md5", What: "md5", Took: ms(2200, 2100, 2300)},
				{Name: "pg_dump", What: "pg_dump", Took: ms(500)},
			}, Traffic: []traffic{{"as planned", "ranges", 1, 60 << 10, 30 << 10}, {"`--chunk-rows 125000`", "ranges", 17, 68 << 10, 34 << 10}}},
			{Workload: "text", Rows: 500_000, What: "text, 500000 rows", Times: []line{
				{Name: "verify", What: judgedCommand, Took: ms(200), Memory: 100 << 20},
				{Name: differing(1000), What: "the same, 1000 different", Took: ms(500), Memory: 40 << 20},
				{Name: "copy", What: "`COPY`", Took: ms(150)},
			}, Traffic: []traffic{{"as planned", "sweep", 2, 60 << 10, 30 << 10}}},
		},
		Growth: []measured{
			{Workload: "growth × 1", What: "growth × 1, 5 rows", Times: []line{{Name: "verify", What: judgedCommand, Took: ms(100), Memory: 20 << 20}}},
			{Workload: "growth × 16", What: "growth × 16, 80 rows", Times: []line{{Name: "verify", What: judgedCommand, Took: ms(1650), Memory: 20 << 20}}},
		},
	}
	at := func(tps float64, p50, p95 time.Duration) interval {
		return interval{tps, p50 * time.Microsecond, p95 * time.Microsecond}
	}
	f.Beside = &beside{
		Scale: 10, Clients: 4, Span: 20 * time.Second, Max: 1400.4, Rate: 700.2, Up: 90 << 10, Down: 60 << 10,
		// The ratios of the rounds are not that of the medians: 1.1, 1.3 and 1.2.
		Company: []company{
			{Name: "alone", What: "nothing", Intervals: []interval{at(700, 800, 1000), at(701, 810, 2000), at(699, 790, 3000)}},
			{Name: "verify", What: "`pgparity verify`", Intervals: []interval{at(700, 880, 1100), at(694, 900, 2600), at(699, 790, 3600)},
				Runs: []besides{{ms(900)[0], true}, {ms(5000)[0], false}, {ms(1100)[0], true}, {ms(1000)[0], true}}, Memory: 25 << 20},
			{Name: "copy", What: "`COPY`", Intervals: []interval{at(350, 1600, 5000)}, Runs: []besides{{ms(21_000)[0], false}}},
		},
	}
	f.Targets = judge(f)
	return f
}

// TestTables shows what is published, ratios, bytes and verdicts on the
// targets included.
func TestTables(t *testing.T) {
	path, got := filepath.Join("testdata", "tables.golden"), fixture().markdown()
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
		t.Errorf("%s (-want +got; go test ./internal/bench -update writes it anew):\n%s", path, diff)
	}
}

// TestPublish: the tables replace those between the marks and nothing else,
// and all figures are in the JSON file.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	o := options{doc: filepath.Join(dir, "page.md"), json: filepath.Join(dir, "figures.json")}
	const head, tail = "# Page\n\nAbove.\n", "\nBelow.\n"
	f := fixture()
	for _, before := range []string{"", "| old |\n", f.markdown()} {
		if err := os.WriteFile(o.doc, []byte(head+begin+"\n"+before+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := publish(f, o); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(o.doc)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(head+begin+"\n"+f.markdown()+end+tail, string(page)); diff != "" {
			t.Errorf("over %q (-want +got):\n%s", before, diff)
		}
	}
	b, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	var saved figures
	if err := json.Unmarshal(b, &saved); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, saved); diff != "" {
		t.Errorf("figures in the file (-want +got):\n%s", diff)
	}
}

// TestPublishWithoutMarks: a page that has no place for tables is left alone.
func TestPublishWithoutMarks(t *testing.T) {
	for _, page := range []string{"", "text", begin, end, end + begin} {
		path := filepath.Join(t.TempDir(), "page.md")
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		err := publish(fixture(), options{doc: path})
		if err == nil || !strings.Contains(err.Error(), begin) {
			t.Errorf("%q: %v, want an error that names the marks", page, err)
		}
		if err := run(t.Context(), options{rounds: 1, scale: 1, doc: path}); err == nil || !strings.Contains(err.Error(), begin) {
			t.Errorf("%q: %v before the run, want an error that names the marks", page, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != page {
			t.Errorf("%q became %q, %v", page, after, err)
		}
	}
}
