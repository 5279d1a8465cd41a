package preflight

import (
	"context"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// ownWriters is a When for what takes every client of the target that writes for
// a stranger.
func ownWriters(f *facts) string {
	switch {
	case f.carries(fence.KindPhysical):
		return "the target is a physical standby: nobody can write there"
	case f.bothWays():
		return "changes go in both directions: the target is written to"
	case f.fence == nil, f.carries(fence.KindHeartbeat), f.carries(fence.KindBucardo):
		return "a tool writes to the target through sessions of its own, which cannot be told from others"
	}
	return ""
}

// sessionDetectors look at who writes where, now and after the switch.
var sessionDetectors = []Detector{
	ofSessions(Detector{
		// A role that may write to no table is no writer, nor is a superuser
		// that only looks. ANALYZE and CREATE INDEX have a transaction number, too:
		// what changes rows holds its table's lock for that.
		ID: "target-writers", Severity: schema.Warn, AtWorst: schema.Block, Side: postgres.Target, When: ownWriters,
		About: "clients that can write to the target",
		SQL: `WITH {{rel}}, ` + act + `, changing AS (
  SELECT DISTINCT l.pid FROM pg_catalog.pg_locks l JOIN rel ON rel.oid = l.relation
  WHERE l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted AND l.database = (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = pg_catalog.current_database())
), client AS (
  SELECT act.usesysid, pg_catalog.quote_ident(act.usename::pg_catalog.text) AS name, r.rolsuper, count(*) AS sessions,
    count(*) FILTER (WHERE act.backend_xid IS NOT NULL AND act.pid IN (SELECT c.pid FROM changing c)) AS writing,
    coalesce(
      (SELECT pg_catalog.split_part(c.c, '=', 2) FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c(c)
       WHERE s.setrole IN (act.usesysid, 0) AND s.setdatabase IN (d.oid, 0) AND c.c LIKE 'default\_transaction\_read\_only=%'
       ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1),
      CASE WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles m ON m.oid = s.setrole CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c(c)
        WHERE m.rolname = current_user AND c.c LIKE 'default\_transaction\_read\_only=%') THEN g.reset_val END, 'off') IN ('on', 'true', 'yes', '1') AS fenced
  FROM act JOIN pg_catalog.pg_roles r ON r.oid = act.usesysid
  JOIN pg_catalog.pg_database d ON d.oid = act.datid
  JOIN pg_catalog.pg_settings g ON g.name = 'default_transaction_read_only'
  GROUP BY act.usesysid, act.usename, r.rolsuper, d.oid, g.reset_val
)
SELECT 'role ' || client.name,
  CASE WHEN client.writing > 0 THEN client.writing || ' of its ' || client.sessions || ' sessions on the target write: what they change differs from the source, and what comes from there stops or overwrites it'
    ELSE client.sessions || ' of its sessions are connected to the target, where they can write: what they change differs from the source, and what comes from there stops or overwrites it' END
    || '; the fix holds for transactions to come, and replication goes on under it',
  'ALTER DATABASE ' || pg_catalog.quote_ident(pg_catalog.current_database()::pg_catalog.text) || ' SET default_transaction_read_only = on',
  CASE WHEN client.writing > 0 THEN 'block' ELSE 'warn' END
FROM client
WHERE client.writing > 0 OR NOT client.rolsuper AND NOT client.fenced
  AND EXISTS (SELECT FROM rel WHERE pg_catalog.has_table_privilege(client.usesysid, rel.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))`,
	}, postgres.Target),
	{
		ID: "unkillable-session", Severity: schema.Block, Side: postgres.Source, Primary: true,
		About: "sessions that the connected role cannot end",
		SQL: `WITH ` + act + `, foreigner AS (
  SELECT r.rolname::pg_catalog.text AS rolname, r.rolsuper, count(*) AS sessions, pg_catalog.string_agg(act.pid::pg_catalog.text, ', ' ORDER BY act.pid) AS pids
  FROM act JOIN pg_catalog.pg_roles r ON r.oid = act.usesysid
  WHERE NOT (SELECT m.rolsuper FROM pg_catalog.pg_roles m WHERE m.rolname = current_user)
    AND (r.rolsuper OR NOT pg_catalog.pg_has_role(r.oid, 'USAGE') AND NOT pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
  GROUP BY r.rolname, r.rolsuper
)
SELECT 'role ' || pg_catalog.quote_ident(rolname), sessions || ' sessions of a superuser are connected (' || pids || '), which ' || current_user
    || ' cannot end: a switch that has to be sure that nobody writes cannot go on; end them as a superuser', NULL, 'block'
FROM foreigner WHERE rolsuper
UNION ALL
SELECT 'role ' || pg_catalog.quote_ident(current_user::pg_catalog.text), 'it cannot end the sessions of ' || pg_catalog.string_agg(rolname, ', ' ORDER BY rolname)
    || ': a switch by it cannot make sure that nobody writes', 'GRANT pg_signal_backend TO ' || pg_catalog.quote_ident(current_user::pg_catalog.text), 'warn'
FROM foreigner WHERE NOT rolsuper HAVING count(*) > 0`,
	},
	{
		ID: "jobs", Severity: schema.Warn,
		About: "jobs that the databases run by themselves",
		Find:  jobs,
	},
	onWriters(Detector{
		ID: "settings-override", Severity: schema.Warn,
		About: "roles that a read-only database does not stop",
		SQL: `SELECT 'role ' || pg_catalog.quote_ident(r.rolname::pg_catalog.text), 'its own default_transaction_read_only = ' || v.value
    || ' wins over that of the database: making the database read only does not keep it from writing',
  'ALTER ROLE ' || pg_catalog.quote_ident(r.rolname::pg_catalog.text) || coalesce(' IN DATABASE ' || pg_catalog.quote_ident(d.datname::pg_catalog.text), '') || ' RESET default_transaction_read_only'
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c(c)
CROSS JOIN LATERAL (SELECT pg_catalog.split_part(c.c, '=', 2) AS value) v
WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database()) AND r.rolcanlogin
  AND c.c LIKE 'default\_transaction\_read\_only=%' AND v.value NOT IN ('on', 'true', 'yes', '1')`,
	}),
}

// jobTables are where tools that run jobs inside the database keep them; that
// they are there takes no privilege to see. pg_cron may keep those of this
// database in another, which its setting names.
const jobTables = `SELECT t.tool FROM (VALUES ('cron', 'job', 'pg_cron'), ('timetable', 'task', 'pg_timetable'), ('pgagent', 'pga_job', 'pgAgent'),
  ('_timescaledb_config', 'bgw_job', 'TimescaleDB'), ('partman', 'part_config', 'pg_partman')) t(nspname, relname, tool)
WHERE EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = t.nspname AND c.relname = t.relname)
UNION
SELECT 'pg_cron' FROM pg_catalog.pg_settings s WHERE s.name = 'cron.database_name'`

// jobs looks for what runs them.
func jobs(ctx context.Context, f *facts) (found []Hazard, _ error) {
	sentences := map[postgres.Side]string{
		postgres.Source: "its jobs end with no session and are not replicated: they go on writing here while clients are stopped and after the switch, and none runs on the target; plan to switch them off here and on there",
		postgres.Target: "its jobs can write here before the switch, beside what the replication brings: switch them off until then",
	}
	for side, sentence := range sentences {
		if side == postgres.Target && f.carries(fence.KindPhysical) {
			continue
		}
		err := f.on(side).Read(ctx, "preflight jobs", func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, postgres.Statement{SQL: jobTables}, func(r postgres.Row) error {
				found = append(found, Hazard{Side: side, Object: r.Text(0), Sentence: sentence})
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
