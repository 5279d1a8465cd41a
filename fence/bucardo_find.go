package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// findBucardo looks on both sides for what Bucardo takes from there. Whether it
// brings that to the other side of the pair stands in its control database, so
// it is taken for granted: waiting in vain is safe.
func (d *Detection) findBucardo(ctx context.Context) error {
	forward, err := d.bucardoFrom(ctx, d.options.Source, d.liveTarget())
	if err != nil {
		return err
	}
	reverse, err := d.bucardoFrom(ctx, d.options.Target, d.liveSource())
	d.Forward, d.Reverse = append(d.Forward, forward...), append(d.Reverse, reverse...)
	return err
}

// bucardoGroup is the group that was named, which is of the source's changes.
func (d *Detection) bucardoGroup(near *postgres.DB) string {
	if near == d.options.Source {
		return d.options.BucardoGroup
	}
	return ""
}

// bucardoFrom tells what Bucardo takes from near, which is read as the comparison
// reads it: a standby may show what its primary does not yet.
func (d *Detection) bucardoFrom(ctx context.Context, near, far *postgres.DB) ([]Found, error) {
	group := d.bucardoGroup(near)
	tools, err := near.ReadTools(ctx)
	if err != nil || tools.Bucardo == 0 {
		return nil, err
	}
	state, err := near.ReadBucardo(ctx, group)
	if err != nil {
		return nil, err
	}
	there, err := far.ReadBucardo(ctx, "")
	if err != nil {
		return nil, err
	}
	f := Found{Kind: KindBucardo, Name: "bucardo", publisher: near,
		Evidence: []string{fmt.Sprintf("the %s has a schema bucardo with delta tables for %d tables", near.Side(), state.Deltas)}}
	targets := targetsOf(state.Tables)
	switch {
	case state.Hidden:
		f.Evidence = append(f.Evidence, (&bucardo{near: near}).hidden(state.Role).Sentence)
	case len(targets) == 0:
		what := "none of them is carried anywhere"
		if group != "" {
			what = fmt.Sprintf("none of them is carried to group %q", group)
		}
		d.Others = append(d.Others, f.Evidence[0]+", but "+what)
		d.unexplained = d.unexplained || near == d.options.Source
		return nil, nil
	default:
		f.Evidence = append(f.Evidence, carriedTo(state.Tables, targets, group))
	}
	f.Evidence = append(f.Evidence, connectedTo(near.Side(), state.Sessions, there.Sessions),
		"Bucardo's control database, which may be anywhere, was not read: whether a sync copies whole tables (fullcopy, onetimecopy) or gives tables and columns other names, and which databases its group has")
	return []Found{f}, nil
}

// carriedTo says which tables go to which groups.
func carriedTo(tables []postgres.BucardoTable, targets []string, group string) string {
	var syncs, names, groups []string
	for _, t := range tables {
		if t.State() != "" {
			names = append(names, t.Table)
			syncs = append(syncs, t.Syncs...)
		}
	}
	for _, t := range targets {
		groups = append(groups, groupName(t))
	}
	slices.Sort(syncs)
	said := fmt.Sprintf("%d tables (%s) of the syncs %s are carried to group %s", len(names), listed(names), strings.Join(slices.Compact(syncs), ", "), strings.Join(groups, ", "))
	switch {
	case group != "":
		return said + ", which was named"
	case len(groups) > 1:
		return said + "; which of them the other side is of can't be read here, so all are waited for"
	}
	return said
}

// connectedTo says which process of Bucardo is seen on both sides.
func connectedTo(near postgres.Side, here, there []postgres.BucardoSession) string {
	var names []string
	for _, s := range here {
		names = append(names, s.Name)
		if strings.HasPrefix(s.Name, "bucardo KID") && slices.ContainsFunc(there, func(o postgres.BucardoSession) bool { return o.Name == s.Name }) {
			return fmt.Sprintf("the process that copies is connected to both sides: %s", s.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("no session of Bucardo is connected to the %s at the moment", near)
	}
	return fmt.Sprintf("sessions of Bucardo are connected to the %s (%s), none that copies to both sides at the moment", near, listed(slices.Compact(names)))
}

// copying is step 6 of bucardo's proof: a barrier that heeds Bucardo's own
// transactions alone.
type copying struct{ far *postgres.DB }

// Mark reads which of them have written.
func (c *copying) Mark(ctx context.Context) (Mark, error) {
	writers, err := c.far.ReadBucardoCopying(ctx)
	return Mark{writers: writers}, err
}

// Wait looks until none of those is open any more.
func (c *copying) Wait(ctx context.Context, m Mark) error {
	left := m.writers
	if len(left) == 0 {
		return context.Cause(ctx)
	}
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		now, err := c.far.ReadBucardoCopying(ctx)
		if err != nil {
			return false, err
		}
		left = stillWriting(left, now)
		return len(left) == 0, nil
	}, func(context.Context) ([]Trouble, error) {
		names := make([]string, len(left))
		for i, w := range left {
			names[i] = w.String()
		}
		return []Trouble{{Kind: WritersOpen, Side: c.far.Side(), Subject: names[0],
			Sentence: fmt.Sprintf("Bucardo has written to the %s and not committed yet: %s; wait, or raise --settle", c.far.Side(), strings.Join(names, ", "))}}, nil
	})
}

// Cover has no gaps: which tables are carried says bucardo.
func (c *copying) Cover(context.Context, []string) (Cover, error) { return Cover{}, nil }

// Health has nothing to tell: what is open will be over.
func (c *copying) Health(context.Context) (Health, error) { return Health{}, nil }
