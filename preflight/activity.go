package preflight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// long is $1 of the statements that tell long transactions from short ones.
func long(f *facts) []string { return []string{seconds(f)} }

func seconds(f *facts) string {
	return strconv.FormatFloat(f.o.LongTransaction.Seconds(), 'f', 6, 64) + " s"
}

// act is a common table expression: the sessions of this database that are
// clients, as far as they are not pgparity's own, whose statements all begin
// with a comment that says so. Of a session that the role may not see only who
// it is is known: ofSessions.
const act = `act AS (
  SELECT a.*, 'session ' || a.pid AS name,
    pg_catalog.quote_ident(a.usename::pg_catalog.text) || coalesce(' (' || nullif(a.application_name, '') || ')', '') AS who,
    pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.text AS age,
    'SELECT pg_catalog.pg_terminate_backend(' || a.pid || ')' AS terminate
  FROM pg_catalog.pg_stat_activity a
  WHERE a.datname = pg_catalog.current_database() AND a.usesysid IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication r WHERE r.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_subscription w WHERE w.pid = a.pid)
    AND a.query NOT LIKE '/* pgparity run=%' AND NOT (a.query = '' AND a.application_name = 'pgparity')
)`

// activityDetectors look at sessions, transactions and what they hold.
var activityDetectors = slices.Concat(transactionDetectors, vacuumDetectors, sessionDetectors)

// transactionDetectors look at what is open, and at what waits for it.
var transactionDetectors = []Detector{
	ofSessions(Detector{
		ID: "long-write-transaction", Severity: schema.Block, Side: postgres.Source, Args: long,
		About: "transactions that have been writing for long",
		SQL: `WITH ` + act + `
SELECT act.name, act.who || ' has had a transaction that writes open for ' || act.age || ': the switch waits for it or has to end it, and what it wrote arrives only after its commit, however small the lag is',
  act.terminate
FROM act WHERE act.backend_xid IS NOT NULL AND pg_catalog.clock_timestamp() - act.xact_start > $1::pg_catalog.interval`,
	}, postgres.Source),
	ofSessions(Detector{
		ID: "idle-in-transaction", Severity: schema.Warn, Side: postgres.Source, Args: long,
		About: "transactions that are left open",
		SQL: `WITH ` + act + `
SELECT act.name, act.who || ' is idle in a transaction that it began ' || act.age || ' ago: a pooler''s PAUSE waits for it, and the switch has to end it', act.terminate
FROM act WHERE act.state LIKE 'idle in transaction%' AND act.backend_xid IS NULL AND pg_catalog.clock_timestamp() - act.xact_start > $1::pg_catalog.interval
  AND pg_catalog.clock_timestamp() - act.state_change > $1::pg_catalog.interval`,
	}, postgres.Source),
	onWriters(Detector{
		// Those that a subscription prepares on the target are its own. No statement
		// mends it: others may have committed their part of the transaction.
		ID: "prepared-transaction", Severity: schema.Block, Args: long,
		About: "prepared transactions",
		SQL: `SELECT 'prepared transaction ' || p.gid, pg_catalog.quote_ident(p.owner::pg_catalog.text) || ' prepared it at ' || pg_catalog.to_char(p.prepared, 'YYYY-MM-DD HH24:MI:SS')
    || ' UTC: it ends with no session, so that its rows stay locked and its changes do not arrive; end it as its coordinator decided, by COMMIT PREPARED or ROLLBACK PREPARED ' || pg_catalog.quote_literal(p.gid),
  NULL,
  CASE WHEN pg_catalog.clock_timestamp() - p.prepared > $1::pg_catalog.interval THEN 'block' ELSE 'warn' END
FROM pg_catalog.pg_prepared_xacts p
WHERE p.database = pg_catalog.current_database()
  AND NOT (p.gid ~ '^pg_gid_\d+_\d+$' AND EXISTS (SELECT FROM pg_catalog.pg_stat_subscription w WHERE p.gid LIKE 'pg\_gid\_' || w.subid || '\_%'))`,
	}),
	ofSessions(Detector{
		ID: "slot-creation-waits", Severity: schema.Warn, Args: long, When: logicalWay,
		About: "transactions that a new slot would wait for",
		SQL: `SELECT h.name, h.what || ' has a transaction open since ' || pg_catalog.to_char(h.since, 'YYYY-MM-DD HH24:MI:SS') || ' UTC: a slot that is made now, for the way back or for the copy of a table, waits until it ends, for slots wait for the transactions of all databases'
FROM (
  SELECT 'session ' || a.pid, pg_catalog.quote_ident(a.usename::pg_catalog.text) || ' in database ' || pg_catalog.quote_ident(a.datname::pg_catalog.text), a.xact_start,
    a.datname <> pg_catalog.current_database()
  FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.datname IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
  UNION ALL
  SELECT 'prepared transaction ' || p.gid, 'database ' || pg_catalog.quote_ident(p.database::pg_catalog.text), p.prepared, p.database <> pg_catalog.current_database()
  FROM pg_catalog.pg_prepared_xacts p
) h(name, what, since, elsewhere)
WHERE h.elsewhere AND pg_catalog.clock_timestamp() - h.since > $1::pg_catalog.interval`,
	}, postgres.Source, postgres.Target),
	ofSessions(Detector{
		ID: "ddl-running", Severity: schema.Block, Args: long,
		About: "definitions that are being changed",
		SQL: `WITH {{rel}}, ` + act + `, held AS (
  SELECT l.relation, act.pid, CASE WHEN l.granted THEN 'holds' ELSE 'waits for' END || ' ' || l.mode || ' on it, and nobody gets by' AS what
  FROM act JOIN pg_catalog.pg_locks l ON l.pid = act.pid
  WHERE l.locktype = 'relation' AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    AND (l.mode = 'AccessExclusiveLock' OR l.mode = 'ShareLock' AND l.granted)
    AND (act.xact_start IS NULL OR pg_catalog.clock_timestamp() - act.xact_start > least($1::pg_catalog.interval, '1 s'))
  {{pg_stat_progress_create_index ? UNION ALL
  SELECT p.relid, p.pid, 'builds an index on it' FROM pg_catalog.pg_stat_progress_create_index p WHERE p.datname = pg_catalog.current_database() : }}
  {{pg_stat_progress_cluster ? UNION ALL
  SELECT p.relid, p.pid, 'rewrites it' FROM pg_catalog.pg_stat_progress_cluster p WHERE p.datname = pg_catalog.current_database() : }}
)
SELECT rel.name, pg_catalog.string_agg(DISTINCT 'session ' || held.pid || ' ' || held.what, ', ')
  || ': the switch waits for that, and definitions that differ stop the replication'
FROM rel JOIN held ON held.relation = rel.oid
GROUP BY rel.name`,
	}, postgres.Source, postgres.Target),
}

