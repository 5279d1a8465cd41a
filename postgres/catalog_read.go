package postgres

import (
	"context"
	"embed"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

var comments = regexp.MustCompile(`(?m)^ *--.*\n`)

// statement reads an embedded file and fills in what depends on the version.
func (db *DB) statement(name string) Statement {
	b, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // embedded
	}
	text := comments.ReplaceAllString(string(b), "") // for readers, not for the wire
	v := db.server.VersionNum
	since := func(version int, text, otherwise string) string {
		if v >= version {
			return text
		}
		return otherwise
	}
	return Statement{SQL: strings.NewReplacer(
		"{{heap}}", since(120000, "EXISTS (SELECT FROM pg_catalog.pg_am am WHERE am.oid = l.relam AND am.amname = 'heap')", "true"),
		// Since 18 a NOT NULL that is not validated sets attnotnull, nulls or not.
		"{{notnull}}", since(180000, "a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey))", "a.attnotnull"),
		"{{generated}}", since(120000, "a.attgenerated", "''"),
		"{{deterministic}}", since(120000, "coalesce(co.collisdeterministic, true)", "true"),
		"{{keycolumns}}", since(110000, "i.indnkeyatts", "i.indnatts"),
		"{{multirange}}", since(140000, "UNION ALL SELECT mr.rngsubtype FROM pg_catalog.pg_range mr WHERE mr.rngmultitypid = t.oid", ""),
		"{{multirangesub}}", since(140000, " OR r.rngmultitypid = t.oid", ""),
	).Replace(text)}
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
		followLeaves(byOID)
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

// tidRangeScans is the version since which a range of ctids is read alone.
const tidRangeScans = 140000

func (s *Session) readTables(ctx context.Context, cat *Catalog) (map[uint32]*Table, error) {
	byOID := map[uint32]*Table{}
	err := s.Each(ctx, s.db.statement("tables"), func(r Row) error {
		t := &Table{OID: uint32(r.Int(0)), Schema: r.Text(1), Name: r.Text(2), Kind: char(r, 3), Persistence: char(r, 4),
			Extension: r.Text(5), Partition: r.Bool(6), Quoted: r.Text(7), EstimatedRows: r.Int(8), Bytes: r.Int(9),
			CanSelect: r.Bool(10), RowSecurity: r.Bool(11), Parent: r.Text(12), Populated: r.Bool(13),
			Leaves: int(r.Int(14)), Pages: r.Int(15), ToastBytes: r.Int(16), Tids: r.Bool(17), largest: uint32(r.Int(18))}
		t.PageRanges = t.Tids && s.db.server.VersionNum >= tidRangeScans
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

// followLeaves gives partitioned tables the order of their largest leaf. Of
// their own they often have no statistics, as autovacuum makes none, and those
// tell the order of a sample that strings the leaves together: four leaves by
// hash, each in the order of the key, look scattered.
func followLeaves(tables map[uint32]*Table) {
	for _, t := range tables {
		leaf := tables[t.largest]
		if t.Kind != 'p' || leaf == nil {
			continue
		}
		for _, c := range t.Columns {
			if own := leaf.Column(c.Name); own != nil {
				c.Scattered = own.Scattered
			}
		}
	}
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

// char reads a "char" column; 0 for the empty one.
func char(r Row, i int) byte {
	if b := r.Bytes(i); len(b) > 0 {
		return b[0]
	}
	return 0
}
