package pairing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

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

// chooseKey takes the source's primary key, else its narrowest unique key
// without nulls, that the target also holds unique. A key that only one side
// enforces may be ambiguous on the other, and is none.
func (p *Pair) chooseKey(t *Table, asked []string) error {
	var tried []string
	differs := false
	for _, ix := range t.Source.Indexes {
		if len(asked) > 0 && !slices.Equal(ix.Columns, asked) {
			continue
		}
		if !ix.Unique {
			continue
		}
		key, why, lacking := t.key(ix)
		differs = differs || lacking
		if key != nil {
			t.Key = key
			t.KeyReason = "primary key"
			if !ix.Primary {
				t.KeyReason = "unique index " + ix.Name
			}
			t.Key.Ordered, t.Key.Unordered = ordered(key, p.sameEncoding)
			return nil
		}
		tried = append(tried, why)
	}
	if len(asked) > 0 {
		why := "no unique index of the source has exactly these columns"
		if len(tried) > 0 {
			why = strings.Join(tried, "; ")
		}
		return fmt.Errorf("the key (%s) configured for %s cannot be used: %s", strings.Join(asked, ", "), t.Name, why)
	}
	t.KeyReason = "no primary key and no unique index without nulls"
	if len(tried) > 0 {
		t.KeyReason = strings.Join(tried, "; ")
	}
	if differs {
		p.differ(t, Difference{Kind: "no_common_key", Object: t.Name, Target: t.KeyReason})
	}
	return nil
}

// key makes a key of a source index, or says why it is none; lacking tells
// that it would be one, but for the target.
func (t *Table) key(ix *postgres.Index) (key *Key, why string, lacking bool) {
	key = &Key{Name: ix.Name, Primary: ix.Primary}
	twin := t.twin(ix)
	for i, name := range ix.Columns {
		c := t.column(name)
		switch {
		case c == nil:
			return nil, fmt.Sprintf("column %s of key %s cannot be compared", name, ix.Name), false
		case !c.Source.NotNull:
			return nil, fmt.Sprintf("unique index %s allows nulls in %s", ix.Name, name), false
		case twin == nil:
			return nil, fmt.Sprintf("the target has no unique index on (%s)", strings.Join(ix.Columns, ", ")), true
		case !c.Target.NotNull:
			return nil, fmt.Sprintf("the target allows nulls in %s", name), true
		}
		at := slices.Index(twin.Columns, name)
		key.Columns = append(key.Columns, KeyColumn{Column: c, EqualSource: ix.EqualOp[i], EqualTarget: twin.EqualOp[at]})
	}
	key.turned = twin != nil && !slices.Equal(ix.Columns, twin.Columns)
	return key, "", false
}

// twin finds the target's unique index over the same set of columns, in the
// same order where there is one.
func (t *Table) twin(ix *postgres.Index) *postgres.Index {
	want := slices.Sorted(slices.Values(ix.Columns))
	var turned *postgres.Index
	for _, other := range t.Target.Indexes {
		switch {
		case !other.Unique:
		case slices.Equal(ix.Columns, other.Columns):
			return other
		case turned == nil && slices.Equal(want, slices.Sorted(slices.Values(other.Columns))):
			turned = other
		}
	}
	return turned
}

func (t *Table) column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// alike are the types whose btree order is the same on every server and in
// every version. interval and the like are out: nothing is lost by comparing
// such a table as one unit, and a wrong order would lose rows.
var alike = []string{"int2", "int4", "int8", "oid", "uuid", "timestamp", "timestamptz", "date", "time", "numeric", "float4", "float8", "bytea", "bool", "char", "pg_lsn", "macaddr", "inet", "cidr"}

// ordered tells whether both servers order the key alike.
func ordered(k *Key, sameEncoding bool) (bool, string) {
	if k.turned {
		return false, "the target's unique index has the columns of " + k.Name + " in another order"
	}
	for _, c := range k.Columns {
		if why := unordered(c, sameEncoding); why != "" {
			return false, why
		}
	}
	return true, ""
}

func unordered(c KeyColumn, sameEncoding bool) string {
	t := c.Type(postgres.Source)
	if !t.BuiltIn {
		return fmt.Sprintf("the order of %s (%s) is not known to agree", c.Name, c.Source.TypeText)
	}
	if slices.Contains(alike, t.Name) {
		return ""
	}
	if slices.Contains([]string{"text", "varchar", "bpchar", "name"}, t.Name) {
		if c.Source.ByteOrder && c.Target.ByteOrder {
			if !sameEncoding {
				return fmt.Sprintf("%s is text, whose order by bytes differs between the servers' encodings", c.Name)
			}
			return ""
		}
		return fmt.Sprintf("%s is text under a collation, whose order differs between hosts and versions", c.Name)
	}
	return fmt.Sprintf("the order of %s (%s) is not known to agree", c.Name, c.Source.TypeText)
}
