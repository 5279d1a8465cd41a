-- Publications by name, and what they do not let through. Through JSON what a
-- version may not have: pubtruncate (11), prqual and prattrs (15). Version 10 carries
-- no TRUNCATE at all: that is nobody's choice, and excuses no row that is left over.
WITH members AS (
  SELECT pr.prpubid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name, pg_catalog.to_jsonb(pr) AS j
  FROM pg_catalog.pg_publication_rel pr
  JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)
SELECT p.pubname, p.puballtables,
  ARRAY(SELECT o.name FROM (VALUES (1, 'insert', p.pubinsert), (2, 'update', p.pubupdate), (3, 'delete', p.pubdelete),
    (4, 'truncate', coalesce((pg_catalog.to_jsonb(p) ->> 'pubtruncate')::pg_catalog.bool, true))) o(n, name, published)
    WHERE NOT o.published ORDER BY o.n),
  ARRAY(SELECT m.name FROM members m WHERE m.prpubid = p.oid AND m.j ->> 'prqual' IS NOT NULL ORDER BY m.name),
  ARRAY(SELECT m.name FROM members m WHERE m.prpubid = p.oid AND m.j ->> 'prattrs' IS NOT NULL ORDER BY m.name)
FROM pg_catalog.pg_publication p
WHERE p.pubname = ANY ($1::pg_catalog.text[])
ORDER BY p.pubname
