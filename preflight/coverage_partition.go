package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/schema"
)

// partitionLayout compares the partitions of tables by name. Changes are sent
// under the partition's name, unless the publication names the root.
func partitionLayout(ctx context.Context, f *facts) ([]Hazard, error) {
	sides, err := f.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	there := twins(sides[1])
	leaves := [2]map[string][]string{{}, {}} // by the root's name on the source, unquoted
	roots := map[string][2]string{}
	for i, side := range sides {
		for _, k := range side {
			if k.name == k.root {
				roots[fmt.Sprint(i)+k.root] = [2]string{k.schema, k.rel}
			}
		}
		for _, k := range side {
			if k.name != k.root && !k.partitioned {
				root := fmt.Sprint(roots[fmt.Sprint(i)+k.root])
				leaves[i][root] = append(leaves[i][root], k.schema+"."+k.rel)
			}
		}
	}
	var found []Hazard
	for _, s := range sides[0] {
		if !s.partitioned || s.name != s.root || !f.tables[s.root] || there[[2]string{s.schema, s.rel}] == nil {
			continue
		}
		at := fmt.Sprint([2]string{s.schema, s.rel})
		here, far := notIn(leaves[0][at], leaves[1][at]), notIn(leaves[1][at], leaves[0][at])
		if len(here)+len(far) == 0 {
			continue
		}
		h := Hazard{Object: s.name, Sentence: "its partitions differ: " + onlyOn(here, far)}
		switch {
		case c.viaRoot(s.name):
			h.Severity = schema.Info
			h.Sentence += "; its changes are sent under its own name, so the target only needs a partition for each row"
		case f.way() == byNothing:
			h.Severity = schema.Info
			h.Sentence += "; logical replication carries it only where it is published via its root"
		default:
			h.Sentence += "; changes are sent under the partition's name, and what the target lacks stops the subscription"
		}
		found = append(found, h)
	}
	return found, nil
}

// viaRoot tells whether all of a table is sent under its own name.
func (c *carriage) viaRoot(table string) bool {
	for _, p := range c.tables {
		if p.name != table {
			continue
		}
		for _, l := range p.leaves {
			if len(l.sendings) == 0 || slices.ContainsFunc(l.sendings, func(s sending) bool { return s.name != table }) {
				return false
			}
		}
		return true
	}
	return false
}

// notIn gives what of a list another lacks.
func notIn(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func onlyOn(here, far []string) string {
	var parts []string
	if len(here) > 0 {
		parts = append(parts, "only the source has "+fewOf(here, ", "))
	}
	if len(far) > 0 {
		parts = append(parts, "only the target has "+fewOf(far, ", "))
	}
	return strings.Join(parts, ", ")
}
