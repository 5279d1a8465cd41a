-- The subscriptions of this database with their apply workers: neither workers
-- that copy a table (relid) nor parallel ones (leader_pid, of 16 on).
SELECT coalesce(o.id, 0), s.subname, s.subenabled, coalesce(s.subslotname::pg_catalog.text, ''), s.subpublications, {{conninfo}},
  coalesce(w.pid, 0), w.received_lsn, coalesce(e.apply_errors, 0), coalesce(e.sync_errors, 0), coalesce(e.conflicts, 0)
FROM pg_catalog.pg_subscription s
CROSS JOIN LATERAL (SELECT {{id}} AS id) o
LEFT JOIN LATERAL (
  SELECT st.pid, st.received_lsn FROM pg_catalog.pg_stat_subscription st
  WHERE st.subid = o.id AND st.pid IS NOT NULL AND st.relid IS NULL AND pg_catalog.to_jsonb(st) ->> 'leader_pid' IS NULL
  LIMIT 1
) w ON true
LEFT JOIN LATERAL {{errors}} e ON true
WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY s.subname
