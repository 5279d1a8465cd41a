package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// uncarriedDetectors look at what is no row of a table.
var uncarriedDetectors = []Detector{
	{
		ID: "large-objects", Severity: schema.Block, Side: postgres.Source, When: notPhysical,
		About: "large objects, which no logical replication carries",
		Find:  largeObjects,
	},
	{
		ID: "matview-unpopulated", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "materialised views that were never filled",
		SQL: `SELECT v.name, 'it was never filled: reading it fails until it is refreshed', 'REFRESH MATERIALIZED VIEW ' || v.name
FROM (` + matviews + `) v WHERE NOT v.relispopulated ORDER BY v.oid`,
	},
	{
		ID: "matview-refresh", Severity: schema.Info, Side: postgres.Target, When: notPhysical,
		About: "materialised views to refresh after the switch",
		Find:  matviewOrder,
	},
	{
		ID: "generated-columns", Severity: schema.Warn, AtWorst: schema.Block, Side: postgres.Target, When: onlyNative,
		About: "columns that only one side generates",
		Find:  generatedColumns,
	},
	{
		ID: "identity-always", Severity: schema.Info, Side: postgres.Target, When: notPhysical,
		About: "columns whose values are always generated",
		Find:  alwaysIdentities,
	},
	{
		ID: "extension-state", Severity: schema.Warn, Side: postgres.Source, When: onlyByRows,
		About: "what extensions keep in tables that are not replicated",
		// A condition keeps the user's rows apart from the extension's own; it is
		// SQL of the extension's and not run here.
		SQL: `WITH {{pub}}, config AS (
  SELECT e.extname, c.oid, k.condition = '' AS users, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
  FROM pg_catalog.pg_extension e CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) k (rel, condition)
  JOIN pg_catalog.pg_class c ON c.oid = k.rel AND c.relkind IN ('r','p') JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE pg_catalog.pg_relation_size(c.oid) > 0
)
SELECT 'extension ' || pg_catalog.quote_ident(config.extname), CASE WHEN bool_or(config.users) THEN 'it keeps state in ' ELSE 'it may keep rows of the user''s beside its own in ' END
  || pg_catalog.string_agg(config.name, ', ' ORDER BY config.name) || ', which nothing replicates: on the target they are as old as the dump, or not there', NULL,
  CASE WHEN bool_or(config.users) THEN 'warn' ELSE 'info' END
FROM config WHERE NOT EXISTS (SELECT FROM pub WHERE pub.relid = config.oid) GROUP BY config.extname`,
	},
	{
		ID: "foreign-data", Severity: schema.Info, Side: postgres.Source, When: notPhysical,
		About: "foreign servers, which have to be reached from the target too",
		SQL: `SELECT 'server ' || pg_catalog.quote_ident(s.srvname), 'it is reached from the target''s host after the switch, '
  || CASE count(u.umid) WHEN 0 THEN 'and has no user mapping' WHEN 1 THEN 'with one user mapping, whose password a dump may lack'
     ELSE 'with ' || count(u.umid) || ' user mappings, whose passwords a dump may lack' END, NULL
FROM pg_catalog.pg_foreign_server s LEFT JOIN pg_catalog.pg_user_mappings u ON u.srvid = s.oid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_foreign_server'::pg_catalog.regclass AND d.objid = s.oid AND d.deptype = 'e')
GROUP BY s.srvname`,
	},
	{
		ID: "event-triggers", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "event triggers that fire on the target",
		SQL: `SELECT 'event trigger ' || pg_catalog.quote_ident(t.evtname), 'it fires on ' || t.evtevent
  || CASE WHEN t.evtenabled = 'R' THEN ' in sessions of the replication alone'
     WHEN t.evtevent = 'login' THEN ': each session that a switch opens on the target runs it, and is refused where it fails'
     ELSE ': what a switch creates, alters and grants on the target runs it, and fails where it does' END,
  'ALTER EVENT TRIGGER ' || pg_catalog.quote_ident(t.evtname) || ' DISABLE'
FROM pg_catalog.pg_event_trigger t
WHERE t.evtenabled <> 'D' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
  WHERE d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')`,
	},
	{
		ID: "unportable-columns", Severity: schema.Warn, Side: postgres.Source, When: notPhysical,
		About: "columns whose values mean something on their own server only",
		SQL: `WITH {{rel}}, held AS (
  SELECT rel.name, a.attnum, pg_catalog.quote_ident(a.attname) || ' (' || pg_catalog.format_type(a.atttypid, a.atttypmod) || ')' AS held,
    coalesce(nullif(t.typbasetype, 0), CASE WHEN t.typcategory = 'A' THEN nullif(t.typelem, 0) END, t.oid) AS base
  FROM rel JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  WHERE NOT rel.relispartition
)
SELECT held.name, pg_catalog.string_agg(held.held, ', ' ORDER BY held.attnum) || CASE WHEN bool_or(b.typname <> 'oid')
  THEN ': the values name objects, transactions or log positions of their own server, and mean something else on the other'
  ELSE ': plain numbers are the same on the other side, but the OIDs of objects are not' END, NULL,
  CASE WHEN bool_or(b.typname <> 'oid') THEN 'warn' ELSE 'info' END
FROM held JOIN pg_catalog.pg_type b ON b.oid = held.base AND b.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
WHERE b.typname IN ('oid','xid','xid8','tid','cid','pg_lsn','txid_snapshot','pg_snapshot') OR b.typname LIKE 'reg%'
GROUP BY held.name`,
	},
	{
		ID: "public-create-lost", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "roles that could create objects in schema public, and can't on the target",
		Find:  publicCreate,
	},
	{
		ID: "role-passwords", Severity: schema.Warn, Side: postgres.Target, When: notPhysical,
		About: "roles whose password did not come along",
		Find:  rolePasswords,
	},
}

