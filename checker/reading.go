package checker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// How tables are read: in statements that each stay within the budget, in a
// transaction each, so that no snapshot is held across statements and nothing
// keeps the servers from cleaning up.
//
//   - How much one statement reads is set by what the last ones took (pace).
//   - A statement that overruns the budget is cancelled by the server; what it
//     was to read is cut smaller and read again.
//   - A statement that a standby cancelled, because it had to go on replaying,
//     is tried again.

// pass is a kind of statement over the pieces of a unit.
type pass struct {
	op   string // names the kind, which the pace depends on
	rows int64  // how many a piece may hold, about; 0 for no limit
	// do reads a piece and keeps what it read to itself: a reading that fails
	// may be made again, or in smaller pieces. keep, called once the transaction
	// has ended well, takes it; several pieces' may be called at a time.
	do func(ctx context.Context, s *postgres.Session, p piece) (keep func() error, err error)
	// files are those of the heap whose pages are read in more than one
	// statement; nil where readWhole is not asked for it.
	files *heapFiles
}

// read runs one reading transaction: when the guard lets it, and under the
// budget.
func (r *run) read(ctx context.Context, db *postgres.DB, tag string, fn func(context.Context, *postgres.Session) error, settings ...string) error {
	settings = append(settings[:len(settings):len(settings)], r.budget()...)
	return r.readAtLength(ctx, db, tag, fn, settings...)
}

// budget is the setting that ends a statement.
func (r *run) budget() []string {
	if r.o.Budget <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("statement_timeout = %d", r.o.Budget.Milliseconds())}
}

// readAtLength is read without the budget, for what cannot be cut smaller.
func (r *run) readAtLength(ctx context.Context, db *postgres.DB, tag string, fn func(context.Context, *postgres.Session) error, settings ...string) error {
	if err := r.guard.pass(ctx); err != nil {
		return err
	}
	return db.Read(ctx, tag, fn, settings...)
}

// readWhatever is read, and readAtLength where that overran the budget: for a
// short statement that cannot be cut smaller, and that waits for a lock.
func (r *run) readWhatever(ctx context.Context, db *postgres.DB, tag string, fn func(context.Context, *postgres.Session) error, settings ...string) error {
	err := r.read(ctx, db, tag, fn, settings...)
	if postgres.TimedOut(err) && r.o.Budget > 0 && ctx.Err() == nil {
		return r.readAtLength(ctx, db, tag, fn, settings...)
	}
	return err
}

// readFunc is read, readAtLength or readWhatever.
type readFunc func(ctx context.Context, db *postgres.DB, tag string, fn func(context.Context, *postgres.Session) error, settings ...string) error

// readAgain reads by read or readAtLength, and once more when a standby's replay
// cancelled it: fn has to be fit for that.
func (r *run) readAgain(ctx context.Context, db *postgres.DB, tag string, fn func(context.Context, *postgres.Session) error, read readFunc, settings ...string) error {
	return postgres.Again(ctx, func() error { return read(ctx, db, tag, fn, settings...) })
}

// bothSides does something on both sides at the same time.
func (r *run) bothSides(ctx context.Context, do func(context.Context, *postgres.DB) error) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, db := range []*postgres.DB{r.source, r.target} {
		g.Go(func() error { return do(gctx, db) })
	}
	return g.Wait()
}

// readPieces reads a piece on one side, cut as the pace says, several pieces at
// a time. Without an error all of it was read.
func (r *run) readPieces(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, rest piece, how pass) error {
	each, ectx := errgroup.WithContext(ctx)
	each.SetLimit(max(r.o.Concurrency, 1))
	more := true
	for more && ectx.Err() == nil {
		p, n := rest, r.fit(tr, db.Side(), rest, how)
		more = false
		if rest.size() > n+n/4 {
			head, tail, ok, err := rest.cut(ectx, r, tr, db, n)
			if err != nil {
				_ = each.Wait() // the first error is this one
				return err
			}
			p, rest, more = head, tail, ok
			if err := how.files.note(ectx, r, tr, db, ok); err != nil {
				_ = each.Wait()
				return err
			}
		}
		each.Go(func() error { return r.readPiece(ectx, tr, db, u, p, how) })
	}
	if err := each.Wait(); err != nil || !more {
		return err
	}
	return context.Cause(ctx) // no piece failed, but the run was stopped before the last
}

// fit is how much of a piece one statement should read.
func (r *run) fit(tr *tableRun, side postgres.Side, p piece, how pass) int64 {
	n := tr.pace(side, how.op, p).fit(r.o.Budget)
	limit := func(rows int64) {
		if _, pages := p.(pageRun); pages {
			rows = int64(float64(rows) / tr.rowsPerPage(side))
		}
		n = max(min(n, rows), 1)
	}
	if how.rows > 0 {
		limit(how.rows)
	}
	// Chunks of a set size set the size of a sweep's statements, too.
	if r.o.ChunkRows > 0 && tr.plan.Strategy != sampler.Ranges {
		limit(int64(r.o.ChunkRows))
	}
	return n
}

// The retries of a reading that a standby's replay cancelled. One that it
// cancels again and again is cut, since a shorter one has better chances.
const (
	conflictTries  = 20
	conflictPause  = 100 * time.Millisecond
	conflictsToCut = 3
)

// errTooLarge is what a reading says of a piece that holds more than it can take.
var errTooLarge = errors.New("a piece holds more than a reading can take")

