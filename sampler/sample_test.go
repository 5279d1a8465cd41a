package sampler_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// uneven is a table whose pages differ in all that could make one row likelier
// than another: narrow rows and wide ones, deleted rows with and without their
// line pointers, rows that were updated in place (HOT) and moved.
func uneven(name string) []string {
	return []string{
		fmt.Sprintf("CREATE TABLE %s (id integer PRIMARY KEY, n integer, filler text) WITH (autovacuum_enabled = off, fillfactor = 60)", name),
		fmt.Sprintf("INSERT INTO %s SELECT g, 0, '' FROM generate_series(1, 1500) AS g", name),
		fmt.Sprintf("ALTER TABLE %s ALTER filler SET STORAGE PLAIN", name),
		fmt.Sprintf("INSERT INTO %s SELECT g, 0, repeat('x', 1500) FROM generate_series(1501, 1600) AS g", name),
		fmt.Sprintf("DELETE FROM %s WHERE id %% 3 = 0 AND id <= 600", name),
		fmt.Sprintf("VACUUM %s", name),
		fmt.Sprintf("DELETE FROM %s WHERE id %% 7 = 0 AND id > 600", name), // dead, not vacuumed
		fmt.Sprintf("UPDATE %s SET n = n + 1 WHERE id %% 5 = 1", name),     // HOT while there is room
		fmt.Sprintf("UPDATE %s SET n = n + 1 WHERE id %% 10 = 1", name),
	}
}

