package hashing

import (
	"context"
	"strconv"

	"github.com/pgparity/pgparity/postgres"
)

// Values reads one row's columns, in the order of Digest.Columns, as the
// server prints them; nil for NULL. The row is found by its key, or, without
// one, by its hash. The result is nil when it is not there.
func (d *Digest) Values(ctx context.Context, s *postgres.Session, side postgres.Side, key []string) ([]*string, error) {
	var scope postgres.Scope
	switch {
	case d.Keyed():
		scope = d.wanted(side, [][]string{key})
	case d.Way == Stream: // the server does not know the client's hash
		return nil, nil
	default:
		h, err := strconv.ParseUint(key[0], 16, 64)
		if err != nil {
			return nil, err
		}
		scope = d.scope(side).And(d.rowSQL() + " = '" + strconv.FormatInt(int64(h), 10) + "'::pg_catalog.int8")
	}
	sql := "SELECT "
	for i, c := range d.Columns {
		if i > 0 {
			sql += ", "
		}
		sql += c.pair.Ref()
	}
	var values []*string
	err := s.Each(ctx, postgres.Statement{SQL: sql + "\n" + scope.Clause() + "\nLIMIT 1", Args: scope.Args}, func(r postgres.Row) error {
		values = make([]*string, r.Len())
		for i := range values {
			if !r.Null(i) {
				text := r.Text(i)
				values[i] = &text
			}
		}
		return nil
	})
	return values, err
}
