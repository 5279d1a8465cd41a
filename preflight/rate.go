package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// measureTime is for how long rows are hashed at most: to learn a rate is no
// reason to load a primary.
const measureTime = 2 * time.Second

// firstPages is what the first statement reads; each of the next takes about a
// part of the time there is.
const (
	firstPages    = 32
	statementPart = 8
)

// speed is how fast both sides read a table at the same time.
type speed struct {
	table *pairing.Table
	sides map[postgres.Side]*pace
}

// pace is one side's.
type pace struct {
	bytes         int64
	took          time.Duration
	counted       int64 // bytes of the heap whose rows were counted
	countTook     time.Duration
	err           error
	nextPage, end int64 // of the largest leaf
}

func perSecond(bytes int64, took time.Duration) float64 {
	return float64(bytes) / max(took.Seconds(), 1e-6)
}

// measureSpeed hashes a part of the largest table, as a verify would. It is nil,
// with the reason, where there was no time or nothing to read.
func (f *facts) measureSpeed(ctx context.Context) (*speed, error) {
	if f.o.Measure <= 0 {
		return nil, errors.New("the rate of hashing was not measured: give it time (--measure)")
	}
	readable := slices.DeleteFunc(f.compared(), func(t *pairing.Table) bool {
		return !t.Source.CanSelect || !t.Target.CanSelect || t.Source.RowSecurity || t.Target.RowSecurity || bytesOf(t.Source) == 0 || bytesOf(t.Target) == 0 ||
			!slices.Contains([]byte("rp"), t.Source.Kind) || !slices.Contains([]byte("rp"), t.Target.Kind)
	})
	if len(readable) == 0 {
		return nil, errors.New("the rate of hashing was not measured: there is no table with rows on both sides that the roles may read (pgparity grants prints what they need)")
	}
	s := &speed{sides: map[postgres.Side]*pace{postgres.Source: {}, postgres.Target: {}},
		table: slices.MaxFunc(readable, func(a, b *pairing.Table) int { return cmp.Compare(bytesOf(a.Source), bytesOf(b.Source)) })}
	agreement, err := hashing.Agree(ctx, f.source, f.target, []*pairing.Table{s.table}, hashing.Auto)
	if err != nil {
		return nil, fmt.Errorf("the rate of hashing was not measured: %w", err)
	}
	digest := agreement.Digest(s.table)
	var wg sync.WaitGroup
	for side, p := range s.sides {
		wg.Go(func() { p.measure(ctx, f.on(side), s.table, digest, min(f.o.Measure, measureTime)) })
	}
	wg.Wait()
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		if p := s.sides[side]; p.bytes == 0 {
			if postgres.TimedOut(p.err) {
				p.err = fmt.Errorf("%s: the first pages of %s were not hashed within %v", side, s.table.Name, min(f.o.Measure, measureTime))
			}
			return nil, fmt.Errorf("the rate of hashing was not measured: %w", p.err)
		}
	}
	return s, nil
}

// measure hashes pages of the table until the time is over, or the table is, and
// then counts the rows of some. What was read before an error counts.
func (p *pace) measure(ctx context.Context, db *postgres.DB, t *pairing.Table, d *hashing.Digest, limit time.Duration) {
	began := time.Now()
	table := t.On(db.Side())
	p.end = max(table.Pages, 1)
	pages := int64(firstPages)
	hash := func(ctx context.Context, s *postgres.Session, scope postgres.Scope) error {
		_, err := d.Sum(ctx, s, scope)
		return err
	}
	for p.err == nil && p.nextPage < p.end && time.Since(began) < limit {
		bytes, took := p.read(ctx, db, t, pages, limit-time.Since(began), hash)
		p.bytes, p.took = p.bytes+bytes, p.took+took
		if took < limit/statementPart {
			pages *= 2
		}
	}
	if p.bytes == 0 {
		return
	}
	hashed := p.err
	if p.nextPage >= p.end { // all was hashed: the same again
		p.nextPage = 0
	}
	from := p.nextPage
	_, p.countTook = p.read(ctx, db, t, pages, limit/2, func(ctx context.Context, s *postgres.Session, scope postgres.Scope) error {
		return s.Each(ctx, postgres.Statement{SQL: "SELECT count(*)\n" + scope.Clause(), Args: scope.Args}, func(postgres.Row) error { return nil })
	})
	// What is stored out of line is not read to count.
	p.counted = int64(float64(table.Bytes) * float64(p.nextPage-from) / float64(p.end))
	p.err = hashed // rows that were not counted in time have no rate
}

// read reads the next pages of a table within a time, and gives how many bytes
// they are, with what they store out of line, and how long that took; 0 where it
// failed.
func (p *pace) read(ctx context.Context, db *postgres.DB, t *pairing.Table, pages int64, limit time.Duration, do func(context.Context, *postgres.Session, postgres.Scope) error) (bytes int64, took time.Duration) {
	table := t.On(db.Side())
	pages = min(pages, p.end-p.nextPage)
	scope := t.Scope(db.Side())
	switch {
	case pages == p.end: // the whole
	case table.Kind == 'r' && table.PageRanges:
		scope = sampler.Segment{From: p.nextPage, To: p.nextPage + pages}.Of(scope, table, db.Server().BlockSize)
	default: // pages anywhere, as many
		scope.From += fmt.Sprintf(" TABLESAMPLE SYSTEM (%g)", 100*float64(pages)/float64(p.end))
	}
	p.err = db.Read(ctx, "preflight rate", func(ctx context.Context, s *postgres.Session) error {
		began := time.Now()
		err := do(ctx, s, scope)
		took = time.Since(began)
		return err
	}, fmt.Sprintf("statement_timeout = %d", max(limit.Milliseconds(), 1)))
	if p.err != nil {
		return 0, 0
	}
	p.nextPage += pages
	return int64(float64(bytesOf(table)) * float64(pages) / float64(p.end)), took
}

// slower is the side that needs longer for the table.
func (s *speed) slower() postgres.Side {
	if s.duration(postgres.Target) > s.duration(postgres.Source) {
		return postgres.Target
	}
	return postgres.Source
}

func (s *speed) duration(side postgres.Side) time.Duration {
	return s.read(side, bytesOf(s.table.On(side)))
}

// read is how long a side needs to hash so many bytes.
func (s *speed) read(side postgres.Side, bytes int64) time.Duration {
	return lasting(float64(bytes) / perSecond(s.sides[side].bytes, s.sides[side].took))
}

// count is how long a side needs to count the rows of so many bytes; false where
// that was not measured.
func (s *speed) count(side postgres.Side, bytes int64) (time.Duration, bool) {
	p := s.sides[side]
	if p.counted == 0 {
		return 0, false
	}
	return lasting(float64(bytes) / perSecond(p.counted, p.countTook)), true
}

// lasting is a duration, of a century at most: more does not fit much longer.
func lasting(seconds float64) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	return time.Duration(min(seconds*float64(time.Second), float64(century)))
}

func (s *speed) rate() *Rate {
	p := s.sides[s.slower()]
	r := &Rate{Table: s.table.Name, Bytes: p.bytes, ElapsedMS: p.took.Milliseconds(), BytesPerSecond: perSecond(p.bytes, p.took)}
	if p.counted > 0 {
		n := perSecond(p.counted, p.countTook)
		r.CountBytesPerSecond = &n
	}
	return r
}
