package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamage: every changed row is asked for once, wherever it is.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		tables, rows, n, statements int
	}{{1, 1000, 1, 1}, {1, 1000, 1000, 1}, {1, 10, 1000, 1}, {200, 2000, 1, 1}, {200, 2000, 300, 200}, {3, 1, 1000, 3}} {
		w := workload{tables: c.tables, rows: c.rows, change: "a = 1"}
		got := w.damage(c.n)
		seen := map[string]bool{}
		for _, s := range got {
			seen[s] = true
			if strings.ContainsAny(s, "{}") {
				t.Errorf("%+v: a statement is not filled in: %s", c, s)
			}
		}
		if len(seen) != c.statements || len(got) != c.statements {
			t.Errorf("%+v: %d statements, %d of them distinct", c, len(got), len(seen))
		}
	}
}

// TestExitCodes: a run that ends with another code than it has to is an error
// of the benchmark, also where it ends well.
func TestExitCodes(t *testing.T) {
	programs := map[int]string{match: "true", mismatch: "false"} // they take any flags
	for exits, program := range programs {
		for _, wants := range []int{match, mismatch} {
			r, _, err := (&bed{program: program}).verify(t.Context(), ends{}, wants)
			if (err == nil) != (exits == wants) || (err == nil && (r.took <= 0 || r.memory <= 0)) {
				t.Errorf("exit code %d where %d is wanted: %+v, %v", exits, wants, r, err)
			}
		}
	}
	if _, _, err := (&bed{program: "/nonexistent"}).verify(t.Context(), ends{}, mismatch); err == nil {
		t.Error("a program that is not there ended well")
	}
}

// TestRun runs the benchmark on two servers with one small workload; it checks
// itself that all damage is found and how verify ends.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: builds the program and starts two servers; run without -short")
	}
	dir := t.TempDir()
	o := options{rounds: 1, scale: 0.002, only: "keyless", doc: filepath.Join(dir, "page.md"), json: filepath.Join(dir, "figures.json")}
	if err := os.WriteFile(o.doc, []byte(begin+"\n"+end), 0o644); err != nil {
		t.Fatal(err)
	}
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
	if len(f.Workloads) != 1 || f.Growth != nil || f.Machine.Cores < 1 || len(f.Targets) == 0 {
		t.Fatalf("figures: %s", b)
	}
	m := f.Workloads[0]
	for _, l := range m.Times {
		if len(l.Took) != 1 || l.Took[0] <= 0 {
			t.Errorf("%s took %v", l.Name, l.Took)
		}
		if verify := strings.Contains(l.Name, "verify") || l.Name == "stream"; verify != (l.Memory > 0) {
			t.Errorf("%s: %d bytes of the client", l.Name, l.Memory)
		}
	}
	if x := m.Traffic[0]; x.Plan != "multiset" || x.Chunks != 1 || x.Up < 1000 || x.Down < 1000 {
		t.Errorf("traffic %+v", x)
	}
	if page, err := os.ReadFile(o.doc); err != nil || !strings.Contains(string(page), m.What) {
		t.Errorf("page %q, %v", page, err)
	}
}

// TestRunOfNothing: a name that no workload has is said before servers start.
func TestRunOfNothing(t *testing.T) {
	for _, o := range []options{{rounds: 1, scale: 1, only: "nosuch"}, {rounds: 0, scale: 1}, {rounds: 1}} {
		if err := run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "ask for") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
