package checker_test

import (
	"context"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestOtherOrder: citext is indexed in one order and compared in the other of
// its bytes. F is the sixth in the first, where the table would be cut, and
// nothing comes before it in the second.
func TestOtherOrder(t *testing.T) {
	made := []string{
		`CREATE EXTENSION citext`, `CREATE TABLE k (id citext PRIMARY KEY, a int)`,
		`INSERT INTO k VALUES ('a1', 1), ('a2', 1), ('a3', 1), ('a4', 1), ('a5', 1), ('F', 1)`,
		`INSERT INTO k SELECT 'g' || g, g FROM generate_series(1, 100) g`, `ANALYZE`,
	}
	source := pgcluster.Shared(t, 13).TestDB(t, made...)
	target := pgcluster.Shared(t, 10).TestDB(t, append(made, `DELETE FROM k WHERE id = 'g50'`)...)
	o := defaults()
	o.Checks, o.ChunkRows = []string{"ranges"}, 5
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	res, err := checker.Run(ctx, open(t, postgres.Source, source), open(t, postgres.Target, target), o)
	if err != nil {
		t.Fatal(err)
	}
	if tab := table(res, "public.k"); res.Verdict != checker.Mismatch || tab.FindingsTotal != 1 || *tab.Rows.Source != 106 {
		t.Errorf("%s, %d findings: %q", res.Verdict, tab.FindingsTotal, res.Reasons)
	}
}
