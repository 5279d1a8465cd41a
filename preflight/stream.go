package preflight

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// troubleKind is how a preflight takes one kind of a fence's troubles.
type troubleKind struct {
	kind     fence.TroubleKind
	severity schema.Severity
	about    string
}

// troubleKinds are all of them: one detector each.
var troubleKinds = []troubleKind{
	{fence.Disabled, schema.Block, "subscriptions that are switched off"},
	{fence.Dropped, schema.Block, "subscriptions that went while they were watched"},
	{fence.WorkerDown, schema.Block, "replication that nothing applies"},
	{fence.WorkerRestarts, schema.Block, "apply workers that were started again while they were watched"},
	{fence.ApplyErrors, schema.Block, "errors of apply or copy while it was watched"},
	{fence.Conflicts, schema.Warn, "conflicts of apply while it was watched"},
	{fence.NotReady, schema.Block, "tables that a tool does not carry yet"},
	{fence.SlotMissing, schema.Block, "subscriptions whose slot does not exist"},
	{fence.SlotLost, schema.Block, "slots that cannot be used any more"},
	{fence.SlotAtRisk, schema.Block, "slots that are about to lose their log"},
	{fence.SlotInactive, schema.Block, "slots that nobody reads"},
	{fence.Elsewhere, schema.Block, "subscriptions that follow another server"},
	{fence.Partial, schema.Warn, "tables of which a tool does not send all"},
	{fence.NotStandby, schema.Block, "a standby that was promoted"},
	{fence.ReplayPaused, schema.Block, "a standby whose replay is paused"},
	{fence.ReceiverDown, schema.Block, "a standby that receives nothing"},
	{fence.WritersOpen, schema.Warn, "transactions of a tool that are not visible yet"},
	{fence.Behind, schema.Warn, "replication that is behind all the time"},
	{fence.NoBeat, schema.Warn, "a heartbeat that stands still"},
}

// streamDetectors look at how the replication is doing.
func streamDetectors() []Detector {
	var list []Detector
	for _, k := range troubleKinds {
		d := Detector{ID: "stream-" + strings.ReplaceAll(string(k.kind), "_", "-"), Severity: k.severity, About: k.about, When: streamSeen,
			Find: func(_ context.Context, f *facts) ([]Hazard, error) { return f.troubled(k), nil }}
		list = append(list, d)
	}
	list = append(list, Detector{ID: "stream-no-privilege", Severity: schema.Block, When: streamKnown,
		About: "replication whose health may not be read",
		Find:  func(_ context.Context, f *facts) ([]Hazard, error) { return nil, f.unseen() }})
	return slices.Concat(list, lagDetectors, slotDetectors)
}

// streamKnown is a When for what needs to know the replication.
func streamKnown(f *facts) string {
	if f.fence == nil {
		return "what replicates the pair is not known"
	}
	return ""
}

// streamSeen is a When for what needs the replication's health: that it cannot
// be read is told once.
func streamSeen(f *facts) string {
	switch {
	case f.fence == nil:
		return streamKnown(f)
	case len(f.lag.looks) == 0:
		return "the replication's health could not be read: stream-no-privilege says why"
	}
	return ""
}

// firstOf joins several Whens: the first that has something to say.
func firstOf(whens ...func(*facts) string) func(*facts) string {
	return func(f *facts) string {
		for _, when := range whens {
			if why := when(f); why != "" {
				return why
			}
		}
		return ""
	}
}

// unseen is why the replication's health is not known whole, nil where it is.
func (f *facts) unseen() error {
	if f.lag.err != nil {
		return fmt.Errorf("the replication's health: %w", f.lag.err)
	}
	var sentences []string
	for _, t := range f.after.Troubles {
		if t.Kind == fence.NoPrivilege {
			sentences = append(sentences, fmt.Sprintf("%s: %s", t.Side, t.Sentence))
		}
	}
	if sentences == nil {
		return nil
	}
	return errors.New(strings.Join(sentences, "; "))
}

