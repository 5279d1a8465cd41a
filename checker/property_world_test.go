package checker_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// world is a pair of schemas with the rows that each side is meant to hold.
type world struct {
	schema string
	tables []*modelTable
}

// modelTable is a table and its rows on both sides.
type modelTable struct {
	name    string
	key     *keyKind // nil: none
	unique  bool     // the key is a unique constraint, not the primary key
	columns []modelColumn
	layouts [2]layout
	rows    [2][]modelRow
	damage  []string // what was done to the rows, for the reader
}

// modelColumn is a column; the key's come first.
type modelColumn struct {
	name, sql string
	kind      *kind // nil for a key column or a generated one
	from      int   // a generated column repeats this one, with an exclamation mark; else -1
}

// layout is how one side declares the table.
type layout struct {
	order       []int // of columns
	dropped     []int // columns that once stood at these places
	partitioned bool
	identity    bool
	generated   string // "", STORED or VIRTUAL: then the server fills the column
}

// modelRow is a row; a nil cell is NULL. id tells rows of a keyed table apart.
type modelRow struct {
	id    int
	cells []*string
}

func (r modelRow) clone() modelRow { return modelRow{r.id, slices.Clone(r.cells)} }

// drawWorld draws tables that both versions can hold, with equal rows.
func drawWorld(t *rapid.T, majors [2]int) *world {
	w := &world{schema: rapid.SampledFrom([]string{"public", "My.Schema", `s"$c`}).Draw(t, "schema")}
	for i := range rapid.IntRange(1, 3).Draw(t, "tables") {
		name := anyOf(names).Draw(t, "table name")
		if slices.ContainsFunc(w.tables, func(o *modelTable) bool { return o.name == name }) {
			name = fmt.Sprintf("t%d", i)
		}
		w.tables = append(w.tables, drawTable(t, name, majors))
	}
	return w
}

func drawTable(t *rapid.T, name string, majors [2]int) *modelTable {
	least := min(majors[0], majors[1])
	m := &modelTable{name: name}
	if rapid.IntRange(0, 5).Draw(t, "keyless") > 0 {
		k := anyOf(keyKinds).Filter(func(k keyKind) bool { return k.since <= least }).Draw(t, "key")
		m.key, m.unique = &k, rapid.IntRange(0, 3).Draw(t, "unique") == 0
	}
	m.drawColumns(t, least)
	for side, major := range majors {
		m.layouts[side] = m.drawLayout(t, major)
	}
	m.fill(rapid.IntRange(0, 4).Draw(t, "size"), rapid.Uint64().Draw(t, "data"))
	return m
}

func (m *modelTable) drawColumns(t *rapid.T, least int) {
	free := rapid.Permutation(names).Draw(t, "column names")
	next := func() string {
		n := free[0]
		free = free[1:]
		return n
	}
	if m.key != nil {
		for _, typ := range m.key.types {
			m.columns = append(m.columns, modelColumn{name: next(), sql: typ + " NOT NULL", from: -1})
		}
	}
	usable := slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.since > least })
	text := -1
	for range rapid.IntRange(0, 8).Draw(t, "columns") {
		k := anyOf(usable).Draw(t, "type")
		if k.sql == "text" {
			text = len(m.columns)
		}
		m.columns = append(m.columns, modelColumn{name: next(), sql: k.sql, kind: &k, from: -1})
	}
	if text >= 0 && rapid.Bool().Draw(t, "generated") {
		m.columns = append(m.columns, modelColumn{name: next(), sql: "text", from: text})
	}
}

func (m *modelTable) drawLayout(t *rapid.T, major int) layout {
	l := layout{order: make([]int, len(m.columns))}
	for i := range l.order {
		l.order[i] = i
	}
	if rapid.Bool().Draw(t, "own order") {
		l.order = rapid.Permutation(l.order).Draw(t, "order")
	}
	l.dropped = rapid.SliceOfN(rapid.IntRange(0, len(m.columns)), 0, 2).Draw(t, "dropped")
	// citext hashes for partitions since 12; other collations than these never.
	hashable := m.key != nil && m.key.name != "nondeterministic text" && (m.key.name != "citext" || major >= 12)
	l.partitioned = major >= 11 && hashable && rapid.IntRange(0, 3).Draw(t, "partitioned") == 0
	l.identity = m.key != nil && m.key.name == "bigint" && !l.partitioned && rapid.Bool().Draw(t, "identity")
	if major >= 12 {
		l.generated = rapid.SampledFrom([]string{"", "STORED"}).Draw(t, "generated how")
	}
	if major >= 18 && l.generated == "STORED" {
		l.generated = rapid.SampledFrom([]string{"STORED", "VIRTUAL"}).Draw(t, "stored or virtual")
	}
	return l
}

