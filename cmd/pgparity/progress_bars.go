package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

// The bars of a terminal.
const (
	tableBars  = 4 // tables in work that are shown
	barRefresh = 200 * time.Millisecond
	nameWidth  = 26
	barUnits   = 1000 // a full bar
)

// barView draws one bar for the run and one per table in work. A goroutine of
// its own moves the bars, so that a terminal that was stopped (Ctrl-S) does
// not stop the run.
type barView struct {
	p    *progress
	c    *mpb.Progress
	all  *mpb.Bar
	hold *mpb.Bar // a line that says why the run is held back; nil while it is not
	wide int      // columns of the terminal
	bars map[string]*mpb.Bar
	stop chan struct{}
	done chan struct{}

	mu  sync.Mutex
	now standing // what the bars show
}

func newBarView(out io.Writer, width int, p *progress) *barView {
	v := &barView{p: p, wide: width, bars: map[string]*mpb.Bar{}, stop: make(chan struct{}), done: make(chan struct{}), now: p.at(tableBars)}
	v.c = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh(), mpb.WithRefreshRate(barRefresh), mpb.WithWidth(min(width, 100)))
	name := "compared"
	if p.pair != "" {
		name = report.ShortName(p.pair, nameWidth)
	}
	v.all = v.c.New(0, mpb.BarStyle(), mpb.BarPriority(-1), mpb.BarWidth(18),
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: nameWidth + 1, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return v.runText() })))
	go v.run()
	return v
}

// event has nothing to do: the bars read the counts.
func (v *barView) event(checker.Event, *progress) {}

func (v *barView) run() {
	defer close(v.done)
	tick := time.NewTicker(barRefresh)
	defer tick.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-tick.C:
			v.draw()
		}
	}
}

func (v *barView) draw() {
	s := v.p.at(tableBars)
	v.mu.Lock()
	v.now = s
	v.mu.Unlock()
	v.all.SetTotal(barUnits, false)
	v.all.SetCurrent(int64(s.share * barUnits))
	v.drawHold(s.held != "")
	shown := map[string]bool{}
	for _, t := range s.working {
		shown[t.name] = true
		if v.bars[t.name] == nil {
			v.bars[t.name] = v.add(t)
		}
		v.bars[t.name].SetCurrent(int64(t.share() * barUnits))
	}
	for name, bar := range v.bars {
		if !shown[name] {
			bar.Abort(true)
			delete(v.bars, name)
		}
	}
}

func (v *barView) drawHold(held bool) {
	switch {
	case held && v.hold == nil:
		v.hold = v.c.New(0, mpb.NopStyle(), mpb.BarPriority(-1),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return v.holdText() })))
	case !held && v.hold != nil:
		v.hold.Abort(true)
		v.hold = nil
	}
}

func (v *barView) holdText() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return report.ShortSentence("held back: "+v.now.held, v.wide-1)
}

func (v *barView) add(t tableProgress) *mpb.Bar {
	name := t.name
	bar := v.c.New(0, mpb.BarStyle(), mpb.BarWidth(18),
		mpb.PrependDecorators(decor.Name("  "+report.ShortName(name, nameWidth-2), decor.WC{W: nameWidth + 1, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return v.tableText(name) })))
	bar.SetTotal(barUnits, false)
	return bar
}

func (v *barView) runText() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	rate := "–" // not known in the first second
	if v.now.rate > 0 {
		rate = short(v.now.rate)
	}
	return fmt.Sprintf(" %s/%s %s rows/s %s", short(v.now.compared), short(v.now.planned), rate, leftText(v.now.left))
}

func (v *barView) tableText(name string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.now.working {
		if t.name == name {
			text := fmt.Sprintf(" %s/%s", short(t.compared), short(t.planned))
			if t.findings > 0 {
				text += fmt.Sprintf(" %s differ", short(t.findings))
			}
			return text
		}
	}
	return ""
}

// closePatience is how long the end of a run waits for a terminal or a pipe
// that takes nothing.
const closePatience = 3 * time.Second

func (v *barView) close() {
	close(v.stop)
	cleared := make(chan struct{})
	go func() {
		defer close(cleared)
		<-v.done
		for _, bar := range v.bars {
			bar.Abort(true)
		}
		v.drawHold(false)
		v.all.Abort(true)
		v.c.Wait()
	}()
	waitFor(cleared, closePatience)
}

func waitFor(done <-chan struct{}, patience time.Duration) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
