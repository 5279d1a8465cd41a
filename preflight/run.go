package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// SchemaVersion is the version of the JSON report.
const SchemaVersion = 1

// concurrency is how many detectors look at the same time: each holds one
// connection of a side.
const concurrency = 3

// OperatorError is a request that cannot be carried out as it was made.
type OperatorError struct{ err error }

func (e *OperatorError) Error() string { return e.err.Error() }
func (e *OperatorError) Unwrap() error { return e.err }

func asTold(err error, told **postgres.Error) bool { return errors.As(err, told) }

// Run looks for every hazard between two open sides. The error is what kept it
// from looking at all: a mistake of the operator's, a side that cannot be read.
// A run that was cancelled ends in a Result that is unproven.
func Run(ctx context.Context, source, target *postgres.DB, o Options) (*Result, error) {
	if postgres.SameDatabase(source, target) {
		return nil, &OperatorError{fmt.Errorf("source and target are the same database (%s): give two different ones", source.Server().Database)}
	}
	r := &Result{SchemaVersion: SchemaVersion, Tool: Tool{Version: o.Version, OptionsHash: o.OptionsHash}, Pair: o.Pair,
		StartedAt: time.Now().UTC(), Source: identify(ctx, source), Target: identify(ctx, target),
		Hazards: []Hazard{}, Unknown: []Unknown{}, Checked: []Checked{}, Reasons: []string{}, Notes: []string{}, Coverage: Coverage{NotCarried: []Omitted{}}}
	f, err := gather(ctx, source, target, o)
	if err != nil {
		return nil, err
	}
	r.Replication = f.replication()
	if err := f.watch(ctx); err != nil {
		return nil, err
	}
	r.lookAll(ctx, f)
	r.cover(f)
	r.Rehearsal = f.rehearse(ctx, r)
	r.conclude(ctx, f)
	return r, nil
}

// identify says who a side is.
func identify(ctx context.Context, db *postgres.DB) Server {
	s := db.Server()
	timeline, err := db.Timeline(ctx)
	if err != nil {
		timeline = 0 // some providers revoke it: the other facts remain
	}
	return Server{ServerVersion: s.Version, SystemIdentifier: s.SystemID, Database: s.Database, Timeline: uint32(timeline), InRecovery: s.InRecovery}
}

func (f *facts) replication() *Replication {
	p := &Replication{Kind: string(fence.KindStill), Evidence: []string{}, BothWays: f.bothWays()}
	var kinds, names []string
	for _, found := range f.detection.Forward {
		if !slices.Contains(kinds, string(found.Kind)) {
			kinds = append(kinds, string(found.Kind))
		}
		names = append(names, found.Name)
		p.Evidence = append(p.Evidence, found.Evidence...)
	}
	p.Evidence = append(p.Evidence, f.detection.Others...)
	switch {
	case len(kinds) > 0:
		p.Kind, p.Name = strings.Join(kinds, "+"), strings.Join(names, ", ")
	case f.unclear != nil:
		p.Kind = ""
		p.Evidence = append(p.Evidence, f.unclear.Error())
	case f.o.Fence.Kind != "" && f.o.Fence.Kind != fence.Auto:
		p.Kind = string(f.o.Fence.Kind)
	}
	return p
}

// stopped is said of a detector that had no turn, or did not end it.
const stopped = "the run was stopped before it had looked"

// lookAll runs every detector.
func (r *Result) lookAll(ctx context.Context, f *facts) {
	type turn struct {
		hazards []Hazard
		unknown []Unknown
		checked Checked
	}
	list := Detectors()
	turns := make([]turn, len(list))
	var g errgroup.Group
	g.SetLimit(concurrency)
	for i := range list {
		g.Go(func() error {
			t := &turns[i]
			if t.checked = (Checked{ID: list[i].ID, About: list[i].About, Skipped: stopped}); ctx.Err() == nil {
				t.hazards, t.unknown, t.checked = list[i].look(ctx, f)
			}
			return nil
		})
	}
	_ = g.Wait() // what failed is in the turns
	for i := range turns {
		t := &turns[i]
		if ctx.Err() != nil && len(t.unknown) > 0 { // said once, of the run
			t.unknown, t.checked.Skipped = nil, stopped
		}
		r.Hazards = append(r.Hazards, t.hazards...)
		r.Unknown = append(r.Unknown, t.unknown...)
		r.Checked = append(r.Checked, t.checked)
	}
	slices.SortStableFunc(r.Hazards, func(a, b Hazard) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(place(r.Checked, a.ID), place(r.Checked, b.ID)),
			cmp.Compare(a.Side, b.Side), cmp.Compare(a.Object, b.Object))
	})
}

func place(checked []Checked, id string) int {
	return slices.IndexFunc(checked, func(c Checked) bool { return c.ID == id })
}

// conclude decides the verdict.
func (r *Result) conclude(ctx context.Context, f *facts) {
	r.Notes = append(r.Notes, acknowledge(r, f.o.Acks)...)
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		if d := f.definitions[side]; d != nil {
			for _, s := range d.Hidden {
				r.Notes = append(r.Notes, fmt.Sprintf("%s: %s", side, s))
			}
		}
	}
	for _, glob := range f.pair.Unmatched {
		r.Reasons = append(r.Reasons, fmt.Sprintf("unproven: nothing matches %q", glob))
	}
	blocks, _ := r.Count(schema.Block)
	_, warnings := r.Count(schema.Warn)
	r.Reasons = append(r.Reasons, r.unlooked()...)
	if cause := context.Cause(ctx); cause != nil {
		r.Reasons = append(r.Reasons, "unproven: the run was stopped: "+cause.Error())
	}
	if f.unclear != nil {
		r.Reasons = append(r.Reasons, "unproven: replication: "+f.unclear.Error())
	}
	if len(f.pair.Tables) == 0 {
		r.Reasons = append(r.Reasons, "unproven: there is no table to look at")
	}
	r.Verdict = Ready
	if len(r.Reasons) > 0 {
		r.Verdict = Unproven
	}
	if blocks > 0 || f.o.Strict && warnings > 0 {
		r.Verdict = Blocked
		r.Reasons = append(r.blocking(f.o.Strict), r.Reasons...)
	}
	r.FinishedAt = time.Now().UTC()
}

// unlooked says each reason for not having looked once, with the ids.
func (r *Result) unlooked() []string {
	var reasons []string
	ids := map[string][]string{}
	for _, u := range r.Unknown {
		if u.Acknowledged {
			continue
		}
		if ids[u.Reason] == nil {
			reasons = append(reasons, u.Reason)
		}
		ids[u.Reason] = append(ids[u.Reason], u.ID)
	}
	for i, reason := range reasons {
		reasons[i] = fmt.Sprintf("unproven: not looked for: %s: %s", strings.Join(ids[reason], ", "), reason)
	}
	return reasons
}

// blocking says each id that blocks once, with how many objects it has.
func (r *Result) blocking(strict bool) []string {
	var ids []string
	count := map[string]int{}
	for _, h := range r.Hazards {
		if h.Severity == schema.Block || strict && h.Severity == schema.Warn && !h.Acknowledged {
			if count[h.ID]++; count[h.ID] == 1 {
				ids = append(ids, h.ID)
			}
		}
	}
	reasons := make([]string, len(ids))
	for i, id := range ids {
		reasons[i] = fmt.Sprintf("blocked: %s (%d)", id, count[id])
	}
	return reasons
}
