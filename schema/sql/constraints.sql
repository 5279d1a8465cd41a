-- Constraints that a table has itself: what a partition or a child has from its
-- parent follows that. NOT NULL is said of the column.
{{rel}}, k AS (
  SELECT rel.name AS rel, rel.tab, rel.name || ' constraint ' || pg_catalog.quote_ident(k.conname) AS object, k.oid, k.conindid, k.convalidated,
    {{pg_constraint.conenforced ? k.conenforced : true}} AS enforced, k.contype, pg_catalog.pg_get_constraintdef(k.oid) AS text
  FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid
  WHERE k.contype IN ('c','f','p','u','x') AND k.conislocal AND NOT (rel.relispartition AND k.coninhcount > 0)
), f AS (
  SELECT g.tgconstraint AS oid, CASE WHEN pg_catalog.bool_and(g.tgenabled = 'O') THEN 'enabled'
    ELSE pg_catalog.string_agg(DISTINCT CASE WHEN p.proname LIKE 'RI_FKey_check%' THEN 'its checks: ' ELSE 'its actions: ' END || {{enabled g.tgenabled}}, ', ') END AS state
  FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid WHERE g.tgconstraint <> 0 GROUP BY g.tgconstraint
), fk AS (
  -- A partition's goes by its parent's, whose own triggers some versions do not make.
  SELECT k.oid, rel.name AS rel, rel.tab, rel.name || ' constraint ' || pg_catalog.quote_ident(k.conname) AS object, coalesce(f.state, 'enabled') AS state,
    {{pg_constraint.conparentid ? CASE WHEN rel.relispartition THEN k.conparentid ELSE 0 END : 0}} AS conparentid
  FROM rel JOIN pg_catalog.pg_constraint k ON k.conrelid = rel.oid AND k.contype = 'f' LEFT JOIN f ON f.oid = k.oid
  WHERE {{pg_constraint.conparentid ? k.conparentid = 0 OR rel.relispartition AND k.coninhcount > 0 : true}}
)
SELECT 'pg_constraint ' || k.oid, NULL::pg_catalog.text, 'constraint', k.tab, k.rel, k.object, pg_catalog.regexp_replace(k.text, '( NOT VALID| NOT ENFORCED)$', ''), NULL::pg_catalog.text, NULL::pg_catalog.text
FROM k
UNION ALL
SELECT NULL, NULL, 'constraint_valid', k.tab, k.object, k.object,
  CASE WHEN NOT k.enforced THEN 'not enforced' WHEN NOT k.convalidated THEN 'not validated' WHEN i.indisvalid IS FALSE THEN 'its index is not valid' ELSE 'valid' END, NULL, NULL
FROM k LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p','u','x')
UNION ALL
SELECT NULL, NULL, 'constraint_triggers', fk.tab, fk.object || E'\n' || fk.rel || coalesce(E'\n' || up.object, ''), fk.object, fk.state, NULL, up.object FROM fk LEFT JOIN fk up ON up.oid = fk.conparentid
