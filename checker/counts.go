package checker

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

func (r *run) doCounts(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	var counts [2]int64
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) (err error) {
		counts[index(db.Side())], err = r.count(ctx, tr, u, db)
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Unit: u, Compared: true, Source: counts[0], Target: counts[1]}, nil
}

// count counts the rows of a unit on one side.
func (r *run) count(ctx context.Context, tr *tableRun, u sampler.Unit, db *postgres.DB) (int64, error) {
	sum, err := r.addUp(ctx, tr, db, u, "count", func(ctx context.Context, s *postgres.Session, p piece) (sum hashing.Sum, err error) {
		scope := p.scope(tr, db)
		err = s.Each(ctx, postgres.Statement{SQL: "SELECT count(*) " + scope.Clause(), Args: scope.Args}, func(row postgres.Row) error {
			sum = hashing.Sum{Rows: row.Int(0), Hash: "0"}
			return nil
		})
		return sum, err
	})
	return sum.Rows, err
}

// confirmTries is how often a count of a moving table is tried.
const confirmTries = 5

// doMovingCounts counts a moving table: the source, and behind the fence the
// target, and the source again. Three equal counts are a match, as far as counts
// can tell; others prove nothing while rows come and go.
func (r *run) doMovingCounts(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	var source, target int64
	for range confirmTries {
		before, err := r.count(ctx, tr, u, r.source)
		if err == nil {
			err = tr.fences.Forward(ctx)
		}
		if err == nil {
			target, err = r.count(ctx, tr, u, r.target)
		}
		if err == nil {
			err = tr.fences.Covered(ctx)
		}
		if err == nil {
			err = tr.fences.Back(ctx)
		}
		if err != nil {
			return Outcome{}, err
		}
		if source, err = r.count(ctx, tr, u, r.source); err != nil {
			return Outcome{}, err
		}
		if before == target && target == source {
			return Outcome{Unit: u, Compared: true, Source: target, Target: target}, nil
		}
	}
	return Outcome{}, fmt.Errorf("counted %d times while rows came and went: the source had %d at last, the target %d; only its content can tell (--checks ranges)", confirmTries, source, target)
}