// fill makes rows, the same on both sides.
func (m *modelTable) fill(size int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	most := []int{0, 1, 4, 60, 300}[size]
	n := most
	if most > 1 {
		n = 1 + r.IntN(most)
	}
	for id := range n {
		if m.key == nil && id > 0 && r.IntN(4) == 0 { // some rows twice
			m.rows[0] = append(m.rows[0], m.rows[0][r.IntN(id)].clone())
			continue
		}
		m.rows[0] = append(m.rows[0], m.newRow(r, id))
	}
	for _, row := range m.rows[0] {
		m.rows[1] = append(m.rows[1], row.clone())
	}
	r.Shuffle(n, func(i, j int) { m.rows[1][i], m.rows[1][j] = m.rows[1][j], m.rows[1][i] })
}

func (m *modelTable) newRow(r *rand.Rand, id int) modelRow {
	row := modelRow{id, make([]*string, len(m.columns))}
	for i, c := range m.columns {
		if c.kind != nil && r.IntN(6) > 0 {
			row.cells[i] = new(pick(r, pick(r, c.kind.families)))
		}
	}
	if m.key != nil {
		for i, part := range m.key.at(id) {
			row.cells[i] = &part
		}
	}
	m.derive(row)
	return row
}

// derive computes the generated columns.
func (m *modelTable) derive(row modelRow) {
	for i, c := range m.columns {
		if c.from >= 0 {
			row.cells[i] = nil
			if v := row.cells[c.from]; v != nil {
				row.cells[i] = new(*v + "!")
			}
		}
	}
}

// anyOf draws each value as often as any other; rapid's own generator prefers
// the first and the last. It shrinks to the first.
func anyOf[T any](from []T) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		n := 0
		for range 10 {
			n *= 2
			if rapid.Bool().Draw(t, "bit") {
				n++
			}
		}
		return from[n*len(from)>>10]
	})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// statements are what makes one side of the table.
func (m *modelTable) statements(schema string, side int) []string {
	l, table := m.layouts[side], ident(schema)+"."+ident(m.name)
	var parts, drops []string
	for at, i := range l.order {
		for n, d := range l.dropped {
			if d == at {
				gone := fmt.Sprintf("gone%d", n)
				parts = append(parts, gone+" integer")
				drops = append(drops, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", table, gone))
			}
		}
		parts = append(parts, m.declare(i, l))
	}
	tail := ""
	if m.key != nil {
		constraint := "PRIMARY KEY"
		if m.unique {
			constraint = "UNIQUE"
		}
		parts = append(parts, constraint+" ("+m.idents(m.keyColumns())+")")
		if l.partitioned {
			tail = " PARTITION BY HASH (" + ident(m.columns[0].name) + ")"
		}
	}
	list := []string{"CREATE TABLE " + table + " (" + strings.Join(parts, ", ") + ")" + tail}
	if l.partitioned {
		for n := range 3 {
			list = append(list, fmt.Sprintf("CREATE TABLE %s.%s PARTITION OF %s FOR VALUES WITH (MODULUS 3, REMAINDER %d)", ident(schema), ident(fmt.Sprintf("leaf%d of %.20s", n, m.name)), table, n))
		}
	}
	return append(append(list, drops...), m.inserts(table, side)...)
}

func (m *modelTable) declare(i int, l layout) string {
	c := m.columns[i]
	text := ident(c.name) + " " + c.sql
	switch {
	case i == 0 && l.identity:
		text += " GENERATED BY DEFAULT AS IDENTITY"
	case c.from >= 0 && l.generated != "":
		text += " GENERATED ALWAYS AS (" + ident(m.columns[c.from].name) + " || '!') " + l.generated
	}
	return text
}

func (m *modelTable) inserts(table string, side int) []string {
	rows, l := m.rows[side], m.layouts[side]
	if len(rows) == 0 {
		return nil
	}
	if len(m.columns) == 0 {
		return []string{fmt.Sprintf("INSERT INTO %s SELECT FROM generate_series(1, %d)", table, len(rows))}
	}
	var columns []int
	for i, c := range m.columns {
		if c.from < 0 || l.generated == "" {
			columns = append(columns, i)
		}
	}
	values := make([]string, len(rows))
	for n, row := range rows {
		cells := make([]string, len(columns))
		for at, i := range columns {
			cells[at] = literal(row.cells[i])
		}
		values[n] = "(" + strings.Join(cells, ", ") + ")"
	}
	return []string{"INSERT INTO " + table + " (" + m.idents(columns) + ") VALUES " + strings.Join(values, ",\n")}
}

func (m *modelTable) keyColumns() []int {
	if m.key == nil {
		return nil
	}
	list := make([]int, len(m.key.types))
	for i := range list {
		list[i] = i
	}
	return list
}

func (m *modelTable) idents(columns []int) string {
	list := make([]string, len(columns))
	for n, i := range columns {
		list[n] = ident(m.columns[i].name)
	}
	return strings.Join(list, ", ")
}

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(cell *string) string {
	if cell == nil {
		return "NULL"
	}
	return "E'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(*cell) + "'"
}

var plain = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// reportName is the name as quote_ident prints it.
func reportName(schema, name string) string {
	quote := func(s string) string {
		if plain.MatchString(s) && s != "select" {
			return s
		}
		return ident(s)
	}
	return quote(schema) + "." + quote(name)
}
