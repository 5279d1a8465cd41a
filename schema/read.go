package schema

import (
	"context"
	"embed"
	"errors"
	"regexp"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Definitions are all of one side.
type Definitions struct {
	List   []Definition
	Server postgres.Server
	// Hidden are sentences about what the role may not see, and the privilege
	// that lets it.
	Hidden []string

	bootstrap  string                 // the superuser that the cluster was made with
	roles      map[string]string      // names by number
	present    map[string]bool        // "role app" of each role
	privileges map[string]bool        // those that the server knows
	qualifies  bool                   // it prints a column's table where there is but one
	passwords  bool                   // whether a role has one was read
	mappings   bool                   // likewise the options of user mappings
	truncates  bool                   // publications may publish TRUNCATE
	followed   map[factID]*Definition // facts of partitions that are their parents', and so not in List
}

//go:embed sql/*.sql
var files embed.FS

// readings are the statements that give definitions, one row each: the number of
// the object (for comments and privileges) or NULL, its owner's, kind, table,
// what it is part of, object, text, and what it may equal otherwise.
var readings = []string{"tables", "columns", "constraints", "indexes", "triggers", "functions", "types", "operators", "search", "foreign", "extensions", "sequences", "roles"}

// errMoved: an object was dropped between two looks at it.
var errMoved = errors.New("definitions changed while they were read: run again when no DDL runs")

// readTries is how often it is read before errMoved is believed.
const readTries = 3

// Read reads what a database is made of, in one transaction. No privilege is
// needed; Hidden tells what some would show beside.
func Read(ctx context.Context, db *postgres.DB) (*Definitions, error) {
	features, err := db.ReadFeatures(ctx)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		r := &reader{db: db, features: features, named: map[string]Definition{}}
		r.d = &Definitions{Server: db.Server(), roles: map[string]string{}, present: map[string]bool{}, privileges: map[string]bool{}, followed: map[factID]*Definition{}}
		// Set-wise: what joins row by row would take seconds where tables are many, and
		// the planner knows nothing of the size of what it has put together itself.
		// Some functions that print a definition wait for whoever alters the table.
		err := db.Read(ctx, "schema", r.read, "enable_nestloop = off", "lock_timeout = '3s'")
		switch {
		case errors.Is(err, errMoved) && try < readTries:
		case err != nil:
			return nil, err
		default:
			return r.d, r.readUsual(ctx)
		}
	}
}

// reader is one reading of one side.
type reader struct {
	db       *postgres.DB
	features postgres.Features
	d        *Definitions
	named    map[string]Definition // the objects by number: "pg_class 16384 1"
	// followers wait until all parents are read.
	followers []follower
}

func (r *reader) read(ctx context.Context, s *postgres.Session) error {
	if err := r.readServer(ctx, s); err != nil {
		return err
	}
	names := readings
	if r.d.passwords {
		names = append(names[:len(names):len(names)], "passwords")
	}
	for _, name := range names {
		if err := s.Each(ctx, r.statement(name), r.add); err != nil {
			return err
		}
	}
	r.follow()
	if err := s.Each(ctx, r.statement("comments"), r.addComment); err != nil {
		return err
	}
	if err := s.Each(ctx, r.statement("labels"), r.addLabel); err != nil {
		return err
	}
	if err := s.Each(ctx, r.statement("privileges"), r.addPrivilege); err != nil {
		return err
	}
	return s.Each(ctx, r.statement("default_privileges"), func(row postgres.Row) error {
		r.put(Definition{Kind: "default_privileges", within: row.Text(1), Object: row.Text(0), grantee: row.Text(2), Text: row.Text(3)})
		return nil
	})
}

func (r *reader) readServer(ctx context.Context, s *postgres.Session) error {
	err := s.Each(ctx, r.statement("server"), func(row postgres.Row) error {
		switch v := row.Text(1); row.Text(0) {
		case "qualifies":
			r.d.qualifies = v != ""
		case "bootstrap":
			r.d.bootstrap = v
		case "role":
			r.d.roles[v] = row.Text(2)
			r.d.present["role "+row.Text(2)] = true
		case "privilege":
			r.d.privileges[v] = true
		case "superuser":
			r.d.mappings = v != ""
		case "truncates":
			r.d.truncates = true
		case "passwords":
			r.d.passwords = v != ""
		}
		return nil
	})
	if !r.d.passwords {
		r.d.Hidden = append(r.d.Hidden, "which roles have a password is not compared: the role may not read pg_authid (GRANT SELECT ON pg_catalog.pg_authid TO "+postgres.Ident(r.d.Server.User)+", or a superuser)")
	}
	if !r.d.mappings {
		r.d.Hidden = append(r.d.Hidden, "the options of user mappings are not compared: a superuser alone sees all of them")
	}
	return err
}