// troubled are the hazards of one kind of trouble, as it stands at the end.
func (f *facts) troubled(k troubleKind) []Hazard {
	var found []Hazard
	for _, t := range f.after.Troubles {
		if t.Kind != k.kind || f.toldElsewhere(t) {
			continue
		}
		h := Hazard{Severity: k.severity, Side: t.Side, Object: f.streamObject(t), Sentence: t.Sentence, Fix: f.streamFix(t)}
		switch {
		case t.Blocking:
			h.Severity = schema.Block
		case t.Kind == fence.Behind && !f.lasting(t):
			h.Severity = schema.Info // a beat takes its time to arrive
		}
		if len(t.Tables) == 0 {
			found = append(found, h)
			continue
		}
		for _, s := range t.Tables {
			h.Object = s.Table
			if t.Kind == fence.NotReady {
				h.Sentence = fmt.Sprintf("%s does not carry it: it %s", f.streamObject(t), s.Phase())
			}
			found = append(found, h)
		}
	}
	return found
}

// toldElsewhere: native replication's tables and publications are looked at one
// by one, by other detectors.
func (f *facts) toldElsewhere(t fence.Trouble) bool {
	return (t.Kind == fence.NotReady || t.Kind == fence.Partial) && slices.ContainsFunc(f.after.Streams, func(s fence.Stream) bool {
		return s.Kind == fence.KindLogical && s.Name == t.Subject
	})
}

// lasting tells whether a trouble was there at every look of a window. What is
// late on purpose has a subscription and needs no second look.
func (f *facts) lasting(t fence.Trouble) bool {
	for _, s := range f.after.Streams {
		if s.Name == t.Subject && s.Slot != "" {
			return true
		}
	}
	for _, l := range f.lag.looks {
		if !slices.ContainsFunc(l.health.Troubles, func(o fence.Trouble) bool { return o.Kind == t.Kind && o.Subject == t.Subject }) {
			return false
		}
	}
	return len(f.lag.looks) > 1
}

// streamObject names what a trouble is about.
func (f *facts) streamObject(t fence.Trouble) string {
	for _, s := range f.after.Streams {
		switch {
		case s.Slot == "":
		case strings.HasPrefix(string(t.Kind), "slot_") && s.Slot == t.Subject:
			return "slot " + plainName(t.Subject)
		case s.Name == t.Subject:
			return "subscription " + plainName(t.Subject)
		}
	}
	return plainName(t.Subject)
}

// streamFix is the statement that mends a trouble, "" where there is none.
func (f *facts) streamFix(t fence.Trouble) string {
	switch t.Kind {
	case fence.Disabled:
		for _, s := range f.after.Streams {
			if s.Name == t.Subject && s.Kind == fence.KindLogical {
				return fmt.Sprintf("ALTER SUBSCRIPTION %s ENABLE", postgres.Ident(t.Subject))
			}
		}
		return fmt.Sprintf("SELECT pglogical.alter_subscription_enable(%s)", postgres.Literal(t.Subject))
	case fence.ReplayPaused:
		return "SELECT pg_catalog.pg_wal_replay_resume()"
	default:
		return ""
	}
}

// ours are the slots that feed the target, those of all hops of a cascade.
func (f *facts) ours() []string {
	var slots []string
	for _, s := range f.after.Streams {
		if s.Slot != "" {
			slots = append(slots, s.Slot)
		}
	}
	return slots
}

// has tells whether the replication is in any of some troubles.
func (f *facts) has(kinds ...fence.TroubleKind) bool {
	return slices.ContainsFunc(f.after.Troubles, func(t fence.Trouble) bool { return slices.Contains(kinds, t.Kind) })
}

var plain = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)

// plainName prints a name as quote_ident does, but for keywords.
func plainName(name string) string {
	if name == "" || plain.MatchString(name) {
		return name
	}
	return postgres.Ident(name)
}
