-- Roles, what they are members of, settings, and the database itself. Predefined
-- roles are the server's, the bootstrap superuser whoever made the cluster.
WITH r AS (
  SELECT r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil, 'role ' || pg_catalog.quote_ident(r.rolname) AS object FROM pg_catalog.pg_roles r
), s AS (
  SELECT CASE WHEN r.oid IS NULL AND s.setdatabase = 0 THEN 'all roles' WHEN r.oid IS NULL THEN 'database' WHEN s.setdatabase = 0 THEN r.object ELSE r.object || ' in database' END AS owner,
    r.object AS role, pg_catalog.split_part(c, '=', 1) AS name, pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) AS value
  FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c LEFT JOIN r ON r.oid = s.setrole
  WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())) AND (r.rolname IS NULL OR r.rolname <> 'bucardo')
)
SELECT 'pg_authid ' || r.oid, NULL::pg_catalog.text, 'role', NULL::pg_catalog.text, NULL::pg_catalog.text, r.object,
  pg_catalog.concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'login' ELSE 'no login' END, CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN NOT r.rolinherit THEN 'no inherit' END,
    CASE WHEN r.rolcreaterole THEN 'createrole' END, CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolreplication THEN 'replication' END,
    CASE WHEN r.rolbypassrls THEN 'bypassrls' END, CASE WHEN r.rolconnlimit <> -1 THEN 'connection limit ' || r.rolconnlimit END, 'valid until ' || nullif(r.rolvaliduntil, 'infinity')), NULL::pg_catalog.text
FROM r WHERE r.oid <> 10 AND r.rolname NOT LIKE 'pg\_%' AND r.rolname <> 'bucardo'
UNION ALL
-- From 16 on whoever makes a role without being superuser administers it, by a
-- grant of the bootstrap superuser that nobody gave. What is inherited was an
-- attribute of the member before, and is an option of each grant since.
SELECT NULL, NULL, 'membership', NULL, 'role ' || pg_catalog.quote_ident(max(m.rolname)) || E'\nrole ' || pg_catalog.quote_ident(max(g.rolname)),
  'role ' || pg_catalog.quote_ident(max(m.rolname)) || ' in role ' || pg_catalog.quote_ident(max(g.rolname)),
  'member' || CASE WHEN pg_catalog.bool_or(k.admin_option) THEN ' with admin option' ELSE '' END
    || CASE WHEN pg_catalog.bool_or({{pg_auth_members.inherit_option ? k.inherit_option : m.rolinherit}}) THEN '' ELSE ', inherits nothing' END
    || CASE WHEN pg_catalog.bool_or({{pg_auth_members.set_option ? k.set_option : true}}) THEN '' ELSE ', may not set that role' END, NULL
FROM pg_catalog.pg_auth_members k JOIN pg_catalog.pg_roles m ON m.oid = k.member JOIN pg_catalog.pg_roles g ON g.oid = k.roleid
WHERE k.member <> 10 AND m.rolname NOT LIKE 'pg\_%' AND m.rolname <> 'bucardo'
  AND {{pg_auth_members.set_option ? NOT (k.grantor = 10 AND k.admin_option AND NOT k.inherit_option AND NOT k.set_option) : true}}
GROUP BY k.member, k.roleid
UNION ALL
SELECT NULL, NULL, 'setting', NULL, s.role, s.owner || ' setting ' || s.name, CASE WHEN {{secret s.name}} THEN E'set, not shown\x01' || pg_catalog.md5(s.value) WHEN s.value = '' THEN 'empty' ELSE s.value END, NULL FROM s
UNION ALL
SELECT 'pg_database ' || d.oid, d.datdba::pg_catalog.text, '', NULL, NULL, 'database', '', NULL FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
{{pg_parameter_acl.paracl ? UNION ALL
SELECT 'pg_parameter_acl ' || a.oid, NULL, '', NULL, NULL, 'parameter ' || pg_catalog.quote_ident(a.parname), '', NULL FROM pg_catalog.pg_parameter_acl a : }}
UNION ALL
SELECT NULL, NULL, 'database_encoding', NULL, 'database', 'database', pg_catalog.pg_encoding_to_char(d.encoding), NULL FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT NULL, NULL, 'database_locale', NULL, 'database', 'database', 'collate ' || d.datcollate || ', ctype ' || d.datctype
    || {{pg_database.datlocprovider ? CASE d.datlocprovider WHEN 'i' THEN ', icu ' WHEN 'b' THEN ', builtin ' ELSE '' END : ''}}
    || coalesce({{pg_database.datlocale ? d.datlocale : NULL}}, {{pg_database.daticulocale ? d.daticulocale : NULL}}, '') || {{pg_database.daticurules ? coalesce(', rules ' || d.daticurules, '') : ''}}, NULL
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT NULL, NULL, 'database_connection_limit', NULL, 'database', 'database', d.datconnlimit::pg_catalog.text, NULL FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
