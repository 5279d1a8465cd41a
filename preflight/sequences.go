package preflight

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// sequenceDetectors look at sequences by what they mean: which value each side
// would hand out next, and whether something has it already.
var sequenceDetectors = []Detector{
	{
		ID: "sequence-unreadable", Severity: schema.Info,
		About: "sequences, and the columns they feed, that the role may not read",
		Find:  unreadableSequences,
	},
	{
		ID: "sequence-missing", Severity: schema.Block, Side: postgres.Target, When: notPhysical,
		About: "sequences of the source that the target lacks",
		Find:  missingSequences,
	},
	{
		ID: "sequence-behind", Severity: schema.Block, Side: postgres.Target, When: notPhysical,
		About: "sequences that would hand out values again that the source has given",
		Find:  sequencesBehind,
	},
	{
		ID: "sequence-ahead", Severity: schema.Info, AtWorst: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "sequences that are further than the source's",
		Find:  sequencesAhead,
	},
	{
		ID: "sequence-collides", Severity: schema.Block, Side: postgres.Target, When: notPhysical,
		About: "sequences whose next value is already in the column they feed",
		Find:  sequencesColliding,
	},
	{
		ID: "sequence-feeds-by-default", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "sequences that no column owns and that are behind the column whose default they are",
		Find:  sequencesByDefault,
	},
	{
		ID: "sequence-unowned", Severity: schema.Info, Side: postgres.Source, When: notPhysical,
		About: "sequences that no column owns",
		Find:  unownedSequences,
	},
	{
		ID: "sequence-definition", Severity: schema.Warn, AtWorst: schema.Block, Side: postgres.Target, When: notPhysical,
		About: "sequences that are defined otherwise on the target",
		Find:  sequenceDefinitions,
	},
	{
		ID: "sequence-exhausted", Severity: schema.Warn, AtWorst: schema.Block,
		About: "sequences, and the columns they feed, that run out of values",
		Find:  sequencesExhausted,
	},
	{
		ID: "sequences-interleave", Severity: schema.Block,
		About: "sequences that hand out the same values on both sides, where both write",
		When: func(f *facts) string {
			if f.bothWays() {
				return ""
			}
			return "changes go one way only"
		},
		Find: sequencesInterleaved,
	},
}

// rowsOnly tells whether what carries the pair takes rows and no sequences, large
// objects or the like: then a cutover sets the sequences itself.
func (f *facts) rowsOnly() bool {
	return f.carries(fence.KindLogical) || f.carries(fence.KindPglogical) || f.carries(fence.KindBucardo) || f.carries(fence.KindHeartbeat)
}

// bothWrite tells whether both sides hand out values: changes go both ways, and
// the way back is no rollback's that waits to be enabled.
func (f *facts) bothWrite(ctx context.Context) (bool, error) {
	if !f.bothWays() {
		return false, nil
	}
	return f.wayBackOpen(ctx)
}

// standing is a sequence of which both sides' states are known.
type standing struct {
	*pairing.Sequence
	source, target postgres.SequenceState
}

// standings are the sequences whose states can be compared: both sides have
// them, the role may read them, and they run in one direction.
func (f *facts) standings() []standing {
	return slices.DeleteFunc(f.stood(), func(s standing) bool { return (s.Source.Increment < 0) != (s.Target.Increment < 0) })
}

// stood are those of any direction.
func (f *facts) stood() []standing {
	var list []standing
	for _, q := range f.pair.Sequences {
		if q.Source == nil || q.Target == nil {
			continue
		}
		source, okS := f.states[postgres.Source][q.Source.OID]
		target, okT := f.states[postgres.Target][q.Target.OID]
		if okS && okT {
			list = append(list, standing{q, source, target})
		}
	}
	return list
}

// order is negative where the target is behind its source, positive where it is
// ahead: by what each gives next, by its own increment.
func (s standing) order() int {
	source, target := s.upcoming()
	if s.Source.Increment < 0 {
		return source.Cmp(target)
	}
	return target.Cmp(source)
}

// upcoming is what each side gives next, whether it has such a value or not.
func (s standing) upcoming() (source, target *big.Int) {
	return pairing.Upcoming(s.source, s.Source.Increment), pairing.Upcoming(s.target, s.Target.Increment)
}

