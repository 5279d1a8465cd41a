package postgres

import "context"

// Scratch is one table as whoever wants to write into it has to know it.
type Scratch struct {
	OID         uint32
	Quoted      string // schema.table, each part as quote_ident prints it
	Schema      string // likewise
	Kind        byte   // pg_class.relkind
	Persistence byte   // p, u, t
	// ForeignKeys: it refers to a table, or a table refers to it.
	ForeignKeys bool
	// RowSecurity: a policy would hide rows from this role.
	RowSecurity bool
	Role        string   // the connected one, as quote_ident prints it
	Lacks       []string // of SELECT, INSERT, UPDATE, DELETE and USAGE of the schema
	Columns     []ScratchColumn
}

// ScratchColumn is a live column.
type ScratchColumn struct {
	Name, Quoted string
	Type         string // format_type with its modifier: character varying(20)
	Key          bool   // part of the primary key
	NotNull      bool
	// Filled: the server fills it where an INSERT leaves it out: a default, an
	// identity, a generated column.
	Filled bool
	// Always: it takes no value of one's own: generated, or identity always.
	Always bool
}

// ReadScratch finds the tables that a name may mean: schema.table, quoted as the
// server would or not at all. None is no error, nor are several.
func (db *DB) ReadScratch(ctx context.Context, name string) ([]*Scratch, error) {
	var found []*Scratch
	err := db.Read(ctx, "scratch table", func(ctx context.Context, s *Session) error {
		byOID := map[uint32]*Scratch{}
		table := db.statement("scratch_table")
		table.Args = []string{name}
		err := s.Each(ctx, table, func(r Row) error {
			lacks, err := ParseTextArray(r.Bytes(7))
			if err != nil {
				return err
			}
			t := &Scratch{OID: uint32(r.Int(0)), Quoted: r.Text(1), Kind: char(r, 2), Persistence: char(r, 3),
				ForeignKeys: r.Bool(4), RowSecurity: r.Bool(5), Role: r.Text(6), Schema: r.Text(8)}
			for _, p := range lacks {
				t.Lacks = append(t.Lacks, *p)
			}
			found = append(found, t)
			byOID[t.OID] = t
			return nil
		})
		if err != nil {
			return err
		}
		columns := db.statement("scratch_columns")
		columns.Args = []string{name}
		return s.Each(ctx, columns, func(r Row) error {
			if t := byOID[uint32(r.Int(0))]; t != nil {
				t.Columns = append(t.Columns, ScratchColumn{Name: r.Text(1), Quoted: r.Text(2), Type: r.Text(3), Key: r.Bool(4),
					NotNull: r.Bool(5), Filled: r.Bool(6), Always: r.Bool(7)})
			}
			return nil
		})
	})
	return found, err
}
