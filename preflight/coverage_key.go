package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// keyed is a relation with what identifies its rows.
type keyed struct {
	root, schema, rel, name string // root: the report name of the table that it is a partition of, or its own
	partitioned             bool
	indexed                 bool // a btree for all rows begins with a plain column
	identity                byte // pg_class.relreplident
	uniques                 []*unique
}

// unique is a unique index over plain columns, valid and for all rows.
type unique struct {
	name, constraint string // quoted; constraint "" for a mere index
	primary, replica bool
	immediate        bool     // not deferrable: others can't find rows by it
	columns, quoted  []string // in order
}

// keyedSQL asks for each constraint by itself: the server takes rel for a few rows,
// and would join all of its tables with all constraints one by one.
const keyedSQL = `WITH RECURSIVE {{rel}}, ` + leavesOf + `
SELECT t.rootname, rel.nspname, rel.relname, rel.name, rel.relkind = 'p', rel.relreplident,
  rel.oid IN (SELECT b.indrelid FROM pg_catalog.pg_index b JOIN pg_catalog.pg_class bc ON bc.oid = b.indexrelid JOIN pg_catalog.pg_am m ON m.oid = bc.relam
    WHERE m.amname = 'btree' AND b.indisvalid AND b.indpred IS NULL AND b.indkey[0] <> 0),
  pg_catalog.quote_ident(x.relname), coalesce((SELECT pg_catalog.quote_ident(k.conname) FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = rel.oid AND k.conindid = i.indexrelid AND k.contype IN ('p','u')), ''), i.indisprimary, i.indisreplident, i.indimmediate,
  names.plain, names.quoted
FROM rel
JOIN tree t ON t.oid = rel.oid
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid AND i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL
LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
LEFT JOIN LATERAL (SELECT pg_catalog.array_agg(a.attname ORDER BY g.p) AS plain, pg_catalog.array_agg(pg_catalog.quote_ident(a.attname) ORDER BY g.p) AS quoted
  FROM pg_catalog.generate_series(0, {{pg_index.indnkeyatts ? i.indnkeyatts : i.indnatts}} - 1) g(p)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[g.p]) names ON i.indexrelid IS NOT NULL
ORDER BY rel.nspname, rel.relname, rel.oid, i.indisprimary DESC, x.relname`

// keyrings are both sides' relations with their keys, read once.
type keyrings struct {
	once  sync.Once
	err   error
	sides [2][]*keyed
}

// readKeys reads them. The error is the same for all who ask.
func (f *facts) readKeys(ctx context.Context) ([2][]*keyed, error) {
	k := &f.carriage.keys
	k.once.Do(func() {
		k.sides, k.err = postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) ([]*keyed, error) {
			return f.readKeyring(ctx, db)
		})
	})
	return k.sides, k.err
}

func (f *facts) readKeyring(ctx context.Context, db *postgres.DB) (all []*keyed, err error) {
	type row struct {
		keyed
		unique *unique
	}
	list, err := readRows(ctx, f, db, keyedSQL, nil, func(r postgres.Row) (row, error) {
		v := row{keyed: keyed{root: r.Text(0), schema: r.Text(1), rel: r.Text(2), name: r.Text(3), partitioned: r.Bool(4), identity: r.Text(5)[0], indexed: r.Bool(6)}}
		if r.Null(7) {
			return v, nil
		}
		v.unique = &unique{name: r.Text(7), constraint: r.Text(8), primary: r.Bool(9), replica: r.Bool(10), immediate: r.Bool(11)}
		var err error
		if v.unique.columns, err = textsOf(r, 12); err != nil {
			return v, err
		}
		v.unique.quoted, err = textsOf(r, 13)
		return v, err
	})
	for i := range list {
		v := &list[i]
		if n := len(all); n == 0 || all[n-1].name != v.name {
			all = append(all, &v.keyed)
		}
		if last := all[len(all)-1]; v.unique != nil {
			last.uniques = append(last.uniques, v.unique)
		}
	}
	return all, err
}

// identified is the index by which a relation's rows are told apart: what its
// changes carry as a publisher, and how they are found as a subscriber. nil for
// none, or for all columns.
func (k *keyed) identified() *unique {
	for _, u := range k.uniques {
		if k.identity == 'i' && u.replica || k.identity != 'i' && u.primary && u.immediate {
			return u
		}
	}
	return nil
}

// same tells whether two indexes are over the same columns.
func (u *unique) same(other *unique) bool {
	return slices.Equal(slices.Sorted(slices.Values(u.columns)), slices.Sorted(slices.Values(other.columns)))
}

func (u *unique) list() string { return "(" + strings.Join(u.quoted, ", ") + ")" }

