package checker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// What may be said of a pair at rest by reading little of it, after all of it
// was compared once:
//
//  1. A side's horizon is the oldest transaction that it did not see, read before
//     that comparison began (ReadHorizon). A row is old where a transaction before
//     its side's horizon wrote it, and else young.
//  2. A row that is old on both sides was there, in this very version, on both
//     of them, as long as the comparison lasted. It compared every row of both sides,
//     and ended in a match: so the two were equal, and they still are.
//  3. A row that is young on either side is read on both now (Changed): the pass
//     that finds it hashes it, and where the passes of the two sides do not agree,
//     it is looked up by its key.
//  4. What is left is old on one side and absent on the other: a delete that was
//     lost, a TRUNCATE that was not replicated, a row that nobody should have
//     removed. The pass adds up the hashes of all keys. Where both sides' sums
//     are equal, so are their sets of keys, and there is none.
//
// So Changed proves of a table that all its rows are equal. It rests on the
// comparison for the old ones. Where keys are hashed by pgparity and not by the
// servers (hashing.Stream) step 4 counts keys: as many lost deletes as foreign ones,
// all of them of old rows, would go unseen.
//
// While the pair still moves, CatchUp brings the horizons forward, so that less
// is young later:
//
//  1. New horizons are read, and then each side's rows from the old ones on,
//     in one snapshot a side.
//  2. Rows that both passes found equal need nothing. All other rows that any of
//     them found are suspects, and rechecked between fences (Recheck). One that is
//     confirmed is a finding, one that stays open is carried along: Changed
//     looks it up, whatever its age.
//  3. Be a row at last older than the new horizons on both sides. Where it is older
//     than the old ones as well, it is equal by step 2 above. Else the pass over the side
//     on which it was young saw it, in the version that it still has: so that version, and
//     the other side's, were read by the passes or by the recheck. They were equal,
//     or the row is carried along.

// Horizon is each side's oldest transaction that it did not see at one moment,
// as a snapshot prints it; "" where that is not known.
type Horizon struct{ Source, Target string }

// Known tells whether both are.
func (h Horizon) Known() bool { return h.Source != "" && h.Target != "" }

func (h Horizon) of(side postgres.Side) string {
	if side == postgres.Source {
		return h.Source
	}
	return h.Target
}

// ReadHorizon reads both sides' horizons: the source's first, and the target's when
// it has what the source showed then. So what is old on the source is old on the target
// too, but for little; where the fence is not passed in patience, less so.
func ReadHorizon(ctx context.Context, source, target *postgres.DB, f fence.Fence, patience time.Duration) (h Horizon, err error) {
	if h.Source, err = oldest(ctx, source); err != nil {
		return h, err
	}
	if err := passed(ctx, f, patience); err != nil {
		var stalled *fence.Stalled
		if !errors.As(err, &stalled) {
			return h, err
		}
	}
	h.Target, err = oldest(ctx, target)
	return h, err
}

// oldest is the oldest transaction that a side does not see.
func oldest(ctx context.Context, db *postgres.DB) (at string, err error) {
	err = postgres.Again(ctx, func() error {
		snapshot, err := db.Transactions(ctx)
		at, _, _ = strings.Cut(snapshot, ":")
		return err
	})
	return at, err
}

// passed takes a mark and waits for it.
func passed(ctx context.Context, f fence.Fence, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(patience, leastWait))
	defer cancel()
	mark, err := f.Mark(ctx)
	if err != nil {
		return err
	}
	return f.Wait(ctx, mark)
}

// Window reads a pair of which all content was compared before. What it needs
// of both catalogs and of the digests it has when it is opened. It is safe for
// concurrent use, but for what concerns one table.
type Window struct {
	Tables []*WindowTable
	run    *run
}

// WindowTable is a table of the pair.
type WindowTable struct {
	*pairing.Table
	// Reason is why nothing can be said of it, "" where something can.
	Reason string
	// Keyed: its rows are told apart by a key. Young: those that were written since a
	// horizon can be told, too.
	Keyed, Young bool
	// Counted: its keys are counted, and not hashed: see step 4.
	Counted bool
	// Cost is how long it may take to hash all of it, before anything was measured.
	Cost time.Duration
	// Since is from when on its rows are young, and Scan how long a pass over them took
	// on the slower side, Found how many it found: set by CatchUp.
	Since Horizon
	Scan  time.Duration
	Found int64

	tr      *tableRun
	carried [][]string // keys of rows that did not settle
}

