-- The subscriptions that the extension pglogical keeps in this database, with
-- their apply workers. A worker calls itself by its database and subscription;
-- what an ordinary client calls itself is no worker. The origin is made anew
-- with the subscription, and not by switching that off and on.
SELECT s.sub_name, s.sub_enabled, s.sub_slot_name, s.sub_replication_sets, n.node_name, s.sub_origin, {{dsn}},
  coalesce(nullif(pg_catalog.to_jsonb(s) ->> 'sub_apply_delay', '00:00:00'), ''), coalesce(o.roident || ' ' || o.xmin, ''), {{applied}},
  coalesce(y.sync_status::pg_catalog.text, ''), coalesce(w.pid, 0)
FROM pglogical.subscription s
JOIN pglogical.local_node l ON l.node_id = s.sub_target
JOIN pglogical.node n ON n.node_id = s.sub_origin
JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_replication_origin o ON o.roname = s.sub_slot_name::pg_catalog.text
LEFT JOIN pglogical.local_sync_status y ON y.sync_subid = s.sub_id AND y.sync_relname IS NULL
LEFT JOIN LATERAL (
  SELECT a.pid FROM pg_catalog.pg_stat_activity a
  WHERE a.datid = d.oid AND a.application_name = 'pglogical apply ' || d.oid || ':' || s.sub_id AND a.backend_type IS DISTINCT FROM 'client backend'
  LIMIT 1
) w ON true
ORDER BY s.sub_name
