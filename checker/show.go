package checker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// RowPair is one row as both sides hold it.
type RowPair struct {
	Table   string // the report name
	Key     []KeyPart
	Source  bool // the row is on the source
	Target  bool // the row is on the target
	Columns []RowColumn
}

// KeyPart is one column of the key that was asked for.
type KeyPart struct{ Name, Value string }

// RowColumn is one column of a row. A value is nil where it is NULL, where
// the row is not there and where that side has no such column.
type RowColumn struct {
	Name string
	// As the server prints it under the pinned settings. A value of more than
	// 100,000 characters (fewer in a table of more than 32 columns) is cut, and
	// ends in a mark that tells its size.
	Source, Target *string
	// Compared: both sides hashed it, and Differs is what the hashes say.
	Compared, Differs bool
	// Why says why it was not compared, "" when it was.
	Why string
}

// Verdict judges the row as verify would: Match when it is on both sides and
// every column was compared and equal, Mismatch when it differs or is on one
// side only, Unproven when it is on neither or a column was not compared.
func (p *RowPair) Verdict() Verdict {
	if p.Source != p.Target {
		return Mismatch
	}
	v := Match
	if !p.Source {
		v = Unproven
	}
	for _, c := range p.Columns {
		switch {
		case c.Differs:
			return Mismatch
		case !c.Compared:
			v = Unproven
		}
	}
	return v
}

// Show reads one row of both sides, found by its key, and compares it column
// by column. table is schema.table, quoted or not, or a table's name alone
// where it is the only one; key holds the values in the key's order, or
// name=value for each of its columns. Nothing waits for replication: a row
// that is on its way shows as different. An OperatorError says what is wrong
// with the request. Of o only Pairing.Keys and Digest count.
func Show(ctx context.Context, source, target *postgres.DB, o Options, table string, key []string) (*RowPair, error) {
	if err := distinct(source, target); err != nil {
		return nil, err
	}
	pair, err := Join(ctx, source, target, pairing.Options{Keys: o.Pairing.Keys})
	if err != nil {
		return nil, err
	}
	t, err := findTable(pair, table)
	if err != nil {
		// The filter knows partitions, and which root to ask for instead.
		if _, leaf := Join(ctx, source, target, pairing.Options{Filter: pairing.Filter{Tables: []string{table}}}); leaf != nil {
			return nil, leaf
		}
		return nil, err
	}
	if err := showable(t); err != nil {
		return nil, &OperatorError{err}
	}
	parts, err := keyParts(t, key)
	if err != nil {
		return nil, err
	}
	agree, err := hashing.Agree(ctx, source, target, []*pairing.Table{t}, o.Digest)
	if err != nil {
		return nil, err
	}
	d := agree.Digest(t)
	if !d.Keyed() {
		return nil, &OperatorError{fmt.Errorf("%s: its key cannot be hashed alike on both sides, so its rows cannot be looked up", t.Name)}
	}
	return readPair(ctx, source, target, d, t, parts)
}

func showable(t *pairing.Table) error {
	if why := notComparable(t); why != "" {
		return fmt.Errorf("%s cannot be shown side by side: %s", t.Name, why)
	}
	if t.Key == nil {
		return fmt.Errorf("%s has no key to find a row by: %s", t.Name, t.KeyReason)
	}
	return nil
}

