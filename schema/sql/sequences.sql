-- Sequences as they were defined. That of an identity column belongs to that. One
-- that is unlogged, as its table is, was made so by the server since 15.
SELECT 'pg_class ' || c.oid, CASE WHEN o.deptype = 'i' THEN NULL ELSE c.relowner::pg_catalog.text END, 'sequence', NULL::pg_catalog.text, CASE WHEN o.deptype = 'i' THEN 'identity ' || o.object END,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  pg_catalog.format_type(s.seqtypid, -1) || ' START ' || s.seqstart || ' INCREMENT ' || s.seqincrement || ' MINVALUE ' || s.seqmin || ' MAXVALUE ' || s.seqmax || ' CACHE ' || s.seqcache
    || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END
    || CASE WHEN c.relpersistence = 'u' AND coalesce(o.relpersistence, 'p') <> 'u' THEN ' UNLOGGED' ELSE '' END, NULL::pg_catalog.text, CASE WHEN o.deptype = 'a' THEN o.object END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
LEFT JOIN (
  SELECT d.objid, d.deptype, t.relpersistence, pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname) || '.' || pg_catalog.quote_ident(a.attname) AS object
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a','i')
) o ON o.objid = c.oid
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {{own n.nspname}} AND {{mine pg_class c.oid}}
