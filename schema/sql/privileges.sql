-- Who may do what, grantee by grantee: now, and what was changed since the server
-- or an extension's script made it, where pg_init_privs tells. Of what is not the
-- user's own only that; its name is told as well.
WITH obj AS (
  SELECT 'pg_class'::pg_catalog.text AS class, c.oid, 0 AS sub, c.relowner AS owner, c.relacl AS acl, (CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char" AS kind
  FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','p','v','m','f','S') AND c.relpersistence <> 't'
  UNION ALL
  SELECT 'pg_class', a.attrelid, a.attnum, c.relowner, a.attacl, 'c' FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  WHERE a.attacl IS NOT NULL AND a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
  UNION ALL
  SELECT 'pg_proc', p.oid, 0, p.proowner, p.proacl, 'f' FROM pg_catalog.pg_proc p WHERE p.oid >= 16384 OR p.proacl IS NOT NULL
  UNION ALL
  SELECT 'pg_type', t.oid, 0, t.typowner, t.typacl, 'T' FROM pg_catalog.pg_type t WHERE t.typacl IS NOT NULL OR t.oid >= 16384 AND t.typtype IN ('e','d','r','c','b') AND t.typcategory <> 'A'
  UNION ALL
  SELECT 'pg_namespace', n.oid, 0, n.nspowner, n.nspacl, 'n' FROM pg_catalog.pg_namespace n
  UNION ALL
{{pg_parameter_acl.paracl ?   SELECT 'pg_parameter_acl', a.oid, 0, 10::pg_catalog.oid, a.paracl, 'p' FROM pg_catalog.pg_parameter_acl a
  UNION ALL : }}
  SELECT 'pg_language', l.oid, 0, l.lanowner, l.lanacl, 'l' FROM pg_catalog.pg_language l
  UNION ALL
  SELECT 'pg_database', d.oid, 0, d.datdba, d.datacl, 'd' FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
  UNION ALL
  SELECT 'pg_foreign_server', s.oid, 0, s.srvowner, s.srvacl, 'S' FROM pg_catalog.pg_foreign_server s
  UNION ALL
  SELECT 'pg_foreign_data_wrapper', w.oid, 0, w.fdwowner, w.fdwacl, 'F' FROM pg_catalog.pg_foreign_data_wrapper w
), told AS (
  SELECT obj.class, obj.oid, obj.sub, obj.owner, obj.class <> 'pg_database' AND obj.oid <> 2200 AND (obj.oid < 16384 OR e.objid IS NOT NULL) AS theirs,
    i.initprivs IS NOT NULL AS first, coalesce(obj.acl, pg_catalog.acldefault(obj.kind, obj.owner)) AS now, coalesce(i.initprivs, pg_catalog.acldefault(obj.kind, obj.owner)) AS made
  FROM obj JOIN pg_catalog.pg_class k ON k.relname = obj.class AND k.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = k.oid AND i.objoid = obj.oid AND i.objsubid = obj.sub
  LEFT JOIN pg_catalog.pg_depend e ON e.classid = k.oid AND e.objid = obj.oid AND e.deptype = 'e'
), worth AS (
  SELECT told.* FROM told -- The information schema is made anew by each version.
  WHERE NOT told.theirs OR told.now IS DISTINCT FROM told.made AND (told.first OR told.class <> 'pg_class' OR told.oid >= 16384 OR told.sub > 0)
), has AS (
  SELECT worth.class, worth.oid, worth.sub, x.grantee, x.privilege_type AS p, x.privilege_type || CASE WHEN pg_catalog.bool_or(x.is_grantable) THEN '*' ELSE '' END AS text
  FROM worth CROSS JOIN LATERAL pg_catalog.aclexplode(worth.now) x GROUP BY worth.class, worth.oid, worth.sub, x.grantee, x.privilege_type
), had AS (
  SELECT worth.class, worth.oid, worth.sub, x.grantee, x.privilege_type AS p, x.privilege_type || CASE WHEN pg_catalog.bool_or(x.is_grantable) THEN '*' ELSE '' END AS text
  FROM worth CROSS JOIN LATERAL pg_catalog.aclexplode(worth.made) x WHERE worth.first OR worth.theirs
  GROUP BY worth.class, worth.oid, worth.sub, x.grantee, x.privilege_type
), priv AS (
  SELECT class, oid, sub, grantee, p, has.text AS now, had.text AS made FROM has FULL JOIN had USING (class, oid, sub, grantee, p)
)
SELECT worth.class || ' ' || worth.oid || CASE WHEN worth.sub = 0 THEN '' ELSE ' ' || worth.sub END,
  CASE WHEN priv.grantee = 0 THEN 'PUBLIC' WHEN priv.grantee = worth.owner THEN 'the owner' ELSE pg_catalog.quote_ident(r.rolname) END,
  coalesce(pg_catalog.string_agg(priv.now, ', ' ORDER BY priv.p COLLATE "C"), ''),
  CASE WHEN worth.first OR worth.theirs THEN coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(', ', priv.now, '-' || priv.made), ', ' ORDER BY priv.p COLLATE "C")
    FILTER (WHERE priv.now IS DISTINCT FROM priv.made), '') END,
  CASE WHEN worth.theirs THEN (SELECT i.type || ' ' || i.identity FROM pg_catalog.pg_identify_object(('pg_catalog.' || worth.class)::pg_catalog.regclass, worth.oid, worth.sub) i) END
FROM priv JOIN worth USING (class, oid, sub) LEFT JOIN pg_catalog.pg_roles r ON r.oid = priv.grantee
WHERE (priv.grantee IN (0, worth.owner) OR r.oid IS NOT NULL) AND NOT (worth.class = 'pg_parameter_acl' AND priv.grantee = worth.owner)
GROUP BY worth.class, worth.oid, worth.sub, worth.owner, worth.first, worth.theirs, priv.grantee, r.rolname
