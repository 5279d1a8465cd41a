package checker

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// checkSequences compares all sequences: one statement a side.
func (r *run) checkSequences(ctx context.Context) {
	var states [2]map[uint32]postgres.SequenceState
	g, gctx := errgroup.WithContext(ctx)
	for i, db := range []*postgres.DB{r.source, r.target} {
		g.Go(func() error {
			var err error
			states[i], err = db.ReadSequences(gctx, r.readable(db.Side()))
			return err
		})
	}
	err := g.Wait()
	for _, q := range r.pair.Sequences {
		res := SequenceResult{Name: q.Name}
		if err != nil {
			res.Detail = reason(ctx, err)
		} else {
			r.judgeSequence(ctx, q, states, &res)
		}
		r.result.Sequences = append(r.result.Sequences, res)
	}
}

// readable lists a side's sequences that the role may read: one that it may
// not would fail the statement for all.
func (r *run) readable(side postgres.Side) []*postgres.Sequence {
	var list []*postgres.Sequence
	for _, q := range r.pair.Sequences {
		s := q.Source
		if side == postgres.Target {
			s = q.Target
		}
		if s != nil && s.CanSelect {
			list = append(list, s)
		}
	}
	return list
}

func (r *run) judgeSequence(ctx context.Context, q *pairing.Sequence, states [2]map[uint32]postgres.SequenceState, res *SequenceResult) {
	if q.Source != nil && q.Target == nil {
		res.Verdict, res.Finding, res.Detail = Mismatch, "missing", "missing on the target"
		return
	}
	if q.Source == nil {
		res.Verdict, res.Finding, res.Detail = r.noted(), "extra", "on the target only"
		return
	}
	source, okS := states[0][q.Source.OID]
	target, okT := states[1][q.Target.OID]
	if okS {
		res.Source = &SequenceValue{source.LastValue, source.IsCalled}
	}
	if okT {
		res.Target = &SequenceValue{target.LastValue, target.IsCalled}
	}
	for _, side := range []struct {
		name string
		ok   bool
	}{{"source", okS}, {"target", okT}} {
		if !side.ok {
			res.Detail = fmt.Sprintf("%s: no SELECT privilege on it: `pgparity grants` prints the privileges that are needed", side.name)
			return
		}
	}
	res.Verdict = Match
	if why := q.DefinitionDiffers(); why != "" {
		res.Verdict, res.Finding, res.Detail = Mismatch, "definition", why
		return
	}
	r.judgePosition(ctx, q, source, target, res)
}

// noted is the verdict of what is said and does not decide.
func (r *run) noted() Verdict {
	if r.o.Strict {
		return Mismatch
	}
	return Match
}

// judgePosition compares what the two sequences would give next. A sequence
// that is behind would hand out values again.
func (r *run) judgePosition(ctx context.Context, q *pairing.Sequence, source, target postgres.SequenceState, res *SequenceResult) {
	increment := q.Source.Increment
	behind, ahead := target.LastValue < source.LastValue, target.LastValue > source.LastValue
	if target.LastValue == source.LastValue {
		behind, ahead = source.IsCalled && !target.IsCalled, !source.IsCalled && target.IsCalled
	} else if increment < 0 {
		behind, ahead = ahead, behind
	}
	collides, err := r.collides(ctx, q, nextValue(target, increment))
	switch {
	case err != nil:
		res.Verdict, res.Detail = Unproven, reason(ctx, err)
	case collides:
		res.Verdict, res.Finding = Mismatch, "collides"
		res.Detail = fmt.Sprintf("its next value %d is already in %s on the target, and not on the source", nextValue(target, increment), r.ownerName(q))
	case behind:
		res.Verdict, res.Finding = Mismatch, "behind"
		res.Detail = fmt.Sprintf("the target stands at %s, the source at %s", position(target), position(source))
		if len(r.pair.Subscriptions) > 0 { // logical replication does not carry sequences
			res.Verdict = r.noted()
		}
	case ahead:
		res.Verdict, res.Finding = r.noted(), "ahead"
		res.Detail = fmt.Sprintf("the target stands at %s, the source at %s", position(target), position(source))
	}
}

func position(s postgres.SequenceState) string {
	if s.IsCalled {
		return fmt.Sprint(s.LastValue)
	}
	return fmt.Sprintf("%d (not yet called)", s.LastValue)
}

func nextValue(s postgres.SequenceState, increment int64) int64 {
	if s.IsCalled {
		return s.LastValue + increment
	}
	return s.LastValue
}

// ownerName is the report name of the column that a sequence feeds.
func (r *run) ownerName(q *pairing.Sequence) string {
	t := r.ownerTable(q).Target
	return t.Quoted + "." + t.Column(q.Target.OwnerColumn).Quoted
}

// collides tells whether the target's next value is taken in the column that
// the sequence feeds, on the target and not on the source. It looks only
// where an index makes that one page read.
func (r *run) collides(ctx context.Context, q *pairing.Sequence, next int64) (bool, error) {
	t := r.ownerTable(q)
	if t == nil || !t.Source.LedBy(q.Target.OwnerColumn) || !t.Target.LedBy(q.Target.OwnerColumn) || t.Source.RowSecurity || t.Target.RowSecurity || !t.Source.CanSelect || !t.Target.CanSelect {
		return false, nil
	}
	var taken [2]bool
	err := r.both(ctx, "sequence "+q.Name, func(ctx context.Context, s *postgres.Session, side postgres.Side) error {
		scope := t.Scope(side).And("t."+postgres.Ident(q.Target.OwnerColumn)+" = $1::pg_catalog.int8", fmt.Sprint(next))
		return s.Each(ctx, postgres.Statement{SQL: "SELECT EXISTS (SELECT " + scope.Clause() + ")", Args: scope.Args}, func(row postgres.Row) error {
			taken[index(side)] = row.Bool(0)
			return nil
		})
	})
	return taken[1] && !taken[0], err
}

// ownerTable finds the paired table whose column both sequences feed.
func (r *run) ownerTable(q *pairing.Sequence) *pairing.Table {
	for _, t := range r.pair.Tables {
		if t.Both() && t.Target.Schema == q.Target.OwnerSchema && t.Target.Name == q.Target.OwnerTable && q.Source.OwnerColumn == q.Target.OwnerColumn {
			return t
		}
	}
	return nil
}
