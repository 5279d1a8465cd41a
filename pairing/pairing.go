// Package pairing turns two catalogs into paired tables, columns, keys and
// sequences. What cannot be paired is said: nothing of the source leaves the
// pairing without either a pair or a Difference.
package pairing

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Pair is everything that two databases have in common or not.
type Pair struct {
	Tables      []*Table
	Sequences   []*Sequence
	Differences []Difference
	Excluded    []Omission // on purpose: said, not deciding
	// Unmatched are globs of the filter that chose nothing.
	Unmatched []string
	// Subscriptions are the enabled logical subscriptions on the target.
	Subscriptions []string

	sameEncoding bool // of the servers: equal text is equal bytes
}

// Omission is an object left out, and why.
type Omission struct{ Object, Reason string }

// Effect is what a difference between the catalogs does to the verdict.
type Effect int

// The effects.
const (
	Noted     Effect = iota // said, not deciding unless --strict
	Undecided               // something cannot be compared: unproven
	Decisive                // the target lacks something: mismatch
)

// Difference is a fact on which the two catalogs do not agree.
type Difference struct {
	Kind           string // missing_table, extra_column, column_type, …
	Table          string // the report name of the table it concerns, "" for none
	Object         string // public.orders.total
	Source, Target string
	Effect         Effect
}

