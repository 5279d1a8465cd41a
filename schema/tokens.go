package schema

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// token is a piece of SQL, and where it begins.
type token struct {
	text string
	at   int
}

// lex splits SQL as a server prints it. Blanks and line ends are nothing; strings,
// quoted names and operators stay whole.
func lex(sql string) []token {
	var list []token
	for _, m := range lexer.FindAllStringIndex(sql, -1) {
		if t := sql[m[0]:m[1]]; strings.TrimSpace(t) != "" {
			list = append(list, token{t, m[0]})
		}
	}
	return list
}

// unprefixed leaves out the B that earlier servers print before bits, of which the
// cast that follows tells all the same.
func unprefixed(list []token) []token {
	kept := list[:0:0]
	for i, t := range list {
		if t.text != "B" || textAt(list, i+2) != "::" || list[i+1].at != t.at+1 || strings.Trim(textAt(list, i+3), `"`) != "bit" {
			kept = append(kept, t)
		}
	}
	return kept
}

// lexer knows what servers print: E'…' with backslashes, '…' and "…" with
// doubled quotes, numbers, names, operators; else one character at a time.
var lexer = regexp.MustCompile(`(?s)\s+|E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|[\pL_][\pL\pN_$]*|::|[-+*/<>=~!@#%^&|` + "`" + `?]+|.`)

var name = regexp.MustCompile(`^(?:[\pL_]|"(?:[^"]))`)

// sameTokens tells whether two definitions are the same to the letter, but for
// blanks and for how servers of different versions print the one meaning:
//
//   - Later versions quote names that became keywords.
//   - A restored a AND b AND c is one chain, which was made of two.
//   - Bits go with a B before them or not; since 12 floats have the fewest digits that tell them apart.
//   - Of views (qualifiesA, qualifiesB tell which side does): see qualifiers.
func sameTokens(a, b string, qualifiesA, qualifiesB bool) bool {
	_, _, same := part(a, b, qualifiesA, qualifiesB)
	return same
}

// part gives the places at which two definitions part.
func part(a, b string, qualifiesA, qualifiesB bool) (inA, inB int, same bool) {
	if qualifiesB && !qualifiesA {
		inB, inA, same = part(b, a, qualifiesB, qualifiesA)
		return inA, inB, same
	}
	long, short := chained(unprefixed(lex(a))), chained(unprefixed(lex(b)))
	var may []bool // the qualifier at i may be left out
	if qualifiesA != qualifiesB {
		may = qualifiers(long)
	}
	i, j := 0, 0
	for i < len(long) && j < len(short) {
		switch {
		case may != nil && may[i] && bare(long[i+2].text) == bare(short[j].text) && textAt(short, j+1) != ".":
			i += 2
		case bare(long[i].text) == bare(short[j].text) || sameFloats(long, i, short, j):
			i++
			j++
		default:
			return long[i].at, short[j].at, false
		}
	}
	at := func(list []token, k int, sql string) int {
		if k < len(list) {
			return list[k].at
		}
		return len(sql)
	}
	return at(long, i, a), at(short, j, b), i == len(long) && j == len(short)
}

func textAt(list []token, i int) string {
	if i < 0 || i >= len(list) {
		return ""
	}
	return list[i].text
}

