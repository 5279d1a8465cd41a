package checker_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// The claim under test: however and wherever a connection breaks, the run
// ends, its verdict is a match only when all that was planned was compared,
// it accuses no row that is equal, and it leaves nothing behind.

// smallWorld has a table for each plan: ranges, sweep and multiset.
var smallWorld = []string{
	`CREATE TABLE ordered (id int PRIMARY KEY, note text); INSERT INTO ordered SELECT g, 'n' || g FROM generate_series(1, 20) g`,
	`CREATE TABLE swept (id text COLLATE "en-x-icu" PRIMARY KEY, total numeric); INSERT INTO swept SELECT 'k' || g, g * 1.5 FROM generate_series(1, 20) g`,
	`CREATE TABLE keyless (a int, b text); INSERT INTO keyless SELECT g % 5, 'b' FROM generate_series(1, 20) g`,
	`CREATE SEQUENCE tickets; SELECT nextval('tickets')`,
}

// smallDamage is one difference in each table, in the last row read.
var smallDamage = []string{
	`UPDATE ordered SET note = 'damaged' WHERE id = 20`,
	`DELETE FROM swept WHERE id = 'k20'`,
	`INSERT INTO keyless VALUES (99, 'extra')`,
}

// attempt is one run through proxies, with one connection a side and one unit
// at a time, so that the same run sends the same messages.
type attempt struct {
	result *checker.Result
	err    error // could not connect
	proxy  [2]*cutProxy
}

func attemptRun(t *testing.T, ctx context.Context, urls [2]string, cuts [2]cut, way hashing.Way, options ...func(*checker.Options)) attempt {
	t.Helper()
	var a attempt
	var dbs [2]*postgres.DB
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		a.proxy[i] = newCutProxy(t, urls[i], cuts[i])
		defer a.proxy[i].close()
		if dbs[i], a.err = postgres.Open(ctx, postgres.Options{Side: side, URL: a.proxy[i].url(urls[i]), MaxConns: 1, Run: "test"}); a.err != nil {
			return a
		}
		defer dbs[i].Close()
	}
	o := defaults()
	o.Concurrency, o.Digest = 1, way
	for _, set := range options {
		set(&o)
	}
	a.result, a.err = checker.Run(ctx, dbs[0], dbs[1], o)
	return a
}

// needed is how many messages of a side a verdict rests on: all but those of
// the last transaction, which reads whether others wrote meanwhile, for a note.
func (a attempt) needed(side int) int { return a.proxy[side].begun }

// proven is the part of a result that must be the same in every run of a pair
// that is proven equal.
func proven(r *checker.Result) checker.Result {
	p := *r
	p.StartedAt, p.FinishedAt, p.AsOfLSN, p.Notes = time.Time{}, time.Time{}, "", nil
	return p
}

// TestEveryCut breaks one side's connection at places all over a run. Each
// place is a message of the server and an offset in it: before it, in its
// head, in its body, before its last byte.
//
// PGPARITY_TEST_CUTS=500 tries that many places on each side of each pair.
func TestEveryCut(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: hundreds of runs; run without -short")
	}
	before := goleak.IgnoreCurrent()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	server := pgcluster.Shared(t, 15)
	source, equal := server.TestDB(t, smallWorld...), server.TestDB(t, smallWorld...)
	damaged := server.TestDB(t, append(smallWorld, smallDamage...)...)

	for _, world := range []struct {
		name, target string
		way          hashing.Way
		want         checker.Verdict
	}{
		{"equal, pushdown", equal, hashing.Auto, checker.Match},
		{"equal, stream", equal, hashing.Stream, checker.Match},
		{"damaged, pushdown", damaged, hashing.Auto, checker.Mismatch},
		{"damaged, stream", damaged, hashing.Stream, checker.Mismatch},
	} {
		urls := [2]string{source, world.target}
		clean := attemptRun(t, t.Context(), urls, [2]cut{}, world.way)
		if clean.err != nil || clean.result.Verdict != world.want {
			t.Fatalf("%s: without a cut: %v, %+v", world.name, clean.err, clean.result)
		}
		for side, name := range []string{"source", "target"} {
			t.Run(world.name+"/"+name, func(t *testing.T) {
				places := places(random, clean.proxy[side].sizes, clean.needed(side))
				var outcomes [3]int
				for _, c := range places {
					var cuts [2]cut
					cuts[side] = c
					got := attemptRun(t, t.Context(), urls, cuts, world.way)
					checkCut(t, c, side, clean, got)
					if got.result != nil {
						outcomes[got.result.Verdict]++
					}
					if t.Failed() {
						t.Fatalf("seed %d", seed)
					}
				}
				t.Logf("%d cuts in %d messages, of which %d are needed: %d unproven, %d match, %d mismatch, %d could not connect", len(places),
					len(clean.proxy[side].sizes), clean.needed(side), outcomes[checker.Unproven], outcomes[checker.Match], outcomes[checker.Mismatch],
					len(places)-outcomes[0]-outcomes[1]-outcomes[2])
			})
		}
	}
	noSessions(t, source, equal, damaged)
	goleak.VerifyNone(t, before)
}

