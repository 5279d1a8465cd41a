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

// TestWrite: what Write returned nil for has committed, what it returned an
// error for has not, and only Write writes. Both on the oldest and the newest
// server: whether a transaction that began read only may still write, and how
// it is told, is theirs to say.
func TestWrite(t *testing.T) {
	for _, major := range []int{10, 18} {
		c := pgcluster.Shared(t, major)
		// A session that may lose what it committed, and mustn't write: both have to
		// be lifted.
		url := c.TestDB(t, `CREATE TABLE w (id int PRIMARY KEY, how text)`,
			`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`)
		db := openRun(t, url, "w")
		insert := postgres.Statement{SQL: "INSERT INTO public.w SELECT $1, pg_catalog.current_setting('synchronous_commit') RETURNING how", Args: []string{"1"}}
		how := ""
		put := func(ctx context.Context, s *postgres.Session) error {
			return s.Change(ctx, "insert", insert, func(r postgres.Row) error { how = r.Text(0); return nil })
		}
		if err := db.Read(t.Context(), "w", put); err == nil || !strings.Contains(err.Error(), "source: insert: cannot execute INSERT in a read-only transaction") {
			t.Errorf("%d: a reading that writes: %v", major, err)
		}
		halt := errors.New("halt")
		err := db.Write(t.Context(), "w", func(ctx context.Context, s *postgres.Session) error {
			return errors.Join(put(ctx, s), halt)
		})
		if !errors.Is(err, halt) || countRows(t, db) != 0 {
			t.Errorf("%d: after an error %d rows: %v", major, countRows(t, db), err)
		}
		if err := db.Write(t.Context(), "w", put); err != nil || how != "on" || countRows(t, db) != 1 {
			t.Errorf("%d: %d rows, synchronous_commit %q: %v", major, countRows(t, db), how, err)
		}
		// A statement without RETURNING would count its rows as lost.
		insert.SQL = strings.ReplaceAll(insert.SQL, " RETURNING how", "")
		insert.Args = []string{"2"}
		if err := db.Write(t.Context(), "w", put); err == nil || countRows(t, db) != 1 {
			t.Errorf("%d: without RETURNING %d rows: %v", major, countRows(t, db), err)
		}
		beat := postgres.Beat{Table: "public.w", Column: "id", KeyColumn: "how", Key: "on"}
		if v, err := db.Strike(t.Context(), beat); err != nil || v != "2" {
			t.Errorf("%d: strike: %q, %v", major, v, err)
		}
		beat.Key = "nobody's"
		if v, err := db.Strike(t.Context(), beat); !errors.Is(err, postgres.ErrNoBeat) || v != "" {
			t.Errorf("%d: strike of no row: %q, %v", major, v, err)
		}
		if err := db.Read(t.Context(), "w", func(context.Context, *postgres.Session) error { return nil }); err != nil {
			t.Error(err)
		}
	}
}

func countRows(t *testing.T, db *postgres.DB) (n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := db.Read(ctx, "w", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: "SELECT count(*) FROM public.w"}, func(r postgres.Row) error { n = r.Int(0); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
