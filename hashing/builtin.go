package hashing

import (
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// extended are the forms that call the server's own 64-bit hash functions,
// by the name of the built-in type. They exist from version 11 on. Read with
// src/backend/access/hash/hashfunc.c, common/hashfn.c and utils/adt/rangetypes.c
// of PostgreSQL.
var extended = map[string]struct{ name, sql string }{
	"int2": {"hashint2", "pg_catalog.hashint2extended($c, $8)"},
	"int4": {"hashint4", "pg_catalog.hashint4extended($c, $8)"},
	// The value goes in as the 64-bit seed: hashint8 would fold its halves.
	// The xor hides from whoever chose the value what is mixed.
	"int8": {"hashint4(seed)", "pg_catalog.hashint4extended($4, $c # $8)"},
	"oid":  {"hashoid", "pg_catalog.hashoidextended($c, $8)"},
	// hashchar's sign above 127 depends on the machine, the cast's does not.
	"char":     {"hashint4", "pg_catalog.hashint4extended($c::pg_catalog.int4, $8)"},
	"bool":     {"hashint4", "pg_catalog.hashint4extended($c::pg_catalog.int4, $8)"},
	"uuid":     {"uuid_hash", "pg_catalog.uuid_hash_extended($c, $8)"},
	"inet":     {"hashinet", "pg_catalog.hashinetextended($c, $8)"},
	"cidr":     {"hashinet", "pg_catalog.hashinetextended($c, $8)"},
	"macaddr":  {"hashmacaddr", "pg_catalog.hashmacaddrextended($c, $8)"},
	"macaddr8": {"hashmacaddr8", "pg_catalog.hashmacaddr8extended($c, $8)"},
	"text":     {"hashtext", hashText("$c")},
	"varchar":  {"hashtext", hashText("$c::pg_catalog.text")},
	"name":     {"hashtext", hashText("$c::pg_catalog.text")},
	// The bytes themselves, under the element's hash: only internal callers
	// may use hashvarlenaextended by itself. hash_array adds a constant.
	"bytea": {"hash_array", "CASE WHEN $c IS NOT NULL THEN pg_catalog.hash_array_extended(ARRAY[$c], $8) END"},
	// The 32 bits of a date, infinite ones included, are exact in a float.
	"date": {"hashfloat8(days)", "pg_catalog.hashfloat8extended(pg_catalog.daterange_subdiff($c, '2000-01-01'::pg_catalog.date), $8)"},
	// hashfloat8 takes -0 for 0, and before version 14 sees which NaN it is.
	"float8": {"hashfloat8", "CASE WHEN $c = '0'::pg_catalog.float8 OR $c = 'NaN'::pg_catalog.float8 THEN " + hashText("$c::pg_catalog.text") + " ELSE pg_catalog.hashfloat8extended($c, $8) END"},
	"float4": {"hashfloat8", "CASE WHEN $c = '0'::pg_catalog.float4 OR $c = 'NaN'::pg_catalog.float4 THEN " + hashText("$c::pg_catalog.text") + " ELSE pg_catalog.hashfloat8extended($c::pg_catalog.float8, $8) END"},
	// See instant. Zone 0 leaves the 64 bits of a timestamptz as they are.
	"timestamp":   {"hashfloat8(seconds)", instant("pg_catalog.tsrange_subdiff($c, '2000-01-01 00:00:00'::pg_catalog.timestamp)", "$c")},
	"timestamptz": {"hashfloat8(seconds)", instant("pg_catalog.tstzrange_subdiff($c, '2000-01-01 00:00:00+00'::pg_catalog.timestamptz)", "pg_catalog.timezone('0'::pg_catalog.interval, $c)")},
	// A day's microseconds are exact in a float, and stay apart in seconds.
	"time": {"hashfloat8(seconds)", "pg_catalog.hashfloat8extended(pg_catalog.tsrange_subdiff('2000-01-01'::pg_catalog.date + $c, '2000-01-01 00:00:00'::pg_catalog.timestamp), $8)"},
}

// instant hashes a point in time, which is an int64 v of microseconds since
// 2000, by two numbers that tell any two apart, one under the other's hash:
//
//   - q, the distance to 2000 in seconds: (float8) v / 1000000 in C, for the
//     infinite ones too. It never decreases with v, and is alike only for v
//     that lie less than 4096 apart: rounding v to a float moves it by 512 at
//     most, and two floats with the same quotient differ by 2048 at most.
//   - f, what timestamp_hash makes of v before it hashes: the low half of v,
//     xor its high half (its complement where v is negative). Of two v less
//     than 4096 apart, either the high halves are alike, then the low ones and
//     so f differ; or the high half goes up by one. Then the low halves differ
//     in all of their upper 20 bits, but h and h+1 differ there only in a run
//     that starts at the lowest bit, and in all bits only from -1 to 0, whose
//     complement and self are alike. So f differs.
//
// The binary form as text says the same at twice the cost.
func instant(q, v string) string {
	return "pg_catalog.hashfloat8extended(" + q + ", pg_catalog.timestamp_hash_extended(" + v + ", $8))"
}

// samples are values of the built-in types for the handshake, as text.
var samples = map[string][]string{
	"int2":        {"0", "-1", "32767", "-32768"},
	"int4":        {"0", "-1", "2147483647", "-2147483648"},
	"int8":        {"0", "-1", "1", "4294967296", "9223372036854775807", "-9223372036854775808"},
	"oid":         {"0", "1", "4294967295"},
	"bool":        {"t", "f"},
	"char":        {"", "a", "Z"},
	"uuid":        {"00000000-0000-0000-0000-000000000000", "f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f"},
	"inet":        {"10.1.2.3", "10.1.2.3/8", "::1", "2001:db8::/32"},
	"cidr":        {"10.0.0.0/8", "10.0.0.0/9", "2001:db8::/32"},
	"macaddr":     {"08:00:2b:01:02:03"},
	"macaddr8":    {"08:00:2b:01:02:03:04:05"},
	"float4":      {"0", "-0", "NaN", "Infinity", "-Infinity", "0.3", "-1.5e-30", "123456.7"},
	"float8":      {"0", "-0", "NaN", "Infinity", "-Infinity", "0.3", "-1.5e-30", "123456.7"},
	"numeric":     {"0", "1.0", "1.00", "-0.005", "NaN", "12345678901234567890.0123456789"},
	"money":       {"1234.56", "-0.01"},
	"bytea":       {`\x`, `\x00ff5c27`, `\x000102030405060708090a0b0c0d0e0f1011121314151617`},
	"bit":         {"1", "0101"},
	"varbit":      {"", "0101"},
	"date":        {"2000-01-01", "1999-12-31", "infinity", "-infinity", "4713-01-01 BC", "5874897-12-31"},
	"time":        {"00:00:00", "24:00:00", "12:34:56.789012"},
	"timetz":      {"00:00:00+00", "24:00:00-15:59", "12:34:56.789012+05:30"},
	"timestamp":   instants,
	"timestamptz": instants,
	"interval":    {"0", "1 day", "24:00:00", "-1 year 2 mons -3 days +04:05:06.7", "-0.000001 s"},
	"json":        {`{"a" : 1.0, "a":1.00}`, `[]`},
	"jsonb":       {`{"bb": [1.0, 1.00, null], "a": "\"\\"}`, `-0.5e3`},
	"jsonpath":    {`$."a"[*] ? (@.b > 1.50)`},
	"tsvector":    {`'a':1A 'fat':2,4C 'it''s'`},
	"tsquery":     {`'a' & !( 'b':*A | 'c' <2> 'd' )`},
	"pg_lsn":      {"0/0", "FFFFFFFF/1"},
	"point":       {"(0.3,-1e-30)"},
	"lseg":        {"[(0.3,1),(2,-0)]"},
	"box":         {"(3,4),(1,0.3)"},
	"path":        {"((0.3,1),(2,3))", "[(0.3,1),(2,3)]"},
	"polygon":     {"((0.3,1),(2,3),(4,5))"},
	"line":        {"{0.3,-1,2}"},
	"circle":      {"<(0.3,1),2>"},
}

// instants are samples of both timestamp types: the one without a zone reads
// past it. Some are next to each other where a float holds no microseconds.
var instants = []string{
	"2000-01-01 00:00:00+00", "1999-12-31 23:59:59.999999+00", "1969-07-20 20:17:40.123456+00", "2000-01-01 01:11:34.967296+00",
	"9999-12-31 23:59:59.999998+00", "9999-12-31 23:59:59.999999+00", "294276-12-31 23:59:59.999998+00", "294276-12-31 23:59:59.999999+00",
	"4714-11-24 00:00:00+00 BC", "4714-11-24 00:00:00.000001+00 BC", "infinity", "-infinity",
}

// texts are samples of text: beside ASCII, letters that both encodings have,
// since a server refuses a statement with letters that it hasn't.
func (p peers) texts() []string {
	all := []string{"", "NULL", "abc", "trailing  ", `a\b''c`, "0123456789012345678901234567890123456789"}
	for _, l := range letters {
		if knows(p.encodings[0], l.encodings) && knows(p.encodings[1], l.encodings) {
			all = append(all, l.sample)
		}
	}
	return all
}

func knows(encoding string, encodings []string) bool {
	return encoding == "UTF8" || slices.Contains(encodings, encoding)
}

var letters = []struct {
	sample    string
	encodings []string
}{
	{"Straße ÀÉÎ", []string{"LATIN1", "LATIN9", "WIN1252"}},
	{"ığüş", []string{"LATIN5", "WIN1254"}},
	{"čeština", []string{"LATIN2", "WIN1250"}},
	{"Привет", []string{"KOI8R", "KOI8U", "WIN1251", "WIN866", "ISO_8859_5"}},
	{"日本", []string{"EUC_JP", "EUC_JIS_2004"}},
	{"中文", []string{"EUC_CN", "EUC_TW"}},
	{"한국", []string{"EUC_KR"}},
}

// vectorsOf gives values of the type itself, as text, for the handshake; none
// where the type is a user's, unless it is all of built-in parts.
func (p peers) vectorsOf(t *postgres.Type) []string {
	switch {
	case t.BuiltIn && (printable(t) || t.Name == "bpchar"):
		return p.texts()
	case t.BuiltIn && samples[t.Name] != nil:
		return samples[t.Name]
	case t.BuiltIn && t.Elem != nil && samples[t.Elem.Name] != nil && !strings.HasSuffix(t.Name, "vector"):
		all := samples[t.Elem.Name]
		return []string{"{}", postgres.TextArray(all), "[0:0]=" + postgres.TextArray(all[:1])}
	case t.Kind == 'r' && samples[t.Subtype.Name] != nil:
		s := samples[t.Subtype.Name]
		return []string{"empty", "(,)", `["` + s[0] + `",)`, `["` + s[len(s)-1] + `",)`}
	case t.Kind == 'c' && plain(t.Attrs):
		var fields, nulls []string
		for _, a := range t.Attrs {
			field := ""
			if s := samples[a.Name]; s != nil {
				field = `"` + strings.NewReplacer(`"`, `""`, `\`, `\\`).Replace(s[len(s)-1]) + `"`
			}
			fields, nulls = append(fields, field), append(nulls, "")
		}
		return []string{"(" + strings.Join(fields, ",") + ")", "(" + strings.Join(nulls, ",") + ")"}
	}
	return nil
}
