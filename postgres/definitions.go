package postgres

import "context"

// Definition is one part of a table's definition beside its columns' types:
// a default, a constraint, an index, a trigger and the like.
type Definition struct {
	Kind   string // persistence, not_null, identity, default, constraint, index, trigger
	Table  string // the report name
	Object string // what it is called: public.orders.total, public.orders index by_day
	Text   string // as the server deparses it
}

// ReadDefinitions reads the definitions of all tables of one side, without
// partitions, in one transaction. The catalog alone is read: no privilege on a
// table is needed.
func (db *DB) ReadDefinitions(ctx context.Context) ([]Definition, error) {
	var list []Definition
	err := db.Read(ctx, "definitions", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, db.statement("definitions"), func(r Row) error {
			list = append(list, Definition{r.Text(0), r.Text(1), r.Text(2), r.Text(3)})
			return nil
		})
	})
	return list, err
}
