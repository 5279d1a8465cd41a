package preflight

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// scarce and spent are the shares of its values that a sequence has left when
// it is told of, and when that blocks.
const scarce, spent = 0.20, 0.01

func sequencesExhausted(ctx context.Context, f *facts) ([]Hazard, error) {
	both, err := postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) (map[uint32][]postgres.Feed, error) {
		return db.ReadFeeds(ctx)
	})
	if err != nil {
		return nil, err
	}
	feeds := map[postgres.Side]map[uint32][]postgres.Feed{postgres.Source: both[0], postgres.Target: both[1]}
	bothWrite, err := f.bothWrite(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, q := range f.pair.Sequences {
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			s := q.On(side)
			if s == nil || side == postgres.Target && notPhysical(f) != "" {
				continue
			}
			state, known := f.furthest(q, side, bothWrite)
			if !known {
				continue
			}
			if h, bad := judgeLeft(s, state, feeds[side][s.OID]); bad {
				h.Side = side
				found = append(found, h)
			}
		}
	}
	return found, nil
}

// furthest is the state from which a side's sequence goes on: a target goes on
// from its source's, which a cutover sets it to, unless both hand out values.
func (f *facts) furthest(q *pairing.Sequence, side postgres.Side, bothWrite bool) (postgres.SequenceState, bool) {
	state, known := f.states[side][q.On(side).OID]
	if side == postgres.Target && q.Source != nil && !bothWrite && (q.Source.Increment < 0) == (q.Target.Increment < 0) {
		source, ok := f.states[postgres.Source][q.Source.OID]
		if ok && (!known || pairing.CompareNext(state, source, q.Source.Increment) < 0) {
			return source, true
		}
	}
	return state, known
}

