-- What Bucardo has left in this database, and whether it may be read: the role,
-- whether it lacks a privilege, delta tables, how many of the three tables are
-- there that say what is carried, and Bucardo's sessions. Everybody may ask.
WITH mine AS (
  SELECT c.oid, c.relname, c.relname IN ('bucardo_delta_names', 'bucardo_delta_targets', 'bucardo_truncate_trigger') AS says
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'bucardo' AND c.relkind = 'r'
    AND (c.relname IN ('bucardo_delta_names', 'bucardo_delta_targets', 'bucardo_truncate_trigger')
      OR c.relname LIKE 'delta\_%' OR c.relname LIKE 'track\_%')
)
SELECT pg_catalog.quote_ident(current_user),
  EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'bucardo' AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'))
    OR EXISTS (SELECT FROM mine m WHERE NOT pg_catalog.has_table_privilege(m.oid, 'SELECT')),
  (SELECT count(*) FROM mine m WHERE m.relname LIKE 'delta\_%'),
  (SELECT count(*) FROM mine m WHERE m.says),
  ARRAY(SELECT a.pid || ' ' || a.application_name FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = pg_catalog.current_database() AND a.application_name LIKE 'bucardo %' ORDER BY a.application_name, a.pid)
