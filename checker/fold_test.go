package checker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// bench is a run over tables that no server holds, for what needs none.
func bench(chunks map[string]int) (*run, []sampler.Unit) {
	r := &run{o: Options{Checks: []string{"ranges"}, MaxDiffs: 1000}, byName: map[string]*tableRun{}, result: &Result{},
		pair: &pairing.Pair{}, keys: newKeyMask(false)}
	var units []sampler.Unit
	for name, n := range chunks {
		t := &pairing.Table{Name: name, Source: &postgres.Table{}, Target: &postgres.Table{}}
		tr := &tableRun{table: t, digest: (&hashing.Agreement{}).Digest(t), result: &TableResult{Name: name}, done: map[string]bool{}, claimed: map[string]bool{}}
		for i := range n {
			tr.add(sampler.Unit{Check: sampler.CheckContent, Chunk: i, Chunks: n})
		}
		tr.strip, tr.pending, tr.result.Chunks.Planned = newStrip(n), n, int64(n)
		r.result.Coverage.ChunksPlanned += int64(n)
		r.tables, r.byName[name] = append(r.tables, tr), tr
		units = append(units, tr.units...)
	}
	slices.SortFunc(r.tables, func(a, b *tableRun) int { return strings.Compare(a.table.Name, b.table.Name) })
	return r, units
}

// drawOutcome makes up what came of a unit.
func drawOutcome(t *rapid.T, u sampler.Unit) Outcome {
	o := Outcome{Unit: u, Compared: true, Source: 10, Target: 10}
	switch rapid.IntRange(0, 5).Draw(t, "outcome") {
	case 0:
		o.Target, o.Total, o.Confirmed = 9, 1, 1
		o.Findings = []Finding{{Kind: KindMissing, Key: map[string]string{"row_hash": fmt.Sprint(u.Table, u.Chunk)}}}
	case 1:
		o = Outcome{Unit: u, Err: "target: read: connection lost"}
	case 2:
		o.Unsettled = 2
	}
	return o
}

// TestFoldInAnyOrder folds the same outcomes in two orders, the second time
// with some of them twice, and demands the same result.
func TestFoldInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chunks := map[string]int{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 150), 1, 3).Draw(rt, "chunks") {
			chunks[fmt.Sprintf("t%d", i)] = n
		}
		_, units := bench(chunks)
		outcomes := make([]Outcome, len(units))
		for i, u := range units {
			outcomes[i] = drawOutcome(rt, u)
		}
		done := rapid.IntRange(0, len(outcomes)).Draw(rt, "done")
		outcomes = outcomes[:done] // the rest of them never came
		once := foldAll(t, chunks, outcomes)
		again := rapid.Permutation(outcomes).Draw(rt, "order")
		again = append(again, outcomes[:rapid.IntRange(0, done).Draw(rt, "twice")]...)
		if diff := cmp.Diff(once, foldAll(t, chunks, again)); diff != "" {
			rt.Fatalf("the order of folding shows (-one other):\n%s", diff)
		}
		judgeFold(rt, once, outcomes, len(units))
	})
}

func foldAll(t *testing.T, chunks map[string]int, outcomes []Outcome) *Result {
	r, _ := bench(chunks)
	for _, o := range outcomes {
		r.Fold(o)
	}
	r.finish(t.Context(), nil)
	r.result.FinishedAt = r.result.StartedAt
	for i := range r.result.Tables { // which of several failures is told may depend on the order
		if tab := &r.result.Tables[i]; tab.Error != "" {
			tab.Error = "failed"
		}
	}
	for i := range r.result.Coverage.Skipped {
		r.result.Coverage.Skipped[i].Reason = "failed"
	}
	r.result.Reasons, r.result.Doubts = anyFailure(r.result.Reasons), anyFailure(r.result.Doubts)
	return r.result
}

// anyFailure makes the sentences of failures alike; tables of one reason share a sentence.
func anyFailure(reasons []string) []string {
	for i, reason := range reasons {
		if strings.HasPrefix(reason, "unproven: ") {
			reasons[i] = "failed"
		}
	}
	return slices.Compact(reasons)
}

