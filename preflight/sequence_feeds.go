package preflight

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// feed is a column that takes its values from a sequence: it owns it, or has it
// in its default.
type feed struct {
	name                  string // as reports have it
	schema, table, column string
	kind                  string // int2, int4, int8 or numeric
}

// same tells whether two sides' feeds are one column.
func (f feed) same(other feed) bool {
	return f.schema == other.schema && f.table == other.table && f.column == other.column
}

// feedsSQL gives the sequences that columns of numbers take their values from.
// What a partition inherits from its root is the root's. A default that makes
// something else of a value (nextval('s') * 10) says nothing of the column.
const feedsSQL = `WITH taken AS (
  SELECT d.objid AS sequence, d.refobjid AS rel, d.refobjsubid::pg_catalog.int4 AS num
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjsubid > 0 AND d.deptype IN ('a','i')
  UNION
  SELECT d.refobjid, e.adrelid, e.adnum
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_catalog.pg_attrdef e ON e.oid = d.objid
  WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT taken.sequence::pg_catalog.int8, n.nspname, c.relname, a.attname,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || '.' || pg_catalog.quote_ident(a.attname), coalesce(b.typname, t.typname)
FROM taken JOIN pg_catalog.pg_class c ON c.oid = taken.rel JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = taken.num
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd'
LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = taken.rel AND e.adnum = taken.num
WHERE NOT c.relispartition AND coalesce(b.oid, t.oid) IN ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype,
  'pg_catalog.int8'::pg_catalog.regtype, 'pg_catalog.numeric'::pg_catalog.regtype)
  AND (e.oid IS NULL OR pg_catalog.pg_get_expr(e.adbin, e.adrelid) !~ 'nextval\('
    OR pg_catalog.pg_get_expr(e.adbin, e.adrelid) ~ '^\(*nextval\(\(?''([^'']|'''')*''(::text\))?::regclass\)(\)|::[^+*/|%#<>=&~!@^?-]+)*$')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> taken.sequence)
ORDER BY 2, 3, 4`

// readFeeds reads which columns a side's sequences feed, by the OID of the
// sequence.
func (f *facts) readFeeds(ctx context.Context, side postgres.Side) (map[uint32][]feed, error) {
	var feeds map[uint32][]feed
	err := readEach(ctx, f.on(side), "preflight sequence feeds", postgres.Statement{SQL: feedsSQL}, func() { feeds = map[uint32][]feed{} }, func(r postgres.Row) error {
		oid := uint32(r.Int(0))
		feeds[oid] = append(feeds[oid], feed{schema: r.Text(1), table: r.Text(2), column: r.Text(3), name: r.Text(4), kind: r.Text(5)})
		return nil
	})
	return feeds, err
}

// lookup asks whether a value is in a column, and what its last one is in the
// direction of its sequence.
type lookup struct {
	sequence uint32
	feed     feed
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
	return t != nil && t.CanSelect && !t.RowSecurity && t.LedBy(l.feed.column)
}

// lookups are those that a side's sequences may be asked for: want says which
// value to look for in a column, and whether to; of the fed columns, those of
// tables that the filter chose. They are not answered yet.
func (f *facts) lookups(ctx context.Context, side postgres.Side, want func(standing, feed) (value int64, asked bool)) ([]*lookup, error) {
	feeds, err := f.readFeeds(ctx, side)
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
			l := &lookup{sequence: q.OID, feed: of, table: tables[name{of.schema, of.table}], down: q.Increment < 0, next: value}
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
		column := "t." + postgres.Ident(l.feed.column)
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

// limits are the values that a column of a kind can hold, nil for a kind without.
func (f feed) limits() (least, most *big.Int) {
	switch f.kind {
	case "int2":
		return big.NewInt(math.MinInt16), big.NewInt(math.MaxInt16)
	case "int4":
		return big.NewInt(math.MinInt32), big.NewInt(math.MaxInt32)
	}
	return nil, nil
}
