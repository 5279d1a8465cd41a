-- The tables that a name may mean, and what the role lacks to write into them.
SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind, c.relpersistence,
  EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND c.oid IN (k.conrelid, k.confrelid)),
  c.relrowsecurity AND pg_catalog.row_security_active(c.oid),
  pg_catalog.quote_ident(current_user),
  ARRAY(SELECT p.name FROM (VALUES
      (1, 'USAGE', pg_catalog.has_schema_privilege(n.oid, 'USAGE')),
      (2, 'SELECT', pg_catalog.has_table_privilege(c.oid, 'SELECT')),
      (3, 'INSERT', pg_catalog.has_table_privilege(c.oid, 'INSERT')),
      (4, 'UPDATE', pg_catalog.has_table_privilege(c.oid, 'UPDATE')),
      (5, 'DELETE', pg_catalog.has_table_privilege(c.oid, 'DELETE'))
    ) AS p(place, name, granted) WHERE NOT p.granted ORDER BY p.place),
  pg_catalog.quote_ident(n.nspname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE $1::pg_catalog.text IN (n.nspname || '.' || c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname))
  AND c.relkind IN ('r','p','f','m','v')
ORDER BY n.nspname::pg_catalog.text COLLATE "C", c.relname::pg_catalog.text COLLATE "C"
