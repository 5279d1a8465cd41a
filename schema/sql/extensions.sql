-- Extensions, schemas, languages and what else the whole database has. Schema
-- public equals any that initdb made.
WITH x AS (
  SELECT e.oid, e.extowner, 'extension ' || pg_catalog.quote_ident(e.extname) AS object, e.extversion, pg_catalog.quote_ident(n.nspname) AS schema, e.extconfig, e.extcondition
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
  WHERE {{notool e.extname}} AND e.extname NOT IN ('pglogical_origin','pg_repack','pg_squeeze')
)
SELECT NULL::pg_catalog.text, x.extowner::pg_catalog.text, 'extension', NULL::pg_catalog.text, NULL::pg_catalog.text, x.object, 'installed', NULL::pg_catalog.text FROM x
UNION ALL
SELECT NULL, NULL, 'extension_version', NULL, x.object, x.object, x.extversion, NULL FROM x
UNION ALL
SELECT NULL, NULL, 'extension_schema', NULL, x.object, x.object, x.schema, NULL FROM x
UNION ALL
SELECT NULL, NULL, 'extension_config', NULL, x.object, x.object,
  (SELECT pg_catalog.string_agg(c.rel::pg_catalog.regclass || coalesce(' ' || nullif(c.cond, ''), ''), ', ' ORDER BY c.rel::pg_catalog.regclass::pg_catalog.text COLLATE "C") FROM ROWS FROM (pg_catalog.unnest(x.extconfig), pg_catalog.unnest(x.extcondition)) c(rel, cond)), NULL
FROM x WHERE x.extconfig <> '{}'
UNION ALL
SELECT 'pg_namespace ' || n.oid, NULL, 'schema', NULL, NULL, 'schema ' || pg_catalog.quote_ident(n.nspname), 'schema', NULL
FROM pg_catalog.pg_namespace n WHERE {{own n.nspname}} AND {{mine pg_namespace n.oid}}
UNION ALL
SELECT NULL, NULL, 'owner', NULL, 'schema ' || pg_catalog.quote_ident(n.nspname), 'schema ' || pg_catalog.quote_ident(n.nspname), pg_catalog.quote_ident(r.rolname),
  CASE WHEN n.oid = 2200 AND (r.oid = 10 OR r.rolname = 'pg_database_owner') THEN 'as initdb made it' WHEN r.oid = 10 THEN 'bootstrap superuser' END
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE {{own n.nspname}} AND {{mine pg_namespace n.oid}}
UNION ALL
SELECT 'pg_language ' || l.oid, l.lanowner::pg_catalog.text, 'language', NULL, NULL, 'language ' || pg_catalog.quote_ident(l.lanname),
  CASE WHEN l.lanpltrusted THEN 'trusted, ' ELSE 'untrusted, ' END || pg_catalog.concat_ws(', ', l.lanplcallfoid::pg_catalog.regprocedure, 'INLINE ' || nullif(l.laninline, 0)::pg_catalog.regprocedure, 'VALIDATOR ' || nullif(l.lanvalidator, 0)::pg_catalog.regprocedure), NULL
FROM pg_catalog.pg_language l WHERE l.lanispl AND {{mine pg_language l.oid}}
UNION ALL
SELECT 'pg_am ' || a.oid, NULL, 'access_method', NULL, NULL, 'access method ' || pg_catalog.quote_ident(a.amname), a.amtype::pg_catalog.text || ' ' || a.amhandler::pg_catalog.regproc, NULL
FROM pg_catalog.pg_am a WHERE a.oid >= 16384 AND {{mine pg_am a.oid}}
UNION ALL
SELECT 'pg_publication ' || p.oid, p.pubowner::pg_catalog.text, 'publication', NULL, NULL, 'publication ' || pg_catalog.quote_ident(p.pubname),
  CASE WHEN p.puballtables THEN 'all tables' ELSE 'chosen tables' END || CASE WHEN p.pubinsert THEN ', insert' ELSE '' END || CASE WHEN p.pubupdate THEN ', update' ELSE '' END
    || CASE WHEN p.pubdelete THEN ', delete' ELSE '' END || {{pg_publication.pubtruncate ? CASE WHEN p.pubtruncate THEN ', truncate' ELSE '' END : ''}}
    || {{pg_publication.pubviaroot ? CASE WHEN p.pubviaroot THEN ', via the root' ELSE '' END : ''}} || {{pg_publication.pubgencols ? CASE p.pubgencols WHEN 's' THEN ', stored generated columns' ELSE '' END : ''}}, NULL
FROM pg_catalog.pg_publication p
UNION ALL
SELECT NULL, NULL, 'publication_content', NULL, 'publication ' || pg_catalog.quote_ident(p.pubname) || E'\n' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  'publication ' || pg_catalog.quote_ident(p.pubname) || ' table ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  'published' || {{pg_publication_rel.prattrs ? coalesce(', columns ' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs)), '') : ''}}
    || {{pg_publication_rel.prqual ? coalesce(', WHERE ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid), '') : ''}}, NULL
FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
{{pg_publication_namespace.pnpubid ? UNION ALL
SELECT NULL, NULL, 'publication_content', NULL, 'publication ' || pg_catalog.quote_ident(p.pubname) || E'\nschema ' || pg_catalog.quote_ident(n.nspname),
  'publication ' || pg_catalog.quote_ident(p.pubname) || ' schema ' || pg_catalog.quote_ident(n.nspname), 'published', NULL
FROM pg_catalog.pg_publication_namespace r JOIN pg_catalog.pg_publication p ON p.oid = r.pnpubid JOIN pg_catalog.pg_namespace n ON n.oid = r.pnnspid : }}
UNION ALL
SELECT 'pg_transform ' || t.oid, NULL, 'transform', NULL, NULL, 'transform for ' || pg_catalog.format_type(t.trftype, -1) || ' language ' || pg_catalog.quote_ident(l.lanname),
  pg_catalog.concat_ws(', ', 'from SQL by ' || nullif(t.trffromsql, 0)::pg_catalog.regprocedure, 'to SQL by ' || nullif(t.trftosql, 0)::pg_catalog.regprocedure), NULL
FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang WHERE {{mine pg_transform t.oid}}
UNION ALL
SELECT 'pg_statistic_ext ' || s.oid, s.stxowner::pg_catalog.text, 'statistics', NULL, NULL, 'statistics ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname),
  pg_catalog.pg_get_statisticsobjdef(s.oid), NULL
FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace WHERE {{own n.nspname}} AND {{mine pg_statistic_ext s.oid}}
