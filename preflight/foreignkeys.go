package preflight

import (
	"context"

	"github.com/pgparity/pgparity/postgres"
)

// ForeignKey is a foreign key of a database, for whoever counts its orphans.
type ForeignKey struct {
	// Object is what it is called: public.orders constraint orders_customer_fkey,
	// each name as quote_ident prints it.
	Object string
	Valid  bool
	// Missing is the GRANT that the role lacks to count, "" for none.
	Missing string

	key foreignKey
}

// ForeignKeys reads the foreign keys of a database that are enforced, those of
// partitions only where they are their own.
func ForeignKeys(ctx context.Context, db *postgres.DB) ([]ForeignKey, error) {
	features, err := db.ReadFeatures(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := readForeignKeys(ctx, db, features)
	list := make([]ForeignKey, len(keys))
	for i, k := range keys {
		list[i] = ForeignKey{Object: k.object, Valid: k.valid, Missing: k.missing, key: k}
	}
	return list, err
}

// ManyOrphans is how many orphans are counted: one more stands for any number.
const ManyOrphans = manyOrphans

// Orphans counts the rows that point to a row that is not there, in one
// statement, which may take as long as the tables are large. Where rows still
// arrive a row may come before the one that it points to.
func (k ForeignKey) Orphans(ctx context.Context, db *postgres.DB) (int64, error) {
	rows, err := queryRows(ctx, db, "orphans", k.OrphansStatement(), func(r postgres.Row) int64 { return r.Int(0) })
	if err != nil {
		return 0, err
	}
	return rows[0], nil
}

// OrphansStatement is the statement that counts them.
func (k ForeignKey) OrphansStatement() postgres.Statement {
	return postgres.Statement{SQL: k.key.countSQL(0, 0)}
}