// judgeFold demands a match only where every unit was compared and equal.
func judgeFold(t *rapid.T, res *Result, outcomes []Outcome, planned int) {
	var compared, findings, unsettled int64
	for _, o := range outcomes {
		findings += o.Total
		unsettled += o.Unsettled
		if o.Compared {
			compared++
		}
	}
	want := Match
	switch {
	case findings > 0:
		want = Mismatch
	case compared < int64(planned), unsettled > 0:
		want = Unproven
	}
	if res.Verdict != want || res.Coverage.ChunksCompared != compared || res.Coverage.ChunksPlanned != int64(planned) {
		t.Fatalf("want %s with %d of %d compared, got %s with %+v", want, compared, planned, res.Verdict, res.Coverage)
	}
	if (len(res.Reasons) == 0) != (want == Match) {
		t.Fatalf("%s with reasons %q", want, res.Reasons)
	}
	for _, tab := range res.Tables {
		equal, differing := strings.Count(tab.Chunks.Strip, "=") > 0, strings.Contains(tab.Chunks.Strip, "x")
		if differing != (tab.FindingsTotal > 0) || tab.Verdict == Match && strings.Trim(tab.Chunks.Strip, "=") != "" || !equal && tab.Verdict == Match {
			t.Fatalf("%s: strip %s with %d findings, verdict %s", tab.Name, tab.Chunks.Strip, tab.FindingsTotal, tab.Verdict)
		}
	}
}

func TestNothingPlannedIsUnproven(t *testing.T) {
	for name, chunks := range map[string]map[string]int{"no table": {}, "no chunk": {"t": 0}} {
		if res := foldAll(t, chunks, nil); res.Verdict != Unproven || len(res.Reasons) == 0 {
			t.Errorf("%s: %s, reasons %q; want unproven with a reason", name, res.Verdict, res.Reasons)
		}
	}
}

func TestStaleUnitIsRefused(t *testing.T) {
	r, units := bench(map[string]int{"t": 1})
	stale := units[0]
	stale.Fingerprint = "0123456789abcdef"
	unknown := units[0]
	unknown.Table = "gone"
	for _, u := range []sampler.Unit{stale, unknown} {
		if _, err := r.Do(t.Context(), u); !errors.Is(err, errStale) {
			t.Errorf("%+v: got %v, want it refused as stale", u, err)
		}
	}
}

func TestStrip(t *testing.T) {
	equal, differs, failed, unsettled := Outcome{Compared: true}, Outcome{Compared: true, Confirmed: 1}, Outcome{Err: "lost"}, Outcome{Compared: true, Unsettled: 1}
	for _, c := range []struct {
		name   string
		chunks int
		marks  map[int]Outcome
		want   string
	}{
		{"nothing done", 3, nil, "???"},
		{"all equal", 3, map[int]Outcome{0: equal, 1: equal, 2: equal}, "==="},
		{"each its own", 5, map[int]Outcome{0: equal, 1: differs, 2: failed, 3: unsettled}, "=x???"},
		{"two in a cell", 240, map[int]Outcome{0: equal, 1: equal, 2: equal, 4: differs, 5: failed, 6: differs, 7: differs}, "=?xx" + strings.Repeat("?", 116)},
	} {
		s := newStrip(c.chunks)
		for chunk, o := range c.marks {
			s.mark(chunk, o)
		}
		if got := s.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	for _, n := range []int{1, 119, 120, 121, 1000, 100_003} { // every chunk has a cell, every cell a chunk
		s := newStrip(n)
		for i := range n {
			s.mark(i, equal)
		}
		if got, want := s.String(), strings.Repeat("=", min(n, 120)); got != want {
			t.Errorf("%d chunks: got %s", n, got)
		}
	}
}

// TestEmptyPieces: the pieces of a table that were read last may hold no rows;
// the keys of the others are whole all the same.
func TestEmptyPieces(t *testing.T) {
	rows := func(key string) *rowSet {
		s := newRowSet(0)
		if err := s.add(hashing.Row{Key: [][]byte{[]byte(key)}, Hash: 1}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	source, target := newRowSet(0), newRowSet(0)
	for _, merge := range []error{source.merge(rows("42")), source.merge(newRowSet(0)), target.merge(rows("43")), target.merge(newRowSet(0))} {
		if merge != nil {
			t.Fatal(merge)
		}
	}
	got := source.differing(target)
	slices.SortFunc(got, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if want := [][]string{{"42"}, {"43"}}; !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q, want %q", got, want)
	}
}
