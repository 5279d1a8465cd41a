-- Every replication slot. Through JSON what a version may not have: wal_status
-- (13), conflicting (16), invalidation_reason (17). The walsender's name is
-- shown to everybody.
SELECT s.slot_name, coalesce(s.plugin, ''), s.slot_type = 'logical', coalesce(s.database, ''), s.active, coalesce(s.active_pid, 0),
  coalesce(a.application_name, ''), s.confirmed_flush_lsn, coalesce(j.j ->> 'wal_status', ''),
  coalesce(j.j ->> 'invalidation_reason', CASE WHEN j.j ->> 'wal_status' = 'lost' THEN 'its log was removed'
    WHEN j.j ->> 'conflicting' = 'true' THEN 'it conflicted with recovery' END, '')
FROM pg_catalog.pg_replication_slots s
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS j) j
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
ORDER BY s.slot_name
