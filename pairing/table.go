package pairing

import (
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// Table is a table on both sides, or on one: then the other is nil and there
// is nothing to compare.
type Table struct {
	Name           string // the report name
	Source, Target *postgres.Table
	Columns        []*Column // same name and type on both sides, in the source's order
	Key            *Key      // nil: compared as a multiset
	KeyReason      string    // why this key, or why none
	// Barred says why nothing of the table can be compared though both sides
	// have it, "" where something can.
	Barred string
	// Incomparable says, per column or for the whole table, why something of
	// it cannot be compared: Barred first, where that is not "".
	Incomparable []string
}

// Both tells whether the table is on both sides.
func (t *Table) Both() bool { return t.Source != nil && t.Target != nil }

// On gives the table of one side.
func (t *Table) On(side postgres.Side) *postgres.Table {
	if side == postgres.Source {
		return t.Source
	}
	return t.Target
}

// Scope is all rows of the table on one side. ONLY keeps the rows of
// inheritance children out, which are tables of their own.
func (t *Table) Scope(side postgres.Side) postgres.Scope {
	r := t.On(side)
	name := postgres.Ident(r.Schema, r.Name)
	if r.Kind == 'r' {
		name = "ONLY " + name
	}
	return postgres.Scope{From: name + " AS t"}
}

// Column is a column on both sides.
type Column struct {
	Name           string
	Source, Target *postgres.Column
}

// Ref is the column in a statement over Scope.
func (c *Column) Ref() string { return "t." + postgres.Ident(c.Name) }

func (p *Pair) joinTable(s, t *postgres.Table, o Options) (*Table, error) {
	pt := &Table{Name: s.Quoted, Source: s, Target: t}
	if t == nil {
		p.Differences = append(p.Differences, Difference{Kind: "missing_table", Table: pt.Name, Object: s.Quoted, Source: kindWord(s.Kind), Effect: Decisive})
		return pt, nil
	}
	if t.Kind == 'f' || (s.Kind == 'm') != (t.Kind == 'm') {
		p.differ(pt, Difference{Kind: "kind", Object: pt.Name, Source: kindWord(s.Kind), Target: kindWord(t.Kind), Effect: Undecided})
		pt.Barred = pt.Incomparable[0]
		return pt, nil
	}
	if why := unpopulated(pt); why != "" {
		pt.Barred, pt.Incomparable = why, []string{why}
		return pt, nil
	}
	for _, sc := range s.Columns {
		p.joinColumn(pt, sc, t.Column(sc.Name))
	}
	for _, tc := range t.Columns {
		if s.Column(tc.Name) == nil {
			p.differ(pt, Difference{Kind: "extra_column", Object: columnName(pt, tc), Target: tc.TypeText})
		}
	}
	name := s.Schema + "." + s.Name
	if o.Keyless[name] {
		pt.KeyReason = "asked for as a multiset"
		return pt, nil
	}
	if err := p.chooseKey(pt, o.Keys[name]); err != nil {
		return nil, err
	}
	return pt, nil
}

// unpopulated says which side's materialised view was never filled, and what
// fills it, or "". Reading such a one is an error, and it says nothing.
func unpopulated(t *Table) string {
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		if r := t.On(side); r.Kind == 'm' && !r.Populated {
			return fmt.Sprintf("%s: not populated: REFRESH MATERIALIZED VIEW %s;", side, postgres.Ident(r.Schema, r.Name))
		}
	}
	return ""
}

func kindWord(kind byte) string {
	switch kind {
	case 'p':
		return "partitioned table"
	case 'f':
		return "foreign table"
	case 'm':
		return "materialised view"
	}
	return "table"
}

// differ records a difference; an undecided one also keeps the table from a match.
func (p *Pair) differ(t *Table, d Difference) {
	d.Table = t.Name
	p.Differences = append(p.Differences, d)
	if d.Effect == Undecided {
		t.Incomparable = append(t.Incomparable, d.Sentence())
	}
}

func columnName(t *Table, c *postgres.Column) string {
	return t.Name + "." + c.Quoted
}

func (p *Pair) joinColumn(pt *Table, sc, tc *postgres.Column) {
	name := columnName(pt, sc)
	if tc == nil {
		p.differ(pt, Difference{Kind: "missing_column", Object: name, Source: sc.TypeText, Effect: Decisive})
		return
	}
	if sc.Type.Text != tc.Type.Text || sc.Type.Kind != tc.Type.Kind {
		p.differ(pt, Difference{Kind: "column_type", Object: name, Source: sc.TypeText, Target: tc.TypeText, Effect: Undecided})
		return
	}
	// The same type with another length or scale holds comparable values.
	if sc.TypeText != tc.TypeText {
		p.differ(pt, Difference{Kind: "column_type", Object: name, Source: sc.TypeText, Target: tc.TypeText})
	}
	// Only the type name can have a collation on one side and none on the
	// other: before version 12 it had none, and was ordered by bytes as it is now.
	both := sc.Collation != "" && tc.Collation != ""
	if both && sc.Collation != tc.Collation || sc.Deterministic != tc.Deterministic {
		p.differ(pt, Difference{Kind: "column_collation", Object: name, Source: sc.Collation, Target: tc.Collation})
	}
	pt.Columns = append(pt.Columns, &Column{Name: sc.Name, Source: sc, Target: tc})
}
