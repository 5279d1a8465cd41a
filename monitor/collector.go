package monitor

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// collector takes in what a pass tells while it runs: a difference is kept, and shown,
// when it is found, and not hours later.
type collector struct {
	s     *session
	began time.Time
	most  int // findings listed per table
	order map[string][]string

	mu       sync.Mutex // guards what follows; event holds it for no longer than a copy takes
	planned  bool
	strips   map[string]*ledger
	moved    map[string]bool // strips that changed since the last flush
	listed   map[string]int
	found    []sighting
	old      []suspicion
	compared map[string]int64
	total    Progress
	totals   Totals
}

// flushEvery is how long a difference may be known to the pass alone.
const flushEvery = 300 * time.Millisecond

func newCollector(s *session, began time.Time, most int) *collector {
	return &collector{s: s, began: began, most: most, order: s.keys(), strips: map[string]*ledger{}, moved: map[string]bool{},
		listed: map[string]int{}, compared: map[string]int64{}, total: Progress{StartedAt: began}}
}

// event is a run's receiver.
func (c *collector) event(e checker.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case checker.RunPlanned:
		c.planned, c.total.ChunksPlanned = true, e.Planned
	case checker.UnitDone:
		c.unit(e)
	case checker.Warned, checker.Held:
		c.s.w.log.Info(e.Message)
	default: // UnitDone has the counts of the others
	}
}

func (c *collector) unit(e checker.Event) {
	now := time.Now().UTC()
	c.total.ChunksCompared += e.Compared - c.compared[e.Table]
	c.compared[e.Table] = e.Compared
	if e.Chunks > 0 {
		c.total.RowsCompared += e.Rows
		st := c.strips[e.Table]
		if st == nil {
			c.s.w.mu.Lock()
			st = newLedger(c.s.w.cells[e.Table], e.Chunks)
			c.s.w.mu.Unlock()
			c.strips[e.Table] = st
		}
		at := now
		if e.Restored { // when, is not known any more
			at = c.began
		}
		st.mark(e.Chunk, e.Unit, at)
		c.moved[e.Table] = true
	}
	if !e.Restored {
		c.totals.Chunks++
		if e.Chunks > 0 {
			c.totals.Rows += e.Rows
		}
	}
	for _, f := range e.Found {
		if c.listed[e.Table]++; c.listed[e.Table] > c.most {
			break
		}
		s := sightingOf(e.Table, checker.Finding{Kind: f.Kind, Key: maps.Clone(f.Key), Columns: f.Columns}, c.order[e.Table])
		if e.Restored {
			c.old = append(c.old, suspicion{e.Table, s.key}) // it may have healed since
			continue
		}
		c.found = append(c.found, s)
	}
}

// start keeps what is found until stop is called, which keeps the rest. The pass goes on when the store
// fails; stop tells of it.
func (c *collector) start(ctx context.Context) (stop func() error) {
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		t := time.NewTicker(flushEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := c.flush(ctx); err != nil {
					ended <- err
					return
				}
			case <-done:
				ended <- c.flush(ctx)
				return
			}
		}
	}()
	return func() error {
		close(done)
		return <-ended
	}
}

func (c *collector) flush(ctx context.Context) error {
	w := c.s.w
	c.mu.Lock()
	found, old, totals := c.found, c.old, c.totals
	c.found, c.old, c.totals = nil, nil, Totals{}
	moved := map[string][]Cell{}
	for name := range c.moved {
		moved[name] = append([]Cell(nil), c.strips[name].cells...)
	}
	clear(c.moved)
	now := c.progressLocked(true)
	c.mu.Unlock()
	w.set(func() {
		maps.Copy(w.cells, moved)
		w.suspicions = append(w.suspicions, old...)
		w.totals.Chunks += totals.Chunks
		w.totals.Rows += totals.Rows
		w.totals.Suspects += int64(len(found))
		w.pass = &now
	})
	return w.see(ctx, "pass", time.Now().UTC(), found)
}

func (c *collector) progress(running bool) Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.progressLocked(running)
}

func (c *collector) progressLocked(running bool) Progress {
	p := c.total
	p.Running = running
	return p
}

// cells are those of all tables that the pass has gone over.
func (c *collector) cells() map[string][]Cell {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]Cell{}
	for name, st := range c.strips {
		all[name] = append([]Cell(nil), st.cells...)
	}
	return all
}
