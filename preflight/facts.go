package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// facts is what detectors look at, read once.
type facts struct {
	o              Options
	source, target *postgres.DB
	pair           *pairing.Pair
	features       map[postgres.Side]postgres.Features   // of the primary, where there is one
	definitions    map[postgres.Side]*schema.Definitions // none where they could not be read
	differences    []schema.Difference
	unread         error // why there are neither, nil where there are
	detection      *fence.Detection
	unclear        error       // why what replicates the pair is not known, nil where it is
	fence          fence.Fence // nil where it is not known
	// publications are those that feed the target, and subscriptions what
	// takes them there: native logical replication's.
	publications, subscriptions []string
	// Health when the run began, and after Options.Measure.
	before, after fence.Health
	lag           *lagWatch // nil where nothing was measured
	states        map[postgres.Side]map[uint32]postgres.SequenceState
	tables        map[string]bool        // report names of all tables, true where chosen
	carriage      carriage               // read once, see carried
	seen          map[postgres.Side]bool // whose transactions were all to be seen
}

// on is a side's database.
func (f *facts) on(side postgres.Side) *postgres.DB {
	if side == postgres.Target {
		return f.target
	}
	return f.source
}

// primaryOf is the server that writes a side.
func (f *facts) primaryOf(side postgres.Side) (*postgres.DB, error) {
	db, primary := f.source, f.o.Fence.SourcePrimary
	if side == postgres.Target {
		db, primary = f.target, f.o.Fence.TargetPrimary
	}
	switch {
	case !db.Server().InRecovery:
		return db, nil
	case primary != nil:
		return primary, nil
	}
	return nil, fmt.Errorf("%s: it is a standby, which cannot tell: give its primary (--%s-primary)", side, side)
}

// lacks is the first name that a side's server does not have, "" for none.
func (f *facts) lacks(side postgres.Side, needs []string) string {
	for _, name := range needs {
		if !f.features[side].Has(name) {
			return name
		}
	}
	return ""
}

// carries tells whether a kind of replication brings the source's changes to
// the target.
func (f *facts) carries(k fence.Kind) bool {
	if f.detection == nil {
		return false
	}
	if f.o.Fence.Kind == k {
		return true
	}
	return slices.ContainsFunc(f.detection.Forward, func(found fence.Found) bool { return found.Kind == k })
}

// native tells whether native logical replication does.
func (f *facts) native() bool { return f.carries(fence.KindLogical) }

// planned tells whether native logical replication carries the pair, or may
// have to: nothing else does.
func (f *facts) mayBeNative() bool {
	return f.native() || f.detection != nil && len(f.detection.Forward) == 0 && (f.o.Fence.Kind == "" || f.o.Fence.Kind == fence.Auto)
}

// bothWays tells whether changes go in both directions.
func (f *facts) bothWays() bool { return f.detection != nil && len(f.detection.Reverse) > 0 }

// onlyNative is a When for what native logical replication alone is about.
func onlyNative(f *facts) string {
	if f.native() {
		return ""
	}
	return "no native logical replication feeds the target"
}

// notPhysical is a When for what the files of a standby cannot lack.
func notPhysical(f *facts) string {
	if f.carries(fence.KindPhysical) {
		return "the target is a physical standby: it is the same cluster"
	}
	return ""
}

// chosen tells whether an object is, or belongs to, something that the filter
// chose. What belongs to no table is.
func (f *facts) chosen(object string) bool {
	if f.o.Pairing.Filter.Empty() {
		return true
	}
	name := object
	for {
		if chosen, known := f.tables[name]; known {
			return chosen
		}
		i := strings.LastIndexAny(name, ". ")
		if i < 0 {
			return true
		}
		name = name[:i]
	}
}

// gather reads the facts. The error is what keeps a run from looking at all.
func gather(ctx context.Context, source, target *postgres.DB, o Options) (*facts, error) {
	f, err := inspect(ctx, source, target, o)
	if err != nil {
		return nil, err
	}
	return f, f.readDefinitions(ctx)
}

// inspect reads all facts but the definitions.
func inspect(ctx context.Context, source, target *postgres.DB, o Options) (*facts, error) {
	o.Fence.Source, o.Fence.Target = source, target
	o.Fence.Heartbeats = slices.Clone(o.Fence.Heartbeats)
	for i := range o.Fence.Heartbeats { // a preflight writes nothing, whatever verify may
		o.Fence.Heartbeats[i].Strike = false
	}
	f := &facts{o: o, source: source, target: target, features: map[postgres.Side]postgres.Features{},
		definitions: map[postgres.Side]*schema.Definitions{}, states: map[postgres.Side]map[uint32]postgres.SequenceState{}}
	catalogs, err := postgres.Both(ctx, source, target, func(ctx context.Context, db *postgres.DB) (*postgres.Catalog, error) {
		return db.ReadCatalog(ctx)
	})
	if err != nil {
		return nil, err
	}
	if f.pair, err = pairing.Join(catalogs[0], catalogs[1], o.Pairing); err != nil {
		return nil, &OperatorError{err}
	}
	f.choose(catalogs)
	features, err := postgres.Both(ctx, source, target, func(ctx context.Context, db *postgres.DB) (postgres.Features, error) {
		return db.ReadFeatures(ctx)
	})
	if err != nil {
		return nil, err
	}
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		f.features[side] = features[i]
	}
	if err := f.detect(ctx); err != nil {
		return nil, err
	}
	return f, f.readStates(ctx)
}

