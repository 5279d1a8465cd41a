-- The tables of pglogical's subscriptions $1 that the apply worker does not
-- carry yet.
SELECT q.name, q.name, s.sub_name, y.sync_status, y.xmin, y.sync_nspname, y.sync_relname
FROM pglogical.local_sync_status y
JOIN pglogical.subscription s ON s.sub_id = y.sync_subid
CROSS JOIN LATERAL (SELECT pg_catalog.quote_ident(y.sync_nspname) || '.' || pg_catalog.quote_ident(y.sync_relname) AS name) q
WHERE s.sub_name = ANY ($1::pg_catalog.text[]) AND y.sync_relname IS NOT NULL AND y.sync_status <> 'r'
ORDER BY 1, 3
