package postgres

import (
	"context"
	"fmt"
)

// Privileges is what the connected role may do on one side, and how names
// that a GRANT needs are quoted there.
type Privileges struct {
	Role     string // the connected one
	Database string // as quote_ident prints it
	// Subscriptions: the role may list logical subscriptions.
	Subscriptions bool
	// Replication is what the state of the replication is read from. Everybody
	// may, unless somebody revoked it.
	Replication []CatalogPrivilege
	// Tools are the schemas of replication tools that are there.
	Tools     []ToolPrivilege
	Schemas   map[string]SchemaPrivilege // by name
	Relations map[uint32]RelationPrivilege
}

// SchemaPrivilege is a schema's quoted name and whether the role may use it.
type SchemaPrivilege struct {
	Quoted string
	Usage  bool
}

// CatalogPrivilege is whether a catalog, or some columns of it, may be read.
type CatalogPrivilege struct {
	Catalog string   // without its schema
	Columns []string // nil for all
	Own     bool     // the role may
	Public  bool     // everybody may
}

// ToolPrivilege is whether what a replication tool keeps in a schema of its own
// may be read.
type ToolPrivilege struct {
	Schema string // pglogical or bucardo
	Own    bool   // the role may
	Public bool   // everybody may
}

// Grant is what lets a role, given as quote_ident prints it, read it.
func (t ToolPrivilege) Grant(role string) string {
	if t.Schema == "pglogical" {
		return PglogicalGrant(role)
	}
	return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON ALL TABLES IN SCHEMA %[1]s TO %[2]s", t.Schema, role)
}

// RelationPrivilege is what the role may read of a table or a sequence.
type RelationPrivilege struct {
	Select      bool
	RowSecurity bool // enabled: hides rows from whoever is not exempt
	Hidden      bool // hides rows from this role
}

// QuoteIdent quotes a name as the server would.
func (db *DB) QuoteIdent(ctx context.Context, name string) (quoted string, err error) {
	err = db.Read(ctx, "privileges", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: "SELECT pg_catalog.quote_ident($1)", Args: []string{name}}, func(r Row) error {
			quoted = r.Text(0)
			return nil
		})
	})
	return quoted, err
}

// ReadPrivileges reads what the connected role may do, from the catalogs alone:
// it works for a role that may read nothing yet.
func (db *DB) ReadPrivileges(ctx context.Context) (*Privileges, error) {
	p := &Privileges{Schemas: map[string]SchemaPrivilege{}, Relations: map[uint32]RelationPrivilege{}}
	err := db.Read(ctx, "privileges", func(ctx context.Context, s *Session) error {
		err := s.Each(ctx, Statement{SQL: `SELECT current_user, pg_catalog.quote_ident(pg_catalog.current_database()),
  (SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege('pg_catalog.pg_subscription', a.c, 'SELECT'))
  FROM (VALUES ('subname'), ('subdbid'), ('subenabled')) AS a(c))`}, func(r Row) error {
			p.Role, p.Database, p.Subscriptions = r.Text(0), r.Text(1), r.Bool(2)
			return nil
		})
		if err != nil {
			return err
		}
		if err := db.replicationPrivileges(ctx, s, p); err != nil {
			return err
		}
		if err := toolPrivileges(ctx, s, p); err != nil {
			return err
		}
		err = s.Each(ctx, Statement{SQL: `SELECT n.nspname, pg_catalog.quote_ident(n.nspname), pg_catalog.has_schema_privilege(n.oid, 'USAGE')
FROM pg_catalog.pg_namespace n`}, func(r Row) error {
			p.Schemas[r.Text(0)] = SchemaPrivilege{Quoted: r.Text(1), Usage: r.Bool(2)}
			return nil
		})
		if err != nil {
			return err
		}
		return s.Each(ctx, db.statement("privileges"), func(r Row) error {
			p.Relations[uint32(r.Int(0))] = RelationPrivilege{Select: r.Bool(1), RowSecurity: r.Bool(2), Hidden: r.Bool(3)}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// toolPrivileges asks for the schemas of pglogical, of which some tables are
// read, and of Bucardo.
func toolPrivileges(ctx context.Context, s *Session, p *Privileges) error {
	return s.Each(ctx, Statement{SQL: `SELECT n.nspname,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND coalesce(pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT')), true),
  pg_catalog.has_schema_privilege('public', n.oid, 'USAGE') AND coalesce(pg_catalog.bool_and(pg_catalog.has_table_privilege('public', c.oid, 'SELECT')), true)
FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'v')
  AND (n.nspname = 'bucardo' OR c.relname IN ('node', 'local_node', 'subscription', 'local_sync_status', 'replication_set', 'replication_set_table'))
WHERE n.nspname IN ('bucardo', 'pglogical')
GROUP BY n.oid, n.nspname
ORDER BY n.nspname`}, func(r Row) error {
		p.Tools = append(p.Tools, ToolPrivilege{Schema: r.Text(0), Own: r.Bool(1), Public: r.Bool(2)})
		return nil
	})
}

// replicationPrivileges asks for each catalog that tells how the replication
// stands. Of subscriptions only some columns are open to everybody.
func (db *DB) replicationPrivileges(ctx context.Context, s *Session, p *Privileges) error {
	columns := []string{"subdbid", "subname", "subenabled", "subslotname", "subpublications"}
	if db.server.VersionNum >= 150000 {
		columns = append(columns, "subtwophasestate")
	}
	if db.server.VersionNum >= 160000 {
		columns = append(columns, "suborigin")
	}
	err := s.Each(ctx, Statement{SQL: `SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege('pg_catalog.pg_subscription', c.c, 'SELECT')),
  pg_catalog.bool_and(pg_catalog.has_column_privilege('public', 'pg_catalog.pg_subscription', c.c, 'SELECT'))
FROM pg_catalog.unnest($1::pg_catalog.text[]) c(c)`, Args: []string{TextArray(columns)}}, func(r Row) error {
		p.Replication = append(p.Replication, CatalogPrivilege{Catalog: "pg_subscription", Columns: columns, Own: r.Bool(0), Public: r.Bool(1)})
		return nil
	})
	if err != nil {
		return err
	}
	return s.Each(ctx, Statement{SQL: `SELECT c.relname, pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.has_table_privilege('public', c.oid, 'SELECT')
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relname = ANY ('{pg_locks,pg_prepared_xacts,pg_publication,pg_publication_rel,pg_replication_slots,
pg_stat_replication,pg_stat_subscription,pg_stat_subscription_stats,pg_stat_wal_receiver,pg_subscription_rel}'::pg_catalog.text[])
ORDER BY 1`}, func(r Row) error {
		p.Replication = append(p.Replication, CatalogPrivilege{Catalog: r.Text(0), Own: r.Bool(1), Public: r.Bool(2)})
		return nil
	})
}
