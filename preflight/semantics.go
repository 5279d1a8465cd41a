package preflight

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// semanticsDetectors look at constraints, indexes and triggers that are not in
// force. What is in force on one side alone is for the comparison of schemas.
var semanticsDetectors = []Detector{
	{
		ID: "constraint-not-valid", Severity: schema.Warn, Side: postgres.Source, When: notPhysical,
		About: "constraints that rows may break",
		SQL: `WITH {{rel}}, con AS (
  SELECT k.*, {{pg_constraint.conenforced ? k.conenforced : true}} AS enforced,
    CASE WHEN k.conrelid <> 0 THEN rel.name ELSE 'domain ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) END AS owner
  FROM pg_catalog.pg_constraint k LEFT JOIN rel ON rel.oid = k.conrelid
  LEFT JOIN pg_catalog.pg_type t ON t.oid = k.contypid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  WHERE NOT k.convalidated AND k.coninhcount = 0 AND (rel.oid IS NOT NULL OR k.contypid <> 0 AND {{own n.nspname}})
    {{pg_constraint.conparentid ? AND k.conparentid = 0 : }}
)
SELECT con.owner || ' constraint ' || pg_catalog.quote_ident(con.conname),
  CASE WHEN con.enforced THEN 'it was never validated: rows may break it, and its validation on the target then fails'
    ELSE 'it is not enforced: rows may break it, and more to come' END,
  CASE WHEN con.enforced AND con.contypid <> 0 THEN 'ALTER ' || con.owner || ' VALIDATE CONSTRAINT ' || pg_catalog.quote_ident(con.conname)
    WHEN con.enforced THEN 'ALTER TABLE ' || con.owner || ' VALIDATE CONSTRAINT ' || pg_catalog.quote_ident(con.conname)
    WHEN con.contype = 'f' THEN 'ALTER TABLE ' || con.owner || ' ALTER CONSTRAINT ' || pg_catalog.quote_ident(con.conname) || ' ENFORCED' END
FROM con`,
	},
	{
		ID: "index-invalid", Severity: schema.Block, When: notPhysical,
		About: "indexes that queries, or uniqueness, can't rely on",
		Find:  milderOnSource("index-invalid", invalidIndexes),
	},
	{
		ID: "trigger-disabled", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "triggers that are disabled on both sides",
		Find:  disabledTriggers,
	},
	{
		ID: "trigger-fires-on-apply", Severity: schema.Block, When: replays,
		About: "triggers that fire for what replication writes",
		Find:  milderOnSource("trigger-fires-on-apply", firingTriggers),
	},
	{
		ID: "fk-trigger-disabled", Severity: schema.Block, When: notPhysical,
		About: "foreign keys whose triggers are disabled",
		Find:  milderOnSource("fk-trigger-disabled", disabledForeignKeys),
	},
	{
		ID: "rule-fires", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "rules that do not work for the application, or work for the replication",
		SQL: `WITH {{rel}}
SELECT rel.name || ' rule ' || pg_catalog.quote_ident(r.rulename),
  CASE r.ev_enabled WHEN 'D' THEN 'it is disabled: the application''s statements pass it by'
    WHEN 'R' THEN 'it works in sessions of a replication alone: the application''s statements pass it by'
    ELSE 'it works on what a replication writes by SQL as well, which the source''s has been through before' END,
  'ALTER TABLE ' || rel.name || ' ENABLE RULE ' || pg_catalog.quote_ident(r.rulename)
FROM rel JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid
WHERE r.ev_enabled <> 'O' AND r.rulename <> '_RETURN' AND NOT (r.ev_enabled = 'A' AND $1::pg_catalog.bool)`,
		// The server's own apply does without SQL, and so without rules.
		Args: func(f *facts) []string { return []string{fmt.Sprint(f.native())} },
	},
	{
		ID: "row-security-apply", Severity: schema.Block, Side: postgres.Target, When: onlyNative, Needs: []string{"pg_subscription.subdisableonerr"},
		About: "subscribed tables whose policies stop the replication",
		SQL: `WITH {{rel}}, applied AS (
  SELECT rel.name, rel.relowner, rel.relforcerowsecurity, s.subname, s.subowner, {{pg_subscription.subrunasowner ? s.subrunasowner : true}} AS asowner,
    CASE WHEN {{pg_subscription.subrunasowner ? s.subrunasowner : true}} THEN s.subowner ELSE rel.relowner END AS acting
  FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_subscription_rel sr ON sr.srsubid = s.oid JOIN rel ON rel.oid = sr.srrelid
  WHERE rel.relrowsecurity AND s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
)
SELECT a.name, 'applying a change to it fails: it has row security, which ' || pg_catalog.quote_ident(acting.rolname)
    || ' can''t bypass, and subscription ' || pg_catalog.quote_ident(a.subname) || ' writes as that role',
  CASE WHEN NOT a.asowner AND (subowner.rolsuper OR subowner.rolbypassrls)
    THEN 'ALTER SUBSCRIPTION ' || pg_catalog.quote_ident(a.subname) || ' SET (run_as_owner = true)'
    ELSE 'ALTER ROLE ' || pg_catalog.quote_ident(acting.rolname) || ' BYPASSRLS' END
FROM applied a JOIN pg_catalog.pg_roles acting ON acting.oid = a.acting JOIN pg_catalog.pg_roles subowner ON subowner.oid = a.subowner
WHERE NOT acting.rolsuper AND NOT acting.rolbypassrls
  AND (a.relforcerowsecurity OR NOT pg_catalog.pg_has_role(a.acting, a.relowner, 'USAGE'))`,
	},
	{
		ID: "statistics-missing", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "tables that the planner knows nothing of",
		Find:  missingStatistics,
	},
}

