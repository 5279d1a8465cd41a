package fence

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Kind is a way of replicating.
type Kind string

// The kinds. Auto is found by looking.
const (
	Auto          Kind = "auto"
	KindLogical   Kind = "logical"
	KindPhysical  Kind = "physical"
	KindHeartbeat Kind = "heartbeat"
	KindStill     Kind = "still"
	KindPglogical Kind = "pglogical"
	KindBucardo   Kind = "bucardo"
)

// What keeps a fence from being made.
var (
	// ErrUnknown: something may replicate the pair, and what is not clear.
	ErrUnknown = errors.New("what replicates the pair was not found: name it (--replication logical, pglogical, bucardo, physical, heartbeat or still)")
	// ErrNoPrimary: a standby has to be read together with its primary.
	ErrNoPrimary = errors.New("it is a standby, where rows are visible before its position says so: give its primary too (--source-primary)")
	// ErrNotFound: the kind that was asked for was not found.
	ErrNotFound = errors.New("no such replication was found")
)

// Options say what to look at. The sides stay the caller's.
type Options struct {
	Source, Target *postgres.DB
	// SourcePrimary is the primary where the source is a standby, TargetPrimary
	// where the target is: nil otherwise, or where it isn't known.
	SourcePrimary, TargetPrimary *postgres.DB
	// Via is the database in the middle of a cascade; nil where there is none.
	Via        *postgres.DB
	Kind       Kind // "" is Auto
	Heartbeats []Heartbeat
	// BucardoGroup is the group of databases that the target is of, where Bucardo
	// carries the source's tables to several; "" waits for all of them.
	BucardoGroup string
}

// Found is one replication that carries changes from one side to the other.
type Found struct {
	Kind     Kind
	Name     string
	Evidence []string // sentences that say why it was recognised
	Err      error    // why there is no fence for it, nil where there is

	link      link
	publisher *postgres.DB
}

// Detection is what was found around a pair.
type Detection struct {
	Forward []Found // from the source to the target
	Reverse []Found // from the target to the source
	// Others are sentences about what was seen and is none of the two:
	// subscriptions that follow other servers, slots that others read.
	Others []string

	options     Options
	hops        []*Detection // of a cascade, from the source on
	unexplained bool         // something of Others may feed the target
}

// Detect looks at both sides' catalogs and statistics. It writes nothing, and
// needs no privilege beyond what everybody has; what it could not see it says.
func Detect(ctx context.Context, o Options) (d *Detection, err error) {
	err = postgres.Again(ctx, func() error {
		d, err = detect(ctx, o)
		return err
	})
	return d, err
}

func detect(ctx context.Context, o Options) (*Detection, error) {
	if o.Via != nil {
		return detectCascade(ctx, o)
	}
	d := &Detection{options: o}
	if err := d.checkPrimaries(); err != nil {
		return nil, err
	}
	physical, err := d.findPhysical(ctx)
	if err != nil {
		return nil, err
	}
	d.Forward = append(d.Forward, physical...)
	if len(physical) == 0 {
		if d.Forward, err = d.subscriptions(ctx, d.writersOf(o.Source, o.SourcePrimary), d.liveTarget(), true); err != nil {
			return nil, err
		}
		if d.Reverse, err = d.subscriptions(ctx, d.writersOf(o.Target, o.TargetPrimary), d.liveSource(), false); err != nil {
			return nil, err
		}
		if err = d.findPglogical(ctx); err != nil {
			return nil, err
		}
		if err = d.findBucardo(ctx); err != nil {
			return nil, err
		}
	}
	return d, d.findTools(ctx)
}

// liveTarget is where subscriptions to feed the target run.
func (d *Detection) liveTarget() *postgres.DB { return live(d.options.Target, d.options.TargetPrimary) }
func (d *Detection) liveSource() *postgres.DB { return live(d.options.Source, d.options.SourcePrimary) }

func live(side, primary *postgres.DB) *postgres.DB {
	if primary != nil {
		return primary
	}
	return side
}

// writersOf are the servers that may hold the slots: of 16 on a standby too.
func (d *Detection) writersOf(side, primary *postgres.DB) []*postgres.DB {
	if primary == nil {
		return []*postgres.DB{side}
	}
	return []*postgres.DB{primary, side}
}

