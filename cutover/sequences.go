package cutover

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// sequencesSet is what setSequences leaves to sameSequences.
type sequencesSet struct {
	feeds map[uint32][]postgres.Feed        // of the side that is switched to, read beforehand
	from  map[uint32]postgres.SequenceState // nil until they were set
	to    map[uint32]postgres.SequenceState // where they were set to, or left
}

// sequences are those of both sides.
func (r *run) sequences() []*pairing.Sequence {
	return slices.DeleteFunc(slices.Clone(r.pair.Sequences), func(q *pairing.Sequence) bool { return q.Source == nil || q.Target == nil })
}

// checkSequences proves, before the window, that every sequence can be set.
func (r *run) checkSequences(ctx context.Context) error {
	if err := r.readFeeds(ctx); err != nil {
		return err
	}
	return r.gate(ctx, Action{ID: "sequences-paired", On: r.to.name, Do: "SELECT … FROM pg_catalog.pg_sequence; SELECT pg_catalog.has_sequence_privilege(…, 'UPDATE')",
		Why: "each is there, is defined as on the other side, and may be set"}, r.settable)
}

func (r *run) readFeeds(ctx context.Context) (err error) {
	if r.prepared.sequences.feeds == nil {
		r.prepared.sequences.feeds, err = r.to.db.ReadFeeds(ctx)
	}
	return err
}

func (r *run) settable(ctx context.Context) error {
	var oids []string
	for _, q := range r.pair.Sequences {
		if q.Source == nil {
			continue
		}
		if err := r.settableOne(q); err != nil {
			return err
		}
		oids = append(oids, fmt.Sprint(q.Target.OID))
	}
	return r.mayBeSet(ctx, oids)
}

// settableOne tells of one sequence why it cannot be set as the source's is. The
// start is no reason: only a restart goes there.
func (r *run) settableOne(q *pairing.Sequence) error {
	s, t := q.Source, q.Target
	if t == nil {
		return fmt.Errorf("%s: sequence %s is missing: create it as it is on the %s (`pgparity preflight` prints the statement)", r.to.name, q.Name, r.from.name)
	}
	for i, readable := range []bool{s.CanSelect, t.CanSelect} {
		if e := []*end{r.from, r.to}[i]; !readable {
			return fmt.Errorf("%s: where sequence %s stands is hidden: GRANT SELECT ON SEQUENCE %s TO %s, and USAGE on its schema", e.name, q.Name, q.Name, postgres.Ident(e.db.Server().User))
		}
	}
	for _, fact := range []struct {
		name     string
		from, to any
	}{{"increment", s.Increment, t.Increment}, {"type", s.Type, t.Type}, {"minimum", s.Min, t.Min}, {"maximum", s.Max, t.Max}, {"cycle", s.Cycle, t.Cycle}} {
		if fact.from != fact.to {
			return fmt.Errorf("sequence %s: its %s is %v on the %s and %v on the %s: make both alike (ALTER SEQUENCE), or leave it out with its table", q.Name, fact.name, fact.from, r.from.name, fact.to, r.to.name)
		}
	}
	return nil
}

// mayBeSet proves that the role has the privilege.
func (r *run) mayBeSet(ctx context.Context, oids []string) error {
	refused, err := rows(ctx, r.to.control, "sequences", `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), pg_catalog.quote_ident(current_user)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND CASE WHEN c.relkind = 'S' THEN NOT pg_catalog.has_sequence_privilege(c.oid, 'UPDATE') END ORDER BY 1`,
		func(row postgres.Row) [2]string { return [2]string{row.Text(0), row.Text(1)} }, postgres.TextArray(oids))
	if err != nil || len(refused) == 0 {
		return err
	}
	names := make([]string, len(refused))
	for i := range refused {
		names[i] = refused[i][0]
	}
	return fmt.Errorf("%s: the role may not set %s: GRANT UPDATE ON SEQUENCE %s TO %s", r.to.name, few(names), strings.Join(names, ", "), refused[0][1])
}

// setSequences sets the sequences that have to move, all at once.
func (r *run) setSequences(ctx context.Context) error {
	if err := r.readFeeds(ctx); err != nil {
		return err
	}
	marks, err := r.readMarks(ctx)
	if err != nil {
		return err
	}
	odd := map[reason][]string{}
	var moves []string
	set := sequencesSet{feeds: r.prepared.sequences.feeds, from: map[uint32]postgres.SequenceState{}, to: map[uint32]postgres.SequenceState{}}
	for _, m := range marks {
		state, why := m.advance(r.o.SequenceMargin)
		if why != "" {
			odd[why] = append(odd[why], m.Target.Quoted)
		}
		if state != m.to {
			moves = append(moves, fmt.Sprintf("(%s::pg_catalog.regclass, %d::pg_catalog.int8, %t)", postgres.Literal(postgres.Ident(m.Target.Schema, m.Target.Name)), state.LastValue, state.IsCalled))
		}
		set.from[m.Source.OID], set.to[m.Target.OID] = m.from, state
	}
	for _, why := range []reason{exhausted, overtaken, unfollowed, circling, allExceeded} {
		if len(odd[why]) > 0 {
			r.note("sequences %s %s", few(odd[why]), why)
		}
	}
	if err := r.move(ctx, moves); err != nil {
		return err
	}
	r.prepared.sequences = set
	return nil
}

