package checker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// sampling are options for samples of so many rows.
func sampling(rows int, seed int64, checks ...string) checker.Options {
	o := only(append(checks, "sample")...)
	o.SampleRows, o.Seed, o.MaxDiffs = rows, seed, 10_000
	return o
}

// large makes a table of 60000 rows on some 800 pages: to draw 50 or 100 of them
// is expected to take less time than to read it.
func large(name, key string) []string {
	return []string{
		fmt.Sprintf("CREATE TABLE %s (id integer %s, v text)", name, key),
		fmt.Sprintf("INSERT INTO %s SELECT g, repeat('v', 70) || g FROM generate_series(1, 60000) AS g", name),
	}
}

// expected is what a sample of a damaged table has to find: the rows that are
// drawn on a side, as far as they are damaged, no more and no less.
func expected(t *testing.T, source, target *postgres.DB, rows int, seed int64, kind func(id string) string) map[string]bool {
	t.Helper()
	pair, err := checker.Join(t.Context(), source, target, pairing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, db := range []*postgres.DB{source, target} {
		var drawn []string
		err := db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) error {
			d, err := sampler.NewDrawer(ctx, s, pair.Tables[0], db.Side(), db.Server().BlockSize, seed)
			if err != nil {
				return err
			}
			places := d.Choose(int(sampler.Tries(rows)))
			keys, err := d.Read(ctx, s, places)
			for _, p := range places {
				if key, ok := keys[p]; ok {
					drawn = append(drawn, key[0])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range drawn[:rows] {
			if k := kind(id); k != "" {
				want[k+" "+id] = true
			}
		}
	}
	return want
}

// TestSampleFindsWhatItDraws damages a table in three ways and compares what a
// sample finds with what its rows are.
func TestSampleFindsWhatItDraws(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	const rows = 100
	both := large("t", "PRIMARY KEY")
	damage := []string{"UPDATE t SET v = 'x' WHERE id % 20 = 1", "DELETE FROM t WHERE id % 20 = 2",
		"INSERT INTO t SELECT 100000 + g, 'extra' FROM generate_series(1, 3000) AS g"}
	kind := func(id string) string {
		var n int
		_, _ = fmt.Sscan(id, &n)
		switch {
		case n > 100_000:
			return "extra"
		case n%20 == 1:
			return "different"
		case n%20 == 2:
			return "missing"
		}
		return ""
	}
	for _, majors := range [][2]int{{15, 18}, {11, 18}, {18, 10}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			if testing.Short() && majors[0] != 15 {
				t.Skip("-short draws on 15 and 18 only")
			}
			sourceURL := pgcluster.Shared(t, majors[0]).TestDB(t, both...)
			targetURL := pgcluster.Shared(t, majors[1]).TestDB(t, append(slices.Clone(both), damage...)...)
			source, target := open(t, postgres.Source, sourceURL), open(t, postgres.Target, targetURL)
			kinds := map[string]int{}
			for seed := range int64(6) {
				o := sampling(rows, seed+1)
				if seed == 5 {
					o.Digest = hashing.Stream
				}
				res := verify(t, sourceURL, targetURL, o)
				want := expected(t, source, target, rows, seed+1, kind)
				got := map[string]bool{}
				for _, f := range res.Tables[0].Findings {
					got[f.Kind+" "+f.Key["id"]] = true
					kinds[f.Kind]++
				}
				if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 || int(res.Tables[0].FindingsTotal) != len(want) {
					t.Errorf("seed %d, %d counted (-drawn and damaged, +found):\n%s", seed+1, res.Tables[0].FindingsTotal, diff)
				}
				wantVerdict(t, res, checker.Mismatch, "rows differ")
				if s := res.Tables[0].Sample; s == nil || s.Source != rows || s.Target != rows || s.Whole {
					t.Errorf("sample %+v, want %d rows a side", s, rows)
				}
				if !contains(res.Tables[0].Notes, "not all of which are equal") {
					t.Errorf("notes: %q", res.Tables[0].Notes)
				}
			}
			for _, k := range []string{"missing", "extra", "different"} {
				if kinds[k] == 0 {
					t.Errorf("no row of kind %s was drawn: the test is broken", k)
				}
			}
		})
	}
}

// TestSampleClaims looks at what a sample of equal tables says for itself.
func TestSampleClaims(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	both := slices.Concat(large("big", "PRIMARY KEY"), large("bigger", "PRIMARY KEY"), []string{"CREATE TABLE few (id integer PRIMARY KEY)", "INSERT INTO few VALUES (1), (2)",
		"INSERT INTO bigger SELECT g, 'y' FROM generate_series(60001, 90000) AS g"})
	source, target := pairOf(t, both, nil, nil)
	res := verify(t, source, target, sampling(100, 42))
	wantVerdict(t, res, checker.Match, "the whole content was not asked for")
	s := res.Sampled
	if s == nil || s.Seed != 42 || s.RowsPerSide != 100 || s.Confidence != 0.999 || s.Share != sampler.Share(100) ||
		!strings.Contains(s.Sentence, "seed 42") || !strings.Contains(s.Sentence, "at least 6.7 % of a sampled table's rows") || !strings.Contains(s.Sentence, "with 99.9 %") {
		t.Errorf("sampled: %+v", s)
	}
	if c := res.Coverage; c.ChunksPlanned != 3 || c.ChunksCompared != 3 || c.RowsCompared < 150 || c.RowsCompared > 202 {
		t.Errorf("coverage %+v", c)
	}
	big, few := res.Tables[0], res.Tables[2]
	if !contains(big.Notes, "sample: 100 rows drawn on each side, none differs: if at least 6.7 % of the rows of a side differed, this would have been seen with 99.9 %") ||
		big.Plan != "sample" || big.Digest != "pushdown" || big.Rows.Source != nil || few.Sample == nil || !few.Sample.Whole || !contains(few.Notes, "all rows were compared") {
		t.Errorf("tables: %+v\n%+v %+v", big, few, few.Sample)
	}

	t.Run("the seed is drawn and said", func(t *testing.T) {
		seeds := map[int64]bool{}
		for range 3 {
			res := verify(t, source, target, sampling(100, 0))
			seeds[res.Sampled.Seed] = true
			if res.Sampled.Seed == 0 || !strings.Contains(res.Sampled.Sentence, fmt.Sprint("seed ", res.Sampled.Seed)) {
				t.Errorf("sampled: %+v", res.Sampled)
			}
		}
		if len(seeds) != 3 {
			t.Errorf("seeds are not drawn: %v", seeds)
		}
	})
	t.Run("with the content nothing rests on it", func(t *testing.T) {
		res := verify(t, source, target, sampling(100, 42, "ranges"))
		wantVerdict(t, res, checker.Match, "sample: the seed was 42")
		if res.Sampled != nil || res.Tables[0].Plan != "ranges" || res.Coverage.RowsCompared != 150_002 {
			t.Errorf("%+v, %+v", res.Sampled, res.Coverage)
		}
	})
	t.Run("all few", func(t *testing.T) {
		o := sampling(100, 42)
		o.Pairing.Filter.Tables = []string{"few"}
		res := verify(t, source, target, o)
		wantVerdict(t, res, checker.Match, "")
		if res.Sampled.Share != 0 || !strings.Contains(res.Sampled.Sentence, "all rows of each table sampled were compared") {
			t.Errorf("%+v", res.Sampled)
		}
	})
}

// TestSampleOfFewRows reads small tables whole, those without a key and empty
// ones as well.
func TestSampleOfFewRows(t *testing.T) {
	both := []string{"CREATE TABLE t (id integer PRIMARY KEY, v text)", "INSERT INTO t SELECT g, 'a' FROM generate_series(1, 300) AS g",
		"CREATE TABLE keyless (v integer)", "INSERT INTO keyless SELECT generate_series(1, 10)",
		"CREATE TABLE vacant (id integer PRIMARY KEY)"}
	source, target := pairOf(t, both, nil, []string{"UPDATE t SET v = 'b' WHERE id = 77", "DELETE FROM keyless WHERE v = 3"})
	res := verify(t, source, target, sampling(100, 1, "last"))
	if got := found(res); len(got) != 2 || got[1] != "public.t different [id:77] v" || !strings.HasPrefix(got[0], "public.keyless missing") {
		t.Errorf("found %q", got)
	}
	if v := res.Tables[2]; v.Verdict != checker.Match || v.Sample == nil || !v.Sample.Whole {
		t.Errorf("the empty table: %+v", v)
	}
}

// TestSampleOfPartitions draws through a partitioned root, whose leaves lie
// otherwise on the target.
func TestSampleOfPartitions(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: 60,000 rows; the draws from partitions are tested in sampler; run without -short")
	}
	root := "CREATE TABLE t (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id)"
	fill := "INSERT INTO t SELECT g, repeat('v', 70) || g FROM generate_series(1, 60000) AS g"
	source := pgcluster.Shared(t, 15).TestDB(t, root, "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (5000)",
		"CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (5000) TO (90000)", fill)
	target := pgcluster.Shared(t, 18).TestDB(t, root, "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (40000)",
		"CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM (40000) TO (90000)", fill, "UPDATE t SET v = 'b' WHERE id BETWEEN 4000 AND 10000", "DELETE FROM t WHERE id > 55000")
	res := verify(t, source, target, sampling(100, 5))
	wantVerdict(t, res, checker.Mismatch, "rows differ")
	for _, f := range res.Tables[0].Findings {
		var id int
		_, _ = fmt.Sscan(f.Key["id"], &id)
		if want := map[bool]string{true: "different", false: "missing"}[id <= 10_000]; f.Kind != want || id < 4000 || id > 10_000 && id <= 55_000 {
			t.Errorf("found %+v", f)
		}
	}
	if s := res.Tables[0].Sample; s.Source != 100 || s.Target != 100 || s.Whole {
		t.Errorf("sample %+v", s)
	}
}

