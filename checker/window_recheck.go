package checker

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
)

// Rechecked is what came of a Recheck of a table's rows: each key that was asked for is in
// exactly one of Confirmed, Open and Equal.
type Rechecked struct {
	Findings  []Located // of the confirmed: at most MaxDiffs
	Total     int64     // all of them, each row once
	Confirmed [][]string
	Open      []OpenRow  // neither equal nor a finding when the time was over
	Equal     [][]string // the target was read behind the fence, and was what the source had shown
	Rounds    int64
	// Fence is how long the slowest forward fence took. Stalled is the first one that was not
	// passed, nil where all were: what is Open then says nothing of its rows.
	Fence   time.Duration
	Stalled error
}

// OpenRow is a row that did not settle.
type OpenRow struct {
	Key []string
	Why string
}

// atATime is how many bites of a table's rows are rechecked side by side: they mostly wait
// for fences.
const atATime = 4

// Recheck reads rows of a table by key in turn on source and target, between the fences of
// stream, until each is equal, a finding, or Settle is over. A stream without a fence is a pair
// at rest. Keys are those of t.Key, as
// text, each once. An error says nothing of any key.
func (w *Window) Recheck(ctx context.Context, t *WindowTable, stream Stream, keys [][]string) (Rechecked, error) {
	out := Rechecked{}
	if len(keys) == 0 {
		return out, nil
	}
	recheck, timed := Recheck{Settle: w.run.o.Settle, Look: w.look(t)}, &timedFences{}
	if stream.Fence != nil {
		fences, err := newStreamFences(ctx, t, stream, w.run.o.Settle)
		if err != nil {
			return out, err
		}
		timed.Fences, recheck.Fences = fences, timed
		recheck.BothRest = len(stream.Detection.Reverse) > 0
		recheck.Primary = !w.run.source.Server().InRecovery && !recheck.BothRest
	}
	found := newFindings(w.run, t)
	var taking sync.Mutex
	recheck.Cleared = func(s *Suspect) {
		taking.Lock()
		defer taking.Unlock()
		out.Equal = append(out.Equal, s.Key)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atATime)
	for bite := range bites(keys, w.run.sizes.crowd) {
		g.Go(func() error {
			confirmed, open, err := recheck.Run(gctx, bite)
			taking.Lock()
			defer taking.Unlock()
			for _, s := range confirmed {
				found.add(s)
				out.Confirmed = append(out.Confirmed, s.Key)
			}
			for _, s := range open {
				out.Open = append(out.Open, OpenRow{s.Key, s.unsettled()})
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Rechecked{}, err
	}
	out.Findings, out.Total = found.list, found.total
	out.Rounds, out.Fence, out.Stalled = timed.rounds, timed.slowest, timed.stalled
	return out, nil
}

// timedFences measure forward fences.
type timedFences struct {
	Fences
	mu      sync.Mutex
	rounds  int64
	slowest time.Duration
	stalled error
}

// Forward is that of the fences, and counts as a round.
func (f *timedFences) Forward(ctx context.Context) error {
	began := time.Now()
	err := f.Fences.Forward(ctx)
	f.note(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rounds++
	f.slowest = max(f.slowest, time.Since(began))
	return err
}

func (f *timedFences) note(err error) {
	var stalled *fence.Stalled
	if !errors.As(err, &stalled) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stalled == nil {
		f.stalled = err
	}
}
