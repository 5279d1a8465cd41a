package cutover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// GateOptions say what is verified in the window.
type GateOptions struct {
	// Accept: what did not fit the budget rests on the full verification; else
	// the attempt is given up.
	Accept bool
	// Tables are globs of those to be read whole first, because they matter most.
	Tables []string
}

// Gate is what was proved in the window, of the pair at rest.
type Gate struct {
	LSN    string      `json:"lsn"` // all that was committed there before is in what was compared
	TookMS float64     `json:"took_ms"`
	Passed bool        `json:"passed"`
	Tables []GateTable `json:"tables"`
	// Findings are sentences: what differs.
	Findings []string `json:"findings"`
}

// The claims. What each proves, and what it rests on, is told in checker's
// window.go.
const (
	claimWhole    = "whole"    // every row was hashed on both sides
	claimChanged  = "changed"  // with the full verification: every row is equal
	claimFollowed = "followed" // every row that changed up to the fence was equal on the other side after that
	claimLast     = "last"     // the last rows are equal
	claimNothing  = "nothing"
)

// GateTable is one table, and what was proved of it.
type GateTable struct {
	Name  string `json:"name"`
	Claim string `json:"claim"` // whole, changed, followed, last, nothing
	// Rows are all of the table, on the side that is switched from, where they were
	// counted; else those that were compared.
	Rows int64 `json:"rows"`
	// Compared are the rows of which the content was compared in the window.
	Compared int64  `json:"compared"`
	Count    bool   `json:"count"` // rows were counted on both sides
	Why      string `json:"why"`
}

// What the window waits for is bounded by the budget; statements are ended a
// little before, so that the answer is not lost with it.
const gateShare = 0.9

// verifyWindow proves, of the pair at rest, what may have changed since the full
// verification.
func (r *run) verifyWindow(ctx context.Context) error {
	g, err := r.gated(ctx)
	if err != nil {
		return err
	}
	if !g.chosen {
		g.choose(r)
	}
	return r.gate(ctx, Action{ID: "gate-verify", On: "here", Do: g.summary(), Why: "both sides hold the same now that nobody writes"}, func(ctx context.Context) error {
		began := time.Now()
		gate := &Gate{LSN: r.facts.FenceLSN, Findings: []string{}}
		r.result.Gate = gate
		err := r.together(ctx, func(ctx context.Context) error { return r.prove(ctx, g) }, func(ctx context.Context) error { return r.proveFollowed(ctx, g) })
		gate.TookMS = milliseconds(time.Since(began))
		total := int64(0)
		for _, t := range g.tables {
			total += t.differing
			gate.Findings = append(gate.Findings, t.findings...)
			gate.Tables = append(gate.Tables, t.result)
		}
		switch {
		case err != nil:
			return err
		case total > 0:
			return errGiveUp{fmt.Errorf("the gate: what was written to %s is not what %s holds: %s; look at it with pgparity verify, and repair it", r.from.name, r.to.name, firsts(gate.Findings))}
		}
		if err := r.accept(g); err != nil {
			return err
		}
		gate.Passed = true
		return nil
	})
}

// prove does what was chosen, several tables at a time.
func (r *run) prove(ctx context.Context, g *gating) error {
	deadline := time.Now().Add(r.o.Budgets.Gate)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	deadline = time.Now().Add(time.Duration(float64(time.Until(deadline)) * gateShare))
	var work errgroup.Group
	work.SetLimit(r.lanes())
	var mu sync.Mutex
	var failed []error
	for _, batch := range g.batches(r.lanes()) {
		work.Go(func() error {
			if err := r.proveBatch(ctx, g.window, batch, time.Until(deadline)); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
			return nil // one table's failure does not hide what another's finding is
		})
	}
	_ = work.Wait()
	if cause := context.Cause(ctx); cause != nil && len(failed) > 0 {
		return cause
	}
	return errors.Join(failed...)
}

// proveBatch does the tasks of some tables. That the time was over is no error: it
// is what their results say.
func (r *run) proveBatch(ctx context.Context, w *checker.Window, batch []*gateTable, left time.Duration) error {
	if left <= 0 {
		outOfTime(batch)
		return nil
	}
	tasks := make([]checker.Task, len(batch))
	for i, t := range batch {
		tasks[i] = t.task
	}
	proofs, err := w.Prove(ctx, tasks, left)
	for i, p := range proofs {
		batch[i].take(p, r.from.name, r.to.name)
	}
	if postgres.TimedOut(err) && ctx.Err() == nil {
		outOfTime(batch[len(proofs):])
		return nil
	}
	return err
}

func outOfTime(batch []*gateTable) {
	for _, t := range batch {
		t.nothing("reading it did not end within the gate's budget")
	}
}

