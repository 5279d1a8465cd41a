package checker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// Look reads some rows of one side by key. Each state comes from one snapshot.
type Look func(ctx context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error)

// Fences stand between the readings of a moving pair.
type Fences interface {
	// Forward returns once all that a reading of the source has seen, that was
	// over before the call, is visible on the target.
	Forward(ctx context.Context) error
	// Back returns once all that a reading of the target has seen, that was over
	// before the call, is visible on the source.
	Back(ctx context.Context) error
	// Covered is to be called after a reading of the target: nil proves that the
	// replication carried the table since the run began.
	Covered(ctx context.Context) error
}

// Recheck reads suspects in turn on source and target until each is cleared or
// confirmed, or the time is over. One round is, on a moving pair:
//
//  1. The source is read.
//  2. The forward fence: a mark after that reading, and the wait until the
//     target has applied it. Rows that were seen to change are read on the source
//     again and again meanwhile, and until step 3 is over: the target will show one of the
//     versions that it has passed.
//  3. The target is read, and then whether it is still covered.
//  4. The barrier: a change that the target was quicker to show has become
//     visible on the source. The next round begins. While a transaction that stays
//     open keeps it from that, rows that it has not touched are confirmed without.
//
// On a pair at rest there are steps 1 and 3 only.
type Recheck struct {
	Look   Look
	Fences Fences // nil on a pair at rest
	// Settle is how long it may take. Whatever it is, both sides are read twice,
	// which settles all that does not move, unless a fence is not passed.
	Settle time.Duration
	// Rounds bounds the rounds, 0 for no bound.
	Rounds int
	// BothRest and Copies are as in Suspect.
	BothRest, Copies bool
	// Primary: the source is no standby and gets no changes from the target, so
	// that a row which nobody has touched needs no barrier.
	Primary bool
	// Cleared, where it is not nil, is told of each suspect that is cleared.
	Cleared func(*Suspect)
	// Held tells how long readings were held back so far, which does not count as
	// time to settle; nil for never.
	Held func() time.Duration
}

// The pause between the rounds of a recheck doubles from the first to the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// errUncovered says that the replication did not carry a table all the time.
var errUncovered = errors.New("the replication did not carry the table all the time since the run began: run again")

// Run returns the confirmed suspects and those still open. An error drops none
// of them. That a fence is not passed in time is no error: it is why they are open.
func (c Recheck) Run(ctx context.Context, keys [][]string) (confirmed, unsettled []*Suspect, err error) {
	b := &lineup{Recheck: c, began: time.Now(), open: make([]*Suspect, len(keys))}
	if c.Held != nil {
		b.held = c.Held()
	}
	for i, k := range keys {
		b.open[i] = &Suspect{Key: k, BothRest: c.BothRest, Copies: c.Copies}
	}
	err = b.rounds(ctx)
	if err != nil {
		for _, s := range b.open {
			s.why = err.Error()
		}
	}
	var stalled *fence.Stalled
	if errors.As(err, &stalled) || errors.Is(err, errUncovered) {
		err = nil
	}
	return b.confirmed, b.open, err
}

// lineup holds the suspects of one recheck.
type lineup struct {
	Recheck
	began           time.Time
	held            time.Duration // when it began
	open, confirmed []*Suspect
}

// left is the time that is left to settle.
func (b *lineup) left() time.Duration {
	spent := time.Since(b.began)
	if b.Held != nil {
		spent -= b.Held() - b.held
	}
	return b.Settle - spent
}

