package preflight

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// way is what tells how far tables are carried.
type way string

const (
	byNothing      way = ""         // nothing carries, or what does tells nobody which tables
	byPublications way = "native"   // publications and subscriptions, read here
	byFence        way = "fence"    // another tool, or several, or several hops: Fence.Cover
	byFiles        way = "physical" // a standby has what the files have
)

func (f *facts) way() way {
	switch {
	case f.carries(fence.KindPhysical):
		return byFiles
	case f.o.Fence.Via != nil, f.carries(fence.KindPglogical), f.carries(fence.KindBucardo):
		return byFence
	case f.native():
		return byPublications
	}
	return byNothing
}

// onlyPublished is a When for what publications and subscriptions alone have.
func onlyPublished(f *facts) string {
	if f.way() == byPublications {
		return ""
	}
	return "the target is not fed by native logical replication alone"
}

// onlyCarried is a When for what anything has that carries tables one by one.
func onlyCarried(f *facts) string {
	if w := f.way(); w == byPublications || w == byFence {
		return ""
	}
	return "nothing is known to carry tables one by one"
}

// carriage is how far the chosen tables of the source are carried, read once,
// by the detector that first asks.
type carriage struct {
	once   sync.Once
	err    error
	tables []*passage
	// The publications that feed the target, and its subscriptions, by name.
	publications  []publication
	subscriptions []postgres.Subscription

	keys keyrings
}

type publication struct {
	name, quoted string
	allTables    bool
}

// passage is how far one table is carried, of a partitioned one the root.
type passage struct {
	name   string // the report name
	leaves []*leaf
	// gaps and held are what a fence and a tool's own catalog say (byFence).
	gaps []postgres.TableState
	held withholding
}

// withholding is what a tool does not send of a table that it carries.
type withholding struct {
	operations        []string
	filtered, limited bool // by a row filter, to some columns
}

// leaf is a relation that holds a table's rows, or a partitioned table that has
// no partition yet.
type leaf struct {
	oid               uint32
	schema, rel, name string
	foreign, unlogged bool
	sendings          []sending
}

// sending is one publication's way of publishing a leaf.
type sending struct {
	publication string
	oid         uint32 // of the relation under whose name it is sent: the leaf, or what it is a partition of
	schema, rel string
	name        string
	operations  [4]bool  // insert, update, delete, truncate
	filter      string   // "" for all rows
	without     []string // columns that are left out, quoted
	on          *arrival // nil where the target has no such table
	// idle: no subscription that takes the publication has the leaf, so that
	// nothing of it arrives this way.
	idle bool
}

// arrival is how a relation of the target stands in its subscriptions.
type arrival struct {
	states []postgres.TableState // empty: no subscription has it
}

// operationNames are in the order of sending.operations.
var operationNames = [4]string{"insert", "update", "delete", "truncate"}

// carried reads the carriage, once. The error is the same for all who ask.
func (f *facts) carried(ctx context.Context) (*carriage, error) {
	c := &f.carriage
	c.once.Do(func() { c.err = c.read(ctx, f) })
	return c, c.err
}

func (c *carriage) read(ctx context.Context, f *facts) error {
	if err := c.readSource(ctx, f); err != nil {
		return err
	}
	switch f.way() {
	case byPublications:
		return c.readArrivals(ctx, f)
	case byFence:
		c.disregard(f)
		return c.askFence(ctx, f)
	default:
		return nil
	}
}

// disregard forgets what publications send, where those are for others.
func (c *carriage) disregard(f *facts) {
	if f.native() {
		return
	}
	for _, p := range c.tables {
		for _, l := range p.leaves {
			l.sendings = nil
		}
	}
}

// readSource reads the tables, and what publishes them.
func (c *carriage) readSource(ctx context.Context, f *facts) (err error) {
	c.publications, err = readRows(ctx, f, f.live(postgres.Source), publicationsSQL, nil, func(r postgres.Row) (publication, error) {
		return publication{r.Text(0), r.Text(1), r.Bool(2)}, nil
	})
	if err != nil {
		return err
	}
	type row struct {
		root string
		leaf leaf
		sent *sending
	}
	list, err := readRows(ctx, f, f.live(postgres.Source), passagesSQL, nil, func(r postgres.Row) (row, error) {
		v := row{root: r.Text(0), leaf: leaf{oid: uint32(r.Int(1)), schema: r.Text(2), rel: r.Text(3), name: r.Text(4), foreign: r.Bool(5), unlogged: r.Bool(6)}}
		if r.Bytes(7) == nil {
			return v, nil
		}
		v.sent = &sending{publication: r.Text(7), oid: uint32(r.Int(8)), schema: r.Text(9), rel: r.Text(10), name: r.Text(11),
			operations: [4]bool{r.Bool(12), r.Bool(13), r.Bool(14), r.Bool(15)}, filter: r.Text(16)}
		var err error
		v.sent.without, err = textsOf(r, 17)
		return v, err
	})
	if err != nil {
		return err
	}
	var p *passage
	var l *leaf
	for i := range list {
		v := &list[i]
		if !f.tables[v.root] {
			continue // not chosen, or not compared
		}
		if p == nil || p.name != v.root {
			p, l = &passage{name: v.root}, nil
			c.tables = append(c.tables, p)
		}
		if l == nil || l.oid != v.leaf.oid {
			l = &v.leaf
			p.leaves = append(p.leaves, l)
		}
		if v.sent != nil {
			l.sendings = append(l.sendings, *v.sent)
		}
	}
	return nil
}

