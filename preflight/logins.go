package preflight

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// publicCreate finds the roles that could create objects in schema public
// because everybody could: a new server lets nobody, and a dump does not tell.
func publicCreate(ctx context.Context, f *facts) ([]Hazard, error) {
	type creators struct {
		everybody bool
		roles     map[string]bool // that can log in: whether they may create
	}
	both, err := postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) (c creators, err error) {
		err = f.rows(ctx, db.Side(), "public-create-lost", `SELECT pg_catalog.has_schema_privilege('public', n.oid, 'CREATE'), pg_catalog.quote_ident(r.rolname), pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')
FROM pg_catalog.pg_namespace n CROSS JOIN pg_catalog.pg_roles r
WHERE n.nspname = 'public' AND r.rolcanlogin AND r.rolname NOT LIKE 'pg\_%' AND pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT')
ORDER BY 2`, func() { c = creators{roles: map[string]bool{}} }, func(r postgres.Row) { c.everybody, c.roles[r.Text(1)] = r.Bool(0), r.Bool(2) })
		return c, err
	})
	if err != nil || !both[0].everybody || both[1].everybody {
		return nil, err
	}
	var lost []string
	for role, may := range both[1].roles {
		if !may && both[0].roles[role] {
			lost = append(lost, role)
		}
	}
	if lost = distinct(lost); len(lost) == 0 {
		return nil, nil
	}
	return []Hazard{{Object: "schema public", Fix: "GRANT CREATE ON SCHEMA public TO " + strings.Join(lost, ", "),
		Sentence: fmt.Sprintf("%s may create objects in it on the source, as everybody may, and not on the target: migrations that create something there fail", some(lost))}}, nil
}

// passwordsSQL gives what can be told of passwords without taking them along: how
// they are stored, and of those that depend on the password alone a hash.
const passwordsSQL = `SELECT pg_catalog.quote_ident(a.rolname), CASE WHEN a.rolpassword IS NULL THEN '' WHEN a.rolpassword LIKE 'md5%' THEN 'md5' ELSE 'other' END,
  CASE WHEN a.rolpassword LIKE 'md5%' THEN pg_catalog.hashtext(a.rolpassword) END
FROM pg_catalog.pg_authid a
WHERE a.rolcanlogin AND (a.rolvaliduntil IS NULL OR a.rolvaliduntil > pg_catalog.now())`

// rolePasswords compares what the role may rarely read. Where it may not, that
// is said and costs no readiness: a login shows it as well.
func rolePasswords(ctx context.Context, f *facts) ([]Hazard, error) {
	type password struct{ stored, hash string }
	type list struct {
		hidden bool
		roles  map[string]password
	}
	both, err := postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) (l list, err error) {
		err = f.rows(ctx, db.Side(), "role-passwords", `SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')`,
			func() {}, func(r postgres.Row) { l.hidden = !r.Bool(0) })
		if err != nil || l.hidden {
			return l, err
		}
		err = f.rows(ctx, db.Side(), "role-passwords", passwordsSQL, func() { l.roles = map[string]password{} },
			func(r postgres.Row) { l.roles[r.Text(0)] = password{r.Text(1), r.Text(2)} })
		return l, err
	})
	if err != nil {
		return nil, err
	}
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		if both[i].hidden {
			return []Hazard{{Severity: schema.Info, Side: side, Sentence: "pg_authid may not be read, so passwords were not compared: log in on the target with each role that the application uses"}}, nil
		}
	}
	var found []Hazard
	for role, s := range both[0].roles {
		t, there := both[1].roles[role]
		h := Hazard{Object: "role " + role}
		switch {
		case !there || s.stored == "": // that a role is missing is said elsewhere
			continue
		case t.stored == "":
			h.Sentence = "it has a password on the source and none on the target: it can't log in there with it"
		case s.stored == "md5" && t.stored == "md5" && s.hash != t.hash:
			h.Sentence = "its password on the target is another one: it can't log in there with the source's"
		default:
			continue
		}
		found = append(found, h)
	}
	return found, nil
}
