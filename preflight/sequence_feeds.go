package preflight

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
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
// What a partition inherits from its root is the root's.
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
WHERE NOT c.relispartition AND coalesce(b.oid, t.oid) IN ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype,
  'pg_catalog.int8'::pg_catalog.regtype, 'pg_catalog.numeric'::pg_catalog.regtype)
ORDER BY 2, 3, 4`

// readFeeds reads which columns a side's sequences feed, by the OID of the
// sequence.
func (f *facts) readFeeds(ctx context.Context, side postgres.Side) (map[uint32][]feed, error) {
	var feeds map[uint32][]feed
	err := postgres.Again(ctx, func() error {
		feeds = map[uint32][]feed{}
		return f.on(side).Read(ctx, "preflight sequence feeds", func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, postgres.Statement{SQL: feedsSQL}, func(r postgres.Row) error {
				oid := uint32(r.Int(0))
				feeds[oid] = append(feeds[oid], feed{schema: r.Text(1), table: r.Text(2), column: r.Text(3), name: r.Text(4), kind: r.Text(5)})
				return nil
			})
		})
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

// lookups are those of a side's sequences, as far as they are asked for and say
// where they stand; of the fed columns, those of tables that the filter chose.
func (f *facts) lookups(ctx context.Context, side postgres.Side, asked func(oid uint32) bool, last bool) ([]*lookup, error) {
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
	for _, q := range f.pair.Sequences {
		s := q.On(side)
		if s == nil || !asked(s.OID) {
			continue
		}
		state, known := f.states[side][s.OID]
		next, given := pairing.NextValue(state, s)
		if !known || !given {
			continue
		}
		for _, of := range feeds[s.OID] {
			l := &lookup{sequence: s.OID, feed: of, table: tables[name{of.schema, of.table}], down: s.Increment < 0, next: next}
			if l.table != nil && l.mayLook(side) {
				list = append(list, l)
			}
		}
	}
	return list, f.lookUp(ctx, side, list, last)
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
		err := postgres.Again(ctx, func() error {
			return f.on(side).Read(ctx, "preflight sequence values", func(ctx context.Context, s *postgres.Session) error {
				return s.Each(ctx, postgres.Statement{SQL: lookupSQL(side, batch, last)}, func(r postgres.Row) error {
					l := batch[r.Int(0)]
					l.taken = r.Bool(1)
					if last, ok := new(big.Int).SetString(r.Text(2), 10); ok {
						l.last = last
					}
					return nil
				})
			})
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

// collision is what a lookup found on the target, and on the source for the same
// column, nil where that was not asked or could not be.
type collision struct {
	standing
	target, source *lookup
}

// collisions are what is wrong with the sequences that are asked for and are not
// behind their sources: those that are behind are told of as such. last says
// whether wrong asks for the columns' last values. The source
// is asked for these alone, for what is wrong on both sides was so before.
func (f *facts) collisions(ctx context.Context, asked func(standing) bool, wrong func(*lookup) bool, last bool) ([]collision, error) {
	standings := map[uint32]standing{}
	for _, s := range f.standings() {
		if s.order() >= 0 && asked(s) {
			standings[s.Target.OID] = s
		}
	}
	list, err := f.lookups(ctx, postgres.Target, func(oid uint32) bool { return standings[oid].Sequence != nil }, last)
	if err != nil {
		return nil, err
	}
	var found []collision
	suspects, onTarget := map[uint32]bool{}, map[uint32]bool{}
	for _, l := range list {
		if s := standings[l.sequence]; wrong(l) && !onTarget[l.sequence] { // once for a sequence of several columns
			found = append(found, collision{standing: s, target: l})
			onTarget[l.sequence], suspects[s.Source.OID] = true, true
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	if !last {
		hits := make([]*lookup, len(found))
		for i := range found {
			hits[i] = found[i].target
		}
		if err := f.lookUp(ctx, postgres.Target, hits, true); err != nil {
			return nil, err
		}
	}
	list, err = f.lookups(ctx, postgres.Source, func(oid uint32) bool { return suspects[oid] }, true)
	if err != nil {
		return nil, err
	}
	for i := range found {
		c := &found[i]
		for _, l := range list {
			if l.sequence == c.Source.OID && l.feed.same(c.target.feed) {
				c.source = l
			}
		}
	}
	return found, nil
}

func sequencesColliding(ctx context.Context, f *facts) ([]Hazard, error) {
	list, err := f.collisions(ctx, func(standing) bool { return true }, func(l *lookup) bool { return l.taken }, false)
	if err != nil {
		return nil, err
	}
	found := make([]Hazard, len(list))
	for i, c := range list {
		h := Hazard{Object: c.Target.Quoted, Fix: past(c.standing, c.target),
			Sentence: fmt.Sprintf("its next value %d is already in %s: the next insert collides with that row", c.target.next, c.target.feed.name)}
		switch {
		case c.source != nil && c.source.taken:
			h.Severity = schema.Info
			h.Sentence += fmt.Sprintf(", as it does on the source, where that is %d", c.source.next)
		case f.rowsOnly():
			h.Severity = schema.Info
			h.Sentence += "; a cutover sets the sequence"
		}
		found[i] = h
	}
	return found, nil
}

// past sets a sequence behind what the column has, "" where the column's last
// value is no value of the sequence.
func past(s standing, l *lookup) string {
	if l.last == nil || l.last.Cmp(big.NewInt(s.Target.Min)) < 0 || l.last.Cmp(big.NewInt(s.Target.Max)) > 0 || !l.behindColumn() {
		return ""
	}
	return fmt.Sprintf("SELECT pg_catalog.setval(%s, %d)", postgres.Literal(s.Target.Quoted), l.last)
}

func sequencesByDefault(ctx context.Context, f *facts) ([]Hazard, error) {
	list, err := f.collisions(ctx, func(s standing) bool { return s.Target.OwnerColumn == "" },
		func(l *lookup) bool { return l.behindColumn() && !l.taken }, true) // what collides at once is told by sequence-collides
	if err != nil {
		return nil, err
	}
	found := make([]Hazard, len(list))
	for i, c := range list {
		h := Hazard{Object: c.Target.Quoted, Fix: past(c.standing, c.target),
			Sentence: fmt.Sprintf("its next value is %d, and %s has %d: inserts collide as soon as they get there", c.target.next, c.target.feed.name, c.target.last)}
		if c.source != nil && c.source.behindColumn() {
			h.Severity = schema.Info
			h.Sentence += fmt.Sprintf(", as they do on the source, where that is %d", c.source.last)
		}
		found[i] = h
	}
	return found, nil
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
