package fence

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// lookTries is how often subscriptions and slots are read until they agree: a
// worker's slot is let go a moment before or after the worker is gone.
const lookTries = 6

// subscriptions matches a subscriber's subscriptions with the slots of whoever
// may publish to it. What matches none is told among Others. feeds says that
// what comes from elsewhere would change the target.
func (d *Detection) subscriptions(ctx context.Context, publishers []*postgres.DB, subscriber *postgres.DB, feeds bool) ([]Found, error) {
	subs, slots, err := settled(ctx, publishers, subscriber)
	if err != nil {
		return nil, err
	}
	var found []Found
	for _, sub := range subs.All {
		where := fmt.Sprintf("subscription %q on the %s", sub.Name, subscriber.Side())
		var best *Found
		var not string // the first publisher's reason
		for i, publisher := range publishers {
			f, reason, err := match(ctx, sub, slots[i], publisher, where)
			if err != nil {
				return nil, err
			}
			if reason != "" {
				if not == "" {
					not = reason
				}
				continue
			}
			if best == nil || slots[i].Slot(sub.Slot) != nil {
				best = f
			}
		}
		if best == nil {
			d.Others = append(d.Others, where+" "+not)
			d.unexplained = d.unexplained || feeds && sub.Enabled
			continue
		}
		hidden := ""
		if subs.Hidden {
			hidden = fmt.Sprintf("GRANT SELECT (subconninfo) ON pg_catalog.pg_subscription TO %s", subs.Role)
		}
		best.Evidence = append(best.Evidence, connection(hidden, sub.Database, sub.Host, sub.Port))
		found = append(found, *best)
	}
	return found, nil
}

// settled reads slots and subscriptions until no worker is seen to receive while
// nobody reads its slot, or for a second: what lasts is no moment between.
func settled(ctx context.Context, publishers []*postgres.DB, subscriber *postgres.DB) (*postgres.Subscriptions, []*postgres.Slots, error) {
	for try, pause := 1, 4*firstPause; ; try, pause = try+1, 2*pause {
		slots := make([]*postgres.Slots, len(publishers))
		before := make([]*postgres.Slots, len(publishers))
		for i, p := range publishers {
			var err error
			if before[i], err = p.ReadSlots(ctx); err != nil {
				return nil, nil, err
			}
		}
		subs, err := subscriber.ReadSubscriptions(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("%w (which subscriptions there are must be readable: GRANT SELECT (oid, subdbid, subname, subenabled, subslotname, subpublications) ON pg_catalog.pg_subscription)", err)
		}
		agree := true
		for i, p := range publishers {
			if slots[i], err = p.ReadSlots(ctx); err != nil {
				return nil, nil, err
			}
			// What a worker had received was written before it was read: the
			// slots are of before, the log's end is of after.
			before[i].LSN = slots[i].LSN
			for _, sub := range subs.All {
				if slot := before[i].Slot(sub.Slot); slot != nil && !slot.Active && sub.Received != 0 {
					agree = false
				}
			}
		}
		if agree || try == lookTries {
			return subs, before, nil
		}
		rest(ctx, pause)
	}
}

// match tells whether a subscription follows the publisher, with the evidence,
// or in the second result why it does not.
func match(ctx context.Context, sub postgres.Subscription, slots *postgres.Slots, publisher *postgres.DB, where string) (*Found, string, error) {
	database := publisher.Server().Database
	slot := slots.Slot(sub.Slot)
	switch {
	case sub.Slot == "":
		return nil, "takes no slot: it carries nothing", nil
	case sub.Database != "" && sub.Database != database:
		return nil, fmt.Sprintf("comes from elsewhere: it connects to database %q at %s:%d", sub.Database, sub.Host, sub.Port), nil
	case slot != nil && (!slot.Logical || slot.Database != database):
		return nil, fmt.Sprintf("comes from elsewhere: slot %q of the %s is not of database %q", sub.Slot, publisher.Side(), database), nil
	case slot != nil && slot.Plugin != "pgoutput":
		return nil, fmt.Sprintf("comes from elsewhere: slot %q of the %s is for %s", sub.Slot, publisher.Side(), slot.Plugin), nil
	case slot != nil && sub.Received > slots.LSN && slots.LSN != 0:
		return nil, fmt.Sprintf("comes from elsewhere: it has received up to %s, where the %s has written no further than %s", sub.Received, publisher.Side(), slots.LSN), nil
	case slot != nil && sub.Received != 0 && !slot.Active:
		return nil, fmt.Sprintf("comes from elsewhere: its worker receives, and nobody reads slot %q of the %s", sub.Slot, publisher.Side()), nil
	}
	pubs, err := publisher.ReadPublications(ctx, sub.Publications)
	if err != nil {
		return nil, "", err
	}
	if slot == nil && (len(pubs) < len(sub.Publications) || !sub.Enabled || sub.Received != 0) {
		return nil, fmt.Sprintf("comes from elsewhere, or lost what it followed: the %s has no slot %q", publisher.Side(), sub.Slot), nil
	}
	f := &Found{Kind: KindLogical, Name: sub.Name, publisher: publisher, link: link{subscription: sub.Name, slot: sub.Slot, oid: sub.OID,
		publications: sub.Publications, since: history{sub.ApplyErrors, sub.SyncErrors, sub.Conflicts, sub.Worker, 0}}}
	published := fmt.Sprintf("%d of its %d publications (%s) are there", len(pubs), len(sub.Publications), strings.Join(sub.Publications, ", "))
	if slot == nil {
		f.Evidence = []string{fmt.Sprintf("%s takes slot %q, which the %s does not have, although %s", where, sub.Slot, publisher.Side(), published)}
		return f, "", nil
	}
	f.Evidence = []string{
		fmt.Sprintf("%s takes slot %q, which exists in database %q of the %s; %s", where, sub.Slot, database, publisher.Side(), published),
		activity(slot, sub, slots.LSN),
	}
	return f, "", nil
}

// activity says how slot and worker fit together.
func activity(slot *postgres.Slot, sub postgres.Subscription, head postgres.LSN) string {
	switch {
	case sub.OID == 0 && slot.Active:
		return fmt.Sprintf("the slot is active%s and has confirmed %s; other databases have a subscription of that name, and the role may not tell the workers apart", calledItself(*slot), slot.Confirmed)
	case slot.Active && sub.Worker != 0:
		return fmt.Sprintf("the slot is active%s and has confirmed %s, its worker has received up to %s, the log ends at %s", calledItself(*slot), slot.Confirmed, sub.Received, head)
	case slot.Active:
		return fmt.Sprintf("the slot is active%s, but the subscription has no worker at the moment", calledItself(*slot))
	case !sub.Enabled:
		return "the subscription is disabled, and the slot not active"
	}
	return "the slot is not active, and the subscription has no worker at the moment"
}

// connection says where the subscription connects to, as far as may be seen:
// hidden is the grant that is lacking, or "".
func connection(hidden, database, host string, port int) string {
	switch {
	case hidden != "":
		return fmt.Sprintf("where it connects to may not be read: only a superuser may, or after %s, which shows its password too", hidden)
	case database == "":
		return "where it connects to is not said by its connection string"
	}
	return fmt.Sprintf("it connects to database %q at %s:%d", database, host, port)
}