// chained leaves out the parentheses of an AND in an AND, an OR in an OR.
func chained(list []token) []token {
	closes := make([]int, len(list)) // where the parenthesis that opens at i closes
	operator := make([]string, len(list))
	var open []int
	for i, t := range list {
		switch t.text {
		case "(":
			open = append(open, i)
		case ")":
			if len(open) > 0 {
				closes[open[len(open)-1]] = i
				open = open[:len(open)-1]
			}
		case "AND", "OR", "BETWEEN", "SELECT": // the last two: no chain
			if len(open) > 0 {
				switch in := &operator[open[len(open)-1]]; *in {
				case "", t.text:
					*in = t.text
				default:
					*in = "neither"
				}
			}
		}
	}
	drop := make([]bool, len(list))
	open = open[:0]
	for i, t := range list {
		switch t.text {
		case "(":
			if op := operator[i]; closes[i] > 0 && (op == "AND" || op == "OR") && len(open) > 0 && operator[open[len(open)-1]] == op &&
				(list[i-1].text == "(" || list[i-1].text == op) && (textAt(list, closes[i]+1) == ")" || textAt(list, closes[i]+1) == op) {
				drop[i], drop[closes[i]] = true, true
			}
			open = append(open, i)
		case ")":
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	kept := list[:0:0]
	for i, t := range list {
		if !drop[i] {
			kept = append(kept, t)
		}
	}
	return kept
}

// qualifiers finds the names before a dot that earlier servers print in a view and
// later ones do not. The argument that nothing else is passed over:
//
//  1. A server before 16 counts OLD and NEW among what a view's query reads from,
//     and so puts the table before each column of the query itself. A later one
//     does so only where the query reads from several.
//  2. Within a query in a query, and in a UNION's parts, both always do, also for
//     columns of the outer one. So only what stands outside of them is looked at.
//  3. The query reads from one thing alone, which FROM names last: a column that
//     stands alone can be of no other, and the name that is passed over must be
//     that one.
//  4. FROM itself names tables and their schemas, and is not looked at; nor is what
//     follows a cast, COLLATE, AS or a dot, or is called.
func qualifiers(list []token) []bool {
	may := make([]bool, len(list))
	nested := subqueries(list)
	from := -1
	for i, t := range list {
		if nested[i] != 0 {
			continue
		}
		switch t.text {
		case "FROM":
			from = i
		case "UNION", "INTERSECT", "EXCEPT":
			return may
		}
	}
	if from < 0 {
		return may
	}
	ends := func(i int) bool { return i == len(list) || nested[i] == 0 && slices.Contains(afterFrom, list[i].text) }
	sole, to := "", from+1
	for ; !ends(to); to++ {
		if nested[to] != 0 {
			continue
		}
		switch t := list[to].text; {
		case t == ",":
			return may
		case t == "TABLESAMPLE":
			for !ends(to + 1) {
				to++
			}
		case name.MatchString(t):
			sole = bare(t)
		}
	}
	for i := range list {
		if nested[i] < inQuery && (i < from || i >= to) && bare(list[i].text) == sole && textAt(list, i+1) == "." && name.MatchString(textAt(list, i+2)) &&
			textAt(list, i+3) != "." && textAt(list, i+3) != "(" && !slices.Contains([]string{".", "::", "COLLATE", "AS", "RETURNING"}, textAt(list, i-1)) {
			may[i] = true
		}
	}
	return may
}

// afterFrom begins what follows a FROM clause.
var afterFrom = []string{"WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", ";"}

// inQuery is how subqueries tells that a token is within a query's parentheses.
const inQuery = 1 << 20

// subqueries gives for each token how many parentheses it is in, from inQuery on
// where one of them holds a query.
func subqueries(list []token) []int {
	query := make([]bool, len(list)) // by the parenthesis that opens
	var open []int
	for i, t := range list {
		switch t.text {
		case "(":
			open = append(open, i)
		case ")":
			open = open[:max(len(open)-1, 0)]
		case "SELECT", "VALUES":
			if len(open) > 0 {
				query[open[len(open)-1]] = true
			}
		}
	}
	depths := make([]int, len(list))
	open = open[:0]
	depth := 0
	weight := func(i int) int {
		if query[i] {
			return inQuery
		}
		return 1
	}
	for i, t := range list {
		if t.text == ")" && len(open) > 0 {
			depth -= weight(open[len(open)-1])
			open = open[:len(open)-1]
		}
		depths[i] = depth
		if t.text == "(" {
			open = append(open, i)
			depth += weight(i)
		}
	}
	return depths
}

// ofFloats are the types whose values are made of floats.
var ofFloats = []string{"double", "real", "point", "line", "lseg", "box", "path", "polygon", "circle"}

var number64 = regexp.MustCompile(`[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?`)

// sameFloats tells whether two constants of a type that is made of floats, or the
// bounds of a partition, have the same values: before 12 they were printed with
// more digits.
func sameFloats(a []token, i int, b []token, j int) bool {
	x, y := a[i].text, b[j].text
	if x[0] != '\'' || y[0] != '\'' {
		return false
	}
	kind := textAt(a, i+2)
	if textAt(a, i+1) != "::" || textAt(b, j+1) != "::" {
		return textAt(a, 0) == "partition" && (digits(x, y) || digits(y, x))
	}
	if !slices.Contains(ofFloats, kind) || kind != textAt(b, j+2) || number64.ReplaceAllString(x, "#") != number64.ReplaceAllString(y, "#") {
		return false
	}
	bits := 64
	if kind == "real" {
		bits = 32
	}
	m, n := number64.FindAllString(x, -1), number64.FindAllString(y, -1)
	for k := range m {
		v, err := strconv.ParseFloat(m[k], bits)
		w, err2 := strconv.ParseFloat(n[k], bits)
		if err != nil || err2 != nil || v != w {
			return false
		}
	}
	return true
}

// digits tells whether long is what a server before 12 prints for short.
func digits(long, short string) bool {
	v, err := strconv.ParseFloat(strings.Trim(short, "'"), 64)
	if err != nil {
		return false
	}
	return long == "'"+strconv.FormatFloat(v, 'g', 18, 64)+"'" || long == "'"+strconv.FormatFloat(float64(float32(v)), 'g', 9, 64)+"'"
}

// bare is a name that only later versions quote, without the quotes.
func bare(token string) string {
	if strings.HasPrefix(token, `"`) && newlyQuoted.FindString(token) == token {
		return token[1 : len(token)-1]
	}
	return token
}

// dropIn leaves out the IN that later versions print before each argument that
// goes into a procedure.
func dropIn(text string) string {
	list := lex(text)
	var kept []string
	for i, t := range list {
		if t.text == "IN" && i > 0 && (list[i-1].text == "(" || list[i-1].text == ",") {
			continue
		}
		kept = append(kept, t.text)
	}
	return strings.Join(kept, " ")
}