// OpenWindow agrees with both servers on the digests of a pair's tables. since
// is when all of it was compared. Of o, Digest, Budget, Settle, MaxDiffs and
// HashKeys count.
func OpenWindow(ctx context.Context, source, target *postgres.DB, pair *pairing.Pair, since Horizon, o Options) (*Window, error) {
	agree, err := hashing.Agree(ctx, source, target, pair.Tables, o.Digest)
	if err != nil {
		return nil, err
	}
	r := &run{o: o, source: source, target: target, pair: pair, keys: newKeyMask(o.HashKeys), sizes: usual, result: &Result{}}
	r.guard = newGuard(Guard{}, source, target, func(Event) {})
	w := &Window{run: r}
	for _, t := range pair.Tables {
		wt := &WindowTable{Table: t, Since: since, Reason: notComparable(t)}
		w.Tables = append(w.Tables, wt)
		if wt.Reason == "" {
			wt.open(agree.Digest(t))
		}
	}
	return w, nil
}

func (t *WindowTable) open(d *hashing.Digest) {
	t.tr = &tableRun{table: t.Table, digest: d, result: &TableResult{}}
	switch {
	case len(t.Incomparable) > 0:
		t.Reason = t.Incomparable[0]
	case len(d.Undecidable) > 0:
		t.Reason = d.Undecidable[0].Name + ": " + d.Undecidable[0].Why
	}
	t.Keyed, t.Counted = d.Keyed(), d.Way == hashing.Stream
	t.Young = t.Keyed && t.Source.Tids && t.Target.Tids
	for _, side := range []*postgres.Table{t.Source, t.Target} {
		rows := max(side.EstimatedRows, side.Bytes/leastRow, 1)
		t.Cost = max(t.Cost, time.Duration(rows)*sampler.Cost(side, len(t.Columns)))
	}
}

// leastRow is how many bytes of the heap a row takes at least, about: a table
// that was not analysed may hold so many more than its statistics say.
const leastRow = 40

// Lasts tells whether both sides find the rows that come last by a column, or by the
// key where that is "", alike and without reading the table.
func (t *WindowTable) Lasts(by string) bool {
	if by == "" {
		return t.Keyed && t.Key.Ordered
	}
	paired := slices.ContainsFunc(t.Columns, func(c *pairing.Column) bool { return c.Name == by })
	return t.Keyed && paired && t.Source.LedBy(by) && t.Target.LedBy(by)
}

// Rate measures how long it takes to hash all of a table, by a few of its pages
// on both sides; Cost where that can't be done.
func (w *Window) Rate(ctx context.Context, t *WindowTable) (time.Duration, error) {
	if !t.Source.PageRanges || !t.Target.PageRanges {
		return t.Cost, nil
	}
	took, err := postgres.Both(ctx, w.run.source, w.run.target, func(ctx context.Context, db *postgres.DB) (took time.Duration, err error) {
		pages := max(t.On(db.Side()).Pages, 1)
		from := pages / 2
		part := pageRun{sampler.Segment{From: from, To: from + ratePages}, ratePages}
		err = w.run.read(ctx, db, "gate "+t.Name, func(ctx context.Context, s *postgres.Session) error {
			began := time.Now()
			_, err := t.tr.digest.Sum(ctx, s, part.scope(t.tr, db))
			took = time.Since(began)
			return err
		})
		read := min(pages-from, ratePages)
		return took * time.Duration(max(pages/read, 1)) * time.Duration(max(t.On(db.Side()).Leaves, 1)), err
	})
	if postgres.TimedOut(err) && ctx.Err() == nil {
		return max(t.Cost, w.run.o.Budget), nil
	}
	return max(took[0], took[1]), err
}

// ratePages are as many as take some milliseconds.
const ratePages = 256

// both reads both sides at the same time, in a transaction each.
func (w *Window) both(ctx context.Context, tag string, read func(context.Context, *postgres.Session) error, settings ...string) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, db := range []*postgres.DB{w.run.source, w.run.target} {
		g.Go(func() error { return db.Read(gctx, tag, read, settings...) })
	}
	return g.Wait()
}
