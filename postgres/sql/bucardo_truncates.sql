-- The TRUNCATEs that Bucardo noted and has not replicated yet, of tables that
-- are there: the table, the sync and when it was.
SELECT pg_catalog.quote_ident(t.sname) || '.' || pg_catalog.quote_ident(t.tname), t.sync, t.cdate
FROM bucardo.bucardo_truncate_trigger t
WHERE t.replicated IS NULL
  AND EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = t.tablename OR n.nspname = t.sname AND c.relname = t.tname)
ORDER BY 1, 2, 3
