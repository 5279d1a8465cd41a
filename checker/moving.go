package checker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// How a pair is judged while replication runs:
//
//  1. H0 is the oldest transaction that the source does not see yet, X0 its
//     insert position, read in this order. Then the target is waited for until it
//     has applied X0 (begin). The run's verdict speaks of X0.
//  2. All content is read, both sides at about the same time, each statement in a
//     snapshot of its own. A row that no transaction from H0 on has written is the
//     same in each of the source's snapshots, and, if it is not damaged, in each of
//     the target's; it stays in its place, too, as long as the heap's files are
//     the same. So it is read once on each side, and where digests are equal, it is.
//  3. Where they differ, rows are compared by key. Each that differs is a suspect,
//     and rechecked between fences (Recheck). Suspects that move on are kept for
//     step 4, so that they don't keep the others waiting.
//  4. Rows that were written from H0 on may have been read twice or not at all:
//     moved by an UPDATE behind a sweep, or from one range of the key to
//     another. So in the end all of them are suspects (doClosing), and are
//     rechecked as long as the time to settle lets them. Where the target is
//     written to as well, so are the rows that are as young there: one that the
//     source lacks moves on the target alone.
//
// Every row that the source showed at X0, and that was not deleted since, was then
// read on the target after X0 was applied, and was equal, or is a finding, or is
// unsettled, which leaves its table unproven. What replication does not carry at
// one time of the run (Covered) is unproven, whatever was read.

// moving is what a run knows of the replication; nil in a run of a pair at rest.
type moving struct {
	detected *fence.Detection
	forward  fence.Fence
	near     fence.Fence            // from the source's primary to the source, nil where that is none
	horizon  string                 // H0
	back     string                 // the target's, where its own changes are replicated back, else ""
	stuck    *fence.Stalled         // why the target never got X0, nil where it did
	covers   map[string]fence.Cover // by table, when the run began
	troubles map[string]int         // where the report has them
	begun    bool                   // X0 was waited for

	mu      sync.Mutex
	stalled bool            // the fence was not passed the last time
	later   map[string]bool // units that were put off once because of it
}

// detect finds what replicates the pair. What it is not clear about is the
// operator's to say.
func (r *run) detect(ctx context.Context) error {
	d, err := fence.Detect(ctx, fence.Options{Source: r.source, Target: r.target, SourcePrimary: r.o.SourcePrimary, TargetPrimary: r.o.TargetPrimary,
		Via: r.o.Via, Kind: r.o.Replication, Heartbeats: r.o.Heartbeats})
	if err != nil {
		return mistaken(ctx, err)
	}
	f, err := d.Fence()
	if err != nil {
		return &OperatorError{fmt.Errorf("replication: %w", err)}
	}
	r.result.Replication = replicationOf(d, f, r.o)
	if f != fence.Still() {
		r.o.Concurrency = max(r.o.Concurrency, 1) // an application is at work, too
		r.moving = &moving{detected: d, forward: f, covers: map[string]fence.Cover{}, troubles: map[string]int{}, later: map[string]bool{}}
	}
	if r.o.Concurrency == 0 {
		r.o.Concurrency = restConcurrency
	}
	return nil
}

// restConcurrency is how many units of a pair at rest are compared at once where
// nothing else was asked for.
const restConcurrency = 2

// mistaken is an error that no server has told: it is about what was asked for.
func mistaken(ctx context.Context, err error) error {
	var told *postgres.Error
	if ctx.Err() != nil || errors.As(err, &told) {
		return err
	}
	return &OperatorError{err}
}

// waitSilently is how long the first fence is waited for before that is said.
const waitSilently = 3 * time.Second

