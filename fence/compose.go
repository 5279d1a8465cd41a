package fence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Fence gives the fence from the source to the target, of the kind that was
// asked for. Where that can't be told or isn't supported the error says so.
func (d *Detection) Fence() (Fence, error) {
	o := d.options
	if d.hops != nil {
		return d.cascade()
	}
	switch o.Kind {
	case KindStill:
		return Still(), nil
	case KindHeartbeat:
		return d.heartbeats()
	case KindLogical: // as an operator says it, of either make
		return d.compose(func(f Found) bool { return f.Kind == KindLogical || f.Kind == KindPglogical })
	case KindPhysical, KindPglogical, KindBucardo:
		return d.compose(func(f Found) bool { return f.Kind == o.Kind })
	case Auto, "":
		return d.auto()
	}
	return nil, fmt.Errorf("%q is no kind of replication: %w", o.Kind, ErrUnknown)
}

// auto goes by what was found, and takes a pair for still only where nothing
// that was seen may feed the target.
func (d *Detection) auto() (Fence, error) {
	o := d.options
	if len(o.Heartbeats) > 0 {
		return d.heartbeats()
	}
	if len(d.Forward) > 0 {
		return d.compose(func(Found) bool { return true })
	}
	if d.unexplained {
		err := ErrUnknown
		if o.Source.Server().InRecovery && o.SourcePrimary == nil {
			err = fmt.Errorf("source: %w", ErrNoPrimary) // the slots are there
		}
		return nil, fmt.Errorf("%w; %s", err, strings.Join(d.Others, "; "))
	}
	if o.Target.Server().InRecovery && o.TargetPrimary == nil {
		return nil, fmt.Errorf("target: it is a standby of another cluster than the source's, and what feeds that can't be seen from here: compare with its primary, or give that too: %w", ErrUnknown)
	}
	return Still(), nil
}

func (d *Detection) heartbeats() (Fence, error) {
	if len(d.options.Heartbeats) == 0 {
		return nil, fmt.Errorf("heartbeat: %w: name the marker's table and column", ErrNotFound)
	}
	var list []Fence
	for _, h := range d.options.Heartbeats {
		list = append(list, NewHeartbeat(d.options.Source, d.options.Target, h))
	}
	return All(list...), nil
}

// compose makes one fence of those that were found: all subscriptions side by
// side, and behind them the standby that is read in place of the subscriber.
func (d *Detection) compose(wanted func(Found) bool) (Fence, error) {
	var found []Found
	for _, f := range d.Forward {
		if !wanted(f) {
			continue
		}
		if f.Err != nil {
			return nil, f.Err
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w: %s", d.options.Kind, ErrNotFound, strings.Join(append([]string{"nothing carries the source to the target"}, d.Others...), "; "))
	}
	if found[0].Kind == KindPhysical {
		return Physical(found[0].publisher, d.options.Target), nil
	}
	if d.options.Target.Server().InRecovery && d.options.TargetPrimary == nil {
		return nil, fmt.Errorf("target: it is a standby of the subscriber: compare with that, or give it too: %w", ErrUnknown)
	}
	first, err := d.streams(found, d.options.Source, d.options.SourcePrimary, d.liveTarget())
	if err != nil || d.options.TargetPrimary == nil {
		return first, err
	}
	return Chain(first, Physical(d.options.TargetPrimary, d.options.Target)), nil
}

// streams joins subscriptions, those of one publisher and make in one fence, and
// Bucardo.
func (d *Detection) streams(found []Found, near, primary, subscriber *postgres.DB) (Fence, error) {
	if near.Server().InRecovery && primary == nil {
		return nil, fmt.Errorf("%s: %w", near.Side(), ErrNoPrimary)
	}
	var fences []Fence
	for _, publisher := range d.writersOf(near, primary) {
		links := map[Kind][]link{}
		for _, f := range found {
			if f.publisher == publisher {
				links[f.Kind] = append(links[f.Kind], f.link)
			}
		}
		if native := links[KindLogical]; len(native) > 0 {
			fences = append(fences, newLogical(live(near, primary), publisher, subscriber, native))
		}
		if of := links[KindPglogical]; len(of) > 0 {
			fences = append(fences, newPglogical(publisher, subscriber, of))
		}
		if len(links[KindBucardo]) > 0 {
			fences = append(fences, newBucardo(publisher, subscriber, d.bucardoGroup(publisher)))
		}
	}
	return All(fences...), nil
}

// back is what carries the target's changes to the source, nil for nothing. In a
// cascade each hop that leads back counts, from wherever it begins: what the
// target shows may have come from the middle.
func (d *Detection) back() (Fence, error) {
	var fences []Fence
	for _, hop := range slices.Backward(d.hops) {
		f, err := hop.back()
		if err != nil {
			return nil, err
		}
		if f != nil {
			fences = append(fences, f)
		}
	}
	switch {
	case len(fences) > 0:
		return Chain(fences...), nil
	case d.hops != nil || len(d.Reverse) == 0:
		return nil, nil
	}
	return d.streams(d.Reverse, d.options.Target, d.options.TargetPrimary, d.liveSource())
}

// Barrier gives the fence from a reading of the target to the next one of the
// source, for tables named as quote_ident prints them on the source: the barrier
// proper, or on a standby its own way from the primary; and beside it whatever
// carries the target's changes to the source. Where the source is a standby:
//
//  1. A reading of the target saw a change that the primary has logged.
//  2. The primary's insert position, read afterwards, is behind it.
//  3. The standby has replayed up to there: it shows it, whether the primary
//     shows it already or not.
func (d *Detection) Barrier(tables []string) (Fence, error) {
	o := d.options
	back, err := d.back()
	if err != nil {
		return nil, err
	}
	if !o.Source.Server().InRecovery {
		if back == nil {
			return Barrier(o.Source, tables), nil
		}
		return All(Barrier(o.Source, tables), back), nil
	}
	if o.SourcePrimary == nil {
		return nil, fmt.Errorf("source: %w", ErrNoPrimary)
	}
	if back == nil {
		return Physical(o.SourcePrimary, o.Source), nil
	}
	return Chain(returning{back}, Physical(o.SourcePrimary, o.Source)), nil
}
