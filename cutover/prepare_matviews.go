package cutover

import (
	"context"
	"slices"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// matview is a materialised view, or a view between some.
type matview struct {
	oid       int64
	name      relation
	stored    bool // a materialised view
	populated bool
	unique    bool // has an index by which it is refreshed beside its readers
	owner     string
	mine      bool
	needs     []int64 // what it reads
}

const matviewsSQL = `SELECT c.oid::pg_catalog.int8, n.nspname, c.relname, c.relkind = 'm', c.relispopulated,
  EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL),
  pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('m','v') AND n.nspname ` + foreign + ` ORDER BY 2, 3`

// needsSQL are the views that views read.
const needsSQL = `SELECT DISTINCT w.ev_class::pg_catalog.int8, d.refobjid::pg_catalog.int8
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('m','v')
WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> w.ev_class`

func readMatviews(ctx context.Context, c *postgres.Control) ([]*matview, error) {
	list, err := rows(ctx, c, "matviews", matviewsSQL, func(row postgres.Row) *matview {
		return &matview{oid: row.Int(0), name: relation{row.Text(1), row.Text(2)}, stored: row.Bool(3), populated: row.Bool(4), unique: row.Bool(5), owner: row.Text(6), mine: row.Bool(7)}
	})
	if err != nil {
		return nil, err
	}
	byOID := map[int64]*matview{}
	for _, v := range list {
		byOID[v.oid] = v
	}
	_, err = rows(ctx, c, "matviews", needsSQL, func(row postgres.Row) struct{} {
		if v := byOID[row.Int(0)]; v != nil {
			v.needs = append(v.needs, row.Int(1))
		}
		return struct{}{}
	})
	return inOrder(list, byOID), err
}

// inOrder puts each view behind those that it reads.
func inOrder(list []*matview, byOID map[int64]*matview) []*matview {
	var sorted []*matview
	seen := map[int64]bool{}
	var visit func(*matview)
	visit = func(v *matview) {
		if v == nil || seen[v.oid] {
			return
		}
		seen[v.oid] = true
		for _, n := range v.needs {
			visit(byOID[n])
		}
		sorted = append(sorted, v)
	}
	for _, v := range list {
		visit(v)
	}
	return sorted
}

// refresh fills the materialised views that were never filled, but for those that
// from has not filled either, and those that the operator named. Nothing
// replicates them.
func (r *run) refresh(ctx context.Context) error {
	to, err := readMatviews(ctx, r.to.control)
	if err != nil || !slices.ContainsFunc(to, func(v *matview) bool { return v.stored }) {
		return err
	}
	from, err := readMatviews(ctx, r.from.control)
	if err != nil {
		return err
	}
	for _, v := range to {
		emptyThere := slices.ContainsFunc(from, func(o *matview) bool { return o.stored && o.name == v.name && !o.populated })
		asked := len(r.o.RefreshMatviews) > 0 && pairing.Filter{Tables: r.o.RefreshMatviews}.Chooses(v.name.schema, v.name.name)
		if !v.stored || !r.meant(v.name.schema, v.name.name) || !asked && (v.populated || emptyThere) {
			continue
		}
		beside, why := "", "it was never filled"
		if v.populated {
			why = "it is to be as new as its tables"
			if v.unique {
				beside = "CONCURRENTLY "
			}
		}
		if err := r.owned(ctx, "ready-refresh", why, "REFRESH MATERIALIZED VIEW "+beside+v.name.quoted(), v.owner, v.mine); err != nil {
			return err
		}
	}
	return nil
}
