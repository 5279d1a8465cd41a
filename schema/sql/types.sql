-- Types of the user's own: not those that come with a table, an array or a range.
WITH t AS (
  SELECT t.oid, t.typowner, t.typtype, t.typbasetype, t.typtypmod, t.typcollation, t.typlen, t.typbyval, t.typalign, t.typcategory, t.typinput, t.typoutput, t.typreceive,
    t.typsend, t.typispreferred, t.typdelim, t.typmodin, t.typmodout, t.typrelid, t.typdefault, t.typdefaultbin, t.typnotnull, 'type ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) AS object
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  WHERE {{own n.nspname}} AND {{mine pg_type t.oid}} AND t.typtype <> 'm'
    AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
)
SELECT 'pg_type ' || t.oid, t.typowner::pg_catalog.text, 'type', NULL, NULL, t.object,
  CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'c' THEN 'composite'
    WHEN 'd' THEN 'domain over ' || pg_catalog.format_type(t.typbasetype, t.typtypmod) || coalesce((SELECT ' COLLATE ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
      FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype WHERE co.oid = t.typcollation AND t.typcollation <> b.typcollation), '')
    WHEN 'r' THEN (SELECT 'range over ' || pg_catalog.format_type(r.rngsubtype, -1) || ', ' || pg_catalog.quote_ident(opn.nspname) || '.' || pg_catalog.quote_ident(op.opcname)
        || coalesce(', collation ' || pg_catalog.quote_ident(con.nspname) || '.' || pg_catalog.quote_ident(co.collname), '')
        || coalesce(', canonical ' || nullif(r.rngcanonical, 0)::pg_catalog.regprocedure, '') || coalesce(', difference ' || nullif(r.rngsubdiff, 0)::pg_catalog.regprocedure, '')
      FROM pg_catalog.pg_range r JOIN pg_catalog.pg_opclass op ON op.oid = r.rngsubopc JOIN pg_catalog.pg_namespace opn ON opn.oid = op.opcnamespace
      LEFT JOIN pg_catalog.pg_collation co ON co.oid = r.rngcollation LEFT JOIN pg_catalog.pg_namespace con ON con.oid = co.collnamespace WHERE r.rngtypid = t.oid)
    WHEN 'p' THEN 'shell'
    ELSE pg_catalog.concat_ws(' ', 'base', t.typlen, t.typbyval, t.typalign, t.typcategory, t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typdelim, t.typispreferred, 'default ' || t.typdefault) END, NULL::pg_catalog.text
FROM t
UNION ALL
SELECT NULL, NULL, 'enum_labels', NULL, t.object, t.object,
  coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), 'none'), NULL
FROM t WHERE t.typtype = 'e'
UNION ALL
SELECT NULL, NULL, 'type_attributes', NULL, t.object, t.object,
  coalesce((SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
      || coalesce((SELECT ' COLLATE ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
        FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_catalog.pg_type b ON b.oid = a.atttypid WHERE co.oid = a.attcollation AND a.attcollation <> b.typcollation), ''),
      ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), 'none'), NULL
FROM t WHERE t.typtype = 'c'
UNION ALL
SELECT 'pg_constraint ' || k.oid, NULL, 'domain_constraint', NULL, t.object, t.object || ' constraint ' || pg_catalog.quote_ident(k.conname), pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''), NULL
FROM t JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid AND k.contype = 'c'
UNION ALL
SELECT NULL, NULL, 'constraint_valid', NULL, t.object || ' constraint ' || pg_catalog.quote_ident(k.conname), t.object || ' constraint ' || pg_catalog.quote_ident(k.conname), CASE WHEN k.convalidated THEN 'valid' ELSE 'not validated' END, NULL
FROM t JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid AND k.contype = 'c'
UNION ALL
SELECT NULL, NULL, 'domain_default', NULL, t.object, t.object, coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault), NULL
FROM t WHERE t.typtype = 'd' AND t.typdefault IS NOT NULL
UNION ALL
SELECT NULL, NULL, 'domain_not_null', NULL, t.object, t.object, CASE WHEN t.typnotnull THEN 'not null' ELSE 'null' END, NULL
FROM t WHERE t.typtype = 'd'
