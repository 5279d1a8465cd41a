package checker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// How a moving table without a key is judged. Equal rows have no identity: a
// deleted copy leaves nothing that is young, and a copy that came later may
// stand in for one that was lost. So the two sides are compared as they were at
// one moment, and it is made sure that nothing of that went away meanwhile:
//
//  1. Nt is the target's next transaction, once all before it are over (edges).
//     The rows below Nt came by changes that the target showed then.
//  2. Behind the barrier the source shows all those. Ns is its next transaction
//     then, once all before it are over. So below Nt on the target are only rows
//     that are below Ns on the source, and all that were there at X0.
//  3. The source's rows below Ns are digested (S1), and behind the fence the
//     target's below Nt: what was deleted before S1 is deleted there, too.
//  4. Behind the barrier the source's rows below Ns are digested again (S2). None can
//     have come since S1, so when S1 and S2 are equal, none went, and none had gone
//     on the source when the target, in between, was read.
//  5. Where the digest of the target differs, a sketch of the same rows, read
//     before step 4, tells which. Rows below Ns that had not come to the target
//     before Nt are among the differing, or are young: written since the horizon.
//  6. These and all young rows are suspects, for four readings at rest (Suspect).
//     Of any other row there are as many copies on both sides.
//
// Where rows go away each time, nothing is proved.

// multisetTries is how often step 3 and 4 are tried.
const multisetTries = 4

var (
	errDwindling = errors.New("rows were deleted or changed each time it was read, and without a key nothing can be proved then: give it a key, or compare while less is written")
	errLongOpen  = errors.New("transactions that were open when its reading began have not ended, and without a key nothing can be proved beside them: end them, or raise --settle")
)

func (r *run) doMovingMultiset(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	out := Outcome{Unit: u}
	for range multisetTries {
		at, err := r.edges(ctx, tr)
		if err != nil {
			return out, err
		}
		same, err := r.compareOlder(ctx, tr, u, at, &out)
		if err != nil || same || out.Confirmed > 0 {
			out.Compared = err == nil
			return out, err
		}
	}
	return out, errDwindling
}

// edges are steps 1 and 2.
func (r *run) edges(ctx context.Context, tr *tableRun) (at [2]string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, max(r.o.Settle, leastWait), errLongOpen)
	defer cancel()
	if at[1], err = r.allOver(ctx, r.target); err == nil {
		err = tr.fences.Back(ctx)
	}
	if err == nil {
		at[0], err = r.allOver(ctx, r.source)
	}
	return at, err
}

// allOver reads a side's next transaction, and waits until all before it are over.
func (r *run) allOver(ctx context.Context, db *postgres.DB) (next string, err error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, lastPause) {
		snapshot, err := db.Transactions(ctx)
		if err != nil {
			return "", err
		}
		oldest, rest, _ := strings.Cut(snapshot, ":")
		if next == "" {
			next, _, _ = strings.Cut(rest, ":")
		}
		if number(oldest) >= number(next) {
			return next, nil
		}
		if wait(ctx, pause) != nil {
			return "", context.Cause(ctx)
		}
	}
}

// number is a transaction as a snapshot prints it.
func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64) // a server printed it
	return n
}

// compareOlder are steps 3 to 5. same tells whether step 4 held.
func (r *run) compareOlder(ctx context.Context, tr *tableRun, u sampler.Unit, at [2]string, out *Outcome) (same bool, err error) {
	before, err := r.olderSum(ctx, tr, u, r.source, at[0])
	if err == nil {
		err = tr.fences.Forward(ctx)
	}
	if err != nil {
		return false, err
	}
	target, err := r.olderSum(ctx, tr, u, r.target, at[1])
	if err == nil {
		err = tr.fences.Covered(ctx)
	}
	if err == nil && before != target {
		err = r.drill(ctx, tr, u, area{rows: max(before.Rows, target.Rows), older: &at}, func(keys [][]string) error { return r.settle(ctx, tr, keys, out) })
	}
	if err == nil {
		err = tr.fences.Back(ctx)
	}
	if err != nil {
		return false, err
	}
	after, err := r.olderSum(ctx, tr, u, r.source, at[0])
	out.Source, out.Target = after.Rows, target.Rows
	return before == after, err
}

// olderSum digests the rows of one side that were written before a transaction.
func (r *run) olderSum(ctx context.Context, tr *tableRun, u sampler.Unit, db *postgres.DB, at string) (total hashing.Sum, err error) {
	var mu sync.Mutex
	err = r.readWhole(ctx, tr, db, u, []piece{r.whole(tr, u, db)}, "", pass{op: "sum", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
		sum, err := tr.digest.Sum(ctx, s, postgres.Older(p.scope(tr, db), at))
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			total = total.Plus(sum)
			return nil
		}, err
	}})
	return total, err
}