// judgeLeft tells whether a sequence, or a column that it feeds, has few values
// left. One that cycles has always some, but its columns may not hold them.
func judgeLeft(s *postgres.Sequence, state postgres.SequenceState, feeds []postgres.Feed) (Hazard, bool) {
	least, most := big.NewInt(s.Min), big.NewInt(s.Max)
	share, values := 1.0, new(big.Int)
	var fixes []string
	what := "it"
	if !s.Cycle {
		share, values = left(state, s, least, most)
	}
	if share < scarce {
		fixes = widen(s)
	}
	for _, of := range feeds {
		low, high := of.Limits()
		if low == nil || s.Cycle && low.Cmp(least) <= 0 && high.Cmp(most) >= 0 {
			continue
		}
		if s.Increment > 0 && low.Cmp(least) < 0 {
			low = least
		} else if s.Increment < 0 && high.Cmp(most) > 0 {
			high = most
		}
		n, some := left(state, s, low, high)
		if n < scarce {
			fixes = append(fixes, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE bigint", postgres.Ident(of.Schema, of.Table), postgres.Ident(of.Column)))
		}
		if n < share {
			share, values, what = n, some, fmt.Sprintf("%s, an %s column,", of.Name, of.Kind)
		}
	}
	h := Hazard{Object: s.Quoted, Fix: strings.Join(fixes, "; ")}
	switch {
	case share >= scarce:
		return Hazard{}, false
	case share <= 0:
		h.Severity, h.Sentence = schema.Block, what+" has no value left: inserts that take one fail"
	case share < spent:
		h.Severity, h.Sentence = schema.Block, fmt.Sprintf("%s has %d values left: inserts fail when they are gone", what, values)
	default:
		h.Sentence = fmt.Sprintf("%s has %.0f %% of its values left: inserts fail when they are gone", what, share*100)
	}
	return h, true
}

// widen gives a sequence all values there are, nil for one that has them.
func widen(s *postgres.Sequence) []string {
	bound := "NO MAXVALUE"
	if s.Increment < 0 {
		bound = "NO MINVALUE"
	}
	if s.Increment < 0 && s.Min == math.MinInt64 || s.Increment > 0 && s.Max == math.MaxInt64 {
		return nil
	}
	return []string{fmt.Sprintf("ALTER SEQUENCE %s AS bigint %s", postgres.Ident(s.Schema, s.Name), bound)}
}

// left is the share, of the values from low to high, that a sequence has not
// passed yet, and how many it can give of them.
func left(state postgres.SequenceState, s *postgres.Sequence, low, high *big.Int) (share float64, values *big.Int) {
	rest, next := new(big.Int), pairing.Upcoming(state, s.Increment)
	if s.Increment < 0 {
		rest.Sub(next, low)
	} else {
		rest.Sub(high, next)
	}
	all := new(big.Int).Sub(high, low)
	all.Add(all, big.NewInt(1))
	if rest.Sign() < 0 || all.Sign() <= 0 {
		return 0, new(big.Int)
	}
	values = new(big.Int).Quo(rest, new(big.Int).Abs(big.NewInt(s.Increment)))
	values.Add(values, big.NewInt(1))
	share, _ = new(big.Rat).SetFrac(rest.Add(rest, big.NewInt(1)), all).Float64()
	return share, values
}

// A way back that is disabled was made ready for a rollback: the target writes
// for itself only once that is enabled.
func sequencesInterleaved(ctx context.Context, f *facts) ([]Hazard, error) {
	severity, when := schema.Block, ""
	if open, err := f.wayBackOpen(ctx); err != nil {
		return nil, err
	} else if !open {
		severity, when = schema.Warn, "once the way back is enabled while both sides are written: "
	}
	var found []Hazard
	for _, s := range f.stood() {
		if meet(s) {
			found = append(found, Hazard{Object: s.Name, Severity: severity, Sentence: when + fmt.Sprintf(
				"both sides write, and both hand out the same values (%s on the source, %s on the target): rows collide; give both an increment of 2 and starts that differ by one, or let only one side write",
				stepped(s.source, s.Source), stepped(s.target, s.Target))})
		}
	}
	return found, nil
}

func stepped(state postgres.SequenceState, s *postgres.Sequence) string {
	return fmt.Sprintf("%d and then every %d", pairing.Upcoming(state, s.Increment), s.Increment)
}

func sequenceDefinitions(ctx context.Context, f *facts) ([]Hazard, error) {
	caches, err := postgres.Both(ctx, f.source, f.target, readCaches)
	if err != nil {
		return nil, err
	}
	bothWrite, err := f.bothWrite(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, q := range f.pair.Sequences {
		if q.Source == nil || q.Target == nil {
			continue
		}
		if h, differs := f.judgeDefinition(q, caches[0][q.Source.OID], caches[1][q.Target.OID], bothWrite); differs {
			found = append(found, h)
		}
	}
	return found, nil
}

func readCaches(ctx context.Context, db *postgres.DB) (map[uint32]int64, error) {
	caches := map[uint32]int64{}
	err := readEach(ctx, db, "preflight sequence-definition", postgres.Statement{SQL: "SELECT seqrelid::pg_catalog.int8, seqcache FROM pg_catalog.pg_sequence"}, nil, func(r postgres.Row) error {
		caches[uint32(r.Int(0))] = r.Int(1)
		return nil
	})
	return caches, err
}

func (f *facts) judgeDefinition(q *pairing.Sequence, cacheS, cacheT int64, bothWrite bool) (Hazard, bool) {
	s, t := q.Source, q.Target
	h := Hazard{Object: t.Quoted, Severity: schema.Info}
	var differences []string
	note := func(severity schema.Severity, name string, source, target any) {
		if source == target {
			return
		}
		differences = append(differences, fmt.Sprintf("%s %v on the source and %v on the target", name, source, target))
		if rank(severity) < rank(h.Severity) {
			h.Severity = severity
		}
	}
	note(schema.Warn, "type", s.Type, t.Type)
	note(schema.Warn, "increment", s.Increment, t.Increment)
	note(schema.Warn, "minimum", s.Min, t.Min)
	note(schema.Warn, "maximum", s.Max, t.Max)
	note(schema.Warn, "cycle", s.Cycle, t.Cycle)
	note(schema.Info, "start", s.Start, t.Start) // only a restart goes there
	note(schema.Info, "cache", cacheS, cacheT)   // only gaps differ
	if len(differences) == 0 {
		return Hazard{}, false
	}
	consequence := "the target hands out other values than the source would"
	source, known := f.states[postgres.Source][s.OID]
	_, given := pairing.NextValue(source, t)
	if bothWrite { // sequences-interleave tells whether they meet
		h.Severity, h.Sentence = schema.Info, strings.Join(differences, ", ")+": both sides write, and each hands out values of its own"
		return h, true
	}
	switch {
	case (s.Increment < 0) != (t.Increment < 0):
		h.Severity, consequence = schema.Block, "the target runs the other way, into values that are there"
	case known && (source.LastValue < t.Min || source.LastValue > t.Max):
		h.Severity, consequence = schema.Block, "the source's value lies outside of what the target's may have, so nothing can set it there"
	case f.gives(q) && !given:
		h.Severity, consequence = schema.Block, "the target ends before the source's next value: inserts fail"
	case h.Severity == schema.Info:
		consequence = "a restart or a gap differs, nothing else"
	}
	h.Sentence = strings.Join(differences, ", ") + ": " + consequence
	h.Fix = f.redefine(q, cacheS)
	return h, true
}

// gives tells whether the source's sequence has a value left.
func (f *facts) gives(q *pairing.Sequence) bool {
	state, known := f.states[postgres.Source][q.Source.OID]
	_, given := pairing.NextValue(state, q.Source)
	return known && given
}

// redefine makes the target's sequence what the source's is. It restarts at the
// source's next value where its own would lie outside.
func (f *facts) redefine(q *pairing.Sequence, cache int64) string {
	fix := fmt.Sprintf("ALTER SEQUENCE %s AS %s%s CACHE %d", postgres.Ident(q.Target.Schema, q.Target.Name), q.Source.Type, bounds(q.Source), cache)
	state, known := f.states[postgres.Target][q.Target.OID]
	source, ok := f.states[postgres.Source][q.Source.OID]
	next, given := pairing.NextValue(source, q.Source)
	if known && ok && given && (state.LastValue < q.Source.Min || state.LastValue > q.Source.Max) {
		fix += fmt.Sprintf(" RESTART WITH %d", next)
	}
	return fix
}
