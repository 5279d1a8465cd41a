package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Sentence says the difference for a person: what each side has, and what
// follows from it.
func (d Difference) Sentence() string {
	k := kindNamed[d.Kind]
	if k == nil {
		return fmt.Sprintf("%s: %q on the source, %q on the target", d.Kind, d.Source, d.Target)
	}
	what := strings.ReplaceAll(d.Kind, "_", " ")
	if k.head {
		what = "the " + what
	}
	then, follows := k.then, k.then
	if other := insteadThen[d.Kind]; other != "" {
		then = other
	}
	if other := lighterThen[d.Kind]; other != "" && d.Severity != k.differs {
		then = other
	}
	switch {
	case d.Target == "" && k.head:
		return what + " is missing on the target" + because(follows) + in(d.Source)
	case d.Source == "" && k.head:
		return what + " is on the target only" + because(k.also) + in(d.Target)
	case d.Target == "":
		return what + ": " + d.Source + " on the source, none on the target" + because(follows)
	case d.Source == "":
		return what + ": none on the source, " + d.Target + " on the target" + because(k.also)
	}
	return what + ": " + d.Source + " on the source, " + d.Target + " on the target" + because(then)
}

// insteadThen is what follows where the target has it otherwise, of kinds where
// more follows when it lacks it.
var insteadThen = map[string]string{
	"table":       "rows are stored, planned for and replicated otherwise",
	"constraint":  "rows that one side refuses are taken by the other",
	"index":       "queries that it serves are planned otherwise, and uniqueness may be another",
	"sequence":    "it gives out other values",
	"function":    "calls of it fail, or give something else",
	"role":        "it may do other things, or cannot log in",
	"default":     "rows that are inserted without a value get another",
	"membership":  "the role may hand on what it should not, or may not",
	"publication": "other changes go to what subscribes to it",
}

// lighterThen is what follows where the target has it otherwise, and that is
// judged to weigh less than usual: mostly it has the better of it.
var lighterThen = map[string]string{
	"column_type":                 "the target's takes every value of the source's, not the other way round",
	"constraint_triggers":         "the target checks what the source does not",
	"constraint_valid":            "the target vouches for what the source does not",
	"enum_labels":                 "the target has labels that the source lacks",
	"index":                       "it is stored otherwise, and serves the same queries",
	"index_valid":                 "the target's serves queries, the source's does not",
	"materialized_view_populated": "the target's can be read, the source's cannot",
	"owner":                       "a dump does not carry it: whoever restores becomes it",
	"persistence":                 "the target's outlives a crash, the source's is empty after one",
	"privilege":                   "roles may do more than on the source",
}

func because(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func in(s string) string { return " (" + s + ")" }

// How many characters of a text are shown, and of those how many come before
// where the two sides part.
const (
	shown  = 200
	before = 40
)

// shorten cuts two texts to where they part. What differs is never shown alike.
func shorten(a, b string) (string, string) {
	differ := a != b
	if a, b = visible(a), visible(b); differ && a == b {
		a = window(oneLine(a), 0)
		return a, a + ", another"
	}
	if x, y := oneLine(a), oneLine(b); x != y || a == b {
		a, b = x, y
	}
	start := 0
	if len(a) > shown || len(b) > shown {
		for start < len(a) && start < len(b) && a[start] == b[start] {
			start++
		}
		if start = max(start-before, 0); a == "" || b == "" {
			start = 0
		}
		for start > 0 && !utf8.RuneStart(a[start]) {
			start--
		}
	}
	return window(a, start), window(b, start)
}

// from leaves out what comes long before a place in a text that is not short: what
// stands there means the same on both sides, though it may be printed otherwise.
func from(s string, at int) string {
	at = min(max(at-before, 0), len(s))
	for at > 0 && at < len(s) && !utf8.RuneStart(s[at]) {
		at--
	}
	if at == 0 {
		return s
	}
	return "…" + s[at:]
}

// visible leaves out what tells two secrets apart.
func visible(s string) string {
	told, _, _ := strings.Cut(s, "\x01")
	return told
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func window(s string, start int) string {
	if s == "" {
		return ""
	}
	out := s[min(start, len(s)):]
	if len(out) > shown {
		end := shown
		for end > 0 && !utf8.RuneStart(out[end]) {
			end--
		}
		out = out[:end] + "…"
	}
	if start > 0 {
		out = "…" + out
	}
	return out
}
