-- The sequences that columns of numbers take their values from. What a partition
-- inherits from its root is the root's. A default that makes something else of a
-- value (nextval('s') * 10) says nothing of the column.
WITH taken AS (
  SELECT d.objid AS sequence, d.refobjid AS rel, d.refobjsubid::pg_catalog.int4 AS num
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjsubid > 0 AND d.deptype IN ('a','i')
  UNION
  SELECT d.refobjid, e.adrelid, e.adnum
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S' JOIN pg_catalog.pg_attrdef e ON e.oid = d.objid
  WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT taken.sequence::pg_catalog.int8, n.nspname, c.relname, a.attname,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || '.' || pg_catalog.quote_ident(a.attname), coalesce(b.typname, t.typname)
FROM taken JOIN pg_catalog.pg_class c ON c.oid = taken.rel JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = taken.num
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd'
LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = taken.rel AND e.adnum = taken.num
WHERE NOT c.relispartition AND coalesce(b.oid, t.oid) IN ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype,
  'pg_catalog.int8'::pg_catalog.regtype, 'pg_catalog.numeric'::pg_catalog.regtype)
  AND (e.oid IS NULL OR pg_catalog.pg_get_expr(e.adbin, e.adrelid) !~ 'nextval\('
    OR pg_catalog.pg_get_expr(e.adbin, e.adrelid) ~ '^\(*nextval\(\(?''([^'']|'''')*''(::text\))?::regclass\)(\)|::[^+*/|%#<>=&~!@^?-]+)*$')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> taken.sequence)
ORDER BY 2, 3, 4
