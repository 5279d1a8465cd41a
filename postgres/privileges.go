package postgres

import (
	"context"
	"strings"
)

// Privileges is what the connected role may do on one side, and how names
// that a GRANT needs are quoted there.
type Privileges struct {
	Role     string // the connected one
	Database string // as quote_ident prints it
	// Subscriptions: the role may list logical subscriptions, as everybody
	// may unless somebody revoked it. PublicSubscriptions is everybody.
	Subscriptions, PublicSubscriptions bool
	Schemas                            map[string]SchemaPrivilege // by name
	Relations                          map[uint32]RelationPrivilege
}

// SchemaPrivilege is a schema's quoted name and whether the role may use it.
type SchemaPrivilege struct {
	Quoted string
	Usage  bool
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
	const subscriptions = `(SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(%r%'pg_catalog.pg_subscription', a.c, 'SELECT'))
  FROM (VALUES ('subname'), ('subdbid'), ('subenabled')) AS a(c))`
	err := db.Read(ctx, "privileges", func(ctx context.Context, s *Session) error {
		err := s.Each(ctx, Statement{SQL: "SELECT current_user, pg_catalog.quote_ident(pg_catalog.current_database()),\n  " +
			strings.ReplaceAll(subscriptions, "%r%", "") + ",\n  " + strings.ReplaceAll(subscriptions, "%r%", "'public', ")}, func(r Row) error {
			p.Role, p.Database, p.Subscriptions, p.PublicSubscriptions = r.Text(0), r.Text(1), r.Bool(2), r.Bool(3)
			return nil
		})
		if err != nil {
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
