package checker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// hotRows are the suspects of a moving table that did not settle at once. They
// are looked at again in the end, so that the others don't wait for them.
type hotRows struct {
	mu   sync.Mutex
	keys map[string][]string // by joinKey
}

// maxHot bounds the rows that are kept for the end; others settle where they
// were found, however long that takes.
const maxHot = 20_000

func (h *hotRows) room() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.keys) < maxHot
}

func (h *hotRows) put(suspects []*Suspect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keys == nil {
		h.keys = map[string][]string{}
	}
	for _, s := range suspects {
		h.keys[joinKey(s.Key)] = s.Key
	}
}

func (h *hotRows) take() [][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := make([][]string, 0, len(h.keys))
	for _, k := range h.keys {
		keys = append(keys, k)
	}
	h.keys = nil
	return keys
}

// doClosing is the end of a moving table's content: the rows that did not settle
// at once, and all that were written since the run began. It finds those in one
// snapshot where that can be done within the budget and in memory.
//
// Otherwise it reads ranges of the key, one after the other. A row that is
// updated stays in its range, so it is found all the same; one that gets another key
// meanwhile is, by its key, a row that was deleted and one that is new.
// A table without a key is read in one statement, however long that takes: an
// update leaves nothing by which its rows could be divided.
//
// A row that vanishes from both sides while it is rechecked may have got another
// key, and have taken a damage along that the update did not touch; where one is
// written meanwhile, it may be another row that got its key. So the rows that were
// written since the closing began are closed as well, at most maxClosings times,
// and for those that were only written, where they are found at once. Then a
// row is what its key is.
func (r *run) doClosing(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	out := Outcome{Unit: u}
	hot, at := tr.hot.take(), [2]string{r.moving.horizon, r.moving.back}
	for more := maxClosings; more > 0; more-- {
		next, err := r.horizons(ctx)
		if err != nil {
			return out, err
		}
		tr.restless.begin(next[0])
		seen := map[string]bool{}
		for _, k := range hot {
			seen[joinKey(k)] = true
		}
		err = r.closeSide(ctx, tr, &out, r.source, at[0], hot, seen)
		if err == nil && r.moving.back != "" {
			err = r.closeSide(ctx, tr, &out, r.target, at[1], nil, seen)
		}
		if err != nil {
			return out, err
		}
		if out.gone = tr.restless.gone.Load(); out.gone == 0 && (tr.restless.touched.Load() == 0 || tr.restless.long.Load()) {
			break
		}
		hot, at = nil, next
	}
	out.Compared = true
	return out, nil
}

// restless is what a closing's suspects did while they were rechecked.
type restless struct {
	since         atomic.Uint32 // the transaction, less its epoch, before the closing began
	gone, touched atomic.Int64  // those that neither side has any more, and those that were written
	long          atomic.Bool   // the closing does not find its rows at once
}

func (m *restless) begin(since string) {
	m.since.Store(uint32(number(since)))
	m.gone.Store(0)
	m.touched.Store(0)
}

// cleared takes a suspect that was cleared.
func (m *restless) cleared(s *Suspect) {
	version := s.newest()
	switch {
	case !version.Present:
		m.gone.Add(1)
	case !s.Copies && int32(uint32(number(version.Version))-m.since.Load()) >= 0: // they wrap around
		m.touched.Add(1)
	}
}

// maxClosings is how often a table is closed.
const maxClosings = 3

// closeSide settles some rows, and all others of one side that were written from
// a horizon on and not seen yet.
func (r *run) closeSide(ctx context.Context, tr *tableRun, out *Outcome, db *postgres.DB, horizon string, rows [][]string, seen map[string]bool) error {
	if !tr.digest.Keyed() {
		if err := r.settle(ctx, tr, rows, out); err != nil {
			return err
		}
		return r.closeShare(ctx, tr, out, db, horizon, hashing.All, seen)
	}
	young, err := r.youngAtOnce(ctx, tr, db, horizon, hashing.All, r.read)
	switch {
	case err == nil:
		rows = append(rows, young.without(seen)...)
		for _, k := range rows { // the other side has most of them, too
			seen[joinKey(k)] = true
		}
		return r.settle(ctx, tr, rows, out)
	case postgres.TimedOut(err) && ctx.Err() == nil, errors.Is(err, errBatchFull):
		tr.restless.long.Store(true)
		if err = r.settle(ctx, tr, rows, out); err == nil {
			err = r.youngByKey(ctx, tr, out.Unit, db, horizon, func(s *rowSet) error { return r.settle(ctx, tr, s.without(seen), out) })
		}
	}
	return err
}

// closeShare is closeSide for a share of a table without a key, and for each half
// of it where it holds too many.
func (r *run) closeShare(ctx context.Context, tr *tableRun, out *Outcome, db *postgres.DB, horizon string, h hashing.Share, seen map[string]bool) error {
	young, err := r.youngAtOnce(ctx, tr, db, horizon, h, r.readAtLength)
	switch {
	case errors.Is(err, errBatchFull):
		for _, half := range h.Halves() {
			if err := r.closeShare(ctx, tr, out, db, horizon, half, seen); err != nil {
				return err
			}
		}
		return nil
	case err != nil:
		return err
	}
	return r.settle(ctx, tr, young.without(seen), out)
}

// youngAtOnce reads which rows of a side were written from a horizon on.
func (r *run) youngAtOnce(ctx context.Context, tr *tableRun, db *postgres.DB, horizon string, h hashing.Share, read readFunc) (*rowSet, error) {
	var young *rowSet
	err := r.readAgain(ctx, db, "closing "+tr.table.Name, func(ctx context.Context, s *postgres.Session) error {
		young = newRowSet(2 * r.sizes.batch)
		young.many = !tr.digest.Keyed()
		return tr.digest.Rows(ctx, s, postgres.Young(tr.table.Scope(db.Side()), horizon), h, young.take)
	}, read)
	return young, err
}

// youngByKey is youngAtOnce in ranges of the key.
func (r *run) youngByKey(ctx context.Context, tr *tableRun, u sampler.Unit, db *postgres.DB, horizon string, found func(*rowSet) error) error {
	all := keyRange{rows: max(tr.plan.Rows, 1)}
	var settling sync.Mutex // one batch at a time: they are held in memory
	return r.readPieces(ctx, tr, db, u, all, pass{op: "young", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
		limit := 2 * r.sizes.batch
		if p.size() <= 1 {
			limit = 0
		}
		young := newRowSet(limit)
		err := tr.digest.Rows(ctx, s, postgres.Young(p.scope(tr, db), horizon), hashing.All, young.take)
		if errors.Is(err, errBatchFull) {
			err = errTooLarge
		}
		return func() error {
			settling.Lock()
			defer settling.Unlock()
			return found(young)
		}, err
	}})
}
