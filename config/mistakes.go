package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Mistake is one thing that the operator has to correct.
type Mistake struct {
	Where   string // --last, PGPARITY_LAST, file:line:column, or the file
	Key     string // path in the YAML file, such as pairs[0].last; else ""
	Message string // one sentence, without any value of source or target

	place place
}

// place orders mistakes: flags, environment, then the file from top to bottom.
type place struct{ layer, line, column int }

const (
	layerFlags = iota
	layerEnv
	layerFile
)

// Mistakes is the error that Load returns: every mistake, sorted by where it
// stands. errors.As finds it.
type Mistakes []Mistake

// Error prints one mistake per line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// String prints "where: key: message".
func (m Mistake) String() string {
	if m.Key == "" {
		return m.Where + ": " + m.Message
	}
	return m.Where + ": " + m.Key + ": " + m.Message
}

// origin is where a value was given: what Mistake.Where and Key say.
type origin struct {
	where, key string
	place      place
}

// mistakes collects while a configuration is read.
type mistakes struct{ list Mistakes }

func (m *mistakes) add(at origin, messages ...string) {
	for _, message := range messages {
		m.list = append(m.list, Mistake{Where: at.where, Key: at.key, Message: message, place: at.place})
	}
}

// err is nil when there is no mistake.
func (m *mistakes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	m.list.sort()
	// What stands under defaults may be found wrong once for each pair.
	once := map[Mistake]bool{}
	return slices.DeleteFunc(m.list, func(one Mistake) bool {
		before := once[one]
		once[one] = true
		return before
	})
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(
			cmp.Compare(a.place.layer, b.place.layer),
			cmp.Compare(a.place.line, b.place.line),
			cmp.Compare(a.place.column, b.place.column),
		)
	})
}

// What may be printed of a value or of an unknown key: plain words and globs
// without digits, and short numbers with a unit. A password or a URL that was
// put in the wrong place has other characters, nearly always; the place of the
// mistake is told in any case.
var (
	plainWord  = regexp.MustCompile(`^[A-Za-z_*?.-]{1,32}$`)
	plainCount = regexp.MustCompile(`^[+-]?[0-9]{1,7}(\.[0-9]{1,3})?[a-z]{0,3}$`)
)

func shown(s string) bool { return plainWord.MatchString(s) || plainCount.MatchString(s) }

// notShown is ", not "s"" where s may be printed, and nothing where it may not.
func notShown(s string) string {
	if !shown(s) {
		return ""
	}
	return fmt.Sprintf(", not %q", s)
}

// didYouMean is "; did you mean "x"?" for the known word next to s.
func didYouMean(s string, known []string) string {
	if near := nearest(s, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// nearest returns the known word that is at most two letters away from s (one,
// for words under five letters), "" if there is none.
func nearest(s string, known []string) string {
	best, least := "", 3
	if len(s) < 5 {
		least = 2
	}
	if len(s) > 64 {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(s), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace and the neighbours
// to swap (optimal string alignment).
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
