package postgres

import (
	"context"
	"embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

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
	// EstimatedRows and Bytes come from the planner's statistics and the
	// files' sizes, summed over partitions: for plans only, never for results.
	EstimatedRows int64
	Bytes         int64
	// PageRanges: a range of the table's pages can be read without the others.
	PageRanges  bool
	CanSelect   bool // the role may read the whole table
	RowSecurity bool // a policy would hide rows from this role
	Columns     []*Column
	Indexes     []*Index
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
	// Scattered: the statistics say that rows do not lie in the column's order.
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

// Sequence is a sequence's definition; its state is read by ReadSequences.
type Sequence struct {
	OID       uint32
	Schema    string
	Name      string
	Quoted    string
	Type      string
	Start     int64
	Increment int64
	Min, Max  int64
	Cycle     bool
	CanSelect bool
	Extension string
	// OwnerSchema, OwnerTable and OwnerColumn name the column it feeds, "" for none.
	OwnerSchema, OwnerTable, OwnerColumn string
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

// statement reads an embedded file and fills in what depends on the version.
func (db *DB) statement(name string) Statement {
	b, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // embedded
	}
	v := db.server.VersionNum
	since := func(version int, text, otherwise string) string {
		if v >= version {
			return text
		}
		return otherwise
	}
	return Statement{SQL: strings.NewReplacer(
		"{{pageranges}}", since(140000, "c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_am am WHERE am.oid = c.relam AND am.amname = 'heap')", "false"),
		// Since 18 a NOT NULL that is not validated sets attnotnull, nulls or not.
		"{{notnull}}", since(180000, "a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey))", "a.attnotnull"),
		"{{generated}}", since(120000, "a.attgenerated", "''"),
		"{{deterministic}}", since(120000, "coalesce(co.collisdeterministic, true)", "true"),
		"{{keycolumns}}", since(110000, "i.indnkeyatts", "i.indnatts"),
		"{{multirange}}", since(140000, "UNION ALL SELECT mr.rngsubtype FROM pg_catalog.pg_range mr WHERE mr.rngmultitypid = t.oid", ""),
		"{{multirangesub}}", since(140000, " OR r.rngmultitypid = t.oid", ""),
	).Replace(string(b))}
}

// ReadCatalog reads all tables, columns, keys and sequences of one side.
func (db *DB) ReadCatalog(ctx context.Context) (*Catalog, error) {
	cat := &Catalog{Encoding: db.server.Encoding}
	err := db.Read(ctx, "catalog", func(ctx context.Context, s *Session) error {
		types, err := s.readTypes(ctx)
		if err != nil {
			return err
		}
		byOID, err := s.readTables(ctx, cat)
		if err != nil {
			return err
		}
		if err := s.readColumns(ctx, byOID, types); err != nil {
			return err
		}
		if err := s.readIndexes(ctx, byOID); err != nil {
			return err
		}
		if err := s.readSequenceDefinitions(ctx, cat); err != nil {
			return err
		}
		// The size needs no privilege, the rows do.
		err = s.Each(ctx, Statement{SQL: `SELECT pg_catalog.pg_relation_size('pg_catalog.pg_largeobject') > 0`}, func(r Row) error {
			cat.LargeObjects = r.Bool(0)
			return nil
		})
		if err != nil {
			return err
		}
		return s.Each(ctx, Statement{SQL: `SELECT s.subname FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
WHERE d.datname = pg_catalog.current_database() AND s.subenabled ORDER BY 1`}, func(r Row) error {
			cat.Subscriptions = append(cat.Subscriptions, r.Text(0))
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return cat, nil
}

func (s *Session) readTypes(ctx context.Context) (map[uint32]*Type, error) {
	types := map[uint32]*Type{}
	type parts struct {
		elem, base, sub uint32
		attrs           []*string
	}
	made := map[uint32]parts{}
	err := s.Each(ctx, s.db.statement("types"), func(r Row) error {
		t := &Type{OID: uint32(r.Int(0)), Schema: r.Text(1), Name: r.Text(2), Kind: char(r, 3),
			HasSend: r.Bool(8), TextCast: r.Bool(9), Text: r.Text(10), BuiltIn: r.Bool(12)}
		attrs, err := ParseTextArray(r.Bytes(11))
		if err != nil {
			return fmt.Errorf("%s: read types: %w", s.db.side, err)
		}
		types[t.OID] = t
		made[t.OID] = parts{uint32(r.Int(5)), uint32(r.Int(6)), uint32(r.Int(7)), attrs}
		return nil
	})
	for oid, p := range made {
		t := types[oid]
		t.Elem, t.Base, t.Subtype = types[p.elem], types[p.base], types[p.sub]
		for _, a := range p.attrs {
			var n uint32
			if _, err := fmt.Sscan(*a, &n); err == nil && types[n] != nil {
				t.Attrs = append(t.Attrs, types[n])
			}
		}
	}
	return types, err
}

func (s *Session) readTables(ctx context.Context, cat *Catalog) (map[uint32]*Table, error) {
	byOID := map[uint32]*Table{}
	err := s.Each(ctx, s.db.statement("tables"), func(r Row) error {
		t := &Table{OID: uint32(r.Int(0)), Schema: r.Text(1), Name: r.Text(2), Kind: char(r, 3), Persistence: char(r, 4),
			Extension: r.Text(5), Partition: r.Bool(6), Quoted: r.Text(7), EstimatedRows: r.Int(8), Bytes: r.Int(9),
			CanSelect: r.Bool(10), RowSecurity: r.Bool(11), Parent: r.Text(12), PageRanges: r.Bool(13)}
		cat.Tables = append(cat.Tables, t)
		byOID[t.OID] = t
		return nil
	})
	return byOID, err
}

func (s *Session) readColumns(ctx context.Context, tables map[uint32]*Table, types map[uint32]*Type) error {
	return s.Each(ctx, s.db.statement("columns"), func(r Row) error {
		t := tables[uint32(r.Int(0))]
		typ := types[uint32(r.Int(2))]
		if t == nil {
			return nil // made after the tables were listed: not planned
		}
		if typ == nil {
			return fmt.Errorf("%s: read columns: %s.%s changed its type while the catalog was read: run again", s.db.side, t.Quoted, r.Text(1))
		}
		c := &Column{Name: r.Text(1), Type: typ, Typmod: r.Int(3), TypeText: r.Text(4), Collation: r.Text(5),
			DefaultCollation: r.Bool(6), ByteOrder: r.Bool(7), Deterministic: r.Bool(8), NotNull: r.Bool(9),
			Generated: char(r, 10), Identity: char(r, 11), Quoted: r.Text(12)}
		c.Scattered = scattered(r.Text(13))
		if c.DefaultCollation {
			c.ByteOrder = s.db.server.CCollation
		}
		t.Columns = append(t.Columns, c)
		return nil
	})
}

// scattered judges a column's correlation as the statistics print it: "" is
// unknown, 1 and -1 are a heap in the column's order or the reverse.
func scattered(correlation string) bool {
	f, err := strconv.ParseFloat(correlation, 64)
	return err == nil && math.Abs(f) < 0.5
}

func (s *Session) readIndexes(ctx context.Context, tables map[uint32]*Table) error {
	return s.Each(ctx, s.db.statement("indexes"), func(r Row) error {
		t := tables[uint32(r.Int(0))]
		if t == nil {
			return nil
		}
		ix := &Index{Name: r.Text(1), Primary: r.Bool(2), Unique: r.Bool(3), Partial: r.Bool(6)}
		columns, err := ParseTextArray(r.Bytes(4))
		if err != nil {
			return fmt.Errorf("%s: read indexes: %w", s.db.side, err)
		}
		ops, err := ParseTextArray(r.Bytes(5))
		if err != nil {
			return fmt.Errorf("%s: read indexes: %w", s.db.side, err)
		}
		if len(columns) != len(ops) {
			return nil // a column whose equality is not in the catalog: not a key to rely on
		}
		for i := range columns {
			ix.Columns = append(ix.Columns, *columns[i])
			ix.EqualOp = append(ix.EqualOp, *ops[i])
		}
		t.Indexes = append(t.Indexes, ix)
		return nil
	})
}

func (s *Session) readSequenceDefinitions(ctx context.Context, cat *Catalog) error {
	return s.Each(ctx, s.db.statement("sequences"), func(r Row) error {
		cat.Sequences = append(cat.Sequences, &Sequence{OID: uint32(r.Int(0)), Schema: r.Text(1), Name: r.Text(2), Quoted: r.Text(3),
			Type: r.Text(4), Start: r.Int(5), Increment: r.Int(6), Min: r.Int(7), Max: r.Int(8), Cycle: r.Bool(9),
			CanSelect: r.Bool(10), OwnerSchema: r.Text(11), OwnerTable: r.Text(12), OwnerColumn: r.Text(13), Extension: r.Text(14)})
		return nil
	})
}

// SequenceState is a sequence's position.
type SequenceState struct {
	LastValue int64
	IsCalled  bool
}

// sequenceBatch is how many sequences one statement reads. Each holds a lock,
// and a server's lock table has room for some thousands.
const sequenceBatch = 2000

// ReadSequences reads the state of all given sequences in one statement, for
// each two thousand of them: one row each, so that no column limit stands in
// the way. They are subselects of a list of values, because the planner's work
// for a UNION ALL grows with the square of its arms: for 3000 of them
// PostgreSQL 15 takes nine seconds, for this under one.
func (db *DB) ReadSequences(ctx context.Context, sequences []*Sequence) (map[uint32]SequenceState, error) {
	states := make(map[uint32]SequenceState, len(sequences))
	for batch := range slices.Chunk(sequences, sequenceBatch) {
		err := db.Read(ctx, "sequences", func(ctx context.Context, s *Session) error {
			return s.Each(ctx, Statement{SQL: sequencesSQL(batch)}, func(r Row) error {
				last, called, _ := strings.Cut(r.Text(1), " ")
				value, err := strconv.ParseInt(last, 10, 64)
				states[uint32(r.Int(0))] = SequenceState{value, called == "true"}
				return err
			})
		})
		if err != nil {
			return states, err
		}
	}
	return states, nil
}

func sequencesSQL(sequences []*Sequence) string {
	rows := make([]string, len(sequences))
	for i, q := range sequences {
		rows[i] = fmt.Sprintf("(%d::pg_catalog.int8, (SELECT last_value || ' ' || is_called FROM %s))", q.OID, Ident(q.Schema, q.Name))
	}
	return "VALUES " + strings.Join(rows, ",\n  ")
}

// char reads a "char" column; 0 for the empty one.
func char(r Row, i int) byte {
	if b := r.Bytes(i); len(b) > 0 {
		return b[0]
	}
	return 0
}