// replays is a When for what fires as changes are applied: in sessions that say
// they replicate.
func replays(f *facts) string {
	if f.rowsOnly() || f.mayBeNative() {
		return ""
	}
	return "no replication applies changes row by row"
}

// milderOnSource runs a statement on both sides; what it finds on the source is
// a warning at most.
func milderOnSource(id, sql string) func(context.Context, *facts) ([]Hazard, error) {
	return func(ctx context.Context, f *facts) ([]Hazard, error) {
		var found []Hazard
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			list, err := (&Detector{ID: id, SQL: sql}).query(ctx, f, side)
			if err != nil {
				return nil, err
			}
			for _, h := range list {
				h.Side = side
				if side == postgres.Source || id == "trigger-fires-on-apply" && !f.rowsOnly() {
					h.Severity = schema.Warn
				}
				found = append(found, h)
			}
		}
		return found, nil
	}
}

// An index of a partitioned table is invalid as long as a partition lacks its
// own, which does no harm to the others. What a concurrent build leaves over
// is dropped, for the index that it was to replace is there.
const invalidIndexes = `WITH {{rel}}
SELECT rel.name || ' index ' || pg_catalog.quote_ident(c.relname),
  CASE WHEN i.indisunique THEN 'it is not valid: queries do not use it, and it does not keep values unique: its build failed, or is not done'
    ELSE 'it is not valid: queries do not use it: its build failed, or is not done' END,
  CASE WHEN c.relname ~ '_cc(new|old)[0-9]*$' OR NOT i.indislive THEN 'DROP INDEX ' ELSE 'REINDEX INDEX {{pg_stat_progress_create_index ? CONCURRENTLY : }} ' END
    || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM rel JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)`

// Apply fires row triggers and those of TRUNCATE, and no other statement's. A
// partition's trigger goes with its parent's; a tool's own are its own affair.
const firingTriggers = `WITH {{rel}}
SELECT rel.name || ' trigger ' || pg_catalog.quote_ident(t.tgname),
  CASE t.tgenabled WHEN 'R' THEN 'it fires for what replication writes alone: its effects come on top of the replicated ones, and end with the switch'
    ELSE 'it fires for what replication writes too: its effects come twice, once replicated and once done again' END,
  'ALTER TABLE ' || rel.name || ' ENABLE TRIGGER ' || pg_catalog.quote_ident(t.tgname)
FROM rel JOIN pg_catalog.pg_trigger t ON t.tgrelid = rel.oid AND NOT t.tgisinternal AND t.tgenabled IN ('R','A')
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE (n.nspname = 'pg_catalog' OR {{own n.nspname}})
  AND t.tgtype & 33 <> 0
  {{pg_trigger.tgparentid ? AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.oid = t.tgparentid AND o.tgenabled IN ('R','A')) : }}`

