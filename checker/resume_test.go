package checker_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// resumable are tables of each plan; the damage is on the target.
var (
	resumable = []string{
		`CREATE TABLE ranged (id bigint PRIMARY KEY, a int, b text)`,
		`INSERT INTO ranged SELECT g, g % 97, 'row ' || g FROM generate_series(1, 4000) g`,
		`CREATE TABLE swept (id text PRIMARY KEY, a int, b text)`,
		`INSERT INTO swept SELECT 'k' || g, g % 97, repeat('x', 100) FROM generate_series(1, 6000) g`,
		`CREATE TABLE heap (a int, b text)`,
		`INSERT INTO heap SELECT g / 3, repeat('y', 100) FROM generate_series(1, 6000) g`,
		`ANALYZE`,
	}
	resumeDamage = []string{
		`UPDATE ranged SET b = 'other' WHERE id IN (7, 2000, 3990, 3999)`, // two of them among the last rows
		`DELETE FROM ranged WHERE id IN (1, 2500)`,
		`INSERT INTO ranged VALUES (-5, 1, 'new'), (4001, 1, 'new')`,
		`UPDATE swept SET a = -1 WHERE id IN ('k5', 'k3000', 'k6000')`,
		`DELETE FROM swept WHERE id = 'k4000'`,
		`UPDATE heap SET a = -1 WHERE a IN (3, 1500)`,
	}
)

func resumeOptions(file string) checker.Options {
	o := defaults()
	o.Last, o.ChunkRows, o.OptionsHash, o.Resume = 50, 250, "same", file
	return o
}

// summary is what of a result does not depend on the run's seeds and its moment.
type summary struct {
	Verdict  checker.Verdict
	Reasons  []string
	Coverage checker.Coverage
	Tables   []string
}

func summarize(t *testing.T, res *checker.Result) summary {
	t.Helper()
	s := summary{Verdict: res.Verdict, Reasons: res.Reasons, Coverage: res.Coverage}
	for _, tab := range res.Tables {
		for i, f := range tab.Findings {
			if f.Count != nil {
				tab.Findings[i].Key = nil // a row's hash
			}
		}
		slices.SortStableFunc(tab.Findings, func(a, b checker.Finding) int {
			if a.Count == nil || b.Count == nil {
				return 0
			}
			return cmp.Compare(fmt.Sprint(*a.Count), fmt.Sprint(*b.Count))
		})
		b, err := json.MarshalIndent(tab, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		s.Tables = append(s.Tables, string(b))
	}
	return s
}

// recorded runs to the end and returns what its file held before it was removed.
func recorded(t *testing.T, source, target *postgres.DB, o checker.Options) (*checker.Result, []byte) {
	t.Helper()
	var content []byte
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.RunDone {
			content, _ = os.ReadFile(o.Resume)
		}
	}
	res, err := checker.Run(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.Resume); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a run that came to its end is there: %v", err)
	}
	return res, content
}

