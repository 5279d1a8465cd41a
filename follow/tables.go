package follow

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// followed is a table that is followed.
type followed struct {
	*checker.WindowTable
	print   postgres.Print // its definition when the Follower began, and its files
	leaves  []string       // the relations that hold its rows, as quote_ident prints them
	changed bool           // it was redefined since: nothing of it can be judged
}

// choose decides which tables can be followed at all.
func (f *follower) choose(ctx context.Context) (refused []Refusal, err error) {
	oids, byOID := []uint32{}, map[uint32]*checker.WindowTable{}
	for _, t := range f.window.Tables {
		if t.Source == nil {
			continue
		}
		oids = append(oids, t.Source.OID)
		byOID[t.Source.OID] = t
	}
	members, err := f.source.ReadMembers(ctx, oids)
	if err != nil {
		return nil, err
	}
	of := map[uint32][]postgres.Member{}
	for _, m := range members {
		of[m.Root] = append(of[m.Root], m)
	}
	for _, t := range f.window.Tables {
		if t.Source == nil {
			continue
		}
		if why := unfollowable(t, of[t.Source.OID]); why != "" {
			refused = append(refused, Refusal{t.Name, why})
			continue
		}
		ft := &followed{WindowTable: t}
		for _, m := range of[t.Source.OID] {
			f.routes[m.OID] = t.Name
			if m.Kind == 'r' {
				ft.leaves = append(ft.leaves, m.Quoted)
			}
		}
		f.tables[t.Name] = ft
	}
	return refused, nil
}

// unfollowable says why the changes of a table's rows don't tell which rows they are of, or
// why those can't be judged; "" where they can.
func unfollowable(t *checker.WindowTable, members []postgres.Member) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case !t.Keyed || t.Key == nil:
		return "it has no key by which a row is found again (" + t.KeyReason + "): only a full pass compares it"
	case t.Source.Kind != 'r' && t.Source.Kind != 'p':
		return "its changes are not sent: it is no plain table"
	case len(members) == 0:
		return "it is not there any more"
	}
	var key []string
	for _, k := range t.Key.Columns {
		key = append(key, k.Name)
	}
	for _, m := range members {
		switch {
		case m.Kind == 'p':
		case m.Kind != 'r' || m.Persistence != 'p':
			return fmt.Sprintf("changes of %s are not sent: it is foreign, unlogged or temporary", m.Quoted)
		case m.Full:
		case len(m.Identity) == 0:
			return fmt.Sprintf("%s has no replica identity, so its changes don't tell which rows they are of: ALTER TABLE %[1]s REPLICA IDENTITY USING INDEX (or FULL)", m.Quoted)
		case !subset(key, m.Identity):
			return fmt.Sprintf("its key is (%s), and the replica identity of %s is (%s): make them the same, by ALTER TABLE %[2]s REPLICA IDENTITY, or by `keys` in the configuration",
				strings.Join(key, ", "), m.Quoted, strings.Join(m.Identity, ", "))
		}
	}
	return ""
}

func subset(part, all []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(all, s) })
}

// published are the publications that the stream is read by.
type published struct {
	names []string
	all   []string // that there are
	own   string   // of ours, where there is one, in use or not
	made  bool     // it was not there before
}

// publications chooses those that publish the tables, all operations and all rows, and makes
// one for tables that have none.
//
// One for a table without an identity would make the application's UPDATE fail: there is no
// such table here. Ours names leaves rather than roots, so that no partition that is added
// later gets into it.
func (f *follower) publications(ctx context.Context, own string) (use published, refused []Refusal, err error) {
	all, err := f.source.PublicationNames(ctx)
	if err != nil {
		return use, nil, err
	}
	use.all = all
	list, err := f.source.ReadPublications(ctx, all)
	if err != nil {
		return use, nil, err
	}
	var ours *postgres.Publication
	left := f.names()
	for i, p := range list {
		if p.Name == own {
			ours, use.own = &list[i], own
			continue
		}
		if before := len(left); len(p.Withheld) == 0 && len(p.Narrowed) == 0 {
			left = slices.DeleteFunc(left, func(name string) bool { return f.tables[name].publishedBy(p) })
			if len(left) < before {
				use.names = append(use.names, p.Name)
			}
		}
	}
	if len(left) == 0 {
		return use, nil, nil
	}
	if f.o.Observe { // of those that are published by ours already the state knows
		return f.observed(own, left, ours, use)
	}
	if err := f.publish(ctx, own, left, ours); err != nil {
		if !postgres.HasCode(err, "42501") {
			return use, nil, err
		}
		sql := fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s", own, strings.Join(f.leavesOf(left), ", "))
		for _, name := range left {
			refused = append(refused, Refusal{name, "no publication has all of its changes, and the role may not make one: its owner has to, " + sql})
			f.forget(name)
		}
		return use, refused, nil
	}
	use.names, use.own, use.made = append(use.names, own), own, ours == nil
	return use, nil, nil
}