// setTo makes a sequence of the target go on where the source's does, "" where
// it can't.
func (s standing) setTo() string {
	if s.source.LastValue < s.Target.Min || s.source.LastValue > s.Target.Max {
		return ""
	}
	if s.Source.Increment != s.Target.Increment {
		next, given := pairing.NextValue(s.source, s.Source)
		if !given || next < s.Target.Min || next > s.Target.Max {
			return ""
		}
		return fmt.Sprintf("SELECT pg_catalog.setval(%s, %d, false)", postgres.Literal(s.Target.Quoted), next)
	}
	return fmt.Sprintf("SELECT pg_catalog.setval(%s, %d, %t)", postgres.Literal(s.Target.Quoted), s.source.LastValue, s.source.IsCalled)
}

func sequencesBehind(ctx context.Context, f *facts) ([]Hazard, error) {
	bothWrite, err := f.bothWrite(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, s := range f.standings() {
		if s.order() >= 0 {
			continue
		}
		source, target := s.upcoming()
		h := Hazard{Object: s.Target.Quoted, Fix: s.setTo(),
			Sentence: fmt.Sprintf("its next value is %d, the source's is %d: the next insert collides with rows that are there", target, source)}
		switch {
		case bothWrite: // sequences-interleave tells whether they meet
			h.Severity, h.Fix, h.Sentence = schema.Info, "", fmt.Sprintf("its next value is %d, the source's is %d: each side hands out values of its own", target, source)
		case f.rowsOnly():
			h.Severity, h.Sentence = schema.Info, fmt.Sprintf("its next value is %d, the source's is %d: rows are replicated and sequences are not, so a cutover sets it", target, source)
		}
		found = append(found, h)
	}
	return found, nil
}

func sequencesAhead(ctx context.Context, f *facts) ([]Hazard, error) {
	inUse, err := f.inUse(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, s := range f.standings() {
		if s.order() <= 0 {
			continue
		}
		source, target := s.upcoming()
		values := new(big.Int).Sub(target, source)
		values.Quo(values.Abs(values), new(big.Int).Abs(big.NewInt(s.Source.Increment)))
		h := Hazard{Object: s.Target.Quoted, Fix: s.setTo(),
			Sentence: fmt.Sprintf("its next value is %d, the source's is %d: %d values are never handed out", target, source, values)}
		if inUse[s.Target.OID] {
			h.Fix = "" // set back it would give what a column has
		}
		switch {
		case f.bothWays():
			h.Fix, h.Sentence = "", fmt.Sprintf("its next value is %d, the source's is %d: the target has handed out values of its own", target, source)
		case values.Cmp(big.NewInt(f.o.Margin)) > 0:
			h.Severity = schema.Warn
			h.Sentence += ", more than the margin of " + fmt.Sprint(f.o.Margin) + ": somebody has written to the target, or set it by mistake"
		}
		found = append(found, h)
	}
	return found, nil
}

// inUse are the target's sequences that are ahead, and feed columns that have, or
// for all that is known may have, values at or past the source's next one.
func (f *facts) inUse(ctx context.Context) (map[uint32]bool, error) {
	feeds, err := f.target.ReadFeeds(ctx)
	if err != nil {
		return nil, err
	}
	list, err := f.lookups(ctx, postgres.Target, func(s standing, _ postgres.Feed) (int64, bool) {
		if s.order() <= 0 {
			return 0, false
		}
		return pairing.NextValue(s.source, s.Source)
	})
	if err == nil {
		err = f.lookUp(ctx, postgres.Target, list, true)
	}
	if err != nil {
		return nil, err
	}
	free := map[uint32]int{} // columns that were looked at and have none
	for _, l := range list {
		if !l.behindColumn() {
			free[l.sequence]++
		}
	}
	used := map[uint32]bool{}
	for _, s := range f.standings() {
		used[s.Target.OID] = s.order() > 0 && free[s.Target.OID] < len(feeds[s.Target.OID])
	}
	return used, nil
}

func missingSequences(_ context.Context, f *facts) ([]Hazard, error) {
	byColumn := map[string]*postgres.Sequence{}
	column := func(q *postgres.Sequence) string {
		return postgres.Ident(q.OwnerSchema, q.OwnerTable, q.OwnerColumn)
	}
	for _, q := range f.pair.Sequences {
		if q.Source == nil && q.Target.OwnerColumn != "" {
			byColumn[column(q.Target)] = q.Target
		}
	}
	var found []Hazard
	for _, q := range f.pair.Sequences {
		if q.Source == nil || q.Target != nil {
			continue
		}
		h := Hazard{Object: q.Name, Sentence: "the target has no such sequence: inserts that take a value from it fail"}
		if q.Source.OwnerColumn == "" {
			h.Fix = create(q.Source, "")
			found = append(found, h)
			continue
		}
		table := f.paired(q.Source.OwnerSchema, q.Source.OwnerTable)
		other := byColumn[column(q.Source)]
		switch {
		case table != nil && table.Target == nil:
			continue // the table is what is missing, and said to be
		case other != nil:
			h.Sentence = fmt.Sprintf("the target's column has %s in its place: what sets sequences by name passes it by, and the next insert collides with rows that are there", other.Quoted)
			if !f.rowsOnly() && f.level(q.Source, other) {
				h.Severity, h.Sentence = schema.Warn, fmt.Sprintf("the target's column has %s in its place, which is as far: what sets sequences by name passes it by", other.Quoted)
			}
			if other.Schema == q.Source.Schema {
				h.Fix = fmt.Sprintf("ALTER SEQUENCE %s RENAME TO %s", postgres.Ident(other.Schema, other.Name), postgres.Ident(q.Source.Name))
			}
		case table != nil && table.Target.Column(q.Source.OwnerColumn) != nil:
			h.Fix = replace(q.Source, table)
		default:
			h.Fix = create(q.Source, "")
		}
		found = append(found, h)
	}
	return found, nil
}

// level tells whether a sequence of the target under another name is as far as
// the source's.
func (f *facts) level(source, target *postgres.Sequence) bool {
	at, okS := f.states[postgres.Source][source.OID]
	to, okT := f.states[postgres.Target][target.OID]
	s := standing{&pairing.Sequence{Source: source, Target: target}, at, to}
	return okS && okT && (source.Increment < 0) == (target.Increment < 0) && s.order() >= 0
}

// paired finds a paired table by its name, nil where there is none.
func (f *facts) paired(schema, name string) *pairing.Table {
	for _, t := range f.pair.Tables {
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if r := t.On(side); r != nil && r.Schema == schema && r.Name == name {
				return t
			}
		}
	}
	return nil
}

// replace makes the target's column own a sequence as the source's does.
func replace(q *postgres.Sequence, table *pairing.Table) string {
	kind := "BY DEFAULT"
	switch c := table.Source.Column(q.OwnerColumn); {
	case c == nil || c.Identity == 0:
		return create(q, " OWNED BY "+postgres.Ident(q.OwnerSchema, q.OwnerTable, q.OwnerColumn))
	case c.Identity == 'a':
		kind = "ALWAYS"
	}
	return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s%s)",
		postgres.Ident(q.OwnerSchema, q.OwnerTable), postgres.Ident(q.OwnerColumn), kind, postgres.Ident(q.Schema, q.Name), bounds(q))
}

