package report

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/pgparity/pgparity/cutover"
)

// A runbook's statements are run by people, so nothing of them may be lost, and
// they hold names from catalogs, so nothing of them may be obeyed by a
// terminal. What is shown otherwise than it is run is said to be so.

// statementLines are a statement's own lines, safe to show. exact is false
// where a character is shown as an escape.
func statementLines(s string) (lines []string, exact bool) {
	s = strings.TrimRight(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n")
	exact = true
	for line := range strings.SplitSeq(s, "\n") {
		safe := escaped(strings.ReplaceAll(line, "\t", "    "), false)
		exact = exact && (safe == line || strings.ContainsRune(line, '\t') && !strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && unsafeRune(r) }) && utf8.ValidString(line))
		lines = append(lines, safe)
	}
	return lines, exact
}

// foldedLines are statementLines in at most n columns. Lines are broken at
// blanks between words and never inside of quotes, for there a line break is
// part of what is quoted; exact is false where that left no other way.
func foldedLines(s string, n int) (lines []string, exact bool) {
	own, exact := statementLines(s)
	var q quotes
	for _, line := range own {
		for first := true; ; first = false {
			room, indent := n, ""
			if !first {
				room, indent = n-2, "  "
			}
			end, next, clean := q.fold(line, room)
			exact = exact && clean
			lines = append(lines, indent+line[:end])
			if next == len(line) {
				break
			}
			line = line[next:]
		}
	}
	return lines, exact
}

// quotes follows what is quoted, across lines.
type quotes struct{ open rune }

// fold finds where a line ends that has room for n columns, and where the next
// begins. clean is false when it had to break what must stay together.
func (q *quotes) fold(line string, n int) (end, next int, clean bool) {
	whole := len(line)
	if fits := fitting(line, n); len(fits) < len(line) {
		whole = len(fits)
	}
	first := len(line) - len(strings.TrimLeft(line, " ")) // no break before the first word
	between, within, state := 0, 0, *q
	var then quotes // at the blank between words
	for i, r := range line {
		if i > whole || whole == len(line) && i == whole {
			break
		}
		if r == ' ' && i > first && i <= whole {
			if within = i; state.open == 0 {
				between, then = i, state
			}
		}
		state.see(r)
	}
	switch {
	case whole == len(line):
		*q = state
		return whole, whole, true
	case between > 0:
		*q = then
		return between, len(line) - len(strings.TrimLeft(line[between:], " ")), true
	case within > 0:
		whole = within + 1 // the blank stays, in what is quoted it counts
	default: // a word that is longer than the line: broken it could not be run
		for i, r := range line {
			if i >= whole && r == ' ' {
				break
			}
			q.see(r)
			whole = max(whole, i+utf8.RuneLen(r))
		}
		if q.open != 0 { // it goes on with a blank, which counts
			return whole, whole, whole == len(line)
		}
		return whole, len(line) - len(strings.TrimLeft(line[whole:], " ")), true
	}
	for _, r := range line[:whole] {
		q.see(r)
	}
	return whole, whole, false
}

func (q *quotes) see(r rune) {
	switch {
	case q.open == r:
		q.open = 0
	case q.open == 0 && (r == '\'' || r == '"'):
		q.open = r
	}
}

// fenceAround is a fence of back quotes that nothing in the text can close.
func fenceAround(lines []string) string {
	longest := 2
	for _, l := range lines {
		run := 0
		for _, r := range l {
			if r != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
	}
	return strings.Repeat("`", longest+1)
}

// language is what a block of code is coloured as: SQL where it is run by a
// server, a pooler's console among them.
func language(on string) string {
	if onServer(on) || strings.HasPrefix(on, "pooler ") {
		return "sql"
	}
	return "text"
}

// onServer tells that an action is taken by a server of a side.
func onServer(on string) bool {
	return on == "source" || on == "target" || on == "both" || strings.HasPrefix(on, "source, ") || strings.HasPrefix(on, "target, ")
}

// command is how a statement begins, other than what is said of one.
var command = regexp.MustCompile(`^[A-Z]{2,}\b`)

// typed is an action's statement as it is typed: one that a server or a console
// runs ends in a semicolon.
func typed(a *cutover.Action) string {
	if language(a.On) != "sql" || !command.MatchString(a.Do) || strings.Contains(a.Do, "…") {
		return a.Do
	}
	do := strings.TrimRight(a.Do, " \n")
	if strings.HasSuffix(do, ";") {
		return do
	}
	return do + ";"
}

// What is said of a statement that is not shown as it is run.
const (
	inexact = "shown with escapes: take it from the JSON report"
	broken  = "broken inside of quotes, or shown with escapes: take it from the Markdown or JSON report"
)

// masked tells whether a secret was left out of any of the actions.
func masked(steps []cutover.StepResult) bool {
	for i := range steps {
		for _, list := range [][]cutover.Action{steps[i].Actions, steps[i].Undo} {
			for k := range list {
				if strings.Contains(list[k].Do, "xxxxx") {
					return true
				}
			}
		}
	}
	return false
}
