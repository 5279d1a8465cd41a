package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// An index over texts is looked at by a sample, where amcheck may not be used, in
// two ways. Either finds what a changed collation, or a changed function of an
// expression, leaves behind:
//
//   - Rows that come out in the index's order are compared as the index would
//     compare them now: none may come before the one that precedes it.
//   - Rows of pages anywhere in the table are looked up through the index by their
//     own keys: each has to find itself.
//
// Values are taken from the table, never from the index, and the plan is looked
// at first: another index that serves as well would prove nothing of this one.

// sampled is an index with what its statements are made of.
type sampled struct {
	btree
	where string // of a partial index, else ""
	keys  []indexKey
}

// indexKey is one key column of an index.
type indexKey struct {
	expr                 string // as the index defines it, with its collation
	less, equal, greater string // OPERATOR(schema.<) and so on
	cast                 string // to the type that the operators take, or ""
	desc, first          bool   // sorted downwards; NULLs come first
}

// indexKeysSQL reads the key columns of an index, in their order. The operators
// are those of the operator class: they decide what its order is.
const indexKeysSQL = `SELECT pg_catalog.pg_get_expr(i.indpred, i.indrelid),
  pg_catalog.pg_get_indexdef(i.indexrelid, u.n::pg_catalog.int4, false) || coalesce(' COLLATE ' || pg_catalog.quote_ident(ln.nspname) || '.' || pg_catalog.quote_ident(l.collname), ''),
  op.less, op.equal, op.greater,
  (SELECT '::' || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(k.typname)
    FROM pg_catalog.pg_type k JOIN pg_catalog.pg_namespace tn ON tn.oid = k.typnamespace WHERE k.oid = oc.opcintype AND k.typtype <> 'p'),
  u.option & 1 <> 0, u.option & 2 <> 0
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(i.indcollation::pg_catalog.oid[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]), pg_catalog.unnest(i.indoption::pg_catalog.int2[]))
  WITH ORDINALITY u(coll, opclass, option, n)
LEFT JOIN pg_catalog.pg_collation l ON l.oid = u.coll LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
JOIN pg_catalog.pg_opclass oc ON oc.oid = u.opclass
CROSS JOIN LATERAL (
  SELECT pg_catalog.max(q.op) FILTER (WHERE a.amopstrategy = 1) AS less, pg_catalog.max(q.op) FILTER (WHERE a.amopstrategy = 3) AS equal,
    pg_catalog.max(q.op) FILTER (WHERE a.amopstrategy = 5) AS greater
  FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace
  CROSS JOIN LATERAL (SELECT 'OPERATOR(' || pg_catalog.quote_ident(opn.nspname) || '.' || o.oprname || ')') q(op)
  WHERE a.amopfamily = oc.opcfamily AND a.amoplefttype = oc.opcintype AND a.amoprighttype = oc.opcintype
) op
WHERE i.indexrelid = $1::pg_catalog.oid
ORDER BY u.n`

// keysOf reads what an index's statements are made of.
func (f *facts) keysOf(ctx context.Context, side postgres.Side, b btree) (sampled, error) {
	s := sampled{btree: b}
	var err error
	s.keys, err = queryRows(ctx, f.on(side), "preflight index-disagrees", postgres.Statement{SQL: indexKeysSQL, Args: []string{b.oid}}, func(r postgres.Row) indexKey {
		s.where = r.Text(0)
		return indexKey{expr: r.Text(1), less: r.Text(2), equal: r.Text(3), greater: r.Text(4), cast: r.Text(5), desc: r.Bool(6), first: r.Bool(7)}
	}, f.limit())
	if err == nil && len(s.keys) == 0 {
		err = errors.New("it was dropped while the run was on")
	}
	return s, err
}

// through makes the planner go through an index, row by row of the table.
var through = []string{"enable_seqscan = off", "enable_bitmapscan = off", "enable_sort = off", "enable_indexonlyscan = off", "enable_tidscan = off",
	"enable_hashjoin = off", "enable_mergejoin = off", "enable_material = off"}

