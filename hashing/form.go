// Package hashing is the one definition of "equal": per column type an SQL
// form that each server computes by itself (pushdown), a form the client
// computes from the values (stream), and the agreement with both servers on
// which to use.
//
// The rules are:
//
//   - A row's hash is made of a hash of each column, each under its own
//     random seed and its own mark for NULL. Seeds are drawn anew for each
//     run, so no stored data can be made to collide in advance.
//   - A digest is a count and a sum of row hashes: order-free, so that no
//     collation matters, and a sum, not an xor, so that equal rows do not
//     cancel. The row hash is hashed once more before it is summed, so that
//     values swapped between two rows do not cancel either.
//   - A hash function of the server's is used only where its C source shows
//     that it sees the whole value. hash_numeric ignores the sign and the
//     scale, hashint8 and the timestamp hashes fold 64 bits into 32, an
//     enum's hash is of an OID: those types go another way below.
//   - A form is used only after both servers gave the same results for fixed
//     vectors.
package hashing

import (
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Spec names the definition of equal in reports. It changes whenever a form
// changes its meaning.
const Spec = "pgparity-digest/1"

// Form computes one column's 64-bit hash in SQL.
type Form struct {
	Name string
	// sql gives the expression; it must be NULL exactly where c is NULL.
	sql func(c string, s seed) string
	// probe is the form over a value of type cast, for the handshake: where
	// the column's own type is a user's, the form is tried on a stand-in.
	probe func(c string, s seed) string
	// vectors are inputs, as text of type cast, on which both servers must
	// agree before the form is used.
	cast    string
	vectors []string
}

// extended are the forms that call the server's own 64-bit hash functions,
// by the name of the built-in type. They exist from version 11 on. Read with
// src/backend/access/hash/hashfunc.c and common/hashfn.c of PostgreSQL.
var extended = map[string]struct {
	name, sql string
	vectors   []string
}{
	"int2": {"hashint2", "pg_catalog.hashint2extended($c, $8)", []string{"0", "-1", "32767", "-32768"}},
	"int4": {"hashint4", "pg_catalog.hashint4extended($c, $8)", []string{"0", "-1", "2147483647", "-2147483648"}},
	// The value goes in as the 64-bit seed: hashint8 would fold its halves.
	"int8":     {"hashint4(seed)", "pg_catalog.hashint4extended($4, $c)", []string{"0", "-1", "1", "4294967296", "9223372036854775807", "-9223372036854775808"}},
	"oid":      {"hashoid", "pg_catalog.hashoidextended($c, $8)", []string{"0", "1", "4294967295"}},
	"char":     {"hashchar", "pg_catalog.hashcharextended($c, $8)", []string{"", "a", "Z"}},
	"uuid":     {"uuid_hash", "pg_catalog.uuid_hash_extended($c, $8)", []string{"00000000-0000-0000-0000-000000000000", "f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f"}},
	"inet":     {"hashinet", "pg_catalog.hashinetextended($c, $8)", []string{"10.1.2.3", "10.1.2.3/8", "::1", "2001:db8::/32"}},
	"cidr":     {"hashinet", "pg_catalog.hashinetextended($c, $8)", []string{"10.0.0.0/8", "10.0.0.0/9", "2001:db8::/32"}},
	"macaddr":  {"hashmacaddr", "pg_catalog.hashmacaddrextended($c, $8)", []string{"08:00:2b:01:02:03"}},
	"macaddr8": {"hashmacaddr8", "pg_catalog.hashmacaddr8extended($c, $8)", []string{"08:00:2b:01:02:03:04:05"}},
	"bool":     {"hashint4", "pg_catalog.hashint4extended($c::pg_catalog.int4, $8)", []string{"t", "f"}},
	"date":     {"hash_array", "pg_catalog.hash_array_extended(ARRAY[$c], $8)", []string{"2000-01-01", "1999-12-31", "infinity", "-infinity", "4713-01-01 BC"}},
	"text":     {"hashtext", `pg_catalog.hashtextextended($c COLLATE pg_catalog."C", $8)`, textVectors},
	"varchar":  {"hashtext", `pg_catalog.hashtextextended($c::pg_catalog.text COLLATE pg_catalog."C", $8)`, textVectors},
	"name":     {"hashtext", `pg_catalog.hashtextextended($c::pg_catalog.text COLLATE pg_catalog."C", $8)`, textVectors},
	// hashfloat8 takes −0 for 0, and before version 14 sees which NaN it is.
	"float8": {"hashfloat8", `CASE WHEN $c = '0'::pg_catalog.float8 OR $c = 'NaN'::pg_catalog.float8 THEN pg_catalog.hashtextextended($c::pg_catalog.text COLLATE pg_catalog."C", $8) ELSE pg_catalog.hashfloat8extended($c, $8) END`, floatVectors},
	"float4": {"hashfloat8", `CASE WHEN $c = '0'::pg_catalog.float4 OR $c = 'NaN'::pg_catalog.float4 THEN pg_catalog.hashtextextended($c::pg_catalog.text COLLATE pg_catalog."C", $8) ELSE pg_catalog.hashfloat8extended($c::pg_catalog.float8, $8) END`, floatVectors},
	// timestamp_hash folds 64 bits into 32; the seconds as a float tell apart
	// what folds together, and the fold what the float rounds.
	"timestamp":   {"epoch+hash", "pg_catalog.hashfloat8extended(pg_catalog.date_part('epoch', $c), pg_catalog.timestamp_hash_extended($c, $8))", timestampVectors},
	"timestamptz": {"epoch+hash", "pg_catalog.hashfloat8extended(pg_catalog.date_part('epoch', $c), pg_catalog.timestamp_hash_extended($c AT TIME ZONE 'UTC', $8))", timestampVectors},
	"time":        {"epoch", "pg_catalog.hashfloat8extended(pg_catalog.date_part('epoch', $c), $8)", []string{"00:00:00", "24:00:00", "12:34:56.789012"}},
}

var (
	textVectors      = []string{"", "NULL", "abc", "trailing  ", "Straße", "čeština ÀÉÎ", "0123456789012345678901234567890123456789"}
	floatVectors     = []string{"0", "-0", "NaN", "Infinity", "-Infinity", "0.3", "-1.5e-30", "123456.7"}
	timestampVectors = []string{"2000-01-01 00:00:00", "1970-01-01 00:00:00", "1969-07-20 20:17:40.123456", "9999-12-31 23:59:59.999999", "infinity", "-infinity"}
)

// expand fills a template: $c the column, $8 the seed as int8, $4 as int4.
func expand(template string) func(string, seed) string {
	return func(c string, s seed) string {
		return strings.NewReplacer("$c", c, "$8", s.int8(), "$4", s.int4()).Replace(template)
	}
}

// candidates lists the forms that are right for a column, the fastest first.
// When none is, the reason says so.
func candidates(c *pairing.Column, p peers) ([]Form, string) {
	typ, prefix := c.Source.Type, ""
	for typ.Base != nil { // a domain holds its base type's values
		typ, prefix = typ.Base, "domain:"
	}
	unwrap := func(f Form) Form {
		if prefix == "" {
			return f
		}
		inner := f.sql
		f.Name = prefix + f.Name
		f.sql = func(c string, s seed) string { return inner("("+c+"::"+typ.Text+")", s) }
		return f
	}
	forms, why := typeForms(typ, c, p)
	for i := range forms {
		forms[i].probe = forms[i].sql
		forms[i] = unwrap(forms[i])
	}
	return forms, why
}

// typeForms lists the forms for a type that is not a domain.
func typeForms(t *postgres.Type, c *pairing.Column, p peers) ([]Form, string) {
	var forms []Form
	if e, ok := extended[t.Name]; ok && t.BuiltIn && (p.sameEncoding || !printable(t)) {
		forms = append(forms, Form{Name: e.name, sql: expand(e.sql), cast: t.Text, vectors: e.vectors})
	}
	if t.BuiltIn && t.Name == "bpchar" && p.sameEncoding {
		// hashbpchar ignores trailing blanks: right only where the length
		// fixes them.
		if c.Source.Type == t && c.Source.Typmod > 0 && c.Source.Typmod == c.Target.Typmod {
			forms = append(forms, Form{Name: "hashbpchar", cast: "pg_catalog.bpchar", vectors: textVectors,
				sql: expand(`pg_catalog.hashbpcharextended($c COLLATE pg_catalog."C", $8)`)})
		} else {
			forms = append(forms, Form{Name: "hashtext(blanks)", cast: "pg_catalog.bpchar", vectors: textVectors,
				sql: expand(`pg_catalog.hashtextextended(` + textOf(t) + ` COLLATE pg_catalog."C", $8)`)})
		}
	}
	if p.floatTextDiffers && containsFloat(t) {
		bytes, ok := sendExpr(t)
		if !ok {
			return nil, "floats inside " + t.Text + " print differently before and after version 12, and its binary form holds OIDs"
		}
		cast, vectors := sendVectors(t)
		forms = append(forms,
			Form{Name: "binary+hashtext", cast: cast, vectors: vectors, sql: expand(`pg_catalog.hashtextextended(pg_catalog.encode(` + bytes + `, 'hex') COLLATE pg_catalog."C", $8)`)},
			Form{Name: "binary+md5", cast: cast, vectors: vectors, sql: expand(md5Of(bytes, "'\\x$salt'::pg_catalog.bytea"))})
		return expandSalt(forms), ""
	}
	text := textOf(t)
	if p.sameEncoding {
		if _, typed := extended[t.Name]; !typed || !t.BuiltIn {
			forms = append(forms, Form{Name: "text+hashtext", cast: "pg_catalog.text", vectors: textVectors, sql: guard(t, `pg_catalog.hashtextextended(`+text+` COLLATE pg_catalog."C", $8)`)})
		}
		forms = append(forms, Form{Name: "text+md5", cast: "pg_catalog.text", vectors: textVectors, sql: guard(t, md5Of(text, "'$salt'"))})
	} else {
		forms = append(forms, Form{Name: "utf8+md5", cast: "pg_catalog.text", vectors: textVectors,
			sql: guard(t, md5Of("pg_catalog.convert_to("+text+", 'UTF8')", "'\\x$salt'::pg_catalog.bytea"))})
	}
	return expandSalt(forms), ""
}

// md5Of gives 64 bits of a salted md5: the salt is random in each run, so
// that no known collision of md5 survives it.
func md5Of(value, salt string) string {
	return "('x' || pg_catalog.left(pg_catalog.md5(" + salt + " || " + value + "), 16))::pg_catalog.bit(64)::pg_catalog.int8"
}

func expandSalt(forms []Form) []Form {
	for i := range forms {
		inner := forms[i].sql
		forms[i].sql = func(c string, s seed) string { return strings.ReplaceAll(inner(c, s), "$salt", s.hex()) }
	}
	return forms
}

// textOf is the type's output as text. A cast function to text may print
// something else than the output function does (bpchar loses blanks, inet
// gains a mask, a user's cast does anything), so it is avoided.
func textOf(t *postgres.Type) string {
	switch {
	case t.BuiltIn && t.Name == "bpchar":
		return "pg_catalog.textin(pg_catalog.bpcharout($c))"
	case t.BuiltIn && (t.Name == "text" || t.Name == "varchar" || !t.TextCast):
		return "$c::pg_catalog.text"
	case t.TextCast:
		return "pg_catalog.format('%s', $c)"
	}
	return "$c::pg_catalog.text"
}

// guard keeps NULL a NULL where format() would print it as ”. IS NULL would
// also take a row of nulls for one.
func guard(t *postgres.Type, template string) func(string, seed) string {
	if strings.Contains(template, "pg_catalog.format(") {
		template = "CASE WHEN $c IS NOT DISTINCT FROM NULL THEN NULL ELSE " + template + " END"
	}
	return expand(template)
}

// printable tells whether a type's hash sees bytes of text, which depend on
// the server's encoding.
func printable(t *postgres.Type) bool {
	switch t.Name {
	case "text", "varchar", "name", "char":
		return true
	}
	return false
}

var floatTypes = map[string]string{
	"float4": "pg_catalog.float4send", "float8": "pg_catalog.float8send",
	"point": "pg_catalog.point_send", "lseg": "pg_catalog.lseg_send", "box": "pg_catalog.box_send", "path": "pg_catalog.path_send",
	"polygon": "pg_catalog.poly_send", "line": "pg_catalog.line_send", "circle": "pg_catalog.circle_send",
}

// containsFloat tells whether a float is printed as part of the type's text.
func containsFloat(t *postgres.Type) bool {
	if t.BuiltIn && floatTypes[t.Name] != "" {
		return true
	}
	for _, part := range append([]*postgres.Type{t.Elem, t.Base, t.Subtype}, t.Attrs...) {
		if part != nil && part != t && containsFloat(part) {
			return true
		}
	}
	return false
}

// sendExpr is the binary form of a type that carries no OID of a user's
// type: those differ between clusters.
func sendExpr(t *postgres.Type) (string, bool) {
	switch {
	case t.BuiltIn && (t.Name == "float4" || t.Name == "float8"):
		// All NaN are one value; their bits need not be.
		nan := "'NaN'::pg_catalog." + t.Name
		return floatTypes[t.Name] + "(CASE WHEN $c = " + nan + " THEN " + nan + " ELSE $c END)", true
	case t.BuiltIn && floatTypes[t.Name] != "":
		return floatTypes[t.Name] + "($c)", true
	case t.Elem != nil && portable(t.Elem):
		return "pg_catalog.array_send($c)", true
	case t.Subtype != nil && t.Kind == 'r' && portable(t.Subtype):
		return "pg_catalog.range_send($c)", true
	case t.Kind == 'c' && allPortable(t.Attrs):
		return "pg_catalog.record_send($c)", true
	}
	return "", false
}

// portable tells whether a type's send function gives the same bytes on every
// server and version for equal values: no OID of a user's object inside.
func portable(t *postgres.Type) bool {
	if t == nil || !t.HasSend {
		return false
	}
	switch {
	case strings.HasPrefix(t.Name, "reg"), t.Name == "aclitem":
		return false
	case t.Elem != nil:
		return t.Elem.BuiltIn && portable(t.Elem)
	case t.Kind == 'r':
		return portable(t.Subtype)
	}
	return t.BuiltIn && t.Kind == 'b'
}

func allPortable(types []*postgres.Type) bool {
	for _, t := range types {
		if !t.BuiltIn || !portable(t) {
			return false
		}
	}
	return len(types) > 0
}

// sendVectors gives inputs for the binary forms: of the type itself where it
// is built in, else of a stand-in that goes the same way.
func sendVectors(t *postgres.Type) (cast string, vectors []string) {
	switch {
	case t.Elem != nil && t.BuiltIn && strings.HasPrefix(t.Elem.Name, "float"):
		return t.Text, []string{"{}", "{0.3,NULL,-1.5e-30}", "[0:1]={1,2}"}
	case t.BuiltIn && (t.Name == "float4" || t.Name == "float8"):
		return t.Text, floatVectors
	case t.BuiltIn && t.Name == "point":
		return t.Text, []string{"(0.3,-1e-30)"}
	}
	return t.Text, nil
}

// peers are the facts of both servers that decide which forms are right.
type peers struct {
	sameEncoding     bool
	floatTextDiffers bool
}

func peersOf(source, target postgres.Server) peers {
	return peers{
		sameEncoding:     source.Encoding == target.Encoding,
		floatTextDiffers: (source.Major() < 12) != (target.Major() < 12),
	}
}

// seed is 64 random bits, never with a zero half: zero turns the seeding of
// the server's functions off.
type seed uint64

func (s seed) int8() string { return fmt.Sprintf("'%d'::pg_catalog.int8", int64(s)) }
func (s seed) int4() string { return fmt.Sprintf("'%d'::pg_catalog.int4", int32(s)) }
func (s seed) hex() string  { return fmt.Sprintf("%016x", uint64(s)) }
