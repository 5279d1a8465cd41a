package hashing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Digest is how one table's rows are hashed on both sides: the same for
// both, or it would mean nothing. Make it with Agreement.Digest. It is
// immutable and safe for concurrent use.
type Digest struct {
	Way     Way
	Columns []Column
	// Undecidable are columns for which no form agrees: they are not compared,
	// and the table cannot be a match.
	Undecidable []Column

	table *pairing.Table
	agree *Agreement
	// keys are the positions in Columns that make up the key, in key order;
	// none: a multiset, whose rows are told apart by their hash.
	keys []int
}

// Column says how one column is hashed, and why not by the preferred form.
type Column struct {
	Name string
	Form string
	Why  string

	pair *pairing.Column
	form Form
	text bool // stream: the value comes as text, not in its binary form
}

// Digest chooses the forms for a table.
func (a *Agreement) Digest(t *pairing.Table) *Digest {
	d := &Digest{Way: Pushdown, table: t, agree: a}
	d.choose(a.way != Stream)
	if a.way == Auto && len(d.Undecidable) > 0 {
		pushed := d.Undecidable
		d.choose(false)
		if len(d.Undecidable) >= len(pushed) {
			d.choose(true)
		}
	}
	if a.outer.Name != outerExtended.Name && d.Way == Pushdown {
		d.Way = Mixed
	}
	if t.Key != nil {
		for _, k := range t.Key.Columns {
			at := d.position(k.Name)
			if at < 0 { // a key that cannot be hashed cannot tell rows apart
				d.keys = nil
				break
			}
			d.keys = append(d.keys, at)
		}
	}
	return d
}

// choose fills Columns for pushdown or for stream.
func (d *Digest) choose(pushdown bool) {
	d.Columns, d.Undecidable = nil, nil
	d.Way = Stream
	if pushdown {
		d.Way = Pushdown
	}
	for _, c := range d.table.Columns {
		var col Column
		if pushdown {
			var fallback bool
			col, fallback = d.agree.pushColumn(c)
			if fallback && col.Form != "" {
				d.Way = Mixed
			}
		} else {
			col = d.agree.streamColumn(c)
		}
		if col.Form == "" {
			d.Undecidable = append(d.Undecidable, col)
			continue
		}
		d.Columns = append(d.Columns, col)
	}
	if pushdown && d.Way == Mixed && len(d.Columns) == 0 {
		d.Way = Pushdown
	}
}

// pushColumn takes the first form both servers agreed on.
func (a *Agreement) pushColumn(c *pairing.Column) (col Column, fallback bool) {
	if a.outer.template == "" {
		return Column{Name: c.Name, Why: "the servers agree on no way to hash a row", pair: c}, true
	}
	forms, why := candidates(c, a.peers)
	for i, f := range forms {
		if a.agreed[f.id()] {
			col = Column{Name: c.Name, Form: f.Name, pair: c, form: f}
			if i > 0 {
				col.Why = fmt.Sprintf("the servers do not agree on %s", forms[0].Name)
			}
			return col, i > 0
		}
	}
	if why == "" {
		why = "the servers agree on no form for " + c.Source.TypeText
	}
	return Column{Name: c.Name, Why: why, pair: c}, true
}

func (d *Digest) position(name string) int {
	for i, c := range d.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Keyed tells whether rows are told apart by a key; otherwise by their hash.
func (d *Digest) Keyed() bool { return len(d.keys) > 0 }

// Fingerprint identifies the definition: columns, forms and seeds. A unit of
// work made under another fingerprint is stale.
func (d *Digest) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintln(h, Spec, d.Way, d.agree.run, d.agree.outer.Name, d.keys)
	for _, c := range d.Columns {
		fmt.Fprintln(h, c.Name, c.Form, c.pair.Source.TypeText, c.pair.Target.TypeText)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// hashSQL is one column's hash, NULL where the column is.
func (d *Digest) hashSQL(i int, s seed) string {
	return d.Columns[i].form.sql(d.Columns[i].pair.Ref(), s)
}

// columnSQL is one column's hash, with the column's own mark for NULL.
func (d *Digest) columnSQL(i int) string {
	a := d.agree
	return "coalesce(" + d.hashSQL(i, a.seed(useColumn, i)) + ", " + a.seed(useNull, i).int8() + ")"
}

// rowSQL is the row's hash.
func (d *Digest) rowSQL() string {
	parts := make([]string, len(d.Columns))
	for i := range d.Columns {
		parts[i] = d.columnSQL(i)
	}
	return d.agree.outer.sql(xor(parts), d.agree.seed(useOuter, 0))
}

// keySQL is the key's hash, under seeds of its own, so that it says nothing
// of the row's; for a multiset it is the row's.
func (d *Digest) keySQL() string {
	if !d.Keyed() {
		return d.rowSQL()
	}
	parts := make([]string, len(d.keys))
	for n, i := range d.keys {
		parts[n] = d.hashSQL(i, d.agree.seed(useKey, n))
	}
	return d.agree.outer.sql(xor(parts), d.agree.seed(useKeyOuter, 0))
}

// columnsSQL is all columns' hashes, to see which of them differ.
func (d *Digest) columnsSQL() string {
	parts := make([]string, len(d.Columns))
	for i := range d.Columns {
		parts[i] = d.columnSQL(i)
	}
	return "ARRAY[\n    " + strings.Join(parts, ",\n    ") + "]::pg_catalog.int8[]"
}

// xorWidth is how many terms stand side by side.
const xorWidth = 50

// xor joins terms, one a line. Many are grouped in brackets: 1600 of them in
// a chain would nest as deep as that and hit the server's stack limit.
func xor(terms []string) string {
	if len(terms) == 0 {
		return "'0'::pg_catalog.int8"
	}
	for len(terms) > xorWidth {
		var groups []string
		for group := range slices.Chunk(terms, xorWidth) {
			groups = append(groups, "("+strings.Join(group, "\n  # ")+")")
		}
		terms = groups
	}
	return "\n    " + strings.Join(terms, "\n  # ")
}

// keyRefs are the key's columns as the server prints them.
func (d *Digest) keyRefs() []string {
	refs := make([]string, len(d.keys))
	for n, i := range d.keys {
		refs[n] = d.Columns[i].pair.Ref()
	}
	return refs
}

// scope is all rows of the table on a side.
func (d *Digest) scope(side postgres.Side) postgres.Scope { return d.table.Scope(side) }
