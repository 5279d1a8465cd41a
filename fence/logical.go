package fence

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// logical is native logical replication: one or more subscriptions of the
// subscriber to one publisher, waited for together.
//
// What its Wait's nil proves, for tables that Cover says are carried:
//
//  1. Mark reads pg_current_wal_insert_lsn() on the server that is written to,
//     after the reading has returned. Whatever was visible to that reading has
//     its commit record before the mark, also under synchronous_commit=off,
//     where it may be visible before it is flushed: so the flush position would
//     not do.
//  2. A position just behind a page's header is taken back to the page's start:
//     on an idle server that switched its segment no walsender gets further.
//  3. Each slot's confirmed_flush_lsn has passed the mark. It is what the apply
//     worker reported as flushed, and that counts a transaction only once its
//     commit is durable, hence visible, on the subscriber, whatever its
//     synchronous_commit; two-phase, streamed and parallel ones included. The
//     positions sent and received don't tell that anything was applied:
//     a stalled walsender shows no lag at all by them.
//  4. In the same look the slot is active, and then the subscription is enabled
//     and its worker runs and has received as far itself: so it is this
//     subscriber that confirmed, and not somebody who moved the slot, or the
//     slot of the same name of another subscriber.
//  5. So every change up to the mark of a table in state r is visible to any
//     statement that begins now on the subscriber. Other tables are held back
//     by the worker while the slot moves on: that is what Cover is for.
//
// A subscription that is itself the synchronous standby changes nothing here:
// it makes the publisher's own sessions wait, which is the barrier's matter.
// Where a transaction is open and nothing else happens, an idle publisher
// flushes what it wrote after up to 15 s, and until then the mark isn't reached.
type logical struct{ follow }

func newLogical(writer, publisher, subscriber *postgres.DB, links []link) *logical {
	l := &logical{}
	l.begin(KindLogical, writer, publisher, subscriber, links)
	return l
}

// Wait looks at all slots and workers until they are past the mark.
func (l *logical) Wait(ctx context.Context, m Mark) error {
	if m.LSN == 0 {
		return errForeignMark
	}
	looks := 0
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		looks++
		return l.passed(ctx, m, looks%subscriberLooks == 1)
	}, l.why)
}

// subscriberLooks: the subscriber is asked only when the slots are through, and at
// every so many looks, which is enough to learn that a subscription is disabled.
const subscriberLooks = 5

// passed looks at the slots, and when all are through, or both sides are asked
// for, at the workers.
func (l *logical) passed(ctx context.Context, m Mark, both bool) (bool, error) {
	_, through, err := l.confirmed(ctx, m)
	if err != nil || !through && !both {
		return false, err
	}
	subs, err := l.subscriber.ReadSubscriptions(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range l.streams {
		sub := subs.Named(s.subscription)
		if t := l.subscriptionTrouble(s, sub, subs.Role); t != nil {
			return false, &Stalled{Mark: m, Troubles: []Trouble{*t}}
		}
		l.observe(sub.Name, sub.Worker)
		through = through && sub.Worker != 0 && sub.Received >= m.LSN
	}
	return through, nil
}

// why tells what a wait that is over was waiting for.
func (l *logical) why(ctx context.Context) ([]Trouble, error) {
	h, err := l.Health(ctx)
	if err != nil {
		return nil, err
	}
	flushed, err := l.writer.Flushed(ctx)
	if err != nil {
		return nil, err
	}
	through := flushed != 0
	for _, s := range h.Streams {
		through = through && s.Confirmed >= flushed
	}
	if through && len(h.Troubles) == 0 {
		return []Trouble{{Kind: Behind, Side: l.writer.Side(), Subject: h.Streams[0].Name,
			Sentence: fmt.Sprintf("all that the server has written to its disk, up to %s, is applied; an open transaction has logged more, and where nothing else commits that is written after up to 15 s: wait, or raise --settle", flushed)}}, nil
	}
	return l.orBehind(h), nil
}

// Cover reads the tables' states in the subscriptions that were found.
func (l *logical) Cover(ctx context.Context, tables []string) (Cover, error) {
	oids, err := l.oids()
	if err != nil {
		return Cover{}, err
	}
	states, err := l.subscriber.ReadTableStates(ctx, tables, oids)
	if err != nil {
		return Cover{}, err
	}
	return coverOf(states, tables), nil
}

// oids are those of the subscriptions as they were found: one that was dropped
// and made anew has another, and so carries nothing.
func (l *logical) oids() ([]uint32, error) {
	oids := make([]uint32, len(l.streams))
	for i, s := range l.streams {
		if s.oid == 0 {
			return nil, fmt.Errorf("%s: read subscription %q: several databases have one of that name, and the role may not tell them apart: grant it SELECT (oid) ON pg_catalog.pg_subscription there", l.subscriber.Side(), s.subscription)
		}
		oids[i] = s.oid
	}
	return oids, nil
}

// subscriptionTrouble judges what no patience cures; nil is none of it.
func (l *logical) subscriptionTrouble(s link, sub *postgres.Subscription, role string) *Trouble {
	t := &Trouble{Side: l.subscriber.Side(), Subject: s.subscription, Blocking: true}
	switch {
	case sub == nil || s.oid != 0 && sub.OID != 0 && s.oid != sub.OID:
		t.Kind = Dropped
		t.Sentence = fmt.Sprintf("subscription %q was dropped, or made anew, since it was found: run again", s.subscription)
	case s.oid == 0:
		t.Kind = NoPrivilege
		t.Sentence = fmt.Sprintf("several databases have a subscription %q, and the role may not tell their workers and tables apart: run on the target's database GRANT SELECT (oid) ON pg_catalog.pg_subscription TO %s, and run again", s.subscription, role)
	case sub.Slot != s.slot:
		t.Kind = Dropped
		t.Sentence = fmt.Sprintf("subscription %q does not take slot %q any more: run again", s.subscription, s.slot)
	case !sub.Enabled:
		t.Kind = Disabled
		t.Sentence = fmt.Sprintf("subscription %q is disabled: ALTER SUBSCRIPTION %s ENABLE", s.subscription, postgres.Ident(s.subscription))
	default:
		return nil
	}
	return t
}