// onWriters makes a detector that runs its SQL on the servers that write: both
// primaries, of a target that is the source's own standby the source alone.
func onWriters(d Detector) Detector { return onServers(d, false, postgres.Source, postgres.Target) }

// ofSessions makes a detector that runs its SQL on the servers that write, and
// has to see what all sessions do there.
func ofSessions(d Detector, sides ...postgres.Side) Detector { return onServers(d, true, sides...) }

func onServers(d Detector, sessions bool, sides ...postgres.Side) Detector {
	query := d
	query.Primary = true
	d.SQL, d.Args, d.Primary = "", nil, false
	d.Find = func(ctx context.Context, f *facts) (all []Hazard, _ error) {
		var hidden []string
		for _, side := range sides {
			if side == postgres.Target && f.carries(fence.KindPhysical) {
				continue
			}
			found, err := query.query(ctx, f, side)
			if err != nil {
				return nil, err
			}
			for i := range found {
				found[i].Side = side
			}
			all = append(all, found...)
			if sessions {
				why, err := f.hiddenSessions(ctx, side, d.ID)
				if err != nil {
					return nil, err
				}
				hidden = append(hidden, why...)
			}
		}
		blocks := slices.ContainsFunc(all, func(h Hazard) bool { return cmp.Or(h.Severity, d.Severity) == schema.Block })
		if len(hidden) > 0 && !blocks { // a block that was seen is no less one
			return nil, errors.New(strings.Join(hidden, "; "))
		}
		return all, nil
	}
	return d
}

// hiddenSessions says that there are sessions in the database of which the role
// may not see what they do, and how it may; nothing where it sees them all.
func (f *facts) hiddenSessions(ctx context.Context, side postgres.Side, id string) (why []string, _ error) {
	db, err := f.primaryOf(side)
	if err != nil {
		return nil, err
	}
	err = postgres.Again(ctx, func() error {
		why = nil
		return db.Read(ctx, "preflight "+id, func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, postgres.Statement{SQL: "WITH " + act + " SELECT count(*) FROM act WHERE act.backend_type IS NULL HAVING count(*) > 0"}, func(postgres.Row) error {
				why = append(why, fmt.Sprintf("%s: what the sessions of other roles do may not be seen; run there: GRANT pg_read_all_stats TO %s", side, postgres.Ident(db.Server().User)))
				return nil
			})
		})
	})
	return why, err
}
