package preflight

import (
	"context"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// toldBetter are kinds that a detector of its own tells (locale-differs).
var toldBetter = []string{"database_encoding", "database_locale"}

// schemaDetectors tell what schema.Compare found, one for each kind. That
// nothing could be compared the first one says for all.
func schemaDetectors() []Detector {
	var list []Detector
	for _, k := range schema.Kinds() {
		if slices.Contains(toldBetter, k.Name) {
			continue
		}
		first := len(list) == 0
		list = append(list, Detector{ID: "schema-" + strings.ReplaceAll(k.Name, "_", "-"), Severity: k.Severity, About: k.About,
			When: func(f *facts) string {
				if f.unread != nil && !first {
					return "what the two sides are made of could not be compared"
				}
				return notPhysical(f)
			},
			Find: func(_ context.Context, f *facts) ([]Hazard, error) {
				return parity(f, k.Name), f.unread
			}})
	}
	return list
}

func parity(f *facts, kind string) (found []Hazard) {
	for _, d := range f.differences {
		if d.Kind == kind && !f.feeding(d) {
			found = append(found, Hazard{Severity: d.Severity, Object: d.Object, Sentence: d.Sentence()})
		}
	}
	return found
}

// feeding tells whether a difference is that the target lacks a publication which
// brings it the changes: it has its place on the source alone.
func (f *facts) feeding(d schema.Difference) bool {
	return d.Kind == "publication" && d.Target == "" && slices.ContainsFunc(f.publications, func(name string) bool {
		return d.Object == "publication "+name || d.Object == "publication "+postgres.Ident(name)
	})
}
