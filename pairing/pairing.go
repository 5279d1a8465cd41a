// Package pairing turns two catalogs into paired tables, columns, keys and
// sequences. What cannot be paired is said: nothing of the source leaves the
// pairing without either a pair or a Difference.
package pairing

import (
	"slices"
	"sort"

	"github.com/pgparity/pgparity/postgres"
)

// Pair is everything that two databases have in common or not.
type Pair struct {
	Tables      []*Table
	Sequences   []*Sequence
	Differences []Difference
	Excluded    []Omission // on purpose: said, not deciding
	// Unmatched are globs of the filter that chose nothing.
	Unmatched []string
	// Subscriptions are the enabled logical subscriptions on the target.
	Subscriptions []string

	sameEncoding bool // of the servers: equal text is equal bytes
}

// Omission is an object left out, and why.
type Omission struct {
	Object, Reason string
	Why            Why
}

// Why tells omissions apart.
type Why int

// The omissions: by their nature, or because somebody said so.
const (
	ByKind       Why = iota // foreign table, materialised view, member of an extension
	OnRequest               // the filter leaves it out
	OfTool                  // a replication or maintenance tool's own
	OnTargetOnly            // any of those, where the source has no such object
	LargeObjects
)

// Options says what to pair.
type Options struct {
	Filter Filter
	// Keys overrides the key of a table (by unquoted schema.table).
	Keys map[string][]string
	// Keyless are tables (named likewise) whose key is not to be used: they
	// are compared as multisets.
	Keyless map[string]bool
	// Matviews: materialised views are compared as tables are.
	Matviews bool
}

// toolSchemas hold replication tools' own tables, which differ by nature.
var toolSchemas = []string{"bucardo", "pglogical", "pgparity", "repack", "squeeze"}

// Join pairs two catalogs by name. The error is the operator's: a filter
// that names a partition, or a key that is none.
func Join(source, target *postgres.Catalog, o Options) (*Pair, error) {
	if err := o.Filter.checkLeaves(source.Tables); err != nil {
		return nil, err
	}
	p := &Pair{Subscriptions: target.Subscriptions, sameEncoding: source.Encoding == target.Encoding}
	if err := p.joinTables(source, target, o); err != nil {
		return nil, err
	}
	if source.LargeObjects && o.Filter.Empty() {
		p.Excluded = append(p.Excluded, Omission{"pg_catalog.pg_largeobject", "large objects are not compared", LargeObjects})
	}
	p.joinSequences(source, target, o.Filter)
	p.findUnmatched(source, target, o.Filter)
	return p, nil
}

// omitted says why a relation is not planned, or "".
func (o Options) omitted(t *postgres.Table) (reason string, why Why) {
	switch {
	case slices.Contains(toolSchemas, t.Schema):
		return "belongs to a replication or maintenance tool", OfTool
	case t.Extension != "":
		return "member of extension " + t.Extension, ByKind
	case t.Kind == 'f':
		return "foreign table", ByKind
	case t.Kind == 'm' && !o.Matviews:
		return "materialised view", ByKind
	}
	return "", ByKind
}

func (p *Pair) joinTables(source, target *postgres.Catalog, o Options) error {
	onTarget := map[objectName]*postgres.Table{}
	for _, t := range target.Tables {
		onTarget[objectName{t.Schema, t.Name}] = t
	}
	onSource := map[objectName]bool{}
	for _, s := range source.Tables {
		onSource[objectName{s.Schema, s.Name}] = true
		t := onTarget[objectName{s.Schema, s.Name}]
		// A partition is part of its root, unless the target has it as a table of its own.
		if s.Partition && (t == nil || t.Partition) {
			p.omitPartition(s, source.Tables, o.Filter)
			continue
		}
		chosen, excluded := o.Filter.chosen(s.Schema, s.Name)
		reason, why := o.omitted(s)
		switch {
		case excluded:
			p.Excluded = append(p.Excluded, Omission{s.Quoted, "excluded on request", OnRequest})
		case !chosen:
		case reason != "":
			p.Excluded = append(p.Excluded, Omission{s.Quoted, reason, why})
		default:
			pt, err := p.joinTable(s, t, o)
			if err != nil {
				return err
			}
			p.Tables = append(p.Tables, pt)
		}
	}
	for _, t := range target.Tables {
		if chosen, _ := o.Filter.chosen(t.Schema, t.Name); onSource[objectName{t.Schema, t.Name}] || t.Partition || !chosen {
			continue
		}
		if reason, _ := o.omitted(t); reason != "" {
			p.Excluded = append(p.Excluded, Omission{t.Quoted, reason + " (on the target only)", OnTargetOnly})
			continue
		}
		p.Tables = append(p.Tables, &Table{Name: t.Quoted, Target: t})
		p.Differences = append(p.Differences, Difference{Kind: "extra_table", Table: t.Quoted, Object: t.Quoted, Target: kindWord(t.Kind)})
	}
	sort.SliceStable(p.Tables, func(i, j int) bool { return p.Tables[i].Name < p.Tables[j].Name })
	return nil
}

// objectName identifies an object on both sides. The quoted name would not:
// whether quote_ident quotes a word depends on the version's keywords.
type objectName struct{ schema, name string }

// omitPartition says that a partition is not compared, though the filter
// chooses it, because it leaves out the root that it would be compared with.
func (p *Pair) omitPartition(t *postgres.Table, tables []*postgres.Table, f Filter) {
	if chosen, _ := f.chosen(t.Schema, t.Name); !chosen {
		return
	}
	root := rootOf(t, tables)
	if chosen, excluded := f.chosen(root.Schema, root.Name); !chosen && !excluded {
		p.Excluded = append(p.Excluded, Omission{t.Quoted, "partition of " + root.Quoted + ", which the filter does not choose", OnRequest})
	}
}
