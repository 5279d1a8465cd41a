package fence

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// findPglogical recognises the subscriptions of the extension pglogical, of
// both directions.
func (d *Detection) findPglogical(ctx context.Context) error {
	forward, err := d.pglogicals(ctx, d.liveSource(), d.liveTarget(), true)
	if err != nil {
		return err
	}
	d.Forward = append(d.Forward, forward...)
	reverse, err := d.pglogicals(ctx, d.liveTarget(), d.liveSource(), false)
	d.Reverse = append(d.Reverse, reverse...)
	return err
}

// pglogicals matches a subscriber's subscriptions with the slots of the other
// side, as subscriptions does with native ones.
func (d *Detection) pglogicals(ctx context.Context, publisher, subscriber *postgres.DB, feeds bool) ([]Found, error) {
	if tools, err := subscriber.ReadTools(ctx); err != nil || !tools.Pglogical {
		return nil, err
	}
	v, err := settledPglogical(ctx, publisher, subscriber)
	if err != nil {
		return nil, err
	}
	if v.denied {
		return d.hiddenPglogical(v, publisher, subscriber, feeds), nil
	}
	var found []Found
	for _, sub := range v.subs.All {
		where := fmt.Sprintf("pglogical's subscription %q on the %s", sub.Name, subscriber.Side())
		f, not, err := v.match(ctx, sub, publisher, where)
		if err != nil {
			return nil, err
		}
		if f == nil {
			d.Others = append(d.Others, where+" "+not)
			d.unexplained = d.unexplained || feeds && sub.Enabled
			continue
		}
		found = append(found, *f)
	}
	return found, nil
}

// hiddenPglogical are the slots of pglogical that the subscriber may take, where
// its subscriptions may not be read. They are followed by a fence that says so.
func (d *Detection) hiddenPglogical(v *pglogicalSight, publisher, subscriber *postgres.DB, feeds bool) []Found {
	var found []Found
	said := fmt.Sprintf("pglogical is installed on the %s, and its subscriptions may not be read; run there: %s", subscriber.Side(), postgres.PglogicalGrant(v.subs.Role))
	for _, slot := range v.slots.All {
		if slot.Plugin != "pglogical_output" || slot.Database != publisher.Server().Database || copiesFor(slot, v.slots.All) {
			continue
		}
		name := slot.Client
		if name == "" {
			name = slot.Name
		}
		found = append(found, Found{Kind: KindPglogical, Name: name, publisher: publisher,
			link:     link{subscription: name, slot: slot.Name, pglogical: pglogicalLink{hidden: true}},
			Evidence: []string{fmt.Sprintf("the %s has slot %q for pglogical%s", publisher.Side(), slot.Name, calledItself(slot)), said}})
	}
	if len(found) == 0 && feeds {
		d.Others = append(d.Others, said)
		d.unexplained = true
	}
	return found
}

// isPglogicalCopy recognises the short-lived slots by which one of the
// subscriptions that were found copies a table.
func (d *Detection) isPglogicalCopy(slot postgres.Slot) bool {
	var taken []postgres.Slot
	for _, f := range d.Forward {
		taken = append(taken, postgres.Slot{Name: f.link.slot})
	}
	return slot.Plugin == "pglogical_output" && copiesFor(slot, taken)
}

