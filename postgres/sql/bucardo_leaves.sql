-- The relations that hold the rows of the tables $1. Children that merely inherit
-- are tables of their own.
WITH RECURSIVE down AS (
  SELECT w.name, pg_catalog.to_regclass(w.name)::pg_catalog.oid AS oid FROM pg_catalog.unnest($1::pg_catalog.text[]) w(name)
  UNION ALL
  SELECT d.name, i.inhrelid FROM down d
  JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
)
SELECT d.name, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.oid
FROM down d
JOIN pg_catalog.pg_class c ON c.oid = d.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind <> 'p' OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
ORDER BY 1, 2
