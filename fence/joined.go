package fence

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/postgres"
)

// All joins fences that stand side by side: a mark is one of each, and waiting
// is waiting for all. Those that have positions have them on one server.
func All(fences ...Fence) Fence {
	if len(fences) == 1 {
		return fences[0]
	}
	return all(fences)
}

type all []Fence

// Mark takes one of each fence.
func (a all) Mark(ctx context.Context) (Mark, error) {
	joined := Mark{parts: make([]Mark, len(a))}
	for i, f := range a {
		m, err := f.Mark(ctx)
		if err != nil {
			return Mark{}, err
		}
		joined.parts[i] = m
		// What is proved is proved up to the lowest of the positions.
		if m.LSN != 0 && (joined.LSN == 0 || m.LSN < joined.LSN) {
			joined.LSN = m.LSN
		}
	}
	return joined, nil
}

// Wait waits for all at once; the first that fails ends it.
func (a all) Wait(ctx context.Context, m Mark) error {
	if len(m.parts) != len(a) {
		return errForeignMark
	}
	g, ctx := errgroup.WithContext(ctx)
	for i, f := range a {
		g.Go(func() error { return f.Wait(ctx, m.parts[i]) })
	}
	return g.Wait()
}

// Cover has a gap where any of the fences is not ready yet with a table, and
// where none of them has it at all: each carries a part of the tables.
func (a all) Cover(ctx context.Context, tables []string) (Cover, error) {
	joined, err := joinCovers(ctx, a, tables)
	if err != nil {
		return Cover{}, err
	}
	absent := map[[2]string]int{}
	joined.Gaps = slices.DeleteFunc(joined.Gaps, func(s postgres.TableState) bool {
		if !unsubscribed(s) {
			return false
		}
		leaf := [2]string{s.Table, s.Leaf}
		absent[leaf]++
		return absent[leaf] != len(a)
	})
	return joined, nil
}

func unsubscribed(s postgres.TableState) bool { return s.State == "" }

// Health tells of every fence.
func (a all) Health(ctx context.Context) (Health, error) { return joinHealth(ctx, a) }

// Chain joins fences that stand one behind the other: to a middle, from there
// on to the next. Each has its own middle's positions, so:
//
//  1. The first one's Wait proves that what was before the mark is visible in
//     the middle.
//  2. A mark that the second takes only then has it before it.
//  3. So the second's Wait proves that it is visible behind the second.
func Chain(fences ...Fence) Fence {
	if len(fences) == 1 {
		return fences[0]
	}
	return chain(fences)
}

type chain []Fence

// Mark takes the first fence's.
func (c chain) Mark(ctx context.Context) (Mark, error) { return c[0].Mark(ctx) }