// onlyByRows is a When for what a replication of rows leaves out.
func onlyByRows(f *facts) string {
	if f.rowsOnly() {
		return ""
	}
	return "nothing replicates the pair by its rows"
}

// matviews are the materialised views of the user's own.
const matviews = `SELECT c.oid, c.relispopulated, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND {{own n.nspname}} AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
  WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')`

// rows runs a statement of a detector that has to see more than one, and calls
// fn with each row. fn may be called anew from the first row on, after begin.
func (f *facts) rows(ctx context.Context, side postgres.Side, id, sql string, begin func(), fn func(postgres.Row)) error {
	st := postgres.Statement{SQL: f.features[side].Fill(f.expand(sql))}
	return readEach(ctx, f.on(side), "preflight "+id, st, begin, func(r postgres.Row) error {
		fn(r)
		return nil
	})
}

// largeObjects compares which there are: their contents the role may mostly not
// read. Sets are told apart by sums of the OIDs and of hashes of them.
func largeObjects(ctx context.Context, f *facts) ([]Hazard, error) {
	type held struct{ count, sum string }
	both, err := postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) (h held, err error) {
		err = f.rows(ctx, db.Side(), "large-objects", `SELECT count(*), coalesce(sum(m.oid::pg_catalog.int8), 0) || ' ' || coalesce(sum(pg_catalog.hashoid(m.oid)), 0) FROM pg_catalog.pg_largeobject_metadata m`,
			func() {}, func(r postgres.Row) { h = held{r.Text(0), r.Text(1)} })
		return h, err
	})
	if err != nil {
		return nil, err
	}
	same := both[0] == both[1]
	if both[0].count == "0" && (same || f.rowsOnly()) || same && !f.rowsOnly() {
		return nil, nil
	}
	columns, err := f.referring(ctx)
	if err != nil {
		return nil, err
	}
	h := Hazard{Severity: schema.Warn, Sentence: fmt.Sprintf("the source has %s large objects, the target %s", both[0].count, both[1].count)}
	if !same {
		missing, err := f.missingObjects(ctx)
		switch {
		case err != nil:
			return nil, err
		case missing == 0:
			h.Sentence += ", which has all of the source's and others"
		case f.rowsOnly():
			h.Severity = schema.Block
			h.Sentence += fmt.Sprintf(", which lacks %d of the source's: they are not replicated, and lost with the switch", missing)
		default:
			h.Sentence += fmt.Sprintf(", which lacks %d of the source's: a dump takes them along with -b, and nothing else does", missing)
		}
	}
	if h.Severity == schema.Warn && f.rowsOnly() {
		h.Sentence += ": their contents are not replicated, and what changes on the source stays old on the target"
	}
	if len(columns) > 0 {
		h.Sentence += "; columns that may refer to them: " + some(columns)
	}
	return []Hazard{h}, nil
}

