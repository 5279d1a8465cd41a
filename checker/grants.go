package checker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Grants is what a role needs on one side so that a run can compare all that
// it is asked to. Needs makes it.
type Grants struct {
	Side      postgres.Side
	Server    postgres.Server
	Role      string // as the role is named; Quoted is as SQL takes it
	Quoted    string
	Database  string   // quoted
	Schemas   []string // quoted: those of the tables
	Tables    int
	Sequences int
	Grants    []Grant
}

// Grant is one privilege. Names in SQL are quoted, and what a terminal could
// take as a command is written as an escape, so that it can be printed and
// run as it is.
type Grant struct {
	What string // "SELECT on public.orders"
	SQL  string // one statement, ending in a semicolon
	Has  bool   // the connected role has it
}

// Missing lists the privileges that the connected role does not have.
func (g *Grants) Missing() []Grant {
	return slices.DeleteFunc(slices.Clone(g.Grants), func(x Grant) bool { return x.Has })
}

// Needs tells per side what a role needs to verify a pair. role "" is the
// role that each side is connected as. With one side alone, target is nil:
// then each table that the filter chooses there counts.
//
// Partitions are read through their root, which takes the root's privilege
// alone. The schemas of types are among those to use: key values are cast to
// their type by name.
func Needs(ctx context.Context, source, target *postgres.DB, o Options, role string) ([]*Grants, error) {
	sides := []*postgres.DB{source}
	if target != nil {
		sides = append(sides, target)
	}
	privileges := make([]*postgres.Privileges, len(sides))
	quoted := make([]string, len(sides))
	g, gctx := errgroup.WithContext(ctx)
	for i, db := range sides {
		g.Go(func() (err error) {
			if privileges[i], err = db.ReadPrivileges(gctx); err != nil {
				return err
			}
			name := role
			if name == "" {
				name = privileges[i].Role
			}
			quoted[i], err = db.QuoteIdent(gctx, name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := make([]*Grants, len(sides))
	locked := false
	for i, db := range sides {
		n := &needs{Grants: &Grants{Side: db.Side(), Server: db.Server(), Role: role, Quoted: quoted[i]}, p: privileges[i], other: role != ""}
		if role == "" {
			n.Role = n.p.Role
		}
		n.Database = safeName(n.p.Database, db.Server().Database)
		n.replication()
		locked = locked || role == "" && !n.p.Subscriptions
		all[i] = n.Grants
	}
	if locked { // the catalog cannot be read without it: the rest is unknown
		return all, nil
	}
	pair, err := joinSides(ctx, sides, o)
	if err != nil {
		return nil, err
	}
	for i, db := range sides {
		n := &needs{Grants: all[i], p: privileges[i], other: role != ""}
		n.relations(pair, db.Side(), o)
	}
	return all, nil
}

// joinSides pairs the catalogs; one side alone is its own pair.
func joinSides(ctx context.Context, sides []*postgres.DB, o Options) (*pairing.Pair, error) {
	if len(sides) == 2 {
		return Join(ctx, sides[0], sides[1], o.Pairing)
	}
	cat, err := sides[0].ReadCatalog(ctx)
	if err != nil {
		return nil, err
	}
	pair, err := pairing.Join(cat, cat, o.Pairing)
	if err != nil {
		return nil, &OperatorError{err}
	}
	return pair, nil
}

// needs collects one side's grants.
type needs struct {
	*Grants
	p     *postgres.Privileges
	other bool // for another role than the connected one: Has is not known
}

func (n *needs) add(what, sql string, has bool) {
	n.Grants.Grants = append(n.Grants.Grants, Grant{What: what, SQL: sql, Has: has && !n.other})
}

// replication adds what is needed to see how the replication stands.
func (n *needs) replication() {
	for _, c := range n.p.Replication {
		if has := c.Own && !n.other || c.Public; has {
			continue
		}
		what, columns := "SELECT on pg_catalog."+c.Catalog, ""
		if c.Columns != nil {
			what, columns = "SELECT on some columns of pg_catalog."+c.Catalog, " ("+strings.Join(c.Columns, ", ")+")"
		}
		n.add(what, fmt.Sprintf("GRANT SELECT%s ON TABLE pg_catalog.%s TO %s;", columns, c.Catalog, n.Quoted), false)
	}
	for _, t := range n.p.Tools {
		if has := t.Own && !n.other || t.Public; !has {
			n.add("USAGE and SELECT on what "+t.Schema+" keeps in its schema", t.Grant(n.Quoted)+";", false)
		}
	}
}

// relations adds what the pair's tables and sequences need.
func (n *needs) relations(pair *pairing.Pair, side postgres.Side, o Options) {
	var tables []*postgres.Table
	var sequences []*postgres.Sequence
	used := map[string]bool{}
	own := map[string]bool{}
	for _, t := range pair.Tables {
		if notComparable(t) != "" {
			continue // never read
		}
		r := t.On(side)
		tables = append(tables, r)
		own[r.Schema] = true
		for _, c := range r.Columns {
			typeSchemas(c.Type, used)
		}
	}
	for _, q := range pair.Sequences {
		s := q.Source
		if side == postgres.Target {
			s = q.Target
		}
		if q.Source != nil && q.Target != nil && o.has("sequences") {
			sequences = append(sequences, s)
			own[s.Schema] = true
		}
	}
	for s := range own {
		used[s] = true
		n.Schemas = append(n.Schemas, n.schema(s))
	}
	slices.Sort(n.Schemas)
	n.usage(used)
	n.Tables, n.Sequences = len(tables), len(sequences)
	for _, t := range tables {
		n.selectOn("TABLE", t.OID, t.Schema, t.Name, t.Quoted)
	}
	for _, q := range sequences {
		n.selectOn("SEQUENCE", q.OID, q.Schema, q.Name, q.Quoted)
	}
	n.rowSecurity(tables)
}

func (n *needs) usage(used map[string]bool) {
	var names []string
	for name := range used {
		if _, known := n.p.Schemas[name]; known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		n.add("USAGE on schema "+n.schema(name), fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", n.schema(name), n.Quoted), n.p.Schemas[name].Usage)
	}
}

func (n *needs) selectOn(kind string, oid uint32, schema, name, quoted string) {
	object := n.object(schema, name, quoted)
	n.add("SELECT on "+object, fmt.Sprintf("GRANT SELECT ON %s %s TO %s;", kind, object, n.Quoted), n.p.Relations[oid].Select)
}

// rowSecurity: policies would hide rows, and hidden rows prove nothing.
func (n *needs) rowSecurity(tables []*postgres.Table) {
	var hidden []string
	for _, t := range tables {
		rp := n.p.Relations[t.OID]
		if rp.Hidden || n.other && rp.RowSecurity {
			hidden = append(hidden, n.object(t.Schema, t.Name, t.Quoted))
		}
	}
	if len(hidden) > 0 {
		n.add("BYPASSRLS, since row security would hide rows of "+strings.Join(hidden, ", "),
			fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", n.Quoted), false)
	}
}

func (n *needs) schema(name string) string { return safeName(n.p.Schemas[name].Quoted, name) }

func (n *needs) object(schema, name, quoted string) string {
	return n.schema(schema) + "." + safeName(strings.TrimPrefix(quoted, n.p.Schemas[schema].Quoted+"."), name)
}

// typeSchemas adds the schemas of a type and of all that it is made of, but
// for the system's own.
func typeSchemas(t *postgres.Type, used map[string]bool) {
	if t == nil || t.BuiltIn {
		if t != nil && t.Elem != nil && t.Elem != t {
			typeSchemas(t.Elem, used)
		}
		return
	}
	used[t.Schema] = true
	for _, part := range append([]*postgres.Type{t.Elem, t.Base, t.Subtype}, t.Attrs...) {
		if part != t {
			typeSchemas(part, used)
		}
	}
}

// safeName gives a quoted name for printing: where it holds what a terminal
// could take as a command, in SQL's own escaped form.
func safeName(quoted, raw string) string {
	unsafe := func(r rune) bool { return !strconv.IsPrint(r) }
	if !strings.ContainsFunc(raw, unsafe) {
		return quoted
	}
	var b strings.Builder
	b.WriteString(`U&"`)
	for _, r := range raw {
		switch {
		case r == '"':
			b.WriteString(`""`)
		case r == '\\':
			b.WriteString(`\\`)
		case unsafe(r):
			fmt.Fprintf(&b, `\+%06X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// unreadable says, per side, what keeps the connected role from reading a
// table.
func unreadable(t *pairing.Table) []string {
	if !t.Both() {
		return nil // nothing of it is read
	}
	var why []string
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		switch r := t.On(side); {
		case !r.CanSelect:
			why = append(why, fmt.Sprintf("%s: no privilege to read it: `pgparity grants` prints what is needed", side))
		case r.RowSecurity:
			why = append(why, fmt.Sprintf("%s: row security would hide rows: use a role with BYPASSRLS, or the table's owner", side))
		}
	}
	return why
}

// CreateSQL makes the role unless it is there.
func (g *Grants) CreateSQL() string {
	tag := "$make$"
	for n := 1; strings.Contains(g.Role, tag); n++ {
		tag = fmt.Sprintf("$make%d$", n)
	}
	return fmt.Sprintf(`DO %s BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %s) THEN
    CREATE ROLE %s LOGIN;
  END IF;
END %s;
`, tag, strings.TrimSpace(postgres.Literal(g.Role)), g.Quoted, tag)
}
