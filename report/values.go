package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/pgparity/pgparity/checker"
)

// shape says how values are written out.
type shape struct {
	limit    int    // terminal columns a value may take, quotes included; 0: any number
	noteFits bool   // the note behind a cut value counts into limit
	hint     string // ends that note: where the whole value is
	special  string // characters that make a value ambiguous where it stands bare
	reserved string // a text that stands for something else, as NULL does
}

// sameLine is how many terminal columns two values take at most to be listed
// beside each other.
const sameLine = 60

// listedShape is that of a report's lists, where values stand among names.
var listedShape = shape{limit: longestValue, special: ",="}

// value shows a key or column value in a list.
func value(s string) string { return listedShape.window(s, 0, listedShape.room(s), listedShape.show) }

// valuesOf are the lines a finding's values make: one or two for each
// differing column, or one for the whole row where only one side has it: a
// column of the other side would read NULL there, which it is not.
func valuesOf(f *checker.Finding) []string {
	switch f.Kind {
	case checker.KindMissing:
		return sideValues("source", f, func(v checker.ColumnValues) *string { return v.Source })
	case checker.KindExtra:
		return sideValues("target", f, func(v checker.ColumnValues) *string { return v.Target })
	}
	var lines []string
	for _, v := range f.Values {
		source, target := listedShape.pair(v.Source, v.Target)
		name := ident(v.Name) + ": "
		if width(source)+width(target) <= sameLine {
			lines = append(lines, name+"source "+source+", target "+target)
		} else { // one above the other, as they are compared
			lines = append(lines, name+"source "+source, name+"target "+target)
		}
	}
	return lines
}

// sideValues is one side's row on one line, without what its key says already.
func sideValues(side string, f *checker.Finding, of func(checker.ColumnValues) *string) []string {
	var parts []string
	read := false
	for _, v := range f.Values {
		text := of(v)
		read = read || text != nil
		if key, ok := f.Key[v.Name]; ok {
			if text == nil { // no key holds a NULL
				return []string{side + ": the row was gone when its values were read"}
			}
			if *text == key {
				continue
			}
		}
		parts = append(parts, ident(v.Name)+"="+listedShape.one(text))
	}
	switch {
	case len(parts) == 0:
		return nil
	case !read: // a row without a key may not be found again by its hash
		return []string{side + ": all values are NULL, or none could be read"}
	}
	return []string{side + ": " + strings.Join(parts, ", ")}
}

// pair shows a column's two values so that what tells them apart can be
// seen: long ones around the first difference, both from the same character
// on, and by escapes where two spellings of one letter would look the same.
func (s shape) pair(source, target *string) (left, right string) {
	if source == nil || target == nil || *source == *target {
		return s.one(source), s.one(target)
	}
	a, b := *source, *target
	from := firstDifference(a, b)
	show := s.show
	if alike(a[from:], b[from:]) {
		show = func(v string) string { return blanks(strconv.QuoteToASCII(v)) }
	}
	start, room := 0, s.room(a, b)
	if !s.fits(a, show) || !s.fits(b, show) {
		start = leadIn(a, from, room/3, show)
	}
	return s.window(a, start, room, show), s.window(b, start, room, show)
}

func (s shape) one(v *string) string {
	if v == nil {
		return "NULL"
	}
	return s.window(*v, 0, s.room(*v), s.show)
}

// show quotes what would be ambiguous bare: empty, blanks at the ends or in a
// row, separators, escapes, the word NULL, the sign of a cut.
func (s shape) show(v string) string {
	bare := v != "" && v != "NULL" && v != s.reserved && strings.TrimSpace(v) == v && utf8.ValidString(v) &&
		!strings.ContainsAny(v, `"\`+s.special) && !strings.Contains(v, "  ") &&
		!strings.HasPrefix(v, "…") && !strings.HasSuffix(v, "…") && !strings.ContainsFunc(v, unsafeRune)
	if bare {
		return v
	}
	return blanks(strconv.Quote(v))
}

// blanks keeps blanks in a row countable: a browser, a code span and a line
// break make one of them.
func blanks(quoted string) string { return strings.ReplaceAll(quoted, "  ", ` \x20`) }

func (s shape) note(v string) string {
	return " (" + count(int64(utf8.RuneCountInString(v))) + " characters" + s.hint + ")"
}

// room is what a part of these values may take when one must be cut.
func (s shape) room(values ...string) int {
	room := s.limit
	if s.noteFits {
		for _, v := range values {
			room = min(room, s.limit-width(s.note(v))-2) // 2: the signs of the cuts
		}
	}
	return max(room, 16) // the longest escape of one character fits
}

// fits does not measure what cannot fit: a value may be a gigabyte.
func (s shape) fits(v string, show func(string) string) bool {
	return s.limit == 0 || len(v) <= 16*s.limit && width(show(v)) <= s.limit
}

// window shows v from the byte start on, as much as there is room for.
func (s shape) window(v string, start, room int, show func(string) string) string {
	if start == 0 && s.fits(v, show) {
		return show(v)
	}
	part := firstRunes(v[start:], room)
	for part != "" && width(show(part)) > room {
		_, size := utf8.DecodeLastRuneInString(part)
		part = part[:len(part)-size]
	}
	text := show(part)
	if start > 0 {
		text = "…" + text
	}
	if start+len(part) < len(v) {
		text += "…"
	}
	return text + s.note(v)
}

// leadIn is the byte from which on v is shown so that the byte from is in
// sight, with at most room columns ahead of it.
func leadIn(v string, from, room int, show func(string) string) int {
	start := from
	for start > 0 && from-start < 16*room {
		_, size := utf8.DecodeLastRuneInString(v[:start])
		if width(show(v[start-size:from])) > room {
			break
		}
		start -= size
	}
	// A mark would be drawn upon the sign of the cut.
	for start > 0 && start < from {
		r, size := utf8.DecodeRuneInString(v[start:])
		if !unicode.IsMark(r) {
			break
		}
		start += size
	}
	return start
}

// firstDifference is the byte at which the first unlike character of two
// unlike texts begins, the same in both.
func firstDifference(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	inside := func(s string) bool { return i < len(s) && !utf8.RuneStart(s[i]) }
	for n := 0; n < utf8.UTFMax-1 && i > 0 && (inside(a) || inside(b)); n++ {
		i--
	}
	return i
}

// alike tells whether two texts that begin unlike may look as if they began
// with the same letter: other spellings of it (é composed or not, a ligature),
// or marks without a picture.
func alike(a, b string) bool {
	const enough = 32 // a letter with its marks
	a, b = folded(firstRunes(a, enough)), folded(firstRunes(b, enough))
	first, _ := utf8.DecodeRuneInString(a)
	second, _ := utf8.DecodeRuneInString(b)
	return first == second && (a == "") == (b == "")
}

func folded(s string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, s))
}
