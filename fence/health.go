package fence

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// look is what Health reads, in this order: what a worker has received by the
// second reading was written before the third.
type look struct {
	slots  *postgres.Slots
	subs   *postgres.Subscriptions
	head   postgres.LSN
	tables []postgres.TableState // of the subscriptions
	hidden bool                  // they may not be read
	pubs   []postgres.Publication
}

func (l *logical) look(ctx context.Context) (v look, err error) {
	if v.slots, err = l.publisher.ReadSlots(ctx); err != nil {
		return v, err
	}
	if v.subs, err = l.subscriber.ReadSubscriptions(ctx); err != nil {
		return v, err
	}
	if v.head, err = l.writer.WriteMark(ctx); err != nil {
		return v, err
	}
	var oids []uint32
	var names []string
	for _, s := range l.streams {
		oids = append(oids, s.oid)
		names = append(names, s.publications...)
	}
	v.tables, err = l.subscriber.ReadSubscribed(ctx, oids)
	if v.hidden = postgres.Denied(err); err != nil && !v.hidden {
		return v, err
	}
	v.pubs, err = l.publisher.ReadPublications(ctx, names)
	return v, err
}

// Health judges every subscription with its slot and its publications.
func (l *logical) Health(ctx context.Context) (Health, error) {
	v, err := l.look(ctx)
	if err != nil {
		return Health{}, err
	}
	var h Health
	for _, s := range l.streams {
		slot, sub := v.slots.Slot(s.slot), v.subs.Named(s.subscription)
		stream := l.stream(s, slot, v.head)
		if sub != nil {
			stream.Worker = sub.Worker
		}
		h.Streams = append(h.Streams, stream)
		h.Troubles = append(h.Troubles, l.judge(s, slot, sub, v)...)
	}
	return h, nil
}

// judge names all that is wrong with one subscription, what stops it first.
func (l *logical) judge(s link, slot *postgres.Slot, sub *postgres.Subscription, v look) []Trouble {
	var list []Trouble
	add := func(kind TroubleKind, format string, args ...any) {
		list = append(list, Trouble{Kind: kind, Side: l.subscriber.Side(), Subject: s.subscription, Sentence: fmt.Sprintf(format, args...)})
	}
	stopped := l.subscriptionTrouble(s, sub, v.subs.Role)
	if stopped != nil {
		list = append(list, *stopped)
	}
	if t := slotTrouble(l.publisher.Side(), s, slot); t != nil && (stopped == nil || t.Kind != SlotInactive) {
		list = append(list, *t)
	}
	if stopped == nil {
		was := s.since
		list = append(list, l.workerTroubles(s, sub.Worker)...)
		// Counters that were reset begin anew at zero.
		if apply, sync := sub.ApplyErrors-was.applyErrors, sub.SyncErrors-was.syncErrors; apply > 0 || sync > 0 {
			add(ApplyErrors, "subscription %q met %d errors while applying and %d while copying since it was found: look into the target's log", s.subscription, max(apply, 0), max(sync, 0))
		}
		if n := sub.Conflicts - was.conflicts; n > 0 {
			add(Conflicts, "subscription %q met %d conflicts since it was found: rows on the target were not what the source had changed", s.subscription, n)
		}
		if sub.Received > v.head && v.head != 0 {
			add(Elsewhere, "subscription %q has received up to %s, where the source has written no further than %s: it follows another server", s.subscription, sub.Received, v.head)
		}
	}
	if v.hidden { // silence about its tables would pass for health
		add(NoPrivilege, "whether subscription %q carries all its tables may not be read; run on the target's database: GRANT SELECT ON pg_catalog.pg_subscription_rel TO %s", s.subscription, v.subs.Role)
	}
	list = append(list, notReady(l.subscriber.Side(), s, v.tables)...)
	list = append(list, unpublished(l.publisher.Side(), s, v.tables, v.pubs)...)
	return append(list, partial(l.publisher.Side(), s, v.pubs)...)
}

// notReady gathers the tables that are not carried yet, by name and state.
func notReady(side postgres.Side, s link, all []postgres.TableState) []Trouble {
	var tables []postgres.TableState
	var names []string
	for _, t := range all {
		if t.Subscription == s.subscription && !t.Ready() {
			tables = append(tables, t)
			names = append(names, t.Table+" "+t.Phase())
		}
	}
	if len(tables) == 0 {
		return nil
	}
	return []Trouble{{Kind: NotReady, Side: side, Subject: s.subscription, Tables: tables,
		Sentence: fmt.Sprintf("subscription %q does not carry %d tables yet: %s", s.subscription, len(tables), listed(names))}}
}

// unpublished names the tables that a subscription has and no publication of
// it publishes any more: what the source changes in them does not come.
func unpublished(side postgres.Side, s link, all []postgres.TableState, pubs []postgres.Publication) []Trouble {
	var tables []postgres.TableState
	var names []string
	for _, t := range all {
		published := slices.ContainsFunc(pubs, func(p postgres.Publication) bool {
			return slices.Contains(s.publications, p.Name) && slices.Contains(p.Tables, t.Table)
		})
		if t.Subscription == s.subscription && t.Ready() && !published {
			tables, names = append(tables, t), append(names, t.Table)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	return []Trouble{{Kind: Partial, Side: side, Subject: s.subscription, Tables: tables,
		Sentence: fmt.Sprintf("no publication of subscription %q publishes %s any more, so that changes of it do not come: add it again and copy it, or drop it from the subscription by ALTER SUBSCRIPTION %s REFRESH PUBLICATION", s.subscription, listed(names), postgres.Ident(s.subscription))}}
}

// partial names what the publications hold back: absences that are meant.
func partial(side postgres.Side, s link, pubs []postgres.Publication) []Trouble {
	var list []Trouble
	add := func(tables []string, format string, args ...any) {
		list = append(list, withheld(side, s, tables, fmt.Sprintf(format, args...)))
	}
	for _, name := range s.publications {
		i := slices.IndexFunc(pubs, func(p postgres.Publication) bool { return p.Name == name })
		if i < 0 {
			add(nil, "publication %q of subscription %q does not exist", name, s.subscription)
			continue
		}
		p := pubs[i]
		if len(p.Withheld) > 0 {
			add(nil, "publication %q does not publish %s: what they change on the source is not changed on the target", name, strings.Join(p.Withheld, ", "))
		}
		if len(p.Filtered) > 0 {
			add(p.Filtered, "publication %q publishes only some rows of %s", name, listed(p.Filtered))
		}
		if len(p.Narrowed) > 0 {
			add(p.Narrowed, "publication %q publishes only some columns of %s", name, listed(p.Narrowed))
		}
	}
	return list
}

// withheld is the trouble of tables of which not everything is sent.
func withheld(side postgres.Side, s link, tables []string, sentence string) Trouble {
	t := Trouble{Kind: Partial, Side: side, Subject: s.subscription, Sentence: sentence}
	for _, name := range tables {
		t.Tables = append(t.Tables, postgres.TableState{Table: name, Leaf: name, Subscription: s.subscription})
	}
	return t
}

// listed names the first few.
func listed(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
