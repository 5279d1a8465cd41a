package checker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// adder reads the rows of a piece, which add up.
type adder func(ctx context.Context, s *postgres.Session, p piece) (hashing.Sum, error)

// addUp reads a unit on one side, in pieces, and returns their sum. Of a table
// that is one unit each piece is written down, and what an earlier run read of
// it is not read again.
func (r *run) addUp(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, op string, read adder) (total hashing.Sum, err error) {
	whole := r.whole(tr, u, db)
	parts, err := r.partsOf(ctx, tr, db, u, whole, op)
	if err != nil {
		return total, err
	}
	total = parts.sum
	var mu sync.Mutex
	how := pass{op: op, do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
		sum, err := read(ctx, s, p)
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			parts.write(r, p, sum)
			total = total.Plus(sum)
			if op == "sum" && db.Side() == postgres.Source && p.size() < whole.size() {
				r.emit(Event{Kind: PieceDone, Table: tr.table.Name, Rows: sum.Rows})
			}
			return nil
		}, err
	}}
	err = r.readWhole(ctx, tr, db, u, parts.rest, parts.file, how)
	return total, err
}

// parts is how far the reading of a unit is on one side.
type parts struct {
	keep bool // pieces are written down
	of   sideOf
	try  int
	file string
	sum  hashing.Sum // of what was read before
	rest []piece     // what is left to read
}

// partsOf finds what is left of a unit. A unit whose digests differ although no
// row does is read more than once; only the last reading counts.
func (r *run) partsOf(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, whole piece, op string) (*parts, error) {
	p := &parts{of: sideOf{u.ID(), db.Side()}, rest: []piece{whole}}
	if r.journal == nil || u.Chunks > 1 {
		return p, nil // a range is soon read again
	}
	var known []*pieceLine
	p.try, known = r.journal.begin(p.of)
	fits := whole.size() <= r.fit(tr, db.Side(), whole, pass{op: op})
	if fits && len(known) == 0 {
		return p, nil // one statement reads it
	}
	p.keep = true
	if _, pages := whole.(pageRun); pages {
		var err error
		if p.file, err = r.files(ctx, tr, db); err != nil {
			return nil, err
		}
	}
	p.restore(whole, known)
	return p, nil
}

// begin counts a reading of a unit, and hands out what is known of it.
func (j *journal) begin(of sideOf) (try int, known []*pieceLine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if again, ok := j.taken[of]; ok {
		j.taken[of] = again + 1
		return again + 1, nil
	}
	if j.past != nil {
		known = j.past.pieces[of]
	}
	if len(known) > 0 {
		try = known[0].Try
	}
	j.taken[of] = try
	return try, known
}

// write writes down a piece that was read.
func (p *parts) write(r *run, read piece, sum hashing.Sum) {
	if !p.keep {
		return
	}
	line := &pieceLine{Unit: p.of.unit, Side: p.of.side, Try: p.try, Rows: sum.Rows, Hash: sum.Hash}
	switch read := read.(type) {
	case pageRun:
		line.Pages, line.File = &read.Segment, p.file
	case keyRange:
		line.From, line.To = texts(read.From), texts(read.To)
	default:
		return
	}
	r.journal.write(entry{Piece: line})
	r.warnOfJournal(r.emit)
}

// restore takes the pieces that were read off the whole.
func (p *parts) restore(whole piece, known []*pieceLine) {
	switch whole := whole.(type) {
	case pageRun:
		p.restorePages(whole, known)
	case keyRange:
		p.restoreKeys(whole, known)
	}
}

// restorePages leaves the runs of pages between those that were read. Pages of
// a table that was rewritten since hold other rows.
func (p *parts) restorePages(whole pageRun, known []*pieceLine) {
	known = slices.DeleteFunc(slices.Clone(known), func(l *pieceLine) bool { return l.Pages == nil || l.File != p.file })
	slices.SortStableFunc(known, func(a, b *pieceLine) int { return cmp.Compare(a.Pages.From, b.Pages.From) })
	p.rest = nil
	at, open := int64(0), true
	for _, l := range known {
		if !open || l.Pages.From < at {
			continue // counted already
		}
		if l.Pages.From > at {
			p.rest = append(p.rest, pageRun{sampler.Segment{From: at, To: l.Pages.From}, l.Pages.From - at})
		}
		p.sum = p.sum.Plus(hashing.Sum{Rows: l.Rows, Hash: l.Hash})
		at, open = l.Pages.To, l.Pages.To > 0
	}
	if open {
		p.rest = append(p.rest, pageRun{sampler.Segment{From: at}, max(whole.pages-at, 1)})
	}
}