// copiesFor tells whether a slot's name is another one's with a hash of eight
// digits behind, which is how pglogical names it while it copies a table.
func copiesFor(slot postgres.Slot, slots []postgres.Slot) bool {
	const digits = 8
	for _, s := range slots {
		hash, ok := strings.CutPrefix(slot.Name, s.Name+"_")
		if s.Name != "" && ok && len(hash) == digits && strings.Trim(hash, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}

// pglogicalSight is what detection sees of a subscriber and of the server that
// may be its provider.
type pglogicalSight struct {
	slots   *postgres.Slots // as of before the subscriptions were read; the log's end as of after
	senders *postgres.PglogicalSenders
	subs    *postgres.PglogicalSubscriptions
	denied  bool // subs may not be read
	node    string
	id      uint32
	blind   bool // the provider's catalogs may not be read
}

// settledPglogical looks until no worker runs whose slot nobody reads, or reads
// for another one, or for a second: what lasts is no moment between.
func settledPglogical(ctx context.Context, publisher, subscriber *postgres.DB) (*pglogicalSight, error) {
	for try, pause := 1, 4*firstPause; ; try, pause = try+1, 2*pause {
		v := &pglogicalSight{}
		var err error
		if v.slots, err = publisher.ReadSlots(ctx); err != nil {
			return nil, err
		}
		if v.senders, err = publisher.ReadPglogicalSenders(ctx); err != nil {
			return nil, err
		}
		v.subs, err = subscriber.ReadPglogicalSubscriptions(ctx)
		if v.denied = postgres.Denied(err); err != nil && !v.denied {
			return nil, err
		}
		after, err := publisher.ReadSlots(ctx)
		if err != nil {
			return nil, err
		}
		v.slots.LSN = after.LSN
		agree := true
		for i := range v.subs.All {
			sub := &v.subs.All[i]
			slot := v.slots.Slot(sub.Slot)
			agree = agree && (slot != nil && slot.Active || sub.Worker == 0 || !sub.Ready()) && !servesAnother(slot, v.senders, sub)
		}
		if agree || try == lookTries {
			return v, v.provider(ctx, publisher)
		}
		rest(ctx, pause)
	}
}

// provider reads which node the publisher is, where any is asked for.
func (v *pglogicalSight) provider(ctx context.Context, publisher *postgres.DB) error {
	if len(v.subs.All) == 0 {
		return nil
	}
	tools, err := publisher.ReadTools(ctx)
	if err != nil || !tools.Pglogical {
		return err
	}
	v.node, v.id, err = publisher.ReadPglogicalNode(ctx)
	if v.blind = postgres.Denied(err); v.blind {
		return nil
	}
	return err
}

// match tells whether a subscription follows the publisher, with the evidence,
// or in the second result why it does not.
func (v *pglogicalSight) match(ctx context.Context, sub postgres.PglogicalSubscription, publisher *postgres.DB, where string) (*Found, string, error) {
	slot := v.slots.Slot(sub.Slot)
	if not := v.elsewhere(sub, slot, publisher); not != "" {
		return nil, not, nil
	}
	f := &Found{Kind: KindPglogical, Name: sub.Name, publisher: publisher, link: link{subscription: sub.Name, slot: sub.Slot, publications: sub.Sets,
		since: history{worker: sub.Worker}, pglogical: pglogicalLink{incarnation: sub.Incarnation, placed: map[place]postgres.LSN{}}}}
	database := publisher.Server().Database
	node := fmt.Sprintf("its provider is node %q, as the %s calls itself", sub.Provider, publisher.Side())
	if v.blind {
		node = fmt.Sprintf("its provider is node %q, and whether the %s calls itself so may not be read; run there: %s", sub.Provider, publisher.Side(), postgres.PglogicalGrant(v.senders.Role))
	}
	if slot == nil {
		f.Evidence = []string{fmt.Sprintf("%s takes slot %q, which the %s does not have, although %s", where, sub.Slot, publisher.Side(), node)}
	} else {
		f.Evidence = []string{
			fmt.Sprintf("%s takes slot %q, which exists in database %q of the %s; %s", where, sub.Slot, database, publisher.Side(), node),
			v.activity(sub, slot),
		}
	}
	if !v.blind {
		sets, err := f.link.place(ctx, publisher)
		if err != nil {
			return nil, "", err
		}
		f.Evidence = append(f.Evidence, sets)
	}
	hidden := ""
	if v.subs.Hidden {
		hidden = fmt.Sprintf("GRANT SELECT ON pglogical.node_interface TO %s", v.subs.Role)
	}
	f.Evidence = append(f.Evidence, connection(hidden, sub.Database, sub.Host, sub.Port))
	return f, "", nil
}

// elsewhere is why a subscription can't be one to the publisher, or "".
func (v *pglogicalSight) elsewhere(sub postgres.PglogicalSubscription, slot *postgres.Slot, publisher *postgres.DB) string {
	side, database := publisher.Side(), publisher.Server().Database
	switch {
	case publisher.Server().InRecovery:
		return fmt.Sprintf("takes slot %q of a primary, and the %s is a standby", sub.Slot, side)
	case sub.Database != "" && sub.Database != database:
		return fmt.Sprintf("comes from elsewhere: it connects to database %q at %s:%d", sub.Database, sub.Host, sub.Port)
	case !v.blind && v.id != sub.ProviderNode:
		return fmt.Sprintf("comes from elsewhere: its provider is node %q, and the %s is %s", sub.Provider, side, calledNode(v.node))
	case slot != nil && (!slot.Logical || slot.Database != database):
		return fmt.Sprintf("comes from elsewhere: slot %q of the %s is not of database %q", sub.Slot, side, database)
	case slot != nil && slot.Plugin != "pglogical_output":
		return fmt.Sprintf("comes from elsewhere: slot %q of the %s is for %s", sub.Slot, side, slot.Plugin)
	case slot != nil && sub.Applied > v.slots.LSN && v.slots.LSN != 0:
		return fmt.Sprintf("comes from elsewhere: it has applied up to %s, where the %s has written no further than %s", sub.Applied, side, v.slots.LSN)
	case servesAnother(slot, v.senders, &sub):
		return fmt.Sprintf("comes from elsewhere: slot %q of the %s is read for a worker of pid %d, and its own is %d", sub.Slot, side, v.senders.Appliers[slot.PID], sub.Worker)
	case slot != nil && !slot.Active && sub.Worker != 0 && sub.Ready():
		return fmt.Sprintf("comes from elsewhere: its worker runs, and nobody reads slot %q of the %s", sub.Slot, side)
	case slot == nil && (v.blind || sub.Worker != 0 && sub.Ready()):
		return fmt.Sprintf("comes from elsewhere, or lost what it followed: the %s has no slot %q", side, sub.Slot)
	}
	return ""
}

func calledNode(name string) string {
	if name == "" {
		return "none"
	}
	return fmt.Sprintf("node %q", name)
}

// activity says how slot and worker fit together.
func (v *pglogicalSight) activity(sub postgres.PglogicalSubscription, slot *postgres.Slot) string {
	switch {
	case slot.Active && sub.Worker != 0 && v.senders.Appliers[slot.PID] == sub.Worker:
		return fmt.Sprintf("the slot is active%s, is read for the subscription's very worker and has confirmed %s, the log ends at %s", calledItself(*slot), slot.Confirmed, v.slots.LSN)
	case slot.Active && sub.Worker != 0:
		return fmt.Sprintf("the slot is active%s and has confirmed %s, the log ends at %s; the subscription's worker runs, and whether the slot is read for it is not shown", calledItself(*slot), slot.Confirmed, v.slots.LSN)
	case slot.Active:
		return fmt.Sprintf("the slot is active%s, but the subscription has no worker at the moment", calledItself(*slot))
	case !sub.Enabled:
		return "the subscription is disabled, and the slot not active"
	}
	return "the slot is not active, and the subscription has no worker at the moment"
}

// place reads which tables the subscription gets, and by when that had been
// seen; see the fence's step 5. It says how many they are.
func (s *link) place(ctx context.Context, publisher *postgres.DB) (string, error) {
	members, err := publisher.ReadPglogicalMembers(ctx, s.publications)
	if err != nil {
		return "", err
	}
	lsn, err := publisher.WriteMark(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		s.pglogical.placed[place{s.subscription, m.Schema, m.Name, m.Version}] = lsn
	}
	return fmt.Sprintf("it asks for the replication sets %s, which hold %d tables", strings.Join(s.publications, ", "), len(members)), nil
}
