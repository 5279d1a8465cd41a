package cutover

import (
	"context"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// Delayed tables are copied in runs of rows that lie behind each other by a column
// that grows. Why no row is passed by, and none comes twice:
//
//  1. A run ends at a value, and takes every row that has it: ties are not split.
//  2. A run is one transaction on the side that is written, and the next one
//     begins at the last value that is there. Who is killed in between goes on
//     where the last committed run ended.
//  3. While the other side is written, a row may become visible behind one that
//     came later: its value was drawn before. So what is the last value is read
//     first; then those are waited for who held a writer's lock on the table at
//     that moment; and then the rows up to it are read.
//  4. That misses a value that was drawn before the lock was taken, as a session
//     does whose sequence has a cache. So in the window, when nobody writes any
//     more, the last rows up to the end are compared by their digest, and by their
//     keys where that differs, and those that are missing are copied.
//  5. What was passed by further back is found by the verification.
//
// When the side that is switched to is live it has rows of its own, behind the
// last value that the other side had: no more than up to that is copied then. A
// run that finds rows compares them by their keys; one that is there and differs
// is an error.

// The sizes of a run.
const (
	copyBatch = 50_000 // rows of a run, and those that tie with the last
	copyTail  = 10_000 // rows that are looked at again in the window
	// writersPatience is for how long writers are waited for (3).
	writersPatience = 10 * time.Minute
)

// copyBefore copies what there is while the other side is written. It ends when
// less is left than a run.
func (r *run) copyBefore(ctx context.Context) error {
	return r.eachCopy(ctx, "copy-before", "what is there now", func(*copied) bool { return true }, func(ctx context.Context, c *copied) error {
		if err := r.copyTailOf(ctx, c); err != nil { // of a run before this one
			return err
		}
		for {
			more, err := r.copyRound(ctx, c)
			if err != nil {
				return err
			}
			if more {
				continue
			}
			upto, err := c.last(ctx, r.to.db)
			if r.facts.Copied == nil {
				r.facts.Copied = map[string]string{}
			}
			remember(r.facts.Copied, c, upto)
			return err
		}
	})
}

// copyRound copies up to what the last value is when it begins, and tells whether
// another round is worth while.
func (r *run) copyRound(ctx context.Context, c *copied) (more bool, err error) {
	end, err := c.last(ctx, r.from.db)
	if err != nil || end == nil {
		return false, err
	}
	if err := r.writersGone(ctx, c); err != nil {
		return false, err
	}
	upto, err := c.last(ctx, r.to.db)
	if err != nil {
		return false, err
	}
	n, err := r.copyUpto(ctx, Prepared, c, upto, *end)
	return n >= r.copyBatch(), err
}

// writersGone waits for who may have drawn a value and not shown it yet (3).
func (r *run) writersGone(ctx context.Context, c *copied) error {
	ctx, cancel := context.WithTimeout(ctx, writersPatience)
	defer cancel()
	barrier := fence.Barrier(r.from.db, []string{c.table.Source.Quoted})
	mark, err := barrier.Mark(ctx)
	if err != nil {
		return err
	}
	return barrier.Wait(ctx, mark)
}

// copyInWindow copies the rest of the tables that do not wait, and compares the
// last rows. Of those that wait it remembers where they end.
func (r *run) copyInWindow(ctx context.Context) error {
	list, err := r.copies(ctx)
	if err != nil || r.strategy == VerifyOnly {
		return err
	}
	// What the gate was told of when it was prepared stays as it is.
	upto, ends, later := map[string]string{}, map[string]string{}, []string(nil)
	maps.Copy(upto, r.facts.Copied)
	for _, c := range list {
		last, err := r.ends(ctx, c)
		if err != nil {
			return err
		}
		remember(ends, c, last[0])
		if c.After {
			remember(upto, c, last[1])
			later = append(later, c.Table)
		}
	}
	r.facts.Copied, r.facts.Ends, r.facts.Later = upto, ends, later
	return r.eachCopy(ctx, "copy-window", "what came since", func(c *copied) bool { return !c.After }, func(ctx context.Context, c *copied) error {
		upto, err := c.last(ctx, r.to.db)
		if err != nil {
			return err
		}
		if end, some := ends[c.Table]; some {
			if _, err := r.copyUpto(ctx, Verified, c, upto, end); err != nil {
				return err
			}
		}
		return r.copyTailOf(ctx, c)
	})
}

// sameEnds proves that nobody added a row to a delayed table since it was read to its
// end: no slot tells of it.
func (r *run) sameEnds(ctx context.Context) error {
	if len(r.o.Delayed) == 0 {
		return nil
	}
	return r.gate(ctx, Action{ID: "delayed-same", On: r.from.name, Do: "SELECT … FROM (each delayed table) ORDER BY … DESC LIMIT 1", Why: "nobody wrote since they were copied"}, func(ctx context.Context) error {
		list, err := r.copies(ctx)
		if err != nil {
			return err
		}
		for _, c := range list {
			last, err := c.last(ctx, r.from.db)
			if err != nil {
				return err
			}
			was, some := r.facts.Ends[c.Table]
			if some != (last != nil) || some && was != *last {
				return fmt.Errorf("%s: %s was written to after the database was closed to clients: a superuser, a job or another background process writes there; find it, and run again", r.from.name, c.table.Name)
			}
		}
		return nil
	})
}

// remember keeps a value, and that there is none.
func remember(values map[string]string, c *copied, value *string) {
	if delete(values, c.Table); value != nil {
		values[c.Table] = *value
	}
}

// ends are the last values of both sides.
func (r *run) ends(ctx context.Context, c *copied) (ends [2]*string, err error) {
	g, ctx := errgroup.WithContext(ctx)
	for i, e := range []*end{r.from, r.to} {
		g.Go(func() (err error) {
			ends[i], err = c.last(ctx, e.db)
			return err
		})
	}
	return ends, g.Wait()
}

// copyAfter copies the rest of the tables that wait, while clients write to the
// side that it is copied to.
func (r *run) copyAfter(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	return r.eachCopy(ctx, "copy-after", "what was left for when it is live", func(c *copied) bool { return c.After }, func(ctx context.Context, c *copied) error {
		if r.facts.Ends == nil {
			return fmt.Errorf("%s: where it ended when it was closed is not in the journal: copy the rest of it by hand", c.Table)
		}
		end, some := r.facts.Ends[c.Table]
		if !some {
			return nil
		}
		// Runs begin where they began: what is there already is compared.
		var since *string
		if upto, known := r.facts.Copied[c.Table]; known {
			var err error
			if since, err = c.before(ctx, r.from.db, &upto, copyTail); err != nil {
				return err
			}
		}
		_, err := r.copyUpto(ctx, Live, c, since, end)
		return err
	})
}

// eachCopy does one thing for each table that is meant.
func (r *run) eachCopy(ctx context.Context, id, why string, meant func(*copied) bool, do func(context.Context, *copied) error) error {
	list, err := r.copies(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if !meant(c) {
			continue
		}
		upto, err := c.last(ctx, r.to.db)
		if err != nil {
			return err
		}
		p := c.copying(c.scope(postgres.Source, upto, nil))
		a := Action{ID: id, On: r.to.name, Do: fmt.Sprintf("-- %s:\n%s\n-- %s:\n%s", r.from.name, p.Out, r.to.name, p.In), Why: why}
		if err := r.do(ctx, a, func(ctx context.Context) error { return do(ctx, c) }); err != nil {
			return err
		}
	}
	return nil
}

// copyUpto copies rows behind a value, up to another, in runs, and gives how many.
func (r *run) copyUpto(ctx context.Context, towards State, c *copied, after *string, end string) (rows int64, err error) {
	for {
		next, err := c.nth(ctx, r.from.db, after, end, r.copyBatch())
		if err != nil {
			return rows, err
		}
		upto := end
		if next != nil {
			upto = *next
		}
		n, err := r.copyRange(ctx, c, after, upto)
		rows += n
		if err != nil {
			return rows, err
		}
		r.tell(towards, false, "%s: %d rows are copied, up to %s", c.table.Name, rows, upto)
		if next == nil || upto == end {
			return rows, nil
		}
		after = &upto
	}
}

func (r *run) copyBatch() int64 {
	if r.prepared.copyBatch > 0 {
		return r.prepared.copyBatch
	}
	return copyBatch
}

// copyTailOf looks again at the last rows that were copied (4).
func (r *run) copyTailOf(ctx context.Context, c *copied) error {
	upto, err := c.last(ctx, r.to.db)
	if err != nil || upto == nil {
		return err
	}
	since, err := c.before(ctx, r.from.db, upto, copyTail)
	if err != nil {
		return err
	}
	_, err = r.fill(ctx, c, since, *upto)
	return err
}
