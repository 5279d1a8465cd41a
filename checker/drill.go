package checker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// How a unit whose digests differ is looked into, to name the rows that differ
// (suspects):
//
//   - Few rows are read, key and hash, and compared here.
//   - A range of an integer key is digested in steps of some rows, through the
//     index and in one statement; then the rows of the steps that differ.
//   - Anything else is read once more, row by row, into a sketch, which holds
//     only what is not the same on both sides.
//   - Where more rows differ than a sketch can tell, a range is read in shares
//     of the key's hash that fit the memory, and of a swept table each row is a
//     suspect: the time is then in proportion to the rows.
//
// Memory is bounded by the sizes below.
type sizes struct {
	few   int64 // rows that are read and compared at once
	step  int64 // rows of a step
	steps int   // steps of a statement
	batch int64 // rows held to be compared
	small int   // cells of the sketch that is tried first, and
	large int   // of the other
	look  int   // keys of a recheck's statement
	crowd int   // suspects of a moving pair that wait for a fence together
}

var usual = sizes{few: 4096, step: 64, steps: 8192, batch: 50_000, small: smallSketch, large: largeSketch, look: 500, crowd: 5000}

// batchBytes is how much the keys of a side's batch may take.
const batchBytes = 2 << 20

// biteBytes is how much the keys of a recheck's statement may take: on their
// way to the server there are several copies of them.
const biteBytes = 1 << 20

// bites divides keys into lists of at most so many, and of about biteBytes.
func bites(keys [][]string, most int) iter.Seq[[][]string] {
	return func(yield func([][]string) bool) {
		for len(keys) > 0 {
			n, bytes := 0, 0
			for ; n < min(most, len(keys)) && bytes < biteBytes; n++ {
				for _, part := range keys[n] {
					bytes += len(part)
				}
			}
			if !yield(keys[:n]) {
				return
			}
			keys = keys[n:]
		}
	}
}

// area is what of a unit is looked into: steps of a range, or, without steps,
// all of the unit. rows is about how many it holds.
type area struct {
	within sampler.Range
	steps  []sampler.Step
	rows   int64
	older  *[2]string // only rows of each side from before a transaction; nil for all
}

// of narrows a piece of the area on one side.
func (a area) of(scope postgres.Scope, side postgres.Side) postgres.Scope {
	if a.older == nil {
		return scope
	}
	return postgres.Older(scope, a.older[index(side)])
}

// piece is the area on one side.
func (r *run) piece(tr *tableRun, u sampler.Unit, a area, db *postgres.DB) piece {
	if a.steps == nil {
		return r.whole(tr, u, db)
	}
	return binRun{within: a.within, steps: a.steps, rows: max(a.rows, 1)}
}

// compareRows reads the rows of some steps and hands the suspects to found.
// Where their keys take more memory than a batch may, it takes fewer.
func (r *run) compareRows(ctx context.Context, tr *tableRun, u sampler.Unit, steps []sampler.Step, rows int64, found func([][]string) error) error {
	if len(steps) == 0 {
		return nil
	}
	a := area{within: u.Range, steps: steps, rows: rows}
	suspects, err := r.suspects(ctx, tr, u, a, hashing.All)
	if errors.Is(err, errBatchFull) {
		if n := len(steps) / 2; n > 0 {
			if err := r.compareRows(ctx, tr, u, steps[:n], rows/2, found); err != nil {
				return err
			}
			return r.compareRows(ctx, tr, u, steps[n:], rows/2, found)
		}
		return r.shares(ctx, tr, u, a, hashing.All, found)
	}
	if err != nil || len(suspects) == 0 {
		return err
	}
	return found(suspects)
}

// drill finds the suspects of an area without the help of steps.
func (r *run) drill(ctx context.Context, tr *tableRun, u sampler.Unit, a area, found func([][]string) error) error {
	if tr.digest.Keyed() && a.rows <= r.sizes.few {
		return r.shares(ctx, tr, u, a, hashing.All, found)
	}
	suspects, err := r.sketch(ctx, tr, u, a, hashing.All)
	switch {
	case err == nil && len(suspects) > 0:
		return found(suspects)
	case !errors.Is(err, errTooMany):
		return err
	case !tr.digest.Keyed():
		return r.sketchShares(ctx, tr, u, a, hashing.All, found)
	case tr.plan.Strategy == sampler.Ranges:
		share := hashing.All
		for int64(share.Of)*r.sizes.batch < a.rows {
			share.Of *= 2
		}
		for ; share.N < share.Of; share.N++ {
			if err := r.shares(ctx, tr, u, a, share, found); err != nil {
				return err
			}
		}
		return nil
	}
	return r.suspectAll(ctx, tr, u, found)
}

