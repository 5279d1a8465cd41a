package checker

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// Outcome is what came of one unit. Only Compared units count towards a match.
type Outcome struct {
	Unit     sampler.Unit
	Compared bool
	// Source and Target are the sides' rows in the unit, where it counts them.
	Source, Target int64
	Findings       []Finding    // the first ones, up to Options.MaxDiffs
	Total          int64        // all distinct rows found to differ, not found before
	Confirmed      int64        // all rows found to differ, found before or not
	Unsettled      int64        // suspects that no reading settled
	UnsettledRows  []Unsettled  // the first ones, up to Options.MaxDiffs
	PutOff         int64        // suspects that were kept for the table's closing
	Sample         *TableSample // what the sample check drew
	Err            string       // why not compared

	claimed  []string // rows that no later unit is to count again
	restored bool     // an earlier run compared it
	rewrites int      // how often it was read again because the table was rewritten
	gone     int64    // rows that vanished from both sides while they were rechecked

	unsettledWhy string // of the first
}

// verdict is what came of the unit alone.
func (o Outcome) verdict() Verdict {
	switch {
	case o.Confirmed > 0 || o.Total > 0:
		return Mismatch
	case o.Compared && o.Err == "" && o.Unsettled == 0:
		return Match
	}
	return Unproven
}

var errStale = errors.New("the unit was planned for other columns or forms: plan again")

// Do compares one unit on both sides, down to the confirmed rows. An error
// means it was not compared; the findings that come with it are true all the
// same.
func (r *run) Do(ctx context.Context, u sampler.Unit) (Outcome, error) {
	tr := r.byName[u.Table]
	if tr == nil || tr.digest.Fingerprint() != u.Fingerprint {
		return Outcome{}, errStale
	}
	if tr.barred != nil {
		return Outcome{}, tr.barred
	}
	switch u.Check {
	case sampler.CheckClosing:
		return r.doClosing(ctx, tr, u)
	case sampler.CheckCounts:
		if tr.fences != nil {
			return r.doMovingCounts(ctx, tr, u)
		}
		return r.doCounts(ctx, tr, u)
	case sampler.CheckLast:
		return r.doLast(ctx, tr, u)
	case sampler.CheckSample:
		return r.doSample(ctx, tr, u)
	default:
		return r.doContent(ctx, tr, u)
	}
}

// index is where a side's part of a pair of values is kept.
func index(side postgres.Side) int {
	if side == postgres.Source {
		return 0
	}
	return 1
}

// resums is how often a unit whose digests differ, though no row of it does,
// is read again before it is given up as moving.
const resums = 3

// maxRewrites is how often a unit is read again because the table was rewritten
// (VACUUM FULL, CLUSTER, TRUNCATE) while it was read.
const maxRewrites = 5

func (r *run) doContent(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	if tr.fences != nil && !tr.digest.Keyed() {
		return r.doMovingMultiset(ctx, tr, u)
	}
	out := Outcome{Unit: u}
	for try := 0; try < resums; try++ {
		equal, err := r.compareOnce(ctx, tr, u, &out)
		if errors.Is(err, errRewritten) && out.rewrites < maxRewrites && out.Confirmed == 0 {
			out.rewrites++
			try--
			continue
		}
		// Of a moving pair the rows that were compared are the proof.
		if err != nil || equal || out.Confirmed > 0 || out.Unsettled > 0 || r.moving != nil {
			return out, err
		}
		// Every suspect was cleared, yet the digests differed: only equal
		// digests prove that nothing else does.
	}
	return out, fmt.Errorf("its rows changed each of the %d times it was read", resums)
}

// compareOnce compares a unit's digests and drills down where they differ. A
// unit of a table that has differed so far is read in bins from the start: it
// most likely differs as well, and one that doesn't costs little more.
func (r *run) compareOnce(ctx context.Context, tr *tableRun, u sampler.Unit, out *Outcome) (equal bool, err error) {
	found := func(suspects [][]string) error { return r.settle(ctx, tr, suspects, out) }
	if r.moving == nil && tr.differs.Load() && tr.steppable(u) {
		return r.compareSteps(ctx, tr, u, out, found)
	}
	sums, err := r.sums(ctx, tr, u)
	if err != nil {
		return false, err
	}
	out.Source, out.Target, out.Compared = sums[0].Rows, sums[1].Rows, true
	if sums[0] == sums[1] {
		return true, nil
	}
	if r.moving != nil {
		if equal, err := r.readBehind(ctx, tr, u, out); err != nil || equal {
			return equal, err
		}
	}
	if tr.steppable(u) && max(sums[0].Rows, sums[1].Rows) > r.sizes.few {
		_, err := r.compareSteps(ctx, tr, u, out, found)
		return false, err
	}
	return false, r.drill(ctx, tr, u, area{rows: max(sums[0].Rows, sums[1].Rows)}, found)
}

// readBehind waits until the target has got what the source shows, and reads a
// unit that cannot be read in steps once more: of most tables no row is
// written at a given moment, and then all is equal.
func (r *run) readBehind(ctx context.Context, tr *tableRun, u sampler.Unit, out *Outcome) (equal bool, err error) {
	if err := tr.fences.Forward(ctx); err != nil || tr.steppable(u) {
		return false, err
	}
	sums, err := r.sums(ctx, tr, u)
	if err != nil {
		return false, err
	}
	out.Source, out.Target = sums[0].Rows, sums[1].Rows
	return sums[0] == sums[1], nil
}

// steppable tells whether a unit can be read in steps of its key's leading
// integer: for a few bins one statement does what else takes several.
func (tr *tableRun) steppable(u sampler.Unit) bool {
	return u.Check == sampler.CheckContent && tr.plan.Strategy == sampler.Ranges &&
		tr.digest.Way != hashing.Stream && tr.digest.Keyed() && sampler.Steppable(tr.table)
}

// sums reads the digest of a unit on both sides.
func (r *run) sums(ctx context.Context, tr *tableRun, u sampler.Unit) (sums [2]hashing.Sum, err error) {
	err = r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) (err error) {
		sums[index(db.Side())], err = r.addUp(ctx, tr, db, u, "sum", func(ctx context.Context, s *postgres.Session, p piece) (hashing.Sum, error) {
			return tr.digest.Sum(ctx, s, p.scope(tr, db))
		})
		return err
	})
	return sums, err
}

// doLast compares the rows that come last: whatever is not the same in both
// lists is looked up by key, since a row that only one list holds may well be
// on both sides.
func (r *run) doLast(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	rows := [2]*rowSet{newRowSet(0), newRowSet(0)}
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readAgain(ctx, db, u.ID(), func(ctx context.Context, s *postgres.Session) error {
			read := newRowSet(0)
			rows[index(db.Side())] = read
			return tr.digest.Last(ctx, s, db.Side(), u.Last, u.LastBy, read.add)
		}, r.readAtLength, sampler.InOrder...)
	})
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Unit: u, Compared: true}
	// Apart from the return, which may copy out before settle fills it.
	err = r.settle(ctx, tr, rows[0].differing(rows[1]), &out)
	return out, err
}
