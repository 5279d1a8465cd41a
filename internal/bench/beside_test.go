package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestLatencies reads logs as pgbench writes them, one a thread, with and
// without the lag of a rate at the end of a line.
func TestLatencies(t *testing.T) {
	for _, c := range []struct {
		logs  []string
		want  []time.Duration
		error string
	}{
		{nil, nil, ""},
		{[]string{"0 1 1500 0 1700000000 42\n1 1 250 0 1700000000 43\n", "2 1 4000000 0 1700000004 1 17\n"},
			[]time.Duration{1500 * time.Microsecond, 250 * time.Microsecond, 4 * time.Second}, ""},
		{[]string{"0 1 1500 0 1700000000 42\n", "0 2 skipped 0 1700000000 42 1\n"}, nil, "skipped"},
		{[]string{"0 1 1500 0 1700000000 42\n0 2 15\n"}, nil, "3 fields"},
	} {
		dir := t.TempDir()
		for i, text := range c.logs {
			if err := os.WriteFile(filepath.Join(dir, "log."+string(rune('a'+i))), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := latencies(dir)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.logs, diff)
		}
		if (err == nil) != (c.error == "") || err != nil && !strings.Contains(err.Error(), c.error) {
			t.Errorf("%q: error %v, want %q", c.logs, err, c.error)
		}
	}
}

func TestQuantile(t *testing.T) {
	var values []time.Duration
	for i := range 40 {
		values = append(values, time.Duration(i+1))
	}
	for _, c := range []struct {
		n, percent int
		want       time.Duration
	}{{40, 95, 38}, {40, 50, 20}, {21, 95, 20}, {20, 95, 19}, {19, 95, 19}, {1, 95, 1}, {1, 50, 1}, {2, 0, 1}, {3, 100, 3}} {
		if got := quantile(values[:c.n], c.percent); got != c.want {
			t.Errorf("%d%% of 1 to %d are up to %d, want %d", c.percent, c.n, got, c.want)
		}
	}
}

// TestBeside runs pgbench and verify beside each other, briefly; that verify sees
// the replication and that each run ends in a match is checked by the benchmark.
func TestBeside(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: builds the program and starts two servers; run without -short")
	}
	servers, err := pgcluster.Ensure(t.Context(), sourceMajor)
	if err != nil {
		t.Fatal(err)
	}
	_, missing := exec.LookPath(servers.Path("pgbench"))
	dir := t.TempDir()
	o := options{rounds: 2, scale: 0.1, only: besideName, span: time.Second, json: filepath.Join(dir, "figures.json")}
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	var f figures
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	r := f.Beside
	switch {
	case r == nil || len(f.Workloads)+len(f.Growth) > 0:
		t.Fatalf("figures: %s", b)
	case missing != nil:
		if r.Missing == "" {
			t.Errorf("without pgbench: %s", b)
		}
		return
	}
	if len(r.Company) != 4 || r.Up < 1000 || r.Down < 1000 || len(f.Targets) != 3 {
		t.Errorf("figures: %s", b)
	}
	for _, c := range r.Company {
		if len(c.Intervals) != 2 || (len(c.Runs) < 2) != (c.Name == "alone") || (c.Memory < 1<<20) == strings.Contains(c.Name, "verify") {
			t.Errorf("company: %+v", c)
		}
		for _, i := range c.Intervals {
			if i.TPS <= 0 || i.Median <= 0 || i.P95 < i.Median {
				t.Errorf("%s, at %.1f a second, of %.1f at most: %+v", c.Name, r.Rate, r.Max, i)
			}
		}
		for _, run := range c.Runs {
			if run.Took <= 0 {
				t.Errorf("%s: %+v", c.Name, run)
			}
		}
	}
}

// TestBesideMissing: where the server comes without pgbench the page says so,
// and nothing is judged.
func TestBesideMissing(t *testing.T) {
	f := figures{Beside: &beside{Missing: "no pgbench here"}}
	if text := f.markdown(); !strings.Contains(text, "Not measured: no pgbench here.\n") || strings.Contains(text, "× alone") {
		t.Errorf("%s", text)
	}
	for _, x := range judge(f) {
		if strings.Contains(x.What, "pgbench") {
			t.Errorf("judged without figures: %+v", x)
		}
	}
}