// restoreKeys leaves what comes after the first pieces, each of which begins
// where the one before ends. Only the side knows the order of its keys, so what
// was read beyond a gap is read again.
func (p *parts) restoreKeys(whole keyRange, known []*pieceLine) {
	from := map[string]*pieceLine{}
	for _, l := range known {
		if l.Pages == nil {
			from[joinBound(l.From)] = l
		}
	}
	left := whole
	for range known {
		l, ok := from[joinBound(texts(left.From))]
		if !ok {
			break
		}
		p.sum = p.sum.Plus(hashing.Sum{Rows: l.Rows, Hash: l.Hash})
		left.From, left.rows = plainTexts(l.To), max(left.rows-l.Rows, 1)
		if l.To == nil {
			p.rest = nil
			return
		}
	}
	p.rest = []piece{left}
}

// joinBound makes one string of a bound; an open end is none that a key makes.
func joinBound(bound []text) string {
	if bound == nil {
		return "open"
	}
	return "key " + joinKey(plainTexts(bound))
}

// readWhole reads all that is left of a unit on one side. Where it takes several
// statements to read a heap by its pages, rows must not move between the pages
// meanwhile: then some would be read twice, and others not at all. before are
// the heap's files where that is known, since when something of it was read.
func (r *run) readWhole(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, rest []piece, before string, how pass) error {
	how.files = &heapFiles{before: before}
	for _, p := range rest {
		if _, pages := p.(pageRun); !pages {
			how.files = nil
		}
		if err := r.readPieces(ctx, tr, db, u, p, how); err != nil {
			return err
		}
	}
	return how.files.same(ctx, r, tr, db)
}

// heapFiles are the files of a heap before the first of its pages was read, ""
// while one statement reads it all: that sees all of it at once.
type heapFiles struct {
	mu     sync.Mutex
	before string
}

// note finds the files, unless they are known or it is not cut.
func (h *heapFiles) note(ctx context.Context, r *run, tr *tableRun, db *postgres.DB, cut bool) (err error) {
	if h == nil || !cut {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.before == "" {
		h.before, err = r.files(ctx, tr, db)
	}
	return err
}

// errRewritten says that what was read of a heap by its pages does not hold.
var errRewritten = errors.New("its rows were moved to other files while it was read (VACUUM FULL, CLUSTER or the like): run again")

// same tells by an error that the files are others now.
func (h *heapFiles) same(ctx context.Context, r *run, tr *tableRun, db *postgres.DB) error {
	if h == nil || h.before == "" {
		return nil
	}
	now, err := r.files(ctx, tr, db)
	if err == nil && now != h.before {
		err = fmt.Errorf("%s: %w", db.Side(), errRewritten)
	}
	return err
}

// files names the files that hold a table's rows, of all its leaves. A rewrite
// of the table (VACUUM FULL, CLUSTER, TRUNCATE) gives it others.
func (r *run) files(ctx context.Context, tr *tableRun, db *postgres.DB) (files string, err error) {
	sql := fmt.Sprintf(`WITH RECURSIVE tree(oid) AS (
  SELECT '%d'::pg_catalog.oid
  UNION ALL
  SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
)
SELECT coalesce(pg_catalog.string_agg(pg_catalog.pg_relation_filenode(oid)::pg_catalog.text, ' ' ORDER BY oid), '') FROM tree`, tr.table.On(db.Side()).OID)
	err = r.readAtLength(ctx, db, "files "+tr.table.Name, func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql}, func(row postgres.Row) error {
			files = row.Text(0)
			return nil
		})
	})
	return files, err
}
