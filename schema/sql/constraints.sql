-- Constraints that a table has itself: what a partition or a child has from its
-- parent follows that. NOT NULL is said of the column.
{{rel}}, k AS (
  SELECT rel.name AS rel, rel.tab, rel.name || ' constraint ' || pg_catalog.quote_ident(k.conname) AS object, k.oid, k.conindid, k.convalidated,
    {{pg_constraint.conenforced ? k.conenforced : true}} AS enforced, k.contype, pg_catalog.pg_get_constraintdef(k.oid) AS text
  FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid
  WHERE k.contype IN ('c','f','p','u','x') AND k.conislocal AND NOT (rel.relispartition AND k.coninhcount > 0)
)
SELECT 'pg_constraint ' || k.oid, NULL::pg_catalog.text, 'constraint', k.tab, k.rel, k.object, pg_catalog.regexp_replace(k.text, '( NOT VALID| NOT ENFORCED)$', ''), NULL::pg_catalog.text
FROM k
UNION ALL
SELECT NULL, NULL, 'constraint_valid', k.tab, k.object, k.object,
  CASE WHEN NOT k.enforced THEN 'not enforced' WHEN NOT k.convalidated THEN 'not validated' WHEN i.indisvalid IS FALSE THEN 'its index is not valid' ELSE 'valid' END, NULL
FROM k LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p','u','x')
UNION ALL
SELECT NULL, NULL, 'constraint_triggers', max(k.tab), max(k.object), max(k.object),
  CASE WHEN pg_catalog.bool_and(g.tgenabled = 'O') THEN 'enabled' WHEN pg_catalog.bool_or(g.tgenabled = 'D') THEN 'disabled'
    WHEN pg_catalog.bool_or(g.tgenabled = 'R') THEN 'fire on a replica only' ELSE 'fire always' END, NULL
FROM k JOIN pg_catalog.pg_trigger g ON g.tgconstraint = k.oid WHERE k.contype = 'f' GROUP BY k.oid
