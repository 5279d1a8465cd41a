package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestCopy: rows travel whole, in one transaction, or not at all, and neither
// connection is lost.
func TestCopy(t *testing.T) {
	schema := `CREATE TABLE t (id int PRIMARY KEY, x text, at timestamptz, f float8, i interval, b bytea)`
	sourceURL := pgcluster.Shared(t, 10).TestDB(t, schema, `INSERT INTO t SELECT g, E'a\tb\\c\nd' || g, '2020-01-01'::timestamptz + g * interval '1 hour', 0.1 + g / 3.0::float8, '-1 year 2 days -03:00', '\x00ff' FROM generate_series(1, 20000) g; INSERT INTO t (id) VALUES (0)`)
	targetURL := pgcluster.Shared(t, 18).TestDB(t, schema)
	ctx := t.Context()
	from, err := postgres.Open(ctx, postgres.Options{Side: postgres.Source, URL: sourceURL, MaxConns: 1, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := postgres.OpenControl(ctx, postgres.Options{Side: postgres.Target, URL: targetURL, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	target, err := postgres.Open(ctx, postgres.Options{Side: postgres.Target, URL: targetURL, MaxConns: 1, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	count := func() (n int64) {
		t.Helper()
		if err := to.Each(ctx, "count", postgres.Statement{SQL: "SELECT count(*) FROM public.t"}, func(r postgres.Row) error {
			n = r.Int(0)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	alive := func(what string) {
		t.Helper()
		if err := from.Read(ctx, "alive", func(context.Context, *postgres.Session) error { return nil }); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
		count()
	}
	const in = "COPY public.t FROM STDIN"
	out := func(where string) string {
		return "COPY (SELECT * FROM public.t WHERE " + where + " ORDER BY id) TO STDOUT"
	}

	if n, err := to.Copy(ctx, "copy", from, postgres.Copying{Out: out("id < 15000"), In: in, Set: []string{"session_replication_role = replica"}}); err != nil || n != 15000 {
		t.Fatalf("%d rows: %v", n, err)
	}
	var sums []string
	for _, db := range []*postgres.DB{from, target} {
		err := db.Read(ctx, "sum", func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, postgres.Statement{SQL: `SELECT md5(string_agg(ROW(id, x, at, float8send(f), i, b)::text, ',' ORDER BY id)) FROM public.t WHERE id < 15000`}, func(r postgres.Row) error {
				sums = append(sums, r.Text(0))
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(sums) != 2 || sums[0] != sums[1] || len(sums[0]) != 32 {
		t.Errorf("sums %v", sums)
	}

	// A row that is there ends it, with its key, and nothing stays.
	_, err = to.Copy(ctx, "copy", from, postgres.Copying{Out: out("id IN (14999) OR id > 17000"), In: in})
	if !postgres.HasCode(err, "23505") || !strings.Contains(err.Error(), "Key (id)=(14999) already exists") || !strings.HasPrefix(err.Error(), "target: ") {
		t.Errorf("%v", err)
	}
	alive("a duplicate")
	// So does an error while rows are read, after some were sent.
	_, err = to.Copy(ctx, "copy", from, postgres.Copying{Out: "COPY (SELECT id + 100000 / (id - 19999), x, at, f, i, b FROM public.t WHERE id > 15000 ORDER BY id) TO STDOUT", In: in})
	if !postgres.HasCode(err, "22012") || !strings.HasPrefix(err.Error(), "source: ") {
		t.Errorf("%v", err)
	}
	alive("a division by zero")
	if n := count(); n != 15000 {
		t.Errorf("%d rows", n)
	}
	// And the end of the context.
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err = to.Copy(short, "copy", from, postgres.Copying{Out: "COPY (SELECT 30000 + g, pg_catalog.pg_sleep(0.01)::pg_catalog.text, NULL, NULL, NULL, NULL FROM pg_catalog.generate_series(1, 100000) g) TO STDOUT", In: in})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	alive("a cancellation")
	if n := count(); n != 15000 {
		t.Errorf("%d rows", n)
	}
}
