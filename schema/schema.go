// Package schema compares what two databases are made of beside their rows:
// columns, constraints, indexes, triggers, views, functions, types, extensions,
// roles, privileges, settings. It compares by meaning: what the servers of two
// versions print differently for one and the same definition is no difference.
//
// The rules are:
//
//   - A definition is one fact, with a kind, about one object. An object that
//     one side lacks is one difference, not one for each of its facts.
//   - What a newer server does by itself with the same dump is no difference.
//   - The catalogs are read set-wise: the number of statements does not depend
//     on the number of objects.
//   - No privilege is needed for what everybody may read; what the role may not
//     see is said (Definitions.Hidden), never taken for absent.
package schema

// Severity ranks what was found, here and in a preflight.
type Severity string

// The severities.
const (
	Block Severity = "block" // what depends on it fails, or differs without a word
	Warn  Severity = "warn"  // somebody has to know, and to say so
	Info  Severity = "info"
)

// Definition is one fact about one object.
type Definition struct {
	Kind   string // one of Kinds: index, index_valid, trigger_enabled, …
	Table  string // the report name of the table that it belongs to, its tree's root for a partition, "" for none
	Object string // what it is called: public.orders.total, public.orders index by_day
	Text   string // the fact, as the server prints it

	within    string // the objects that it goes with, a line each
	otherwise string // "" for nothing: equal ones make the facts equal though their texts are not
	grantee   string // of a privilege: each has a fact of its own
}

// Difference is a fact on which the two sides do not agree.
type Difference struct {
	Kind           string
	Table          string
	Object         string
	Source, Target string // "" where the side has no such object or fact
	Severity       Severity
}
