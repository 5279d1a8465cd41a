package main

import (
	"strings"
	"testing"
	"time"
)

// find is the target whose name holds the text.
func find(t *testing.T, targets []target, text string) target {
	t.Helper()
	for _, x := range targets {
		if strings.Contains(x.What, text) {
			return x
		}
	}
	t.Fatalf("no target %q among %v", text, targets)
	return target{}
}

// TestTargets moves each figure of the fixture over its limit, or back.
func TestTargets(t *testing.T) {
	set := func(f *figures, workload, name string, d time.Duration) {
		for _, all := range [][]measured{f.Workloads, f.Growth} {
			for _, m := range all {
				for i := range m.Times {
					if m.Workload == workload && m.Times[i].Name == name {
						m.Times[i].Took = []time.Duration{d * time.Millisecond}
					}
				}
			}
		}
	}
	with := func(f *figures) []interval { return f.Beside.Company[1].Intervals }
	for _, c := range []struct {
		target string
		met    bool // in the fixture
		other  func(*figures)
	}{
		{"narrow: the time of verify", true, func(f *figures) { set(f, "narrow", "copy", 440) }},
		{"text: the time of verify", false, func(f *figures) { set(f, "text", "copy", 160) }},
		{"narrow: the sum of hashtext", true, func(f *figures) { set(f, "narrow", "hashtext", 880) }},
		{"narrow: the sum of md5", true, func(f *figures) { set(f, "narrow", "md5", 2000) }},
		{"narrow: pg_dump", false, func(f *figures) { set(f, "narrow", "pg_dump", 530) }},
		{"narrow: 1000 scattered differences, by the clean run, ranges", true, func(f *figures) { set(f, "narrow", differing(1000), 650) }},
		{"text: 1000 scattered differences, by the clean run, a sweep", false, func(f *figures) { set(f, "text", differing(1000), 390) }},
		{"growth", true, func(f *figures) { set(f, "growth × 16", "verify", 1701) }},
		{"beside pgbench at half its maximum rate: the rate", true, func(f *figures) { with(f)[0].TPS, with(f)[2].TPS = 690, 690 }},
		{"beside pgbench at half its maximum rate: p95", true, func(f *figures) { with(f)[2].P95 = 3800 * time.Microsecond }},
		{"memory", false, func(f *figures) { f.Workloads[1].Times[0].Memory-- }},
		{"narrow: traffic of ranges", true, func(f *figures) { f.Workloads[0].Traffic[1].Down += 4 << 10 }},
		{"text: traffic of a sweep", false, func(f *figures) { f.Workloads[1].Rows = 1_000_000 }},
	} {
		f := fixture()
		if x := find(t, judge(f), c.target); x.Met != c.met {
			t.Errorf("%+v, want met to be %v", x, c.met)
		}
		c.other(&f)
		if x := find(t, judge(f), c.target); x.Met == c.met {
			t.Errorf("%+v after the change, want met to be %v", x, !c.met)
		}
	}
}

// TestTargetsOfSome: what was not measured is not judged.
func TestTargetsOfSome(t *testing.T) {
	f := fixture()
	f.Workloads, f.Growth, f.Beside = f.Workloads[1:], nil, nil
	for _, x := range judge(f) {
		if !strings.HasPrefix(x.What, "text") && !strings.Contains(x.What, "memory") {
			t.Errorf("judged without figures: %+v", x)
		}
	}
}