// readDefinitions reads and compares what the sides are made of. That one cannot
// be read, for a table of it is locked, is a fact: all else is looked at.
func (f *facts) readDefinitions(ctx context.Context) error {
	definitions, err := postgres.Both(ctx, f.source, f.target, schema.Read)
	if err != nil && (ctx.Err() != nil || postgres.Lost(err)) {
		return err
	}
	if f.unread = err; err == nil {
		f.definitions[postgres.Source], f.definitions[postgres.Target] = definitions[0], definitions[1]
		f.differences = schema.Compare(definitions[0], definitions[1], f.chooser())
	}
	return nil
}

// choose notes which tables the filter chose.
func (f *facts) choose(catalogs [2]*postgres.Catalog) {
	f.tables = map[string]bool{}
	for _, cat := range catalogs {
		for _, t := range cat.Tables {
			f.tables[t.Quoted] = false
		}
	}
	for _, t := range f.pair.Tables {
		f.tables[t.Name] = true
	}
	for _, e := range f.pair.Excluded { // not compared, but meant
		if e.Why == pairing.ByKind {
			f.tables[e.Object] = true
		}
	}
	for _, cat := range catalogs { // a partition is chosen with its root
		byName := map[string]*postgres.Table{}
		for _, t := range cat.Tables {
			byName[t.Quoted] = t
		}
		for _, t := range cat.Tables {
			for p := t; p != nil && p.Partition; p = byName[p.Parent] {
				if f.tables[p.Parent] {
					f.tables[t.Quoted] = true
				}
			}
		}
	}
}

// chooser is for schema.Compare.
func (f *facts) chooser() func(string) bool {
	if f.o.Pairing.Filter.Empty() {
		return nil
	}
	return func(table string) bool { return f.tables[table] }
}

// detect finds out what replicates the pair. That it is not clear is a fact,
// too.
func (f *facts) detect(ctx context.Context) error {
	var told *postgres.Error
	d, err := fence.Detect(ctx, f.o.Fence)
	switch {
	case err != nil && (ctx.Err() != nil || asTold(err, &told)):
		return err
	case err != nil:
		return &OperatorError{err}
	}
	f.detection = d
	if f.fence, f.unclear = d.Fence(); f.unclear != nil {
		f.fence = nil
	}
	if f.fence != nil && len(f.o.Fence.Heartbeats) > 0 && len(d.Forward) > 0 {
		// A beat tells of its own table: what was found to carry the others has
		// troubles and slots of its own.
		carrier, err := f.carrier(ctx)
		switch {
		case err == nil:
			f.fence = fence.All(f.fence, carrier)
		case ctx.Err() != nil || asTold(err, &told):
			return err
		default:
			f.unclear = err
		}
	}
	if !f.native() || f.o.Fence.Via != nil { // a cascade's last publications are those of its middle
		return nil
	}
	db := f.target
	if f.o.Fence.TargetPrimary != nil {
		db = f.o.Fence.TargetPrimary
	}
	subs, err := db.ReadSubscriptions(ctx)
	if err != nil {
		return nil //nolint:nilerr // the detectors that need them say so
	}
	for _, found := range d.Forward {
		if s := subs.Named(found.Name); found.Kind == fence.KindLogical && s != nil {
			f.subscriptions = append(f.subscriptions, s.Name)
			f.publications = append(f.publications, s.Publications...)
		}
	}
	return nil
}

// readStates reads where the sequences stand that the role may read.
func (f *facts) readStates(ctx context.Context) error {
	var g errgroup.Group
	states := [2]map[uint32]postgres.SequenceState{}
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		var list []*postgres.Sequence
		for _, q := range f.pair.Sequences {
			if s := q.On(side); s != nil && s.CanSelect {
				list = append(list, s)
			}
		}
		g.Go(func() error {
			return postgres.Again(ctx, func() (err error) {
				states[i], err = f.on(side).ReadSequences(ctx, list)
				return err
			})
		})
	}
	err := g.Wait()
	f.states[postgres.Source], f.states[postgres.Target] = states[0], states[1]
	return err
}
