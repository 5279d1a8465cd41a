package follow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// follower is a Follower's inside.
type follower struct {
	source, target *postgres.DB
	stream         checker.Stream
	o              Options
	window         *checker.Window
	tables         map[string]*followed // by name; neither is changed once the stream runs
	routes         map[uint32]string    // a relation's table
	changes        *postgres.Changes

	state   State
	batch   *batch
	marks   marks
	awaited []string // transactions that ran when it began: they may have committed before the slot was made
	untold  []checker.Located
	kept    time.Time            // when the state was kept last
	at      time.Time            // all that committed before was judged
	checked string               // where the source was when the definitions were read last
	soiled  map[string]time.Time // when a table became dirty; for one that never was, when this began
}

// Begin makes the slot (persistent; failover where the server has it, from 17 on), or goes on
// with state's. A state that does not fit (another system, timeline or database, a slot that
// is gone, was made anew or is ahead of what was stored) begins anew: fresh is true, and no
// table has a watermark until Passed. stream is how the pair replicates, pair its tables, as
// they are now: ErrRedefined where they changed since. Refused tables are not followed, each
// with its reason. The sides stay the caller's; he closes the Follower before them.
func Begin(ctx context.Context, source, target *postgres.DB, pair *pairing.Pair, stream checker.Stream, state State, o Options) (_ *Follower, fresh bool, refused []Refusal, err error) {
	f := &follower{source: source, target: target, stream: stream, o: o.filled(), tables: map[string]*followed{}, routes: map[uint32]string{},
		soiled: map[string]time.Time{}}
	if source.Server().InRecovery {
		return nil, false, nil, Refusal{Why: "it is a standby: changes are followed on its primary; give that as the source to follow them"}
	}
	now, err := f.identify(ctx)
	if err != nil {
		return nil, false, nil, err
	}
	f.window, err = checker.OpenWindow(ctx, source, target, pair, checker.Horizon{},
		checker.Options{Settle: min(f.o.Settle, stepSettle), Budget: lookBudget, MaxDiffs: f.o.MaxDiffs, HashKeys: f.o.HashKeys})
	if err != nil {
		return nil, false, nil, err
	}
	if refused, err = f.choose(ctx); err != nil {
		return nil, false, nil, err
	}
	name := now.slotName(f.o.Pair)
	use, more, err := f.publications(ctx, name)
	if err != nil {
		return nil, false, nil, err
	}
	refused = append(refused, more...)
	if len(f.tables) == 0 {
		return nil, false, refused, Refusal{Why: "no table of the pair can be followed"}
	}
	if fresh, err = f.resume(ctx, now, name, use, state); err != nil {
		return nil, false, refused, err
	}
	if err := f.adopt(ctx, state, fresh); err != nil {
		return nil, false, refused, err
	}
	if err := f.open(ctx); err != nil {
		return nil, false, refused, err
	}
	if err := f.keep(ctx, f.state); err != nil {
		f.changes.Close()
		return nil, false, refused, err
	}
	return &Follower{f}, fresh, refused, nil
}

// both are the identities of both sides.
type both struct{ source, target Identity }

func (f *follower) identify(ctx context.Context) (now both, err error) {
	instance, err := f.source.ReadInstance(ctx, f.o.URL)
	if err != nil {
		if postgres.HasCode(err, "42501") || postgres.HasCode(err, "28000") {
			user := f.source.Server().User
			return now, Refusal{Why: fmt.Sprintf("user %q may not replicate: ALTER ROLE %s REPLICATION, and an entry for it in pg_hba.conf (%v)", user, postgres.Ident(user), err)}
		}
		return now, err
	}
	if id := f.source.Server().SystemID; id != "" && id != instance.SystemIdentifier {
		return now, errors.New("source: the change stream leads to another server than the rest: give an address of one server")
	}
	now.source = Identity{SystemIdentifier: instance.SystemIdentifier, Timeline: instance.Timeline, Database: f.source.Server().Database}
	timeline, err := f.target.Timeline(ctx)
	if err != nil && !postgres.Refused(err) {
		return now, err
	}
	now.target = Identity{SystemIdentifier: f.target.Server().SystemID, Timeline: int64(timeline), Database: f.target.Server().Database}
	return now, nil
}

// slotName is the same for the same pair, and no other's.
func (b both) slotName(pair string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{pair, b.source.SystemIdentifier, b.source.Database, b.target.SystemIdentifier, b.target.Database}, "\x00")))
	return "pgparity_" + plain(pair) + hex.EncodeToString(sum[:6])
}

// plain is as much of a name as a slot's may have.
func plain(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if b.Len() == 24 {
			break
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		}
	}
	if b.Len() > 0 {
		b.WriteByte('_')
	}
	return b.String()
}

// adopt takes over how far the tables were, as far as they are the same. The definitions are
// read before the catalogs: who compares by these has those that he looked at, or hears of
// the change.
func (f *follower) adopt(ctx context.Context, state State, fresh bool) error {
	prints, err := f.prints(ctx)
	if err != nil {
		return err
	}
	if err := f.sameCatalog(ctx); err != nil {
		return err
	}
	since, err := f.source.WriteMark(ctx)
	if err != nil {
		return err
	}
	unread := false
	for name, t := range f.tables {
		t.print = prints[name]
		ts, known := state.Tables[name]
		if fresh || !known {
			ts = TableState{}
		}
		if known && !fresh && ts.Print != stored(t.print) && ts.Dirty == "" && ts.LSN != "" {
			ts.Dirty = "its definition changed"
		}
		if ts.Dirty != "" || ts.LSN == "" {
			ts.Since = since.String()
			f.soiled[name] = time.Now()
		}
		unread = unread || ts.LSN == "" || ts.Dirty != ""
		ts.Print = stored(t.print)
		ts.Exceptions = slices.Clone(ts.Exceptions)
		f.state.Tables[name] = ts
	}
	if !unread {
		return nil
	}
	f.awaited, err = f.source.OpenTransactions(ctx)
	return err
}

// sameCatalog makes sure that the pair's columns are those that the source has now.
func (f *follower) sameCatalog(ctx context.Context) error {
	catalog, err := f.source.ReadCatalog(ctx)
	if err != nil {
		return err
	}
	now := map[uint32]*postgres.Table{}
	for _, t := range catalog.Tables {
		now[t.OID] = t
	}
	for name, t := range f.tables {
		is := now[t.Source.OID]
		if is == nil || !slices.EqualFunc(is.Columns, t.Source.Columns, func(a, b *postgres.Column) bool {
			return a.Name == b.Name && a.TypeText == b.TypeText && a.Type.OID == b.Type.OID && a.Generated == b.Generated
		}) {
			return fmt.Errorf("%s: %w", name, ErrRedefined)
		}
	}
	return nil
}

// clone is a copy that shares nothing that a step changes.
func (s State) clone() State {
	s.Publications, s.Found = slices.Clone(s.Publications), slices.Clone(s.Found)
	s.Tables = maps.Clone(s.Tables)
	for name, t := range s.Tables {
		t.Exceptions = slices.Clone(t.Exceptions)
		s.Tables[name] = t
	}
	return s
}
