-- Who holds a lock that writing takes on the tables $1 or their partitions.
-- Reading, locking rows and VACUUM take weaker ones.
WITH RECURSIVE tree(oid) AS (
  SELECT pg_catalog.to_regclass(w.name)::pg_catalog.oid FROM pg_catalog.unnest($1::pg_catalog.text[]) w(name)
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
)
SELECT DISTINCT l.virtualtransaction, coalesce(l.pid, 0), coalesce(a.wait_event, '')
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND l.relation IN (SELECT t.oid FROM tree t)
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock')
ORDER BY 1
