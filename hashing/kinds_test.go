package hashing

import (
	"fmt"
	"strings"
)

// kind is a column type with values to be told apart, and pairs of values that
// a weak form takes for equal. Values are SQL literals without the cast.
type kind struct {
	name, typ string
	since     int
	values    []string
	damages   [][2]string
}

// typesSQL makes the types that the kinds use. twist makes them in another
// order, so that a type's, a label's and a role's OID says nothing.
func typesSQL(major int, twist bool) string {
	labels := "'sad', 'ok', 'happy'"
	if twist {
		labels = "'happy', 'sad', 'ok'"
	}
	make := []string{
		"CREATE EXTENSION citext", "CREATE EXTENSION hstore", "CREATE EXTENSION ltree", "CREATE EXTENSION cube",
		"CREATE TYPE mood AS ENUM (" + labels + ")",
		"CREATE TYPE spot AS (x float8, note text)",
		"CREATE TYPE frange AS RANGE (subtype = float8)",
		"CREATE DOMAIN code AS char(6)", "CREATE DOMAIN bigid AS int8 CHECK (VALUE <> 7)", "CREATE DOMAIN vec AS float8[]",
		"CREATE TYPE secret AS ENUM ('x', 'y')",
		`CREATE TYPE "$c" AS ENUM ('x', 'y')`,
	}
	if twist {
		for i, j := 0, len(make)-1; i < j; i, j = i+1, j-1 {
			make[i], make[j] = make[j], make[i]
		}
	}
	make = append(make,
		"CREATE TYPE ticket AS (m mood, n int4)", "CREATE DOMAIN feel AS mood",
		`CREATE DOMAIN "$8" AS "$c"`,
		// A cast that hides the value, as one for masking would.
		"CREATE FUNCTION hide(secret) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'hidden'::text $$",
		"CREATE CAST (secret AS text) WITH FUNCTION hide(secret)")
	if major >= 12 {
		make = append(make, "CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
			"CREATE DOMAIN nick AS text COLLATE anycase")
	}
	return strings.Join(make, ";\n")
}

// instantDamages are pairs of either timestamp type; the one without a zone
// reads past it.
var instantDamages = [][2]string{
	// Alike when 64 bits are folded into 32.
	{"2000-01-01 00:00:00.000001+00", "2000-01-01 01:11:34.967296+00"},
	{"2000-01-01 00:00:00+00", "1999-12-31 23:59:59.999999+00"},
	{"1999-12-31 22:48:25.032703+00", "1999-12-31 22:48:25.032704+00"},
	{"2000-01-01 01:11:34.967295+00", "2000-01-01 01:11:34.967296+00"},
	{"2020-01-01 00:00+00", "2020-01-01 00:00:00.000001+00"},
	// Where seconds in a float begin to lose microseconds, and where the float
	// of the microseconds does.
	{"1727-10-18 11:03:27.999999+00", "1727-10-18 11:03:28+00"},
	{"2272-03-15 12:56:32+00", "2272-03-15 12:56:32.000001+00"},
	{"2285-06-04 23:47:34.740992+00", "2285-06-04 23:47:34.740993+00"},
	// Alike in a float of either, some on two sides of a multiple of 2^32.
	{"9999-12-31 23:59:59.999998+00", "9999-12-31 23:59:59.999999+00"},
	{"0001-01-01 00:00:00+00", "0001-01-01 00:00:00.000001+00"},
	{"4714-11-24 00:00:00+00 BC", "4714-11-24 00:00:00.000001+00 BC"},
	{"75069-04-03 19:00:13.693951+00", "75069-04-03 19:00:13.693952+00"},
	{"148138-07-06 14:00:27.387904+00", "148138-07-06 14:00:27.387905+00"},
	{"294276-12-31 23:09:45.171967+00", "294276-12-31 23:09:45.171968+00"},
	{"294276-12-31 23:59:59.999000+00", "294276-12-31 23:59:59.999999+00"},
	{"294276-12-31 23:59:59.999998+00", "294276-12-31 23:59:59.999999+00"},
	{"infinity", "-infinity"}, {"infinity", "294276-12-31 23:59:59.999999+00"}, {"-infinity", "4714-11-24 00:00:00+00 BC"},
}

