-- Publications by name, and what they do not let through. Through JSON what a
-- version may not have: pubtruncate (11), prqual and prattrs (15). Version 10 carries
-- no TRUNCATE at all: that is nobody's choice, and excuses no row that is left over.
-- What holds for a partition holds for some of its roots' rows, and the other way
-- round.
WITH RECURSIVE up(prpubid, j, oid) AS (
  SELECT pr.prpubid, pg_catalog.to_jsonb(pr), pr.prrelid FROM pg_catalog.pg_publication_rel pr
  UNION ALL
  SELECT up.prpubid, up.j, i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
), down(prpubid, j, oid) AS (
  SELECT pr.prpubid, pg_catalog.to_jsonb(pr), pr.prrelid FROM pg_catalog.pg_publication_rel pr
  UNION ALL
  SELECT down.prpubid, down.j, i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid
), members AS (
  SELECT r.prpubid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name, r.j
  FROM (SELECT * FROM up UNION SELECT * FROM down) r
  JOIN pg_catalog.pg_class c ON c.oid = r.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)
SELECT p.pubname,
  ARRAY(SELECT o.name FROM (VALUES (1, 'insert', p.pubinsert), (2, 'update', p.pubupdate), (3, 'delete', p.pubdelete),
    (4, 'truncate', coalesce((pg_catalog.to_jsonb(p) ->> 'pubtruncate')::pg_catalog.bool, true))) o(n, name, published)
    WHERE NOT o.published ORDER BY o.n),
  ARRAY(SELECT DISTINCT m.name FROM members m WHERE m.prpubid = p.oid AND m.j ->> 'prqual' IS NOT NULL ORDER BY m.name),
  ARRAY(SELECT DISTINCT m.name FROM members m WHERE m.prpubid = p.oid AND m.j ->> 'prattrs' IS NOT NULL ORDER BY m.name),
  ARRAY(SELECT pg_catalog.quote_ident(pt.schemaname) || '.' || pg_catalog.quote_ident(pt.tablename)
    FROM pg_catalog.pg_publication_tables pt WHERE pt.pubname = p.pubname ORDER BY 1)
FROM pg_catalog.pg_publication p
WHERE p.pubname = ANY ($1::pg_catalog.text[])
ORDER BY p.pubname
