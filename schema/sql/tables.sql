-- Tables, partitions and views, and what is said of each as a whole.
{{rel}}
SELECT 'pg_class ' || rel.oid, rel.relowner::pg_catalog.text, 'table', rel.tab, NULL, rel.name,
  CASE rel.relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' ELSE 'table' || coalesce((SELECT ' of type ' || pg_catalog.format_type(c.reloftype, -1) FROM pg_catalog.pg_class c WHERE c.oid = rel.oid AND c.reloftype <> 0), '') END, NULL
FROM rel WHERE rel.relkind IN ('r','p','f') AND NOT rel.relispartition
UNION ALL
SELECT 'pg_class ' || rel.oid, rel.relowner::pg_catalog.text, 'partition', rel.tab, up.name, rel.name,
  CASE rel.relkind WHEN 'f' THEN 'foreign partition of ' ELSE 'partition of ' END || up.name || ' ' || pg_catalog.pg_get_expr(rel.relpartbound, rel.oid)
    || {{pg_inherits.inhdetachpending ? CASE WHEN i.inhdetachpending THEN ', half detached' ELSE '' END : ''}}, NULL
FROM rel JOIN pg_catalog.pg_inherits i ON i.inhrelid = rel.oid JOIN rel up ON up.oid = i.inhparent WHERE rel.relispartition
UNION ALL
SELECT 'pg_class ' || rel.oid, rel.relowner::pg_catalog.text, CASE rel.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END, rel.tab, NULL, rel.name,
  coalesce((SELECT 'WITH (' || pg_catalog.string_agg(o.option_name || CASE WHEN o.option_name <> 'check_option' THEN '' ELSE ' = ' || o.option_value END, ', ' ORDER BY o.option_name COLLATE "C") || ') '
    FROM pg_catalog.pg_options_to_table(rel.reloptions) o WHERE rel.relkind = 'v' AND (o.option_name = 'check_option' OR pg_catalog.lower(o.option_value) IN ('true','on','yes','1'))), '') || pg_catalog.pg_get_viewdef(rel.oid), NULL
FROM rel WHERE rel.relkind IN ('v','m')
UNION ALL
SELECT NULL, NULL, 'materialized_view_populated', rel.tab, rel.name, rel.name, CASE WHEN rel.relispopulated THEN 'populated' ELSE 'not populated' END, NULL
FROM rel WHERE rel.relkind = 'm'
UNION ALL
SELECT NULL, NULL, 'persistence', rel.tab, rel.name, rel.name, CASE rel.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END, NULL
FROM rel WHERE rel.relkind IN ('r','p')
UNION ALL
SELECT NULL, NULL, 'partition_key', rel.tab, rel.name, rel.name, pg_catalog.pg_get_partkeydef(rel.oid), NULL
FROM rel WHERE rel.relkind = 'p'
UNION ALL
SELECT NULL, NULL, 'storage_method', rel.tab, rel.name, rel.name, pg_catalog.quote_ident(a.amname), NULL
FROM rel JOIN pg_catalog.pg_class c ON c.oid = rel.oid JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE a.amname <> 'heap'
UNION ALL
SELECT NULL, NULL, 'column_order', max(rel.tab), max(rel.name), max(rel.name), pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum), NULL
FROM rel JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE rel.relkind IN ('r','p','f') GROUP BY rel.oid
UNION ALL
SELECT NULL, NULL, 'inherits', max(rel.tab), max(rel.name), max(rel.name), pg_catalog.string_agg(up.name, ', ' ORDER BY i.inhseqno), NULL
FROM rel JOIN pg_catalog.pg_inherits i ON i.inhrelid = rel.oid JOIN rel up ON up.oid = i.inhparent WHERE NOT rel.relispartition GROUP BY rel.oid
UNION ALL
SELECT NULL, NULL, 'replica_identity', rel.tab, rel.name, rel.name,
  CASE rel.relreplident WHEN 'd' THEN 'default' WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing' ELSE coalesce('index ' ||
    (SELECT pg_catalog.quote_ident(ic.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = rel.oid AND i.indisreplident), 'an index that was dropped') END, NULL
FROM rel WHERE rel.relkind IN ('r','p')
UNION ALL
SELECT NULL, NULL, 'row_security', rel.tab, rel.name, rel.name,
  CASE WHEN NOT rel.relrowsecurity THEN 'off' WHEN rel.relforcerowsecurity THEN 'on, for the owner as well' ELSE 'on' END, NULL
FROM rel WHERE rel.relkind IN ('r','p')
UNION ALL
SELECT NULL, NULL, 'foreign_table', rel.tab, rel.name, rel.name, 'server ' || pg_catalog.quote_ident(s.srvname) || {{options f.ftoptions}}, NULL
FROM rel JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = rel.oid JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