// A foreign key has triggers on both of its tables.
const disabledForeignKeys = `WITH {{rel}}
SELECT rel.name || ' constraint ' || pg_catalog.quote_ident(k.conname),
  'its triggers are disabled: rows that refer to nothing go in without an error',
  pg_catalog.string_agg('ALTER TABLE ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || ' ENABLE TRIGGER ' || pg_catalog.quote_ident(t.tgname), '; ' ORDER BY t.tgname)
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f' JOIN rel ON rel.oid = k.conrelid
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgisinternal AND t.tgenabled = 'D'
GROUP BY rel.name, k.oid, k.conname`

// disabledSQL gives the disabled triggers and the statements that enable them.
const disabledSQL = `WITH {{rel}}
SELECT rel.name || ' trigger ' || pg_catalog.quote_ident(t.tgname), 'ALTER TABLE ' || rel.name || ' ENABLE TRIGGER ' || pg_catalog.quote_ident(t.tgname)
FROM rel JOIN pg_catalog.pg_trigger t ON t.tgrelid = rel.oid AND NOT t.tgisinternal AND t.tgenabled = 'D'
{{pg_trigger.tgparentid ? WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger o WHERE o.oid = t.tgparentid AND o.tgenabled = 'D') : }}
ORDER BY 1`

func disabledTriggers(ctx context.Context, f *facts) ([]Hazard, error) {
	var onSource map[string]bool
	err := f.rows(ctx, postgres.Source, "trigger-disabled", disabledSQL, func() { onSource = map[string]bool{} }, func(r postgres.Row) { onSource[r.Text(0)] = true })
	if err != nil {
		return nil, err
	}
	var found []Hazard
	err = f.rows(ctx, postgres.Target, "trigger-disabled", disabledSQL, func() { found = nil }, func(r postgres.Row) {
		if onSource[r.Text(0)] {
			found = append(found, Hazard{Object: r.Text(0), Fix: r.Text(1), Sentence: "it is disabled on both sides: what it would do is not done after the switch either"})
		}
	})
	return found, err
}

// unanalyzedSQL gives the tables of more than a few pages that were never
// analyzed: a smaller one no autovacuum ever looks at, and the planner reads it
// whole. Counters are lost in a crash, and statistics then tell; which are
// visible for what the role may read.
const unanalyzedSQL = `WITH {{rel}}, known AS (SELECT DISTINCT s.schemaname, s.tablename FROM pg_catalog.pg_stats s)
SELECT rel.name FROM rel LEFT JOIN pg_catalog.pg_stat_all_tables a ON a.relid = rel.oid
WHERE rel.relkind = 'r' AND pg_catalog.pg_relation_size(rel.oid) > 8 * pg_catalog.current_setting('block_size')::pg_catalog.int8
  AND a.last_analyze IS NULL AND a.last_autoanalyze IS NULL
  AND (rel.reltuples <= 0 OR pg_catalog.has_table_privilege(rel.oid, 'SELECT'))
  AND NOT EXISTS (SELECT FROM known WHERE known.schemaname = rel.nspname AND known.tablename = rel.relname)
ORDER BY 1`

func missingStatistics(ctx context.Context, f *facts) ([]Hazard, error) {
	var names []string
	err := f.rows(ctx, postgres.Target, "statistics-missing", unanalyzedSQL, func() { names = nil }, func(r postgres.Row) {
		if f.chosen(r.Text(0)) {
			names = append(names, r.Text(0))
		}
	})
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if len(names) > listed {
		return []Hazard{{Sentence: fmt.Sprintf("%d tables were never analyzed, so the planner guesses what is in them: %s", len(names), some(names)), Fix: "ANALYZE"}}, nil
	}
	found := make([]Hazard, len(names))
	for i, name := range names {
		found[i] = Hazard{Object: name, Sentence: "it was never analyzed, so the planner guesses what is in it", Fix: "ANALYZE " + name}
	}
	return found, nil
}
