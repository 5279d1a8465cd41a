package cutover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// trigger is one of the user's, of a table or of the database.
type trigger struct {
	schema, table, name string // no table: an event trigger
	enabled             string // as pg_trigger.tgenabled: O, R, A, D
	mine                bool   // the role may change it
	owner               string // of an event trigger, quoted
}

// same tells whether two sides' are one.
func (g trigger) same(other trigger) bool {
	return g.schema == other.schema && g.table == other.table && g.name == other.name
}

// triggersSQL are the user's triggers, with how each is enabled. What a
// partition's has from its root's is set on each, as it may differ; before 13
// those are internal and follow their root's.
const triggersSQL = `SELECT n.nspname, c.relname, t.tgname, t.tgenabled::pg_catalog.text, true, ''
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND c.relkind IN ('r','p','f') AND n.nspname NOT LIKE 'pg\_%'
  AND n.nspname NOT IN ('information_schema','bucardo','pglogical','pgparity','repack','squeeze')
UNION ALL
SELECT '', '', e.evtname, e.evtenabled::pg_catalog.text, pg_catalog.pg_has_role(e.evtowner, 'USAGE'), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.evtowner))
FROM pg_catalog.pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND d.objid = e.oid AND d.deptype = 'e')
ORDER BY 1, 2, 3`

func (r *run) readTriggers(ctx context.Context, e *end) ([]trigger, error) {
	return rows(ctx, e.control, "triggers", triggersSQL, func(row postgres.Row) trigger {
		return trigger{row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Bool(4), row.Text(5)}
	})
}

// enabling is how a state is called in a statement.
var enabling = map[string]string{"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS", "D": "DISABLE"}

// set is the statement that brings the trigger into a state. Each partition has
// a statement of its own, but for servers where their triggers only follow.
func (g trigger) set(state string, eachOwn bool) string {
	if g.table == "" {
		return "ALTER EVENT TRIGGER " + postgres.Ident(g.name) + " " + enabling[state]
	}
	only := ""
	if eachOwn {
		only = "ONLY "
	}
	return "ALTER TABLE " + only + postgres.Ident(g.schema, g.table) + " " + enabling[state] + " TRIGGER " + postgres.Ident(g.name)
}

// planTriggers finds the triggers of to that are enabled otherwise than those of
// from, and remembers the statements that make them alike, and their reverse.
// They wait for the end of the replication: until then, what it applies would
// fire them. What was planned before and is done stays planned: it is to be taken
// back.
func (r *run) planTriggers(ctx context.Context) error {
	features, err := r.to.db.ReadFeatures(ctx)
	if err != nil {
		return err
	}
	from, err := r.readTriggers(ctx, r.from)
	if err != nil {
		return err
	}
	to, err := r.readTriggers(ctx, r.to)
	if err != nil {
		return err
	}
	eachOwn := features.Has("pg_trigger.tgparentid")
	r.forgetTriggers(to, eachOwn)
	var refused []string
	for _, g := range to {
		i := slices.IndexFunc(from, g.same)
		if i < 0 || from[i].enabled == g.enabled || g.table != "" && !r.meant(g.schema, g.table) {
			continue
		}
		if !g.mine {
			refused = append(refused, fmt.Sprintf("%s (owner %s)", postgres.Ident(g.name), g.owner))
			continue
		}
		if do := g.set(from[i].enabled, eachOwn); !slices.Contains(r.facts.Enabled, do) {
			r.facts.Enabled = append(r.facts.Enabled, do)
			r.facts.Disabled = append(r.facts.Disabled, g.set(g.enabled, eachOwn))
		}
	}
	if len(refused) > 0 {
		r.note("%s: event triggers are enabled otherwise than on the %s, and only their owners may change that: %s", r.to.name, r.from.name, few(refused))
	}
	return nil
}

// forgetTriggers forgets what was planned and is not done: the other side may have
// other triggers by now.
func (r *run) forgetTriggers(to []trigger, eachOwn bool) {
	var enabled, disabled []string
	for i, do := range r.facts.Enabled {
		if slices.ContainsFunc(to, func(g trigger) bool { return g.set(g.enabled, eachOwn) == do }) {
			enabled, disabled = append(enabled, do), append(disabled, r.facts.Disabled[i])
		}
	}
	r.facts.Enabled, r.facts.Disabled = enabled, disabled
}

// enableTriggers enables on to what is enabled on from, in one transaction.
func (r *run) enableTriggers(ctx context.Context) error {
	if len(r.facts.Enabled) == 0 {
		return nil
	}
	return r.sql(ctx, r.to, "triggers-enable", "they fire as they do on the "+r.from.name+", now that nothing is applied any more", strings.Join(r.facts.Enabled, ";\n"))
}

// disableTriggers takes it back: what is already as it was is left alone, so
// that no lock is taken for it.
func (r *run) disableTriggers(ctx context.Context) error {
	if len(r.facts.Disabled) == 0 {
		return nil
	}
	list := r.facts.Disabled
	if !r.exec.dry() {
		features, err := r.to.db.ReadFeatures(ctx)
		if err != nil {
			return err
		}
		now, err := r.readTriggers(ctx, r.to)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(slices.Clone(list), func(do string) bool {
			return slices.ContainsFunc(now, func(g trigger) bool {
				return g.set(g.enabled, features.Has("pg_trigger.tgparentid")) == do
			})
		})
	}
	if len(list) > 0 {
		if err := r.sql(ctx, r.to, "triggers-disable", "as they were before", strings.Join(list, ";\n")); err != nil {
			return err
		}
	}
	r.facts.Enabled, r.facts.Disabled = nil, nil
	return nil
}
