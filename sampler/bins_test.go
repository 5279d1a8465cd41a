package sampler_test

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

func run(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// integers draws the whole of int8, its ends among them.
func integers(rt *rapid.T, name string) int64 {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-50, 50), rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 1, math.MaxInt64})).Draw(rt, name)
}

// TestStepsCover: however the ends lie, each integer of the step is in exactly
// one of the smaller ones, which are no more than asked for.
func TestStepsCover(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		order := func(a, b int64) sampler.Step { return sampler.Step{From: min(a, b), To: max(a, b)} }
		within := order(integers(rt, "from"), integers(rt, "to"))
		ends := order(integers(rt, "least"), integers(rt, "greatest"))
		n := rapid.IntRange(1, 300).Draw(rt, "n")
		steps := within.Steps(ends, n)
		if len(steps) > n || steps[0].From != within.From || steps[len(steps)-1].To != within.To {
			rt.Fatalf("%v in %d: %v", within, n, steps)
		}
		for i, s := range steps {
			if s.From > s.To || i > 0 && s.From != steps[i-1].To+1 {
				rt.Fatalf("step %d of %v does not follow", i, steps)
			}
		}
	})
}

// TestRangeBins: a bin holds what its range holds, for every kind of key, and
// is found through the index.
func TestRangeBins(t *testing.T) {
	for _, major := range []int{10, 15, 18} {
		if testing.Short() && major != 15 {
			continue
		}
		url := pgcluster.Shared(t, major).TestDB(t, tables(true, major)...)
		db, pair := openPair(t, url)
		for _, tab := range pair.Tables {
			p := choose(t, tab)
			p.Chunks = 20
			ranges, err := sampler.Cut(t.Context(), db, tab, p)
			if err != nil {
				t.Fatal(err)
			}
			if len(ranges) < 4 {
				continue // the empty table
			}
			ranges = ranges[1 : len(ranges)-1]
			bins := sampler.RangeBins(tab, postgres.Source, ranges)
			var want int64
			for _, r := range ranges {
				want += count(t, db, r.Scope(tab, postgres.Source))
			}
			if got := count(t, db, bins.Of(tab.Scope(postgres.Source))); got != want || want == 0 {
				t.Errorf("%d %s: %d rows in bins, %d in ranges", major, tab.Name, got, want)
			}
		}
	}
}

// TestStepBins: steps on top of a range with parameters of its own.
func TestStepBins(t *testing.T) {
	url := pgcluster.Shared(t, 15).TestDB(t, "CREATE TABLE c (a smallint, b int, PRIMARY KEY (a, b))", "INSERT INTO c SELECT g % 50 - 25, g FROM generate_series(1, 5000) g", "ANALYZE c")
	db, pair := openPair(t, url)
	tab := pair.Tables[0]
	if !sampler.Steppable(tab) {
		t.Fatal("a composite key that begins with an integer has steps")
	}
	rng := sampler.Range{From: []string{"-10", "7"}, To: []string{"10", "100"}}
	base := rng.Scope(tab, postgres.Source)
	steps := sampler.Step{From: math.MinInt64, To: math.MaxInt64}.Steps(sampler.Step{From: -10, To: 10}, 5)
	if got, want := count(t, db, sampler.StepBins(tab, len(base.Args), steps).Of(base)), count(t, db, base); got != want || want == 0 {
		t.Errorf("%d rows in %d steps, want %d", got, len(steps), want)
	}
	ends, ok, err := readEnds(t, db, tab, base)
	if err != nil || !ok || ends != (sampler.Step{From: -10, To: 10}) {
		t.Errorf("ends %v %t %v", ends, ok, err)
	}
	if _, ok, err := readEnds(t, db, tab, base.And("false")); ok || err != nil {
		t.Errorf("an empty scope has ends: %v", err)
	}
}

// TestBound walks whole tables by bounds, in each side's own order of the key:
// each row is passed once.
func TestBound(t *testing.T) {
	url := pgcluster.Shared(t, 15).TestDB(t, append(tables(true, 15), `CREATE TABLE german (k text COLLATE "de-x-icu" PRIMARY KEY)`,
		"INSERT INTO german SELECT chr(64 + g % 60) || chr(200 + g % 300) || g % 17 || g FROM generate_series(1, 3000) g")...)
	db, pair := openPair(t, url)
	for _, tab := range pair.Tables {
		total := count(t, db, tab.Scope(postgres.Source))
		var walked, pieces int64
		for rest := (sampler.Range{}); ; pieces++ {
			bound := readBound(t, db, tab, rest, 700)
			piece := sampler.Range{From: rest.From, To: bound}
			n := count(t, db, piece.Scope(tab, postgres.Source))
			if walked += n; bound == nil {
				break
			}
			if n != 700 {
				t.Errorf("%s: a piece of %d rows, want 700", tab.Name, n)
			}
			rest.From = bound
		}
		if walked != total || pieces != max(total-1, 0)/700 {
			t.Errorf("%s: %d rows in %d pieces, want %d", tab.Name, walked, pieces, total)
		}
	}
}

func choose(t *testing.T, tab *pairing.Table) sampler.Plan {
	t.Helper()
	p, err := sampler.Choose(tab, true, sampler.Wish{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readEnds(t *testing.T, db *postgres.DB, tab *pairing.Table, scope postgres.Scope) (ends sampler.Step, ok bool, err error) {
	t.Helper()
	err = db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) (err error) {
		ends, ok, err = sampler.Ends(ctx, s, tab, scope)
		return err
	})
	return ends, ok, err
}

func readBound(t *testing.T, db *postgres.DB, tab *pairing.Table, r sampler.Range, n int64) (bound []string) {
	t.Helper()
	err := db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) (err error) {
		bound, err = sampler.Bound(ctx, s, tab, r.Scope(tab, postgres.Source), n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bound
}
