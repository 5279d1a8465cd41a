-- The tables that Bucardo follows in this database: the relation, its delta and
-- track table where they exist, the groups it is carried to, the syncs that have
-- it, whether its delta trigger fires (pg_trigger.tgenabled, '' for none), the
-- syncs that do not learn of a TRUNCATE, and the versions of all that was read.
WITH named AS (
  SELECT b.tablename, pg_catalog.min(b.deltaname) AS deltaname, pg_catalog.min(b.trackname) AS trackname,
    pg_catalog.array_agg(b.sync ORDER BY b.sync) AS syncs,
    pg_catalog.string_agg(b.xmin::pg_catalog.text, ' ' ORDER BY b.sync) AS version
  FROM bucardo.bucardo_delta_names b GROUP BY b.tablename
), own AS (
  SELECT c.oid, pg_catalog.quote_ident(c.relname) AS name FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'bucardo' AND c.relkind = 'r'
), fires AS (
  SELECT t.tgrelid, t.tgname, t.tgenabled, t.tgtype, t.xmin, p.proname, pg_catalog.encode(t.tgargs, 'escape') AS args
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = 'bucardo' AND NOT t.tgisinternal
)
SELECT q.name, c.oid, coalesce('bucardo.' || d.name, ''), coalesce('bucardo.' || k.name, ''),
  g.targets, q.syncs, coalesce(f.tgenabled::pg_catalog.text, ''),
  ARRAY(SELECT s.sync FROM pg_catalog.unnest(q.syncs) s(sync)
    WHERE NOT EXISTS (SELECT FROM fires x WHERE x.tgrelid = c.oid AND x.proname = 'bucardo_note_truncation'
      AND x.tgenabled IN ('O', 'A') AND x.args = s.sync || '\000') ORDER BY 1),
  pg_catalog.concat_ws(' ', c.oid, d.oid, k.oid, q.version, g.version, f.xmin)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN (SELECT m.tablename AS name, m.* FROM named m) q ON q.name = pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
LEFT JOIN own d ON d.name = q.deltaname
LEFT JOIN own k ON k.name = q.trackname
LEFT JOIN fires f ON f.tgrelid = c.oid AND f.tgname = 'bucardo_delta'
CROSS JOIN LATERAL (
  SELECT coalesce(pg_catalog.array_agg(DISTINCT t.target), '{}') AS targets,
    pg_catalog.string_agg(t.xmin::pg_catalog.text, ' ' ORDER BY t.target, t.xmin::pg_catalog.text) AS version
  FROM bucardo.bucardo_delta_targets t WHERE t.tablename = c.oid) g
WHERE c.relkind IN ('r', 'p')
ORDER BY 1
