package fence

import (
	"context"
	"fmt"
	"sync"

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
type logical struct {
	writer     *postgres.DB // where marks are taken: the publisher, or its primary
	publisher  *postgres.DB // where the slots are
	subscriber *postgres.DB
	streams    []link

	mu   sync.Mutex
	seen map[string]*history // by subscription
}

// link is a subscription and its slot.
type link struct {
	subscription, slot string
	oid                uint32
	publications       []string
	since              history
}

// history is what a subscription's counters said when it was found, and how
// often its worker was seen to be another one since.
type history struct {
	applyErrors, syncErrors, conflicts int64
	worker, restarts                   int
}

func newLogical(writer, publisher, subscriber *postgres.DB, links []link) *logical {
	l := &logical{writer: writer, publisher: publisher, subscriber: subscriber, streams: links, seen: map[string]*history{}}
	for _, s := range links {
		since := s.since
		l.seen[s.subscription] = &since
	}
	return l
}

// Mark reads the writer's insert position.
func (l *logical) Mark(ctx context.Context) (Mark, error) {
	lsn, err := l.writer.WriteMark(ctx)
	return Mark{LSN: lsn}, err
}

// Wait looks at all slots and workers until they are past the mark.
func (l *logical) Wait(ctx context.Context, m Mark) error {
	if m.LSN == 0 {
		return errForeignMark
	}
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		return l.passed(ctx, m)
	}, l.why)
}

// passed looks at the slots, and only when all are there at the workers.
func (l *logical) passed(ctx context.Context, m Mark) (bool, error) {
	slots, err := l.publisher.ReadSlots(ctx)
	if err != nil {
		return false, err
	}
	through := true
	for _, s := range l.streams {
		slot := slots.Slot(s.slot)
		if t := l.slotTrouble(s, slot); t != nil && t.Blocking {
			return false, &Stalled{Mark: m, Troubles: []Trouble{*t}}
		}
		through = through && slot.Active && slot.Confirmed >= m.LSN
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
		l.observe(sub)
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
	worst := h.Streams[0]
	for _, s := range h.Streams {
		if s.Confirmed < worst.Confirmed {
			worst = s
		}
	}
	return orBehind(h.Troubles, Trouble{Kind: Behind, Side: l.subscriber.Side(), Subject: worst.Name,
		Sentence: fmt.Sprintf("subscription %q has applied up to %s, %d bytes are left: it applies a long transaction, waits for a lock or is slower than the source; wait, or raise --settle", worst.Name, worst.Confirmed, worst.Lag)}), nil
}

// observe keeps count of the workers that were seen.
func (l *logical) observe(sub *postgres.Subscription) history {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.seen[sub.Name]
	if sub.Worker != 0 && sub.Worker != h.worker {
		if h.worker != 0 {
			h.restarts++
		}
		h.worker = sub.Worker
	}
	return *h
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

// slotTrouble judges a link's slot; nil is well.
func (l *logical) slotTrouble(s link, slot *postgres.Slot) *Trouble {
	t := &Trouble{Side: l.publisher.Side(), Subject: s.slot}
	switch {
	case slot == nil:
		t.Kind, t.Blocking = SlotMissing, true
		t.Sentence = fmt.Sprintf("slot %q of subscription %q does not exist: it was dropped, or lost in a failover; the changes since are lost too, so make the subscription anew with a copy", s.slot, s.subscription)
	case slot.Invalid != "" || slot.WALStatus == "lost":
		t.Kind, t.Blocking = SlotLost, true
		t.Sentence = fmt.Sprintf("slot %q can't be used any more (%s): make subscription %q anew with a copy", s.slot, slot.Invalid, s.subscription)
	case slot.WALStatus == "unreserved":
		t.Kind = SlotAtRisk
		t.Sentence = fmt.Sprintf("slot %q lacks so much that its log may be removed at the next checkpoint: raise max_slot_wal_keep_size", s.slot)
	case !slot.Active:
		t.Kind = SlotInactive
		t.Sentence = fmt.Sprintf("nobody reads slot %q: subscription %q does not reach the server, or its worker fails; look into the target's log", s.slot, s.subscription)
	default:
		return nil
	}
	return t
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