// twins gives the target's relations by name.
func twins(target []*keyed) map[[2]string]*keyed {
	byName := map[[2]string]*keyed{}
	for _, t := range target {
		byName[[2]string{t.schema, t.rel}] = t
	}
	return byName
}

func keyDiffers(ctx context.Context, f *facts) ([]Hazard, error) {
	sides, err := f.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	there := twins(sides[1])
	var found []Hazard
	roots := map[string]bool{} // what is told of a root need not be told of its partitions
	for _, partitioned := range []bool{true, false} {
		for _, s := range sides[0] {
			t := there[[2]string{s.schema, s.rel}]
			u := s.identified()
			if s.partitioned != partitioned || t == nil || u == nil || s.identity == 'n' || s.identity == 'f' || roots[s.root] || !f.tables[s.root] {
				continue
			}
			if sentence, fix := keyProblem(u, t, f.native()); sentence != "" {
				found = append(found, Hazard{Object: t.name, Sentence: sentence, Fix: fix})
				roots[s.root] = roots[s.root] || partitioned
			}
		}
	}
	return found, nil
}

// keyProblem says what is wrong with the target's key, against the source's
// identity, and what mends it. native: logical replication applies changes to it.
func keyProblem(u *unique, t *keyed, native bool) (sentence, fix string) {
	var same, deferred *unique
	for _, c := range t.uniques {
		switch {
		case !c.same(u):
		case c.immediate && same == nil:
			same = c
		case !c.immediate && deferred == nil:
			deferred = c
		}
	}
	stops := "applying an UPDATE or DELETE of it stops the subscription"
	if !native {
		stops = "rows get in twice that the source refuses, and logical replication can't find the row to change"
	}
	own := t.identified()
	switch {
	case same == nil && deferred != nil && deferred.primary:
		return fmt.Sprintf("the target's key %s is deferrable, so that rows can't be found by it: %s", u.list(), stops),
			fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s, ADD PRIMARY KEY %s", t.name, deferred.constraint, u.list())
	case same == nil && own == nil:
		fix = fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY %s", t.name, u.list())
		if slices.ContainsFunc(t.uniques, func(c *unique) bool { return c.primary }) {
			fix = ""
		}
		return fmt.Sprintf("the target has no unique key on %s, by which the source tells rows apart: %s", u.list(), stops), fix
	case same == nil:
		return fmt.Sprintf("the target tells rows apart by %s, the source by %s: %s", own.list(), u.list(), stops), ""
	case !native, t.partitioned: // its partitions are what changes are applied to
		return "", ""
	case own == nil:
		return fmt.Sprintf("the target has a unique index on %s, but neither a primary key nor a replica identity to find rows by: %s", u.list(), stops),
			fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", t.name, same.name)
	case slices.ContainsFunc(own.columns, func(c string) bool { return !slices.Contains(u.columns, c) }):
		return fmt.Sprintf("the target finds rows by %s, of which the source sends only %s: %s", own.list(), u.list(), stops),
			fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", t.name, same.name)
	}
	return "", ""
}

// identityFull looks for tables whose changes carry all columns. The target finds
// a row by its own key where it has one; from 16 on by any index.
func identityFull(ctx context.Context, f *facts) ([]Hazard, error) {
	sides, err := f.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	there := twins(sides[1])
	byAnyIndex := f.lacks(postgres.Target, []string{"pg_subscription.suborigin"}) == "" // 16 brought both
	roots := map[string]*keyed{}                                                        // the target's, by the source's report name
	for _, s := range sides[0] {
		if s.name == s.root {
			roots[s.root] = there[[2]string{s.schema, s.rel}]
		}
	}
	whole, slow := map[string]bool{}, map[string]bool{} // by root
	for _, s := range sides[0] {
		if s.identity != 'f' || s.partitioned {
			continue
		}
		whole[s.root] = true
		t := there[[2]string{s.schema, s.rel}]
		if t == nil { // of other partitions the root tells
			t = roots[s.root]
		}
		if t != nil && t.identified() == nil && (!t.indexed || !byAnyIndex) {
			slow[s.root] = true
		}
	}
	var found []Hazard
	for _, t := range f.pair.Tables {
		switch {
		case slow[t.Name] && t.Source != nil:
			found = append(found, Hazard{Object: t.Name, Sentence: fmt.Sprintf("its replica identity is FULL, and the target has no index to find a row by: it reads the whole table (%s on the source) for each row that an UPDATE or DELETE changes, and falls behind", size(t.Source.Bytes))})
		case whole[t.Name]:
			found = append(found, Hazard{Object: t.Name, Severity: schema.Info, Sentence: "its replica identity is FULL: each UPDATE and DELETE logs and sends the whole old row"})
		}
	}
	return found, nil
}
