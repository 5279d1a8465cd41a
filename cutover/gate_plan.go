package cutover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// gating is what the gate has at hand when the window begins.
type gating struct {
	pair   *pairing.Pair
	of     time.Time // when the full verification ended
	known  bool      // what was written since can be told
	window *checker.Window
	tables []*gateTable // by name
	copied map[string]string
	chosen bool
}

// gateTable is a table, what is to be read of it, and what came of it.
type gateTable struct {
	*checker.WindowTable
	first    bool // somebody said that it matters most
	delayed  bool // the switch copies it: it was never verified
	column   string
	activity int64         // rows written since the full verification, or ever
	whole    time.Duration // to hash all of it
	measured bool

	task  checker.Task
	claim string
	cost  time.Duration
	why   string // where not all of it is proved

	done      bool
	result    GateTable
	findings  []string
	differing int64
}

// lanes is how many tables are read at a time.
func (r *run) lanes() int { return max(r.poolSize()-2, 1) }

// gated has both servers agree on the digests; once for a pair and its full
// verification.
func (r *run) gated(ctx context.Context) (*gating, error) {
	var since checker.Horizon
	var of time.Time
	if e := r.facts.Evidence; e != nil {
		since, of = checker.Horizon{Source: e.Horizon, Target: e.ToHorizon}, e.FinishedAt
	}
	if g := r.gating; g != nil && g.pair == r.pair && g.of.Equal(of) {
		return g, nil
	}
	o := r.o.Verify
	o.Settle = min(o.Settle, gateSettle)
	w, err := checker.OpenWindow(ctx, r.from.db, r.to.db, r.pair, since, o)
	if err != nil {
		return nil, err
	}
	// A plan is made before there is a verification; a run will make it by itself.
	known := since.Known() || r.exec.dry() && r.o.Verified == nil
	g := &gating{pair: r.pair, of: of, known: known, window: w}
	for _, t := range w.Tables {
		if t.Source == nil || t.Source.Kind == 'm' { // a view is refreshed, and not carried
			continue
		}
		gt := &gateTable{WindowTable: t, whole: t.Cost, first: chosenBy(r.o.Gate.Tables, unquoted(t.Table))}
		if i := slices.IndexFunc(r.o.Delayed, func(d Delayed) bool { return d.Table == unquoted(t.Table) }); i >= 0 {
			if r.o.Delayed[i].After {
				r.note("%s is copied when the other side is live: the gate does not look at it", t.Name)
				continue
			}
			gt.delayed, gt.column = true, r.o.Delayed[i].Column
		}
		g.tables = append(g.tables, gt)
	}
	r.gating = g
	return g, nil
}

// gateSettle is how long rows may take to settle before the window: those that
// do not are looked up in it.
const gateSettle = 3 * time.Second

// chosenBy tells whether one of some globs chooses a table.
func chosenBy(globs []string, table string) bool {
	if len(globs) == 0 {
		return false
	}
	schema, name, _ := strings.Cut(table, ".")
	return pairing.Filter{Tables: globs}.Chooses(schema, name)
}

// prepareGate chooses what the gate reads of each table, by what that costs, so
// that the window has nothing to look up. What does not fit is told before
// anybody is kept waiting.
func (r *run) prepareGate(ctx context.Context) error {
	g, err := r.gated(ctx)
	if err != nil {
		return err
	}
	written, err := r.activity(ctx)
	if err != nil {
		return err
	}
	for _, t := range g.tables {
		t.activity = written[t.Name] - r.wrote[t.Name]
	}
	g.copied = r.facts.Copied
	if err := g.measure(ctx, r.lanes()); err != nil {
		return err
	}
	g.choose(r)
	return r.gate(ctx, Action{ID: "gate-fits", On: "here", Do: g.summary(), Why: fmt.Sprintf("about %v, and the budget is %v", g.predicted().Round(time.Millisecond), r.o.Budgets.Gate)}, func(context.Context) error {
		return r.accept(g)
	})
}

// predicted is how long the gate is expected to take.
func (g *gating) predicted() time.Duration {
	var total time.Duration
	for _, t := range g.tables {
		total += t.cost
	}
	return total / gateCores
}

// measure looks how fast tables are read whole, where an estimate may be far off.
func (g *gating) measure(ctx context.Context, lanes int) error {
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(lanes)
	for _, t := range g.tables {
		if t.Reason == "" && t.Cost > worthMeasuring && !t.measured {
			work.Go(func() (err error) {
				t.whole, err = g.window.Rate(wctx, t.WindowTable)
				t.measured = err == nil
				return err
			})
		}
	}
	return work.Wait()
}

const (
	worthMeasuring = 50 * time.Millisecond
	// smallTable is what is hashed whole although less would do: that rests on nothing.
	smallTable = 10 * time.Millisecond
	// gateCores is how many cores a server is taken to have for the gate, at least.
	gateCores = 2
	// fitting is the share of the budget that what was chosen may be expected to take.
	fitting = 0.8
	// passes is what a pass over keys and young rows costs, in passes over young
	// rows alone: 1.9 was measured.
	passes = 2
)

