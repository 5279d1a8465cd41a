-- Every relation of the user's that can hold rows, leaves of partition trees
-- among them. A table's sizes are those of its leaves: itself, or, of a
-- partitioned table, the ends of its tree.
WITH locked AS (
  SELECT k.relation FROM pg_catalog.pg_locks k
  WHERE k.locktype = 'relation' AND k.mode = 'AccessExclusiveLock'
    AND k.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
), page AS (SELECT pg_catalog.current_setting('block_size')::int8 AS bytes)
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,
  coalesce((SELECT e.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e' LIMIT 1), ''),
  c.relispartition,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  size.rows, size.bytes,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
  c.relrowsecurity AND pg_catalog.row_security_active(c.oid),
  coalesce((SELECT pg_catalog.quote_ident(rn.nspname) || '.' || pg_catalog.quote_ident(rc.relname)
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class rc ON rc.oid = i.inhparent
    JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace WHERE i.inhrelid = c.oid AND c.relispartition LIMIT 1), ''),
  c.relispopulated, size.leaves, size.pages, size.toast, size.heap, size.largest
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  WITH RECURSIVE tree(oid) AS (
    SELECT c.oid
    UNION ALL
    SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid WHERE c.relkind = 'p'
  ), leaf AS (
    -- pg_relation_size waits for whoever holds or awaits an exclusive lock; one
    -- locked table must not keep all others from being listed.
    SELECT l.oid, l.reltuples, l.relkind IN ('r','m') AND {{heap}} AS heap,
      CASE WHEN l.relkind = 'f' THEN 0
        WHEN l.oid IN (SELECT locked.relation FROM locked) THEN l.relpages::int8 * page.bytes
        ELSE pg_catalog.pg_relation_size(l.oid) END AS bytes,
      CASE WHEN x.oid IS NULL THEN 0
        WHEN l.oid IN (SELECT locked.relation FROM locked) OR x.oid IN (SELECT locked.relation FROM locked) THEN x.relpages::int8 * page.bytes
        ELSE pg_catalog.pg_relation_size(x.oid) END AS toast
    FROM tree
    JOIN pg_catalog.pg_class l ON l.oid = tree.oid AND l.relkind <> 'p'
    LEFT JOIN pg_catalog.pg_class x ON x.oid = l.reltoastrelid
    CROSS JOIN page
  )
  SELECT coalesce(pg_catalog.sum(greatest(leaf.reltuples, 0)), 0)::int8 AS rows,
    coalesce(pg_catalog.sum(leaf.bytes), 0)::int8 AS bytes,
    coalesce(pg_catalog.sum(leaf.toast), 0)::int8 AS toast,
    count(*) AS leaves, coalesce(pg_catalog.bool_and(leaf.heap), true) AS heap,
    coalesce(pg_catalog.max(leaf.bytes) / (SELECT page.bytes FROM page), 0) AS pages,
    coalesce((SELECT big.oid FROM leaf big ORDER BY big.bytes DESC NULLS LAST, big.oid LIMIT 1), 0) AS largest
  FROM leaf
) size
WHERE c.relkind IN ('r','p','f','m') AND n.nspname NOT IN ('pg_catalog','information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY n.nspname::pg_catalog.text COLLATE "C", c.relname::pg_catalog.text COLLATE "C"
