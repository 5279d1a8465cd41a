package fence

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// A cascade is a pair with a database in the middle: it gets the source's changes
// and hands them on to the target. Both hops are detected like pairs of their
// own, and joined by Chain.

// detectCascade detects the hop to the middle and the one from there on.
func detectCascade(ctx context.Context, o Options) (*Detection, error) {
	if len(o.Heartbeats) > 0 || o.Kind == KindStill || o.Kind == KindHeartbeat {
		return nil, fmt.Errorf("a database in the middle (--via) is waited for by what replicates it; a heartbeat, or a pair at rest, needs none: leave --via out")
	}
	if postgres.SameDatabase(o.Source, o.Via) || postgres.SameDatabase(o.Via, o.Target) {
		return nil, fmt.Errorf("what was given as the middle (--via) is the source or the target itself")
	}
	d := &Detection{options: o}
	near, far := o, o
	near.Target, near.TargetPrimary, near.Via = o.Via, nil, nil
	far.Source, far.SourcePrimary, far.Via = o.Via, nil, nil
	for _, hop := range []Options{near, far} {
		found, err := Detect(ctx, hop)
		if err != nil {
			return nil, err
		}
		d.hops = append(d.hops, found)
		d.Forward = append(d.Forward, found.Forward...)
		d.Reverse = append(d.Reverse, found.Reverse...)
		d.Others = append(d.Others, found.Others...)
	}
	return d, nil
}

// cascade joins the hops' fences.
func (d *Detection) cascade() (Fence, error) {
	var fences []Fence
	for _, hop := range d.hops {
		f, err := hop.Fence()
		if err != nil {
			return nil, fmt.Errorf("from the %s to the %s: %w", hop.options.Source.Side(), hop.options.Target.Side(), err)
		}
		if f == Still() {
			return nil, fmt.Errorf("nothing carries the %s to the %s: %w", hop.options.Source.Side(), hop.options.Target.Side(), ErrNotFound)
		}
		fences = append(fences, f)
	}
	return Chain(fences...), nil
}
