package checker_test

import (
	"fmt"
	"strings"
)

// kind is a column type with values for it. The values of one family are
// easily taken for each other; any two values of a kind are different ones.
type kind struct {
	sql      string
	since    int // the least major version that both sides need
	families [][]string
}

// GoString keeps the drawn kinds readable in a failure.
func (k kind) GoString() string { return k.sql }

func family(values ...string) []string { return values }

// kinds are the column types of the property test. Each family holds the
// damages that a weak comparison overlooks.
var kinds = []kind{
	{"boolean", 10, [][]string{family("t", "f")}},
	{"smallint", 10, [][]string{family("0", "1", "-1"), family("32767", "-32768", "256")}},
	{"integer", 10, [][]string{family("0", "1", "-1", "65536"), family("2147483647", "-2147483648")}},
	// x and x·2³², swapped halves, halves that fold to the same 32 bits.
	{"bigint", 10, [][]string{family("1", "4294967296", "-1", "-4294967296"), family("5", "21474836480", "-5"),
		family("8589934593", "4294967298"), family("9223372036854775807", "-9223372036854775808", "0", "4294967295")}},
	{"oid", 10, [][]string{family("0", "1", "4294967295")}},
	{"numeric", 10, [][]string{family("1", "1.0", "1.00", "-1", "10000", "100000000"), family("5", "-5", "50000", "0.0005"), family("NaN", "0", "0.00")}},
	{"numeric", 14, [][]string{family("NaN", "Infinity", "-Infinity"), family("1.0", "1.00")}},
	{"numeric(14,2)", 10, [][]string{family("1.00", "-1.00", "10000.00"), family("0.00", "12345678.91", "-12345678.91")}},
	{"double precision", 10, [][]string{family("0", "-0"), family("NaN", "Infinity", "-Infinity"), family("0.3", "0.30000000000000004", "-0.3"), family("1e300", "-1e300")}},
	{"real", 10, [][]string{family("0", "-0"), family("NaN", "Infinity"), family("0.3", "-0.3", "1.5e-30")}},
	{"money", 10, [][]string{family("1.00", "-1.00", "10000.00")}},
	{"text", 10, [][]string{family("", "NULL", "null", `\N`, " "), family("é", "e\u0301"), family("a", "A", "a ", "a\t", "а"),
		family("😀", "😁"), family("1", "1.0"), family("$1", "$c", "$8", "$salt"), family(strings.Repeat("x", 4000), strings.Repeat("x", 3999)+"y")}},
	{"character varying(20)", 10, [][]string{family("", "NULL", " "), family("b", "b ", "B")}},
	{"bpchar", 10, [][]string{family("a", "a ", "a  "), family("", " ")}},
	{"character(5)", 10, [][]string{family("a", "A", "b", "")}},
	{"name", 10, [][]string{family("a", "A", "a b")}},
	{`"char"`, 10, [][]string{family("a", "b", "")}},
	{"ext.citext", 10, [][]string{family("abc", "ABC", "aBc", "abc ")}},
	{"ext.hstore", 10, [][]string{family("", `"a"=>"1"`, `"a"=>NULL`, `"a"=>"NULL"`, `"a"=>"1", "b"=>"1"`)}},
	{"json", 10, [][]string{family(`{"a":1}`, `{"a": 1}`, `{"a":1,"a":1}`), family("null", `""`, "1", "1.0")}},
	{"jsonb", 10, [][]string{family(`{"a": 1}`, `{"a": 1.0}`, `{"a": 1.00}`, `{"a": -1}`, `{"a": "1"}`, `{"a": 10000}`), family("null", `""`, `"null"`, "{}", "[]")}},
	{"bytea", 10, [][]string{family(`\x`, `\x00`, `\x0000`), family(`\xff`, `\xfe`)}},
	{"uuid", 10, [][]string{family("00000000-0000-0000-0000-000000000000", "00000001-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001")}},
	{"date", 10, [][]string{family("2000-01-01", "1999-12-31", "infinity", "-infinity")}},
	{"time without time zone", 10, [][]string{family("00:00:00", "24:00:00", "00:00:00.000001")}},
	{"time with time zone", 10, [][]string{family("12:00:00+00", "13:00:00+01", "12:00:00.000001+00")}},
	// 1:11:34.967296 is 2³² µs.
	{"timestamp without time zone", 10, [][]string{family("2000-01-01 00:00:00", "2000-01-01 01:11:34.967296", "1999-12-31 22:48:25.032704", "2000-01-01 00:00:00.000001"), family("infinity", "-infinity")}},
	{"timestamp with time zone", 10, [][]string{family("2024-06-01 00:00:00+00", "2024-06-01 01:11:34.967296+00", "2024-05-31 22:48:25.032704+00", "2024-06-01 00:00:00.000001+00"), family("infinity", "-infinity")}},
	{"interval", 10, [][]string{family("1 day", "24:00:00"), family("1 mon", "30 days"), family("-1 days", "-24:00:00")}},
	{"inet", 10, [][]string{family("10.0.0.1", "10.0.0.1/8", "10.0.0.2"), family("::1", "::2")}},
	{"cidr", 10, [][]string{family("10.0.0.0/8", "10.0.0.0/9")}},
	{"macaddr", 10, [][]string{family("08:00:2b:01:02:03", "08:00:2b:01:02:04")}},
	{"bit varying", 10, [][]string{family("0", "00", "1", "")}},
	{"integer[]", 10, [][]string{family("{1,2}", "[0:1]={1,2}", "{{1,2}}", "{2,1}"), family("{}", "{NULL}", "{1,NULL}")}},
	{"text[]", 10, [][]string{family("{}", `{""}`, "{NULL}", `{"NULL"}`), family("{a,b}", `{"a,b"}`, "[2:3]={a,b}")}},
	{"numeric[]", 10, [][]string{family("{1}", "{1.0}", "{-1}", "{10000}")}},
	{"double precision[]", 10, [][]string{family("{0}", "{-0}"), family("{NaN}", "{Infinity}", "{0.3}", "[0:0]={0.3}")}},
	{"ty.mood", 10, [][]string{family("sad", "ok", "happy", "it's $c")}},
	{"ty.mood[]", 10, [][]string{family("{sad,ok}", "{ok,sad}", "{}", "{NULL}")}},
	{"int4range", 10, [][]string{family("empty", "[1,2)", "[1,3)", "(,)", "[1,)")}},
	{"numrange", 10, [][]string{family("[1,2)", "[1.0,2)", "[1,2]", "[-1,2)")}},
	{"int4multirange", 14, [][]string{family("{}", "{[1,2)}", "{[1,2),[3,4)}")}},
	{"ty.duo", 10, [][]string{family("(1,a)", `(1,"a ")`, "(1,)", `(1,"")`, "(,)"), family("(-1,a)", "(1,NULL)")}},
	{"ty.duo[]", 10, [][]string{family(`{"(1,a)"}`, `{"(1,)"}`, "{NULL}", "{}")}},
	{"ty.amount", 10, [][]string{family("1", "1.0", "-1", "10000", "0")}},
	{"ty.word", 10, [][]string{family("a", "A", "a ", "")}},
	{"ty.big", 10, [][]string{family("1", "4294967296", "-1")}},
	{"tsvector", 10, [][]string{family("'a' 'b'", "'a':1 'b':2", "'a':2 'b':1")}},
	{"point", 10, [][]string{family("(0,0)", "(-0,0)", "(0,1)", "(1,0)")}},
	{"pg_lsn", 10, [][]string{family("0/1", "1/0", "1/1")}},
	{"text COLLATE ty.nd", 12, [][]string{family("a", "A", "b"), family("", "NULL")}},
}

