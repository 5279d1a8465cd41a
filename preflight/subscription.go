package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// subscriptionDetectors look at subscriptions and the roles behind them.
var subscriptionDetectors = []Detector{
	{
		ID: "publisher-role", Severity: schema.Block, Side: postgres.Source, When: onlyPublished,
		About: "what the subscription's role may not read on the source", Find: publisherRole,
	},
	{
		ID: "subscription-options", Severity: schema.Warn, Side: postgres.Target, When: onlyPublished,
		About: "options of subscriptions that are in the way of a switch", Find: subscriptionOptions,
	},
	{
		ID: "source-subscribes", Severity: schema.Block, Side: postgres.Source,
		About: "subscriptions that write into the source from elsewhere", Find: sourceSubscribes,
	},
	{
		ID: "target-subscribes", Severity: schema.Block, Side: postgres.Target, When: notPhysical,
		About: "subscriptions of the target that do not follow the source", Find: targetSubscribes,
	},
	cascadeOrigin,
	{
		ID: "loop-back", Severity: schema.Block, When: onlyPublished,
		About: "changes that are sent back to where they came from", Find: loopBack,
	},
	{
		ID: "heartbeat-in-all-tables", Severity: schema.Warn, Side: postgres.Target, When: onlyPublished,
		About: "heartbeat tables that are published, and not followed on the target", Find: heartbeatInAllTables,
	},
}

const senderRolesSQL = `WITH RECURSIVE sender AS (
  SELECT DISTINCT a.oid, a.rolname, a.rolsuper, a.rolreplication, a.rolbypassrls
  FROM pg_catalog.pg_replication_slots s
  JOIN pg_catalog.pg_stat_replication w ON w.pid = s.active_pid
  JOIN pg_catalog.pg_roles a ON a.oid = w.usesysid
  WHERE s.slot_name = ANY ($1::pg_catalog.text[])
), copied AS (
  SELECT c.oid, n.oid AS schema, n.nspname, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($2::pg_catalog.oid[])
)
SELECT pg_catalog.quote_ident(sender.rolname),
  NOT (sender.rolsuper OR sender.rolreplication OR EXISTS (SELECT FROM pg_catalog.pg_roles m
    WHERE m.rolname LIKE 'rds%' AND pg_catalog.pg_has_role(sender.oid, m.oid, 'USAGE'))),
  ARRAY(SELECT DISTINCT pg_catalog.quote_ident(c.nspname) FROM copied c WHERE NOT pg_catalog.has_schema_privilege(sender.oid, c.schema, 'USAGE') ORDER BY 1),
  ARRAY(SELECT c.name FROM copied c WHERE NOT pg_catalog.has_table_privilege(sender.oid, c.oid, 'SELECT') ORDER BY 1),
  ARRAY(SELECT c.name FROM copied c WHERE c.relrowsecurity AND NOT (sender.rolsuper OR sender.rolbypassrls)
    AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(sender.oid, c.relowner, 'USAGE')) ORDER BY 1)
FROM sender
ORDER BY 1`

