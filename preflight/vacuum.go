package preflight

import (
	"strconv"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// From when on a snapshot holds up vacuum: in transactions, and as a multiple
// of Options.LongTransaction.
const (
	heldTransactions = 1_000_000
	heldTimes        = 60
)

// vacuumDetectors look at what keeps vacuum back, and at what it left undone.
var vacuumDetectors = []Detector{
	ofSessions(Detector{
		// A standby that sends feedback is a walsender; a vacuum holds nothing.
		ID: "xmin-held", Severity: schema.Warn, Args: func(f *facts) []string {
			return []string{strconv.FormatInt(heldTransactions, 10), strconv.FormatFloat(heldTimes*f.o.LongTransaction.Seconds(), 'f', 6, 64) + " s"}
		},
		About: "what keeps vacuum from cleaning up",
		SQL: `SELECT h.name, 'it keeps the row versions of the last ' || h.age || ' transactions' || coalesce(' and ' || pg_catalog.date_trunc('second', h.since), '')
    || ': vacuum cannot clean them up, tables and indexes grow and the server gets slower until it is gone', h.fix
FROM (
  SELECT CASE WHEN a.backend_type = 'walsender' THEN 'standby ' ELSE 'session ' END || CASE WHEN a.backend_type = 'walsender' THEN a.application_name ELSE a.pid::pg_catalog.text END,
    greatest(pg_catalog.age(a.backend_xid), pg_catalog.age(a.backend_xmin)),
    CASE WHEN a.backend_type IS DISTINCT FROM 'walsender' THEN pg_catalog.clock_timestamp() - a.xact_start END,
    CASE WHEN a.backend_type = 'client backend' THEN 'SELECT pg_catalog.pg_terminate_backend(' || a.pid || ')' END
  FROM pg_catalog.pg_stat_activity a
  WHERE a.pid <> pg_catalog.pg_backend_pid() AND a.usesysid IS NOT NULL AND (a.datname = pg_catalog.current_database() OR a.datname IS NULL OR a.backend_type = 'walsender')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
  UNION ALL
  SELECT 'slot ' || pg_catalog.quote_ident(s.slot_name::pg_catalog.text), greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)), NULL, NULL
  FROM pg_catalog.pg_replication_slots s WHERE pg_catalog.to_jsonb(s) ->> 'wal_status' IS DISTINCT FROM 'lost'
  UNION ALL
  SELECT 'prepared transaction ' || p.gid, pg_catalog.age(p.transaction), pg_catalog.clock_timestamp() - p.prepared, NULL
  FROM pg_catalog.pg_prepared_xacts p
) h(name, age, since, fix)
WHERE h.age > $1::pg_catalog.int8 OR h.age IS NOT NULL AND h.since > $2::pg_catalog.interval`,
	}, postgres.Source, postgres.Target),
	onWriters(Detector{
		// Autovacuum comes at a fifth of a table: what has twice that is not
		// kept up with.
		ID: "dead-tuples", Severity: schema.Warn,
		About: "tables that vacuum does not keep up with",
		SQL: `WITH {{rel}}
SELECT rel.name, 'it has ' || s.n_dead_tup || ' dead rows beside ' || s.n_live_tup || ' live ones: reading it takes longer than it should, in the window too',
  'VACUUM (ANALYZE) ' || rel.name
FROM rel JOIN pg_catalog.pg_stat_user_tables s ON s.relid = rel.oid
WHERE s.n_dead_tup >= 100000 AND s.n_dead_tup > 0.4 * s.n_live_tup`,
	}),
	onWriters(Detector{
		ID: "wraparound", Severity: schema.Warn, AtWorst: schema.Block,
		About: "transaction numbers that are used up",
		SQL: `SELECT '', 'the database''s oldest ' || w.what || ' number is ' || w.age || ' back, past ' || w.setting || ' (' || w.most || '): a vacuum that cannot be put off reads all of the oldest tables, and holds changes of definitions up; at 2 billion the server refuses to write',
  'VACUUM (FREEZE)', CASE WHEN w.age > 1600000000 THEN 'block' ELSE 'warn' END
FROM (
  SELECT 'transaction', pg_catalog.age(d.datfrozenxid), 'autovacuum_freeze_max_age' FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
  UNION ALL
  SELECT 'multixact', pg_catalog.mxid_age(d.datminmxid), 'autovacuum_multixact_freeze_max_age' FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
) v(what, age, setting)
CROSS JOIN LATERAL (SELECT v.what, v.age, v.setting, pg_catalog.current_setting(v.setting)::pg_catalog.int8 AS most) w
WHERE w.age > w.most`,
	}),
}
