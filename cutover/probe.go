package cutover

import (
	"context"
	"fmt"
)

// What the databases say of a step that was taken.

// isPrepared: the ledger is there, and the way back.
func (r *run) isPrepared(ctx context.Context) (string, error) {
	for _, e := range []*end{r.from, r.to} {
		there, err := text(ctx, e.control, "probe", `SELECT pg_catalog.to_regclass('pgparity.cutover') IS NOT NULL`)
		if err != nil {
			return "", err
		}
		if there != "t" {
			return fmt.Sprintf("the %s has no schema pgparity any more", e.name), nil
		}
	}
	for _, s := range r.facts.Reverse {
		now, err := readStream(ctx, r.from, s.Subscription)
		if err != nil {
			return "", err
		}
		if !now.there {
			return fmt.Sprintf("subscription %q of the way back is not on the %s any more", s.Subscription, r.from.name), nil
		}
	}
	return "", nil
}

// isClosed: clients cannot write to from.
func (r *run) isClosed(ctx context.Context) (string, error) {
	open, err := r.accepts(ctx, r.from)
	if err != nil || !open {
		return "", err
	}
	return fmt.Sprintf("the %s is not closed", r.from.name), nil
}

// isOpen: clients can write to to.
func (r *run) isOpen(ctx context.Context) (string, error) {
	open, err := r.accepts(ctx, r.to)
	if err != nil || open {
		return "", err
	}
	return fmt.Sprintf("the %s is read only", r.to.name), nil
}

// isLive: what carried the switch is gone, and the way back is started.
func (r *run) isLive(ctx context.Context) (string, error) {
	for _, s := range r.facts.Reverse {
		now, err := readStream(ctx, r.from, s.Subscription)
		if err != nil {
			return "", err
		}
		if !now.enabled {
			return fmt.Sprintf("the way back (subscription %q on the %s) is stopped or removed", s.Subscription, r.from.name), nil
		}
	}
	return "", nil
}

// probeReached looks at every step that the journal says was taken, and is of the
// kind that lasts: what was before the point of no return matters only until then,
// but for the source being closed.
func (r *run) probeReached(ctx context.Context, reached State) (string, error) {
	for _, s := range machine() {
		if s.probe == nil || rank(s.state) > rank(reached) {
			continue
		}
		if what, err := s.probe(r, ctx); err != nil || what != "" {
			return what, err
		}
	}
	return "", nil
}