// publisherRole looks at the roles by which the subscriptions are connected at
// the moment. What is copied already they need not read any more.
func publisherRole(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	var slots, oids []string
	for _, s := range c.subscriptions {
		slots = append(slots, s.Slot)
	}
	for _, p := range c.tables {
		for _, l := range p.leaves {
			for _, s := range l.sendings {
				if (s.on == nil || !s.on.ready()) && len(s.without) == 0 { // of a list of columns these suffice
					oids = append(oids, fmt.Sprint(s.oid))
				}
			}
		}
	}
	type role struct {
		name                   string
		bars                   bool
		schemas, tables, hides []string
	}
	roles, err := readRows(ctx, f, f.live(postgres.Source), senderRolesSQL, []string{postgres.TextArray(slots), postgres.TextArray(oids)}, func(r postgres.Row) (v role, err error) {
		v.name, v.bars = r.Text(0), r.Bool(1)
		for i, to := range []*[]string{&v.schemas, &v.tables, &v.hides} {
			if *to, err = textsOf(r, 2+i); err != nil {
				return v, err
			}
		}
		return v, nil
	})
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, r := range roles {
		var says, fixes []string
		add := func(say, fix string) { says, fixes = append(says, say), append(fixes, fix) }
		if r.bars {
			add("it lost REPLICATION: once its connection ends, it gets none", "ALTER ROLE "+r.name+" REPLICATION")
		}
		if len(r.schemas) > 0 {
			add("it lacks USAGE on schema "+fewOf(r.schemas, ", ")+": tables there can't be copied", "GRANT USAGE ON SCHEMA "+strings.Join(r.schemas, ", ")+" TO "+r.name)
		}
		if len(r.tables) > 0 {
			add("it lacks SELECT on "+fewOf(r.tables, ", ")+": the copy fails again and again, while the subscription looks alive", "GRANT SELECT ON "+strings.Join(r.tables, ", ")+" TO "+r.name)
		}
		if len(r.hides) > 0 {
			add("row security hides rows of "+fewOf(r.hides, ", ")+" from it: the copy leaves them out without an error", "ALTER ROLE "+r.name+" BYPASSRLS")
		}
		if len(says) > 0 {
			found = append(found, Hazard{Object: "role " + r.name, Sentence: strings.Join(says, "; "), Fix: strings.Join(fixes, "; ")})
		}
	}
	return found, nil
}

// ready tells whether every subscription that has the relation carries it.
func (a *arrival) ready() bool {
	return len(a.states) > 0 && !slices.ContainsFunc(a.states, func(s postgres.TableState) bool { return !s.Ready() })
}

const subscribedSQL = `SELECT s.subname, pg_catalog.quote_ident(s.subname), s.subenabled,
  {{pg_subscription.subbinary ? s.subbinary : false}}, {{pg_subscription.subtwophasestate ? s.subtwophasestate : 'd'}} = 'p',
  {{pg_subscription.subdisableonerr ? s.subdisableonerr : false}}, {{pg_subscription.subrunasowner ? s.subrunasowner : false}},
  {{pg_subscription.subpasswordrequired ? NOT s.subpasswordrequired : false}} AND NOT r.rolsuper,
  {{pg_subscription.suborigin ? s.suborigin : 'any'}}, {{pg_subscription.subskiplsn ? nullif(s.subskiplsn, '0/0')::pg_catalog.text : NULL::pg_catalog.text}}
FROM pg_catalog.pg_subscription s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.subowner
WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY s.subname`

// subscribed are a subscription's options.
type subscribed struct {
	name, quoted                                                  string
	enabled, binary, pending, disables, asOwner, passwordOptional bool
	origin                                                        string // any or none
	skips                                                         string // where the transaction ends that is to be left out, "" for none
}

func (f *facts) readSubscribed(ctx context.Context, db *postgres.DB) ([]subscribed, error) {
	return readRows(ctx, f, db, subscribedSQL, nil, func(r postgres.Row) (subscribed, error) {
		return subscribed{r.Text(0), r.Text(1), r.Bool(2), r.Bool(3), r.Bool(4), r.Bool(5), r.Bool(6), r.Bool(7), r.Text(8), r.Text(9)}, nil
	})
}

