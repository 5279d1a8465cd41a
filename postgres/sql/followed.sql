-- Of the tables $1 (OIDs), each relation that holds their rows or is above such a one, and
-- the columns of its replica identity. Of a plain table that has children by
-- inheritance only itself. Through JSON what a version may not have: indnkeyatts (11).
WITH RECURSIVE tree(root, oid) AS (
  SELECT w.oid, w.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) w(oid)
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_class p ON p.oid = t.oid AND p.relkind = 'p'
  JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
)
SELECT t.root, c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind, c.relpersistence,
  c.relreplident = 'f',
  ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k(attnum, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
      AND k.n <= coalesce((pg_catalog.to_jsonb(i) ->> 'indnkeyatts')::pg_catalog.int4, i.indnatts)
      AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
    ORDER BY k.n)
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY t.root, c.oid
