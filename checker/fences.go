package checker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/sampler"
)

// laterPatience is how long a fence is waited for that was not passed the last
// time: long enough to see that it goes on.
const laterPatience = 2 * time.Second

// await waits for a fence as long as patience lets it; less where the last one
// was not passed.
func (r *run) await(ctx context.Context, f fence.Fence, mark fence.Mark, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(patience, leastWait))
	defer cancel()
	m := r.moving
	err := f.Wait(ctx, mark)
	for m.begun && switchedOff(err) && wait(ctx, lookAgain) == nil {
		err = f.Wait(ctx, mark)
	}
	var stalled *fence.Stalled
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stalled = errors.As(err, &stalled)
	return err
}

// lookAgain is how often a subscription is looked at that was switched off
// during the run: somebody may switch it on again.
const lookAgain = 300 * time.Millisecond

func switchedOff(err error) bool {
	var stalled *fence.Stalled
	return errors.As(err, &stalled) && slices.ContainsFunc(stalled.Troubles, func(t fence.Trouble) bool { return t.Kind == fence.Disabled })
}

// patience is how long a fence may be waited for now.
func (r *run) patience() time.Duration {
	r.moving.mu.Lock()
	defer r.moving.mu.Unlock()
	if r.moving.stalled {
		return min(laterPatience, r.o.Settle)
	}
	return r.o.Settle
}

// arrive waits until the target has got what the source shows now.
func (r *run) arrive(ctx context.Context) error {
	mark, err := r.moving.forward.Mark(ctx)
	if err != nil {
		return err
	}
	return r.await(ctx, r.moving.forward, mark, r.patience())
}

// putOff tells whether a unit is to be done once more later, since the
// replication stood still.
func (r *run) putOff(u sampler.Unit, err error) bool {
	var stalled *fence.Stalled
	if r.moving == nil || !errors.As(err, &stalled) {
		return false
	}
	r.moving.mu.Lock()
	defer r.moving.mu.Unlock()
	if r.moving.later[u.ID()] {
		return false
	}
	r.moving.later[u.ID()] = true
	return true
}

// tableFences are the fences between the readings of one table.
type tableFences struct {
	run  *run
	tr   *tableRun
	back fence.Fence
}

func (r *run) fencesOf(tr *tableRun) (*tableFences, error) {
	back, err := r.moving.detected.Barrier([]string{tr.table.Source.Quoted})
	return &tableFences{r, tr, back}, err
}

// Forward waits until the target has got what the source shows now.
func (f *tableFences) Forward(ctx context.Context) error { return f.run.arrive(ctx) }

// Back waits until the source shows what the target has got, as long as there is
// to settle: a writer may stay open for hours.
func (f *tableFences) Back(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, max(f.run.o.Settle, leastWait))
	defer cancel()
	mark, err := f.back.Mark(ctx)
	if err != nil {
		return err
	}
	return f.back.Wait(ctx, mark)
}

// Covered compares how the table is carried with how it was.
func (f *tableFences) Covered(ctx context.Context) error {
	c, err := f.run.moving.forward.Cover(ctx, []string{f.tr.table.Target.Quoted})
	switch {
	case err != nil:
		return err
	case !c.Same(f.run.moving.covers[f.tr.table.Name]):
		return errUncovered
	}
	return nil
}
