package pairing

import (
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Filter chooses tables by globs over the unquoted schema.table. A glob
// without a dot means any schema; `*` and `?` do not cross the dot; several
// are or-ed, and exclusion wins. Empty lists choose everything.
type Filter struct {
	Tables, ExcludeTables   []string
	Schemas, ExcludeSchemas []string
}

// Empty tells whether the filter chooses everything.
func (f Filter) Empty() bool {
	return len(f.Tables)+len(f.ExcludeTables)+len(f.Schemas)+len(f.ExcludeSchemas) == 0
}

// chosen tells whether an object is asked for; excluded tells that it would
// be, but for an exclusion.
func (f Filter) chosen(schema, name string) (chosen, excluded bool) {
	if len(f.Schemas) > 0 && !anyGlob(f.Schemas, schema) {
		return false, false
	}
	if len(f.Tables) > 0 && !anyTableGlob(f.Tables, schema, name) {
		return false, false
	}
	if anyGlob(f.ExcludeSchemas, schema) || anyTableGlob(f.ExcludeTables, schema, name) {
		return false, true
	}
	return true, false
}

func anyTableGlob(globs []string, schema, name string) bool {
	for _, g := range globs {
		if matchTable(g, schema, name) {
			return true
		}
	}
	return false
}

func anyGlob(globs []string, s string) bool {
	for _, g := range globs {
		if glob(g, s) {
			return true
		}
	}
	return false
}

// matchTable tries every dot of the glob as the one between schema and table,
// since either name may hold dots itself.
func matchTable(pattern, schema, name string) bool {
	if !strings.Contains(pattern, ".") {
		return glob(pattern, name)
	}
	for i := range len(pattern) {
		if pattern[i] == '.' && glob(pattern[:i], schema) && glob(pattern[i+1:], name) {
			return true
		}
	}
	return false
}

// glob matches `*` (any run) and `?` (any one character) over a whole name,
// in time linear in the name for each star.
func glob(pattern, s string) bool {
	p, r := []rune(pattern), []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(r) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == r[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// LeafError refuses a filter that names a partition: partitions are compared
// through their root, so that both sides may be partitioned differently.
type LeafError struct{ Leaf, Root string }

func (e *LeafError) Error() string {
	return fmt.Sprintf("%s is a partition of %s: partitions are compared through their root; use --table %s", e.Leaf, e.Root, e.Root)
}

// checkLeaves refuses globs that name a partition literally.
func (f Filter) checkLeaves(tables []*postgres.Table) error {
	for _, g := range f.Tables {
		if strings.ContainsAny(g, "*?") {
			continue
		}
		var leaf *postgres.Table
		for _, t := range tables {
			if !matchTable(g, t.Schema, t.Name) {
				continue
			}
			if !t.Partition {
				leaf = nil
				break
			}
			leaf = t
		}
		if leaf != nil {
			return &LeafError{Leaf: leaf.Quoted, Root: rootOf(leaf, tables).Quoted}
		}
	}
	return nil
}

// rootOf climbs from a partition to the root of its tree.
func rootOf(t *postgres.Table, tables []*postgres.Table) *postgres.Table {
	for t.Partition {
		parent := byQuoted(tables, t.Parent)
		if parent == nil {
			break
		}
		t = parent
	}
	return t
}

func byQuoted(tables []*postgres.Table, quoted string) *postgres.Table {
	for _, t := range tables {
		if t.Quoted == quoted {
			return t
		}
	}
	return nil
}

// findUnmatched says which globs chose nothing at all: a typo in a filter
// must not shrink a proof in silence.
func (p *Pair) findUnmatched(source, target *postgres.Catalog, f Filter) {
	matches := func(pattern string, match func(pattern, schema, name string) bool) bool {
		for _, c := range []*postgres.Catalog{source, target} {
			for _, t := range c.Tables {
				if !t.Partition && match(pattern, t.Schema, t.Name) { // a partition alone is not planned
					return true
				}
			}
			for _, q := range c.Sequences {
				if match(pattern, q.Schema, q.Name) {
					return true
				}
			}
		}
		return false
	}
	for _, g := range f.Tables {
		if !matches(g, matchTable) {
			p.Unmatched = append(p.Unmatched, g)
		}
	}
	for _, g := range f.Schemas {
		if !matches(g, func(pattern, schema, _ string) bool { return glob(pattern, schema) }) {
			p.Unmatched = append(p.Unmatched, g)
		}
	}
}