// begin is step 1. That the fence is not passed is kept for the tables' results.
func (r *run) begin(ctx context.Context) error {
	m := r.moving
	err := postgres.Again(ctx, func() error {
		at, err := r.horizons(ctx)
		if err != nil {
			return err
		}
		m.horizon, m.back = at[0], at[1]
		// The heartbeat's mark has no position of its own: what was visible at this
		// one is visible to whatever the mark is taken from.
		if r.result.AsOfLSN, err = r.source.Position(ctx); !postgres.Refused(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	mark, err := m.forward.Mark(ctx)
	if r.result.Replication.Kind == string(fence.KindHeartbeat) && err != nil && !postgres.Lost(err) && ctx.Err() == nil {
		return &OperatorError{fmt.Errorf("heartbeat: %w", err)}
	}
	if err != nil {
		return err
	}
	if mark.LSN != 0 {
		r.result.AsOfLSN = mark.LSN.String()
	}
	waiting := fmt.Sprintf("waiting until the target has what the source showed at %s (--settle %s)", r.result.AsOfLSN, r.o.Settle)
	told := time.AfterFunc(waitSilently, func() { r.emit(Event{Kind: Warned, Message: waiting}) })
	defer told.Stop()
	err = r.await(ctx, m.forward, mark, r.o.Settle)
	if err == nil {
		err = r.replay(ctx)
	}
	m.begun = true
	if errors.As(err, &m.stuck) {
		r.note("where nothing is written on the source any more, and all of it has arrived, --replication still compares the pair as it stands")
		return nil
	}
	return err
}

// horizons reads the oldest transaction that each side does not see now; of the
// target only where its own changes are replicated.
func (r *run) horizons(ctx context.Context) (at [2]string, err error) {
	for i, db := range []*postgres.DB{r.source, r.target} {
		if db == r.target && !r.result.Replication.BothWays {
			break
		}
		snapshot, err := db.Transactions(ctx)
		if err != nil {
			return at, err
		}
		at[i], _, _ = strings.Cut(snapshot, ":")
	}
	return at, nil
}

// replay waits until a source that is a standby shows all that its primary had
// at X0: rows are read there.
func (r *run) replay(ctx context.Context) error {
	if !r.source.Server().InRecovery || r.o.SourcePrimary == nil {
		return nil
	}
	r.moving.near = fence.Physical(r.o.SourcePrimary, r.source)
	mark, err := r.moving.near.Mark(ctx)
	if err != nil {
		return err
	}
	return r.await(ctx, r.moving.near, mark, r.o.Settle)
}

// cover reads how the replication carries each table when the run begins. One
// that it does not carry is barred: nothing of it will be read.
func (r *run) cover(ctx context.Context) error {
	m := r.moving
	if m == nil {
		return nil
	}
	health, err := r.health(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, tr := range r.tables {
		if tr.digest != nil {
			names = append(names, tr.table.Target.Quoted)
		}
	}
	all, err := m.forward.Cover(ctx, names)
	if err != nil && m.stuck == nil {
		return err
	}
	for _, tr := range r.tables {
		if tr.digest == nil {
			continue
		}
		if tr.fences, err = r.fencesOf(tr); err != nil {
			return &OperatorError{fmt.Errorf("replication: %w", err)}
		}
		tr.result.AsOfLSN = r.result.AsOfLSN
		tr.doubt = doubt(health, tr.table.Source.Quoted)
		c := all.Of(tr.table.Target.Quoted)
		m.covers[tr.table.Name] = c
		switch {
		case m.stuck != nil:
			tr.barred = m.stuck
		case len(c.Gaps) > 0:
			tr.barred = gapError(c.Gaps[0])
		case !tr.digest.Keyed() && tr.digest.Way == hashing.Stream:
			tr.barred = errNoVersions
		}
	}
	return nil
}

// errNoVersions: a reading of copies by the stream cannot tell row versions apart.
var errNoVersions = errors.New("without a key, and hashed by pgparity and not by the servers, its rows cannot be judged while they move: give it a key, or compare while nothing moves (--replication still)")

// gapError says why a table is not carried.
func gapError(g postgres.TableState) error {
	name := "it "
	if g.Leaf != g.Table {
		name = g.Leaf + " "
	}
	if g.Subscription == "" {
		return fmt.Errorf("the replication does not carry it: %sis %s; add it, exclude it, or compare while nothing moves (--replication still)", name, g.Phase())
	}
	return fmt.Errorf("the replication does not carry it yet: %s%s in subscription %q; wait, or look into the target's log", name, g.Phase(), g.Subscription)
}

// doubt says why absences of a table's rows may be meant, "" where they are not.
func doubt(h fence.Health, table string) string {
	for _, t := range h.Troubles {
		if t.Kind != fence.Partial {
			continue
		}
		if len(t.Tables) == 0 {
			return t.Sentence
		}
		for _, state := range t.Tables {
			if state.Table == table {
				return t.Sentence
			}
		}
	}
	return ""
}

// health looks at the replication and keeps what it says for the report.
func (r *run) health(ctx context.Context) (fence.Health, error) {
	health, err := r.moving.forward.Health(ctx)
	if err != nil {
		return health, err
	}
	if r.moving.near != nil {
		near, err := r.moving.near.Health(ctx)
		if err != nil {
			return health, err
		}
		health.Streams, health.Troubles = append(health.Streams, near.Streams...), append(health.Troubles, near.Troubles...)
	}
	res := r.result.Replication
	res.Streams = nil
	for _, s := range health.Streams {
		res.Streams = append(res.Streams, stateOf(s))
	}
	for _, t := range health.Troubles {
		if t.Kind == fence.Behind {
			continue
		}
		text := fmt.Sprintf("%s: %s", t.Side, t.Sentence)
		which := text
		if slices.Contains([]fence.TroubleKind{fence.ApplyErrors, fence.Conflicts, fence.WorkerRestarts}, t.Kind) {
			which = fmt.Sprint(t.Kind, t.Side, t.Subject) // they count: the last one says it all
		}
		if at, known := r.moving.troubles[which]; known {
			res.Troubles[at] = text
			continue
		}
		r.moving.troubles[which] = len(res.Troubles)
		res.Troubles = append(res.Troubles, text)
	}
	return health, nil
}

// endMoving looks once more, for the report.
func (r *run) endMoving(ctx context.Context) {
	if r.moving == nil || ctx.Err() != nil {
		return
	}
	if _, err := r.health(ctx); err != nil {
		r.note("how the replication stood at the end of the run is not known: " + err.Error())
	}
}