// add takes a row of one of the readings.
func (r *reader) add(row postgres.Row) error {
	if row.Null(5) || row.Null(6) {
		return errMoved
	}
	d := Definition{Kind: row.Text(2), Table: row.Text(3), within: row.Text(4), Object: row.Text(5), Text: row.Text(6), otherwise: row.Text(7)}
	if !row.Null(0) {
		r.named[row.Text(0)] = d
	}
	if row.Len() > 8 && !row.Null(8) {
		switch d.Kind {
		case "sequence":
			r.put(Definition{Kind: "sequence_owned_by", within: d.Object, Object: d.Object, Text: row.Text(8)})
		default:
			r.followers = append(r.followers, follower{d, row.Text(8)})
			return nil
		}
	}
	if d.Kind != "" {
		r.put(d)
	}
	if !row.Null(1) {
		owner := Definition{Kind: "owner", Table: d.Table, within: d.Object, Object: d.Object, Text: r.d.roles[row.Text(1)]}
		if owner.Text == "" {
			return errMoved
		}
		if owner.Text == r.d.bootstrap {
			owner.otherwise = bootstrapOwner
		}
		r.put(owner)
	}
	return nil
}

// follower is a fact of a partition's column, and the column of its parent.
type follower struct {
	Definition
	parent string
}

// follow keeps the facts of partitions that are not those of their parents.
func (r *reader) follow() {
	type id struct{ kind, object string }
	texts := map[id]string{}
	for _, d := range r.d.List {
		texts[id{d.Kind, d.Object}] = d.Text
	}
	for _, f := range r.followers {
		texts[id{f.Kind, f.Object}] = f.Text
	}
	for _, f := range r.followers {
		above, has := texts[id{f.Kind, f.parent}]
		switch {
		case above != f.Text && (has || f.Text != noDefault):
			r.put(f.Definition)
		case has:
			r.d.followed[factID{f.Kind, canonical(f.Object), ""}] = &f.Definition
		}
	}
}

// noDefault is what columns.sql says of a partition's column without a default.
const noDefault = "none of its own"

// bootstrapOwner is what all superusers that clusters were made with are alike.
const bootstrapOwner = "bootstrap superuser"

func (r *reader) addComment(row postgres.Row) error {
	if d, ok := r.named[row.Text(0)]; ok {
		r.put(Definition{Kind: "comment", Table: d.Table, within: d.Object + "\n" + d.within, Object: d.Object, Text: row.Text(1)})
	}
	return nil
}

func (r *reader) addLabel(row postgres.Row) error {
	if d, ok := r.named[row.Text(0)]; ok {
		r.put(Definition{Kind: "security_label", Table: d.Table, within: d.Object + "\n" + d.within, Object: d.Object + " label of " + row.Text(1), Text: row.Text(2)})
	}
	return nil
}

func (r *reader) addPrivilege(row postgres.Row) error {
	d := Definition{Kind: "privilege", grantee: row.Text(1), Text: row.Text(2)}
	if !row.Null(3) {
		d.otherwise = sinceMade + row.Text(3)
	}
	if named, ok := r.named[row.Text(0)]; ok {
		d.Table, d.Object, d.within = named.Table, named.Object, named.Object+"\n"+named.within
	} else if !row.Null(4) {
		if row.Text(3) == "" {
			return nil
		}
		d.Object, d.Text = row.Text(4), row.Text(3)
	} else {
		return nil // of a tool's, or what follows something else
	}
	r.put(d)
	return nil
}

// usualVersion is what all extensions are alike that have the version which their
// own server makes.
const usualVersion = "the version that its server makes"