// readArrivals finds for all that is sent how it stands on the target.
func (c *carriage) readArrivals(ctx context.Context, f *facts) error {
	db := f.live(postgres.Target)
	subs, err := db.ReadSubscriptions(ctx)
	if err != nil {
		return err
	}
	names := map[string]string{}
	var oids []string
	for _, s := range subs.All {
		if !slices.Contains(f.subscriptions, s.Name) {
			continue
		}
		if s.OID == 0 {
			return fmt.Errorf("target: read subscription %q: the role may not tell it from others of its name: GRANT SELECT (oid) ON pg_catalog.pg_subscription TO %s", s.Name, subs.Role)
		}
		c.subscriptions = append(c.subscriptions, s)
		oid := fmt.Sprint(s.OID)
		names[oid], oids = s.Name, append(oids, oid)
	}
	type row struct {
		at    [2]string
		state postgres.TableState
	}
	list, err := readRows(ctx, f, db, arrivalsSQL, []string{postgres.TextArray(oids)}, func(r postgres.Row) (row, error) {
		return row{[2]string{r.Text(0), r.Text(1)}, postgres.TableState{Table: r.Text(2), Leaf: r.Text(2), Subscription: names[r.Text(3)], State: r.Text(4)}}, nil
	})
	if postgres.Denied(err) {
		return fmt.Errorf("%w: GRANT SELECT ON pg_catalog.pg_subscription_rel TO %s", err, subs.Role)
	}
	if err != nil {
		return err
	}
	there := map[[2]string]*arrival{}
	for _, v := range list {
		if there[v.at] == nil {
			there[v.at] = &arrival{}
		}
		if v.state.State != "" {
			there[v.at].states = append(there[v.at].states, v.state)
		}
	}
	for _, p := range c.tables {
		for _, l := range p.leaves {
			for i := range l.sendings {
				s := &l.sendings[i]
				s.on = there[[2]string{s.schema, s.rel}]
			}
			c.arrive(l)
		}
	}
	return nil
}

// arrive finds which sendings of a leaf reach the target. A subscription takes
// all of its publications at once: one that has the leaf by one of them gets what
// all of them send of it, and nothing of what others take.
func (c *carriage) arrive(l *leaf) {
	for i := range l.sendings {
		l.sendings[i].idle = true
	}
	for _, sub := range c.subscriptions {
		takes := func(s sending) bool { return slices.Contains(sub.Publications, s.publication) }
		has := slices.ContainsFunc(l.sendings, func(s sending) bool {
			return takes(s) && s.on != nil && slices.ContainsFunc(s.on.states, func(t postgres.TableState) bool { return t.Subscription == sub.Name })
		})
		for i := range l.sendings {
			if s := &l.sendings[i]; has && takes(*s) {
				s.idle = false
			}
		}
	}
}

// live is the server that writes a side, as far as it was given.
func (f *facts) live(side postgres.Side) *postgres.DB {
	if db, err := f.primaryOf(side); err == nil {
		return db
	}
	return f.on(side)
}

// readRows reads a statement's rows, expanded and filled for the server's side.
func readRows[T any](ctx context.Context, f *facts, db *postgres.DB, sql string, args []string, scan func(postgres.Row) (T, error)) ([]T, error) {
	st := postgres.Statement{SQL: f.features[db.Side()].Fill(f.expand(sql)), Args: args}
	var list []T
	err := readEach(ctx, db, "preflight", st, func() { list = nil }, func(r postgres.Row) error {
		v, err := scan(r)
		list = append(list, v)
		return err
	})
	return list, err
}

// textsOf reads a column that is an array without NULLs.
func textsOf(r postgres.Row, i int) (list []string, err error) {
	values, err := postgres.ParseTextArray(r.Bytes(i))
	for _, v := range values {
		if v != nil {
			list = append(list, *v)
		}
	}
	return list, err
}
