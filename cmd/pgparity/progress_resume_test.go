package main

import (
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// What an earlier run compared is done at once, and says nothing of the pace.
func TestProgressResumed(t *testing.T) {
	c := &clock{t: time.Unix(1000, 0)}
	p := newProgress("", c.now)
	p.take(checker.Event{Kind: checker.TablePlanned, Table: "t", Planned: 10, EstimatedRows: 1000})
	p.take(checker.Event{Kind: checker.RunPlanned, Planned: 10})
	for n := range int64(5) {
		p.take(checker.Event{Kind: checker.UnitDone, Table: "t", Compared: n + 1, Rows: 100, Restored: true})
	}
	c.pass(10 * time.Second)
	if s := p.at(4); s.done != 5 || s.compared != 5 || s.rows != 0 || s.rate != 0 || s.left >= 0 {
		t.Errorf("before any work of its own: %+v", s)
	}
	p.take(checker.Event{Kind: checker.UnitDone, Table: "t", Compared: 6, Rows: 100})
	if s := p.at(4); s.rate != 10 || s.left != 40*time.Second {
		t.Errorf("one of five chunks took 10s: rate %d, left %s", s.rate, s.left)
	}
}
