-- Every name that a statement may ask for: relations of pg_catalog, their
-- columns, its functions, and settings.
SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind IN ('r','v')
UNION ALL
SELECT c.relname || '.' || a.attname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind IN ('r','v') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT DISTINCT p.proname || '()' FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
UNION ALL
SELECT 'setting ' || s.name FROM pg_catalog.pg_settings s
