-- Every type a user column has, with all it is made of: elements, attributes,
-- subtypes and base types.
WITH RECURSIVE used(oid) AS (
  SELECT DISTINCT a.atttypid
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r','p','f','m') AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('pg_catalog','information_schema','pg_toast')
  UNION
  SELECT m.part
  FROM used u
  JOIN pg_catalog.pg_type t ON t.oid = u.oid
  CROSS JOIN LATERAL (
    SELECT t.typelem AS part WHERE t.typelem <> 0
    UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
    {{multirange}}
    UNION ALL SELECT ca.atttypid FROM pg_catalog.pg_attribute ca
      WHERE t.typtype = 'c' AND ca.attrelid = t.typrelid AND ca.attnum > 0 AND NOT ca.attisdropped
  ) m
)
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typlen,
  CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typbasetype,
  coalesce((SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid{{multirangesub}}), 0),
  t.typsend <> 0,
  EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid
    AND k.casttarget = 'pg_catalog.text'::pg_catalog.regtype AND k.castmethod = 'f'),
  pg_catalog.format_type(t.oid, -1),
  ARRAY(SELECT ca.atttypid FROM pg_catalog.pg_attribute ca
    WHERE t.typtype = 'c' AND ca.attrelid = t.typrelid AND ca.attnum > 0 AND NOT ca.attisdropped ORDER BY ca.attnum),
  n.nspname = 'pg_catalog' AND t.oid < 16384 -- an extension may live there too
FROM used u
JOIN pg_catalog.pg_type t ON t.oid = u.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
