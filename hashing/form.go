// Package hashing is the one definition of "equal": per column type an SQL
// form that each server computes by itself (pushdown), a form the client
// computes from the values (stream), and the agreement with both servers on
// which to use.
//
// The rules are:
//
//   - A row's hash is made of a hash of each column, each under its own
//     random seed and its own mark for NULL. Seeds are drawn anew for each
//     run, so that two values that collide in one run don't in the next.
//   - A digest is a count and a sum of row hashes: order-free, so that no
//     collation matters, and a sum, not an xor, so that equal rows do not
//     cancel. The row's bits are hashed once more before they are summed: in
//     a sum of bare xors, values swapped between rows leave the low bits as
//     they were.
//   - A hash function of the server's is used only where its C source shows
//     that it sees the whole value. hash_numeric ignores the sign and the
//     scale, hashint8 and the timestamp hashes fold 64 bits into 32, an
//     enum's hash is of an OID: those types go another way below.
//   - A form is used only after both servers gave the same results for fixed
//     vectors.
//
// What is known of chosen inputs: the server's hash (Jenkins' lookup3) mixes
// the seed in before the first 12 bytes and not again. Its mixing step has
// differences that survive with a probability of about 2^-11 whatever the
// state is, and so whatever the seed: adding (0x22c98, -0x1fa0, 0x80001f20) to
// the three words of a block leaves (0x80000000, 0, -8), which the next block
// can take back. Two byteas, or two texts in a single-byte encoding, of 24
// bytes or more and made for the purpose, thus go unseen in about one run of
// 2000, each run on its own. Fixed-width values of up to 8 bytes see no second
// block. The stream way has no such difference that we know (see hasher), md5
// under a secret salt neither. Nothing here is a signature: it detects loss
// and damage, and makes hiding either a gamble.
package hashing

import (
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Spec names the definition of equal in reports. It changes whenever a form
// changes its meaning.
const Spec = "pgparity-digest/2"

// Form computes one column's 64-bit hash in SQL, or, for the stream way, the
// value to be hashed here.
type Form struct {
	Name string
	// template is the expression: $c the column, $8 the seed as int8, $4 as
	// int4, $salt in hex. It is NULL exactly where the column is, and holds no
	// name of a user's: names may look like the placeholders.
	template string
	// through is the base type of a domain, to which the column is cast first.
	through string
	// vectors are inputs, as text of type cast, on which both servers must
	// agree before the form is used. Where the column's own type is a user's,
	// cast is a stand-in.
	cast    string
	vectors []string
}

// sql is the form over a column. All placeholders are filled in one pass, so
// that a column called $salt stays one.
func (f Form) sql(c string, s seed) string {
	if f.through != "" {
		c = "(" + c + "::" + f.through + ")"
	}
	return strings.NewReplacer("$c", c, "$8", s.int8(), "$4", s.int4(), "$salt", s.hex()).Replace(f.template)
}

// probe is the handshake statement: the form's results for the vectors and
// for NULL, in order.
func (f Form) probe() string {
	const fixed = seed(0x5eed1234_9e3779b9)
	values := make([]string, 0, len(f.vectors)+1)
	for i, v := range f.vectors {
		values = append(values, fmt.Sprintf("(%d, CAST(%s AS %s))", i, postgres.Literal(v), f.cast))
	}
	values = append(values, fmt.Sprintf("(%d, CAST(NULL AS %s))", len(f.vectors), f.cast))
	f.through = ""
	return "SELECT pg_catalog.array_agg(" + f.sql("v.c", fixed) + " ORDER BY v.i)\nFROM (VALUES " + strings.Join(values, ",\n  ") + ") AS v(i, c)"
}

// id tells forms apart whose probes differ.
func (f Form) id() string { return f.template + "\x00" + f.cast }

// candidates lists the forms that are right for a column, the fastest first.
// When none is, the reason says so.
func candidates(c *pairing.Column, p peers) ([]Form, string) {
	if !sameShape(c.Source.Type, c.Target.Type) {
		return nil, c.Source.Type.Text + " is not made of the same types on both sides"
	}
	typ, twin, through := unwrap(c)
	cast := typ.TextCast || twin.TextCast
	forms, why := typeForms(typ, cast, c, p)
	for i := range forms {
		if forms[i].through = through; through != "" {
			forms[i].Name = "domain:" + forms[i].Name
		}
	}
	return forms, why
}

// unwrap gives the type of a column's values on both sides: a domain holds its
// base type's. through is that type's name where the column is a domain.
func unwrap(c *pairing.Column) (typ, twin *postgres.Type, through string) {
	typ, twin = c.Source.Type, c.Target.Type
	for typ.Base != nil {
		typ, twin = typ.Base, twin.Base
		through = typ.Text
	}
	return typ, twin, through
}

// sameShape tells whether two types of one name are made of the same parts:
// a domain of one name may have another base on the other side, and values
// that print alike would then pass for equal.
func sameShape(a, b *postgres.Type) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Text != b.Text || a.Kind != b.Kind || len(a.Attrs) != len(b.Attrs) ||
		!sameShape(a.Elem, b.Elem) || !sameShape(a.Base, b.Base) || !sameShape(a.Subtype, b.Subtype) {
		return false
	}
	for i := range a.Attrs {
		if !sameShape(a.Attrs[i], b.Attrs[i]) {
			return false
		}
	}
	return true
}

