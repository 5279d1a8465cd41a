-- Of each table of $1 (OIDs) a hash of all that can change its rows' content, or whether
-- their changes are published by $2, with no change of a row: relations, columns, types,
-- labels, partitions, publications; and one of the files alone, which TRUNCATE and
-- VACUUM FULL make anew. xmin is who wrote a row of the
-- catalog; of pg_class, which GRANT writes as well, it is the columns themselves.
WITH RECURSIVE tree(root, oid) AS (
  SELECT w.oid, w.oid FROM pg_catalog.unnest($1::pg_catalog.oid[]) w(oid)
  UNION
  SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_class p ON p.oid = t.oid AND p.relkind = 'p'
  JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
), kinds(root, oid) AS (
  SELECT t.root, a.atttypid FROM tree t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
  WHERE a.attnum > 0 AND a.atttypid >= 16384
  UNION
  SELECT k.root, m.oid FROM kinds k JOIN pg_catalog.pg_type y ON y.oid = k.oid
  CROSS JOIN LATERAL (
    SELECT y.typelem UNION ALL SELECT y.typbasetype
    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = y.oid
    {{pg_range.rngmultitypid ? UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngmultitypid = y.oid : }}
    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = y.typrelid AND a.attnum > 0 AND y.typtype = 'c'
  ) m(oid)
  WHERE m.oid >= 16384
), facts(root, fact) AS (
  SELECT t.root, pg_catalog.concat_ws(' ', 'class', c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident)
  FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  UNION ALL
  SELECT t.root, pg_catalog.concat_ws(' ', 'attribute', a.attrelid, a.attnum, a.xmin)
  FROM tree t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0
  UNION ALL
  SELECT t.root, pg_catalog.concat_ws(' ', 'inherits', i.inhrelid, i.inhparent, i.xmin)
  FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhrelid = t.oid
  UNION ALL
  SELECT t.root, pg_catalog.concat_ws(' ', 'identity', i.indrelid, i.indkey, i.indisprimary, i.indisreplident, i.indisvalid, i.indimmediate)
  FROM tree t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid WHERE i.indisprimary OR i.indisreplident
  UNION ALL
  SELECT k.root, pg_catalog.concat_ws(' ', 'type', y.oid, y.xmin) FROM kinds k JOIN pg_catalog.pg_type y ON y.oid = k.oid
  UNION ALL
  SELECT k.root, pg_catalog.concat_ws(' ', 'part', a.attrelid, a.attnum, a.xmin)
  FROM kinds k JOIN pg_catalog.pg_type y ON y.oid = k.oid AND y.typtype = 'c' JOIN pg_catalog.pg_attribute a ON a.attrelid = y.typrelid WHERE a.attnum > 0
  UNION ALL
  SELECT k.root, pg_catalog.concat_ws(' ', 'label', e.oid, e.xmin) FROM kinds k JOIN pg_catalog.pg_enum e ON e.enumtypid = k.oid
  UNION ALL
  SELECT w.oid, pg_catalog.concat_ws(' ', 'publication', p.oid, p.xmin)
  FROM pg_catalog.unnest($1::pg_catalog.oid[]) w(oid) CROSS JOIN pg_catalog.pg_publication p WHERE p.pubname = ANY ($2::pg_catalog.text[])
  UNION ALL
  SELECT t.root, pg_catalog.concat_ws(' ', 'published', r.oid, r.xmin)
  FROM tree t JOIN pg_catalog.pg_publication_rel r ON r.prrelid = t.oid JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
  WHERE p.pubname = ANY ($2::pg_catalog.text[])
  {{pg_publication_namespace ? UNION ALL
  SELECT t.root, pg_catalog.concat_ws(' ', 'schema', s.oid, s.xmin)
  FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_publication_namespace s ON s.pnnspid = c.relnamespace
  JOIN pg_catalog.pg_publication p ON p.oid = s.pnpubid WHERE p.pubname = ANY ($2::pg_catalog.text[]) : }}
)
SELECT f.root, pg_catalog.md5(pg_catalog.string_agg(f.fact, E'\n' ORDER BY f.fact COLLATE "C")),
  (SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat(c.oid, ' ', c.relfilenode), ' ' ORDER BY c.oid))
   FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE t.root = f.root)
FROM facts f
GROUP BY f.root
