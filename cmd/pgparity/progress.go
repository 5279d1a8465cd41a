package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// progress counts a run's events. What it tells is counted; only the time
// left weighs the work that is not done by the planner's estimates, and is
// called so. It is safe for concurrent use.
type progress struct {
	pair string
	now  func() time.Time

	mu      sync.Mutex
	tables  map[string]*tableProgress
	planned int64 // units
	done    int64 // units with an outcome
	agreed  int64 // of those, compared
	rows    int64
	ended   int    // tables with an outcome
	held    string // why no statement begins, "" while they do
	begun   time.Time
	before  float64 // the weight of what an earlier run compared
}

// tableProgress is one table's part.
type tableProgress struct {
	name                    string
	planned, done, compared int64
	findings                int64
	estimate                int64 // rows, by the planner
	ahead                   int64 // rows that were read of units that are not done
	working                 int   // units taken up and not done
	touched                 time.Time
}

func newProgress(pair string, now func() time.Time) *progress {
	return &progress{pair: pair, now: now, tables: map[string]*tableProgress{}, begun: now()}
}

// take counts one event.
func (p *progress) take(e checker.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case checker.TablePlanned:
		if e.Planned > 0 { // else there is nothing to wait for
			p.tables[e.Table] = &tableProgress{name: e.Table, planned: e.Planned, estimate: e.EstimatedRows}
			p.planned += e.Planned
		}
	case checker.RunPlanned:
		p.begun = p.now() // planning is not comparing
	case checker.UnitStarted:
		if t := p.tables[e.Table]; t != nil {
			t.working++
			t.touched = p.now()
		}
	case checker.RunDone, checker.Warned: // the views say it
	case checker.Held:
		p.held = e.Message
	case checker.Released:
		p.held = ""
	case checker.PieceDone:
		if t := p.tables[e.Table]; t != nil {
			t.ahead += e.Rows
			p.rows += e.Rows
		}
	case checker.UnitDone:
		p.unitDone(e)
	case checker.TableDone:
		p.ended++
	}
}

func (p *progress) unitDone(e checker.Event) {
	p.done++
	if e.Restored {
		e.Rows = 0 // this run did not read them
		defer func() { p.before, _ = p.weigh() }()
	}
	t := p.tables[e.Table]
	if t == nil {
		p.rows += e.Rows
		return
	}
	counted := min(t.ahead, e.Rows) // as pieces
	t.ahead -= counted
	p.rows += e.Rows - counted
	p.agreed += e.Compared - t.compared
	t.compared, t.findings = e.Compared, e.Findings
	t.done++
	t.touched = p.now()
	t.working = max(t.working-1, 0)
}

// standing is where a run stands at one moment.
type standing struct {
	tables, tablesDone int
	planned, compared  int64
	done               int64
	rows               int64
	share              float64       // of the work that is done, weighed by the planner's rows
	rate               int64         // rows per second, counted; 0 while there are none
	left               time.Duration // estimated; negative while it cannot be told
	working            []tableProgress
	held               string // why no statement begins, "" while they do
}

// at tells where the run stands, with at most limit tables in work, those
// taken up last.
func (p *progress) at(limit int) standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := standing{tables: len(p.tables), tablesDone: p.ended, planned: p.planned, compared: p.agreed, done: p.done, rows: p.rows, left: -1, held: p.held}
	elapsed := p.now().Sub(p.begun)
	if elapsed >= time.Second {
		s.rate = int64(float64(p.rows) / elapsed.Seconds())
	}
	s.left = p.left(elapsed)
	if done, all := p.weigh(); all > 0 {
		s.share = done / all
	}
	for _, t := range p.tables {
		// Between two of its units a table is still in work.
		if t.done < t.planned && (t.working > 0 || t.done > 0 && p.now().Sub(t.touched) < time.Second) {
			s.working = append(s.working, *t)
		}
	}
	slices.SortFunc(s.working, func(a, b tableProgress) int {
		if c := b.touched.Compare(a.touched); c != 0 {
			return c
		}
		return compareNames(a.name, b.name)
	})
	if len(s.working) > limit {
		s.working = s.working[:limit]
	}
	slices.SortFunc(s.working, func(a, b tableProgress) int { return compareNames(a.name, b.name) })
	return s
}

func compareNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// The time left is told only once some of the work is done: before, it would
// be a guess.
const (
	leftAfter = 3 * time.Second
	leftShare = 0.02 // of the weight
)

// share is how much of the table's work is done, from 0 to 1: its units, and of
// those in work the rows that were read already.
func (t *tableProgress) share() float64 {
	share := float64(t.done)/float64(max(t.planned, 1)) + float64(t.ahead)/float64(max(t.estimate, 1))
	if t.done < t.planned {
		return min(share, 0.99) // the estimate may be too low
	}
	return 1
}

// weigh adds up the tables' work, by the planner's rows, since a chunk of a
// large table takes longer than a small table.
func (p *progress) weigh() (done, all float64) {
	for _, t := range p.tables {
		weight := float64(max(t.estimate, 1))
		all += weight
		done += weight * t.share()
	}
	return done, all
}

// left is the time that the work not done will take at the pace so far.
func (p *progress) left(elapsed time.Duration) time.Duration {
	done, all := p.weigh()
	done, all = done-p.before, all-p.before
	if elapsed < leftAfter || all == 0 || done/all < leftShare {
		return -1
	}
	return time.Duration(float64(elapsed) * (all - done) / done)
}

// leftText writes the time left as what it is: about.
func leftText(d time.Duration) string {
	switch {
	case d < 0:
		return "ETA –"
	case d < time.Minute:
		return fmt.Sprintf("ETA ~%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("ETA ~%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 100*time.Hour:
		return fmt.Sprintf("ETA ~%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("ETA ~%dd", int(d.Hours()/24))
}

// short writes a count in few characters: 12.3M.
func short(n int64) string {
	v := float64(n)
	for _, u := range []struct {
		least float64
		name  string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= u.least {
			div := u.least
			if u.name == "k" {
				div = 1e3
			}
			return fmt.Sprintf("%.1f%s", v/div, u.name)
		}
	}
	return fmt.Sprint(n)
}