func create(q *postgres.Sequence, owned string) string {
	return fmt.Sprintf("CREATE SEQUENCE %s AS %s%s%s", postgres.Ident(q.Schema, q.Name), q.Type, bounds(q), owned)
}

// bounds are a sequence's options as SQL, each after a blank.
func bounds(q *postgres.Sequence) string {
	cycle := " NO CYCLE"
	if q.Cycle {
		cycle = " CYCLE"
	}
	return fmt.Sprintf(" INCREMENT BY %d MINVALUE %d MAXVALUE %d START WITH %d%s", q.Increment, q.Min, q.Max, q.Start, cycle)
}

func unownedSequences(ctx context.Context, f *facts) ([]Hazard, error) {
	feeds, err := f.source.ReadFeeds(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, q := range f.pair.Sequences {
		if q.Source == nil || q.Source.OwnerColumn != "" {
			continue
		}
		name := q.Name
		if of := feeds[q.Source.OID]; len(of) > 0 {
			name += " (the default of " + of[0].Name + ")"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, nil
	}
	return []Hazard{{Sentence: "no column owns " + some(names) + ": tools that set the sequences of columns forget them"}}, nil
}

// listed is how many objects a sentence names.
const listed = 20

// some names objects, not more than a sentence holds.
func some(names []string) string {
	return joined(names, ", ", listed)
}