var kinds = []kind{
	{"i2", "int2", 10, []string{"0", "-32768", "32767"}, [][2]string{{"5", "-5"}, {"1", "256"}}},
	{"i4", "int4", 10, []string{"0", "-2147483648", "2147483647"}, [][2]string{{"5", "-5"}, {"1", "65536"}}},
	{"i8", "int8", 10, []string{"0", "-1", "-9223372036854775808", "9223372036854775807"},
		[][2]string{{"1", "4294967296"}, {"0", "-1"}, {"4294967298", "8589934593"}, {"5", "-5"}, {"5", "-6"}, {"0", "-9223372036854775808"}}},
	{"o", "oid", 10, []string{"0", "4294967295"}, [][2]string{{"1", "4294967295"}}},
	{"ch", `"char"`, 10, []string{"", "a", "Z"}, [][2]string{{"a", "b"}, {"", "a"}, {"a", "A"}}},
	{"b", "bool", 10, []string{"t", "f"}, [][2]string{{"t", "f"}}},
	{"f4", "float4", 10, []string{"0", "-0", "NaN", "Infinity", "-Infinity", "0.3", "1e-30", "3.4028235e38"},
		[][2]string{{"0", "-0"}, {"NaN", "Infinity"}, {"0.3", "0.30000004"}, {"1", "-1"}}},
	{"f8", "float8", 10, []string{"0", "-0", "NaN", "Infinity", "-Infinity", "0.3", "5e-324", "1.7976931348623157e308"},
		[][2]string{{"0", "-0"}, {"NaN", "Infinity"}, {"0.3", "0.30000000000000004"}, {"1", "-1"}, {"Infinity", "-Infinity"}}},
	{"n", "numeric", 10, []string{"0", "0.00", "NaN", "-5.50", "1e130", "0.000000000000000000000000000000001"},
		[][2]string{{"5", "-5"}, {"1.0", "1.00"}, {"1", "10000"}, {"0.0001", "1"}, {"NaN", "0"}, {"0", "0.0"}}},
	{"ninf", "numeric", 14, []string{"Infinity", "-Infinity", "NaN"}, [][2]string{{"NaN", "Infinity"}, {"Infinity", "-Infinity"}}},
	{"n2", "numeric(12,2)", 10, []string{"0", "-9999999999.99", "9999999999.99"}, [][2]string{{"12.50", "-12.50"}, {"0.01", "100.00"}}},
	{"mny", "money", 10, []string{"0", "-0.01", "92233720368547758.07"}, [][2]string{{"1.00", "-1.00"}, {"0.01", "42949672.96"}}},
	{"tx", "text", 10, []string{"", "NULL", "Straße", "e\u0301", "\u00e9", "tail  ", "日本"},
		[][2]string{{"a", "a "}, {"a", "A"}, {"e\u0301", "\u00e9"}, {"", "NULL"}, {"", " "}, {"0123456789012345678901234567890x", "0123456789012345678901234567890y"}}},
	{"vc", "varchar(20)", 10, []string{"", "NULL", "Straße", "tail  "}, [][2]string{{"a", "a "}, {"a", "A"}}},
	{"bp", "bpchar", 10, []string{"", "NULL", "tail  "}, [][2]string{{"a", "a "}, {"a", "A"}, {"", " "}}},
	{"c10", "char(10)", 10, []string{"", "NULL", "Straße"}, [][2]string{{"a", "A"}, {"", "a"}, {"a b", "a  b"}}},
	{"nm", "name", 10, []string{"", "pg_class", "é"}, [][2]string{{"a", "a "}, {"a", "A"}}},
	{"by", "bytea", 10, []string{`\x`, `\x00`, `\xdeadbeef00ff`}, [][2]string{{`\x`, `\x00`}, {`\x41`, `\x4100`}, {`\x5c78`, `\x78`}, {`\x00`, `\x0000`},
		{`\x000102030405060708090a0b0c0d0e0f`, `\x000102030405060708090a0b0d0d0e0f`}}},
	{"bt", "bit(4)", 10, []string{"0000", "1010"}, [][2]string{{"0001", "1000"}}},
	{"vb", "varbit", 10, []string{"", "0", "1010"}, [][2]string{{"0", "00"}, {"1", "10"}, {"", "0"}}},
	{"d", "date", 10, []string{"2000-01-01", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity"},
		[][2]string{{"2000-01-01", "2000-01-02"}, {"infinity", "-infinity"}, {"0001-01-01", "0001-01-01 BC"}, {"infinity", "5874897-12-31"}, {"-infinity", "4714-11-24 BC"},
			{"5874897-12-30", "5874897-12-31"}, {"4714-11-24 BC", "4714-11-25 BC"}, {"1999-12-31", "2000-01-01"}}},
	{"tm", "time", 10, []string{"00:00:00", "24:00:00", "12:34:56.789012"},
		[][2]string{{"00:00:00", "24:00:00"}, {"00:00:00.000001", "01:11:34.967296"}, {"12:00:00", "12:00:00.000001"}, {"23:59:59.999999", "24:00:00"}, {"00:00:00", "00:00:00.000001"}}},
	{"tz", "timetz", 10, []string{"00:00:00+00", "24:00:00-15:59", "12:34:56.789012+05:30"},
		[][2]string{{"12:00:00+00", "12:00:00+01"}, {"12:00:00+00", "13:00:00+01"}, {"00:00+00", "24:00+00"}}},
	{"ts", "timestamp", 10, []string{"1970-01-01", "2000-01-01", "4713-01-01 BC", "294276-12-31 23:59:59.999999", "infinity", "-infinity", "9999-12-31 23:59:59.999999", "2000-01-01 00:00:00.000001"},
		instantDamages},
	{"tstz", "timestamptz", 10, []string{"1970-01-01 00:00+00", "2000-01-01 00:00+05:30", "4713-01-02 00:00+00 BC", "294276-12-31 23:59:59.999999+00", "infinity", "-infinity", "9999-12-31 23:59:59.999999+00", "2000-01-01 00:00:00.000001+00"},
		append(instantDamages, [2]string{"2020-01-01 00:00+00", "2020-01-01 00:00+01"})},
	{"iv", "interval", 10, []string{"0", "1 year -2 mons 3 days -04:05:06.789", "178000000 years", "-0.000001 s"},
		[][2]string{{"1 day", "24:00:00"}, {"1 mon", "30 days"}, {"1 s", "-1 s"}, {"1 s", "1.000001 s"}}},
	{"u", "uuid", 10, []string{"00000000-0000-0000-0000-000000000000", "f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f"},
		[][2]string{{"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0100-000000000000"}}},
	{"ip", "inet", 10, []string{"10.1.2.3", "10.1.2.3/8", "::1", "2001:db8::/32"}, [][2]string{{"10.1.2.3", "10.1.2.3/24"}, {"::1", "::1/64"}, {"0.0.0.1", "::1"}}},
	{"ci", "cidr", 10, []string{"10.0.0.0/8", "::/0"}, [][2]string{{"10.0.0.0/8", "10.0.0.0/9"}}},
	{"mac", "macaddr", 10, []string{"08:00:2b:01:02:03"}, [][2]string{{"08:00:2b:01:02:03", "08:00:2b:01:02:04"}}},
	{"mac8", "macaddr8", 10, []string{"08:00:2b:01:02:03:04:05"}, [][2]string{{"08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:06"}}},
	{"js", "json", 10, []string{"null", `{"a": 1, "a": 1.0}`, `"é"`}, [][2]string{{`{"a":1}`, `{"a": 1}`}, {`{"a":1,"b":2}`, `{"b":2,"a":1}`}}},
	{"jb", "jsonb", 10, []string{"null", `{"b": [1, 1.00, -5], "a": {}}`, `"é"`}, [][2]string{{"1", "-1"}, {"1.0", "1.00"}, {"[1]", "1"}, {`"1"`, "1"}, {"null", `"null"`}, {"{}", "[]"}}},
	{"x", "xml", 10, []string{"<a/>", "text é"}, [][2]string{{"<a/>", "<a></a>"}, {"<a/>", "<a />"}}},
	{"tv", "tsvector", 10, []string{"", "'a':1A 'fat':2,4C 'it''s'"}, [][2]string{{"'a':1", "'a':2"}, {"'a':1A", "'a':1B"}, {"'a'", "'a':1"}}},
	{"tq", "tsquery", 10, []string{"'a' & !'b':*A", "'a' <2> 'b'"}, [][2]string{{"'a' & 'b'", "'a' | 'b'"}, {"'a':A", "'a':B"}}},
	{"lsn", "pg_lsn", 10, []string{"0/0", "FFFFFFFF/FFFFFFFF"}, [][2]string{{"0/1", "1/0"}}},
	{"ir", "int4range", 10, []string{"empty", "(,)", "[1,5)"}, [][2]string{{"[1,5)", "[-1,5)"}, {"empty", "[1,2)"}, {"[1,)", "(,1)"}}},
	{"nr", "numrange", 10, []string{"empty", "(,)", "[1.0,2.00)"}, [][2]string{{"[1,5]", "[-1,5]"}, {"[1.0,5]", "[1.00,5]"}, {"[1,5]", "[1,5)"}, {"[1,5]", "(1,5]"}}},
	{"tr", "tstzrange", 10, []string{`["2000-01-01 00:00+00",infinity]`, "empty"}, [][2]string{{`["2000-01-01 00:00:00.000001+00",)`, `["2000-01-01 01:11:34.967296+00",)`}}},
	{"fr", "frange", 10, []string{"[0.3,1.5)", "(,)", "[-Infinity,NaN]"}, [][2]string{{"[0.3,1]", "[0.30000000000000004,1]"}, {"[0,1]", "[-0,1]"}}},
	{"p", "point", 10, []string{"(0.3,-1e-30)", "(-0,0)"}, [][2]string{{"(0.3,1)", "(0.30000000000000004,1)"}, {"(0,0)", "(-0,0)"}, {"(1,2)", "(2,1)"}}},
	{"bx", "box", 10, []string{"(3,4),(0.3,0.1)"}, [][2]string{{"(1,1),(0,0)", "(1,1),(-0,0)"}}},
	{"pth", "path", 10, []string{"((0.3,1),(2,3))", "[(0.3,1),(2,3)]"}, [][2]string{{"((0,1),(2,3))", "[(0,1),(2,3)]"}}},
	{"pg", "polygon", 10, []string{"((0.3,1),(2,3),(4,5))"}, [][2]string{{"((0,1),(2,3),(4,5))", "((2,3),(4,5),(0,1))"}}},
	{"ln", "line", 10, []string{"{0.3,-1,2}"}, [][2]string{{"{1,-1,2}", "{2,-2,4}"}}},
	{"ls", "lseg", 10, []string{"[(0.3,1),(2,3)]"}, [][2]string{{"[(0,1),(2,3)]", "[(2,3),(0,1)]"}}},
	{"crc", "circle", 10, []string{"<(0.3,1),2>"}, [][2]string{{"<(0,1),2>", "<(0,1),3>"}}},
	{"ai", "int4[]", 10, []string{"{}", "{NULL}", "[-1:1]={1,NULL,3}", "{{1,2},{3,4}}"},
		[][2]string{{"{1,2}", "[0:1]={1,2}"}, {"{1,2,3,4}", "{{1,2},{3,4}}"}, {"{}", "{NULL}"}, {"{1,2}", "{2,1}"}, {"{{1,2,3,4}}", "{{1},{2},{3},{4}}"}}},
	{"at", "text[]", 10, []string{"{}", `{NULL,"NULL","","a,b","é"}`}, [][2]string{{"{NULL}", `{"NULL"}`}, {"{a,b}", `{"a,b"}`}, {`{""}`, "{}"}}},
	{"an", "numeric[]", 10, []string{"{1.0,1.00,-5,NaN}"}, [][2]string{{"{5}", "{-5}"}, {"{1.0}", "{1.00}"}, {"{1,2}", "{10000,2}"}}},
	{"af", "float8[]", 10, []string{"{0.3,-0,NaN,NULL}", "[2:3][0:0]={{0.1},{1e-30}}", "{}"}, [][2]string{{"{0.3}", "{0.30000000000000004}"}, {"{0}", "{-0}"}, {"{1,2}", "[0:1]={1,2}"}, {"{}", "{NULL}"}}},
	{"am", "mood[]", 10, []string{"{sad,happy,NULL}"}, [][2]string{{"{sad}", "{ok}"}}},
	{"atk", "ticket[]", 10, []string{`{"(sad,1)",NULL,"(,)"}`}, [][2]string{{`{"(sad,1)"}`, `{"(ok,1)"}`}}},
	{"m", "mood", 10, []string{"sad", "ok", "happy"}, [][2]string{{"sad", "ok"}, {"ok", "happy"}, {"sad", "happy"}}},
	{"sp", "spot", 10, []string{"(0.3,x)", "(,)", `(NaN,"a,b")`}, [][2]string{{"(0.3,x)", "(0.30000000000000004,x)"}, {"(0,x)", "(-0,x)"}, {"(1,)", `(1,"")`}}},
	{"tk", "ticket", 10, []string{"(sad,1)", "(,)"}, [][2]string{{"(sad,1)", "(ok,1)"}, {"(,)", "(,0)"}}},
	{"dc", "code", 10, []string{"", "ab"}, [][2]string{{"ab", "Ab"}, {"a b", "a  b"}}},
	{"d8", "bigid", 10, []string{"0", "-1", "9223372036854775807"}, [][2]string{{"1", "4294967296"}, {"0", "-1"}}},
	{"dv", "vec", 10, []string{"{0.3,NaN}", "{}"}, [][2]string{{"{0.3}", "{0.30000000000000004}"}}},
	{"dm", "feel", 10, []string{"sad", "happy"}, [][2]string{{"sad", "ok"}}},
	{"sec", "secret", 10, []string{"x", "y"}, [][2]string{{"x", "y"}}},
	{"hos", `"$8"`, 10, []string{"x", "y"}, [][2]string{{"x", "y"}}},
	{"rc", "regclass", 10, []string{"pg_catalog.pg_class", "0"}, [][2]string{{"pg_catalog.pg_class", "pg_catalog.pg_type"}}},
	{"rt", "regtype", 10, []string{"int4", "mood"}, [][2]string{{"int4", "mood"}}},
	{"cit", "citext", 10, []string{"", "Straße"}, [][2]string{{"a", "A"}, {"é", "É"}, {"a", "a "}}},
	{"hs", "hstore", 10, []string{"", `"a"=>NULL, "b"=>"NULL", "c"=>"é"`}, [][2]string{{"a=>NULL", `a=>"NULL"`}, {"a=>1", "a=>2"}}},
	{"lt", "ltree", 10, []string{"", "top.a.b"}, [][2]string{{"a.b", "b.a"}, {"a", "A"}}},
	{"cu", "cube", 10, []string{"(1,2,3)", "(0.3),(1)"}, [][2]string{{"(1,2)", "(1,2),(1,3)"}, {"(0.3)", "(0.30000000000000004)"}}},
	{"ov", "oidvector", 10, []string{"", "1 2 4294967295"}, [][2]string{{"1 2", "2 1"}}},
	{"iv2", "int2vector", 10, []string{"", "1 -2 3"}, [][2]string{{"1 2", "2 1"}}},
	{"sn", "txid_snapshot", 10, []string{"10:20:10,14,15"}, [][2]string{{"10:20:10", "10:20:14"}}},
	{"jp", "jsonpath", 12, []string{`$."a"[*] ? (@."b" > 1.50)`}, [][2]string{{"$.a", "lax $.b"}, {"$.a", "strict $.a"}}},
	{"nd", "text COLLATE anycase", 12, []string{"", "Straße", "NULL"}, [][2]string{{"a", "A"}, {"e\u0301", "\u00e9"}, {"a", "a "}}},
	{"dn", "nick", 12, []string{"", "Straße"}, [][2]string{{"a", "A"}, {"e\u0301", "\u00e9"}}},
	{"mr", "int4multirange", 14, []string{"{}", "{[1,5),[7,)}"}, [][2]string{{"{}", "{[1,2)}"}, {"{[1,5)}", "{[1,2),[3,5)}"}}},
	{"nmr", "nummultirange", 14, []string{"{[1.0,2.00)}"}, [][2]string{{"{[1.0,2]}", "{[1.00,2]}"}, {"{[-1,1]}", "{[1,1]}"}}},
}

// kindsSQL makes table kinds: one column each, all values, a row of NULLs and
// one of values that are computed rather than written.
func kindsSQL(major int, twist bool) string {
	var columns []string
	rows := 0
	for _, k := range kinds {
		if major >= k.since {
			columns = append(columns, k.name+" "+k.typ)
			rows = max(rows, len(k.values))
		}
	}
	if twist { // the order of the columns on disk is nobody's business
		columns[0], columns[len(columns)-1] = columns[len(columns)-1], columns[0]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SET client_min_messages = warning;\n%s;\nCREATE TABLE kinds (id int4 PRIMARY KEY, %s);\nINSERT INTO kinds (id) VALUES (-1);\n", typesSQL(major, twist), strings.Join(columns, ", "))
	for i := range rows {
		names, values := []string{"id"}, []string{fmt.Sprint(i)}
		for _, k := range kinds {
			if major >= k.since {
				names, values = append(names, k.name), append(values, quote(k.values[i%len(k.values)]))
			}
		}
		fmt.Fprintf(&b, "INSERT INTO kinds (%s) VALUES (%s);\n", strings.Join(names, ", "), strings.Join(values, ", "))
	}
	// A NaN with a sign, and an array whose last NULL was overwritten, are the
	// same values with other bits.
	if twist {
		b.WriteString("INSERT INTO kinds (id, f8, f4, af, ai) VALUES (100, 'NaN', 'NaN', '{NaN,1}', '{1,2}'), (101, 0, 0, '{1,2}', '{}');\n")
	} else {
		b.WriteString("INSERT INTO kinds (id, f8, f4, af, ai) VALUES (100, 'Infinity'::float8 - 'Infinity'::float8, 'Infinity'::float4 - 'Infinity'::float4, ARRAY['Infinity'::float8 - 'Infinity'::float8, NULL], '{1,NULL}'), (101, 0, 0, '{1,NULL}', '{}');\n" +
			"UPDATE kinds SET af[2] = id - 99, ai[2] = 2 WHERE id = 100; UPDATE kinds SET af[2] = 2 WHERE id = 101;\n")
	}
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
