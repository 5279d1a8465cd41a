package checker

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// joinDefinitions compares what the two databases are made of beside rows.
func (r *run) joinDefinitions(ctx context.Context) error {
	sides, err := postgres.Both(ctx, r.source, r.target, schema.Read)
	if err != nil {
		return err
	}
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		for _, hidden := range sides[i].Hidden {
			r.note(fmt.Sprintf("%s: %s", side, hidden))
		}
	}
	var chosen func(string) bool // all, and what belongs to no table
	if !r.o.Pairing.Filter.Empty() {
		listed := map[string]bool{}
		for _, t := range r.pair.Tables {
			listed[t.Name] = true
		}
		chosen = func(table string) bool { return listed[table] }
	}
	r.definitions = slices.DeleteFunc(schema.Compare(sides[0], sides[1], chosen), r.said)
	return nil
}

// paired are the kinds of definitions that pairing tells as well, and how it
// calls them.
var paired = map[string][]string{
	"table":             {"missing_table", "extra_table", "kind"},
	"materialized_view": {"missing_table", "extra_table", "kind"},
	"column":            {"missing_column", "extra_column"},
	"column_type":       {"column_type"},
	"column_collation":  {"column_collation"},
}

// said tells whether a difference is in the result without the check schema.
func (r *run) said(d schema.Difference) bool {
	if d.Kind == "sequence" && r.o.has("sequences") { // which says nothing of how many are cached
		return slices.ContainsFunc(r.pair.Sequences, func(q *pairing.Sequence) bool {
			return q.Name == d.Object && (q.Source == nil || q.Target == nil || q.DefinitionDiffers() != "")
		})
	}
	return slices.ContainsFunc(r.pair.Differences, func(p pairing.Difference) bool {
		return p.Object == d.Object && slices.Contains(paired[d.Kind], p.Kind)
	})
}

// finishDefinitions reports what the check schema found. Under --strict what
// blocks or warns decides; what is for information never does.
func (r *run) finishDefinitions(v *verdicts, strict map[string][]string) {
	for _, d := range r.definitions {
		r.result.Schema = append(r.result.Schema, SchemaFinding{Kind: d.Kind, Object: d.Object, Source: d.Source, Target: d.Target, Severity: string(d.Severity)})
		if r.o.Strict && d.Severity != schema.Info {
			sentence := d.Object + ": " + d.Sentence()
			v.add(Mismatch, sentence)
			strict[d.Table] = append(strict[d.Table], sentence)
		}
	}
}
