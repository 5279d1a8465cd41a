package checker_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// damages are the ways in which one side is made to differ. Each says what it
// did, or "" where the rows at hand leave nothing to do; what comes of it, and
// whether it shows at all, is told by comparing the rows in the end.
var damages = []func(*rapid.T, *modelTable, int) string{
	changeValue, changeValue, changeValue, confuseNull, confuseNull, loseRow, addRow, swapColumns, swapRows,
	respellKey, respellKey, scaleNumbers, loseTwins,
}

func hurt(t *rapid.T, w *world) {
	for range rapid.IntRange(0, 6).Draw(t, "damages") {
		m := anyOf(w.tables).Draw(t, "damaged table")
		side := []int{1, 1, 1, 0}[rapid.IntRange(0, 3).Draw(t, "damaged side")]
		damage := anyOf(damages).Draw(t, "damage")
		if what := damage(t, m, side); what != "" {
			m.damage = append(m.damage, fmt.Sprintf("%s: %s", []string{"source", "target"}[side], what))
		}
	}
}

// drawRow picks a row of a side, -1 where it has none.
func (m *modelTable) drawRow(t *rapid.T, side int, label string) int {
	if len(m.rows[side]) == 0 {
		return -1
	}
	return rapid.IntRange(0, len(m.rows[side])-1).Draw(t, label)
}

