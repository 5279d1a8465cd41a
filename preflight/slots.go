package preflight

import (
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// ourSlots are $1 of the statements about slots: those that feed the target.
func ourSlots(f *facts) []string { return []string{postgres.TextArray(f.ours())} }

// logicalStreams is a When for what is about the slots of the stream.
func logicalStreams(f *facts) string {
	if why := streamSeen(f); why != "" {
		return why
	}
	if len(f.ours()) == 0 {
		return "no slot feeds the target"
	}
	return ""
}

// slotsSeen is a When for what has to tell the stream's slots from others: where
// nothing is known of the stream they are all others.
func slotsSeen(f *facts) string {
	if f.fence == nil {
		return ""
	}
	return streamSeen(f)
}

// slotDetectors look at the source's replication slots. Everybody may see those.
// What a version may not have is read through JSON.
var slotDetectors = []Detector{
	{
		// Those of the stream that lost their log, or may at any moment, are
		// stream-slot-lost's and stream-slot-at-risk's.
		ID: "slot-wal-status", Severity: schema.Warn, AtWorst: schema.Block, Side: postgres.Source, Primary: true, When: slotsSeen, Args: ourSlots,
		About: "slots that have lost their log, or soon will",
		SQL: `SELECT 'slot ' || pg_catalog.quote_ident(s.slot_name::pg_catalog.text),
  CASE WHEN x.lost THEN 'it cannot be used any more (' || coalesce(j.j ->> 'invalidation_reason', 'its log was removed') || '): whatever reads it has lost changes and begins anew'
    WHEN x.status = 'unreserved' THEN 'its log is removed at the next checkpoint, and whatever reads it then begins anew: raise max_slot_wal_keep_size'
    ELSE 'after another ' || pg_catalog.pg_size_pretty(x.safe) || ' of log its own is removed, and whatever reads it begins anew: raise max_slot_wal_keep_size' END,
  NULL,
  CASE WHEN (x.lost OR x.status = 'unreserved') AND s.slot_type = 'logical' AND pg_catalog.cardinality($1::pg_catalog.text[]) = 0 THEN 'block' ELSE 'warn' END
FROM pg_catalog.pg_replication_slots s
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS j) j
CROSS JOIN LATERAL (SELECT j.j ->> 'wal_status' AS status, (j.j ->> 'safe_wal_size')::pg_catalog.int8 AS safe,
  coalesce(j.j ->> 'wal_status' = 'lost', false) OR coalesce(j.j ->> 'conflicting' = 'true', false) OR j.j ->> 'invalidation_reason' IS NOT NULL AS lost) x
LEFT JOIN pg_catalog.pg_settings m ON m.name = 'max_slot_wal_keep_size' AND m.setting <> '-1'
WHERE (s.slot_type = 'physical' OR s.database = pg_catalog.current_database())
  AND CASE WHEN x.lost OR x.status = 'unreserved' THEN NOT s.slot_name = ANY ($1::pg_catalog.text[])
    ELSE x.safe < m.setting::pg_catalog.int8 * 1048576 / 4 END`,
	},
	{
		ID: "slot-failover", Severity: schema.Warn, Side: postgres.Source, Primary: true, When: logicalStreams, Args: ourSlots,
		About: "slots that a failover of the source would lose",
		SQL: `SELECT 'slot ' || pg_catalog.quote_ident(s.slot_name::pg_catalog.text),
  'the source has standbys, and none has this slot: a failover of the source ends the replication, and all is copied anew'
    || {{pg_replication_slots.failover ? '; on the target disable the subscription, ALTER SUBSCRIPTION … SET (failover = true), and enable it' : ''}}
FROM pg_catalog.pg_replication_slots s
WHERE s.slot_type = 'logical' AND s.slot_name = ANY ($1::pg_catalog.text[]) {{pg_replication_slots.failover ? AND NOT s.failover : }}
  AND EXISTS (SELECT FROM pg_catalog.pg_stat_replication r
    WHERE r.application_name NOT IN ('pg_basebackup', 'pg_receivewal', 'pg_receivexlog') AND r.state IS DISTINCT FROM 'backup'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots l WHERE l.slot_type = 'logical' AND l.active_pid = r.pid))`,
	},
	{
		ID: "slot-other", Severity: schema.Warn, Side: postgres.Source, Primary: true, When: slotsSeen, Args: ourSlots,
		About: "logical slots of the source that others read",
		SQL: `SELECT 'slot ' || pg_catalog.quote_ident(s.slot_name::pg_catalog.text),
  'whatever reads it (' || s.plugin || CASE WHEN s.active THEN coalesce(', ' || nullif(a.application_name, ''), '') ELSE ', not connected' END
    || ') gets nothing of what is written after the switch: it needs a plan for being handed over'
FROM pg_catalog.pg_replication_slots s
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
WHERE s.slot_type = 'logical' AND s.database = pg_catalog.current_database() AND NOT s.temporary
  AND NOT s.slot_name = ANY ($1::pg_catalog.text[]) AND NOT (s.plugin = 'pgoutput' AND s.slot_name LIKE 'pg\_%\_sync\_%')`,
	},
	{
		// Only a copy's slot is known to be of no use: a consumer that is down for a
		// while would have to begin anew.
		ID: "slot-leftover", Severity: schema.Warn, Side: postgres.Source, Primary: true, When: slotsSeen,
		About: "slots that nothing reads and that hold log back",
		Args: func(f *facts) []string {
			if f.has(fence.NotReady) { // what copies a table has one, and fails and comes back
				return []string{postgres.TextArray(f.ours()), "true"}
			}
			return []string{postgres.TextArray(f.ours()), "false"}
		},
		SQL: `SELECT 'slot ' || pg_catalog.quote_ident(s.slot_name::pg_catalog.text),
  CASE WHEN x.copy THEN 'a table was copied through it, and nothing reads it any more' ELSE 'nothing reads it' END
    || ': it makes the source keep ' || pg_catalog.pg_size_pretty(greatest(x.held, 0)) || ' of log, and more until the disk is full; drop it where nothing comes back for it',
  CASE WHEN x.copy THEN 'SELECT pg_catalog.pg_drop_replication_slot(' || pg_catalog.quote_literal(s.slot_name::pg_catalog.text) || ')' END
FROM pg_catalog.pg_replication_slots s
CROSS JOIN LATERAL (SELECT s.slot_type = 'logical' AND s.plugin = 'pgoutput' AND s.slot_name LIKE 'pg\_%\_sync\_%' AS copy,
  pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), s.restart_lsn) AS held) x
WHERE NOT s.active AND NOT s.temporary AND NOT s.slot_name = ANY ($1::pg_catalog.text[]) AND pg_catalog.to_jsonb(s) ->> 'wal_status' IS DISTINCT FROM 'lost'
  AND CASE WHEN x.copy THEN s.database = pg_catalog.current_database() AND NOT $2::pg_catalog.bool
    ELSE x.held > pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) END`,
	},
	{
		ID: "decoding-spill", Severity: schema.Warn, Side: postgres.Source, Primary: true, When: logicalStreams, Args: ourSlots,
		Needs: []string{"pg_stat_replication_slots"},
		About: "transactions too large for decoding in memory",
		SQL: `SELECT 'slot ' || pg_catalog.quote_ident(t.slot_name::pg_catalog.text),
  'of ' || pg_catalog.pg_size_pretty(t.total_bytes) || ' that were decoded ' || pg_catalog.pg_size_pretty(t.spill_bytes) || ' went through files, in ' || t.spill_txns
    || ' transactions: such a one arrives long after its commit, however small the lag; raise logical_decoding_work_mem (' || pg_catalog.current_setting('logical_decoding_work_mem')
    || '), or keep large transactions out of the window'
FROM pg_catalog.pg_stat_replication_slots t
WHERE t.slot_name = ANY ($1::pg_catalog.text[]) AND t.spill_bytes * 20 >= t.total_bytes
  AND t.spill_bytes >= 4 * pg_catalog.pg_size_bytes(pg_catalog.current_setting('logical_decoding_work_mem'))`,
	},
}
