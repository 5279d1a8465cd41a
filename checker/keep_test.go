package checker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// TestKeptOnce: what is made of a piece that was read may fail as a reading does,
// after it counted rows. The piece is not read again then.
func TestKeptOnce(t *testing.T) {
	db := openSide(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t))
	r := &run{o: Options{Budget: time.Second}, guard: newGuard(Guard{}, nil, nil, nil)}
	tr := &tableRun{table: &pairing.Table{Source: &postgres.Table{}, Target: &postgres.Table{}}}
	for _, code := range []string{"57014", "40001"} { // out of time, in a standby's way
		kept := 0
		failed := &pgconn.PgError{Code: code}
		err := r.readPiece(t.Context(), tr, db, sampler.Unit{}, pageRun{pages: 8}, pass{do: func(context.Context, *postgres.Session, piece) (func() error, error) {
			return func() error { kept++; return failed }, nil
		}})
		if !errors.Is(err, failed) || kept != 1 {
			t.Errorf("%s: kept %d times: %v", code, kept, err)
		}
	}
	// A run that was stopped has read nothing.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.readPieces(ctx, tr, db, sampler.Unit{}, pageRun{pages: 8}, pass{}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}
