package cutover

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// prepared is what a run has at hand for its window, and loses with its process.
type prepared struct {
	sequences sequencesSet
	roots     map[relation]relation // of the partitions of the side that is switched to
	copies    []*copied             // the delayed tables
	copyBatch int64                 // a test's, 0 for what is usual
}

// relation names a table, a view or an index, unquoted.
type relation struct{ schema, name string }

func (n relation) quoted() string { return postgres.Ident(n.schema, n.name) }

// String is the name as the filter's globs have it.
func (n relation) String() string { return n.schema + "." + n.name }

// foreign are the schemas that are not the application's.
const foreign = `NOT IN ('pg_catalog','pg_toast','information_schema','bucardo','pglogical','pgparity','repack','squeeze')`

// readyTarget does on to beforehand what a restore, or years of replication, may
// have left undone: constraints that were never validated, indexes that are not
// used, tables without statistics, views without rows. Each reads first whether
// it is needed. Nothing of it keeps the replication from applying for long; it
// may take hours. The role has to own what it changes.
func (r *run) readyTarget(ctx context.Context) error {
	if err := r.readRoots(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{r.validate, r.reindex, r.refresh, r.analyse} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rootsSQL are the partitions with the root of their tree.
const rootsSQL = `WITH RECURSIVE tree(oid, root) AS (
  SELECT c.oid, c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'p' AND NOT c.relispartition
  UNION ALL
  SELECT i.inhrelid, tree.root FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT n.nspname, c.relname, rn.nspname, rc.relname FROM tree
JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class rc ON rc.oid = tree.root JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
WHERE tree.oid <> tree.root`

// readRoots is needed for a filter alone, which knows partitions by their roots.
func (r *run) readRoots(ctx context.Context) error {
	if r.prepared.roots != nil || r.o.Verify.Pairing.Filter.Empty() {
		return nil
	}
	list, err := rows(ctx, r.to.control, "partitions", rootsSQL, func(row postgres.Row) [2]relation {
		return [2]relation{{row.Text(0), row.Text(1)}, {row.Text(2), row.Text(3)}}
	})
	r.prepared.roots = map[relation]relation{}
	for _, p := range list {
		r.prepared.roots[p[0]] = p[1]
	}
	return err
}

// meant tells whether a table or view of to is one that the switch is about.
func (r *run) meant(schema, name string) bool {
	n := relation{schema, name}
	if root, is := r.prepared.roots[n]; is {
		n = root
	}
	return r.o.Verify.Pairing.Filter.Chooses(n.schema, n.name)
}

// owned runs a statement that only the owner may run, and says so where the role
// is not. In a plan it is said beforehand.
func (r *run) owned(ctx context.Context, id, why, statement, owner string, mine bool) error {
	if !mine && r.exec.dry() {
		r.note("%s: %s needs the role of the owner: GRANT %s TO %s", r.to.name, statement, owner, postgres.Ident(r.to.db.Server().User))
	}
	err := r.sql(ctx, r.to, id, why, statement)
	if postgres.HasCode(err, "42501") {
		return fmt.Errorf("%w (%s needs the role of the owner: GRANT %s TO %s)", err, statement, owner, postgres.Ident(r.to.db.Server().User))
	}
	return err
}
