package cutover

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
)

// constraint is a foreign key, a check or a NOT NULL of a table.
type constraint struct {
	table      relation
	name, kind string // kind as pg_constraint.contype: f, c, n
	object     string // as preflight calls it
	valid      bool
	definition string
	owner      string // quoted
	mine       bool
}

// constraintsSQL gives those that are no partition's or child's copy of another:
// that one is validated with it. What is not enforced promises nothing. Before 18
// a NOT NULL has no name, and is never invalid.
const constraintsSQL = `SELECT n.nspname, c.relname, k.conname, k.contype::pg_catalog.text,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' constraint ' || pg_catalog.quote_ident(k.conname),
  k.convalidated, pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
  pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('f','c','n') AND k.coninhcount = 0 AND {{pg_constraint.conenforced ? k.conenforced : true}} AND n.nspname ` + foreign + `
{{pg_constraint.conenforced ?  : UNION ALL
SELECT n.nspname, c.relname, '', 'n', '', true, 'NOT NULL ' || pg_catalog.quote_ident(a.attname), '', true
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r','p') AND n.nspname ` + foreign + `}}
ORDER BY 1, 2, 3`

func (r *run) readConstraints(ctx context.Context, e *end) ([]constraint, error) {
	features, err := e.db.ReadFeatures(ctx)
	if err != nil {
		return nil, err
	}
	return rows(ctx, e.control, "constraints", features.Fill(constraintsSQL), func(row postgres.Row) constraint {
		return constraint{table: relation{row.Text(0), row.Text(1)}, name: row.Text(2), kind: row.Text(3), object: row.Text(4), valid: row.Bool(5),
			definition: row.Text(6), owner: row.Text(7), mine: row.Bool(8)}
	})
}

// counterpart is the constraint of the other side that is the same one: by its
// name, or by what it says. nil for none.
func counterpart(k constraint, others []constraint) *constraint {
	i := slices.IndexFunc(others, func(o constraint) bool { return o.table == k.table && o.kind == k.kind && o.name == k.name })
	if i < 0 {
		i = slices.IndexFunc(others, func(o constraint) bool {
			return o.table == k.table && o.kind == k.kind && o.definition == k.definition
		})
	}
	if i < 0 {
		return nil
	}
	return &others[i]
}

// validate has what holds on from hold on to. A foreign key that from does not
// vouch for is looked into, row by row: what applies changes does not check
// foreign keys, and VALIDATE CONSTRAINT says nothing of one that counts as valid.
func (r *run) validate(ctx context.Context) error {
	from, err := r.readConstraints(ctx, r.from)
	if err != nil {
		return err
	}
	to, err := r.readConstraints(ctx, r.to)
	if err != nil {
		return err
	}
	doubtful := map[string]*constraint{} // by object, with from's that is not valid, or none
	for _, k := range to {
		if !r.meant(k.table.schema, k.table.name) {
			continue
		}
		other := counterpart(k, from)
		switch {
		case other != nil && other.valid && k.valid:
		case other != nil && other.valid:
			if err := r.validateOne(ctx, k); err != nil {
				return err
			}
		case k.kind == "f":
			doubtful[k.object] = other
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	return r.orphans(ctx, doubtful)
}

func (r *run) validateOne(ctx context.Context, k constraint) error {
	err := r.owned(ctx, "ready-validate", "it holds on the "+r.from.name, "ALTER TABLE "+k.table.quoted()+" VALIDATE CONSTRAINT "+postgres.Ident(k.name), k.owner, k.mine)
	for _, code := range []string{"23502", "23503", "23514"} {
		if postgres.HasCode(err, code) {
			return fmt.Errorf("%w: rows there differ from the %s's, or it was restored in part: find them with `pgparity verify`", err, r.from.name)
		}
	}
	return err
}

// orphans proves that the doubtful foreign keys hold.
func (r *run) orphans(ctx context.Context, doubtful map[string]*constraint) error {
	keys, err := preflight.ForeignKeys(ctx, r.to.db)
	if err != nil {
		return err
	}
	others, err := preflight.ForeignKeys(ctx, r.from.db)
	if err != nil {
		return err
	}
	for _, k := range keys {
		other, is := doubtful[k.Object]
		if !is {
			continue
		}
		why := "only the " + r.to.name + " has it: what was applied was not checked"
		var there *preflight.ForeignKey
		if other != nil {
			why = "it is not valid on the " + r.from.name + " either: there are no more rows without theirs here"
			if i := slices.IndexFunc(others, func(o preflight.ForeignKey) bool { return o.Object == other.object }); i >= 0 {
				there = &others[i]
			}
		}
		err := r.gate(ctx, Action{ID: "ready-orphans", On: r.to.name, Do: k.OrphansStatement().SQL, Why: why}, func(ctx context.Context) error {
			return r.orphansOf(ctx, k, there)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// arrival is how long a row may take to follow one that points to it.
const arrival = 30 * time.Second

// orphansOf counts the orphans of one key; there is from's, nil where it has
// none. Rows that still arrive may come before those that they point to.
func (r *run) orphansOf(ctx context.Context, k preflight.ForeignKey, there *preflight.ForeignKey) error {
	if k.Missing != "" {
		return fmt.Errorf("%s: whether rows of %s lack theirs is hidden: %s", r.to.name, k.Object, k.Missing)
	}
	n, err := k.Orphans(ctx, r.to.db)
	if err != nil || n == 0 {
		return err
	}
	if r.fence != nil {
		wait, cancel := context.WithTimeout(ctx, arrival)
		defer cancel()
		if mark, err := r.fence.Mark(wait); err == nil {
			_ = r.fence.Wait(wait, mark) // where it stalls they are not on their way
		}
		if n, err = k.Orphans(ctx, r.to.db); err != nil || n == 0 {
			return err
		}
	}
	count := fmt.Sprint(n)
	if n > preflight.ManyOrphans {
		count = fmt.Sprintf("more than %d", preflight.ManyOrphans)
	}
	if there != nil && there.Missing == "" {
		same, err := there.Orphans(ctx, r.from.db)
		if err != nil {
			return err
		}
		if same >= n {
			r.note("%s: %s rows of %s point to a row that is not there, as on the %s, where the constraint is not valid either", r.to.name, count, k.Object, r.from.name)
			return nil
		}
	}
	return fmt.Errorf("%s: %s rows of %s point to a row that is not there: copy the missing rows, delete these, or drop the constraint, which the %s does not hold", r.to.name, count, k.Object, r.from.name)
}