// pairOf reads both catalogs and pairs one table.
func pairOf(t *testing.T, source, target *postgres.DB, name string) *pairing.Table {
	t.Helper()
	var catalogs [2]*postgres.Catalog
	for i, db := range []*postgres.DB{source, target} {
		cat, err := db.ReadCatalog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		catalogs[i] = cat
	}
	pair, err := pairing.Join(catalogs[0], catalogs[1], pairing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(pair.Tables, func(p *pairing.Table) bool { return p.Name == name })
	if at < 0 {
		t.Fatalf("no table %s", name)
	}
	return pair.Tables[at]
}

func side(t *testing.T, s postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: s, URL: url, MaxConns: 2, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// both opens a database as source and as target: a draw looks at one side.
func both(t *testing.T, url, name string) (*postgres.DB, *pairing.Table) {
	t.Helper()
	source := side(t, postgres.Source, url)
	return source, pairOf(t, source, side(t, postgres.Target, url), name)
}

// draw makes a drawer, tries some places, and returns the keys of the rows that
// it finds there, in the order drawn.
func draw(t *testing.T, db *postgres.DB, p *pairing.Table, seed int64, tries int) []string {
	t.Helper()
	var keys []string
	err := db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) error {
		for _, setting := range sampler.TidScan {
			if err := s.Set(ctx, setting); err != nil {
				return err
			}
		}
		d, err := sampler.NewDrawer(ctx, s, p, db.Side(), db.Server().BlockSize, seed)
		if err != nil {
			return err
		}
		places := d.Choose(tries)
		rows, err := d.Read(ctx, s, places)
		for _, p := range places {
			if key, ok := rows[p]; ok {
				keys = append(keys, strings.Join(key, ","))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func column(t *testing.T, db *postgres.DB, sql string) []string {
	t.Helper()
	var list []string
	err := db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql}, func(r postgres.Row) error {
			list = append(list, r.Text(0))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// wantUniform fails where the counts of the rows are further from each other
// than chance makes them: chi-square, at five standard deviations.
func wantUniform(t *testing.T, rows, drawn []string) {
	t.Helper()
	counts := map[string]int{}
	for _, id := range rows {
		counts[id] = 0
	}
	for _, id := range drawn {
		if _, ok := counts[id]; !ok {
			t.Fatalf("row %s was drawn, which is not there", id)
		}
		counts[id]++
	}
	expected := float64(len(drawn)) / float64(len(rows))
	if expected < 15 {
		t.Fatalf("only %d draws for %d rows: the test is broken", len(drawn), len(rows))
	}
	chi := 0.0
	for id, n := range counts {
		if n == 0 { // less than one in 2000 tests would do that by chance
			t.Errorf("row %s was never drawn", id)
		}
		chi += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	df := float64(len(rows) - 1)
	if far := (chi - df) / math.Sqrt(2*df); math.Abs(far) > 5 {
		t.Errorf("%d draws of %d rows: chi-square %.0f is %.1f deviations from what chance makes of it", len(drawn), len(rows), chi, far)
	}
}

// Each visible row is as likely as any other, whatever its page is like.
func TestDrawIsUniform(t *testing.T) {
	for _, major := range []int{10, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			db, p := both(t, pgcluster.Shared(t, major).TestDB(t, uneven("uneven")...), "public.uneven")
			if wide := column(t, db, "SELECT id FROM public.uneven WHERE id > 1500"); len(wide) < 50 {
				t.Fatalf("only %d wide rows: the test is broken", len(wide))
			}
			wantUniform(t, column(t, db, "SELECT id FROM public.uneven"), draw(t, db, p, 7, 300_000))
		})
	}
}

// Of a partitioned table each leaf's rows are as likely, whatever the sizes of
// the leaves, whether the role may read the leaves themselves or the root only.
func TestDrawOfPartitions(t *testing.T) {
	cluster := pgcluster.Shared(t, 15)
	url := cluster.TestDB(t,
		"CREATE TABLE parts (id integer, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
		"CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100)",
		"CREATE TABLE parts_2 (v text, id integer NOT NULL)", // columns in another order
		"ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (100) TO (1000)",
		"CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (1000) TO (3000) PARTITION BY HASH (id)",
		"CREATE TABLE parts_3a PARTITION OF parts_3 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
		"CREATE TABLE parts_3b PARTITION OF parts_3 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
		"CREATE TABLE parts_empty PARTITION OF parts FOR VALUES FROM (5000) TO (6000)",
		"INSERT INTO parts SELECT g, repeat('x', g / 10) FROM generate_series(0, 1999) AS g",
		"DROP ROLE IF EXISTS draw_root", "CREATE ROLE draw_root LOGIN PASSWORD 'root'", "GRANT SELECT ON parts, parts_1 TO draw_root")
	db, p := both(t, url, "public.parts")
	rows := column(t, db, "SELECT id FROM public.parts")
	drawn := draw(t, db, p, 3, 200_000)
	wantUniform(t, rows, drawn)

	t.Run("through the root", func(t *testing.T) {
		root, p := both(t, cluster.UserURL("draw_root", "root", db.Server().Database), "public.parts")
		if user := column(t, root, "SELECT current_user"); user[0] != "draw_root" {
			t.Fatalf("connected as %s: the test is broken", user[0])
		}
		t.Cleanup(func() {
			for _, sql := range []string{"DROP OWNED BY draw_root", "DROP ROLE draw_root"} { // roles belong to the cluster
				if err := cluster.Exec(context.Background(), db.Server().Database, sql); err != nil {
					t.Error(err)
				}
			}
		})
		if diff := cmp.Diff(drawn, draw(t, root, p, 3, 200_000)); diff != "" {
			t.Errorf("other rows than from the leaves:\n%s", diff)
		}
	})
}

// The same seed draws the same rows from the same pages; another seed, table
// or side draws others.
func TestSeed(t *testing.T) {
	url := pgcluster.Shared(t, 15).TestDB(t, slices.Concat(uneven("a"), uneven("b"))...)
	source, a := both(t, url, "public.a")
	target := side(t, postgres.Target, url)
	b := pairOf(t, source, target, "public.b")
	first := draw(t, source, a, 1, 500)
	if len(first) < 20 {
		t.Fatalf("only %d drawn", len(first))
	}
	if diff := cmp.Diff(first, draw(t, source, a, 1, 500)); diff != "" {
		t.Errorf("the same seed, other rows:\n%s", diff)
	}
	for name, other := range map[string][]string{
		"another seed":  draw(t, source, a, 2, 500),
		"another table": draw(t, source, b, 1, 500),
		"another side":  draw(t, target, a, 1, 500),
	} {
		if slices.Equal(first, other) {
			t.Errorf("%s draws the same rows", name)
		}
	}
}

// TestShareIsKept damages a share of the rows and draws with many seeds: the
// damage is seen as often as 1-(1-p)^n says.
func TestShareIsKept(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const n, seeds = 30, 1500
	db, p := both(t, pgcluster.Shared(t, 18).TestDB(t, uneven("uneven")...), "public.uneven")
	rows := column(t, db, "SELECT id FROM public.uneven ORDER BY ctid")
	share := sampler.Share(n)
	// Damage is rarely spread evenly: these lie side by side.
	damaged := rows[:int(math.Ceil(share*float64(len(rows))))]
	third := rows[len(rows)-len(rows)/30:]
	seen, seenThird := 0, 0
	for seed := range int64(seeds) {
		drawn := draw(t, db, p, seed, 1000)
		if len(drawn) < n {
			t.Fatalf("only %d drawn", len(drawn))
		}
		drawn = drawn[:n]
		hit := func(damaged []string) int {
			if slices.ContainsFunc(drawn, func(k string) bool { return slices.Contains(damaged, k) }) {
				return 1
			}
			return 0
		}
		seen, seenThird = seen+hit(damaged), seenThird+hit(third)
	}
	// 0.1 % of 1500 are 1.5 that may miss; eight would be five deviations.
	if seeds-seen > 8 {
		t.Errorf("a damage of %s %% was missed by %d of %d samples of %d rows", sampler.Percent(share), seeds-seen, seeds, n)
	}
	q := 1 - math.Pow(1-float64(len(third))/float64(len(rows)), n)
	deviation := math.Sqrt(seeds * q * (1 - q))
	if math.Abs(float64(seenThird)-seeds*q) > 5*deviation {
		t.Errorf("a rare damage was seen %d times of %d, want about %.0f ± %.0f", seenThird, seeds, seeds*q, deviation)
	}
}

func TestShare(t *testing.T) {
	for n, want := range map[int64]string{0: "100", 1: "100", 10: "50", 1000: "0.69", 70_000: "0.0099", 19_000: "0.037", 10_000_000: "0.00007"} {
		if got := sampler.Percent(sampler.Share(n)); got != want {
			t.Errorf("%d draws show %s %%, want %s %%", n, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<40).Draw(t, "draws")
		share := sampler.Share(n)
		said, err := strconv.ParseFloat(sampler.Percent(share), 64)
		if err != nil || said/100 < share*(1-1e-9) || said/100 > share*1.11 {
			t.Errorf("%d draws: %g is said to be %g %% (%v)", n, share, said, err)
		}
		if missed := math.Pow(1-share, float64(n)); math.Abs(missed-(1-sampler.Confidence)) > 1e-6 {
			t.Errorf("%d draws miss %g with %g", n, share, missed)
		}
	})
}

// TestWholeIsCheaper where a table is small or its rows are wide.
func TestWholeIsCheaper(t *testing.T) {
	const gb = int64(1) << 30
	for _, c := range []struct {
		name        string
		rows, bytes int64
		want        bool
	}{
		{"empty", 0, 0, true},
		{"a million rows", 1_000_000, gb / 10, true},
		{"a billion rows", 1_000_000_000, 100 * gb, false},
		{"three rows a page, 1 GB", 400_000, gb, true},
		{"three rows a page, 500 GB", 200_000_000, 500 * gb, false},
		{"never analysed", 0, 500 * gb, false},
	} {
		table := &postgres.Table{EstimatedRows: c.rows, Bytes: c.bytes}
		for _, p := range []*pairing.Table{{Source: table, Target: table}, {Source: table, Target: &postgres.Table{}}, {Source: &postgres.Table{}, Target: table}} {
			if got := sampler.WholeIsCheaper(p, 70_000, 8192, 8192); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
}
