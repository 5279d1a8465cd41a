-- Client sessions that run a statement, beside those of the asking run, whose
-- statements all begin with the comment that $1 matches; and sessions of other
-- roles whose state the asking role may not see (their backend_type is NULL;
-- sessions that belong to no role are the server's own).
SELECT count(*) FILTER (WHERE a.backend_type = 'client backend' AND a.state IN ('active', 'fastpath function call')
    AND a.query NOT LIKE $1),
  '', '',
  count(*) FILTER (WHERE a.backend_type IS NULL AND a.usesysid IS NOT NULL)
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_catalog.pg_backend_pid()
