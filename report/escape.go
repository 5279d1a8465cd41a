package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// longestValue is how many terminal columns of a key value or a column value
// are shown; the JSON report has them whole.
const longestValue = 160

// ident makes a name from a database safe to show anywhere: what a terminal
// could take as a command, what turns the direction of writing and what is
// not UTF-8 becomes an escape. Backslashes are doubled, so that two names
// never look the same.
func ident(s string) string { return escaped(s, true) }

// prose makes a sentence safe to show. Line breaks become spaces; a
// backslash stays, for sentences quote patterns and paths.
func prose(s string) string {
	return escaped(strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " "), false)
}

func escaped(s string, double bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return unsafeRune(r) || r == '\\' || r == utf8.RuneError }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\' && double:
			b.WriteString(`\\`)
		case unsafeRune(r):
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// unsafeRune is true for control characters, for invisible ones (direction
// marks, zero widths) and for every space but the ASCII one.
func unsafeRune(r rune) bool { return !strconv.IsPrint(r) }

// firstRunes cuts between characters. Bytes that are no UTF-8 count as one
// character each, and are kept.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// keyText shows a key: id=42, or b=1, a=2 in the given order of its columns.
// Columns that the order does not name, all of them in reports that were
// saved without it, follow by name.
func keyText(key map[string]string, order []string) string {
	if len(key) == 0 {
		return "(no key)"
	}
	names := make([]string, 0, len(key))
	for _, n := range slices.Concat(order, slices.Sorted(maps.Keys(key))) {
		if _, ok := key[n]; ok && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for i, n := range names {
		names[i] = ident(n) + "=" + value(key[n])
	}
	return strings.Join(names, ", ")
}

// width is the number of terminal columns s takes. Asked with fixed options:
// the locale must not change a report.
func width(s string) int { return twwidth.WidthWithOptions(s, twwidth.Options{}) }

// shorten takes the middle out of s until it fits n columns: the start names
// the schema, the end tells similar names apart.
func shorten(s string, n int) string {
	if width(s) <= n {
		return s
	}
	runes := []rune(s)
	half := len(runes) / 2
	// No more than n runes of either end can stay; without this cut a name of
	// a megabyte would be measured a million times.
	head, tail := runes[:min(half, n)], runes[max(half, len(runes)-n):]
	for len(head)+len(tail) > 0 && width(string(head))+1+width(string(tail)) > n {
		if len(head) >= len(tail) {
			head = head[:len(head)-1]
		} else {
			tail = tail[1:]
		}
	}
	return string(head) + "…" + string(tail)
}

// wrap breaks s at blanks into lines of at most n columns; a word that is
// longer than a line is broken where the line ends.
func wrap(s string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Split(s, " ") {
		if line != "" && width(line)+1+width(word) <= n {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for {
			head := fitting(word, n)
			if len(head) == len(word) {
				break
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	return append(lines, line)
}

// fitting returns the longest start of s that takes at most n columns, and
// at least one character, so that a caller always gets on. Characters without
// a width, of which any number would fit, end it too.
func fitting(s string, n int) string {
	end := 0
	for end < len(s) && end < 16*n {
		_, size := utf8.DecodeRuneInString(s[end:])
		if end > 0 && width(s[:end+size]) > n {
			break
		}
		end += size
	}
	return s[:end]
}

// count writes n with separators: 2,000,000.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
