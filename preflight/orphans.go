package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// foreignKey is a foreign key with the parts of the statement that looks for
// its orphans: rows c of the referencing table without their row p.
type foreignKey struct {
	object    string // public.orders constraint orders_customer_fkey
	valid     bool
	missing   string // the GRANT that the role lacks, "" for none
	child     string // FROM items
	parent    string
	notNull   string // all columns of the key are there
	someThere string // at least one of them is
	full      bool   // MATCH FULL: not even a part of the key may be NULL
	equal     string // p has c's key; "" where the period is all of it
	period    string // c's and
	covered   string // p's column, of a key over a period of time
	childOID  string
}

// foreignKeysSQL gives the target's foreign keys, those of partitions only where
// they are their own. The comparison is the constraint's: its operators, whose
// operands get their types where they are other ones, and the collation of the
// referenced column. A key that is not enforced promises nothing.
const foreignKeysSQL = `SELECT pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' constraint ' || pg_catalog.quote_ident(k.conname),
  k.convalidated,
  CASE WHEN pg_catalog.has_schema_privilege(cn.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
      AND pg_catalog.has_schema_privilege(pn.oid, 'USAGE') AND pg_catalog.has_table_privilege(p.oid, 'SELECT') THEN NULL
    ELSE 'GRANT USAGE ON SCHEMA ' || pg_catalog.concat_ws(', ', pg_catalog.quote_ident(cn.nspname), nullif(pg_catalog.quote_ident(pn.nspname), pg_catalog.quote_ident(cn.nspname)))
      || ' TO ' || pg_catalog.quote_ident(current_user) || '; GRANT SELECT ON ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(c.relname)
      || ', ' || pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname) || ' TO ' || pg_catalog.quote_ident(current_user) END,
  CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' AS c',
  CASE p.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname) || ' AS p',
  part.not_null, part.some_there, k.confmatchtype = 'f', part.equal, part.period, part.covered,
  c.oid
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
CROSS JOIN LATERAL (
  SELECT pg_catalog.string_agg('c.' || pg_catalog.quote_ident(ca.attname) || ' IS NOT NULL', ' AND ' ORDER BY u.n) AS not_null,
    pg_catalog.string_agg('c.' || pg_catalog.quote_ident(ca.attname) || ' IS NOT NULL', ' OR ' ORDER BY u.n) AS some_there,
    pg_catalog.string_agg('p.' || pg_catalog.quote_ident(pa.attname) || cast_left.type || ' OPERATOR(' || pg_catalog.quote_ident(opn.nspname) || '.' || o.oprname || ') c.'
      || pg_catalog.quote_ident(ca.attname) || cast_right.type || coalesce(other.coll, ''), ' AND ' ORDER BY u.n) FILTER (WHERE NOT u.period) AS equal,
    pg_catalog.max('c.' || pg_catalog.quote_ident(ca.attname)) FILTER (WHERE u.period) AS period,
    pg_catalog.max('p.' || pg_catalog.quote_ident(pa.attname)) FILTER (WHERE u.period) AS covered
  FROM (SELECT x.n, x.child, x.parent, x.op, {{pg_constraint.conperiod ? k.conperiod AND x.n = pg_catalog.array_length(k.conkey, 1) : false}} AS period
    FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)) WITH ORDINALITY x(child, parent, op, n)) u
  JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.child
  JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.parent
  JOIN pg_catalog.pg_operator o ON o.oid = u.op JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace
  CROSS JOIN LATERAL (SELECT coalesce((SELECT '::' || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.typname)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace WHERE t.oid = o.oprleft AND t.oid <> pa.atttypid AND t.typtype <> 'p'), '')) cast_left(type)
  CROSS JOIN LATERAL (SELECT coalesce((SELECT '::' || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.typname)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace WHERE t.oid = o.oprright AND t.oid <> ca.atttypid AND t.typtype <> 'p'), '')) cast_right(type)
  LEFT JOIN LATERAL (SELECT ' COLLATE ' || pg_catalog.quote_ident(ln.nspname) || '.' || pg_catalog.quote_ident(l.collname)
    FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
    WHERE l.oid = pa.attcollation AND ca.attcollation <> pa.attcollation) other(coll) ON true
) part
WHERE k.contype = 'f' AND {{pg_constraint.conparentid ? k.conparentid = 0 : true}} AND {{pg_constraint.conenforced ? k.conenforced : true}}
  AND {{own cn.nspname}}
ORDER BY 1`

