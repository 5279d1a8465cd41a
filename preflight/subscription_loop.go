package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// direction is one of a pair's two, by native logical replication.
type direction struct {
	near, far  *postgres.DB // publisher, subscriber
	subscribed []subscribed
	tables     []string // that are published to them, by report name
}

// loopBack looks at subscriptions of both directions that have tables in common:
// one whose publisher does not leave out what it got itself gets its own changes
// back. Only 16 and newer on both ends can leave that out.
func loopBack(ctx context.Context, f *facts) ([]Hazard, error) {
	if !f.bothWays() {
		return nil, nil
	}
	forth := &direction{near: f.live(postgres.Source), far: f.live(postgres.Target)}
	back := &direction{near: forth.far, far: forth.near}
	if err := forth.read(ctx, f, f.detection.Forward); err != nil {
		return nil, err
	}
	if err := back.read(ctx, f, f.detection.Reverse); err != nil {
		return nil, err
	}
	var common []string
	for _, t := range forth.tables {
		if chosen, known := f.tables[t]; slices.Contains(back.tables, t) && (chosen || !known) && !slices.Contains(common, t) {
			common = append(common, t)
		}
	}
	if len(common) == 0 {
		return nil, nil
	}
	slices.Sort(common)
	var found []Hazard
	for _, d := range []*direction{forth, back} {
		for _, s := range d.subscribed {
			filters := f.filtersOrigin(d.near)
			if s.origin == "none" && filters {
				continue
			}
			what := fmt.Sprintf("changes of %s that began on the %s come back to it, and stop it by a duplicate key or go round without end", fewOf(common, ", "), d.far.Side())
			h := Hazard{Side: d.far.Side(), Object: "subscription " + s.quoted, Sentence: "it takes changes of any origin: " + what}
			if filters && f.filtersOrigin(d.far) {
				h.Fix = "ALTER SUBSCRIPTION " + s.quoted + " SET (origin = none)"
			} else {
				h.Sentence = fmt.Sprintf("origins can't be filtered before version 16: %s; keep only one direction enabled, and drop this one before the other begins", what)
			}
			if !forth.enabled() || !back.enabled() {
				h.Severity = schema.Warn
				h.Sentence = "once both directions are enabled: " + h.Sentence
			}
			found = append(found, h)
		}
	}
	return found, nil
}

// wayBackOpen tells whether something carries the target's changes to the source
// now: of subscriptions of the native kind one that is enabled.
func (f *facts) wayBackOpen(ctx context.Context) (bool, error) {
	list, err := f.readSubscribed(ctx, f.live(postgres.Source))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(f.detection.Reverse, func(r fence.Found) bool {
		return r.Kind != fence.KindLogical || !slices.ContainsFunc(list, func(s subscribed) bool { return s.name == r.Name && !s.enabled })
	}), nil
}

// filtersOrigin tells whether a server can leave out, or be asked to, what it got
// by replication itself.
func (f *facts) filtersOrigin(db *postgres.DB) bool {
	return f.lacks(db.Side(), []string{"pg_subscription.suborigin"}) == ""
}

// read reads the subscriptions that were found, and what they take.
func (d *direction) read(ctx context.Context, f *facts, found []fence.Found) error {
	subs, err := d.far.ReadSubscriptions(ctx)
	if err != nil {
		return err
	}
	list, err := f.readSubscribed(ctx, d.far)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range list {
		known := subs.Named(s.name)
		if known != nil && slices.ContainsFunc(found, func(x fence.Found) bool { return x.Kind == fence.KindLogical && x.Name == s.name }) {
			d.subscribed = append(d.subscribed, s)
			names = append(names, known.Publications...)
		}
	}
	publications, err := d.near.ReadPublications(ctx, names)
	for _, p := range publications {
		d.tables = append(d.tables, p.Tables...)
	}
	return err
}

func (d *direction) enabled() bool {
	return slices.ContainsFunc(d.subscribed, func(s subscribed) bool { return s.enabled })
}
