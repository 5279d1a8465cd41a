package checker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Guard says when a run begins no new statement: while a side is under
// pressure, or while the operator pauses. A limit of 0 is none; the zero value
// holds nothing back.
type Guard struct {
	// MaxActive is how many client sessions, beside the run's own, may run a
	// statement on either server.
	MaxActive int
	// MaxLag is how many bytes of WAL the furthest behind of the source's
	// replicas and slots may lack.
	MaxLag int64
	// MaxXminAge is how many transactions vacuum may be held back on either
	// side, by whomever.
	MaxXminAge int64
	// PauseFile is the path of a file that pauses the run while it exists; ""
	// for none.
	PauseFile string
	// Pause is the operator's switch; nil for none.
	Pause *Pause
	// Every is how often servers and file are looked at; 0 is a second.
	Every time.Duration
}

// Pause is a switch by which an operator holds runs back, off at first. It
// outlives a run: the next one begins paused where it was left on. It is safe
// for concurrent use.
type Pause struct {
	By     string // what turns it, such as SIGUSR1
	Resume string // how the run goes on, such as: send it again to go on

	mu      sync.Mutex
	on      bool
	changed chan struct{} // closed by the next Toggle
}

// Toggle turns the switch on, or off again.
func (p *Pause) Toggle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = !p.on
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// state tells whether the switch is on, and hands out what the next Toggle
// closes. Of no switch it is off for ever.
func (p *Pause) state() (on bool, changed <-chan struct{}) {
	if p == nil {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.on, p.changed
}

// guard holds a run's statements back. Many goroutines pass it; two of its own
// look at what holds them, the servers and the operator, so that a server that
// is slow to answer does not keep the operator waiting.
type guard struct {
	o      Guard
	sides  [][]*gauge
	emit   func(Event)
	cancel context.CancelFunc
	work   sync.WaitGroup

	hold atomic.Pointer[hold] // nil while nothing holds

	judging sync.Mutex // guards what follows, and the order of events
	pressed []cause    // by the servers
	paused  []cause    // by the operator
	warned  bool       // of a pause file that cannot be looked at

	mu       sync.Mutex // guards what follows
	causes   []cause    // of the hold
	waiting  int
	since    time.Time // when the first of those that wait came
	total    time.Duration
	met      []cause // those that made somebody wait, each at its worst
	warnings []string
}

// hold is a time in which nothing may begin.
type hold struct {
	over  chan struct{} // closed at its end
	since time.Time
}

func newGuard(o Guard, source, target *postgres.DB, emit func(Event)) *guard {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	return &guard{o: o, sides: o.gauges(source, target), emit: emit}
}

// start looks once, so that not even the first statement begins under
// pressure, and then goes on looking until ctx is done or stop is called.
func (g *guard) start(ctx context.Context) {
	ctx, g.cancel = context.WithCancel(ctx)
	changed := g.lookAtOperator()
	if g.o.Pause != nil || g.o.PauseFile != "" {
		g.work.Go(func() { g.watchOperator(ctx, changed) })
	}
	if len(g.sides) > 0 {
		g.lookAtServers(ctx)
		g.work.Go(func() { g.watchServers(ctx) })
	}
}

// stop ends the looking and lets pass whoever may still wait. It returns when
// no goroutine of the guard is left.
func (g *guard) stop() {
	if g.cancel == nil {
		return
	}
	g.cancel()
	g.work.Wait()
	if h := g.hold.Swap(nil); h != nil {
		close(h.over)
	}
}

// pass returns at once while nothing holds. Else it waits until nothing does,
// or ctx is done: then it returns the cause. It is to be called before a
// statement, where no transaction and no connection is held.
func (g *guard) pass(ctx context.Context) error {
	for {
		h := g.hold.Load()
		if h == nil {
			return nil
		}
		if err := g.wait(ctx, h); err != nil {
			return err
		}
	}
}

func (g *guard) wait(ctx context.Context, h *hold) error {
	g.mu.Lock()
	if g.waiting++; g.waiting == 1 {
		g.since = time.Now()
	}
	g.meet()
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.waiting--; g.waiting == 0 {
			g.total += time.Since(g.since)
		}
	}()
	select {
	case <-h.over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// meet keeps what holds those that wait, each cause at its worst.
func (g *guard) meet() {
	if g.waiting == 0 {
		return
	}
	for _, c := range g.causes {
		at := slices.IndexFunc(g.met, func(m cause) bool { return m.key == c.key })
		switch {
		case at < 0:
			g.met = append(g.met, c)
		case g.met[at].value < c.value:
			g.met[at] = c
		}
	}
}

// held tells how long statements were kept waiting so far, and by what. A hold
// in which none wanted to begin does not count.
func (g *guard) held() (time.Duration, []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	total := g.total
	if g.waiting > 0 {
		total += time.Since(g.since)
	}
	var reasons []string
	for _, c := range g.met {
		reasons = append(reasons, c.then)
	}
	return total, reasons
}

// heldFor is how long statements were kept waiting so far.
func (g *guard) heldFor() time.Duration {
	d, _ := g.held()
	return d
}

// notes are the result's sentences on what the guard did, and on what it
// could not see.
func (g *guard) notes() []string {
	var notes []string
	if total, reasons := g.held(); len(reasons) > 0 {
		notes = append(notes, fmt.Sprintf("held back for %s: %s", roughly(total), strings.Join(reasons, "; ")))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return append(notes, g.warnings...)
}

// roughly rounds a duration to what is worth reading.
func roughly(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}

func (g *guard) watchServers(ctx context.Context) {
	tick := time.NewTicker(g.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.lookAtServers(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// lookAtServers reads the gauges of both sides at the same time.
func (g *guard) lookAtServers(ctx context.Context) {
	var looks sync.WaitGroup
	causes, warnings := make([][]cause, len(g.sides)), make([][]string, len(g.sides))
	for i, side := range g.sides {
		looks.Go(func() {
			for _, a := range side {
				c, warning := a.look(ctx)
				if c.key != "" {
					causes[i] = append(causes[i], c)
				}
				if warning != "" {
					warnings[i] = append(warnings[i], warning)
				}
			}
		})
	}
	looks.Wait()
	if ctx.Err() != nil {
		return // what was read on the way out says nothing
	}
	g.judge(func() { g.pressed = slices.Concat(causes...) }, slices.Concat(warnings...)...)
}

func (g *guard) watchOperator(ctx context.Context, changed <-chan struct{}) {
	var tick <-chan time.Time
	if g.o.PauseFile != "" {
		t := time.NewTicker(g.o.Every)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-changed:
		case <-tick:
		case <-ctx.Done():
			return
		}
		changed = g.lookAtOperator()
	}
}

// lookAtOperator looks at the switch and the file, and returns what closes
// when the switch changes.
func (g *guard) lookAtOperator() (changed <-chan struct{}) {
	var paused []cause
	var warnings []string
	on, changed := g.o.Pause.state()
	if on {
		paused = append(paused, cause{key: "pause", now: "paused by " + g.o.Pause.By + ": " + g.o.Pause.Resume, then: "paused by " + g.o.Pause.By})
	}
	if path := g.o.PauseFile; path != "" {
		_, err := os.Stat(path)
		switch {
		case err == nil:
			by := "paused by the file " + path
			paused = append(paused, cause{key: "pause file", now: by + ": remove it to go on", then: by})
		case !errors.Is(err, fs.ErrNotExist) && !g.warned:
			g.warned = true
			warnings = append(warnings, fmt.Sprintf("the pause file cannot be looked at: %v: --pause-file holds nothing back", err))
		}
	}
	g.judge(func() { g.paused = paused }, warnings...)
	return changed
}

// judge takes what was seen, and begins or ends the hold by all that is known.
func (g *guard) judge(take func(), warnings ...string) {
	g.judging.Lock()
	defer g.judging.Unlock()
	take()
	causes := slices.Concat(g.paused, g.pressed)
	// 1. The causes change before the hold begins: who meets it finds why.
	g.mu.Lock()
	changed := !slices.EqualFunc(g.causes, causes, func(a, b cause) bool { return a.key == b.key })
	g.causes = causes
	g.meet()
	g.warnings = append(g.warnings, warnings...)
	g.mu.Unlock()
	for _, w := range warnings {
		g.emit(Event{Kind: Warned, Message: w})
	}
	// 2. Events come before the change: what follows a release was released.
	h := g.hold.Load()
	switch {
	case len(causes) > 0 && h == nil:
		g.emit(Event{Kind: Held, Message: sentences(causes)})
		g.hold.Store(&hold{over: make(chan struct{}), since: time.Now()})
	case len(causes) > 0 && changed:
		g.emit(Event{Kind: Held, Message: sentences(causes)})
	case len(causes) == 0 && h != nil:
		g.emit(Event{Kind: Released, Message: "held back for " + roughly(time.Since(h.since)).String()})
		g.hold.Store(nil)
		close(h.over)
	}
}

func sentences(causes []cause) string {
	var now []string
	for _, c := range causes {
		now = append(now, c.now)
	}
	return strings.Join(now, "; ")
}