// setBatch is how many sequences one statement sets: each holds a lock, and a
// server's lock table has room for some thousands.
const setBatch = 2000

// move sets them, in one statement as far as it goes.
func (r *run) move(ctx context.Context, moves []string) error {
	why := "each goes on where the other side's stood"
	if r.exec.dry() {
		why += "; the values are today's"
		if len(moves) == 0 {
			return r.sql(ctx, r.to, "sequences-set", why, "-- SELECT pg_catalog.setval(…): none would have to be set now")
		}
	}
	for batch := range slices.Chunk(moves, setBatch) {
		sql := "SELECT pg_catalog.setval(s.name, s.value, s.called) FROM (VALUES\n  " + strings.Join(batch, ",\n  ") + ") AS s(name, value, called)"
		if err := r.sql(ctx, r.to, "sequences-set", why, sql); err != nil {
			return err
		}
	}
	return nil
}

// readMarks reads where all sequences stand, and what their columns hold: three
// readings at a time.
func (r *run) readMarks(ctx context.Context) ([]*mark, error) {
	list := r.sequences()
	var from, to map[uint32]postgres.SequenceState
	var ends map[uint32]*big.Int
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		from, err = r.from.db.ReadSequences(gctx, onSide(list, postgres.Source))
		return err
	})
	g.Go(func() (err error) {
		to, err = r.to.db.ReadSequences(gctx, onSide(list, postgres.Target))
		return err
	})
	g.Go(func() (err error) {
		ends, err = r.readEnds(gctx, list)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	marks := make([]*mark, len(list))
	for i, q := range list {
		marks[i] = &mark{Sequence: q, from: from[q.Source.OID], to: to[q.Target.OID], furthest: ends[q.Target.OID]}
		marks[i].least, marks[i].most = r.limits(q.Target)
	}
	return marks, r.readTaken(ctx, marks)
}

func onSide(list []*pairing.Sequence, side postgres.Side) []*postgres.Sequence {
	on := make([]*postgres.Sequence, len(list))
	for i, q := range list {
		on[i] = q.On(side)
	}
	return on
}

// limits are what a sequence gives and every column that it feeds can hold.
func (r *run) limits(q *postgres.Sequence) (least, most *big.Int) {
	least, most = big.NewInt(q.Min), big.NewInt(q.Max)
	for _, f := range r.prepared.sequences.feeds[q.OID] {
		low, high := f.Limits()
		if low == nil {
			continue
		}
		if low.Cmp(least) > 0 {
			least = low
		}
		if high.Cmp(most) < 0 {
			most = high
		}
	}
	return least, most
}

// sameSequences proves that nobody took a value since they were set, and that
// the other side's stand where they were set.
func (r *run) sameSequences(ctx context.Context) error {
	return r.gate(ctx, Action{ID: "sequences-same", On: r.to.name, Do: "SELECT last_value, is_called FROM … (each sequence, on both sides)", Why: "nobody took a value since, and each is as far or ahead"}, func(ctx context.Context) error {
		list, set := r.sequences(), r.prepared.sequences
		states, err := postgres.Both(ctx, r.from.db, r.to.db, func(ctx context.Context, db *postgres.DB) (map[uint32]postgres.SequenceState, error) {
			return db.ReadSequences(ctx, onSide(list, db.Side()))
		})
		if err != nil {
			return err
		}
		for _, q := range list {
			from, to := states[0][q.Source.OID], states[1][q.Target.OID]
			if was, known := set.from[q.Source.OID]; known && was != from {
				return fmt.Errorf("%s: sequence %s gave values after the database was closed to clients (it stood at %s, and stands at %s): a superuser, a job or another background process writes there; find it, and run again", r.from.name, q.Name, pairing.Position(was), pairing.Position(from))
			}
			if wanted, known := set.to[q.Target.OID]; known {
				from = wanted
			}
			switch order := pairing.CompareNext(to, from, q.Source.Increment); {
			case q.Source.Cycle && order != 0, !q.Source.Cycle && order < 0:
				return fmt.Errorf("%s: sequence %s stands at %s, and has to stand at %s: somebody set it since; run again", r.to.name, q.Name, pairing.Position(to), pairing.Position(from))
			}
		}
		return nil
	})
}

// fewAre is how many objects a sentence names.
const fewAre = 10

// few names objects, not more than a sentence holds.
func few(names []string) string {
	if len(names) > fewAre {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:fewAre], ", "), len(names)-fewAre)
	}
	return strings.Join(names, ", ")
}