// TestSampleImpossible names why a table cannot be sampled and what to do.
func TestSampleImpossible(t *testing.T) {
	both := large("t", "")
	source, target := pairOf(t, both, nil, nil)
	o := sampling(100, 1)
	res := verify(t, source, target, o)
	wantVerdict(t, res, checker.Unproven, "cannot be looked up on the other side without a key")
	wantVerdict(t, res, checker.Unproven, "--checks ranges compares it")
	if res.Coverage.ChunksPlanned != 1 || res.Coverage.ChunksCompared != 0 || res.Tables[0].Sample != nil || res.Sampled == nil || res.Sampled.Share != 1 {
		t.Errorf("%+v, %+v", res.Coverage, res.Sampled)
	}
	res = verify(t, source, target, sampling(100, 1, "ranges"))
	wantVerdict(t, res, checker.Match, "")
	if !contains(res.Tables[0].Notes, "sample: not drawn, rows that are drawn cannot be looked up") {
		t.Errorf("notes %q", res.Tables[0].Notes)
	}
}

// TestSampleOfEmptyPages says nothing of a table in which it finds no row.
func TestSampleOfEmptyPages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	both := large("t", "PRIMARY KEY")
	t.Run("on the target, which is bloated", func(t *testing.T) {
		source, target := pairOf(t, both, nil, []string{"DELETE FROM t"})
		res := verify(t, source, target, sampling(100, 1))
		wantVerdict(t, res, checker.Mismatch, "rows differ")
		wantVerdict(t, res, checker.Mismatch, "target: no row was found in 2000 places")
	})
	t.Run("on the target, which is truncated", func(t *testing.T) {
		source, target := pairOf(t, both, nil, []string{"TRUNCATE t"})
		res := verify(t, source, target, sampling(100, 1))
		wantVerdict(t, res, checker.Mismatch, "rows differ")
		if s := res.Tables[0].Sample; s == nil || s.Source != 100 || s.Target != 0 || s.Share != sampler.Share(100) {
			t.Errorf("sample %+v", s)
		}
	})
	t.Run("on both", func(t *testing.T) {
		source, target := pairOf(t, append(slices.Clone(both), "DELETE FROM t"), nil, nil)
		res := verify(t, source, target, sampling(100, 1))
		wantVerdict(t, res, checker.Unproven, "no row was found in 2000 places")
	})
	t.Run("few rows on many pages", func(t *testing.T) {
		source, target := pairOf(t, append(slices.Clone(both), "DELETE FROM t WHERE id % 40 > 0"), nil, nil)
		res := verify(t, source, target, sampling(100, 1))
		wantVerdict(t, res, checker.Match, "")
		if s := res.Tables[0].Sample; s.Source >= 100 || s.Source < 1 || s.Share != sampler.Share(min(s.Source, s.Target)) || res.Sampled.Share != s.Share {
			t.Errorf("sample %+v, sampled %+v: want fewer rows than asked for, and no more claimed", s, res.Sampled)
		}
	})
}

