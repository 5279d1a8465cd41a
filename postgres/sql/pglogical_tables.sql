-- The tables that the provider has in the replication sets $1. Only ordinary
-- ones send changes: a partitioned root may be in a set, and sends none.
SELECT n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
  pg_catalog.string_agg(s.xmin || ' ' || t.xmin, ' ' ORDER BY s.set_name),
  ARRAY(SELECT o.name FROM (VALUES (1, 'insert', pg_catalog.bool_or(s.replicate_insert)), (2, 'update', pg_catalog.bool_or(s.replicate_update)),
    (3, 'delete', pg_catalog.bool_or(s.replicate_delete)), (4, 'truncate', pg_catalog.bool_or(s.replicate_truncate))) o(n, name, sent)
    WHERE NOT o.sent ORDER BY o.n),
  pg_catalog.bool_or(t.set_row_filter IS NOT NULL), pg_catalog.bool_or(t.set_att_list IS NOT NULL)
FROM pglogical.replication_set s
JOIN pglogical.local_node l ON l.node_id = s.set_nodeid
JOIN pglogical.replication_set_table t ON t.set_id = s.set_id
JOIN pg_catalog.pg_class c ON c.oid = t.set_reloid AND c.relkind = 'r' AND c.relpersistence = 'p'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE s.set_name::pg_catalog.text = ANY ($1::pg_catalog.text[])
GROUP BY n.nspname, c.relname
ORDER BY 1, 2
