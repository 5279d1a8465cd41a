package postgres

// Catalog is what one side says it holds, read once in one transaction.
type Catalog struct {
	Tables    []*Table    // ordered by schema and name, by bytes
	Sequences []*Sequence // likewise
	Encoding  string      // server_encoding
	// LargeObjects: there are large objects, or were before the last vacuum.
	LargeObjects bool
	// Subscriptions are the enabled logical subscriptions of this database:
	// what may be writing into it.
	Subscriptions []string
}

// Table is a relation that can hold rows.
type Table struct {
	OID         uint32
	Schema      string
	Name        string
	Quoted      string // schema.table, each part as quote_ident prints it: the report name
	Kind        byte   // pg_class.relkind: r, p, f, m
	Persistence byte   // p, u, t
	Extension   string // the extension it belongs to, or ""
	Partition   bool   // a leaf or middle of a partition tree
	Parent      string // of a partition: its parent's quoted name
	Populated   bool   // false for a materialised view that was never filled
	// EstimatedRows and Bytes come from the planner's statistics and the
	// files' sizes, summed over leaves: for plans only, never for results, as
	// are all the sizes here. Bytes are those of the heaps alone, ToastBytes
	// of what they store out of line.
	EstimatedRows int64
	Bytes         int64
	ToastBytes    int64
	// Leaves is how many relations hold the rows: 1, and for a partitioned
	// table the leaves of its tree. Pages is how many pages the largest has.
	Leaves int
	Pages  int64
	// Tids: every leaf is a heap, so a row has a ctid. A ctid names a place in
	// each leaf: one condition on it reads that place in all of them.
	Tids bool
	// PageRanges: a range of ctids is read without the other pages; implies Tids.
	PageRanges  bool
	CanSelect   bool // the role may read the whole table
	RowSecurity bool // a policy would hide rows from this role
	Columns     []*Column
	Indexes     []*Index

	largest uint32 // OID of the leaf with the most pages, 0 without leaves
}

// Column is a live column.
type Column struct {
	Name             string
	Quoted           string // as quote_ident prints it
	Type             *Type
	TypeText         string // format_type with its modifier: numeric(10,2)
	Typmod           int64
	Collation        string // quoted name; "" where the type has none
	DefaultCollation bool
	ByteOrder        bool // ordered by bytes on this server
	Deterministic    bool
	NotNull          bool
	Generated        byte // 0, 's' stored, 'v' virtual
	Identity         byte // 0, 'a', 'd'
	// Scattered: the statistics say that rows do not lie in the column's
	// order; of a partitioned table, those of its largest leaf.
	Scattered bool
}

// Type is a column's type with all it is made of.
type Type struct {
	OID      uint32
	Schema   string
	Name     string
	Kind     byte // pg_type.typtype: b, c, d, e, m, p, r
	BuiltIn  bool // lives in pg_catalog: its OID is the same on every server
	Text     string
	Elem     *Type // of an array
	Base     *Type // of a domain
	Subtype  *Type // of a range or multirange
	Attrs    []*Type
	HasSend  bool
	TextCast bool // a cast function to text exists, so ::text may not be the output function
}

// Index is a valid btree index over plain columns.
type Index struct {
	Name    string
	Primary bool
	Unique  bool // and not partial
	Partial bool
	Columns []string
	EqualOp []string // per column, as OPERATOR(schema.=)
}

// Underlying is the type whose values a domain holds; any other type is its own.
func (t *Type) Underlying() *Type {
	for t.Base != nil {
		t = t.Base
	}
	return t
}

// Column finds a column by name, or nil.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// LedBy tells whether a full index starts with the column, so that its
// greatest values are found without reading the table.
func (t *Table) LedBy(column string) bool {
	for _, ix := range t.Indexes {
		if !ix.Partial && len(ix.Columns) > 0 && ix.Columns[0] == column {
			return true
		}
	}
	return false
}
