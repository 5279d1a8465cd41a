package preflight

// leavesOf are common table expressions that follow {{rel}}: tree has every table
// with all that it is partitioned into, leaf the ends of these trees.
const leavesOf = `tree(root, rootname, oid) AS (
  SELECT rel.oid, rel.name, rel.oid FROM rel WHERE NOT rel.relispartition
  UNION ALL
  SELECT t.root, t.rootname, i.inhrelid FROM tree t
  JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
), leaf AS (
  SELECT t.root, t.rootname, c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, c.relnamespace,
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
  FROM tree t
  JOIN pg_catalog.pg_class c ON c.oid = t.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind <> 'p' OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
)`

// sentOf are common table expressions that follow leavesOf: sent has each leaf
// with the publications that publish it, and the relation under whose name. A
// partitioned table without partitions has nothing that could be published, but
// may be meant to.
const sentOf = `up(leaf, at) AS (
  SELECT leaf.oid, leaf.oid FROM leaf
  UNION ALL
  SELECT u.leaf, i.inhparent FROM up u
  JOIN pg_catalog.pg_class c ON c.oid = u.at AND c.relispartition
  JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.at
), feeding AS (
  SELECT p.oid, p.pubname, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, {{pg_publication.pubtruncate ? p.pubtruncate : true}} AS truncates
  FROM pg_catalog.pg_publication p WHERE {{feeds p.pubname}}
), member AS (
  SELECT p.oid AS puboid, t.relid, {{pg_publication_rel.prqual ? nullif(pg_catalog.pg_get_expr(t.qual, t.relid), 'true') : NULL::pg_catalog.text}} AS filter,
    {{pg_publication_rel.prattrs ? (SELECT pg_catalog.array_agg(pg_catalog.quote_ident(a.attname) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = t.relid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND t.attrs IS NOT NULL
        AND NOT a.attnum = ANY (t.attrs)) : NULL::pg_catalog.text[]}} AS without
  FROM feeding p CROSS JOIN LATERAL pg_catalog.pg_get_publication_tables(p.pubname::pg_catalog.text) t
), sent AS (
  SELECT u.leaf, m.puboid, m.relid, m.filter, m.without FROM up u JOIN member m ON m.relid = u.at
  UNION ALL
  SELECT leaf.oid, p.oid, leaf.oid, NULL, NULL FROM leaf JOIN feeding p ON p.puballtables
    OR EXISTS (SELECT FROM up u JOIN pg_catalog.pg_publication_rel pr ON pr.prrelid = u.at WHERE u.leaf = leaf.oid AND pr.prpubid = p.oid)
    {{pg_publication_namespace ? OR EXISTS (SELECT FROM up u JOIN pg_catalog.pg_class c ON c.oid = u.at
      JOIN pg_catalog.pg_publication_namespace pn ON pn.pnnspid = c.relnamespace WHERE u.leaf = leaf.oid AND pn.pnpubid = p.oid) : }}
  WHERE leaf.relkind = 'p' AND NOT EXISTS (SELECT FROM up u JOIN member m ON m.relid = u.at WHERE u.leaf = leaf.oid)
)`

const passagesSQL = `WITH RECURSIVE {{rel}}, ` + leavesOf + `, ` + sentOf + `
SELECT leaf.rootname, leaf.oid, leaf.nspname, leaf.relname, leaf.name, leaf.relkind = 'f', leaf.relpersistence = 'u',
  p.pubname, c.oid, n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  p.pubinsert, p.pubupdate, p.pubdelete, p.truncates, coalesce(sent.filter, ''), coalesce(sent.without, '{}')
FROM leaf
LEFT JOIN sent ON sent.leaf = leaf.oid
LEFT JOIN feeding p ON p.oid = sent.puboid
LEFT JOIN pg_catalog.pg_class c ON c.oid = sent.relid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY leaf.rootname, leaf.name, p.pubname, c.oid`

const publicationsSQL = `SELECT p.pubname, pg_catalog.quote_ident(p.pubname), p.puballtables FROM pg_catalog.pg_publication p WHERE {{feeds p.pubname}} ORDER BY p.pubname`

const arrivalsSQL = `SELECT n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), r.srsubid, r.srsubstate
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_subscription_rel r ON r.srrelid = c.oid AND r.srsubid = ANY ($1::pg_catalog.oid[])
WHERE c.relkind IN ('r','p') AND {{own n.nspname}}
ORDER BY 1, 2, 4`
