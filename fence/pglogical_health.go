package fence

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// pglogicalLook is what Health reads, in this order.
type pglogicalLook struct {
	slots   *postgres.Slots
	senders *postgres.PglogicalSenders
	subs    *postgres.PglogicalSubscriptions
	denied  bool // subs may not be read
	head    postgres.LSN
	unready []postgres.TableState
	members map[string][]postgres.PglogicalMember // by subscription
	hidden  bool                                  // members may not be read
}

func (p *pglogical) look(ctx context.Context) (v pglogicalLook, err error) {
	if v.slots, err = p.publisher.ReadSlots(ctx); err != nil {
		return v, err
	}
	if v.senders, err = p.publisher.ReadPglogicalSenders(ctx); err != nil {
		return v, err
	}
	v.subs, err = p.subscriber.ReadPglogicalSubscriptions(ctx)
	if v.denied = postgres.Denied(err); err != nil && !v.denied {
		return v, err
	}
	if v.head, err = p.writer.WriteMark(ctx); err != nil || v.denied {
		return v, err
	}
	var names []string
	v.members = map[string][]postgres.PglogicalMember{}
	for _, s := range p.streams {
		names = append(names, s.subscription)
		if sub := v.subs.Named(s.subscription); sub != nil && !v.hidden {
			v.members[sub.Name], err = p.publisher.ReadPglogicalMembers(ctx, sub.Sets)
			if v.hidden = postgres.Denied(err); err != nil && !v.hidden {
				return v, err
			}
		}
	}
	unready, err := p.subscriber.ReadPglogicalUnready(ctx, names)
	for _, t := range unready {
		v.unready = append(v.unready, t.TableState)
	}
	return v, err
}

// Health judges every subscription with its slot and its sets.
func (p *pglogical) Health(ctx context.Context) (Health, error) {
	v, err := p.look(ctx)
	if err != nil {
		return Health{}, err
	}
	var h Health
	for _, s := range p.streams {
		slot, sub := v.slots.Slot(s.slot), v.subs.Named(s.subscription)
		stream := p.stream(s, slot, v.head)
		if sub != nil {
			stream.Worker = sub.Worker
		}
		h.Streams = append(h.Streams, stream)
		h.Troubles = append(h.Troubles, p.judge(s, slot, sub, v)...)
	}
	return h, nil
}

// judge names all that is wrong with one subscription, what stops it first.
func (p *pglogical) judge(s link, slot *postgres.Slot, sub *postgres.PglogicalSubscription, v pglogicalLook) []Trouble {
	var list []Trouble
	add := func(kind TroubleKind, side postgres.Side, format string, args ...any) {
		list = append(list, Trouble{Kind: kind, Side: side, Subject: s.subscription, Sentence: fmt.Sprintf(format, args...)})
	}
	near, far := p.publisher.Side(), p.subscriber.Side()
	if t := refusal(near, s, slot, v.senders.Refused); t != nil {
		list = append(list, *t)
	}
	stopped := p.subscriptionTrouble(s, sub, v.subs.Role, v.denied)
	if stopped != nil {
		list = append(list, *stopped)
	}
	if t := slotTrouble(near, s, slot); t != nil && (stopped == nil || t.Kind != SlotInactive) {
		list = append(list, *t)
	}
	if stopped != nil {
		return list // what it would carry is of no interest
	}
	list = append(list, p.workerTroubles(s, sub.Worker)...)
	if sub.Applied > v.head {
		add(Elsewhere, far, "subscription %q has applied up to %s, where the %s has written no further than %s: it follows another server", s.subscription, sub.Applied, near, v.head)
	}
	if servesAnother(slot, v.senders, sub) {
		add(Elsewhere, far, "slot %q is read for a worker of pid %d, and that of subscription %q is %d: it follows another server, or was started anew this moment", s.slot, v.senders.Appliers[slot.PID], s.subscription, sub.Worker)
	}
	if sub.Delay != "" {
		add(Behind, far, "subscription %q applies %s late on purpose (apply_delay): a wait takes longer than that", s.subscription, sub.Delay)
	}
	if !sub.Ready() {
		add(NotReady, far, "subscription %q has not finished its first copy: it %s", s.subscription, postgres.TableState{State: cmp.Or(sub.State, "i")}.Phase())
	}
	list = append(list, notReady(far, s, v.unready)...)
	if v.hidden { // silence about its tables would pass for health
		add(NoPrivilege, near, "which tables the replication sets of subscription %q hold may not be read; run on the %s: %s", s.subscription, near, postgres.PglogicalGrant(v.senders.Role))
	}
	return append(list, heldBack(near, s, v.members[s.subscription])...)
}

// refusal says that the server lets nobody read such slots; nil where it does.
func refusal(side postgres.Side, s link, slot *postgres.Slot, refused bool) *Trouble {
	if !refused {
		return nil
	}
	t := &Trouble{Kind: SlotInactive, Side: side, Subject: s.slot}
	state := fmt.Sprintf("so slot %q can't be read", s.slot)
	if slot != nil && slot.Active {
		t.Kind, state = SlotAtRisk, fmt.Sprintf("slot %q is read for as long as its connection lasts", s.slot)
	}
	t.Sentence = fmt.Sprintf("the %s's output_plugin_libraries leaves out pglogical_output, %s: add it to the setting", side, state)
	return t
}

// heldBack names what the replication sets hold back: absences that are meant.
func heldBack(side postgres.Side, s link, members []postgres.PglogicalMember) []Trouble {
	var filtered, narrowed, kinds []string
	operations := map[string][]string{} // tables by what of them isn't sent
	for _, m := range members {
		if m.Filtered {
			filtered = append(filtered, m.Table)
		}
		if m.Narrowed {
			narrowed = append(narrowed, m.Table)
		}
		if what := strings.Join(m.Withheld, ", "); what != "" {
			if operations[what] == nil {
				kinds = append(kinds, what)
			}
			operations[what] = append(operations[what], m.Table)
		}
	}
	var list []Trouble
	add := func(tables []string, format string, args ...any) {
		list = append(list, withheld(side, s, tables, fmt.Sprintf(format, args...)))
	}
	for _, what := range kinds {
		add(operations[what], "the replication sets of subscription %q do not send %s of %s: what they change on the source is not changed on the target", s.subscription, what, listed(operations[what]))
	}
	if len(filtered) > 0 {
		add(filtered, "the replication sets of subscription %q send only some rows of %s", s.subscription, listed(filtered))
	}
	if len(narrowed) > 0 {
		add(narrowed, "the replication sets of subscription %q send only some columns of %s", s.subscription, listed(narrowed))
	}
	return list
}
