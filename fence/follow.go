package fence

import (
	"context"
	"fmt"
	"sync"

	"github.com/pgparity/pgparity/postgres"
)

// follow is what the kinds have in common that follow a publisher's slots, each
// read by the worker of one subscription.
type follow struct {
	kind       Kind
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
	publications       []string // or pglogical's replication sets
	since              history
	pglogical          pglogicalLink
}

// history is what a subscription's counters said when it was found, and how
// often its worker was seen to be another one since.
type history struct {
	applyErrors, syncErrors, conflicts int64
	worker, restarts                   int
}

func (f *follow) begin(kind Kind, writer, publisher, subscriber *postgres.DB, links []link) {
	f.kind, f.writer, f.publisher, f.subscriber, f.streams = kind, writer, publisher, subscriber, links
	f.seen = map[string]*history{}
	for _, s := range links {
		since := s.since
		f.seen[s.subscription] = &since
	}
}

// Mark reads the writer's insert position.
func (f *follow) Mark(ctx context.Context) (Mark, error) {
	lsn, err := f.writer.WriteMark(ctx)
	return Mark{LSN: lsn}, err
}

// confirmed tells whether all slots are read and confirmed past the mark; what
// no patience cures is a *Stalled.
func (f *follow) confirmed(ctx context.Context, m Mark) (slots *postgres.Slots, through bool, err error) {
	if slots, err = f.publisher.ReadSlots(ctx); err != nil {
		return nil, false, err
	}
	through = true
	for _, s := range f.streams {
		slot := slots.Slot(s.slot)
		if t := slotTrouble(f.publisher.Side(), s, slot); t != nil && t.Blocking {
			return nil, false, &Stalled{Mark: m, Troubles: []Trouble{*t}}
		}
		through = through && slot.Active && slot.Confirmed >= m.LSN
	}
	return slots, through, nil
}

// observe keeps count of the workers that were seen.
func (f *follow) observe(subscription string, worker int) history {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.seen[subscription]
	if worker != 0 && worker != h.worker {
		if h.worker != 0 {
			h.restarts++
		}
		h.worker = worker
	}
	return *h
}

// stream is how a link stands, but for its worker; slot may be nil.
func (f *follow) stream(s link, slot *postgres.Slot, head postgres.LSN) Stream {
	stream := Stream{Kind: f.kind, Name: s.subscription, Slot: s.slot}
	if slot != nil {
		stream.Confirmed = slot.Confirmed
	}
	if head > stream.Confirmed {
		stream.Lag = int64(head - stream.Confirmed)
	}
	return stream
}

// orBehind are a stall's troubles: that it is behind, where nothing else is.
func (f *follow) orBehind(h Health) []Trouble {
	worst := h.Streams[0]
	for _, s := range h.Streams {
		if s.Confirmed < worst.Confirmed {
			worst = s
		}
	}
	return orBehind(h.Troubles, Trouble{Kind: Behind, Side: f.subscriber.Side(), Subject: worst.Name,
		Sentence: fmt.Sprintf("subscription %q has applied up to %s, %d bytes are left: it applies a long transaction, waits for a lock or is slower than the source; wait, or raise --settle", worst.Name, worst.Confirmed, worst.Lag)})
}

// workerTroubles judges the worker of a subscription that should have one.
func (f *follow) workerTroubles(s link, worker int) []Trouble {
	var list []Trouble
	add := func(kind TroubleKind, format string, args ...any) {
		list = append(list, Trouble{Kind: kind, Side: f.subscriber.Side(), Subject: s.subscription, Sentence: fmt.Sprintf(format, args...)})
	}
	now := f.observe(s.subscription, worker)
	if worker == 0 {
		add(WorkerDown, "subscription %q has no apply worker at the moment: it fails and is started again, or no worker is free; look into the target's log", s.subscription)
	}
	if now.restarts > 0 {
		add(WorkerRestarts, "the apply worker of subscription %q was started again %d times since it was found: it may fail over and over; look into the target's log", s.subscription, now.restarts)
	}
	return list
}

// slotTrouble judges a link's slot; nil is well.
func slotTrouble(side postgres.Side, s link, slot *postgres.Slot) *Trouble {
	t := &Trouble{Side: side, Subject: s.slot}
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
