package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/postgres"
)

// heads are where the source's log was, at the moments of the last samples: by them bytes of lag become seconds.
type heads struct {
	list []head
}

type head struct {
	at  time.Time
	lsn postgres.LSN
}

// maxHeads bounds them: at the usual pace that is more than a day, of which fewer are kept the
// older they are.
const maxHeads = 2000

// take notes where the log is now.
func (h *heads) take(at time.Time, lsn postgres.LSN) {
	h.list = append(h.list, head{at, lsn})
	if len(h.list) > maxHeads { // every other one of the older half
		half := len(h.list) / 2
		kept := h.list[:0:0]
		for i, one := range h.list {
			if i > half || i%2 == 0 {
				kept = append(kept, one)
			}
		}
		h.list = kept
	}
}

// behind tells how long ago the log was where the target is now; false where that is not known.
func (h *heads) behind(now time.Time, applied postgres.LSN) (float64, bool) {
	if len(h.list) == 0 || h.list[0].lsn > applied {
		return 0, false
	}
	// The first moment at which the log was further than the target is.
	i := slices.IndexFunc(h.list, func(one head) bool { return one.lsn > applied })
	if i < 0 {
		return 0, true
	}
	return max(now.Sub(h.list[i].at).Seconds(), 0), true
}

// maxMisses is how often in a row a side may not answer before the pair is opened anew.
const maxMisses = 2

// sampling looks at the pair again and again: how far behind the target is, and whether both sides
// still answer.
func (s *session) sampling(ctx context.Context) error {
	t := time.NewTicker(s.w.s.pace.sample)
	defer t.Stop()
	h, misses := &heads{}, 0
	for {
		err := s.sample(ctx, h)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var stored *storeError
		switch {
		case errors.As(err, &stored):
			return err
		case err == nil:
			misses = 0
		default:
			if misses++; misses >= maxMisses {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// storeError is one that no other try mends.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

func (s *session) sample(ctx context.Context, h *heads) error {
	w := s.w
	look, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	at, err := postgres.Both(look, s.sides.Source, s.sides.Target, func(ctx context.Context, db *postgres.DB) (string, error) {
		lsn, err := db.Position(ctx)
		if postgres.Refused(err) { // some providers revoke the function
			return "", nil
		}
		return lsn, err
	})
	if err != nil {
		return err
	}
	health, err := s.stream.Fence.Health(look)
	if err != nil {
		return fmt.Errorf("look at the replication: %w", err)
	}
	now := time.Now().UTC()
	var lag *Lag
	if at[0] != "" {
		lsn, err := postgres.ParseLSN(at[0])
		if err != nil {
			return err
		}
		h.take(now, lsn)
	}
	for _, stream := range health.Streams {
		if stream.Confirmed == 0 || lag != nil && stream.Lag < lag.Bytes {
			continue
		}
		lag = &Lag{Bytes: stream.Lag}
		if seconds, known := h.behind(now, stream.Confirmed); known {
			lag.Seconds = &seconds
		}
	}
	sw, err := w.readCutover()
	w.set(func() {
		w.lag = lag
		if err == nil {
			w.cutover = sw
		} else {
			w.lastError = err.Error()
		}
	})
	return w.takeSample(ctx, now)
}

// takeSample adds a point to the plots.
func (w *watcher) takeSample(ctx context.Context, now time.Time) error {
	w.mu.Lock()
	p := Sample{At: now}
	if least := w.leastWatermark(now); least != nil {
		p.WatermarkAge = &least.AgeSeconds
	}
	if w.lag != nil {
		bytes := w.lag.Bytes
		p.LagBytes, p.LagSeconds = &bytes, w.lag.Seconds
	}
	w.samples = thin(append(w.samples, p), now)
	w.mu.Unlock()
	w.changed()
	if err := w.s.store.addSample(context.WithoutCancel(ctx), w.o.Name, p); err != nil {
		return &storeError{err}
	}
	return nil
}

// thin keeps the last hour's samples, and of older ones one in five minutes, for a day. It
// gives a list of its own.
func thin(list []Sample, now time.Time) []Sample {
	kept := make([]Sample, 0, len(list))
	for _, s := range list {
		old := now.Sub(s.At)
		if old > shownSamples {
			continue
		}
		if n := len(kept); old > fine && n > 0 && kept[n-1].At.Truncate(thinnedTo).Equal(s.At.Truncate(thinnedTo)) {
			continue
		}
		kept = append(kept, s)
	}
	return kept
}

// readCutover reads how far a switch of the pair is; nil for none.
func (w *watcher) readCutover() (*Switch, error) {
	if w.o.Journal == "" {
		return nil, nil
	}
	p, err := cutover.ReadProgress(w.o.Journal)
	if err != nil || p == nil {
		return nil, err
	}
	sw := &Switch{Run: p.Run, Direction: string(p.Direction), State: string(p.State), Outcome: string(p.Outcome), StartedAt: p.StartedAt}
	for _, step := range p.Steps {
		sw.Steps = append(sw.Steps, SwitchStep{State: string(step.State), BeganAt: step.BeganAt, ReachedAt: step.ReachedAt})
	}
	return sw, nil
}
