package preflight

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// readEach runs a statement in a transaction of its own and calls fn with each
// row; all over again, from begin on, where a standby's replay cancelled it: it
// is nil where a row that comes twice does no harm. settings hold for that
// transaction.
func readEach(ctx context.Context, db *postgres.DB, tag string, st postgres.Statement, begin func(), fn func(postgres.Row) error, settings ...string) error {
	return postgres.Again(ctx, func() error {
		if begin != nil {
			begin()
		}
		return db.Read(ctx, tag, func(ctx context.Context, s *postgres.Session) error { return s.Each(ctx, st, fn) }, settings...)
	})
}

// queryRows reads all rows of a statement, as readEach does.
func queryRows[T any](ctx context.Context, db *postgres.DB, tag string, st postgres.Statement, scan func(postgres.Row) T, settings ...string) ([]T, error) {
	var rows []T
	err := readEach(ctx, db, tag, st, func() { rows = nil }, func(r postgres.Row) error {
		rows = append(rows, scan(r))
		return nil
	}, settings...)
	return rows, err
}

// joined names the first so many of a list, and counts the rest.
func joined(names []string, by string, most int) string {
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], by), len(names)-most)
	}
	return strings.Join(names, by)
}
