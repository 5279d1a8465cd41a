package follow

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// Replicates tells how the pair does so from now on. The zero Stream says that nobody writes to the source
// any more, and that the target has applied all that was written: rows are compared without fences.
func (f *Follower) Replicates(stream checker.Stream) { f.f.stream = stream }

// Reach takes steps until all is judged that committed on the source before to, which has
// to be on its disk. What they found is put together. Where ctx ends before that, the error says so.
func (f *Follower) Reach(ctx context.Context, to postgres.LSN) (all Step, err error) {
	all.Rows = map[string]int64{}
	for {
		if err := f.f.drainTo(ctx, to); err != nil {
			return all, err
		}
		s := Step{Idle: f.f.batch.empty()}
		if err := f.f.judge(ctx, &s); err != nil {
			return all, err
		}
		all.Through, all.Idle, all.Waiting = s.Through, s.Idle, s.Waiting
		all.Keys += s.Keys
		for table, n := range s.Rows {
			all.Rows[table] += n
		}
		all.Rounds += s.Rounds
		all.Total += s.Total
		all.Findings = append(all.Findings, s.Findings...)
		all.Dirty = append(all.Dirty, s.Dirty...)
		all.Redefined = all.Redefined || s.Redefined
		if s.Through >= to && s.Waiting == "" {
			return all, nil
		}
		if err := rest(ctx, lookEvery); err != nil {
			return all, fmt.Errorf("source: the changes up to %s were not judged, but those up to %s: %s: %w", to, s.Through, s.Waiting, err)
		}
	}
}

// drainTo reads until a place, as long as there is room.
func (f *follower) drainTo(ctx context.Context, to postgres.LSN) error {
	for f.batch.reached < to && f.batch.n < f.o.MaxKeys {
		f.changes.Ask()
		if err := f.read(ctx, askEvery, func() bool { return f.batch.reached >= to }); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
