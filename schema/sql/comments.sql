-- Comments of what is the user's own: whose they are is known by number.
SELECT c.relname || ' ' || d.objoid || CASE WHEN d.objsubid = 0 THEN '' ELSE ' ' || d.objsubid END, d.description
FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.classoid
WHERE d.objoid >= 16384 OR d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
UNION ALL
SELECT c.relname || ' ' || d.objoid, d.description
FROM pg_catalog.pg_shdescription d JOIN pg_catalog.pg_class c ON c.oid = d.classoid
