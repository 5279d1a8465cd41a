-- What objects to come will get, grantee by grantee: what is granted beyond the
-- server's own defaults, and, with a minus, what is taken from them.
WITH d AS (
  SELECT d.oid, d.defaclacl, d.defaclrole, CASE WHEN d.defaclnamespace = 0 THEN pg_catalog.acldefault((CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END)::"char", d.defaclrole) END AS usual,
    'default privileges of ' || pg_catalog.quote_ident(r.rolname) || coalesce(' in schema ' || pg_catalog.quote_ident(n.nspname), '')
      || CASE d.defaclobjtype WHEN 'r' THEN ' on tables' WHEN 'S' THEN ' on sequences' WHEN 'f' THEN ' on functions' WHEN 'T' THEN ' on types' WHEN 'n' THEN ' on schemas' ELSE ' on objects of kind ' || d.defaclobjtype::pg_catalog.text END AS object,
    E'role ' || pg_catalog.quote_ident(r.rolname) || coalesce(E'\nschema ' || pg_catalog.quote_ident(n.nspname), '') AS within
  FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
), x AS (
  SELECT d.object, d.within, d.defaclrole, x.grantee, x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END AS p FROM d CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) x
), u AS (
  SELECT d.object, d.within, d.defaclrole, x.grantee, x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END AS p FROM d CROSS JOIN LATERAL pg_catalog.aclexplode(d.usual) x
), c AS (
  (SELECT x.object, x.within, x.defaclrole, x.grantee, x.p FROM x EXCEPT SELECT u.object, u.within, u.defaclrole, u.grantee, u.p FROM u)
  UNION ALL
  SELECT m.object, m.within, m.defaclrole, m.grantee, '-' || m.p FROM (SELECT u.object, u.within, u.defaclrole, u.grantee, u.p FROM u EXCEPT SELECT x.object, x.within, x.defaclrole, x.grantee, x.p FROM x) m
)
SELECT c.object, c.within, CASE WHEN c.grantee = 0 THEN 'PUBLIC' WHEN c.grantee = c.defaclrole THEN 'the owner' ELSE pg_catalog.quote_ident(r.rolname) END, pg_catalog.string_agg(c.p, ', ' ORDER BY c.p COLLATE "C")
FROM c LEFT JOIN pg_catalog.pg_roles r ON r.oid = c.grantee WHERE c.grantee = 0 OR r.oid IS NOT NULL
GROUP BY c.object, c.within, c.grantee, c.defaclrole, r.rolname