// Sentence says the difference for a person.
func (d Difference) Sentence() string {
	switch d.Kind {
	case "missing_table", "missing_column":
		return d.Object + " is missing on the target"
	case "extra_table", "extra_column":
		return d.Object + " is on the target only"
	case "no_common_key":
		return d.Object + ": " + d.Target
	default:
		return fmt.Sprintf("%s: %s is %s on the source, %s on the target", d.Object, strings.ReplaceAll(d.Kind, "_", " "), orNone(d.Source), orNone(d.Target))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Table is a table on both sides, or on one: then the other is nil and there
// is nothing to compare.
type Table struct {
	Name           string // the report name
	Source, Target *postgres.Table
	Columns        []*Column // same name and type on both sides, in the source's order
	Key            *Key      // nil: compared as a multiset
	KeyReason      string    // why this key, or why none
	// Incomparable says, per column or for the whole table, why something of
	// it cannot be compared.
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

// Key identifies a row: columns that are unique and not null on both sides.
type Key struct {
	Name    string // the source's index
	Primary bool
	Columns []KeyColumn
	// Ordered: both servers order the key alike, so ranges of it mean the
	// same rows on both. Unordered says why not.
	Ordered   bool
	Unordered string
	turned    bool // the target's index has the columns in another order
}

// KeyColumn is one column of a key with the operator of its uniqueness.
type KeyColumn struct {
	*Column
	EqualSource, EqualTarget string // OPERATOR(schema.=)
}

// Type is the type that the column's values are read as on one side: of a
// domain, its base type.
func (k KeyColumn) Type(side postgres.Side) *postgres.Type {
	if side == postgres.Source {
		return k.Source.Type.Underlying()
	}
	return k.Target.Type.Underlying()
}

// Is compares the column with an SQL value, by the operator of its uniqueness.
// Of a domain, both operands are taken as its base type: operators on enums
// and arrays want both of one type, and the index serves either.
func (k KeyColumn) Is(side postgres.Side, value string) string {
	ref, equal, domain := k.Ref(), k.EqualSource, k.Source.Type.Base != nil
	if side == postgres.Target {
		equal, domain = k.EqualTarget, k.Target.Type.Base != nil
	}
	typ := k.Type(side).Text
	if domain {
		ref = "(" + ref + "::" + typ + ")"
	}
	return ref + " " + equal + " CAST(" + value + " AS " + typ + ")"
}

// Options says what to pair.
type Options struct {
	Filter Filter
	// Keys overrides the key of a table (by unquoted schema.table).
	Keys map[string][]string
}

// toolSchemas hold replication tools' own tables, which differ by nature.
var toolSchemas = []string{"bucardo", "pglogical", "pgparity", "repack", "squeeze"}

// Join pairs two catalogs by name. The error is the operator's: a filter
// that names a partition, or a key that is none.
func Join(source, target *postgres.Catalog, o Options) (*Pair, error) {
	if err := o.Filter.checkLeaves(source.Tables); err != nil {
		return nil, err
	}
	p := &Pair{Subscriptions: target.Subscriptions, sameEncoding: source.Encoding == target.Encoding}
	if err := p.joinTables(source, target, o); err != nil {
		return nil, err
	}
	if source.LargeObjects && o.Filter.Empty() {
		p.Excluded = append(p.Excluded, Omission{"pg_catalog.pg_largeobject", "large objects are not compared"})
	}
	p.joinSequences(source, target, o.Filter)
	p.findUnmatched(source, target, o.Filter)
	return p, nil
}

// omitted says why a relation is never planned, or "".
func omitted(t *postgres.Table) string {
	switch {
	case slices.Contains(toolSchemas, t.Schema):
		return "belongs to a replication or maintenance tool"
	case t.Extension != "":
		return "member of extension " + t.Extension
	case t.Kind == 'f':
		return "foreign table"
	case t.Kind == 'm':
		return "materialised view"
	}
	return ""
}

func (p *Pair) joinTables(source, target *postgres.Catalog, o Options) error {
	onTarget := map[objectName]*postgres.Table{}
	for _, t := range target.Tables {
		onTarget[objectName{t.Schema, t.Name}] = t
	}
	onSource := map[objectName]bool{}
	for _, s := range source.Tables {
		onSource[objectName{s.Schema, s.Name}] = true
		t := onTarget[objectName{s.Schema, s.Name}]
		// A partition is part of its root, unless the target has it as a table of its own.
		if s.Partition && (t == nil || t.Partition) {
			p.omitPartition(s, source.Tables, o.Filter)
			continue
		}
		chosen, excluded := o.Filter.chosen(s.Schema, s.Name)
		reason := omitted(s)
		switch {
		case excluded:
			p.Excluded = append(p.Excluded, Omission{s.Quoted, "excluded on request"})
		case !chosen:
		case reason != "":
			p.Excluded = append(p.Excluded, Omission{s.Quoted, reason})
		default:
			pt, err := p.joinTable(s, t, o)
			if err != nil {
				return err
			}
			p.Tables = append(p.Tables, pt)
		}
	}
	for _, t := range target.Tables {
		if chosen, _ := o.Filter.chosen(t.Schema, t.Name); onSource[objectName{t.Schema, t.Name}] || t.Partition || !chosen {
			continue
		}
		if reason := omitted(t); reason != "" {
			p.Excluded = append(p.Excluded, Omission{t.Quoted, reason + " (on the target only)"})
			continue
		}
		p.Tables = append(p.Tables, &Table{Name: t.Quoted, Target: t})
		p.Differences = append(p.Differences, Difference{Kind: "extra_table", Table: t.Quoted, Object: t.Quoted, Target: kindWord(t.Kind)})
	}
	sort.SliceStable(p.Tables, func(i, j int) bool { return p.Tables[i].Name < p.Tables[j].Name })
	return nil
}

// objectName identifies an object on both sides. The quoted name would not:
// whether quote_ident quotes a word depends on the version's keywords.
type objectName struct{ schema, name string }

// omitPartition says that a partition is not compared, though the filter
// chooses it, because it leaves out the root that it would be compared with.
func (p *Pair) omitPartition(t *postgres.Table, tables []*postgres.Table, f Filter) {
	if chosen, _ := f.chosen(t.Schema, t.Name); !chosen {
		return
	}
	root := rootOf(t, tables)
	if chosen, excluded := f.chosen(root.Schema, root.Name); !chosen && !excluded {
		p.Excluded = append(p.Excluded, Omission{t.Quoted, "partition of " + root.Quoted + ", which the filter does not choose"})
	}
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

func (p *Pair) joinTable(s, t *postgres.Table, o Options) (*Table, error) {
	pt := &Table{Name: s.Quoted, Source: s, Target: t}
	if t == nil {
		p.Differences = append(p.Differences, Difference{Kind: "missing_table", Table: pt.Name, Object: s.Quoted, Source: kindWord(s.Kind), Effect: Decisive})
		return pt, nil
	}
	if t.Kind == 'f' || t.Kind == 'm' {
		p.differ(pt, Difference{Kind: "kind", Object: pt.Name, Source: kindWord(s.Kind), Target: kindWord(t.Kind), Effect: Undecided})
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
	if err := p.chooseKey(pt, o.Keys[s.Schema+"."+s.Name]); err != nil {
		return nil, err
	}
	return pt, nil
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

// findUnmatched says which globs chose nothing at all: a typo in a filter
// must not shrink a proof in silence.
func (p *Pair) findUnmatched(source, target *postgres.Catalog, f Filter) {
	matches := func(pattern string, match func(pattern, schema, name string) bool) bool {
		for _, c := range []*postgres.Catalog{source, target} {
			for _, t := range c.Tables {
				if !t.Partition && match(pattern, t.Schema, t.Name) { // a partition alone is not planned
					return true
				}
			}
			for _, q := range c.Sequences {
				if match(pattern, q.Schema, q.Name) {
					return true
				}
			}
		}
		return false
	}
	for _, g := range f.Tables {
		if !matches(g, matchTable) {
			p.Unmatched = append(p.Unmatched, g)
		}
	}
	for _, g := range f.Schemas {
		if !matches(g, func(pattern, schema, _ string) bool { return glob(pattern, schema) }) {
			p.Unmatched = append(p.Unmatched, g)
		}
	}
}