// places chooses cuts: around the last message that is needed, and others at
// random over the whole run.
func places(random *rand.Rand, sizes []int, needed int) []cut {
	ways := []how{hangUp, hangUp, reset, halfClose, garbage}
	var all []cut
	for m, size := range sizes {
		offsets := []int{0, 1, 4, size - 1}
		if size > 7 {
			offsets = append(offsets, 5+random.IntN(size-6))
		}
		for _, o := range offsets {
			all = append(all, cut{how: ways[random.IntN(len(ways))], message: m, offset: o, gone: random.IntN(2) == 0})
		}
	}
	// The needed ones end with a commit: its tag, and the server's readiness.
	chosen := []cut{
		{how: hangUp, message: needed, gone: true},
		{how: reset, message: needed - 1, offset: 5, gone: true},
		{how: hangUp, message: needed - 1, gone: true},
		{how: garbage, message: needed - 2, offset: 3, gone: true},
	}
	n := 5
	if asked, err := strconv.Atoi(os.Getenv("PGPARITY_TEST_CUTS")); err == nil {
		n = asked
	}
	for range n {
		chosen = append(chosen, all[random.IntN(len(all))])
	}
	return chosen
}

// checkCut holds a run that was cut against the same run without.
func checkCut(t *testing.T, c cut, side int, clean, got attempt) {
	t.Helper()
	if !got.proxy[side].hasStruck() {
		t.Errorf("cut %+v did not happen: the run sent other messages than the clean one", c)
	}
	if got.err != nil {
		return // could not connect: exit 2, no verdict at all
	}
	verdict := got.result.Verdict
	needed := c.message < clean.needed(side)
	switch {
	case clean.result.Verdict == checker.Match && verdict == checker.Mismatch:
		t.Errorf("cut %+v: mismatch of equal data: %v", c, got.result.Reasons)
	case clean.result.Verdict == checker.Mismatch && verdict == checker.Match:
		t.Errorf("cut %+v: match of different data", c)
	case verdict == checker.Match && needed && c.gone:
		t.Errorf("cut %+v: match, though %d messages are needed", c, clean.needed(side))
	case verdict == checker.Match:
		if diff := cmp.Diff(proven(clean.result), proven(got.result)); diff != "" {
			t.Errorf("cut %+v: match, though not all was compared (-clean +got):\n%s", c, diff)
		}
	case verdict == checker.Unproven && len(got.result.Reasons) == 0:
		t.Errorf("cut %+v: unproven without a reason", c)
	case verdict == checker.Unproven && !needed:
		t.Errorf("cut %+v: unproven, though only %d messages are needed: %v", c, clean.needed(side), got.result.Reasons)
	}
	var findings int64
	for _, table := range got.result.Tables {
		findings += table.FindingsTotal
		if table.FindingsTotal > 1 {
			t.Errorf("cut %+v: %s: %d findings of one difference", c, table.Name, table.FindingsTotal)
		}
	}
	if verdict == checker.Mismatch && findings == 0 {
		t.Errorf("cut %+v: mismatch, though no row was confirmed: %v", c, got.result.Reasons)
	}
}

// noSessions waits until no session of a run is left in the databases.
func noSessions(t *testing.T, urls ...string) {
	t.Helper()
	for _, url := range urls {
		conn := connect(t, url)
		eventually(t, "sessions of the run end", func() bool {
			return queryInt(t, conn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgparity'`) == 0
		})
		_ = conn.Close(context.Background())
	}
}

// TestCutRequest breaks the connection in the middle of what the client says:
// the server never gets to hear the whole request.
func TestCutRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	server := pgcluster.Shared(t, 15)
	urls := [2]string{server.TestDB(t, smallWorld...), server.TestDB(t, smallWorld...)}
	clean := attemptRun(t, t.Context(), urls, [2]cut{}, hashing.Auto)
	step := 1
	if testing.Short() {
		step = 3
	}
	for side := range urls {
		total := clean.proxy[side].sent
		for i := 0; i < 8; i += step {
			var cuts [2]cut
			cuts[side] = cut{how: byClient, sent: total * (2*i + 1) / 20, gone: true}
			got := attemptRun(t, t.Context(), urls, cuts, hashing.Auto)
			if got.err == nil && got.result.Verdict != checker.Unproven {
				t.Errorf("cut after %d of %d bytes of the client: %s", cuts[side].sent, total, got.result.Verdict)
			}
		}
	}
}

// TestStall holds the line still: nobody closes it, nothing arrives. The run's
// deadline ends it, and soon.
func TestStall(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: each stalled run waits for its deadline; run without -short")
	}
	before := goleak.IgnoreCurrent()
	server := pgcluster.Shared(t, 15)
	urls := [2]string{server.TestDB(t, smallWorld...), server.TestDB(t, smallWorld...)}
	clean := attemptRun(t, t.Context(), urls, [2]cut{}, hashing.Auto)
	deadline := errors.New("the deadline passed")
	var wg sync.WaitGroup
	for side := range urls {
		for _, message := range []int{0, clean.needed(side) / 4, clean.needed(side) / 2, clean.needed(side) - 1} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 2*time.Second, deadline)
				defer cancel()
				var cuts [2]cut
				cuts[side] = cut{how: stall, message: message, offset: 3, gone: true}
				start := time.Now()
				got := attemptRun(t, ctx, urls, cuts, hashing.Auto)
				switch {
				case !got.proxy[side].hasStruck():
					t.Errorf("message %d: the stall did not happen", message)
				case got.err == nil && got.result.Verdict != checker.Unproven:
					t.Errorf("message %d: %s", message, got.result.Verdict)
				case got.err == nil && !contains(got.result.Reasons, deadline.Error()):
					t.Errorf("message %d: the reasons %q don't name the deadline", message, got.result.Reasons)
				}
				if took := time.Since(start); took > 12*time.Second {
					t.Errorf("message %d: ended %v after the start, with a deadline of 2s", message, took)
				}
			})
		}
	}
	wg.Wait()
	noSessions(t, urls[:]...)
	goleak.VerifyNone(t, before)
}
