-- How the tables $1 stand in pglogical's subscriptions $2: a row for each
-- relation that holds their rows and each subscription, without a state where
-- the subscriber has none. pglogical goes by names, and by leaves only.
WITH RECURSIVE wanted AS (
  SELECT w.name, pg_catalog.to_regclass(w.name)::pg_catalog.oid AS oid FROM pg_catalog.unnest($1::pg_catalog.text[]) w(name)
), down AS (
  SELECT w.name, w.oid FROM wanted w WHERE w.oid IS NOT NULL
  UNION ALL
  SELECT d.name, i.inhrelid FROM down d
  JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT d.name, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), s.sub_name, coalesce(y.sync_status::pg_catalog.text, ''),
  pg_catalog.concat_ws(' ', s.xmin, coalesce(y.xmin::pg_catalog.text, '-'), (SELECT f.xmin FROM pglogical.local_sync_status f WHERE f.sync_subid = s.sub_id AND f.sync_relname IS NULL)),
  n.nspname, c.relname
FROM (SELECT DISTINCT w.name, w.oid FROM down w) d
JOIN pg_catalog.pg_class c ON c.oid = d.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN pglogical.subscription s
LEFT JOIN pglogical.local_sync_status y ON y.sync_subid = s.sub_id AND y.sync_nspname = n.nspname AND y.sync_relname = c.relname
WHERE s.sub_name = ANY ($2::pg_catalog.text[])
  AND (c.relkind <> 'p' OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = d.oid))
ORDER BY 1, 2, 3
