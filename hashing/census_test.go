package hashing

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// censusKeys are what a record prints in quotes, doubled or empty.
const censusKeys = `''), ('a'), ('a,b'), ('"'), ('"",""'), ('\'), ('\\"'), ('(x)'), (' '), ('é' || chr(10)`

// TestCensus: one pass tells what three would.
func TestCensus(t *testing.T) {
	setup := []string{
		`CREATE TABLE a (b bool, k text, n numeric, PRIMARY KEY (k, b))`,
		`INSERT INTO a SELECT n % 2 = 0, k || n, n FROM (VALUES (` + censusKeys + `)) AS v(k), generate_series(1, 20) AS n`,
	}
	young := `UPDATE a SET n = n + 1 WHERE n % 3 = 0`
	for _, major := range majors() {
		for _, way := range []Way{Auto, Stream} {
			source := pgcluster.Shared(t, major).TestDB(t, setup...)
			target := pgcluster.Shared(t, 18).TestDB(t, setup...)
			p := join(t, source, target)
			d := p.agree(t, way).Digest(p.tables[0])
			for _, db := range []*postgres.DB{p.source, p.target} {
				at, err := db.Transactions(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				horizon, _, _ := strings.Cut(at, ":")
				url := source
				if db == p.target {
					url = target
				}
				execute(t, url, young)
				checkCensus(t, d, db, horizon)
			}
		}
	}
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	c, err := postgres.OpenControl(t.Context(), postgres.Options{Side: postgres.Source, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Exec(t.Context(), "test", strings.ReplaceAll(strings.ReplaceAll(sql, " a ", " public.a "), " b ", " public.b ")); err != nil {
		t.Fatal(err)
	}
}

func checkCensus(t *testing.T, d *Digest, db *postgres.DB, horizon string) {
	t.Helper()
	want, got := map[string]int64{}, map[string]int64{}
	into := func(m map[string]int64) func(Row) error {
		return func(r Row) error {
			var key []string
			for _, k := range r.Key {
				key = append(key, string(k))
			}
			m[strings.Join(key, "|")] = r.Hash
			return nil
		}
	}
	scope := d.table.Scope(db.Side())
	var keys, fewer Sum
	err := db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) (err error) {
		if err = d.Rows(ctx, s, postgres.Young(scope, horizon), All, into(want)); err != nil {
			return err
		}
		if keys, err = d.Census(ctx, s, scope, horizon, into(got)); err != nil {
			return err
		}
		fewer, err = d.Census(ctx, s, scope.And("t.k <> $1", "a1"), horizon, func(Row) error { return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || len(want) == 200 || !maps.Equal(want, got) {
		t.Errorf("%s %s: %d young rows, want %d of them, and not all of 200:\n%v\n%v", db.Server().Version, d.Way, len(got), len(want), got, want)
	}
	if keys.Rows != 200 || fewer.Rows != 199 || (keys.Hash == fewer.Hash) != (d.Way == Stream) {
		t.Errorf("%s %s: %+v, and without one row %+v", db.Server().Version, d.Way, keys, fewer)
	}
}

// TestCensusOfKeys: the digest of the keys is the same where the keys are, and
// only there.
func TestCensusOfKeys(t *testing.T) {
	setup := []string{`CREATE TABLE b (id int8 PRIMARY KEY, v text)`, `INSERT INTO b SELECT g, 'x' FROM generate_series(1, 100) g`}
	for _, major := range majors() {
		source, target := pgcluster.Shared(t, major).TestDB(t, setup...), pgcluster.Shared(t, 18).TestDB(t, setup...)
		p := join(t, source, target)
		d := p.agree(t, Auto).Digest(p.tables[0])
		sum := func(db *postgres.DB) (keys Sum) {
			err := db.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) (err error) {
				keys, err = d.Census(ctx, s, d.table.Scope(db.Side()), "3", func(Row) error { return nil })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return keys
		}
		execute(t, target, `UPDATE b SET v = 'y'`)
		if a, b := sum(p.source), sum(p.target); a != b || a.Rows != 100 {
			t.Errorf("%d: the keys are the same, and their digests %+v and %+v", major, a, b)
		}
		execute(t, target, `UPDATE b SET id = 101 WHERE id = 1`)
		if a, b := sum(p.source), sum(p.target); a == b {
			t.Errorf("%d: a key differs, and both digests are %+v", major, a)
		}
	}
}
