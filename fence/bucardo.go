package fence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// bucardo is Bucardo: triggers note the keys that change in a delta table for
// each table, and a process of its own reads the rows by SQL, writes them to the
// other databases of its group, and notes in a track table that it has done so.
//
// What its Wait's nil proves, for tables that Cover says are carried:
//
//  1. A change and the row that notes it in the delta table are of one
//     transaction: whatever was visible to the reading has its row there, visible
//     to any later statement on the server that was read. Mark reads there, after
//     the reading has returned, which transactions (by txntime, when they began)
//     no row of the track table tells to be carried to the group yet.
//  2. Bucardo takes the rows of its track table from the very snapshot in which
//     it read the delta table and the rows to copy, and commits them when it has
//     written to all databases of the group. That no delta rows are left would
//     not tell it: they stay for a while.
//  3. Wait looks until none of the mark's transactions is in the delta table
//     without such a row. One that has left the delta table had been carried to
//     all groups; or a TRUNCATE took it away, which empties both tables.
//  4. A TRUNCATE notes itself in bucardo_truncate_trigger, in the transaction
//     in which it empties those. Wait reads that after step 3, by a later
//     statement, since TRUNCATE doesn't heed snapshots: whichever took rows of
//     the mark away is seen there, and Wait goes on until all of those are noted
//     to be replicated, which is committed like the track table. What was changed
//     before them is then gone on the target as on the source.
//  5. With one source in the group, Bucardo commits there last. With several it
//     commits in any order, and the source may show what the target does not yet:
//     its own changes as carried, and those of the others as rows. But all that
//     it writes in a run it has written, and so has locked, before the first of
//     its commits: step 6, begun after step 4, waits for it (copying).
//  6. The transactions of Bucardo that held a writer's lock on the target are
//     over, and whatever they wrote is visible.
//
// Bucardo reads what is visible on the source, so that the target never is ahead
// of it. What Bucardo loses, such as one of two transactions that began in the
// same microsecond, it will not bring any more, and nobody waits for it:
// nor for what it gave up on the target after a commit elsewhere.
type bucardo struct {
	near  *postgres.DB // where changes are noted: the very server that is read
	group string       // that the far side is of; "" waits for all groups
}

// newBucardo is the fence for changes that are noted near and arrive far.
func newBucardo(near, far *postgres.DB, group string) Fence {
	return Chain(&bucardo{near, group}, &copying{far})
}

// deltas is a mark of Bucardo's.
type deltas struct {
	hidden  bool
	role    string
	pending []postgres.BucardoPending
}

// Mark reads which transactions are not carried yet.
func (b *bucardo) Mark(ctx context.Context) (m Mark, err error) {
	if !b.near.Server().InRecovery {
		if m.LSN, err = b.near.WriteMark(ctx); err != nil {
			return m, err
		}
	}
	state, err := b.near.ReadBucardo(ctx, b.group)
	if err != nil {
		return m, err
	}
	m.deltas = &deltas{hidden: state.Hidden, role: state.Role}
	m.deltas.pending, err = b.near.ReadBucardoPending(ctx, state.Tables)
	return m, err
}

// Wait follows the steps above.
func (b *bucardo) Wait(ctx context.Context, m Mark) error {
	if m.deltas == nil {
		return errForeignMark
	}
	if m.deltas.hidden {
		return &Stalled{Mark: m, Troubles: []Trouble{b.hidden(m.deltas.role)}}
	}
	w := &waiting{pending: m.deltas.pending}
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		return b.passed(ctx, w)
	}, func(ctx context.Context) ([]Trouble, error) {
		h, err := b.Health(ctx)
		if err != nil {
			return nil, err
		}
		return append(h.Troubles, b.behind(w)), nil
	})
}

// waiting is what a Wait is waiting for.
type waiting struct {
	pending   []postgres.BucardoPending
	truncates []postgres.BucardoTruncate
	carried   bool // nothing is pending: truncates are what was seen after that
}

func (b *bucardo) passed(ctx context.Context, w *waiting) (bool, error) {
	if len(w.pending) > 0 {
		left, err := b.near.ReadBucardoLeft(ctx, w.pending)
		if err != nil {
			return false, err
		}
		if w.pending = left; len(left) > 0 {
			return false, nil
		}
	}
	now, err := b.near.ReadBucardoTruncates(ctx)
	if err != nil {
		return false, err
	}
	if w.carried { // those since then are not the mark's
		now = slices.DeleteFunc(now, func(t postgres.BucardoTruncate) bool { return !slices.Contains(w.truncates, t) })
	}
	w.truncates, w.carried = now, true
	return len(now) == 0, nil
}

// behind names what was not carried in time.
func (b *bucardo) behind(w *waiting) Trouble {
	t := Trouble{Kind: Behind, Side: b.near.Side(), Subject: "bucardo"}
	var parts []string
	for _, p := range w.pending {
		t.Tables = append(t.Tables, postgres.TableState{Table: p.Table, Leaf: p.Table, Subscription: p.Target})
		count := fmt.Sprintf("%d transactions", len(p.Times))
		switch {
		case p.Until != "":
			count = "very many transactions"
		case len(p.Times) == 1:
			count = "a transaction"
		}
		parts = append(parts, fmt.Sprintf("%s on %s to group %q, the oldest begun at %s", count, p.Table, groupName(p.Target), p.Oldest))
	}
	for _, x := range w.truncates {
		t.Tables = append(t.Tables, postgres.TableState{Table: x.Table, Leaf: x.Table, Subscription: x.Sync})
		parts = append(parts, fmt.Sprintf("a TRUNCATE of %s by sync %q, of %s", x.Table, x.Sync, x.At))
	}
	t.Sentence = fmt.Sprintf("Bucardo has not carried yet: %s; look at `bucardo status` and its log, wait, or raise --settle; where no sync has that group any more, or the sync is gone, delete its rows from bucardo.bucardo_delta_targets and bucardo.bucardo_truncate_trigger on the %s",
		listed(parts), b.near.Side())
	return t
}