func subscriptionOptions(ctx context.Context, f *facts) ([]Hazard, error) {
	list, err := f.readSubscribed(ctx, f.live(postgres.Target))
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, s := range list {
		if !slices.Contains(f.subscriptions, s.name) {
			continue
		}
		add := func(on bool, severity schema.Severity, sentence, fix string) {
			if on {
				found = append(found, Hazard{Object: "subscription " + s.quoted, Severity: severity, Sentence: sentence, Fix: fix})
			}
		}
		set := func(option string) string { return "ALTER SUBSCRIPTION " + s.quoted + " SET (" + option + ")" }
		add(s.binary && f.binaryDiffers(), schema.Warn, "it takes values in binary form, which the two servers' types need not have in common: one that differs stops it", set("binary = false"))
		add(s.pending, schema.Warn, "two_phase waits until all tables are copied: until then prepared transactions arrive only when they are committed", "")
		add(s.disables, schema.Warn, "the first error switches it off (disable_on_error), and nothing arrives from then on", set("disable_on_error = false"))
		add(s.skips != "", schema.Warn, "it leaves out the next transaction if that ends at "+s.skips+" (SKIP): what that changed never arrives", "ALTER SUBSCRIPTION "+s.quoted+" SKIP (lsn = NONE)")
		add(s.asOwner, schema.Info, "it applies as its owner (run_as_owner): code of triggers on the target runs with that role's rights", set("run_as_owner = false"))
		add(s.passwordOptional, schema.Info, "its owner is no superuser and needs no password (password_required = false): that role cannot alter it any more", "")
	}
	return found, nil
}

// binaryDiffers tells whether a type of the tables may have another binary form
// on the other side: another version, or a type that is not built in.
func (f *facts) binaryDiffers() bool {
	if f.source.Server().Major() != f.target.Server().Major() {
		return true
	}
	for _, t := range f.pair.Tables {
		for _, c := range t.Columns {
			if !c.Source.Type.Underlying().BuiltIn {
				return true
			}
		}
	}
	return false
}

// sourceSubscribes looks for what writes into the source and is not the target.
func sourceSubscribes(ctx context.Context, f *facts) ([]Hazard, error) {
	list, err := f.readSubscribed(ctx, f.live(postgres.Source))
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, s := range list {
		back := slices.ContainsFunc(f.detection.Reverse, func(r fence.Found) bool { return r.Kind == fence.KindLogical && r.Name == s.name })
		if s.enabled && !back {
			found = append(found, Hazard{Object: "subscription " + s.quoted, Sentence: "it writes into the source from elsewhere, also while that is frozen: what it applies after the switch the target never gets", Fix: "ALTER SUBSCRIPTION " + s.quoted + " DISABLE"})
		}
	}
	return found, nil
}

// heartbeatInAllTables looks for markers that FOR ALL TABLES publishes, there
// already or as soon as they are made.
func heartbeatInAllTables(ctx context.Context, f *facts) ([]Hazard, error) {
	var names []string
	for _, b := range f.o.Fence.Heartbeats {
		names = append(names, b.Table)
	}
	if len(names) == 0 {
		return nil, nil
	}
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(c.publications, func(p publication) bool { return p.allTables }) {
		return nil, nil
	}
	type marker struct {
		name              string
		there, subscribed bool
	}
	list, err := readRows(ctx, f, f.live(postgres.Target), `SELECT w.name, t.oid IS NOT NULL,
  EXISTS (SELECT FROM pg_catalog.pg_subscription_rel r WHERE r.srrelid = t.oid)
FROM pg_catalog.unnest($1::pg_catalog.text[]) w(name) CROSS JOIN LATERAL (SELECT pg_catalog.to_regclass(w.name)::pg_catalog.oid AS oid) t`,
		[]string{postgres.TextArray(names)}, func(r postgres.Row) (marker, error) {
			return marker{r.Text(0), r.Bool(1), r.Bool(2)}, nil
		})
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, m := range list {
		h := Hazard{Object: m.name}
		switch {
		case !m.there:
			h.Sentence = "the source publishes all its tables, and the target does not have this one: the first beat stops the subscription; create it on the target, then REFRESH the subscription"
		case !m.subscribed && len(f.subscriptions) > 0:
			h.Sentence = "the source publishes it, and no subscription has it: no beat arrives"
			h.Fix = "ALTER SUBSCRIPTION " + postgres.Ident(f.subscriptions[0]) + " REFRESH PUBLICATION"
		default:
			continue
		}
		found = append(found, h)
	}
	return found, nil
}
