package hashing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Value is a column's value as the server prints it, or the beginning of it.
type Value struct {
	Text string
	// Bytes is the size of the whole where Text is only its beginning, else 0:
	// of its text on the server, or, of a bytea, of the bytes themselves.
	Bytes int64
}

// Excerpt says how much of each value is wanted: Long characters, or fewer
// where the columns of a row together would come to more than Row, but Short
// at least. Shorter values come whole.
type Excerpt struct{ Long, Row, Short int }

// Characters is how many of each value are taken of a row of so many columns.
func (e Excerpt) Characters(columns int) int {
	return min(max(e.Row/max(columns, 1), e.Short), e.Long)
}

// Values reads one row's columns, in the order of Digest.Columns; nil for
// NULL. The row is found by its key, or, without one, by its hash. The result
// is nil when it is not there.
func (d *Digest) Values(ctx context.Context, s *postgres.Session, side postgres.Side, key []string, e Excerpt) ([]*Value, error) {
	var scope postgres.Scope
	switch {
	case d.Keyed():
		scope = d.wanted(side, [][]string{key})
	case d.Way == Stream: // the server does not know the client's hash
		return nil, nil
	default:
		h, err := strconv.ParseUint(key[0], 16, 64)
		if err != nil {
			return nil, err
		}
		scope = d.scope(side).And(d.rowSQL() + " = '" + strconv.FormatInt(int64(h), 10) + "'::pg_catalog.int8")
	}
	columns := make([]*postgres.Column, len(d.Columns))
	for i, c := range d.Columns {
		columns[i] = d.table.On(side).Column(c.Name)
	}
	return ReadValues(ctx, s, columns, scope, e)
}

// ReadValues reads columns of the first row of a scope, nil for NULL; nil where
// it has no row. The server cuts the values, so that what comes is small.
func ReadValues(ctx context.Context, s *postgres.Session, columns []*postgres.Column, scope postgres.Scope, e Excerpt) (values []*Value, err error) {
	err = s.Each(ctx, postgres.Statement{SQL: valuesSQL(columns, scope, e), Args: scope.Args}, func(r postgres.Row) error {
		sizes, err := postgres.ParseTextArray(r.Bytes(len(columns)))
		if err != nil {
			return err
		}
		values = make([]*Value, len(columns))
		for i := range values {
			if r.Null(i) {
				continue
			}
			v := &Value{Text: r.Text(i)}
			if sizes[i] != nil {
				if v.Bytes, err = strconv.ParseInt(*sizes[i], 10, 64); err != nil {
					return fmt.Errorf("the size of a value, %q: %w", *sizes[i], err)
				}
			}
			values[i] = v
		}
		return nil
	})
	return values, err
}

// valuesSQL selects each value's text, cut, and in one array at the end the
// sizes of those that were: a target list holds no more than 1664 columns.
func valuesSQL(columns []*postgres.Column, scope postgres.Scope, e Excerpt) string {
	n := e.Characters(len(columns))
	var texts, sizes []string
	for _, c := range columns {
		text, size := cutSQL(c.Type, "t."+postgres.Ident(c.Name), n)
		texts, sizes = append(texts, text), append(sizes, size)
	}
	return "SELECT " + strings.Join(append(texts, "ARRAY["+strings.Join(sizes, ",\n  ")+"]::pg_catalog.int8[]"), ",\n  ") + "\n" + scope.Clause() + "\nLIMIT 1"
}

// cutSQL gives a column's value cut to n characters, and the size of the whole
// where that is more.
func cutSQL(t *postgres.Type, ref string, n int) (text, size string) {
	through := t.Underlying()
	switch {
	case through.BuiltIn && slices.Contains(shortTypes, through.Name):
		return ref, "NULL"
	case through.BuiltIn && through.Name == "bytea":
		// Not by its text, which is twice as large: the bytes of a part of it.
		part := fmt.Sprintf("pg_catalog.substring(%s::pg_catalog.bytea, 1, %d)", ref, n/2-1)
		return part, fmt.Sprintf("CASE WHEN pg_catalog.octet_length(%s::pg_catalog.bytea) OPERATOR(pg_catalog.>) %d THEN pg_catalog.octet_length(%s::pg_catalog.bytea) END", ref, n/2-1, ref)
	}
	if through != t {
		ref = "(" + ref + "::" + through.Text + ")"
	}
	whole := strings.ReplaceAll(nullGuard(textOf(through, true)), "$c", ref)
	text = fmt.Sprintf("pg_catalog.left(%s, %d)", whole, n)
	return text, fmt.Sprintf("nullif(pg_catalog.octet_length(%s), pg_catalog.octet_length(%s))", whole, text)
}

// shortTypes are the built-in types whose values always print short.
var shortTypes = []string{"bool", "int2", "int4", "int8", "oid", "float4", "float8", "uuid", "date", "time", "timetz", "timestamp", "timestamptz",
	"interval", "money", "char", "name", "inet", "cidr", "macaddr", "macaddr8", "pg_lsn"}
