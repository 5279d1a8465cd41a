package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

const astraySQL = `SELECT r.srsubid::pg_catalog.text, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_subscription_rel r
JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE r.srsubid = ANY ($1::pg_catalog.oid[])
ORDER BY 2`

// targetSubscribes looks for subscriptions that have tables of the pair and do
// not follow the source: one that is enabled brings other rows, and one that is
// not, where nothing else feeds the target, is a replication that ended. Either
// looks like a pair at rest, or like a healthy one.
func targetSubscribes(ctx context.Context, f *facts) ([]Hazard, error) {
	db := f.live(postgres.Target)
	subs, err := db.ReadSubscriptions(ctx)
	if err != nil {
		return nil, err
	}
	var list []postgres.Subscription
	var oids []string
	for _, s := range subs.All {
		if slices.ContainsFunc(f.detection.Forward, func(x fence.Found) bool { return x.Kind == fence.KindLogical && x.Name == s.Name }) {
			continue
		}
		if s.OID == 0 {
			return nil, fmt.Errorf("target: read subscription %q: the role may not tell it from others of its name: GRANT SELECT (oid) ON pg_catalog.pg_subscription TO %s", s.Name, subs.Role)
		}
		list, oids = append(list, s), append(oids, fmt.Sprint(s.OID))
	}
	if len(list) == 0 {
		return nil, nil
	}
	rows, err := readRows(ctx, f, db, astraySQL, []string{postgres.TextArray(oids)}, func(r postgres.Row) ([2]string, error) {
		return [2]string{r.Text(0), r.Text(1)}, nil
	})
	if postgres.Denied(err) {
		return nil, fmt.Errorf("%w: GRANT SELECT ON pg_catalog.pg_subscription_rel TO %s", err, subs.Role)
	}
	if err != nil {
		return nil, err
	}
	own := map[string]bool{} // tables that the target alone has
	for _, t := range f.pair.Tables {
		own[t.Name] = t.Source == nil
	}
	tables := map[string][]string{}
	for _, r := range rows {
		if f.tables[r[1]] && !own[r[1]] {
			tables[r[0]] = append(tables[r[0]], r[1])
		}
	}
	var found []Hazard
	for i, s := range list {
		has := tables[oids[i]]
		h := Hazard{Object: "subscription " + plainName(s.Name), Severity: schema.Warn}
		switch {
		case len(has) == 0:
			continue
		case s.Enabled:
			h.Sentence = fmt.Sprintf("it brings rows into %s from elsewhere than the source: what it changes differs from the source, and can stop what comes from there", fewOf(has, ", "))
			h.Fix = "ALTER SUBSCRIPTION " + postgres.Ident(s.Name) + " DISABLE"
		case len(f.detection.Forward) > 0: // what else has these tables is looked at one by one
			continue
		default:
			h.Sentence = fmt.Sprintf("it has %s, is disabled, has no slot on the source, and nothing else feeds the target: what has changed on the source since then never arrives; copy the tables anew, or drop it where the target was filled otherwise", fewOf(has, ", "))
			if h.Severity = schema.Block; f.o.Fence.Kind == fence.KindStill {
				h.Severity = schema.Info // the operator says that nothing is to arrive
			}
		}
		found = append(found, h)
	}
	return found, nil
}

// cascadeOrigin looks at the last hop of a cascade, which has to hand on what its
// publisher got by replication itself.
var cascadeOrigin = Detector{
	ID: "cascade-origin", Severity: schema.Block, Side: postgres.Target, Primary: true, Needs: []string{"pg_subscription.suborigin"},
	About: "subscriptions of a cascade that leave out what came by replication",
	When: func(f *facts) string {
		switch {
		case f.o.Fence.Via == nil:
			return "the source's changes come without a database in the middle"
		case f.carries(fence.KindPhysical):
			return "the middle is a physical standby, where changes keep no origin of its own"
		}
		return onlyNative(f)
	},
	Args: func(f *facts) []string {
		var names []string
		for _, found := range f.detection.Forward {
			if found.Kind == fence.KindLogical {
				names = append(names, found.Name)
			}
		}
		return []string{postgres.TextArray(names)}
	},
	SQL: `SELECT 'subscription ' || pg_catalog.quote_ident(s.subname), 'it takes only what was written in the middle itself (origin = none): none of the source''s changes arrives, while all positions look well',
  'ALTER SUBSCRIPTION ' || pg_catalog.quote_ident(s.subname) || ' SET (origin = any)'
FROM pg_catalog.pg_subscription s
WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND s.subname = ANY ($1::pg_catalog.text[]) AND s.suborigin = 'none'`,
}
