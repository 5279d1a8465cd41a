-- How the tables $1 stand in the subscriptions $2: a row for each relation that
-- holds their rows and each subscription to it, or to what it is a partition
-- of; one row without subscription where there is none. Children that merely
-- inherit are tables of their own.
WITH RECURSIVE wanted AS (
  SELECT w.name, pg_catalog.to_regclass(w.name)::pg_catalog.oid AS oid FROM pg_catalog.unnest($1::pg_catalog.text[]) w(name)
), down AS (
  SELECT w.name, w.oid FROM wanted w WHERE w.oid IS NOT NULL
  UNION ALL
  SELECT d.name, i.inhrelid FROM down d
  JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
), up AS (
  SELECT d.name, d.oid AS leaf, d.oid AS at FROM down d JOIN pg_catalog.pg_class c ON c.oid = d.oid
  WHERE c.relkind <> 'p' OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = d.oid)
  UNION ALL
  SELECT u.name, u.leaf, i.inhparent FROM up u
  JOIN pg_catalog.pg_class c ON c.oid = u.at AND c.relispartition
  JOIN pg_catalog.pg_inherits i ON i.inhrelid = u.at
), subscribed AS (
  SELECT u.name, u.leaf, s.subname, r.srsubstate, r.xmin
  FROM up u
  JOIN pg_catalog.pg_subscription_rel r ON r.srrelid = u.at AND r.srsubid = ANY ($2::pg_catalog.oid[])
  LEFT JOIN (SELECT DISTINCT st.subid, st.subname FROM pg_catalog.pg_stat_subscription st) s ON s.subid = r.srsubid
)
SELECT u.name, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  coalesce(s.subname, ''), coalesce(s.srsubstate::pg_catalog.text, ''), coalesce(s.xmin::pg_catalog.text, '')
FROM (SELECT DISTINCT u.name, u.leaf FROM up u) u
JOIN pg_catalog.pg_class c ON c.oid = u.leaf
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN subscribed s ON s.name = u.name AND s.leaf = u.leaf
ORDER BY 1, 2, 3, 4, 5