func (f *facts) foreignKeys(ctx context.Context) ([]foreignKey, error) {
	return readForeignKeys(ctx, f.target, f.features[postgres.Target])
}

func readForeignKeys(ctx context.Context, db *postgres.DB, features postgres.Features) ([]foreignKey, error) {
	st := postgres.Statement{SQL: features.Fill(expandOwn(foreignKeysSQL))}
	return queryRows(ctx, db, "preflight fk-orphans", st, func(r postgres.Row) foreignKey {
		return foreignKey{object: r.Text(0), valid: r.Bool(1), missing: r.Text(2), child: r.Text(3), parent: r.Text(4), notNull: r.Text(5), someThere: r.Text(6),
			full: r.Bool(7), equal: r.Text(8), period: r.Text(9), covered: r.Text(10), childOID: r.Text(11)}
	})
}

// manyOrphans is how many are counted.
const manyOrphans = 1000

// orphans is the condition that a row c is one. A NULL in the key makes a
// comparison that no row passes.
func (k foreignKey) orphans() string {
	match := "NOT EXISTS (SELECT FROM " + k.parent + " WHERE " + k.equal + ")"
	if k.period != "" { // what the referenced periods cover together has to hold it
		where := ""
		if k.equal != "" {
			where = " WHERE " + k.equal
		}
		match = "(" + k.period + " OPERATOR(pg_catalog.<@) (SELECT pg_catalog.range_agg(" + k.covered + ") FROM " + k.parent + where + ")) IS NOT TRUE"
	}
	if k.full {
		return "(" + k.someThere + ") AND " + match
	}
	return k.notNull + " AND " + match
}

// countSQL counts them, up to manyOrphans and one, in a run of pages of c; to 0
// is all that follow.
func (k foreignKey) countSQL(from, to int64) string {
	where := k.orphans()
	if from > 0 {
		where = fmt.Sprintf("c.ctid >= '(%d,0)'::pg_catalog.tid AND ", from) + where
	}
	if to > 0 {
		where = fmt.Sprintf("c.ctid < '(%d,0)'::pg_catalog.tid AND ", to) + where
	}
	return fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s WHERE %s LIMIT %d) AS orphans", k.child, where, manyOrphans+1)
}

// findOrphans looks at each foreign key of the target. What applies changes
// there bypasses them, and a key that is valid is not validated again.
func findOrphans(ctx context.Context, f *facts) (found []Hazard, _ error) {
	keys, err := f.foreignKeys(ctx)
	if err != nil {
		return nil, err
	}
	var left leftOut
	for _, k := range keys {
		if !f.chosen(k.object) {
			continue
		}
		if k.missing != "" {
			left.add("the role may not read both tables: "+k.missing, k.object)
			continue
		}
		n, err := f.countOrphans(ctx, k)
		here := true
		if err == nil && n > 0 && f.fence != nil { // by several ways, or as a table is copied, a row may come before the one it points to
			if len(f.subscriptions) != 1 {
				f.arrived(ctx) // a stream that stands still leaves orphans, too
			}
			here = !f.copying(ctx, k)
			n, err = f.countOrphans(ctx, k)
		}
		switch {
		case ctx.Err() != nil:
			return found, context.Cause(ctx)
		case postgres.TimedOut(err):
			left.add(fmt.Sprintf("not finished within %v a statement: raise --budget", f.o.Budget), k.object)
		case err != nil:
			left.add(err.Error(), k.object)
		case n > 0 && !here:
			left.add("rows point to a row that is not there, and its tables are still being copied: look again once they are", k.object)
		case n > 0:
			found = append(found, k.hazard(n))
		}
	}
	return found, left.err(postgres.Target)
}