// keyKind makes the i-th key of a table, as the server prints it.
type keyKind struct {
	name  string
	types []string
	since int
	at    func(i int) []string
	// respell gives another spelling of an equal key, nil where there is none.
	respell func(key []string) []string
}

// GoString keeps the drawn keys readable in a failure.
func (k keyKind) GoString() string { return k.name }

func one(f func(i int) string) func(int) []string {
	return func(i int) []string { return []string{f(i)} }
}

func swapCase(key []string) []string {
	return []string{strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, key[0])}
}

// scatter spreads small numbers over 64 bits.
func scatter(i int) uint64 {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	return (x ^ x>>29) * 0xbf58476d1ce4e5b9
}

func numericKey(i int) string {
	if i%2 == 0 {
		return fmt.Sprintf("%d.0", i-20)
	}
	return fmt.Sprintf("%d.50", i-20)
}

func floatKey(i int) string {
	if i == 0 {
		return "0"
	}
	return fmt.Sprintf("%d.5", i-7)
}

var keyKinds = []keyKind{
	{name: "int", types: []string{"integer"}, since: 10, at: one(func(i int) string { return fmt.Sprint(i*3 - 100) })},
	{name: "bigint", types: []string{"bigint"}, since: 10, at: one(func(i int) string { return fmt.Sprint(int64(i-20) << 32) })},
	{name: "uuid", types: []string{"uuid"}, since: 10, at: one(func(i int) string {
		x := scatter(i)
		return fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(x>>32), uint16(x), i)
	})},
	{name: "text", types: []string{"text"}, since: 10, at: one(func(i int) string {
		return fmt.Sprintf("%sk%d", []string{"", "É", " ", "-", "$1,", `"'\`, "😀"}[i%7], i)
	})},
	{name: "C text", types: []string{`text COLLATE "C"`}, since: 10, at: one(func(i int) string { return fmt.Sprintf("%c%d,{}\"", 'A'+i%50, i) })},
	{name: "numeric", types: []string{"numeric"}, since: 10, at: one(numericKey), respell: func(k []string) []string { return []string{k[0] + "0"} }},
	{name: "timestamp", types: []string{"timestamp"}, since: 10, at: one(func(i int) string {
		return fmt.Sprintf("19%02d-01-%02d 00:00:00.000001", 60+i%35, 1+i/35)
	})},
	{name: "date", types: []string{"date"}, since: 10, at: one(func(i int) string { return fmt.Sprintf("%04d-02-03", 1800+i) })},
	{name: "char", types: []string{"character(8)"}, since: 10, at: one(func(i int) string { return fmt.Sprintf("%-8s", fmt.Sprintf("c%d", i)) })},
	{name: "citext", types: []string{"ext.citext"}, since: 10, at: one(func(i int) string { return fmt.Sprintf("Key%d", i) }), respell: swapCase},
	{name: "nondeterministic text", types: []string{"text COLLATE ty.nd"}, since: 12, at: one(func(i int) string { return fmt.Sprintf("Key%d", i) }), respell: swapCase},
	{name: "bytea", types: []string{"bytea"}, since: 10, at: one(func(i int) string { return fmt.Sprintf(`\x%04x`, i*7) })},
	{name: "float", types: []string{"double precision"}, since: 10, at: one(floatKey), respell: func(k []string) []string {
		if k[0] == "0" {
			return []string{"-0"}
		}
		return k
	}},
	{name: "enum and int", types: []string{"ty.mood", "integer"}, since: 10, at: func(i int) []string {
		return []string{[]string{"sad", "ok", "happy"}[i%3], fmt.Sprint(i)}
	}},
	{name: "bool and int", types: []string{"boolean", "integer"}, since: 10, at: func(i int) []string {
		return []string{[]string{"t", "f"}[i%2], fmt.Sprint(i / 2)}
	}},
	{name: "mixed", types: []string{"smallint", `text COLLATE "C"`, "numeric"}, since: 10,
		at: func(i int) []string {
			return []string{fmt.Sprint(i % 3), fmt.Sprintf("x%d", i%5), fmt.Sprintf("%d.5", i)}
		},
		respell: func(k []string) []string { return []string{k[0], k[1], k[2] + "0"} }},
}

// names are identifiers that break careless SQL; the last is 63 bytes long.
var names = []string{"t", "plain_name", "Mixed Case", `quo"te`, "dot.ted", "$1", "$8", "$c", "$salt", "😀", "it's", `back\slash`, "/* c */", "--", "select", "%s", "w", "v", "n", "k1",
	strings.Repeat("é", 31) + "x"}
