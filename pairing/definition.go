package pairing

import (
	"cmp"
	"slices"

	"github.com/pgparity/pgparity/postgres"
)

// JoinDefinitions adds the differences between the definitions of the tables
// that are on both sides: defaults, constraints, indexes, triggers and the
// like. None of them decides: they say nothing of the data that is there.
func (p *Pair) JoinDefinitions(source, target []postgres.Definition) {
	type id struct{ kind, object string }
	paired := map[string]bool{}
	for _, t := range p.Tables {
		paired[t.Name] = t.Both()
	}
	onTarget := map[id]string{}
	for _, d := range target {
		onTarget[id{d.Kind, d.Object}] = d.Text
	}
	var found []Difference
	seen := map[id]bool{}
	note := func(d postgres.Definition, source, target string) {
		if paired[d.Table] && source != target {
			found = append(found, Difference{Kind: d.Kind, Table: d.Table, Object: d.Object, Source: source, Target: target})
		}
	}
	for _, d := range source {
		key := id{d.Kind, d.Object}
		seen[key] = true
		note(d, d.Text, onTarget[key])
	}
	for _, d := range target {
		if !seen[id{d.Kind, d.Object}] {
			note(d, "", d.Text)
		}
	}
	slices.SortStableFunc(found, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Kind, b.Kind))
	})
	p.Differences = append(p.Differences, found...)
}