func (k foreignKey) hazard(n int64) Hazard {
	rows := fmt.Sprintf("%d rows point to a row that is not there", n)
	switch {
	case n > manyOrphans:
		rows = fmt.Sprintf("more than %d rows point to a row that is not there", manyOrphans)
	case n == 1:
		rows = "1 row points to a row that is not there"
	}
	if !k.valid {
		return Hazard{Severity: schema.Warn, Object: k.object, Sentence: rows + ": VALIDATE CONSTRAINT will fail"}
	}
	return Hazard{Object: k.object, Sentence: rows + ", though the constraint counts as valid: joins lose these rows, and VALIDATE CONSTRAINT says nothing of them; copy the missing rows, or delete these, and verify again"}
}

// countOrphans reads the referencing table at once, or, where that overran the
// budget, in runs of its pages.
func (f *facts) countOrphans(ctx context.Context, k foreignKey) (int64, error) {
	n, err := f.count(ctx, k.countSQL(0, 0))
	if postgres.TimedOut(err) && ctx.Err() == nil && f.pageRanges(postgres.Target) {
		return f.countRuns(ctx, k)
	}
	return n, err
}

// firstRuns is into how many runs a table is cut at first.
const firstRuns = 16

// countRuns counts in runs of pages, as large as can be read in time.
func (f *facts) countRuns(ctx context.Context, k foreignKey) (n int64, _ error) {
	pages, err := queryRows(ctx, f.target, "preflight fk-orphans", postgres.Statement{SQL: leafPages, Args: []string{k.childOID}}, func(r postgres.Row) int64 { return r.Int(0) }, f.limit())
	if err != nil {
		return 0, err
	}
	last := pages[0]
	step := max(last/firstRuns, 1)
	for from := int64(0); n <= manyOrphans; {
		to := from + step
		if to >= last { // and what was added since
			to = 0
		}
		began := time.Now()
		more, err := f.count(ctx, k.countSQL(from, to))
		switch {
		case postgres.TimedOut(err) && ctx.Err() == nil && step > 1:
			step = max(step/4, 1)
			if to == 0 { // more was added than a run may have
				last = max(last, from+step+1)
			}
			continue
		case err != nil:
			return n, err
		}
		n += more
		if to == 0 {
			break
		}
		if from = to; time.Since(began) < f.o.Budget/4 {
			step *= 2
		}
	}
	return n, nil
}

// leafPages is how many pages the largest leaf of a table has.
const leafPages = `WITH RECURSIVE tree(oid) AS (
  SELECT $1::pg_catalog.oid UNION ALL SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT coalesce(pg_catalog.max(pg_catalog.pg_relation_size(tree.oid)) / pg_catalog.current_setting('block_size')::pg_catalog.int8, 0) FROM tree`

// arrived waits, for some seconds at most, until what the source had has come,
// and tells whether it did. Where nothing replicates nothing can.
func (f *facts) arrived(ctx context.Context) bool {
	if f.fence == nil {
		return false
	}
	patience, cancel := context.WithTimeout(ctx, max(f.o.Budget, time.Second))
	defer cancel()
	mark, err := f.fence.Mark(patience)
	return err == nil && f.fence.Wait(patience, mark) == nil
}

// copying tells whether one of a key's tables is still to be copied, or to catch
// up: it may be referred to by rows that came before its own.
func (f *facts) copying(ctx context.Context, k foreignKey) bool {
	health, err := f.fence.Health(ctx)
	if err != nil {
		return true
	}
	names := []string{strings.TrimSuffix(strings.TrimPrefix(k.child, "ONLY "), " AS c"), strings.TrimSuffix(strings.TrimPrefix(k.parent, "ONLY "), " AS p")}
	return slices.ContainsFunc(health.Troubles, func(t fence.Trouble) bool {
		return t.Kind == fence.NotReady && slices.ContainsFunc(t.Tables, func(s postgres.TableState) bool { return slices.Contains(names, s.Table) })
	})
}

func (f *facts) count(ctx context.Context, sql string) (int64, error) {
	rows, err := queryRows(ctx, f.target, "preflight fk-orphans", postgres.Statement{SQL: sql}, func(r postgres.Row) int64 { return r.Int(0) }, f.limit())
	if err != nil {
		return 0, err
	}
	return rows[0], nil
}

// pageRanges tells whether a side's server reads a run of pages without the
// others.
func (f *facts) pageRanges(side postgres.Side) bool {
	return slices.ContainsFunc(f.pair.Tables, func(t *pairing.Table) bool { return t.On(side) != nil && t.On(side).PageRanges })
}