func (b *lineup) rounds(ctx context.Context) error {
	pause := firstPause
	for round := 0; len(b.open) > 0 && (b.Rounds == 0 || round < b.Rounds) && (b.left() > 0 || round < 2); round++ {
		if round > 1 {
			if err := wait(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, lastPause)
		}
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *lineup) round(ctx context.Context) error {
	states, err := b.Look(ctx, postgres.Source, keysOf(b.open))
	if err != nil {
		return err
	}
	if b.observe(postgres.Source, states); len(b.open) == 0 {
		return nil
	}
	if b.Fences == nil {
		states, err = b.Look(ctx, postgres.Target, keysOf(b.open))
		if err == nil {
			b.observe(postgres.Target, states)
		}
		return err
	}
	if states, err = b.behindFence(ctx); err != nil {
		return err
	}
	if b.observe(postgres.Target, states); len(b.open) == 0 {
		return nil
	}
	return b.back(ctx)
}

// back waits for the barrier. Where that takes long, rows that nobody touches
// need not wait for it.
func (b *lineup) back(ctx context.Context) error {
	if !b.Primary {
		return b.fenced(ctx, b.Fences.Back)
	}
	soon, cancel := context.WithTimeout(ctx, soonEnough)
	defer cancel()
	err := b.Fences.Back(soon)
	var stalled *fence.Stalled
	if !errors.As(err, &stalled) {
		return err
	}
	states, err := b.Look(ctx, postgres.Source, keysOf(b.open))
	if err != nil {
		return err
	}
	if b.settle(func(i int, s *Suspect) Standing { return s.Untouched(states[i]) }); len(b.open) == 0 {
		return nil
	}
	return b.fenced(ctx, b.Fences.Back)
}

// soonEnough is how long a barrier may take before rows are looked at without it.
const soonEnough = 300 * time.Millisecond

// behindFence reads the target after the fence. What was witnessed on the source
// meanwhile is known to the suspects when it returns, and before the reading is.
func (b *lineup) behindFence(ctx context.Context) ([]hashing.State, error) {
	end := b.watch(ctx)
	defer end()
	if err := b.fenced(ctx, b.Fences.Forward); err != nil {
		return nil, err
	}
	states, err := b.Look(ctx, postgres.Target, keysOf(b.open))
	if err != nil {
		return nil, err
	}
	return states, b.Fences.Covered(ctx)
}

// leastWait is what a fence gets although the time to settle is over: an idle
// pair passes one in less.
const leastWait = time.Second

// fenced waits for a fence as long as there is time to settle.
func (b *lineup) fenced(ctx context.Context, pass func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(b.left(), leastWait))
	defer cancel()
	return pass(ctx)
}

// observe gives each open suspect its reading.
func (b *lineup) observe(side postgres.Side, states []hashing.State) {
	b.settle(func(i int, s *Suspect) Standing { return s.Observe(side, states[i]) })
}

// settle asks how each open suspect stands, and keeps those that stay open.
func (b *lineup) settle(standing func(i int, s *Suspect) Standing) {
	open := b.open
	b.open = nil
	for i, s := range open {
		switch standing(i, s) {
		case Confirmed:
			b.confirmed = append(b.confirmed, s)
		case Open:
			b.open = append(b.open, s)
		case Cleared: // both sides were seen equal: nothing to report
			if b.Cleared != nil {
				b.Cleared(s)
			}
		}
	}
}

// maxWatched bounds the rows that are read again and again.
const (
	maxWatched = 200
	watchPause = 2 * time.Millisecond
	// maxVersions bounds the versions that are kept of them together; rows of which
	// more go by may stay open.
	maxVersions = 8000
)

// watch reads restless suspects on the source until the returned function is
// called, which hands them what was seen. It must not run beside observe.
func (b *lineup) watch(ctx context.Context) (end func()) {
	var restless []*Suspect
	for _, s := range b.open {
		if s.Restless() && len(restless) < maxWatched {
			restless = append(restless, s)
		}
	}
	if len(restless) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	versions := make([][]hashing.State, len(restless))
	kept := 0
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			states, err := b.Look(ctx, postgres.Source, keysOf(restless))
			if err != nil {
				return // the next reading that matters meets it, too
			}
			for i, state := range states {
				n := len(versions[i])
				if same := n > 0 && versions[i][n-1].Version == state.Version && versions[i][n-1].Same(state); !same && kept < maxVersions {
					versions[i], kept = append(versions[i], state), kept+1
				}
			}
			_ = wait(ctx, max(watchPause, time.Since(began))) // at most half the time is spent in reading
		}
	})
	return func() {
		cancel()
		watching.Wait()
		for i, s := range restless {
			for _, state := range versions[i] {
				s.Witness(state)
			}
		}
	}
}

func keysOf(suspects []*Suspect) [][]string {
	keys := make([][]string, len(suspects))
	for i, s := range suspects {
		keys[i] = s.Key
	}
	return keys
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
