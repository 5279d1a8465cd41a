-- What the comparison has to know of a server: the first column says what a row
-- tells. No number of a version: what it prints, and which privileges it has.
SELECT 'qualifies', CASE WHEN pg_catalog.pg_get_viewdef('pg_catalog.pg_user'::pg_catalog.regclass) LIKE '%pg\_shadow.usename%' THEN 'yes' ELSE '' END, NULL
UNION ALL
SELECT 'bootstrap', pg_catalog.quote_ident(r.rolname), NULL FROM pg_catalog.pg_roles r WHERE r.oid = 10
UNION ALL
SELECT 'role', r.oid::pg_catalog.text, pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles r
UNION ALL
SELECT DISTINCT 'privilege', x.privilege_type, NULL
FROM pg_catalog.unnest(ARRAY['r','s','f','T','n','l','d','S','F'{{pg_parameter_acl.paracl ? ,'p' : }}]::"char"[]) k(kind)
CROSS JOIN LATERAL pg_catalog.aclexplode(pg_catalog.acldefault(k.kind, 10)) x
UNION ALL
SELECT 'superuser', CASE WHEN r.rolsuper THEN 'yes' ELSE '' END, NULL FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
UNION ALL
SELECT 'passwords', CASE WHEN pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') THEN 'yes' ELSE '' END, NULL
{{pg_publication.pubtruncate ? UNION ALL
SELECT 'truncates', NULL, NULL : }}