func (d *Detection) checkPrimaries() error {
	for _, p := range [][2]*postgres.DB{{d.options.Source, d.options.SourcePrimary}, {d.options.Target, d.options.TargetPrimary}} {
		side, primary := p[0], p[1]
		if primary == nil {
			continue
		}
		switch a, b := side.Server(), primary.Server(); {
		case !a.InRecovery:
			return fmt.Errorf("%s: a primary was given, but the side is no standby: leave it out", side.Side())
		case b.InRecovery:
			return fmt.Errorf("%s: what was given as its primary is a standby itself", side.Side())
		case a.SystemID != b.SystemID || a.DatabaseID != b.DatabaseID:
			return fmt.Errorf("%s: what was given as its primary is another cluster or another database", side.Side())
		}
	}
	return nil
}

// findPhysical recognises a target that is a standby of the source's cluster.
func (d *Detection) findPhysical(ctx context.Context) ([]Found, error) {
	s, t := d.options.Source.Server(), d.options.Target.Server()
	if s.SystemID == "" || s.SystemID != t.SystemID || s.DatabaseID != t.DatabaseID {
		return nil, nil
	}
	if !t.InRecovery {
		if s.InRecovery {
			return nil, fmt.Errorf("source: it is a standby of the target's cluster: swap --source and --target")
		}
		d.Others = append(d.Others, "both sides have the same system identifier, and neither is a standby: one was copied from the other's files")
		return nil, nil
	}
	f := Found{Kind: KindPhysical, Name: "standby", publisher: live(d.options.Source, d.options.SourcePrimary),
		Evidence: []string{fmt.Sprintf("the target is in recovery and has the source's system identifier, %s", s.SystemID)}}
	if s.InRecovery && d.options.SourcePrimary == nil {
		f.Err = fmt.Errorf("source: %w", ErrNoPrimary)
		return []Found{f}, nil
	}
	primary, err := f.publisher.Timeline(ctx)
	if err != nil {
		return nil, err
	}
	standby, err := d.options.Target.Timeline(ctx)
	if err != nil {
		return nil, err
	}
	f.Evidence = append(f.Evidence, fmt.Sprintf("the primary writes timeline %d, the standby has replayed timeline %d", primary, standby))
	if standby > primary {
		f.Err = fmt.Errorf("target: it follows timeline %d, and the source is on %d: another server was promoted; compare with that one", standby, primary)
	}
	return []Found{f}, nil
}

// findTools recognises what other tools leave behind: slots that nobody known reads.
func (d *Detection) findTools(ctx context.Context) error {
	slots, err := d.liveSource().ReadSlots(ctx)
	if err != nil {
		return err
	}
	for _, slot := range slots.All {
		if !slot.Logical || slot.Database != d.liveSource().Server().Database || d.takes(slot.Name) {
			continue
		}
		switch {
		case isCopySlot(slot), d.isPglogicalCopy(slot), isMonitors(slot):
		default:
			d.unexplained = true
			d.Others = append(d.Others, fmt.Sprintf("slot %q (%s) of the source is taken by no subscription of the target%s", slot.Name, slot.Plugin, calledItself(slot)))
		}
	}
	return nil
}

// isCopySlot recognises the short-lived slots by which a subscription copies a
// table: pg_<subscription>_sync_<table>[_<system identifier>].
func isCopySlot(s postgres.Slot) bool {
	return s.Plugin == "pgoutput" && strings.HasPrefix(s.Name, "pg_") && strings.Contains(s.Name, "_sync_")
}

// monitorSlot is how a monitor of ours names the slots that it follows changes by.
var monitorSlot = regexp.MustCompile(`^pgparity_([a-z0-9]+_)?[0-9a-f]{12}$`)

// isMonitors recognises those, of this pair or of another one with the same source: they feed nothing.
func isMonitors(s postgres.Slot) bool {
	return s.Plugin == "pgoutput" && monitorSlot.MatchString(s.Name)
}

func calledItself(s postgres.Slot) string {
	if s.Client == "" {
		return ""
	}
	return fmt.Sprintf(", which calls itself %q", s.Client)
}

func (d *Detection) takes(slot string) bool {
	for _, f := range d.Forward {
		if f.link.slot == slot {
			return true
		}
	}
	return false
}