// How many rows are read in the index's order, of how many pages the rows are
// that are looked up, and by what either is divided where that takes too long.
const (
	sliceRows  = 10_000
	probePages = 40
	lessen     = 10
)

// checkSample looks at a sample of an index.
func (f *facts) checkSample(ctx context.Context, side postgres.Side, b btree) (bad bool, err error) {
	if b.missing != "" {
		return false, errors.New("the role may not read the table: " + b.missing)
	}
	share, err := f.share(ctx, side, b)
	if err == nil && share > 0 {
		bad, err = f.checkRows(ctx, side, b, share)
	}
	if postgres.TimedOut(err) {
		err = fmt.Errorf("not finished within %v a statement: raise --budget", f.o.Budget)
	}
	return bad, err
}

func (f *facts) checkRows(ctx context.Context, side postgres.Side, b btree, share float64) (bad bool, err error) {
	s, err := f.keysOf(ctx, side, b)
	if err != nil {
		return false, err
	}
	bad, err = f.countedInTime(ctx, side, s, s.orderSQL(sliceRows), s.orderSQL(sliceRows/lessen), s.orderSQL(sliceRows/lessen/lessen))
	if err != nil || bad {
		return bad, err
	}
	return f.countedInTime(ctx, side, s, s.probeSQL(share), s.probeSQL(share/lessen), s.probeSQL(share/lessen/lessen))
}

// share is how many percent of a table's pages to take, 0 of one that has none.
func (f *facts) share(ctx context.Context, side postgres.Side, b btree) (float64, error) {
	pages, err := queryRows(ctx, f.on(side), "preflight index-disagrees", postgres.Statement{SQL: leafPages, Args: []string{b.tableOID}}, func(r postgres.Row) int64 { return r.Int(0) }, f.limit())
	if err != nil {
		return 0, err
	}
	if pages[0] == 0 {
		return 0, nil
	}
	return min(100, 100*probePages/float64(pages[0])), nil
}

// orderSQL counts rows that come too early in the index's order, among the first
// ones.
func (b sampled) orderSQL(rows int) string {
	var keys, order, previous []string
	before := "false"
	for i := len(b.keys) - 1; i >= 0; i-- {
		k := b.keys[i]
		cur, prev := fmt.Sprintf("k%d", i), fmt.Sprintf("p%d", i)
		before = fmt.Sprintf("(%s OR (%s AND %s))", k.before(cur, prev), k.same(cur, prev), before)
	}
	for i, k := range b.keys {
		keys = append(keys, fmt.Sprintf("%s AS k%d", k.expr, i))
		order = append(order, fmt.Sprintf("%s %s", k.expr, k.direction()))
		previous = append(previous, fmt.Sprintf("k%d, pg_catalog.lag(k%d) OVER () AS p%d", i, i, i))
	}
	return fmt.Sprintf(`SELECT count(*) FROM (
  SELECT %s, pg_catalog.row_number() OVER () AS n FROM (
    SELECT %s FROM %s%s ORDER BY %s LIMIT %d
  ) AS slice
) AS pairs WHERE n > 1 AND %s`, strings.Join(previous, ", "), strings.Join(keys, ", "), b.table, b.filter(), strings.Join(order, ", "), rows, before)
}

func (k indexKey) direction() string {
	s := "USING " + k.less
	if k.desc {
		s = "USING " + k.greater
	}
	if k.first {
		return s + " NULLS FIRST"
	}
	return s + " NULLS LAST"
}

// before is the condition that a value sorts before another in the index.
func (k indexKey) before(a, b string) string {
	null, other := b, a
	if k.first {
		null, other = a, b
	}
	if k.desc {
		a, b = b, a
	}
	return fmt.Sprintf("(%s IS NULL AND %s IS NOT NULL OR %s%s %s %s%s)", null, other, a, k.cast, k.less, b, k.cast)
}