// missingObjects counts the source's large objects that the target lacks.
func (f *facts) missingObjects(ctx context.Context) (missing int, err error) {
	both, err := postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) (oids []uint32, err error) {
		err = f.rows(ctx, db.Side(), "large-objects", `SELECT m.oid::pg_catalog.int8 FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid`,
			func() { oids = nil }, func(r postgres.Row) { oids = append(oids, uint32(r.Int(0))) })
		return oids, err
	})
	if err != nil {
		return 0, err
	}
	source, target := both[0], both[1]
	for _, oid := range source {
		for len(target) > 0 && target[0] < oid {
			target = target[1:]
		}
		if len(target) == 0 || target[0] != oid {
			missing++
		}
	}
	return missing, nil
}

// referring are the source's columns that may hold the OIDs of large objects.
func (f *facts) referring(ctx context.Context) (columns []string, err error) {
	err = f.rows(ctx, postgres.Source, "large-objects", `WITH {{rel}}
SELECT rel.name || '.' || pg_catalog.quote_ident(a.attname)
FROM rel JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE NOT rel.relispartition AND 'pg_catalog.oid'::pg_catalog.regtype IN (t.oid, t.typbasetype)
ORDER BY 1`, func() { columns = nil }, func(r postgres.Row) { columns = append(columns, r.Text(0)) })
	return columns, err
}

// matviewOrder lists the views so that each comes after those that it reads,
// be it through plain views.
func matviewOrder(ctx context.Context, f *facts) ([]Hazard, error) {
	type view struct {
		name  string // "" for one that is not materialised
		reads []uint32
	}
	var views map[uint32]*view
	var order []uint32
	at := func(oid uint32) *view {
		if views[oid] == nil {
			views[oid] = &view{}
			order = append(order, oid)
		}
		return views[oid]
	}
	err := f.rows(ctx, postgres.Target, "matview-refresh", `SELECT v.oid::pg_catalog.int8, v.name, NULL::pg_catalog.int8 FROM (`+matviews+`) v
UNION ALL
SELECT DISTINCT r.ev_class::pg_catalog.int8, NULL, d.refobjid::pg_catalog.int8
FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
JOIN pg_catalog.pg_class c ON c.oid = d.refobjid
WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.relkind IN ('v','m') AND d.refobjid <> r.ev_class AND r.ev_class >= 16384
ORDER BY 2, 1, 3`, func() { views, order = map[uint32]*view{}, nil }, func(r postgres.Row) {
		v := at(uint32(r.Int(0)))
		if r.Null(2) {
			v.name = r.Text(1)
		} else {
			v.reads = append(v.reads, uint32(r.Int(2)))
		}
	})
	if err != nil {
		return nil, err
	}
	var names, refresh []string
	done := map[uint32]bool{}
	var visit func(uint32)
	visit = func(oid uint32) {
		v := views[oid]
		if v == nil || done[oid] {
			return
		}
		done[oid] = true
		for _, read := range v.reads {
			visit(read)
		}
		if v.name != "" && f.chosen(v.name) {
			names, refresh = append(names, v.name), append(refresh, "REFRESH MATERIALIZED VIEW "+v.name)
		}
	}
	for _, oid := range order {
		visit(oid)
	}
	if len(names) == 0 {
		return nil, nil
	}
	return []Hazard{{Sentence: "materialised views hold what their last refresh read, on this server: refresh them after the switch, in this order: " + some(names),
		Fix: strings.Join(refresh, "; ")}}, nil
}

// alwaysIdentities are said once for all tables: nothing is wrong with them.
func alwaysIdentities(_ context.Context, f *facts) ([]Hazard, error) {
	var names []string
	for _, t := range f.pair.Tables {
		if !t.Both() {
			continue
		}
		for _, c := range t.Target.Columns {
			if c.Identity == 'a' {
				names = append(names, t.Name+"."+c.Quoted)
			}
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return []Hazard{{Sentence: "always generated: " + some(names) + ": whoever repairs rows inserts them with OVERRIDING SYSTEM VALUE, and can't update these columns"}}, nil
}