func groupName(target string) string { return strings.TrimPrefix(target, postgres.BucardoTarget("")) }

// Cover reads how the tables are noted and to whom they are carried. Bucardo has
// one name for a table on all databases, unless told otherwise: one that it was
// told is not found, and a gap.
func (b *bucardo) Cover(ctx context.Context, tables []string) (Cover, error) {
	states, err := b.near.ReadBucardoStates(ctx, tables, b.group)
	if errors.Is(err, postgres.ErrBucardoHidden) {
		state, err := b.near.ReadBucardo(ctx, b.group)
		if err != nil {
			return Cover{}, err
		}
		return Cover{}, fmt.Errorf("%s: read bucardo: %w: %s", b.near.Side(), postgres.ErrBucardoHidden, b.hidden(state.Role).Sentence)
	}
	if err != nil {
		return Cover{}, err
	}
	return coverOf(states, tables), nil
}

// hidden names the privileges.
func (b *bucardo) hidden(role string) Trouble {
	return Trouble{Kind: NoPrivilege, Side: b.near.Side(), Subject: "bucardo", Blocking: true,
		Sentence: fmt.Sprintf("what Bucardo has carried may not be read; run on the %s's database: GRANT USAGE ON SCHEMA bucardo TO %s; GRANT SELECT ON ALL TABLES IN SCHEMA bucardo TO %s", b.near.Side(), role, role)}
}

// Health judges what is noted, and whether anybody carries it.
func (b *bucardo) Health(ctx context.Context) (Health, error) {
	state, err := b.near.ReadBucardo(ctx, b.group)
	if err != nil {
		return Health{}, err
	}
	var h Health
	for _, target := range targetsOf(state.Tables) {
		h.Streams = append(h.Streams, Stream{Kind: KindBucardo, Name: groupName(target), Worker: carrier(state.Sessions)})
	}
	if len(h.Streams) == 0 {
		h.Streams = []Stream{{Kind: KindBucardo, Name: b.group, Worker: carrier(state.Sessions)}}
	}
	h.Troubles = b.judge(state)
	return h, nil
}

// judge names all that is wrong, what stops it first.
func (b *bucardo) judge(state *postgres.Bucardo) []Trouble {
	var list []Trouble
	if state.Hidden {
		list = append(list, b.hidden(state.Role))
	}
	if len(state.Sessions) == 0 {
		list = append(list, Trouble{Kind: WorkerDown, Side: b.near.Side(), Subject: "bucardo",
			Sentence: fmt.Sprintf("no session of Bucardo is connected to the %s: it does not run, or a pool hides what it calls itself; type: bucardo start", b.near.Side())})
	}
	if state.Hidden {
		return list
	}
	if len(targetsOf(state.Tables)) == 0 {
		list = append(list, Trouble{Kind: Dropped, Side: b.near.Side(), Subject: "bucardo", Sentence: fmt.Sprintf("Bucardo carries no table of the %s any more, or none to the group: look at `bucardo list syncs`", b.near.Side())})
	}
	var off, deaf Trouble
	var stopped, unheard []string
	for _, t := range state.Tables {
		s := postgres.TableState{Table: t.Table, Leaf: t.Table, Subscription: "bucardo", State: t.State()}
		if !s.Ready() && s.State != "" {
			off.Tables = append(off.Tables, s)
			stopped = append(stopped, t.Table+" "+s.Phase())
		}
		if len(t.Deaf) > 0 {
			deaf.Tables = append(deaf.Tables, s)
			unheard = append(unheard, fmt.Sprintf("%s (sync %s)", t.Table, strings.Join(t.Deaf, ", ")))
		}
	}
	if len(stopped) > 0 {
		off.Kind, off.Side, off.Subject = NotReady, b.near.Side(), "bucardo"
		off.Sentence = fmt.Sprintf("Bucardo does not carry %d of its tables: %s; ALTER TABLE … ENABLE TRIGGER bucardo_delta, or `bucardo validate` where it is gone; what changed meanwhile has to be copied again (onetimecopy)", len(stopped), listed(stopped))
		list = append(list, off)
	}
	if len(unheard) > 0 {
		deaf.Kind, deaf.Side, deaf.Subject = Partial, b.near.Side(), "bucardo"
		deaf.Sentence = fmt.Sprintf("Bucardo does not learn of a TRUNCATE of %s: its trigger is disabled or gone, and the target would keep its rows", listed(unheard))
		list = append(list, deaf)
	}
	return list
}

// targetsOf are the groups that any of the tables is carried to.
func targetsOf(tables []postgres.BucardoTable) []string {
	var all []string
	for _, t := range tables {
		if t.State() != "" {
			all = append(all, t.Targets...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// carrier is the backend of a process that copies rows (a KID), 0 for none: it
// may be that they are started when there is work.
func carrier(sessions []postgres.BucardoSession) int {
	for _, s := range sessions {
		if strings.HasPrefix(s.Name, "bucardo KID") {
			return s.PID
		}
	}
	return 0
}