// findTable finds the one paired table that a name means.
func findTable(pair *pairing.Pair, name string) (*pairing.Table, error) {
	var exact, bare []*pairing.Table
	for _, t := range pair.Tables {
		r := t.Source
		if r == nil {
			r = t.Target
		}
		switch {
		case name == t.Name:
			return t, nil // as reports print it: nothing else can be meant
		case name == r.Schema+"."+r.Name:
			exact = append(exact, t)
		case name == r.Name || name == postgres.Ident(r.Name):
			bare = append(bare, t)
		case name == postgres.Ident(r.Schema, r.Name):
			exact = append(exact, t)
		}
	}
	found := exact
	if len(found) == 0 {
		found = bare
	}
	switch len(found) {
	case 0:
		return nil, &OperatorError{fmt.Errorf("there is no table %s on either side; `pgparity plan` lists the tables", name)}
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, t := range found {
		names[i] = t.Name
	}
	return nil, &OperatorError{fmt.Errorf("%s may be any of %s: give schema.table, quoted as here", name, strings.Join(names, ", "))}
}

// keyParts assigns values to the key's columns. They are named only when all
// are, so that a value may hold an equals sign.
func keyParts(t *pairing.Table, key []string) ([]KeyPart, error) {
	names := keyColumns(t)
	if len(key) != len(names) {
		return nil, &OperatorError{fmt.Errorf("the key of %s is (%s): give %s, not %d", t.Name, strings.Join(names, ", "), plural(int64(len(names)), "value", "values"), len(key))}
	}
	parts := make([]KeyPart, len(names))
	named := map[string]string{}
	for i, given := range key {
		parts[i] = KeyPart{names[i], given}
		if name, value, ok := cutName(given, names); ok {
			named[name] = value
		}
	}
	if len(named) == len(names) {
		for i, name := range names {
			parts[i].Value = named[name]
		}
	}
	return parts, nil
}

// cutName divides name=value, where the name is a column of the key; a name
// may hold an equals sign itself.
func cutName(given string, names []string) (name, value string, ok bool) {
	for _, n := range names {
		for _, spelled := range []string{n, postgres.Ident(n)} {
			if v, found := strings.CutPrefix(given, spelled+"="); found && len(n) >= len(name) {
				name, value, ok = n, v, true
			}
		}
	}
	return name, value, ok
}

// reading of one side for Show.
type sideRow struct {
	state  hashing.State
	values map[string]*hashing.Value
}

func readPair(ctx context.Context, source, target *postgres.DB, d *hashing.Digest, t *pairing.Table, parts []KeyPart) (*RowPair, error) {
	values := make([]string, len(parts))
	for i, p := range parts {
		values[i] = p.Value
	}
	rows, err := postgres.Both(ctx, source, target, func(ctx context.Context, db *postgres.DB) (sideRow, error) {
		return readSide(ctx, db, d, t, values)
	})
	if err != nil {
		return nil, err
	}
	p := &RowPair{Table: t.Name, Key: parts, Source: rows[0].state.Present, Target: rows[1].state.Present}
	var differing []string
	if p.Source && p.Target {
		differing = d.Differing(rows[0].state, rows[1].state)
	}
	for _, name := range columnNames(t) {
		c := RowColumn{Name: name, Why: whyUncompared(d, t, name)}
		if c.Why == "" {
			c.Compared, c.Differs = true, slices.Contains(differing, name)
		}
		// What only the target has is said there and does not decide.
		if c.Why == "on the target only" {
			c.Compared = true
		}
		if c.Why == "missing on the target" {
			c.Differs = true
		}
		c.Source, c.Target = excerpts(rows[0].values[name], rows[1].values[name], c.Differs)
		p.Columns = append(p.Columns, c)
	}
	return p, nil
}

// columnNames lists the columns of both sides, the source's first.
func columnNames(t *pairing.Table) []string {
	var names []string
	for _, c := range t.Source.Columns {
		names = append(names, c.Name)
	}
	for _, c := range t.Target.Columns {
		if t.Source.Column(c.Name) == nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// whyUncompared says why a column has no hash on both sides, or "".
func whyUncompared(d *hashing.Digest, t *pairing.Table, name string) string {
	for _, c := range d.Columns {
		if c.Name == name {
			return ""
		}
	}
	for _, c := range d.Undecidable {
		if c.Name == name {
			return c.Why
		}
	}
	s, u := t.Source.Column(name), t.Target.Column(name)
	switch {
	case u == nil:
		return "missing on the target"
	case s == nil:
		return "on the target only"
	}
	return fmt.Sprintf("it is %s on the source, %s on the target", s.TypeText, u.TypeText)
}

// readSide reads a row's hashes and its values in one transaction.
func readSide(ctx context.Context, db *postgres.DB, d *hashing.Digest, t *pairing.Table, key []string) (sideRow, error) {
	row := sideRow{values: map[string]*hashing.Value{}}
	side := db.Side()
	err := db.Read(ctx, "show "+t.Name, func(ctx context.Context, s *postgres.Session) error {
		states, err := d.Lookup(ctx, s, side, [][]string{key})
		if err != nil {
			return err
		}
		row.state = states[0]
		scope := t.Scope(side)
		for i, k := range t.Key.Columns {
			scope = scope.And(k.Is(side, fmt.Sprintf("$%d", i+1)), key[i])
		}
		columns := t.On(side).Columns
		values, err := hashing.ReadValues(ctx, s, columns, scope, shown)
		for i, v := range values {
			row.values[columns[i].Name] = v
		}
		return err
	}, hashing.IndexOnly...)
	return row, err
}
