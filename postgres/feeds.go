package postgres

import (
	"context"
	"math"
	"math/big"
)

// Feed is a column of numbers that takes its values from a sequence: it owns it,
// or has it in its default.
type Feed struct {
	Name                  string // as reports have it: schema.table.column, each part as quote_ident prints it
	Schema, Table, Column string
	Kind                  string // int2, int4, int8 or numeric; of a domain, its base type
}

// ReadFeeds reads which columns this database's sequences feed, by the OID of
// the sequence. A partition's column is its root's.
func (db *DB) ReadFeeds(ctx context.Context) (feeds map[uint32][]Feed, err error) {
	err = Again(ctx, func() error {
		feeds = map[uint32][]Feed{}
		return db.Read(ctx, "sequence feeds", func(ctx context.Context, s *Session) error {
			return s.Each(ctx, db.statement("feeds"), func(r Row) error {
				oid := uint32(r.Int(0))
				feeds[oid] = append(feeds[oid], Feed{Schema: r.Text(1), Table: r.Text(2), Column: r.Text(3), Name: r.Text(4), Kind: r.Text(5)})
				return nil
			})
		})
	})
	return feeds, err
}

// Same tells whether two sides' feeds are one column.
func (f Feed) Same(other Feed) bool {
	return f.Schema == other.Schema && f.Table == other.Table && f.Column == other.Column
}

// Owns tells whether the column owns the sequence.
func (f Feed) Owns(s *Sequence) bool {
	return f.Schema == s.OwnerSchema && f.Table == s.OwnerTable && f.Column == s.OwnerColumn
}

// Limits are the values that the column's type can hold, nil for one without.
// The caller owns them.
func (f Feed) Limits() (least, most *big.Int) {
	switch f.Kind {
	case "int2":
		return big.NewInt(math.MinInt16), big.NewInt(math.MaxInt16)
	case "int4":
		return big.NewInt(math.MinInt32), big.NewInt(math.MaxInt32)
	}
	return nil, nil
}
