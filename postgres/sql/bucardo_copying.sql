-- Transactions of Bucardo's copying processes that hold a lock that writing takes.
SELECT DISTINCT l.virtualtransaction, l.pid, coalesce(a.wait_event, '')
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND a.application_name LIKE 'bucardo KID%'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock')
ORDER BY 1
