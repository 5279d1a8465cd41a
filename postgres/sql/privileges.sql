-- What a role may read of every table and sequence of the user's: the table's
-- own privilege, whether it has row security at all, and whether that hides
-- rows from whoever asks.
SELECT c.oid, pg_catalog.has_table_privilege(c.oid, 'SELECT'), c.relrowsecurity,
  c.relrowsecurity AND pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r','p','m','S') AND n.nspname NOT IN ('pg_catalog','information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp\_%'
