package fence

import (
	"cmp"
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// pglogical is replication by the extension of that name: one or more
// subscriptions of the subscriber to one provider, waited for together.
//
// What its Wait's nil proves, for tables that Cover says are carried:
//
//  1. Mark reads the provider's insert position after the reading has returned,
//     taken back from behind a page's header: as with native subscriptions,
//     whatever was visible has its commit record before it.
//  2. Each slot's confirmed_flush_lsn has passed the mark. The apply worker
//     applies one transaction after the other as they were committed, and
//     reports as flushed the end of the last one whose own commit is durable,
//     hence visible, on the subscriber; or, when it has applied and flushed all
//     it was sent, where it has received. It does so whatever its
//     synchronous_commit: with that off it merely reports later.
//  3. In the same look the slot is active, and then the subscription is enabled,
//     takes that slot, is the one that was found (its replication origin was not
//     made anew) and its worker runs. Where the provider keeps and shows what
//     its walsenders were asked for, the worker is the very one that this slot
//     is read for. Where it does not, two clusters that were copied with slot
//     and subscription look alike: then the node's name, the database and the
//     slot's are what is gone by, and the evidence says so.
//  4. A change is sent where the table is in one of the sets that the
//     subscription asks for. It is applied unless a copy of the table is under
//     way: then the subscriber has a state for it, which is not r.
//  5. A table that was put in a set without a copy has no state. One that was
//     put in a set with a copy has none either, but only until the order to copy
//     it has arrived, which travels in the stream. So a table without state is
//     carried once a mark was passed that was taken after its place in the set
//     had been seen.
//  6. So every change up to the mark of a table that Cover calls carried is
//     visible to any statement that begins now on the subscriber.
//
// A lone transaction on an idle provider is confirmed after up to 1 s.
type pglogical struct {
	follow
	// Guarded by mu: the highest mark that was passed, by when a table's place
	// in a set had been seen, and which subscriptions these are.
	reached     postgres.LSN
	placed      map[place]postgres.LSN
	incarnation map[string]string
}

// pglogicalLink is what a link to a provider has beside.
type pglogicalLink struct {
	hidden      bool   // the subscription may not be read
	incarnation string // "" where it had none yet
	placed      map[place]postgres.LSN
}

// place is a table in the sets of one subscription, as it was at one time.
type place struct{ subscription, schema, table, version string }

func newPglogical(provider, subscriber *postgres.DB, links []link) *pglogical {
	p := &pglogical{placed: map[place]postgres.LSN{}, incarnation: map[string]string{}}
	p.begin(KindPglogical, provider, provider, subscriber, links)
	for _, s := range links {
		p.incarnation[s.subscription] = s.pglogical.incarnation
		for at, lsn := range s.pglogical.placed {
			p.placed[at] = lsn
		}
	}
	return p
}

// Wait looks at all slots and workers until they are past the mark.
func (p *pglogical) Wait(ctx context.Context, m Mark) error {
	if m.LSN == 0 {
		return errForeignMark
	}
	err := await(ctx, m, func(ctx context.Context) (bool, error) {
		return p.passed(ctx, m)
	}, func(ctx context.Context) ([]Trouble, error) {
		h, err := p.Health(ctx)
		if err != nil {
			return nil, err
		}
		return p.orBehind(h), nil
	})
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reached = max(p.reached, m.LSN)
	}
	return err
}

// passed looks at the slots, at whom they are read for, and at the workers.
func (p *pglogical) passed(ctx context.Context, m Mark) (bool, error) {
	slots, through, err := p.confirmed(ctx, m)
	if err != nil {
		return false, err
	}
	senders, err := p.publisher.ReadPglogicalSenders(ctx)
	if err != nil {
		return false, err
	}
	subs, err := p.subscriber.ReadPglogicalSubscriptions(ctx)
	if err != nil && !postgres.Denied(err) {
		return false, err
	}
	for _, s := range p.streams {
		sub := subs.Named(s.subscription)
		if t := p.subscriptionTrouble(s, sub, subs.Role, postgres.Denied(err)); t != nil {
			return false, &Stalled{Mark: m, Troubles: []Trouble{*t}}
		}
		p.observe(sub.Name, sub.Worker)
		through = through && sub.Worker != 0 && !servesAnother(slots.Slot(s.slot), senders, sub)
	}
	return through, nil
}

// servesAnother tells whether a slot is seen to be read for another worker than
// the subscription's.
func servesAnother(slot *postgres.Slot, senders *postgres.PglogicalSenders, sub *postgres.PglogicalSubscription) bool {
	if slot == nil || !slot.Active {
		return false
	}
	applier := senders.Appliers[slot.PID]
	return applier != 0 && sub.Worker != 0 && applier != sub.Worker
}

