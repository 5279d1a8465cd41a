package monitor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// session has a pair open. Several goroutines work in it side by side: passes, which take hours; checks in
// between; following, which must never wait for one of them; and a look at how the replication stands.
// The first that fails ends them all, and the pair is opened anew: its servers may be others by then.
type session struct {
	w      *watcher
	sides  *Sides
	stream checker.Stream

	mu   sync.Mutex    // guards pair
	pair *pairing.Pair // as it was joined last

	trail trail
}

func (w *watcher) session(ctx context.Context) error {
	sides, err := w.o.Open(ctx)
	if err != nil {
		return err
	}
	s := &session{w: w, sides: sides}
	if s.trail.lost = w.o.Follow && w.gaveUp(); s.trail.lost && w.why("") == "" {
		w.refuse(map[string]string{"": "the slot was given up; the changes are followed anew with the next full pass"})
	}
	// Closed last: what works with it has ended.
	defer sides.Close()
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.trail.close()
	w.reached()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.passes(ctx) })
	g.Go(func() error { return s.checks(ctx) })
	g.Go(func() error { return s.sampling(ctx) })
	g.Go(func() error { return s.yields(ctx) })
	if w.o.Follow {
		g.Go(func() error { return s.following(ctx) })
	}
	return g.Wait()
}

// gaveUp tells that what was followed was given up, and that no full pass has begun since.
func (w *watcher) gaveUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.followed.Slot == "" && w.followed.Source != (follow.Identity{})
}

// why tells why a table is not followed, or with "" why nothing is; "" for no reason.
func (w *watcher) why(table string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused[table]
}

// begin finds what replicates the pair, and joins it.
func (s *session) begin(ctx context.Context) error {
	if postgres.SameDatabase(s.sides.Source, s.sides.Target) {
		return fmt.Errorf("source and target are the same database (%s): give two different ones", s.sides.Source.Server().Database)
	}
	o := s.sides.Check
	d, err := fence.Detect(ctx, fence.Options{Source: s.sides.Source, Target: s.sides.Target, SourcePrimary: o.SourcePrimary, TargetPrimary: o.TargetPrimary,
		Via: o.Via, Kind: o.Replication, Heartbeats: o.Heartbeats})
	if err != nil {
		return err
	}
	f, err := d.Fence()
	if err != nil {
		return fmt.Errorf("replication: %w", err)
	}
	s.stream = checker.Stream{Detection: d, Fence: f}
	if err := s.join(ctx); err != nil {
		return err
	}
	s.w.set(func() {
		s.w.facts.Source, s.w.facts.Target = checker.Identify(s.sides.Source), checker.Identify(s.sides.Target)
	})
	return s.w.keep(ctx)
}

// join pairs the catalogs as they are now.
func (s *session) join(ctx context.Context) error {
	pair, err := checker.Join(ctx, s.sides.Source, s.sides.Target, s.options().Pairing)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pair = pair
	return nil
}

func (s *session) joined() *pairing.Pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pair
}

// options are those of a run, which keeps neither values nor masks keys: the state has them as they
// are, for they are to be found again.
func (s *session) options() checker.Options {
	o := s.sides.Check
	o.Pair, o.ShowValues, o.HashKeys, o.Resume, o.OnEvent = s.w.o.Name, false, false, "", nil
	return o
}

// keyColumns are the names of a table's key columns, in order; none where it has no key.
func keyColumns(t *pairing.Table) (names []string) {
	if t.Key != nil {
		for _, k := range t.Key.Columns {
			names = append(names, k.Name)
		}
	}
	return names
}

// keys tells, by table, in which order the parts of a key are.
func (s *session) keys() map[string][]string {
	all := map[string][]string{}
	for _, t := range s.joined().Tables {
		all[t.Name] = keyColumns(t)
	}
	return all
}

// parts puts a key into the order of the table's.
func parts(key map[string]string, order []string) []KeyPart {
	names := slices.Clone(order)
	if len(order) != len(key) || slices.ContainsFunc(order, func(n string) bool { _, ok := key[n]; return !ok }) {
		names = names[:0]
		for n := range key {
			names = append(names, n)
		}
		slices.Sort(names)
	}
	list := make([]KeyPart, len(names))
	for i, n := range names {
		list[i] = KeyPart{n, key[n]}
	}
	return list
}

// sightingOf is a finding of a row.
func sightingOf(table string, f checker.Finding, order []string) sighting {
	return sighting{object: table, kind: f.Kind, key: parts(f.Key, order), columns: f.Columns}
}

// patience is how long a single look at the servers may take.
const lookPatience = 15 * time.Second
