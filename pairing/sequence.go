package pairing

import (
	"cmp"
	"fmt"
	"math/big"
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

// OwnerTable is the paired table with the integer column of one name that both
// sides' sequences feed, nil where there is none: a sequence that is owned by a
// column of text can't be looked up in it by number.
func (p *Pair) OwnerTable(q *Sequence) *Table {
	if q.Source == nil || q.Target == nil || q.Source.OwnerColumn == "" || q.Source.OwnerColumn != q.Target.OwnerColumn {
		return nil
	}
	for _, t := range p.Tables {
		if t.Both() && t.Target.Schema == q.Target.OwnerSchema && t.Target.Name == q.Target.OwnerTable &&
			integer(t.Target.Column(q.Target.OwnerColumn)) && integer(t.Source.Column(q.Source.OwnerColumn)) {
			return t
		}
	}
	return nil
}

func integer(c *postgres.Column) bool {
	return c != nil && c.Type.BuiltIn && slices.Contains([]string{"int2", "int4", "int8"}, c.Type.Name)
}

// CompareNext orders two states of a sequence by the value they would give
// next: negative when a comes before b in the direction of the increment. A
// value that was not yet called is the next one, so 9 called and 10 not called
// are equal.
func CompareNext(a, b postgres.SequenceState, increment int64) int {
	order := cmp.Compare(a.LastValue, b.LastValue)
	if a.IsCalled != b.IsCalled { // sums of int8 may not fit in one
		order = Upcoming(a, increment).Cmp(Upcoming(b, increment))
	}
	if increment < 0 {
		return -order
	}
	return order
}

// Upcoming is the value that comes after a state, whether the sequence has one
// or ends before it. The caller owns it.
func Upcoming(s postgres.SequenceState, increment int64) *big.Int {
	n := big.NewInt(s.LastValue)
	if s.IsCalled {
		n.Add(n, big.NewInt(increment))
	}
	return n
}

// NextValue is what nextval would give: past the limit that is the other end
// where the sequence cycles, else an error, and then there is none.
func NextValue(s postgres.SequenceState, q *postgres.Sequence) (next int64, given bool) {
	n := Upcoming(s, q.Increment)
	switch {
	case n.Cmp(big.NewInt(q.Max)) > 0:
		return q.Min, q.Cycle
	case n.Cmp(big.NewInt(q.Min)) < 0:
		return q.Max, q.Cycle
	}
	return n.Int64(), true
}

// Position says a state for a person.
func Position(s postgres.SequenceState) string {
	if s.IsCalled {
		return fmt.Sprint(s.LastValue)
	}
	return fmt.Sprintf("%d (not yet called)", s.LastValue)
}