// Wait waits for one fence after the other, each with a mark of its own.
func (c chain) Wait(ctx context.Context, m Mark) error {
	for i, f := range c {
		if i > 0 {
			var err error
			if m, err = f.Mark(ctx); err != nil {
				return err
			}
		}
		if err := f.Wait(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// Cover has the gaps of every fence: a table has to pass all of them.
func (c chain) Cover(ctx context.Context, tables []string) (Cover, error) {
	return joinCovers(ctx, c, tables)
}

// Health tells of every fence.
func (c chain) Health(ctx context.Context) (Health, error) { return joinHealth(ctx, c) }

// joinCovers joins the gaps of all: each says of every table whether it is
// carried as far as that fence goes.
func joinCovers(ctx context.Context, fences []Fence, tables []string) (Cover, error) {
	joined := Cover{versions: map[string]string{}}
	for _, f := range fences {
		c, err := f.Cover(ctx, tables)
		if err != nil {
			return Cover{}, err
		}
		joined.Gaps = append(joined.Gaps, c.Gaps...)
		for _, t := range tables {
			joined.versions[t] += c.versions[t] + "\x00"
		}
	}
	return joined, nil
}

func joinHealth(ctx context.Context, fences []Fence) (Health, error) {
	var joined Health
	for _, f := range fences {
		h, err := f.Health(ctx)
		if err != nil {
			return Health{}, err
		}
		joined.Streams = append(joined.Streams, h.Streams...)
		joined.Troubles = append(joined.Troubles, h.Troubles...)
	}
	return joined, nil
}

// returning is what carries the target's changes back to the source. A table
// that it does not carry has nothing that comes back, so that is no gap.
type returning struct{ Fence }

// Cover has the tables that are carried back and are not ready yet.
func (r returning) Cover(ctx context.Context, tables []string) (Cover, error) {
	c, err := r.Fence.Cover(ctx, tables)
	c.Gaps = slices.DeleteFunc(c.Gaps, unsubscribed)
	return c, err
}

// still is the fence of a pair that nothing replicates.
//
// Its Wait proves nothing about arrival, and need not: nothing of the source
// ever comes to the target, so a row that the target lacks is one that it will
// not get.
type still struct{}

// Still is the fence where nothing replicates: for a pair that was found at
// rest, or that the operator named so.
func Still() Fence { return still{} }

// Mark has nothing to read.
func (still) Mark(context.Context) (Mark, error) { return Mark{}, nil }

// Wait has nothing to wait for.
func (still) Wait(ctx context.Context, _ Mark) error { return context.Cause(ctx) }

// Cover has no gaps: what does not move needs no care.
func (still) Cover(context.Context, []string) (Cover, error) { return Cover{}, nil }

// Health has nothing to look at.
func (still) Health(context.Context) (Health, error) { return Health{}, nil }

// barrier proves that what the target may have got already is visible on the
// source. See Barrier.
type barrier struct {
	source *postgres.DB
	tables []string
}

// Barrier stands between a reading of the target and the next one of the
// source, for tables named as quote_ident prints them on the source.
//
// A commit is sent to those who follow once it is in the log; on the source it
// is visible only later: after a synchronous standby has answered, or when the
// backend is given the processor again. So a target may rightly be ahead.
//
//  1. A reading of the target saw a change that the source's log holds.
//  2. The transaction that made it is visible on the source, and there is
//     nothing to wait for; or it is not, and then it still holds the lock that
//     its writing took, since locks are let go only after a transaction became
//     visible. A prepared one holds it too, also while it is being committed.
//  3. Mark, after that reading, sees that lock: it is among the writers.
//  4. Wait returns when none of the writers of the mark holds a lock any more.
//     Then the transaction is visible to every statement that begins on the
//     source from now on.
//
// A transaction that stays open stays in the way: the Stalled names its session.
func Barrier(source *postgres.DB, tables []string) Fence {
	return &barrier{source: source, tables: tables}
}

// Mark reads who holds a writer's lock.
func (b *barrier) Mark(ctx context.Context) (Mark, error) {
	writers, err := b.source.ReadWriters(ctx, b.tables)
	return Mark{writers: writers}, err
}

// Wait looks until none of those holds one any more.
func (b *barrier) Wait(ctx context.Context, m Mark) error {
	left := m.writers
	if len(left) == 0 {
		return context.Cause(ctx)
	}
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		now, err := b.source.ReadWriters(ctx, b.tables)
		if err != nil {
			return false, err
		}
		left = stillWriting(left, now)
		return len(left) == 0, nil
	}, func(context.Context) ([]Trouble, error) {
		return []Trouble{b.open(left)}, nil
	})
}

// stillWriting are those of before that are among now, as they are now.
func stillWriting(before, now []postgres.Writer) []postgres.Writer {
	var left []postgres.Writer
	for _, n := range now {
		for _, b := range before {
			if n.Transaction == b.Transaction && n.PID == b.PID {
				left = append(left, n)
				break
			}
		}
	}
	return left
}

func (b *barrier) open(writers []postgres.Writer) Trouble {
	names := make([]string, len(writers))
	for i, w := range writers {
		names[i] = w.String()
	}
	return Trouble{Kind: WritersOpen, Side: b.source.Side(), Subject: names[0],
		Sentence: "transactions that wrote may not be visible on the source yet: " + strings.Join(names, ", ") + "; end or commit them, or raise --settle"}
}

// Cover has no gaps: locks stand for all tables alike.
func (b *barrier) Cover(context.Context, []string) (Cover, error) { return Cover{}, nil }

// Health names the writers that are open now.
func (b *barrier) Health(ctx context.Context) (Health, error) {
	writers, err := b.source.ReadWriters(ctx, b.tables)
	if err != nil || len(writers) == 0 {
		return Health{}, err
	}
	return Health{Troubles: []Trouble{b.open(writers)}}, nil
}
