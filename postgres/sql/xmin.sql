-- How many transactions back the oldest row version is that vacuum must keep
-- in this database, and for whom: snapshots of its sessions and of standbys,
-- transactions that are under way anywhere in the cluster (each new snapshot
-- reaches back to them), slots, and prepared transactions. A vacuum's own
-- snapshot holds nothing back. Sessions of other roles whose state the asking
-- role may not see are counted.
SELECT coalesce(w.age, 0), coalesce(w.kind, ''), coalesce(w.name, ''),
  (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.backend_type IS NULL AND a.usesysid IS NOT NULL)
FROM (SELECT) one
LEFT JOIN LATERAL (
  SELECT h.age, h.kind, h.name
  FROM (
    SELECT greatest(pg_catalog.age(a.backend_xid), CASE WHEN a.datid IS NULL OR a.datname = pg_catalog.current_database()
        OR a.backend_type = 'walsender' THEN pg_catalog.age(a.backend_xmin) END) AS age,
      CASE WHEN a.backend_type = 'walsender' THEN 'replica' ELSE 'session' END AS kind,
      CASE WHEN a.backend_type = 'walsender' THEN a.application_name ELSE a.pid::pg_catalog.text END AS name
    FROM pg_catalog.pg_stat_activity a
    WHERE a.pid <> pg_catalog.pg_backend_pid()
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    UNION ALL
    SELECT greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)), CASE WHEN s.active THEN 'slot' ELSE 'idle slot' END, s.slot_name::pg_catalog.text
    FROM pg_catalog.pg_replication_slots s
    WHERE pg_catalog.to_jsonb(s) ->> 'wal_status' IS DISTINCT FROM 'lost'
    UNION ALL
    SELECT pg_catalog.age(p.transaction), 'prepared transaction', p.gid
    FROM pg_catalog.pg_prepared_xacts p
  ) h
  WHERE h.age IS NOT NULL
  ORDER BY h.age DESC, h.kind, h.name
  LIMIT 1
) w ON true