// drawColumn picks a column that holds data of its own, -1 where none does.
func (m *modelTable) drawColumn(t *rapid.T, label string) int {
	var list []int
	for i, c := range m.columns {
		if c.kind != nil {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return -1
	}
	return anyOf(list).Draw(t, label)
}

func (m *modelTable) set(row modelRow, column int, value *string) {
	row.cells[column] = value
	m.derive(row)
}

// changeValue prefers a value that is easily taken for the old one.
func changeValue(t *rapid.T, m *modelTable, side int) string {
	n, c := m.drawRow(t, side, "row"), m.drawColumn(t, "column")
	if n < 0 || c < 0 {
		return ""
	}
	row := m.rows[side][n]
	from := anyOf(m.columns[c].kind.families).Draw(t, "family")
	if old := row.cells[c]; old != nil {
		for _, f := range m.columns[c].kind.families {
			if slices.Contains(f, *old) {
				from = f
			}
		}
	}
	value := anyOf(from).Draw(t, "value")
	what := fmt.Sprintf("row %d, column %q: %s to %s", row.id, m.columns[c].name, shown(row.cells[c]), shown(&value))
	m.set(row, c, &value)
	return what
}

// confuseNull makes NULL of a value, and of NULL an empty text or the word,
// where the type can hold those. It prefers columns that can.
func confuseNull(t *rapid.T, m *modelTable, side int) string {
	n, c := m.drawRow(t, side, "row"), m.drawColumn(t, "column")
	if n < 0 || c < 0 {
		return ""
	}
	for i, other := range m.columns {
		if other.kind != nil && slices.Contains(slices.Concat(other.kind.families...), "") {
			c = i
		}
	}
	row := m.rows[side][n]
	choices := []*string{nil}
	for _, v := range slices.Concat(m.columns[c].kind.families...) {
		if v == "" || v == "NULL" || v == "{NULL}" || v == "(,)" || v == "null" {
			choices = append(choices, &v)
		}
	}
	choices = slices.DeleteFunc(choices, func(v *string) bool { return len(choices) > 1 && shown(v) == shown(row.cells[c]) })
	value := anyOf(choices).Draw(t, "null or not")
	what := fmt.Sprintf("row %d, column %q: %s to %s", row.id, m.columns[c].name, shown(row.cells[c]), shown(value))
	m.set(row, c, value)
	return what
}

func loseRow(t *rapid.T, m *modelTable, side int) string {
	n := m.drawRow(t, side, "row")
	if n < 0 {
		return ""
	}
	id := m.rows[side][n].id
	m.rows[side] = slices.Delete(m.rows[side], n, n+1)
	return fmt.Sprintf("lost row %d", id)
}

// addRow adds a new row, or, without a key, perhaps one that is there already.
func addRow(t *rapid.T, m *modelTable, side int) string {
	if n := m.drawRow(t, side, "row"); m.key == nil && n >= 0 && rapid.Bool().Draw(t, "twin") {
		m.rows[side] = append(m.rows[side], m.rows[side][n].clone())
		return fmt.Sprintf("row %d once more", m.rows[side][n].id)
	}
	id := 0
	for _, rows := range m.rows {
		for _, r := range rows {
			id = max(id, r.id+1)
		}
	}
	row := m.newRow(randOf(rapid.Uint64().Draw(t, "new row")), id)
	m.rows[side] = append(m.rows[side], row)
	return fmt.Sprintf("added row %d", id)
}

// swapColumns swaps two columns of one type in a row.
func swapColumns(t *rapid.T, m *modelTable, side int) string {
	n, c := m.drawRow(t, side, "row"), m.drawColumn(t, "column")
	if n < 0 || c < 0 {
		return ""
	}
	row := m.rows[side][n]
	for other := range m.columns {
		if other != c && m.columns[other].kind != nil && m.columns[other].kind.sql == m.columns[c].kind.sql {
			row.cells[c], row.cells[other] = row.cells[other], row.cells[c]
			m.derive(row)
			return fmt.Sprintf("row %d: columns %q and %q swapped", row.id, m.columns[c].name, m.columns[other].name)
		}
	}
	return ""
}

// swapRows swaps a column's values between two rows.
func swapRows(t *rapid.T, m *modelTable, side int) string {
	a, b, c := m.drawRow(t, side, "row"), m.drawRow(t, side, "other row"), m.drawColumn(t, "column")
	if a < 0 || c < 0 || a == b {
		return ""
	}
	x, y := m.rows[side][a], m.rows[side][b]
	x.cells[c], y.cells[c] = y.cells[c], x.cells[c]
	m.derive(x)
	m.derive(y)
	return fmt.Sprintf("rows %d and %d: column %q swapped", x.id, y.id, m.columns[c].name)
}

// respellKey writes a key in another way that is equal to it.
func respellKey(t *rapid.T, m *modelTable, side int) string {
	n := m.drawRow(t, side, "row")
	if n < 0 || m.key == nil || m.key.respell == nil {
		return ""
	}
	row := m.rows[side][n]
	var old []string
	for _, i := range m.keyColumns() {
		old = append(old, *row.cells[i])
	}
	for i, part := range m.key.respell(old) {
		row.cells[i] = &part
	}
	return fmt.Sprintf("row %d: key (%s) spelled anew", row.id, strings.Join(old, ", "))
}

var whole = regexp.MustCompile(`^-?[1-9][0-9]*$`)

// scaleNumbers multiplies all whole numerics of a row by 10⁴: two such
// changes cancel where hash_numeric is combined by xor.
func scaleNumbers(t *rapid.T, m *modelTable, side int) string {
	n := m.drawRow(t, side, "row")
	if n < 0 {
		return ""
	}
	row, did := m.rows[side][n], ""
	for i, c := range m.columns {
		if v := row.cells[i]; c.kind != nil && c.sql == "numeric" && v != nil && whole.MatchString(*v) {
			row.cells[i] = new(*v + "0000")
			did = fmt.Sprintf("row %d: whole numerics × 10000", row.id)
		}
	}
	return did
}

// loseTwins takes two equal rows away together, which an xor would not see.
func loseTwins(_ *rapid.T, m *modelTable, side int) string {
	first := map[string]int{}
	for n, row := range m.rows[side] {
		k := image(row)
		if twin, ok := first[k]; ok && m.key == nil {
			m.rows[side] = slices.Delete(m.rows[side], n, n+1)
			m.rows[side] = slices.Delete(m.rows[side], twin, twin+1)
			return "lost two equal rows: " + k
		}
		first[k] = n
	}
	return ""
}

// image is all of a row's content.
func image(row modelRow) string {
	cells := make([]string, len(row.cells))
	for i, c := range row.cells {
		cells[i] = shown(c)
	}
	return strings.Join(cells, " | ")
}

func shown(cell *string) string {
	if cell == nil {
		return "NULL"
	}
	if len(*cell) > 60 {
		return fmt.Sprintf("%q…%q", (*cell)[:5], (*cell)[len(*cell)-5:])
	}
	return fmt.Sprintf("%q", *cell)
}

// expected lists the findings that the rows call for, each as one line.
func (m *modelTable) expected(table string) []string {
	if m.key == nil {
		return m.expectedCounts(table)
	}
	byID := [2]map[int]modelRow{{}, {}}
	for side, rows := range m.rows {
		for _, r := range rows {
			byID[side][r.id] = r
		}
	}
	var lines []string
	for id, s := range byID[0] {
		t, ok := byID[1][id]
		if !ok {
			lines = append(lines, m.line(table, "missing", s, nil))
			continue
		}
		var differ []string
		for i, c := range m.columns {
			if shown(s.cells[i]) != shown(t.cells[i]) {
				differ = append(differ, c.name)
			}
		}
		if len(differ) > 0 {
			slices.Sort(differ)
			lines = append(lines, m.line(table, "different", s, differ))
		}
	}
	for id, t := range byID[1] {
		if _, ok := byID[0][id]; !ok {
			lines = append(lines, m.line(table, "extra", t, nil))
		}
	}
	return lines
}

func (m *modelTable) line(table, kind string, row modelRow, columns []string) string {
	key := map[string]string{}
	for _, i := range m.keyColumns() {
		key[m.columns[i].name] = *row.cells[i]
	}
	return findingLine(table, kind, key, columns)
}

func findingLine(table, kind string, key map[string]string, columns []string) string {
	return fmt.Sprintf("%s: %s %q columns %q", table, kind, key, columns)
}

func (m *modelTable) expectedCounts(table string) []string {
	counts := map[string]*[2]int64{}
	for side, rows := range m.rows {
		for _, r := range rows {
			k := image(r)
			if counts[k] == nil {
				counts[k] = &[2]int64{}
			}
			counts[k][side]++
		}
	}
	var lines []string
	for _, n := range counts {
		if n[0] != n[1] {
			lines = append(lines, countLine(table, n[0], n[1]))
		}
	}
	return lines
}

func countLine(table string, source, target int64) string {
	kind := "different"
	switch {
	case source == 0:
		kind = "extra"
	case target == 0:
		kind = "missing"
	}
	return fmt.Sprintf("%s: %s %d:%d", table, kind, source, target)
}
