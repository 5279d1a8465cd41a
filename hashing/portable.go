package hashing

import (
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

var floatSends = map[string]string{
	"float4": "pg_catalog.float4send", "float8": "pg_catalog.float8send",
	"point": "pg_catalog.point_send", "lseg": "pg_catalog.lseg_send", "box": "pg_catalog.box_send", "path": "pg_catalog.path_send",
	"polygon": "pg_catalog.poly_send", "line": "pg_catalog.line_send", "circle": "pg_catalog.circle_send",
}

// isFloat tells whether the type is one float.
func isFloat(t *postgres.Type) bool {
	return t.BuiltIn && (t.Name == "float4" || t.Name == "float8")
}

// containsFloat tells whether a float is printed as part of the type's text.
// Of extensions only cube is known: it prints as float8 does.
func containsFloat(t *postgres.Type) bool {
	if t.BuiltIn && floatSends[t.Name] != "" || !t.BuiltIn && t.Kind == 'b' && t.Name == "cube" {
		return true
	}
	for _, part := range append([]*postgres.Type{t.Elem, t.Base, t.Subtype}, t.Attrs...) {
		if part != nil && part != t && containsFloat(part) {
			return true
		}
	}
	return false
}

func unprintable(t *postgres.Type) string {
	return "floats inside " + t.Text + " print differently before and after version 12, and it has no binary form that is the same on both"
}

// oneNaN makes all NaN the same: they are one value, but their bits need not
// be, and Infinity - Infinity has another sign than 'NaN'.
func oneNaN(t *postgres.Type) string {
	nan := "'NaN'::pg_catalog." + t.Name
	return "CASE WHEN $c = " + nan + " THEN " + nan + " ELSE $c END"
}

// sendExpr is the binary form of a type with floats, where it carries no OID
// of a user's type: those differ between clusters.
func sendExpr(t *postgres.Type) (string, bool) {
	switch {
	case isFloat(t):
		return floatSends[t.Name] + "(" + oneNaN(t) + ")", true
	case t.BuiltIn && floatSends[t.Name] != "":
		return floatSends[t.Name] + "($c)", true
	case t.BuiltIn && t.Elem != nil && portable(t.Elem):
		value := "$c"
		if isFloat(t.Elem) {
			nan := "'NaN'::pg_catalog." + t.Elem.Name
			value = "pg_catalog.array_replace($c, " + nan + ", " + nan + ")"
		}
		// The flag that says "has nulls" outlives the last null, and says
		// nothing that the elements don't.
		return "pg_catalog.overlay(pg_catalog.array_send(" + value + `), '\x00000000'::pg_catalog.bytea, 5, 4)`, true
	case t.Kind == 'r' && portable(t.Subtype):
		return "pg_catalog.range_send($c)", true
	case t.Kind == 'c' && plain(t.Attrs):
		return "pg_catalog.record_send($c)", true
	}
	return "", false
}

// portable tells whether a type's send function gives the same bytes on every
// server and version for equal values: no OID of a user's object inside, and
// no array (see sendExpr).
func portable(t *postgres.Type) bool {
	switch {
	case !t.HasSend, strings.HasPrefix(t.Name, "reg"), t.Name == "aclitem", t.Elem != nil:
		return false
	case t.Kind == 'r':
		return portable(t.Subtype)
	}
	return t.BuiltIn && t.Kind == 'b'
}

// plain tells whether all of a composite's fields are built-in scalars.
func plain(types []*postgres.Type) bool {
	for _, t := range types {
		if !t.BuiltIn || !portable(t) {
			return false
		}
	}
	return len(types) > 0
}

// peers are the facts of both servers that decide which forms are right.
type peers struct {
	encodings        [2]string
	sameEncoding     bool
	floatTextDiffers bool
}

func peersOf(source, target postgres.Server) peers {
	return peers{
		encodings:        [2]string{source.Encoding, target.Encoding},
		sameEncoding:     source.Encoding == target.Encoding,
		floatTextDiffers: (source.Major() < 12) != (target.Major() < 12),
	}
}