// take keeps what came of a table's task.
func (t *gateTable) take(p checker.Proof, from, to string) {
	t.done = true
	t.result = GateTable{Name: t.Name, Claim: t.claim, Rows: p.Compared, Compared: p.Compared, Count: p.Counted, Why: t.because(p)}
	if p.Counted {
		t.result.Rows = p.Rows[0]
	}
	if p.Equal() {
		return
	}
	t.differing = max(p.Total, 1)
	for _, f := range p.Findings {
		t.findings = append(t.findings, sentence(f))
	}
	switch {
	case !p.Differs:
	case p.Rows[0] != p.Rows[1]:
		t.findings = append(t.findings, fmt.Sprintf("%s: %d rows on the %s, %d on the %s", t.Name, p.Rows[0], from, p.Rows[1], to))
	case t.claim == claimChanged:
		t.findings = append(t.findings, t.Name+": as many rows on both sides, and not of the same keys")
	default:
		t.findings = append(t.findings, t.Name+": as many rows on both sides, and not the same")
	}
	if more := p.Total - int64(len(p.Findings)); more > 0 {
		t.findings = append(t.findings, fmt.Sprintf("%s: %d more rows differ", t.Name, more))
	}
}

func (t *gateTable) nothing(why string) {
	t.done = true
	t.claim = claimNothing
	t.result = GateTable{Name: t.Name, Claim: claimNothing, Why: why}
}

// because says what a proof rests on.
func (t *gateTable) because(p checker.Proof) string {
	switch t.claim {
	case claimWhole:
		return "every row was hashed on both sides"
	case claimChanged:
		why := fmt.Sprintf("%d rows were written since the full verification, and compared; ", p.Compared)
		if t.Counted {
			return why + "there are as many rows on both sides, so none of the others went, but for as many that only one side lost as only the other did; those that stayed rest on the full verification"
		}
		return why + "the keys of all rows are the same on both sides; the content of the others rests on the full verification"
	}
	return t.why
}

// accept says what rests on the full verification alone, where that is allowed.
func (r *run) accept(g *gating) error {
	var lacks []string
	for _, t := range g.tables {
		if t.proved() {
			continue
		}
		if !r.o.Gate.Accept || t.claim == claimNothing && t.delayed {
			lacks = append(lacks, t.Name+": "+t.result.Why)
			continue
		}
		r.note("%s was not compared whole in the window: %s", t.Name, t.result.Why)
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("the gate has no proof of %d tables: %s; give it more time (cutover.budgets.gate), or accept that they rest on the full verification (cutover.gate.overflow: accept)", len(lacks), firsts(lacks))
}

// proved tells whether all rows of a table are known to be equal.
func (t *gateTable) proved() bool {
	return t.claim == claimWhole || t.claim == claimChanged || t.claim == claimFollowed
}

// batches are what is read in one transaction a side: a large table alone, in
// parts, small ones together. The largest come first.
func (g *gating) batches(lanes int) (batches [][]*gateTable) {
	tables := slices.Clone(g.tables)
	slices.SortStableFunc(tables, func(a, b *gateTable) int { return cmp.Compare(b.cost, a.cost) })
	var small []*gateTable
	var cost time.Duration
	for _, t := range tables {
		if t.claim == claimFollowed {
			continue
		}
		t.result, t.findings, t.differing, t.done = GateTable{Name: t.Name, Claim: t.claim, Why: t.why}, nil, 0, false
		if t.claim == claimNothing {
			continue
		}
		if t.cost > batchTime {
			t.task.Parts = int(min(t.cost/partTime, time.Duration(lanes)))
			batches = append(batches, []*gateTable{t})
			continue
		}
		if small = append(small, t); len(small) == batchTables || cost+t.cost > batchTime {
			batches, small, cost = append(batches, small), nil, 0
			continue
		}
		cost += t.cost
	}
	if len(small) > 0 {
		batches = append(batches, small)
	}
	return batches
}

const (
	batchTime   = 20 * time.Millisecond // of the tables that are read in one transaction
	batchTables = 25
	partTime    = 40 * time.Millisecond // of what one connection reads of a large table
)

// summary says what is read.
func (g *gating) summary() string {
	of := map[string][]string{}
	for _, t := range g.tables {
		of[t.claim] = append(of[t.claim], t.Name)
	}
	var parts []string
	for _, s := range []struct{ claim, words string }{{claimWhole, "compare whole: "}, {claimChanged, "compare the keys, and the rows written since the full verification: "},
		{claimFollowed, "compare the rows that changed since the watermark: "}, {claimLast, "compare the last rows only: "}, {claimNothing, "rest on the full verification: "}} {
		if list := of[s.claim]; len(list) > 0 {
			parts = append(parts, s.words+few(list))
		}
	}
	if len(parts) == 0 {
		return "no table is compared"
	}
	return strings.Join(parts, "; ")
}
