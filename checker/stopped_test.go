package checker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestStopped ends a run from outside, at each of its stages. The verdict is
// unproven and says why, even when nothing was left to do.
func TestStopped(t *testing.T) {
	source, target := pgcluster.Shared(t, 15).TestDB(t, twoTables[:2]...), pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...)
	interrupted := errors.New("interrupted")
	for _, c := range []struct {
		name     string
		at       func(checker.Event) bool // nil: before the run
		compared int64                    // units that were done by then, at most
	}{
		{"before", nil, 0},
		{"while planning", func(e checker.Event) bool { return e.Kind == checker.TablePlanned }, 0},
		{"when planned", func(e checker.Event) bool { return e.Kind == checker.RunPlanned }, 0},
		{"in the middle", func(e checker.Event) bool { return e.Kind == checker.UnitDone && e.Compared == 1 }, 3},
		{"at the end", func(e checker.Event) bool { return e.Kind == checker.TableDone }, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			o := defaults()
			o.Concurrency = 1
			if c.at == nil {
				cancel(interrupted)
			}
			o.OnEvent = func(e checker.Event) {
				if c.at != nil && c.at(e) {
					cancel(interrupted)
				}
			}
			res, err := checker.Run(ctx, open(t, postgres.Source, source), open(t, postgres.Target, target), o)
			if err != nil {
				t.Fatal(err)
			}
			if res.Verdict != checker.Unproven || !contains(res.Reasons, "unproven: interrupted") {
				t.Errorf("%s: %q", res.Verdict, res.Reasons)
			}
			if res.Coverage.ChunksCompared > c.compared {
				t.Errorf("%d units compared", res.Coverage.ChunksCompared)
			}
			if c.at != nil && res.Coverage.ChunksPlanned != 4 {
				t.Errorf("%d units planned: an interruption must not shrink the plan", res.Coverage.ChunksPlanned)
			}
		})
	}
}

// TestDeadline: a table that is too slow to read, and a run that may not last.
func TestDeadline(t *testing.T) {
	source, target := pgcluster.Shared(t, 15).TestDB(t, twoTables[:2]...), pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...)
	must(t, connect(t, source), `BEGIN`, `LOCK TABLE judged IN ACCESS EXCLUSIVE MODE`)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, errors.New("the deadline passed (--timeout 2s)"))
	defer cancel()
	res, err := checker.Run(ctx, open(t, postgres.Source, source), open(t, postgres.Target, target), defaults())
	if err != nil {
		t.Fatal(err)
	}
	if res.Verdict != checker.Unproven || table(res, "public.judged").Error != "the deadline passed (--timeout 2s)" || !contains(res.Reasons, "public.judged") {
		t.Errorf("%s: %q", res.Verdict, res.Reasons)
	}
	for _, url := range []string{source, target} {
		conn := connect(t, url)
		eventually(t, "the statement that waited is cancelled on the server", func() bool {
			return queryInt(t, conn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgparity' AND state <> 'idle'`) == 0
		})
	}
}

// TestCrash kills a server in mid-run. It stays away, or is back at once.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: starts clusters of its own; run without -short")
	}
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		for _, back := range []bool{false, true} {
			t.Run(string(side)+map[bool]string{false: " gone", true: " back"}[back], func(t *testing.T) {
				mortal, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 15, InMemory: true})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = mortal.Stop(context.Background()) }()
				if err := mortal.Exec(t.Context(), "postgres", twoTables[:2]...); err != nil {
					t.Fatal(err)
				}
				urls := map[postgres.Side]string{postgres.Source: pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...)}
				urls[postgres.Target] = urls[postgres.Source]
				urls[side] = mortal.URL("postgres")
				o := defaults()
				o.Concurrency = 1
				units := 0
				o.OnEvent = func(e checker.Event) {
					if e.Kind != checker.UnitDone {
						return
					}
					if units++; units == 1 {
						mortal.Kill()
						if back {
							if err := mortal.Restart(t.Context()); err != nil {
								t.Error(err)
							}
						}
					}
				}
				res := verify(t, urls[postgres.Source], urls[postgres.Target], o)
				if res.Verdict != checker.Unproven || !contains(res.Reasons, ": "+string(side)+": ") {
					t.Errorf("%s: %q", res.Verdict, res.Reasons)
				}
				for _, reason := range res.Reasons {
					if strings.Contains(reason, "\n") {
						t.Errorf("not one line: %q", reason)
					}
				}
				if res.Coverage.ChunksCompared == 0 || res.Coverage.ChunksCompared >= res.Coverage.ChunksPlanned {
					t.Errorf("coverage %+v", res.Coverage)
				}
			})
		}
	}
}