// choose fixes what is read of each table: those that somebody named first, then
// those that were written to most, and of each the cheapest that proves all of it.
func (g *gating) choose(r *run) {
	g.chosen = true
	order := slices.Clone(g.tables)
	slices.SortStableFunc(order, func(a, b *gateTable) int {
		if a.first != b.first {
			return cmp.Compare(b2i(b.first), b2i(a.first))
		}
		return cmp.Or(cmp.Compare(b.activity, a.activity), cmp.Compare(a.whole, b.whole))
	})
	room := time.Duration(float64(r.o.Budgets.Gate) * fitting * gateCores)
	for _, t := range order {
		t.choose(g, r, room)
		room -= t.cost
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// choose takes the first way that fits.
func (t *gateTable) choose(g *gating, r *run, room time.Duration) {
	t.claim, t.cost, t.why, t.task = claimNothing, 0, "", checker.Task{Table: t.WindowTable}
	t.result = GateTable{Name: t.Name, Claim: claimNothing}
	defer func() { t.result.Claim, t.result.Why = t.claim, t.why }()
	if t.Reason != "" {
		t.why = t.Reason
		return
	}
	changed := t.whole
	if t.Scan > 0 {
		changed = time.Duration(float64(t.Scan) * passes)
	}
	canChange := g.known && t.Young && !t.delayed
	if !t.Source.PageRanges || !t.Target.PageRanges { // it is read at one go
		room = min(room, time.Duration(float64(r.o.Budgets.Gate)*fitting))
	}
	take := func(claim string, aim checker.Aim, cost time.Duration) bool {
		if cost > room {
			return false
		}
		t.claim, t.task.Aim, t.cost = claim, aim, cost
		return true
	}
	followed := r.followed(t) && !t.delayed
	wholeFirst := t.first || t.whole <= smallTable || t.whole <= changed
	switch {
	case followed && !t.first && t.whole > smallTable && take(claimFollowed, checker.Whole, followedCost):
		return
	case canChange && !wholeFirst && take(claimChanged, checker.Changed, changed):
		return
	case take(claimWhole, checker.Whole, t.whole):
		return
	case canChange && take(claimChanged, checker.Changed, changed):
		return
	}
	t.why = fmt.Sprintf("to read all of it takes about %v, which does not fit into the gate's budget of %v", min(t.whole, changed).Round(time.Millisecond), r.o.Budgets.Gate)
	if t.delayed {
		t.chooseRemainder(g)
		return
	}
	t.chooseLast(r)
}

// followedCost is what the rows of a table may cost that changed since the watermark.
const followedCost = 5 * time.Millisecond

// lastCost is what the last rows may cost: an index leads to them.
const lastCost = 5 * time.Millisecond

// chooseLast takes the rows that come last, where an index leads to them on both
// sides. Where the budget is used up they are still read: there are few.
func (t *gateTable) chooseLast(r *run) {
	by := r.o.Verify.LastBy
	if own, ok := r.o.Verify.LastByTable[unquoted(t.Table)]; ok {
		by = own
	}
	if !t.Lasts(by) {
		by = ""
	}
	if !t.Lasts(by) {
		return
	}
	n := r.o.Verify.Last
	if n <= 0 {
		n = defaultLast
	}
	column := by
	if by == "" {
		column = "its key"
	}
	t.claim, t.cost = claimLast, lastCost
	t.task.Aim, t.task.Last, t.task.By = checker.Last, n, by
	t.why = fmt.Sprintf("the last %d rows by %s were compared; %s", n, column, t.why)
}

const defaultLast = 1000

// chooseRemainder takes what the window copies of a delayed table: the rows
// behind the watermark that it had when the window began.
func (t *gateTable) chooseRemainder(g *gating) {
	above, known := g.copied[unquoted(t.Table)]
	column := t.column
	if column == "" && t.Key != nil && len(t.Key.Columns) == 1 {
		column = t.Key.Columns[0].Name
	}
	if !known || column == "" || above == "" {
		return
	}
	t.claim, t.cost = claimLast, lastCost
	t.task.Aim, t.task.By, t.task.Above = checker.Whole, column, above
	t.why = fmt.Sprintf("the rows that the window copied were compared, by %s; those that were copied before were not: %s", column, t.why)
}

// activitySQL counts what was written to each table, and to its partitions.
const activitySQL = `WITH RECURSIVE tree AS (
  SELECT c.oid AS root, c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::pg_catalog.oid[])
  UNION ALL
  SELECT t.root, p.oid, p.relkind FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid WHERE t.relkind = 'p')
SELECT root, sum(pg_catalog.pg_stat_get_tuples_inserted(oid) + pg_catalog.pg_stat_get_tuples_updated(oid) + pg_catalog.pg_stat_get_tuples_deleted(oid))::pg_catalog.int8
FROM tree GROUP BY root`

// activity reads how many rows were ever written to each table of the side that is
// switched from, as its statistics say: by that tables are ordered, and nothing is proved.
func (r *run) activity(ctx context.Context) (map[string]int64, error) {
	names, oids := map[string]string{}, []string{}
	for _, t := range r.pair.Tables {
		if t.Source != nil {
			oid := strconv.FormatUint(uint64(t.Source.OID), 10)
			names[oid] = t.Name
			oids = append(oids, oid)
		}
	}
	written := map[string]int64{}
	_, err := rows(ctx, r.from.control, "activity", activitySQL, func(row postgres.Row) bool {
		written[names[row.Text(0)]] = row.Int(1)
		return true
	}, "{"+strings.Join(oids, ",")+"}")
	return written, err
}
