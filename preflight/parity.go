package preflight

import (
	"context"
	"strings"

	"github.com/pgparity/pgparity/schema"
)

// schemaDetectors tell what schema.Compare found, one for each kind.
func schemaDetectors() []Detector {
	var list []Detector
	for _, k := range schema.Kinds() {
		list = append(list, Detector{ID: "schema-" + strings.ReplaceAll(k.Name, "_", "-"), Severity: k.Severity, About: k.About, When: notPhysical,
			Find: func(_ context.Context, f *facts) (found []Hazard, _ error) {
				for _, d := range f.differences {
					if d.Kind == k.Name {
						found = append(found, Hazard{Severity: d.Severity, Object: d.Object, Sentence: d.Sentence()})
					}
				}
				return found, nil
			}})
	}
	return list
}