// TestResumeAnywhere: a file is cut where a kill may have cut it, again and
// again, and what comes of it in the end is what a run at one go finds.
func TestResumeAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	for i, majors := range [][2]int{{15, 18}, {10, 15}} {
		cuts := 6 - 3*i
		if testing.Short() {
			cuts = 3
			if i > 0 {
				t.Logf("-short leaves %v out", majors)
				continue
			}
		}
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			source := open(t, postgres.Source, pgcluster.Shared(t, majors[0]).TestDB(t, resumable...))
			target := open(t, postgres.Target, pgcluster.Shared(t, majors[1]).TestDB(t, append(slices.Clone(resumable), resumeDamage...)...))
			file := filepath.Join(t.TempDir(), "journal")
			plain, err := checker.Run(t.Context(), source, target, resumeOptions(""))
			if err != nil {
				t.Fatal(err)
			}
			want := summarize(t, plain)
			res, content := recorded(t, source, target, resumeOptions(file))
			if diff := gocmp.Diff(want, summarize(t, res)); diff != "" {
				t.Fatalf("with checkpoints: %s", diff)
			}
			lines := strings.Count(string(content), "\n")
			pieces := strings.Count(string(content), `{"piece":`)
			if outcomes := strings.Count(string(content), `{"compared":`); int64(outcomes) != plain.Coverage.ChunksPlanned || pieces < 40 {
				t.Fatalf("%d units and %d pieces in %d lines, %d units planned", outcomes, pieces, lines, plain.Coverage.ChunksPlanned)
			}
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 1))
			for n := range cuts {
				cut := content
				var restored, done, started int64
				var saved int
				resumes := 1 + random.IntN(3)
				for range resumes {
					cut = cut[:random.IntN(len(cut)+1)]
					if n == 0 {
						cut = content // to the last byte: nothing is left to do
					}
					if err := os.WriteFile(file, cut, 0o600); err != nil {
						t.Fatal(err)
					}
					restored, done, started = 0, 0, 0
					saved = strings.Count(string(cut), `{"compared":`)
					o := resumeOptions(file)
					var next []byte
					o.OnEvent = func(e checker.Event) {
						switch {
						case e.Kind == checker.UnitDone && e.Restored:
							restored++
						case e.Kind == checker.UnitDone:
							done++
						case e.Kind == checker.UnitStarted:
							started++
						case e.Kind == checker.RunDone:
							next, _ = os.ReadFile(file)
						}
					}
					res, err := checker.Run(t.Context(), source, target, o)
					if err != nil {
						t.Fatalf("seed %d, cut %d: %v", seed, len(cut), err)
					}
					if diff := gocmp.Diff(want, summarize(t, res)); diff != "" {
						t.Fatalf("seed %d, cut %d after line %q: %s", seed, len(cut), lastLine(cut), diff)
					}
					if restored+done != plain.Coverage.ChunksPlanned || started != done || restored > int64(saved) || restored < int64(saved)-1 {
						t.Errorf("seed %d: %d units restored of %d, %d begun, %d done, %d planned", seed, restored, saved, started, done, plain.Coverage.ChunksPlanned)
					}
					cut = next
				}
			}
		})
	}
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// errKilled ends a run as a kill does: nothing that it does afterwards is in the
// file that the next run gets.
var errKilled = errors.New("killed")

// interrupted runs until the n-th event of a kind, and leaves the file as it
// was then.
func interrupted(t *testing.T, source, target *postgres.DB, o checker.Options, kind checker.EventKind, n int) *checker.Result {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var content []byte
	o.OnEvent = func(e checker.Event) {
		if e.Kind != kind {
			return
		}
		if n--; n == 0 {
			content, _ = os.ReadFile(o.Resume)
			cancel(errKilled)
		}
	}
	res, err := checker.Run(ctx, source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		t.Fatal("it came to its end before")
	}
	if err := os.WriteFile(o.Resume, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return res
}

// TestResumeReadsTheRest: of a long unit only the pieces are read that were not
// read before, and the result says since when the run is on.
func TestResumeReadsTheRest(t *testing.T) {
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, resumable...))
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, resumable...))
	o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
	o.Checks, o.Concurrency = []string{"ranges"}, 1
	o.Pairing.Filter.Tables = []string{"heap"}
	const read = 15
	first := interrupted(t, source, target, o, checker.PieceDone, read)
	if first.Verdict != checker.Unproven || !contains(first.Reasons, "killed") {
		t.Fatalf("%s: %q", first.Verdict, first.Reasons)
	}
	var pieces, rows int64
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.PieceDone {
			pieces++
			rows += e.Rows
		}
	}
	res, err := checker.Run(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Verdict != checker.Match || res.Coverage.RowsCompared != 6000 {
		t.Errorf("%s, %d rows: %q", res.Verdict, res.Coverage.RowsCompared, res.Reasons)
	}
	if pieces == 0 || rows > 6000*2/3 {
		t.Errorf("%d pieces with %d rows were read again or for the first time", pieces, rows)
	}
	if !res.StartedAt.Equal(first.StartedAt) || res.AsOfLSN != first.AsOfLSN {
		t.Errorf("started at %s as of %s, first started at %s as of %s", res.StartedAt, res.AsOfLSN, first.StartedAt, first.AsOfLSN)
	}
	if !contains(res.Notes, "resumed once; first started ") || !contains(res.Notes, "0 of 1 chunks were compared before") {
		t.Errorf("%q", res.Notes)
	}
}
