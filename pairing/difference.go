package pairing

import (
	"fmt"
	"strings"
)

// Effect is what a difference between the catalogs does to the verdict.
type Effect int

// The effects.
const (
	Noted     Effect = iota // said, not deciding unless --strict
	Undecided               // something cannot be compared: unproven
	Decisive                // the target lacks something: mismatch
)

// Difference is a fact on which the two catalogs do not agree.
type Difference struct {
	Kind           string // missing_table, extra_column, column_type, …
	Table          string // the report name of the table it concerns, "" for none
	Object         string // public.orders.total
	Source, Target string
	Effect         Effect
}

// Sentence says the difference for a person.
func (d Difference) Sentence() string {
	switch d.Kind {
	case "missing_table", "missing_column":
		return d.Object + " is missing on the target"
	case "extra_table", "extra_column":
		return d.Object + " is on the target only"
	case "no_common_key":
		return d.Object + ": " + d.Target
	default:
		return fmt.Sprintf("%s: %s is %s on the source, %s on the target", d.Object, strings.ReplaceAll(d.Kind, "_", " "), orNone(d.Source), orNone(d.Target))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
