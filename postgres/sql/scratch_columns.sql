-- Their live columns, in the order of the table.
SELECT a.attrelid, a.attname, pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, a.atttypmod),
  coalesce(a.attnum = ANY (x.indkey::pg_catalog.int2[]), false), a.attnotnull,
  a.atthasdef OR a.attidentity <> '', a.attidentity = 'a' OR {{generated}} <> ''
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisprimary
WHERE $1::pg_catalog.text IN (n.nspname || '.' || c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname))
  AND c.relkind IN ('r','p','f','m','v') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
