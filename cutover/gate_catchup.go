package cutover

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
)

// catchUp compares, just before the window, what was written since the full
// verification, so that the window has little of it to look at. Replication runs,
// and so does the application. What it finds ends the run.
func (r *run) catchUp(ctx context.Context) error {
	g, err := r.gated(ctx)
	if err != nil {
		return err
	}
	if !g.known || r.fence == fence.Still() { // nothing carries what it would compare
		return nil
	}
	return r.gate(ctx, Action{ID: "catch-up", On: "here", Do: "compare the rows that were written since the full verification",
		Why: "so that the window has few to look at, and a difference is found before it"}, func(ctx context.Context) error {
		return r.catchUpNow(ctx, g)
	})
}

func (r *run) catchUpNow(ctx context.Context, g *gating) error {
	var tables []*checker.WindowTable
	for _, t := range g.tables {
		if t.Reason == "" && t.Young && !t.delayed && (!r.followed(t) || t.first) {
			tables = append(tables, t.WindowTable)
		}
	}
	g.chosen = false
	caught, err := g.window.CatchUp(ctx, tables, checker.Stream{Detection: r.detection, Fence: r.fence}, r.lanes(), r.o.Budgets.Gate)
	if err != nil {
		return fmt.Errorf("what was written since the full verification: %w", err)
	}
	if err := rowsDiffer("of the rows that were written since the full verification", caught.Total, caught.Findings); err != nil {
		return err
	}
	// Whoever runs again after this process starts from here.
	if e := r.facts.Evidence; e != nil && caught.Horizon.Known() {
		brought := *e
		brought.Horizon, brought.ToHorizon = caught.Horizon.Source, caught.Horizon.Target
		r.facts.Evidence = &brought
	}
	return nil
}

// rowsDiffer ends the run where rows differ; nil where none does.
func rowsDiffer(which string, total int64, list []checker.Located) error {
	if total == 0 {
		return nil
	}
	sentences := make([]string, len(list))
	for i, f := range list {
		sentences[i] = sentence(f)
	}
	return errGiveUp{fmt.Errorf("%d %s differ: %s; look at them with pgparity verify, and repair them", total, which, firsts(sentences))}
}
