-- How many bytes of WAL the furthest behind of those that this server feeds
-- still lacks: a replica that is connected, by what it has replayed; a slot,
-- connected or not, by what it has confirmed. Slots that have lost their WAL
-- are behind for good and are not waited for. Replicas whose state the asking
-- role may not see are counted.
SELECT coalesce(w.lag, 0), coalesce(w.kind, ''), coalesce(w.name, ''),
  (SELECT count(*) FROM pg_catalog.pg_stat_replication r WHERE r.state IS NULL)
FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
    ELSE pg_catalog.pg_current_wal_insert_lsn() END AS lsn OFFSET 0) here
LEFT JOIN LATERAL (
  SELECT greatest(f.lag, 0)::pg_catalog.int8 AS lag, f.kind, f.name
  FROM (
    SELECT here.lsn - r.replay_lsn AS lag, 'replica' AS kind, r.application_name AS name
    FROM pg_catalog.pg_stat_replication r
    UNION ALL
    SELECT here.lsn - coalesce(s.confirmed_flush_lsn, s.restart_lsn), CASE WHEN s.active THEN 'slot' ELSE 'idle slot' END, s.slot_name::pg_catalog.text
    FROM pg_catalog.pg_replication_slots s
    WHERE s.restart_lsn IS NOT NULL AND pg_catalog.to_jsonb(s) ->> 'wal_status' IS DISTINCT FROM 'lost'
  ) f
  WHERE f.lag IS NOT NULL
  ORDER BY f.lag DESC, f.kind DESC, f.name
  LIMIT 1
) w ON true
