package schema

import (
	"regexp"
	"slices"
	"strings"
)

// tokens splits SQL as a server prints it. Blanks and line ends are nothing;
// strings, quoted names and operators stay whole.
func tokens(sql string) []string {
	list := lexer.FindAllString(sql, -1)
	return slices.DeleteFunc(list, func(t string) bool { return strings.TrimSpace(t) == "" })
}

// lexer knows what servers print: E'…' with backslashes, '…' and "…" with
// doubled quotes, numbers, names, operators; else one character at a time.
var lexer = regexp.MustCompile(`(?s)\s+|E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|[\pL_][\pL\pN_$]*|::|[-+*/<>=~!@#%^&|` + "`" + `?]+|.`)

var name = regexp.MustCompile(`^(?:[\pL_]|"(?:[^"]))`)

// sameTokens tells whether two definitions are the same to the letter, but for
// blanks and for how servers of different versions print the one meaning:
//
//   - Later versions quote names that became keywords.
//   - Where a query reads from one table alone, earlier versions put its name
//     before each column (qualifiesA, qualifiesB tell which side does), later ones
//     do not. Such a name is passed over where it can be nothing else: it is one
//     and the same in the whole statement, which reads from what it names, and
//     what follows is a column's place: no function's, type's, table's.
func sameTokens(a, b string, qualifiesA, qualifiesB bool) bool {
	long, short := tokens(a), tokens(b)
	if qualifiesB && !qualifiesA {
		long, short = short, long
	}
	lenient := qualifiesA != qualifiesB
	qualifier := ""
	i, j := 0, 0
	for i < len(long) && j < len(short) {
		if lenient && passable(long, i, short, j) && (qualifier == "" || qualifier == bare(long[i])) && reads(long, i) {
			qualifier = bare(long[i])
			i += 2
			continue
		}
		if bare(long[i]) != bare(short[j]) {
			return false
		}
		if long[i] == ";" { // the next statement of a body reads from another table
			qualifier = ""
		}
		i++
		j++
	}
	return i == len(long) && j == len(short)
}

// passable tells whether long has a name and a dot before the column that short
// has alone.
func passable(long []string, i int, short []string, j int) bool {
	if i+2 >= len(long) || long[i+1] != "." || !name.MatchString(long[i]) || !name.MatchString(long[i+2]) || bare(long[i+2]) != bare(short[j]) {
		return false
	}
	after := func(list []string, k int) string {
		if k < len(list) {
			return list[k]
		}
		return ""
	}
	if next := after(short, j+1); next == "." || next == "(" || after(long, i+3) == "." {
		return false
	}
	if i == 0 {
		return true
	}
	if long[i-1] == "FROM" {
		return ofExpression(long[:i-1])
	}
	// What stands there names no column.
	return !slices.Contains([]string{".", "::", "JOIN", "ONLY", "INTO", "UPDATE", "TABLE", "COLLATE", "ON CONSTRAINT", "CONSTRAINT", "AS", "LANGUAGE", "OPERATOR"}, long[i-1])
}

// ofExpression tells whether the FROM that follows is one of EXTRACT(… FROM x)
// and its like, not a query's.
func ofExpression(before []string) bool {
	depth := 0
	for k := len(before) - 1; k > 0; k-- {
		switch before[k] {
		case ")":
			depth++
		case "(":
			if depth == 0 {
				return slices.Contains([]string{"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY"}, before[k-1])
			}
			depth--
		}
	}
	return false
}

// reads tells whether the name that stands at i is that of a table which the same
// statement reads from: it stands there alone, or last, as well.
func reads(list []string, i int) bool {
	from, to := i, i
	for from > 0 && list[from-1] != ";" {
		from--
	}
	for to < len(list) && list[to] != ";" {
		to++
	}
	for k := from; k < to; k++ {
		if bare(list[k]) == bare(list[i]) && (k+1 == to || list[k+1] != ".") && k > from {
			if k >= 1 && inFrom(list[from:k]) {
				return true
			}
		}
	}
	return false
}

// inFrom tells whether what comes after these tokens may name what a statement
// reads: FROM x, FROM ONLY s.x, FROM s.x y, FROM (…) y, INSERT INTO x,
// UPDATE x.
func inFrom(before []string) bool {
	opens := []string{"FROM", "INTO", "UPDATE"}
	for n, k := 0, len(before)-1; k >= 0 && n < 6; n, k = n+1, k-1 {
		t := before[k]
		if n == 0 && t == ")" || slices.Contains(opens, t) {
			return true
		}
		if t != "." && t != "ONLY" && t != "AS" && t != "(" && !name.MatchString(t) || strings.ToUpper(t) == t && t != "ONLY" && t != "AS" && t != "." && t != "(" && name.MatchString(t) && t[0] != '"' {
			return false
		}
	}
	return false
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
	list := tokens(text)
	kept := list[:0:0]
	for i, t := range list {
		if t == "IN" && i > 0 && (list[i-1] == "(" || list[i-1] == ",") {
			continue
		}
		kept = append(kept, t)
	}
	return strings.Join(kept, " ")
}