// readUsual marks those. Where the server can't tell which it makes, they are
// taken for such.
func (r *reader) readUsual(ctx context.Context) error {
	usual := map[string]string{}
	err := r.db.Read(ctx, "schema", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, r.statement("usual"), func(row postgres.Row) error {
			usual[row.Text(0)] = row.Text(1)
			return nil
		})
	})
	var refused *postgres.Error
	switch {
	case errors.As(err, &refused) && !postgres.Lost(err) && ctx.Err() == nil:
		r.d.Hidden = append(r.d.Hidden, "versions of extensions are not compared: which the server makes by default cannot be read: "+refused.Error())
		usual = nil
	case err != nil:
		return err
	}
	ordinary := map[string]bool{}
	for i := range r.d.List {
		d := &r.d.List[i]
		if d.Kind == "extension_version" {
			ordinary[d.Object] = usual == nil || usual[d.Object] == d.Text
		}
	}
	for i := range r.d.List {
		if d := &r.d.List[i]; ordinary[d.Object] && (d.Kind == "extension_version" || d.Kind == "extension_config") {
			d.otherwise = usualVersion
		}
	}
	return nil
}

// sinceMade begins what was changed since initdb or an extension's script.
const sinceMade = "since made: "

func (r *reader) put(d Definition) { r.d.List = append(r.d.List, d) }

// statement is an embedded file, made fit for the server.
func (r *reader) statement(name string) postgres.Statement {
	b, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // embedded
	}
	return postgres.Statement{SQL: r.features.Fill(expand(string(b)))}
}

// relations begins a statement: rel are the tables, partitions and views of the
// user's own. A partition belongs to the table at the root of its tree.
const relations = `WITH RECURSIVE tree(oid, root) AS (
  SELECT c.oid, c.oid FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','p','f','v','m') AND NOT c.relispartition
  UNION ALL
  SELECT c.oid, tree.root FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
), rel AS (
  SELECT c.oid, c.relkind, c.relispartition, c.relowner, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloptions, c.relispopulated,
    c.relpartbound, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
    pg_catalog.quote_ident(rn.nspname) || '.' || pg_catalog.quote_ident(rc.relname) AS tab
  FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class rc ON rc.oid = tree.root JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
  WHERE c.relpersistence <> 't' AND {{own n.nspname}} AND {{mine pg_class c.oid}}
)`

// macros are what may stand in a statement beside conditions on features.
var macros = []struct {
	name *regexp.Regexp
	sql  string
}{
	{regexp.MustCompile(`\{\{rel\}\}`), strings.ReplaceAll(relations, "$", "$$")},
	// A schema that is the user's own, or at least no tool's.
	{regexp.MustCompile(`\{\{own ([\w.]+)\}\}`), `{{notool $1}} AND $1 <> 'information_schema' AND $1 NOT LIKE 'pg\_%'`},
	{regexp.MustCompile(`\{\{notool ([\w.]+)\}\}`), `$1 NOT IN ('bucardo','pglogical','pgparity','repack','squeeze')`},
	// No member of an extension.
	{regexp.MustCompile(`\{\{mine (\w+) ([\w.]+)\}\}`), `NOT EXISTS (SELECT FROM pg_catalog.pg_depend member WHERE member.classid = 'pg_catalog.$1'::pg_catalog.regclass AND member.objid = $2 AND member.deptype = 'e')`},
	// A function as all versions write its arguments: built-in ones take anycompatible since 14.
	{regexp.MustCompile(`\{\{proc ([\w.]+)\}\}`), `pg_catalog.replace(pg_catalog.replace((nullif($1, 0)::pg_catalog.regprocedure)::pg_catalog.text, 'anycompatiblearray', 'anyarray'), 'anycompatible', 'anyelement')`},
	{regexp.MustCompile(`\{\{enabled ([\w.]+)\}\}`), `CASE $1 WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'fires on a replica only' ELSE 'fires always' END`},
	// Options of foreign data; the value of one that may be a secret is not shown.
	{regexp.MustCompile(`\{\{options ([\w.]+)\}\}`), `coalesce(' (' || (SELECT pg_catalog.string_agg(CASE WHEN {{secret pg_catalog.split_part(o, '=', 1)}} THEN pg_catalog.split_part(o, '=', 1) ELSE o END, ', ' ORDER BY o COLLATE "C") FROM pg_catalog.unnest($1) o) || ')', '')`},
	{regexp.MustCompile(`\{\{secret ([^{}]+)\}\}`), `$1 ~* 'pass|secret|token|credential|private|key|jwt'`},
}

func expand(sql string) string {
	for _, m := range macros {
		sql = m.name.ReplaceAllString(sql, m.sql)
	}
	return sql
}