// shares reads the rows of a share and hands the suspects to found; where they
// take too much memory, those of each half.
func (r *run) shares(ctx context.Context, tr *tableRun, u sampler.Unit, a area, h hashing.Share, found func([][]string) error) error {
	suspects, err := r.suspects(ctx, tr, u, a, h)
	if errors.Is(err, errBatchFull) {
		for _, half := range h.Halves() {
			if err := r.shares(ctx, tr, u, a, half, found); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil || len(suspects) == 0 {
		return err
	}
	return found(suspects)
}

// suspects compares the rows of a share of an area and returns the keys of
// those that are on one side only or have another hash.
func (r *run) suspects(ctx context.Context, tr *tableRun, u sampler.Unit, a area, h hashing.Share) ([][]string, error) {
	rows := [2]*rowSet{newRowSet(2 * r.sizes.batch), newRowSet(2 * r.sizes.batch)}
	var mu sync.Mutex
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readWhole(ctx, tr, db, u, []piece{r.piece(tr, u, a, db)}, "", pass{op: "rows", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
			part := newRowSet(2 * r.sizes.batch)
			return func() error {
				mu.Lock()
				defer mu.Unlock()
				return rows[index(db.Side())].merge(part)
			}, tr.digest.Rows(ctx, s, p.scope(tr, db), h, part.add)
		}})
	})
	if err != nil {
		return nil, err
	}
	return rows[0].differing(rows[1]), nil
}

// sketch reads a share of an area into a sketch and returns the keys of the
// rows that are not the same on both sides; errTooMany when it holds no more.
func (r *run) sketch(ctx context.Context, tr *tableRun, u sampler.Unit, a area, h hashing.Share) ([][]string, error) {
	keys, err := r.sketchOf(ctx, tr, u, a, h, r.sizes.small)
	if errors.Is(err, errTooMany) {
		r.sketches.Lock() // one at a time: they are what takes most memory
		defer r.sketches.Unlock()
		keys, err = r.sketchOf(ctx, tr, u, a, h, r.sizes.large)
	}
	return keys, err
}

func (r *run) sketchOf(ctx context.Context, tr *tableRun, u sampler.Unit, a area, h hashing.Share, cells int) ([][]string, error) {
	total := newSketch(tr.digest.Keyed(), cells)
	var mu sync.Mutex
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		sign := int64(1 - 2*index(db.Side()))
		return r.readWhole(ctx, tr, db, u, []piece{r.piece(tr, u, a, db)}, "", pass{op: "sketch", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
			part := newSketch(tr.digest.Keyed(), cells)
			err := tr.digest.Rows(ctx, s, a.of(p.scope(tr, db), db.Side()), h, func(row hashing.Row) error {
				part.add(row, sign)
				return nil
			})
			return func() error {
				mu.Lock()
				defer mu.Unlock()
				total.merge(part)
				return nil
			}, err
		}})
	})
	if err != nil {
		return nil, err
	}
	return total.peel()
}

// maxShares bounds how often a table without a key is read to find what
// differs: with more kinds of differing rows than so many sketches hold, their
// number is not known.
const maxShares = 4096

// sketchShares is sketch for a table without a key of which more rows differ
// than one sketch can tell: a share after the other.
func (r *run) sketchShares(ctx context.Context, tr *tableRun, u sampler.Unit, a area, h hashing.Share, found func([][]string) error) error {
	for _, half := range h.Halves() {
		if half.Of > maxShares {
			return fmt.Errorf("too many of its rows differ to count them all without a key")
		}
		suspects, err := r.sketch(ctx, tr, u, a, half)
		if errors.Is(err, errTooMany) {
			err = r.sketchShares(ctx, tr, u, a, half, found)
		} else if err == nil && len(suspects) > 0 {
			err = found(suspects)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// suspectAll makes every row of a swept table a suspect, as many at a time as a
// batch holds: first the source's, then those that only the target has.
func (r *run) suspectAll(ctx context.Context, tr *tableRun, u sampler.Unit, found func([][]string) error) error {
	for _, db := range []*postgres.DB{r.source, r.target} {
		var mu sync.Mutex // found is for one at a time
		err := r.readWhole(ctx, tr, db, u, []piece{r.whole(tr, u, db)}, "", pass{op: "keys", rows: max(r.sizes.batch/4, 1), do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
			limit := 2 * r.sizes.batch
			if p.size() <= 1 {
				limit = 0 // it cannot be cut: a page of keys has to fit
			}
			part := newRowSet(limit)
			err := tr.digest.Rows(ctx, s, p.scope(tr, db), hashing.All, part.add)
			if errors.Is(err, errBatchFull) {
				err = errTooLarge
			}
			return func() error {
				mu.Lock()
				defer mu.Unlock()
				keys := part.differing(newRowSet(0))
				if db.Side() == postgres.Target {
					var err error
					if keys, err = r.absent(ctx, tr, keys); err != nil {
						return err
					}
				}
				return found(keys)
			}, err
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// absent keeps the keys that the source does not have: the others were suspects
// when the source's rows were read.
func (r *run) absent(ctx context.Context, tr *tableRun, keys [][]string) ([][]string, error) {
	var left [][]string
	for batch := range bites(keys, r.sizes.look) {
		states, err := r.look(ctx, tr, r.source, batch)
		if err != nil {
			return nil, err
		}
		for i, st := range states {
			if !st.Present {
				left = append(left, batch[i])
			}
		}
	}
	return left, nil
}