func (k indexKey) same(a, b string) string {
	return fmt.Sprintf("(%s IS NULL AND %s IS NULL OR %s%s %s %s%s)", a, b, a, k.cast, k.equal, b, k.cast)
}

func (b sampled) filter() string {
	if b.where == "" {
		return ""
	}
	return " WHERE (" + b.where + ")"
}

// probeSQL counts rows of a sample that do not find themselves.
func (b sampled) probeSQL(percent float64) string {
	var keys, found []string
	all := "true"
	for i, k := range b.keys {
		keys = append(keys, fmt.Sprintf("%s AS k%d", k.expr, i))
		all += fmt.Sprintf(" AND s.k%d IS NOT NULL", i)
		found = append(found, fmt.Sprintf("(%s)%s %s s.k%d%s", k.expr, k.cast, k.equal, i, k.cast))
	}
	if b.where != "" {
		found = append(found, "("+b.where+")")
	}
	return fmt.Sprintf(`SELECT count(*) FROM (
  SELECT t.ctid AS place, %s FROM %s TABLESAMPLE SYSTEM (%g)%s
) AS s
WHERE %s AND NOT EXISTS (SELECT FROM %s WHERE %s AND t.ctid = s.place)`, strings.Join(keys, ", "), b.table, percent, b.filter(), all, b.table, strings.Join(found, " AND "))
}

// errOtherPlan says that the server would not go through the index.
var errOtherPlan = errors.New("the server reads it by another index or plan, so a sample says nothing of this one: check it with amcheck")

// countedInTime tries statements, each quicker than the one before, until one
// ends in time.
func (f *facts) countedInTime(ctx context.Context, side postgres.Side, b sampled, statements ...string) (any bool, err error) {
	for _, sql := range statements {
		if any, err = f.counted(ctx, side, b, sql); !postgres.TimedOut(err) || ctx.Err() != nil {
			break
		}
	}
	return any, err
}

// counted tells whether a statement counts anything, once its plan goes through
// the index.
func (f *facts) counted(ctx context.Context, side postgres.Side, b sampled, sql string) (bool, error) {
	settings := slices.Concat(through, []string{f.limit()})
	planned, any := false, false
	err := postgres.Again(ctx, func() error {
		return f.on(side).Read(ctx, "preflight index-disagrees", func(ctx context.Context, s *postgres.Session) error {
			var plan []struct{ Plan planNode }
			text, err := s.Explain(ctx, sql)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(text, &plan); err != nil {
				return fmt.Errorf("%s: explain: %w", side, err)
			}
			if planned = len(plan) == 1 && plan[0].Plan.scans(b.name) && !plan[0].Plan.sorts(); !planned {
				return nil
			}
			return s.Each(ctx, postgres.Statement{SQL: sql}, func(r postgres.Row) error {
				any = r.Int(0) > 0
				return nil
			})
		}, settings...)
	})
	if err == nil && !planned {
		err = errOtherPlan
	}
	return any, err
}

// planNode is what matters of a node of a plan.
type planNode struct {
	NodeType  string     `json:"Node Type"`
	IndexName string     `json:"Index Name"`
	Plans     []planNode `json:"Plans"`
}

// scans tells whether the plan reads the table by the index.
func (p planNode) scans(index string) bool {
	if p.NodeType == "Index Scan" && (p.IndexName == index || p.IndexName == postgres.Ident(index)) { // older servers quote it
		return true
	}
	for _, child := range p.Plans {
		if child.scans(index) {
			return true
		}
	}
	return false
}

// sorts tells whether anything sorts.
func (p planNode) sorts() bool {
	if strings.Contains(p.NodeType, "Sort") {
		return true
	}
	for _, child := range p.Plans {
		if child.sorts() {
			return true
		}
	}
	return false
}
