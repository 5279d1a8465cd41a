package cutover

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// index is one that is not valid.
type index struct {
	name, table relation
	partitioned bool
	owner       string
	mine        bool
}

const invalidSQL = `SELECT n.nspname, x.relname, tn.nspname, c.relname, x.relkind = 'I', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname ` + foreign + ` ORDER BY 1, 2`

const validSQL = `SELECT n.nspname, x.relname, i.indisvalid
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
WHERE n.nspname ` + foreign

// leftover are the names of what a REINDEX CONCURRENTLY that was broken off
// leaves: to be dropped, says its documentation.
var leftover = regexp.MustCompile(`_cc(new|old)[0-9]*$`)

// reindex makes indexes valid that are so on from: those that are not are kept up
// to date, and never read.
func (r *run) reindex(ctx context.Context) error {
	list, err := rows(ctx, r.to.control, "indexes", invalidSQL, func(row postgres.Row) index {
		return index{relation{row.Text(0), row.Text(1)}, relation{row.Text(2), row.Text(3)}, row.Bool(4), row.Text(5), row.Bool(6)}
	})
	list = slices.DeleteFunc(list, func(x index) bool { return !r.meant(x.table.schema, x.table.name) })
	if err != nil || len(list) == 0 {
		return err
	}
	valid := map[relation]bool{} // of from
	if _, err = rows(ctx, r.from.control, "indexes", validSQL, func(row postgres.Row) struct{} {
		valid[relation{row.Text(0), row.Text(1)}] = row.Bool(2)
		return struct{}{}
	}); err != nil {
		return err
	}
	features, err := r.to.db.ReadFeatures(ctx)
	if err != nil {
		return err
	}
	concurrently := features.Has("pg_stat_progress_create_index") // came with it
	for _, x := range list {
		there, known := valid[x.name]
		switch {
		case !known && leftover.MatchString(x.name.name):
			err = r.withoutLockTimeout(ctx, func() error {
				return r.owned(ctx, "ready-drop-index", "a REINDEX that was broken off left it", "DROP INDEX CONCURRENTLY "+x.name.quoted(), x.owner, x.mine)
			})
		case known && !there:
			r.note("%s: index %s is not valid, as on the %s", r.to.name, x.name.quoted(), r.from.name)
		case x.partitioned:
			err = fmt.Errorf("%s: index %s of a partitioned table is not valid: a partition lacks one that is attached to it (CREATE INDEX CONCURRENTLY there, then ALTER INDEX %[2]s ATTACH PARTITION …)", r.to.name, x.name.quoted())
		case !concurrently:
			err = fmt.Errorf("%s: index %s is not valid, and PostgreSQL %d cannot rebuild it beside the replication: DROP INDEX CONCURRENTLY %[2]s, and create it again by CREATE INDEX CONCURRENTLY", r.to.name, x.name.quoted(), r.to.db.Server().Major())
		default:
			err = r.withoutLockTimeout(ctx, func() error {
				return r.owned(ctx, "ready-reindex", "it is not valid, so nothing reads it", "REINDEX INDEX CONCURRENTLY "+x.name.quoted(), x.owner, x.mine)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutLockTimeout lets a statement wait that, as CONCURRENTLY does, waits for
// the transactions that are under way and is in nobody's way while it does. One
// that is broken off leaves an index that is not valid.
func (r *run) withoutLockTimeout(ctx context.Context, do func() error) error {
	if r.exec.dry() {
		return do()
	}
	before, err := text(ctx, r.to.control, "lock-timeout", "SELECT pg_catalog.current_setting('lock_timeout')")
	if err == nil {
		err = r.to.control.Exec(ctx, "cutover lock-timeout", "SET lock_timeout = 0")
	}
	if err != nil {
		return err
	}
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = r.to.control.Exec(back, "cutover lock-timeout", "SET lock_timeout = "+postgres.Literal(before)) // a session that is lost needs none
	}()
	return do()
}

// unanalysedSQL are the tables and views with rows and without statistics. Those
// of a partitioned table are made with its partitions'; autovacuum never makes
// them. A partition whose root is listed is left out. Before 14 a table that was
// never looked at counts as one of 0 rows.
const unanalysedSQL = `WITH RECURSIVE rel AS (
  SELECT c.oid, c.relkind, c.reltuples, c.relispartition, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r','m','p') AND c.relpersistence <> 't' AND n.nspname ` + foreign + ` AND n.nspname NOT LIKE 'pg\_t%'
), tree(oid, root) AS (
  SELECT rel.oid, rel.oid FROM rel
  UNION ALL
  SELECT i.inhrelid, tree.root FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
), lacking AS (
  SELECT rel.oid FROM rel
  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stats s WHERE s.schemaname = rel.nspname AND s.tablename = rel.relname AND s.inherited = (rel.relkind = 'p'))
    AND (rel.reltuples <= 0 OR pg_catalog.pg_stat_get_last_analyze_time(rel.oid) IS NULL AND pg_catalog.pg_stat_get_last_autoanalyze_time(rel.oid) IS NULL)
    AND EXISTS (SELECT FROM tree JOIN rel leaf ON leaf.oid = tree.oid AND leaf.relkind <> 'p' WHERE tree.root = rel.oid AND pg_catalog.pg_relation_size(leaf.oid) > 0)
)
SELECT rel.nspname, rel.relname FROM rel JOIN lacking USING (oid)
WHERE NOT EXISTS (SELECT FROM tree JOIN lacking root ON root.oid = tree.root WHERE tree.oid = rel.oid AND tree.root <> rel.oid)
ORDER BY 1, 2`

// analyse makes statistics where there are none: without them the first queries
// after the switch are planned blindly.
func (r *run) analyse(ctx context.Context) error {
	list, err := r.unanalysed(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	features, err := r.to.db.ReadFeatures(ctx)
	if err != nil {
		return err
	}
	statements := []string{"ANALYZE " + strings.Join(list, ", ")}
	if !features.Has("pg_proc.prokind") { // 10 takes one table at a time
		statements = nil
		for _, t := range list {
			statements = append(statements, "ANALYZE "+t)
		}
	}
	for _, s := range statements {
		if err := r.sql(ctx, r.to, "ready-analyze", "queries are not planned blindly", s); err != nil {
			return err
		}
	}
	if r.exec.dry() {
		return nil
	}
	// What the role may not analyse is passed by with a warning.
	if list, err = r.unanalysed(ctx); err != nil || len(list) == 0 {
		return err
	}
	r.note("%s: tables are without statistics still: %s; only their owners, or the database's, may run ANALYZE", r.to.name, few(list))
	return nil
}

func (r *run) unanalysed(ctx context.Context) ([]string, error) {
	list, err := rows(ctx, r.to.control, "analyze", unanalysedSQL, func(row postgres.Row) relation { return relation{row.Text(0), row.Text(1)} })
	var names []string
	for _, n := range list {
		if r.meant(n.schema, n.name) {
			names = append(names, n.quoted())
		}
	}
	return names, err
}
