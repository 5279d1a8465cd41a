package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// What follows reads mappings inside of options: each function reports what is
// wrong with one value and returns the zero value then.

// walked is an option that the YAML walk alone reads.
func walked(walk func(*walker, entry, bool) (setter, rendering)) value {
	return value{kind: kindWalked, walk: walk, show: func(Pair) string { return "" }}
}

// mappings calls each with the place and the entries of every mapping of a
// list, and reports which of the required ones lack. An empty list is none: it
// takes out what stands under defaults.
func (w *walker) mappings(e entry, allowed names, required []string, each func(at origin, list []entry)) {
	seq, isList := e.value.(*ast.SequenceNode)
	if !isList {
		w.m.add(e.at, "must be a list, each item "+allowed.what)
		return
	}
	for i, n := range seq.Values {
		path := fmt.Sprintf("%s[%d]", e.at.key, i)
		list, ok := w.entries(n, path, allowed)
		if !ok {
			continue
		}
		at := w.atNode(n, path)
		w.require(at, list, required...)
		each(at, list)
	}
}

// has tells whether a key stands in a mapping.
func has(list []entry, key string) bool {
	return slices.ContainsFunc(list, func(s entry) bool { return s.name == key })
}

// require reports the keys that a mapping has to have and has not.
func (w *walker) require(at origin, list []entry, keys ...string) {
	for _, key := range keys {
		if !has(list, key) {
			w.m.add(at, key+" is missing")
		}
	}
}

func (w *walker) choice(e entry, allowed []string) string {
	s := w.word(e)
	if s != "" {
		if message := checkWord(s, allowed); message != "" {
			w.m.add(e.at, message)
			return ""
		}
	}
	return s
}

// named reads a name that reports print, and that no other has.
func (w *walker) named(e entry, taken func(string) bool) string {
	s := w.word(e)
	switch {
	case s == "":
	case !pairName.MatchString(s):
		w.m.add(e.at, "must be up to 63 letters, digits, dots, dashes and underscores, the first a letter or digit")
		return ""
	case taken(s):
		w.m.add(e.at, "is the name of another one already")
	}
	return s
}

func (w *walker) wait(e entry, least time.Duration) time.Duration {
	values, _, ok := w.values(kindDuration, e)
	if !ok {
		return 0
	}
	d, message := parseDuration(values[0], atLeast(least))
	if message != "" {
		w.m.add(e.at, message)
	}
	return d
}

func (w *walker) count(e entry, least, most int) int {
	values, _, ok := w.values(kindNumber, e)
	if !ok {
		return 0
	}
	n, message := parseNumber(values[0], least, most)
	if message != "" {
		w.m.add(e.at, message)
	}
	return n
}

// template reads a text, or a number, in which variables are filled in later.
func (w *walker) template(e entry, wrong func(string) string) template {
	s, ok := scalar(e.value)
	t := template{text: s, at: e.at, wrong: wrong}
	if !ok {
		w.m.add(e.at, "must be a text or a number")
		t.broken = true
		return t
	}
	t.check(w.m)
	return t
}

// anyText is wrong about nothing but what no receiver takes.
func anyText(s string) string {
	if strings.ContainsRune(s, 0) {
		return "holds a NUL byte"
	}
	return ""
}