// readPiece reads one piece; in smaller ones if it overruns the budget, or
// holds too much.
func (r *run) readPiece(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, p piece, how pass) error {
	for try := 1; ; try++ {
		keep, err := r.readOnce(ctx, tr, db, u, p, how, r.read)
		switch {
		case err == nil:
			return keep() // not again, whatever comes of it: it may have counted rows
		case ctx.Err() != nil:
			return err
		case postgres.Conflicted(err) && try < conflictTries:
			if err := wait(ctx, min(time.Duration(try)*conflictPause, lastPause)); err != nil {
				return err
			}
			if try%conflictsToCut != 0 {
				continue
			}
			if head, tail, ok, err := p.cut(ctx, r, tr, db, max(p.size()/2, 1)); err != nil || ok {
				return r.readBoth(ctx, tr, db, u, head, tail, how, err)
			}
		case postgres.TimedOut(err) && r.o.Budget > 0, errors.Is(err, errTooLarge):
			head, tail, ok, cutErr := r.halve(ctx, tr, db, p, how)
			switch run, bins := p.(binRun); {
			case cutErr != nil || ok:
				return r.readBoth(ctx, tr, db, u, head, tail, how, cutErr)
			case bins && run.ranges != nil:
				return err // its unit is read by itself, and cut
			case postgres.TimedOut(err): // a row, or a page of them, that takes that long
				keep, err := r.readOnce(ctx, tr, db, u, p, how, r.readAtLength)
				if err != nil {
					return err
				}
				return keep()
			}
			return err
		default:
			return err
		}
	}
}

// readBoth reads what a piece was cut into, unless the cut failed.
func (r *run) readBoth(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, head, tail piece, how pass, cutErr error) error {
	if cutErr != nil {
		return cutErr
	}
	if err := how.files.note(ctx, r, tr, db, true); err != nil {
		return err
	}
	if err := r.readPiece(ctx, tr, db, u, head, how); err != nil {
		return err
	}
	return r.readPieces(ctx, tr, db, u, tail, how)
}

// readOnce makes one reading of a piece, by read or readAtLength, and returns
// what keeps it.
func (r *run) readOnce(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, p piece, how pass, read readFunc) (keep func() error, err error) {
	var took time.Duration
	err = read(ctx, db, u.ID(), func(ctx context.Context, s *postgres.Session) (err error) {
		began := time.Now() // the guard and the pool may have kept it waiting
		keep, err = how.do(ctx, s, p)
		took = time.Since(began)
		return err
	}, settingsFor(p)...)
	if err != nil {
		return nil, explainSize(err)
	}
	tr.pace(db.Side(), how.op, p).observe(p.size(), took)
	return keep, nil
}

// halve cuts what took too long to at most half, or less if it holds less than
// was thought.
func (r *run) halve(ctx context.Context, tr *tableRun, db *postgres.DB, p piece, how pass) (head, tail piece, ok bool, err error) {
	tr.pace(db.Side(), how.op, p).observe(p.size(), 2*r.o.Budget)
	for n := max(min(p.size()/2, r.fit(tr, db.Side(), p, how)), 1); ; n = max(n/8, 1) {
		head, tail, ok, err = p.cut(ctx, r, tr, db, n)
		if ok || err != nil || n == 1 {
			return head, tail, ok, err
		}
	}
}

// settingsFor keep a range of the key on its index: for a wide one the planner
// may prefer to read the whole table once per range.
func settingsFor(p piece) []string {
	switch p := p.(type) {
	case binRun:
		return hashing.IndexOnly
	case keyRange:
		if p.From != nil || p.To != nil {
			return []string{"enable_seqscan = off"}
		}
	}
	return nil
}

// pace is how fast one side does one kind of reading: an exponentially weighted
// moving average of the time for one of what its pieces are cut by.
type pace struct {
	mu   sync.Mutex
	each float64 // seconds
}

const (
	// paceWeight is the weight of the newest measurement.
	paceWeight = 0.3
	// paceShare is the part of the budget that a statement is meant to take:
	// rows are not all alike, and the machine has other work.
	paceShare = 0.25
)

func (p *pace) observe(size int64, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.each += paceWeight * (took.Seconds()/float64(max(size, 1)) - p.each)
}

// fit is how much to read in one statement.
func (p *pace) fit(budget time.Duration) int64 {
	if budget <= 0 {
		return math.MaxInt64 / 2
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(int64(min(paceShare*budget.Seconds()/p.each, math.MaxInt64/4)), 1)
}

// pace finds the pace of a reading; the first of its kind starts with the
// expected cost of a row.
func (tr *tableRun) pace(side postgres.Side, op string, p piece) *pace {
	_, pages := p.(pageRun)
	key := fmt.Sprint(side, op, pages)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.paces == nil {
		tr.paces = map[string]*pace{}
	}
	if tr.paces[key] == nil {
		each := sampler.Cost(tr.table.On(side), len(tr.table.Columns)).Seconds()
		if pages {
			each *= tr.rowsPerPage(side)
		}
		tr.paces[key] = &pace{each: each}
	}
	return tr.paces[key]
}

// rowsPerPage is an estimate, at least 1. Of a partitioned table it is of a run
// of pages through all leaves.
func (tr *tableRun) rowsPerPage(side postgres.Side) float64 {
	t := tr.table.On(side)
	return max(float64(tr.plan.Rows)/float64(max(t.Pages, 1)), 1)
}
