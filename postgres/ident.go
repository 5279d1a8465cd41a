package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Ident quotes a possibly qualified name for use in a statement.
func Ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// Literal quotes text as a string constant, whatever
// standard_conforming_strings is.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// Scope is a set of rows of one relation: what FROM and WHERE select. The
// parameters are $1 … $n of Args.
type Scope struct {
	From  string
	Where string // "" for all rows
	Args  []string
}

// And narrows a scope. The condition may use parameters from $n+1 on, where
// n is the number of the scope's own.
func (s Scope) And(condition string, args ...string) Scope {
	if s.Where != "" {
		condition = s.Where + " AND " + condition
	}
	return Scope{From: s.From, Where: condition, Args: append(append([]string{}, s.Args...), args...)}
}

// Clause is "FROM … WHERE …".
func (s Scope) Clause() string {
	if s.Where == "" {
		return "FROM " + s.From
	}
	return "FROM " + s.From + " WHERE " + s.Where
}

// Bins divide a scope into numbered parts that don't overlap.
type Bins struct {
	List string // a FROM item b(n, …) with one row a bin, numbered from 1
	In   string // the condition that a row of the scope, t, lies in bin b
	// Args are List's parameters, which follow the scope's.
	Args  []string
	Count int
}

// Of is the rows of a scope that lie in any of the bins.
func (b Bins) Of(s Scope) Scope {
	narrow := s.And(b.In, b.Args...)
	return Scope{From: b.List + " CROSS JOIN " + narrow.From, Where: narrow.Where, Args: narrow.Args}
}

// Young narrows a scope to the rows that a transaction from horizon on has
// written: a number as pg_current_snapshot prints it. The relation must have
// xmin. VACUUM changes no answer: a frozen row shows the xmin it had.
func Young(s Scope, horizon string) Scope { return s.And(young(s), horizon) }

// Older is what Young leaves out.
func Older(s Scope, horizon string) Scope { return s.And("NOT ("+young(s)+")", horizon) }

func young(s Scope) string {
	return fmt.Sprintf("pg_catalog.age(t.xmin) OPERATOR(pg_catalog.>=) 0 AND pg_catalog.age(t.xmin) OPERATOR(pg_catalog.<=) "+
		"(SELECT pg_catalog.age(($%d::pg_catalog.int8 OPERATOR(pg_catalog.%%) 4294967296)::pg_catalog.text::pg_catalog.xid))", len(s.Args)+1)
}
