package pairing

import (
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/postgres"
)

// Sequence is a sequence on both sides, or on one.
type Sequence struct {
	Name           string
	Source, Target *postgres.Sequence
}

// On is the sequence on one side, nil where it has none.
func (q *Sequence) On(side postgres.Side) *postgres.Sequence {
	if side == postgres.Target {
		return q.Target
	}
	return q.Source
}

func (p *Pair) joinSequences(source, target *postgres.Catalog, f Filter) {
	onTarget := map[objectName]*postgres.Sequence{}
	for _, q := range target.Sequences {
		onTarget[objectName{q.Schema, q.Name}] = q
	}
	chosen := func(q *postgres.Sequence) bool {
		if slices.Contains(toolSchemas, q.Schema) || q.Extension != "" {
			return false
		}
		if q.OwnerTable != "" { // a table's own sequence comes and goes with it
			if c, excluded := f.chosen(q.OwnerSchema, q.OwnerTable); c || excluded {
				return c
			}
		}
		c, _ := f.chosen(q.Schema, q.Name)
		return c
	}
	seen := map[objectName]bool{}
	for _, s := range source.Sequences {
		name := objectName{s.Schema, s.Name}
		seen[name] = true
		if chosen(s) {
			p.Sequences = append(p.Sequences, &Sequence{Name: s.Quoted, Source: s, Target: onTarget[name]})
		}
	}
	for _, t := range target.Sequences {
		if !seen[objectName{t.Schema, t.Name}] && chosen(t) {
			p.Sequences = append(p.Sequences, &Sequence{Name: t.Quoted, Target: t})
		}
	}
}

// DefinitionDiffers says how the two definitions differ, or "".
func (q *Sequence) DefinitionDiffers() string {
	s, t := q.Source, q.Target
	type fact struct {
		name           string
		source, target any
	}
	for _, f := range []fact{{"type", s.Type, t.Type}, {"increment", s.Increment, t.Increment},
		{"minimum", s.Min, t.Min}, {"maximum", s.Max, t.Max}, {"start", s.Start, t.Start}, {"cycle", s.Cycle, t.Cycle}} {
		if f.source != f.target {
			return fmt.Sprintf("%s is %v on the source, %v on the target", f.name, f.source, f.target)
		}
	}
	return ""
}
