-- Security labels, as extensions that mask or guard data by them read them.
SELECT c.relname || ' ' || l.objoid || CASE WHEN l.objsubid = 0 THEN '' ELSE ' ' || l.objsubid END, l.provider, l.label
FROM pg_catalog.pg_seclabel l JOIN pg_catalog.pg_class c ON c.oid = l.classoid
UNION ALL
SELECT c.relname || ' ' || l.objoid, l.provider, l.label
FROM pg_catalog.pg_shseclabel l JOIN pg_catalog.pg_class c ON c.oid = l.classoid
WHERE l.classoid <> 'pg_catalog.pg_database'::pg_catalog.regclass OR l.objoid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
