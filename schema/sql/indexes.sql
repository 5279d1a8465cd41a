-- Indexes, but those that a constraint made, which follow it, and those of a
-- partition that follow its parent's.
{{rel}}, ix AS (
  SELECT rel.name AS rel, rel.tab, rel.name || ' index ' || pg_catalog.quote_ident(ic.relname) AS object, i.indexrelid, i.indisvalid AND i.indisready AS valid
  FROM rel JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  WHERE NOT ic.relispartition
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p','u','x'))
)
SELECT 'pg_class ' || ix.indexrelid, NULL::pg_catalog.text, 'index', ix.tab, ix.rel, ix.object, pg_catalog.pg_get_indexdef(ix.indexrelid), NULL::pg_catalog.text
FROM ix
UNION ALL
SELECT NULL, NULL, 'index_valid', ix.tab, ix.object, ix.object, CASE WHEN ix.valid THEN 'valid' ELSE 'not valid' END, NULL FROM ix