// same tells whether a subscription is the one that was found. Its first copy
// gives it its incarnation.
func (p *pglogical) same(sub *postgres.PglogicalSubscription) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was := p.incarnation[sub.Name]; was != "" {
		return was == sub.Incarnation
	}
	p.incarnation[sub.Name] = sub.Incarnation
	return true
}

// subscriptionTrouble judges what no patience cures; nil is none of it.
func (p *pglogical) subscriptionTrouble(s link, sub *postgres.PglogicalSubscription, role string, denied bool) *Trouble {
	t := &Trouble{Side: p.subscriber.Side(), Subject: s.subscription, Blocking: true}
	switch {
	case s.pglogical.hidden || denied:
		t.Kind = NoPrivilege
		t.Sentence = fmt.Sprintf("pglogical is installed on the %s, and whether subscription %q takes slot %q may not be read; run there: %s; and run again", p.subscriber.Side(), s.subscription, s.slot, postgres.PglogicalGrant(role))
	case sub == nil || !p.same(sub):
		t.Kind = Dropped
		t.Sentence = fmt.Sprintf("subscription %q of pglogical was dropped, or made anew, since it was found: run again", s.subscription)
	case sub.Slot != s.slot:
		t.Kind = Dropped
		t.Sentence = fmt.Sprintf("subscription %q of pglogical does not take slot %q any more: run again", s.subscription, s.slot)
	case !sub.Enabled:
		t.Kind = Disabled
		t.Sentence = fmt.Sprintf("subscription %q of pglogical is disabled: SELECT pglogical.alter_subscription_enable(%s)", s.subscription, postgres.Literal(s.subscription))
	default:
		return nil
	}
	return t
}

// Cover reads the tables' places in the provider's sets, then their states on
// the subscriber.
func (p *pglogical) Cover(ctx context.Context, tables []string) (Cover, error) {
	subs, err := p.subscriber.ReadPglogicalSubscriptions(ctx)
	if err != nil {
		return Cover{}, err
	}
	var names []string
	members := map[string]map[[2]string]postgres.PglogicalMember{} // by subscription, by table
	for _, s := range p.streams {
		sub := subs.Named(s.subscription)
		if s.pglogical.hidden || sub == nil || sub.Slot != s.slot || !p.same(sub) {
			continue // it carries nothing of what was found
		}
		list, err := p.publisher.ReadPglogicalMembers(ctx, sub.Sets)
		if err != nil {
			return Cover{}, err
		}
		names = append(names, sub.Name)
		members[sub.Name] = map[[2]string]postgres.PglogicalMember{}
		for _, m := range list {
			members[sub.Name][[2]string{m.Schema, m.Name}] = m
		}
	}
	if err := p.learn(ctx, members); err != nil {
		return Cover{}, err
	}
	states, err := p.subscriber.ReadPglogicalStates(ctx, tables, names)
	if err != nil {
		return Cover{}, err
	}
	return coverOf(p.carried(states, members, subs), tables), nil
}

// learn notes the position by which places in sets had been seen, for those
// that are new.
func (p *pglogical) learn(ctx context.Context, members map[string]map[[2]string]postgres.PglogicalMember) error {
	var unknown []place
	p.mu.Lock()
	for subscription, tables := range members {
		for _, m := range tables {
			at := place{subscription, m.Schema, m.Name, m.Version}
			if _, known := p.placed[at]; !known {
				unknown = append(unknown, at)
			}
		}
	}
	p.mu.Unlock()
	if len(unknown) == 0 {
		return nil
	}
	lsn, err := p.writer.WriteMark(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range unknown {
		if _, known := p.placed[at]; !known {
			p.placed[at] = lsn
		}
	}
	return nil
}

// carried judges states by the tables' places. A relation that no subscription
// gets is left as in none.
func (p *pglogical) carried(states []postgres.PglogicalTable, members map[string]map[[2]string]postgres.PglogicalMember, subs *postgres.PglogicalSubscriptions) []postgres.TableState {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []postgres.TableState
	got := map[string]bool{} // leaves that a subscription gets
	for _, s := range states {
		m, sent := members[s.Subscription][[2]string{s.Schema, s.Name}]
		if !sent {
			continue
		}
		got[s.Leaf] = true
		state := s.TableState
		state.Version += " " + m.Version
		switch sub := subs.Named(s.Subscription); {
		case !sub.Ready():
			state.State = cmp.Or(sub.State, "i") // its first copy is of all tables
		case s.State != "":
		case p.placed[place{s.Subscription, m.Schema, m.Name, m.Version}] <= p.reached:
			state.State = "r"
		default:
			state.State = "i" // an order to copy it may be on its way
		}
		list = append(list, state)
	}
	for _, s := range states {
		if !got[s.Leaf] {
			got[s.Leaf] = true
			list = append(list, postgres.TableState{Table: s.Table, Leaf: s.Leaf})
		}
	}
	return list
}
