package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/follow"
)

func newStore(t *testing.T) *store {
	t.Helper()
	st, err := openStore(t.Context(), filepath.Join(t.TempDir(), "st?te %41#.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.close)
	return st
}

// A difference is one finding for as long as it is open, whoever sees it; when it has healed and comes back it is
// another. A row has one way to differ at a time.
func TestFindings(t *testing.T) {
	st, ctx := newStore(t), t.Context()
	at := time.Now().UTC().Truncate(time.Microsecond)
	row := func(kind, id string, columns ...string) sighting {
		return sighting{object: "public.t", kind: kind, key: []KeyPart{{"id", id}}, columns: columns}
	}
	see := func(by string, after time.Duration, want int, seen ...sighting) {
		t.Helper()
		if n, err := st.see(ctx, "p", by, at.Add(after), seen); err != nil || n != want {
			t.Errorf("%d are new, want %d: %v", n, want, err)
		}
	}
	see("pass", 0, 2, row("different", "1", "a"), row("missing", "2"))
	see("follow", time.Second, 1, row("different", "1", "a", "b"), sighting{object: "public.s", kind: "behind"})
	see("quick", 2*time.Second, 1, row("extra", "2"), sighting{object: "public.s", kind: "behind"})
	list, err := st.findings(ctx, "p", 10)
	if err != nil {
		t.Fatal(err)
	}
	show := func(list []Finding) (all []string) {
		for _, f := range list {
			healed := ""
			if !f.Open() {
				healed = fmt.Sprint(" healed ", f.HealedAt.Sub(at))
			}
			all = append(all, fmt.Sprint(f.Object, " ", f.Kind, " ", f.Key, f.Columns, " ", f.FirstSeen.Sub(at), " ", f.LastSeen.Sub(at), " ", f.By, healed))
		}
		return all
	}
	want := []string{"public.t different [{id 1}] [a b] 0s 1s pass", "public.s behind [] [] 1s 2s follow", "public.t extra [{id 2}] [] 2s 2s quick", "public.t missing [{id 2}] [] 0s 0s pass healed 2s"}
	if diff := cmp.Diff(want, show(list)); diff != "" {
		t.Error(diff)
	}
	// Seen since the reading that found it equal: it stays open.
	if n, err := st.heal(ctx, at.Add(3*time.Second), at.Add(time.Second), []int64{list[0].ID, list[1].ID}); err != nil || n != 0 {
		t.Errorf("%d healed: %v", n, err)
	}
	if n, err := st.heal(ctx, at.Add(3*time.Second), at.Add(1500*time.Millisecond), []int64{list[0].ID, list[1].ID}); err != nil || n != 1 {
		t.Errorf("%d healed: %v", n, err)
	}
	see("pass", 4*time.Second, 1, row("different", "1", "a"))
	if other, err := st.findings(ctx, "q", 10); err != nil || len(other) != 0 {
		t.Errorf("another pair has %v: %v", other, err)
	}
}

// The file is one monitor's, and readable by its owner alone; one of a newer version is refused, and so is what is no state at all.
func TestTheStateFile(t *testing.T) {
	st := newStore(t)
	if _, err := openStore(t.Context(), st.path); !errors.Is(err, errStateHeld) || !strings.Contains(err.Error(), "--state") {
		t.Errorf("a second one: %v", err)
	}
	for _, suffix := range []string{"", "-wal", ".lock"} {
		if info, err := os.Stat(st.path + suffix); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: %v %v", suffix, info, err)
		}
	}
	mask := string(st.mask)
	if _, err := st.firm.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	st.close()
	if again, err := openStore(t.Context(), st.path); err == nil || !strings.Contains(err.Error(), "a newer pgparity has written it") {
		again.close()
		t.Errorf("one of a newer version: %v", err)
	}
	if len(mask) != 32 {
		t.Errorf("the mask has %d bytes", len(mask))
	}
	other := filepath.Join(t.TempDir(), "pairs.yaml")
	if err := os.WriteFile(other, []byte(strings.Repeat("version: 1\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := openStore(t.Context(), other); err == nil {
		again.close()
		t.Error("a file that is no state was taken")
	}
	if _, err := openStore(t.Context(), filepath.Join(t.TempDir(), "gone", "x.db")); err == nil || !strings.Contains(err.Error(), "folder that the monitor may write to") {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

// History comes back as it was kept, and what is old goes: samples are thinned to one in five minutes after an hour.
func TestHistory(t *testing.T) {
	st, ctx := newStore(t), t.Context()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for i := range 4 * 360 { // four hours of one every 10 s
		s := Sample{At: now.Add(-time.Duration(i) * 10 * time.Second), WatermarkAge: new(1.5), LagBytes: new(int64(i))}
		if err := st.addSample(ctx, "p", s); err != nil {
			t.Fatal(err)
		}
	}
	r := Run{Kind: "pass", StartedAt: now.Add(-2 * time.Hour), FinishedAt: now, Verdict: checker.Mismatch, Reasons: []string{"a"}, Rows: 3, Findings: 4}
	for range keptRuns + 5 {
		if err := st.addRun(ctx, "p", r); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.tidy(ctx, now, 3*time.Hour); err != nil {
		t.Fatal(err)
	}
	samples, err := st.samples(ctx, "p", now.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	recent, old := 0, 0
	for _, s := range samples {
		if now.Sub(s.At) <= time.Hour {
			recent++
		} else {
			old++
		}
		if s.WatermarkAge == nil || *s.WatermarkAge != 1.5 || s.LagBytes == nil || s.LagSeconds != nil {
			t.Fatalf("%+v", s)
		}
	}
	if recent != 361 || old < 24 || old > 25 {
		t.Errorf("%d samples of the last hour and %d older ones are left", recent, old)
	}
	runs, err := st.runs(ctx, "p", 1000)
	if err != nil || len(runs) != keptRuns {
		t.Fatalf("%d runs: %v", len(runs), err)
	}
	r.ID = runs[0].ID
	if diff := cmp.Diff(r, runs[0]); diff != "" {
		t.Error(diff)
	}
	if got := thin(samples, now); len(got) != len(samples) {
		t.Errorf("%d of the thinned ones are shown", len(got))
	}
}

// Facts, following and cells come back as they were kept, one beside the other.
func TestFacts(t *testing.T) {
	st, ctx := newStore(t), t.Context()
	f := facts{Paused: true, ProvenAt: time.Unix(5, 0).UTC(), Tables: map[string]tableFacts{"public.t": {Rows: 3, Compared: true}}, Told: told{Verdict: "match"}}
	if err := st.keepJSON(ctx, "p", "facts", f); err != nil {
		t.Fatal(err)
	}
	state := follow.State{Slot: "s", Through: "0/1", Tables: map[string]follow.TableState{"public.t": {LSN: "0/1", Exceptions: [][]string{{"1"}}}}}
	if err := st.keepFollow(ctx, "p", &state); err != nil {
		t.Fatal(err)
	}
	cells := map[string][]Cell{"public.t": {{Verdict: checker.Mismatch, At: time.Unix(6, 0).UTC()}, {}}}
	if err := st.keepCells(ctx, "p", cells); err != nil {
		t.Fatal(err)
	}
	gotFacts, gotState, err := st.pair(ctx, "p")
	if err != nil {
		t.Fatal(err)
	}
	gotCells, err := st.cells(ctx, "p")
	if diff := cmp.Diff(f, gotFacts) + cmp.Diff(state, gotState) + cmp.Diff(cells, gotCells); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if err := st.keepFollow(ctx, "p", nil); err != nil {
		t.Fatal(err)
	}
	if _, now, _ := st.pair(ctx, "p"); now.Slot != "" {
		t.Error("it is followed still")
	}
}