// observed takes our publication as it is, and forgets what it lacks.
func (f *follower) observed(own string, left []string, ours *postgres.Publication, use published) (published, []Refusal, error) {
	var refused []Refusal
	for _, name := range left {
		if ours == nil || !subset(f.tables[name].leaves, ours.Tables) {
			refused = append(refused, Refusal{name, "no publication that is followed has all of its changes"})
			f.forget(name)
			continue
		}
		if !subset([]string{own}, use.names) {
			use.names = append(use.names, own)
		}
	}
	return use, refused, nil
}

// publishedBy tells whether a publication has all changes of the table.
func (t *followed) publishedBy(p postgres.Publication) bool {
	filtered := func(relation string) bool { return slices.Contains(p.Filtered, relation) }
	if filtered(t.Source.Quoted) || slices.ContainsFunc(t.leaves, filtered) {
		return false
	}
	return slices.Contains(p.Tables, t.Source.Quoted) || len(t.leaves) > 0 && subset(t.leaves, p.Tables)
}

func (f *follower) leavesOf(tables []string) []string {
	var leaves []string
	for _, name := range tables {
		leaves = append(leaves, f.tables[name].leaves...)
	}
	slices.Sort(leaves)
	return leaves
}

// publish makes our publication, or brings it up to date.
func (f *follower) publish(ctx context.Context, own string, tables []string, ours *postgres.Publication) error {
	leaves := f.leavesOf(tables)
	sql := "CREATE PUBLICATION " + own + " FOR TABLE " + strings.Join(leaves, ", ")
	switch {
	case len(leaves) == 0 && ours == nil:
		sql = "CREATE PUBLICATION " + own
	case ours != nil && slices.Equal(slices.Sorted(slices.Values(ours.Tables)), leaves):
		return nil
	case ours != nil && len(leaves) == 0:
		return nil
	case ours != nil:
		sql = "ALTER PUBLICATION " + own + " SET TABLE " + strings.Join(leaves, ", ")
	}
	return f.control(ctx, func(c *postgres.Control) error { return c.Exec(ctx, "publication", sql) })
}

// names are the tables that are followed, in order.
func (f *follower) names() []string {
	names := make([]string, 0, len(f.tables))
	for name := range f.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *follower) forget(table string) {
	delete(f.tables, table)
	for oid, name := range f.routes {
		if name == table {
			delete(f.routes, oid)
		}
	}
}

// prints reads the definitions of the followed tables, by name.
func (f *follower) prints(ctx context.Context) (map[string]postgres.Print, error) {
	var oids []uint32
	for _, t := range f.tables {
		oids = append(oids, t.Source.OID)
	}
	byOID, err := f.source.ReadPrints(ctx, oids, f.state.Publications)
	if err != nil {
		return nil, err
	}
	prints := map[string]postgres.Print{}
	for name, t := range f.tables {
		prints[name] = byOID[t.Source.OID]
	}
	return prints, nil
}

// route is a postgres.ChangesOptions.Route. Of a partition that was added since nothing is
// known: that changes its root's definition.
func (f *follower) route(r postgres.Relation) postgres.Route {
	name := f.routes[r.OID]
	if name == "" {
		return postgres.Route{}
	}
	route := postgres.Route{Table: name}
	for _, k := range f.tables[name].Key.Columns {
		route.Key = append(route.Key, k.Name)
	}
	return route
}

// stored is a print as the state has it.
func stored(p postgres.Print) string { return p.Definition + " " + p.Files }
