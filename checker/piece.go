package checker

import (
	"context"
	"slices"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// piece is what one statement reads on one side. It can be cut smaller, so that
// no statement takes longer than it should. Sides are cut apart from each other:
// what is compared are the sums over their pieces.
type piece interface {
	// size is about how much it holds, in the unit that it is cut by.
	size() int64
	// scope is its rows.
	scope(tr *tableRun, db *postgres.DB) postgres.Scope
	// cut divides it after about n of its size. ok is false where it cannot be
	// cut there; then head is all of it, which may be less than was thought.
	cut(ctx context.Context, r *run, tr *tableRun, db *postgres.DB, n int64) (head, tail piece, ok bool, err error)
}

// keyRange is a range of the key, cut by rows. Each side may have a table's
// keys in an order of its own: the pieces of the whole table are then not the
// same on both sides, but all its rows all the same.
type keyRange struct {
	sampler.Range
	rows int64
}

func (p keyRange) size() int64 { return p.rows }

func (p keyRange) scope(tr *tableRun, db *postgres.DB) postgres.Scope {
	return p.Scope(tr.table, db.Side())
}

func (p keyRange) cut(ctx context.Context, r *run, tr *tableRun, db *postgres.DB, n int64) (head, tail piece, ok bool, err error) {
	if tr.table.Key == nil { // nothing to cut by
		return p, nil, false, nil
	}
	bound, err := r.bound(ctx, tr, db, p.scope(tr, db), n)
	// A bound that is the range's own beginning cuts nothing off: of a type whose
	// index has another order than its comparisons here (citext), the first row by
	// these may come later by that.
	if err != nil || bound == nil || slices.Equal(bound, p.From) {
		p.rows = min(p.rows, n)
		return p, nil, false, err
	}
	return keyRange{sampler.Range{From: p.From, To: bound}, n}, keyRange{sampler.Range{From: bound, To: p.To}, remaining(p.rows, n)}, true, nil
}

// bound finds the key that comes n rows after the first of a scope, or nil.
func (r *run) bound(ctx context.Context, tr *tableRun, db *postgres.DB, scope postgres.Scope, n int64) (bound []string, err error) {
	err = r.readAgain(ctx, db, "cut "+tr.table.Name, func(ctx context.Context, s *postgres.Session) (err error) {
		bound, err = sampler.Bound(ctx, s, tr.table, scope, n)
		return err
	}, r.read, sampler.InOrder...)
	if postgres.TimedOut(err) && ctx.Err() == nil { // a smaller n may be found in time
		return nil, nil
	}
	return bound, err
}

// remaining is how many of some rows, of which n were cut off, are taken to be left:
// how many there are is an estimate, and statistics that lie must not lead to a
// statement that reads all that they kept quiet about.
func remaining(rows, n int64) int64 { return max(rows-n, 8*n) }

// pageRun is a run of the heap's pages, cut by pages, of which there are about
// as many as pages says.
type pageRun struct {
	sampler.Segment
	pages int64
}

func (p pageRun) size() int64 { return p.pages }

func (p pageRun) scope(tr *tableRun, db *postgres.DB) postgres.Scope {
	return p.Of(tr.table.Scope(db.Side()), tr.table.On(db.Side()), db.Server().BlockSize)
}

func (p pageRun) cut(_ context.Context, _ *run, _ *tableRun, _ *postgres.DB, n int64) (head, tail piece, ok bool, err error) {
	if n < 1 || n >= p.pages {
		return p, nil, false, nil
	}
	at := p.From + n
	return pageRun{sampler.Segment{From: p.From, To: at}, n}, pageRun{sampler.Segment{From: at, To: p.To}, p.pages - n}, true, nil
}

// binRun is a list of bins of a scope, cut by rows: ranges of the whole table,
// or steps of a range.
type binRun struct {
	ranges []sampler.Range
	within sampler.Range // of the steps
	steps  []sampler.Step
	rows   int64 // in all of them, about
}

func (p binRun) size() int64 { return p.rows }

// bins are the bins of the scope base.
func (p binRun) bins(tr *tableRun, db *postgres.DB) (base postgres.Scope, b postgres.Bins) {
	if p.ranges != nil {
		return tr.table.Scope(db.Side()), sampler.RangeBins(tr.table, db.Side(), p.ranges)
	}
	base = p.within.Scope(tr.table, db.Side())
	return base, sampler.StepBins(tr.table, len(base.Args), p.steps)
}

func (p binRun) scope(tr *tableRun, db *postgres.DB) postgres.Scope {
	base, b := p.bins(tr, db)
	return b.Of(base)
}

func (p binRun) cut(ctx context.Context, r *run, tr *tableRun, db *postgres.DB, n int64) (head, tail piece, ok bool, err error) {
	bins := len(p.ranges) + len(p.steps)
	if bins < 2 {
		return p.cutStep(ctx, r, tr, db, n)
	}
	at := min(max(int(n*int64(bins)/max(p.rows, 1)), 1), bins-1)
	first, second := p, p
	if p.ranges != nil {
		first.ranges, second.ranges = p.ranges[:at], p.ranges[at:]
	} else {
		first.steps, second.steps = p.steps[:at], p.steps[at:]
	}
	first.rows = max(p.rows*int64(at)/int64(bins), 1)
	second.rows = max(p.rows-first.rows, 1)
	return first, second, true, nil
}

// cutStep divides the one step that is left by the key, since many rows may have
// one value of its leading column: their digests add up. A range that is left
// alone is no piece of its own: its unit is done by itself then.
func (p binRun) cutStep(ctx context.Context, r *run, tr *tableRun, db *postgres.DB, n int64) (head, tail piece, ok bool, err error) {
	if len(p.steps) != 1 {
		return p, nil, false, nil
	}
	bound, err := r.bound(ctx, tr, db, p.steps[0].Of(p.within.Scope(tr.table, db.Side()), tr.table), n)
	if err != nil || bound == nil {
		p.rows = min(p.rows, n)
		return p, nil, false, err
	}
	first, second := p, p
	first.within.To, first.rows = bound, n
	second.within.From, second.rows = bound, remaining(p.rows, n)
	return first, second, true, nil
}

// whole is all of a unit on one side, not yet cut. A range is read through its
// key; any other table by its pages where the server can do that, else in the
// side's own order of the key.
func (r *run) whole(tr *tableRun, u sampler.Unit, db *postgres.DB) piece {
	t := tr.table.On(db.Side())
	rows := max(tr.plan.Rows/int64(max(u.Chunks, 1)), 1)
	pages := max(t.Pages, 1)
	switch {
	case u.Check == sampler.CheckContent && tr.plan.Strategy == sampler.Ranges && u.Chunks > 1:
		return keyRange{u.Range, rows}
	case t.PageRanges:
		return pageRun{pages: pages}
	case tr.table.Key != nil:
		return keyRange{rows: rows}
	case t.Tids && t.Kind != 'p': // a list of places is of one file
		return pageRun{pages: pages}
	}
	return keyRange{rows: 1} // never cut: it is read at once
}
