package schema

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// judge weighs a difference: by kind and direction, and some by what they say.
// Of s and t one may be nil.
func (c *comparison) judge(k *kind, s, t *Definition) Severity {
	switch {
	case t == nil:
		return k.lacks
	case s == nil:
		switch {
		// The target refuses a second row that the source takes.
		case k.name == "index" && unique(t.Text):
			return Block
		// It hides rows, or refuses them, whatever the others allow.
		case k.name == "policy" && strings.HasPrefix(t.Text, "RESTRICTIVE"):
			return Block
		// Inserts that bring their own number fail.
		case k.name == "identity" && t.Text == "generated always":
			return Block
		// An insert that does not know of the column fails.
		case k.name == "column" && c.demands(t.Object):
			return Block
		}
		return k.extra
	}
	switch k.name {
	case "table": // elsewhere, and no replication brings it rows
		if s.Text == "foreign table" || t.Text != "foreign table" {
			return Warn
		}
	case "persistence":
		if s.Text == "unlogged" {
			return Warn
		}
	case "constraint_valid", "index_valid":
		if t.Text == "valid" {
			return Info
		}
	case "constraint_triggers":
		if t.Text == "enabled" {
			return Warn
		}
	case "materialized_view_populated":
		if t.Text == "populated" {
			return Info
		}
	case "identity": // inserts that bring their own number fail
		if t.Text == "generated always" {
			return Block
		}
	case "default":
		if t.Text == noDefault {
			return k.lacks
		}
	case "index":
		switch {
		case unique(s.Text) != unique(t.Text):
			return Block
		case sameTokens(withoutStorage(s.Text), withoutStorage(t.Text), false, false):
			return Info
		case unique(s.Text):
			return Block
		}
	case "owner": // a dump does not carry it, and whoever restores becomes it
		if strings.HasPrefix(s.Object, "extension ") {
			return Info
		}
	case "column_type":
		if holds(s.Text, t.Text) {
			return Warn
		}
	case "enum_labels":
		if subsequence(labels(s.Text), labels(t.Text)) {
			return Warn
		}
	}
	return k.differs
}

// withoutStorage is an index without its storage parameters, of which nothing
// depends but speed.
func withoutStorage(indexdef string) string { return storage.ReplaceAllString(indexdef, "") }

var storage = regexp.MustCompile(` WITH \([a-z_]+='[^']*'(, [a-z_]+='[^']*')*\)`)

func unique(indexdef string) bool { return strings.HasPrefix(indexdef, "CREATE UNIQUE ") }

// demands tells whether the target's column must be given a value.
func (c *comparison) demands(column string) bool {
	id := canonical(column)
	has := func(kind string) *Definition { return c.target.facts[factID{kind, id, ""}] }
	notNull := has("not_null")
	return notNull != nil && notNull.Text == "not null" && has("default") == nil && has("identity") == nil && has("generated") == nil
}

// labels splits what quote_literal joined. A label that has a comma and quotes
// in it comes in pieces, alike on both sides.
func labels(text string) []string { return strings.Split(text, "', '") }

// subsequence tells whether all of a is in b, in the same order.
func subsequence(a, b []string) bool {
	trim := func(s string) string { return strings.Trim(s, "'") }
	for _, label := range b {
		if len(a) > 0 && trim(a[0]) == trim(label) {
			a = a[1:]
		}
	}
	return len(a) == 0
}

// typeText takes a type's name apart: what is in its parentheses are its limits.
var typeText = regexp.MustCompile(`^([a-z ]+?)(?:\(([0-9]+)(?:,(-?[0-9]+))?\))?( with(?:out)? time zone)?$`)

// integers hold what those before them do; numeric holds all.
var integers = []string{"smallint", "integer", "bigint", "numeric"}

// holds tells whether a column of type b takes every value of type a, and as the
// same: false where that is not known.
func holds(a, b string) bool {
	x, y := typeText.FindStringSubmatch(a), typeText.FindStringSubmatch(b)
	if x == nil || y == nil {
		return false
	}
	text := []string{"character varying", "text"}
	switch {
	case slices.Contains(text, x[1]) && slices.Contains(text, y[1]):
		return y[2] == "" || x[2] != "" && number(x[2]) <= number(y[2])
	case x[1] == "real" && y[1] == "double precision":
		return true
	case slices.Contains(integers, x[1]) && x[1] != "numeric" && slices.Contains(integers, y[1]):
		return y[2] == "" && slices.Index(integers, x[1]) <= slices.Index(integers, y[1])
	case x[1] != y[1] || x[4] != y[4]:
		return false
	case y[2] == "": // no limit, but where none means the least
		return x[1] != "character" && x[1] != "bit"
	case x[2] == "":
		return false
	case x[1] == "numeric":
		return number(x[3]) <= number(y[3]) && number(x[2])-number(x[3]) <= number(y[2])-number(y[3])
	case x[1] == "character" || x[1] == "bit":
		return x[2] == y[2]
	}
	return number(x[2]) <= number(y[2])
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