// typeForms lists the forms for a type that is not a domain. cast tells that a
// side has a function that casts it to text.
func typeForms(t *postgres.Type, cast bool, c *pairing.Column, p peers) ([]Form, string) {
	forms := nativeForms(t, cast, c, p)
	if !p.floatTextDiffers || !containsFloat(t) {
		return append(forms, textForms(t, cast, p)...), ""
	}
	bytes, ok := sendExpr(t)
	if !ok {
		return nil, unprintable(t)
	}
	vectors := p.vectorsOf(t)
	return append(forms,
		Form{Name: "binary+hashtext", template: hashText("pg_catalog.encode(" + bytes + ", 'hex')"), cast: t.Text, vectors: vectors},
		Form{Name: "binary+md5", template: md5Of(bytes, `'\x$salt'::pg_catalog.bytea`), cast: t.Text, vectors: vectors}), ""
}

// nativeForms are those that call the server's hash function of the type
// itself: at most one.
func nativeForms(t *postgres.Type, cast bool, c *pairing.Column, p peers) []Form {
	var forms []Form
	if e, ok := extended[t.Name]; ok && t.BuiltIn && (p.sameEncoding || !printable(t)) {
		forms = append(forms, Form{Name: e.name, template: e.sql, cast: t.Text, vectors: p.vectorsOf(t)})
	}
	if t.BuiltIn && t.Name == "bpchar" && p.sameEncoding {
		// hashbpchar ignores trailing blanks: right only where the length
		// fixes them.
		f := Form{Name: "hashtext(blanks)", template: hashText(textOf(t, cast)), cast: t.Text, vectors: p.texts()}
		if c.Source.Type == t && c.Source.Typmod > 0 && c.Source.Typmod == c.Target.Typmod {
			f.Name, f.template = "hashbpchar", `pg_catalog.hashbpcharextended($c COLLATE pg_catalog."C", $8)`
		}
		forms = append(forms, f)
	}
	return forms
}

// textForms hash the type's output, which the pinned settings make the same on
// all servers.
func textForms(t *postgres.Type, cast bool, p peers) []Form {
	text, like, vectors := textOf(t, cast), t.Text, p.vectorsOf(t)
	if vectors == nil {
		like, vectors = "pg_catalog.text", p.texts()
	}
	form := func(name, template string) Form {
		return Form{Name: name, template: nullGuard(template), cast: like, vectors: vectors}
	}
	_, typed := extended[t.Name]
	typed = t.BuiltIn && (typed || t.Name == "bpchar")
	switch {
	case t.BuiltIn && t.Name == "bytea": // its text has twice the size, and at most 1 GB
		return []Form{{Name: "binary+md5", template: md5Of("$c", `'\x$salt'::pg_catalog.bytea`), cast: like, vectors: vectors}}
	case !p.sameEncoding:
		return []Form{form("utf8+md5", md5Of("pg_catalog.convert_to("+text+", 'UTF8')", `'\x$salt'::pg_catalog.bytea`))}
	case typed: // without its own function a server has none for text either
		return []Form{form("text+md5", md5Of(text, "'$salt'"))}
	default:
		return []Form{form("text+hashtext", hashText(text)), form("text+md5", md5Of(text, "'$salt'"))}
	}
}

// hashText hashes text by its bytes, whatever its collation takes for equal.
func hashText(text string) string {
	return "pg_catalog.hashtextextended(" + text + ` COLLATE pg_catalog."C", $8)`
}

// md5Of gives 64 bits of a salted md5: the salt is random in each run, so
// that no known collision of md5 survives it.
func md5Of(value, salt string) string {
	return "('x' || pg_catalog.left(pg_catalog.md5(" + salt + " || " + value + "), 16))::pg_catalog.bit(64)::pg_catalog.int8"
}

// textOf is the type's output as text. A cast function to text may print
// something else than the output function does (bpchar loses blanks, inet
// gains a mask, a user's cast does anything), so it is avoided.
func textOf(t *postgres.Type, cast bool) string {
	switch {
	case t.BuiltIn && t.Name == "bpchar":
		return "pg_catalog.textin(pg_catalog.bpcharout($c))"
	case t.BuiltIn && t.Name == "char":
		// It prints bytes above 127 raw before version 16, and escaped since.
		return "$c::pg_catalog.int4::pg_catalog.text"
	case t.BuiltIn && (t.Name == "text" || t.Name == "varchar"), !cast:
		return "$c::pg_catalog.text"
	}
	return "pg_catalog.format('%s', $c)"
}

// nullGuard keeps NULL a NULL where format() would print an empty text. IS NULL
// would also take a row of nulls for one.
func nullGuard(template string) string {
	if strings.Contains(template, "pg_catalog.format(") {
		return "CASE WHEN $c IS NOT DISTINCT FROM NULL THEN NULL ELSE " + template + " END"
	}
	return template
}

// printable tells whether a type's hash sees bytes of text, which depend on
// the server's encoding.
func printable(t *postgres.Type) bool {
	return t.Name == "text" || t.Name == "varchar" || t.Name == "name"
}

// seed is 64 random bits, never with a zero half: zero turns the seeding of
// the server's functions off.
type seed uint64

func (s seed) int8() string { return fmt.Sprintf("'%d'::pg_catalog.int8", int64(s)) }
func (s seed) int4() string { return fmt.Sprintf("'%d'::pg_catalog.int4", int32(s)) }
func (s seed) hex() string  { return fmt.Sprintf("%016x", uint64(s)) }
