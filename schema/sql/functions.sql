-- Functions, procedures and aggregates. What a range type made for itself
-- follows the type.
WITH f AS (
  SELECT p.oid, p.proowner, p.probin, p.prosrc, p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel, p.proconfig, p.procost, p.prorows, p.protrftypes,
    {{pg_proc.prosqlbody ? p.prosqlbody, : }} {{pg_proc.prosupport ? nullif(p.prosupport, 0) : NULL::pg_catalog.regproc}} AS prosupport, {{pg_proc.prokind ? p.prokind : CASE WHEN p.proisagg THEN 'a' WHEN p.proiswindow THEN 'w' ELSE 'f' END}}::pg_catalog.text AS what,
    'function ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname) || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' AS object,
    l.lanname
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  WHERE {{own n.nspname}} AND {{mine pg_proc p.oid}}
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i')
)
SELECT 'pg_proc ' || f.oid, f.proowner::pg_catalog.text, 'function', NULL, NULL, f.object,
  CASE f.what WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' WHEN 'w' THEN 'window function' ELSE 'function' END
    || ' (' || pg_catalog.pg_get_function_arguments(f.oid) || ')' || coalesce(' RETURNS ' || pg_catalog.pg_get_function_result(f.oid), ''), NULL::pg_catalog.text
FROM f
UNION ALL
SELECT NULL, NULL, 'function_body', NULL, f.object, f.object,
  CASE WHEN f.what = 'a' THEN (SELECT pg_catalog.concat_ws(' ', CASE g.aggkind WHEN 'o' THEN 'ordered-set' WHEN 'h' THEN 'hypothetical-set' END, nullif(g.aggnumdirectargs, 0),
      'SFUNC ' || {{proc g.aggtransfn}}, 'STYPE ' || pg_catalog.format_type(g.aggtranstype, -1), 'INITCOND ' || pg_catalog.quote_literal(g.agginitval),
      'FINALFUNC ' || {{proc g.aggfinalfn}}, CASE WHEN g.aggfinalextra THEN 'FINALFUNC_EXTRA' END, 'COMBINEFUNC ' || {{proc g.aggcombinefn}},
      'SERIALFUNC ' || {{proc g.aggserialfn}}, 'DESERIALFUNC ' || {{proc g.aggdeserialfn}}, 'MSFUNC ' || {{proc g.aggmtransfn}}, 'MINVFUNC ' || {{proc g.aggminvtransfn}},
      'MSTYPE ' || pg_catalog.format_type(nullif(g.aggmtranstype, 0), -1), 'MINITCOND ' || pg_catalog.quote_literal(g.aggminitval), 'MFINALFUNC ' || {{proc g.aggmfinalfn}},
      CASE WHEN g.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END, 'SORTOP ' || nullif(g.aggsortop, 0)::pg_catalog.regoperator) FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = f.oid)
    WHEN f.lanname IN ('c','internal') THEN coalesce(f.probin::pg_catalog.text || ' ', '') || f.prosrc
    ELSE pg_catalog.length(f.prosrc) || ' characters, md5 ' || pg_catalog.md5(f.prosrc) END, NULL
FROM f WHERE {{pg_proc.prosqlbody ? f.prosqlbody IS NULL : true}}
{{pg_proc.prosqlbody ? UNION ALL
SELECT NULL, NULL, 'function_body', NULL, f.object, f.object, pg_catalog.pg_get_function_sqlbody(f.oid), NULL FROM f WHERE f.prosqlbody IS NOT NULL : }}
UNION ALL
SELECT NULL, NULL, 'function_attributes', NULL, f.object, f.object, pg_catalog.concat_ws(', ', f.lanname,
  CASE f.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END, CASE WHEN f.proisstrict THEN 'strict' END,
  CASE WHEN f.prosecdef THEN 'security definer' END, CASE WHEN f.proleakproof THEN 'leakproof' END,
  CASE f.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END,
  'transforms ' || (SELECT pg_catalog.string_agg(pg_catalog.format_type(y, -1), ', ' ORDER BY pg_catalog.format_type(y, -1) COLLATE "C") FROM pg_catalog.unnest(f.protrftypes) y)), NULL
FROM f
UNION ALL
SELECT NULL, NULL, 'function_planning', NULL, f.object, f.object, 'cost ' || f.procost || ', rows ' || f.prorows || coalesce(', support ' || f.prosupport, ''), NULL FROM f WHERE f.what <> 'a'
UNION ALL
SELECT NULL, NULL, 'function_settings', NULL, f.object, f.object, (SELECT pg_catalog.string_agg(c, ', ' ORDER BY c COLLATE "C") FROM pg_catalog.unnest(f.proconfig) c), NULL
FROM f WHERE f.proconfig IS NOT NULL
