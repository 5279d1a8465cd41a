package preflight

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// lookup asks whether a value is in a column, and what its last one is in the
// direction of its sequence.
type lookup struct {
	sequence uint32
	feed     postgres.Feed
	table    *pairing.Table
	down     bool
	next     int64

	taken bool
	last  *big.Int // nil where the column is empty, or holds what is no integer
}

// mayLook tells whether a side's column can be looked into by one page or two
// of an index, and with all its rows.
func (l *lookup) mayLook(side postgres.Side) bool {
	t := l.table.On(side)
	return t != nil && t.CanSelect && !t.RowSecurity && t.LedBy(l.feed.Column)
}

// lookups are those that a side's sequences may be asked for: want says which
// value to look for in a column, and whether to; of the fed columns, those of
// tables that the filter chose. They are not answered yet.
func (f *facts) lookups(ctx context.Context, side postgres.Side, want func(standing, postgres.Feed) (value int64, asked bool)) ([]*lookup, error) {
	feeds, err := f.on(side).ReadFeeds(ctx)
	if err != nil {
		return nil, err
	}
	type name struct{ schema, table string }
	tables := map[name]*pairing.Table{}
	for _, t := range f.pair.Tables {
		if r := t.On(side); r != nil {
			tables[name{r.Schema, r.Name}] = t
		}
	}
	var list []*lookup
	for _, s := range f.standings() {
		q := s.On(side)
		for _, of := range feeds[q.OID] {
			value, asked := want(s, of)
			if !asked {
				continue
			}
			l := &lookup{sequence: q.OID, feed: of, table: tables[name{of.Schema, of.Table}], down: q.Increment < 0, next: value}
			if l.table != nil && l.mayLook(side) {
				list = append(list, l)
			}
		}
	}
	return list, nil
}

// lockBudget is how many relations one statement may lock: a server's lock
// table has room for some thousands.
const lockBudget = 1500

// lookUp answers lookups, many in one statement. The last value is looked for
// only where it is wanted: planning that costs as much again.
func (f *facts) lookUp(ctx context.Context, side postgres.Side, list []*lookup, last bool) error {
	for len(list) > 0 {
		n, locks := 0, 0
		for n < len(list) && (n == 0 || locks < lockBudget) {
			t := list[n].table.On(side)
			locks += max(t.Leaves, 1) * (1 + len(t.Indexes))
			n++
		}
		batch := list[:n]
		list = list[n:]
		err := readEach(ctx, f.on(side), "preflight sequence values", postgres.Statement{SQL: lookupSQL(side, batch, last)}, nil, func(r postgres.Row) error {
			l := batch[r.Int(0)]
			l.taken = r.Bool(1)
			if last, ok := new(big.Int).SetString(r.Text(2), 10); ok {
				l.last = last
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lookupSQL are subselects of a list of values, because a UNION ALL of as many
// arms takes the planner much longer.
func lookupSQL(side postgres.Side, list []*lookup, last bool) string {
	rows := make([]string, len(list))
	for i, l := range list {
		column := "t." + postgres.Ident(l.feed.Column)
		scope := l.table.Scope(side)
		end := "NULL"
		switch {
		case last && l.down:
			end = fmt.Sprintf("(SELECT pg_catalog.min(%s)::pg_catalog.text %s)", column, scope.Clause())
		case last:
			end = fmt.Sprintf("(SELECT pg_catalog.max(%s)::pg_catalog.text %s)", column, scope.Clause())
		}
		rows[i] = fmt.Sprintf("(%d::pg_catalog.int8, EXISTS (SELECT %s), %s)",
			i, scope.And(fmt.Sprintf("%s = '%d'::pg_catalog.int8", column, l.next)).Clause(), end)
	}
	return "VALUES " + strings.Join(rows, ",\n  ")
}

// behindColumn tells whether the column already has values at or past the next
// one of the sequence.
func (l *lookup) behindColumn() bool {
	if l.last == nil {
		return false
	}
	order := l.last.Cmp(big.NewInt(l.next))
	return order >= 0 && !l.down || order <= 0 && l.down
}