// TestSampleSeesCorruptIndex damages the source's index, so that rows which
// only the source has are not found by their key: they must not pass for equal.
func TestSampleSeesCorruptIndex(t *testing.T) {
	both := large("t", "PRIMARY KEY")
	source, target := pairOf(t, both, []string{
		"UPDATE pg_index SET indisready = false WHERE indrelid = 't'::regclass",
		"INSERT INTO t SELECT g, repeat('v', 70) || g FROM generate_series(60001, 120000) AS g",
		"UPDATE pg_index SET indisready = true WHERE indrelid = 't'::regclass",
	}, nil)
	res := verify(t, source, target, sampling(100, 1))
	wantVerdict(t, res, checker.Unproven, "source: a row that is there is not found by its key")
}

// TestSampleNamesEachRowOnce where other checks find the same.
func TestSampleNamesEachRowOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	source, target := pairOf(t, large("t", "PRIMARY KEY"), nil, []string{"UPDATE t SET v = 'x' WHERE id > 59000"})
	o := sampling(300, 1, "last", "ranges")
	o.Last = 50
	res := verify(t, source, target, o)
	if n := res.Tables[0].FindingsTotal; n != 1000 || len(res.Tables[0].Findings) != 1000 {
		t.Errorf("%d findings, %d listed, want 1000", n, len(res.Tables[0].Findings))
	}
}
