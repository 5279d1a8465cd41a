package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// maxRows is how many rows a scratch table may hold. The command is safe in a
// larger one, but whoever names one has probably named the wrong one.
const maxRows = 1000

// prepare finds the table on both sides and makes sure that it is one to write
// into: source, target. The error says what to type.
func prepare(ctx context.Context, source, target *postgres.DB, o Options) ([2]*end, error) {
	var ends [2]*end
	if !strings.Contains(o.Table, ".") {
		return ends, fmt.Errorf("the table %s: give it with its schema: %s", o.Table, scratchName)
	}
	if postgres.SameDatabase(source, target) {
		return ends, fmt.Errorf("source and target are the same database (%s): give two different ones", source.Server().Database)
	}
	found, err := postgres.Both(ctx, source, target, func(ctx context.Context, db *postgres.DB) ([]*postgres.Scratch, error) {
		return db.ReadScratch(ctx, o.Table)
	})
	if err != nil {
		return ends, err
	}
	written := [2]bool{o.Direction != Reverse, o.Direction != Forward}
	for i, db := range []*postgres.DB{source, target} {
		ends[i] = &end{db: db}
		if err := ends[i].find(found[i], o.Table); err != nil {
			return ends, err
		}
		if err := ends[i].judge(written[i]); err != nil {
			return ends, err
		}
	}
	if err := match(ends); err != nil {
		return ends, err
	}
	for _, e := range ends {
		n, err := e.rows(ctx, maxRows+1)
		if err != nil {
			return ends, err
		}
		if n > maxRows {
			return ends, e.refuse("holds more than %d rows: is this a scratch table? %s", maxRows, makeOne(scratchName))
		}
	}
	return ends, nil
}

// scratchName is what a scratch table is called in an advice.
const scratchName = "public.pgparity_probe"

// makeOne says how a scratch table is made.
func makeOne(name string) string {
	return fmt.Sprintf("make one for this on both sides: CREATE TABLE %s (id bigint PRIMARY KEY, note text); and let the replication carry it", name)
}

func (e *end) refuse(format string, args ...any) error {
	return fmt.Errorf("%s: %s "+format, append([]any{e.db.Side(), e.table.Quoted}, args...)...)
}

func (e *end) find(found []*postgres.Scratch, name string) error {
	switch len(found) {
	case 1:
		e.table = found[0]
		return nil
	case 0:
		return fmt.Errorf("%s: there is no table %s: %s", e.db.Side(), name, makeOne(name))
	}
	names := make([]string, len(found))
	for i, t := range found {
		names[i] = t.Quoted
	}
	return fmt.Errorf("%s: %s may be any of %s: quote it as here", e.db.Side(), name, strings.Join(names, ", "))
}

// judge refuses a table that is not made for this, or that can't be written
// into.
func (e *end) judge(written bool) error {
	t := e.table
	standby := e.db.Server().InRecovery
	switch {
	case t.Kind != 'r':
		return e.refuse("is a %s: %s", map[byte]string{'p': "partitioned table", 'v': "view", 'm': "materialised view", 'f': "foreign table"}[t.Kind], makeOne(scratchName))
	case t.Persistence != 'p':
		return e.refuse("is unlogged or temporary, so nothing replicates it: ALTER TABLE %s SET LOGGED, on both sides", t.Quoted)
	case t.ForeignKeys:
		return e.refuse("has foreign keys: is this a scratch table? %s", makeOne(scratchName))
	case t.RowSecurity:
		return e.refuse("has row security, which would hide rows from %s: ALTER TABLE %s DISABLE ROW LEVEL SECURITY", t.Role, t.Quoted)
	case written && standby:
		way := map[postgres.Side]Direction{postgres.Source: Reverse, postgres.Target: Forward}[e.db.Side()]
		return fmt.Errorf("%s: is a standby, nothing can be written there: give --direction %s, or its primary", e.db.Side(), way)
	}
	if err := e.privileges(written, standby); err != nil {
		return err
	}
	return e.shape()
}

// privileges refuses a role that lacks one. DELETE is needed on the side that
// is only looked at as well: a row that the replication left there is removed.
func (e *end) privileges(written, standby bool) error {
	need := []string{"SELECT", "DELETE"}
	switch {
	case written:
		need = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	case standby:
		need = []string{"SELECT"}
	}
	t := e.table
	if slices.Contains(t.Lacks, "USAGE") {
		return e.refuse("is out of reach for role %s: GRANT USAGE ON SCHEMA %s TO %s;", t.Role, t.Schema, t.Role)
	}
	var lacks []string
	for _, p := range need {
		if slices.Contains(t.Lacks, p) {
			lacks = append(lacks, p)
		}
	}
	if len(lacks) > 0 {
		list := strings.Join(lacks, ", ")
		return e.refuse("needs %s, which role %s has not: GRANT %s ON TABLE %s TO %s;", list, t.Role, list, t.Quoted, t.Role)
	}
	return nil
}

// shape finds the key and makes sure that a row needs nothing but it and one
// more column.
func (e *end) shape() error {
	var keys []postgres.ScratchColumn
	for _, c := range e.table.Columns {
		if c.Key {
			keys = append(keys, c)
		}
	}
	switch {
	case len(keys) == 0:
		return e.refuse("has no primary key: %s", makeOne(scratchName))
	case len(keys) > 1:
		return e.refuse("has a primary key of %d columns, and one is needed: %s", len(keys), makeOne(scratchName))
	case !keyType(keys[0].Type):
		return e.refuse("has a key of type %s, and %s is needed: %s", keys[0].Type, keyTypes, makeOne(scratchName))
	}
	e.key = keys[0]
	return nil
}

// match chooses the column that is written and updated, and refuses tables that
// differ, or that have columns which would have to be filled.
func match(ends [2]*end) error {
	a, b := ends[0], ends[1]
	if x, y := described(a.table), described(b.table); x != y {
		return fmt.Errorf("%s has not the same columns on both sides: (%s) on the source, (%s) on the target; %s", a.table.Quoted, x, y, makeOne(scratchName))
	}
	for _, c := range a.table.Columns {
		d := column(b.table, c.Name)
		if a.value.Name == "" && !c.Key && !c.Always && !d.Always && valueType(c.Type) {
			a.value, b.value = c, d
		}
	}
	if a.value.Name == "" {
		return a.refuse("has no column beside its key that can be updated, of type %s: %s", valueTypes, makeOne(scratchName))
	}
	for _, e := range ends {
		for _, c := range e.table.Columns {
			if c.NotNull && !c.Filled && c.Name != e.key.Name && c.Name != e.value.Name {
				return e.refuse("has a column %s that is NOT NULL and has no default: give it one, or %s", c.Quoted, makeOne(scratchName))
			}
		}
	}
	return nil
}

// column finds a column that match has seen on both sides.
func column(t *postgres.Scratch, name string) postgres.ScratchColumn {
	i := slices.IndexFunc(t.Columns, func(c postgres.ScratchColumn) bool { return c.Name == name })
	return t.Columns[i]
}

// described lists the columns by name, as far as they have to be the same.
func described(t *postgres.Scratch) string {
	var list []string
	for _, c := range t.Columns {
		text := c.Quoted + " " + c.Type
		if c.Key {
			text += " primary key"
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
