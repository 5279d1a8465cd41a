package checker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// checkSequences compares all sequences.
func (r *run) checkSequences(ctx context.Context) {
	states, err := r.readSequences(ctx)
	results := make([]SequenceResult, len(r.pair.Sequences))
	var judges errgroup.Group // each may look into a table, a round trip away
	judges.SetLimit(max(r.o.Concurrency, 1))
	for i, q := range r.pair.Sequences {
		results[i].Name = q.Name
		if err != nil {
			results[i].Detail = reason(ctx, err)
			continue
		}
		judges.Go(func() error {
			r.judgeSequence(ctx, q, states, &results[i])
			return nil
		})
	}
	_ = judges.Wait() // what fails is said in the result
	r.result.Sequences = results
}

// readSequences reads both sides: of a moving pair the target behind the fence,
// and again while one of it is behind what the source had, as long as the time
// to settle lets it.
func (r *run) readSequences(ctx context.Context) (states [2]map[uint32]postgres.SequenceState, err error) {
	read := func(ctx context.Context, db *postgres.DB) (map[uint32]postgres.SequenceState, error) {
		return db.ReadSequences(ctx, r.readable(db.Side()))
	}
	if r.moving == nil || r.moving.stuck != nil {
		return postgres.Both(ctx, r.source, r.target, read)
	}
	if states[0], err = read(ctx, r.source); err != nil {
		return states, err
	}
	var stalled *fence.Stalled // what has not arrived by now shows as behind
	if err := r.arrive(ctx); err != nil && !errors.As(err, &stalled) {
		return states, err
	}
	for deadline, pause := time.Now().Add(r.o.Settle), firstPause; ; pause = min(2*pause, lastPause) {
		if states[1], err = read(ctx, r.target); err != nil || !r.anyBehind(states) || time.Now().After(deadline) {
			return states, err
		}
		if err := wait(ctx, pause); err != nil {
			return states, err
		}
	}
}

// rowsOnly tells whether the replication is logical, which does not carry
// sequences.
func (r *run) rowsOnly() bool {
	return len(r.pair.Subscriptions) > 0 || r.moving != nil && strings.Contains(r.result.Replication.Kind, string(fence.KindLogical))
}

// anyBehind tells whether a sequence that the replication may carry is behind.
func (r *run) anyBehind(states [2]map[uint32]postgres.SequenceState) bool {
	return !r.rowsOnly() && slices.ContainsFunc(r.pair.Sequences, func(q *pairing.Sequence) bool {
		if q.Source == nil || q.Target == nil {
			return false
		}
		source, okS := states[0][q.Source.OID]
		target, okT := states[1][q.Target.OID]
		return okS && okT && pairing.CompareNext(target, source, q.Source.Increment) < 0
	})
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
	order := pairing.CompareNext(target, source, q.Source.Increment)
	behind, ahead := order < 0, order > 0
	next, given := pairing.NextValue(target, q.Target)
	var collides bool
	var err error
	if given {
		collides, err = r.collides(ctx, q, next)
	}
	switch {
	case err != nil:
		res.Verdict, res.Detail = Unproven, reason(ctx, err)
	case collides:
		res.Verdict, res.Finding = Mismatch, "collides"
		res.Detail = fmt.Sprintf("its next value %d is already in %s on the target, and not on the source", next, r.ownerName(q))
	case behind && r.moving != nil && r.moving.stuck != nil && !r.rowsOnly():
		res.Verdict, res.Detail = Unproven, "it is behind, and the replication stands still: "+r.moving.stuck.Error()
	case behind:
		res.Verdict, res.Finding = Mismatch, "behind"
		res.Detail = fmt.Sprintf("the target stands at %s, the source at %s", pairing.Position(target), pairing.Position(source))
		if r.rowsOnly() {
			res.Verdict = r.noted()
		}
	case ahead && r.moving != nil && strings.Contains(r.result.Replication.Kind, string(fence.KindPhysical)):
		// A server logs some values of a sequence in advance, and a standby shows those.
	case ahead:
		res.Verdict, res.Finding = r.noted(), "ahead"
		res.Detail = fmt.Sprintf("the target stands at %s, the source at %s", pairing.Position(target), pairing.Position(source))
	}
}

// ownerName is the report name of the column that a sequence feeds.
func (r *run) ownerName(q *pairing.Sequence) string {
	t := r.pair.OwnerTable(q).Target
	return t.Quoted + "." + t.Column(q.Target.OwnerColumn).Quoted
}

// collides tells whether the target's next value is taken in the column that
// the sequence feeds, on the target and not on the source. It looks only
// where an index makes that one page read.
func (r *run) collides(ctx context.Context, q *pairing.Sequence, next int64) (bool, error) {
	t := r.pair.OwnerTable(q)
	if t == nil || !t.Source.LedBy(q.Target.OwnerColumn) || !t.Target.LedBy(q.Target.OwnerColumn) || t.Source.RowSecurity || t.Target.RowSecurity || !t.Source.CanSelect || !t.Target.CanSelect {
		return false, nil
	}
	taken := func(ctx context.Context, db *postgres.DB) (by string, err error) {
		scope := t.Scope(db.Side()).And("t."+postgres.Ident(q.Target.OwnerColumn)+" = $1::pg_catalog.int8", fmt.Sprint(next))
		err = r.readWhatever(ctx, db, "sequence "+q.Name, func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, postgres.Statement{SQL: "SELECT t.xmin " + scope.Clause() + " LIMIT 1", Args: scope.Args}, func(row postgres.Row) error {
				by = row.Text(0)
				return nil
			})
		})
		return by, err
	}
	sides, err := postgres.Both(ctx, r.source, r.target, taken)
	if err != nil || sides[1] == "" || sides[0] != "" {
		return false, err
	}
	return r.staysTaken(ctx, t, sides[1], taken)
}

// staysTaken tells, of a moving pair, whether a value that the target has and the
// source has not is no row on its way: the source is read behind the barrier,
// and the target once more behind the fence, where the same row version (by) must
// have it.
func (r *run) staysTaken(ctx context.Context, t *pairing.Table, by string, taken func(context.Context, *postgres.DB) (string, error)) (bool, error) {
	if r.moving == nil {
		return true, nil
	}
	fences, err := r.fencesOf(&tableRun{table: t})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, max(r.o.Settle, leastWait))
	defer cancel()
	if err := fences.Back(ctx); err != nil {
		return false, err
	}
	if back, err := taken(ctx, r.source); err != nil || back != "" {
		return false, err
	}
	if err := fences.Forward(ctx); err != nil {
		return false, err
	}
	still, err := taken(ctx, r.target)
	return still == by, err
}
