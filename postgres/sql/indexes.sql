-- Every usable btree index over plain columns of those relations: the unique
-- ones can be keys, the others serve "last N by a column".
SELECT i.indrelid, ic.relname, i.indisprimary, i.indisunique AND i.indpred IS NULL,
  ARRAY(SELECT a.attname FROM pg_catalog.generate_series(0, {{keycolumns}} - 1) g(p)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[g.p] ORDER BY g.p),
  ARRAY(SELECT 'OPERATOR(' || pg_catalog.quote_ident(opn.nspname) || '.' || op.oprname || ')'
    FROM pg_catalog.generate_series(0, {{keycolumns}} - 1) g(p)
    JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[g.p]
    JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
      AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
    JOIN pg_catalog.pg_operator op ON op.oid = ao.amopopr
    JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace ORDER BY g.p),
  i.indpred IS NOT NULL
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisvalid AND i.indexprs IS NULL AND c.relkind IN ('r','p')
  AND n.nspname NOT IN ('pg_catalog','information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp\_%'
ORDER BY i.indrelid, i.indisprimary DESC, {{keycolumns}}, ic.relname::pg_catalog.text COLLATE "C"
