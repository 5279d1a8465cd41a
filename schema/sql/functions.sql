-- Functions, procedures and aggregates. What a range type made for itself
-- follows the type.
WITH f AS (
  SELECT p.oid, p.proowner, p.probin, p.prosrc, p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel, p.proconfig,
    {{pg_proc.prosqlbody ? p.prosqlbody, : }} {{pg_proc.prokind ? p.prokind : CASE WHEN p.proisagg THEN 'a' WHEN p.proiswindow THEN 'w' ELSE 'f' END}}::pg_catalog.text AS what,
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
  CASE WHEN f.what = 'a' THEN (SELECT pg_catalog.concat_ws(' ', g.aggkind, g.aggnumdirectargs, g.aggtransfn::pg_catalog.regprocedure, pg_catalog.format_type(g.aggtranstype, -1), g.agginitval,
      g.aggfinalfn::pg_catalog.regprocedure, g.aggcombinefn::pg_catalog.regprocedure, g.aggserialfn::pg_catalog.regprocedure, g.aggdeserialfn::pg_catalog.regprocedure,
      g.aggmtransfn::pg_catalog.regprocedure, g.aggminvtransfn::pg_catalog.regprocedure, g.aggmfinalfn::pg_catalog.regprocedure, g.aggfinalextra, g.aggmfinalextra,
      g.aggsortop::pg_catalog.regoperator, g.aggmtranstype::pg_catalog.regtype, g.aggminitval) FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = f.oid)
    WHEN f.lanname IN ('c','internal') THEN coalesce(f.probin::pg_catalog.text || ' ', '') || f.prosrc
    ELSE pg_catalog.length(f.prosrc) || ' characters, md5 ' || pg_catalog.md5(f.prosrc) END, NULL
FROM f WHERE {{pg_proc.prosqlbody ? f.prosqlbody IS NULL : true}}
{{pg_proc.prosqlbody ? UNION ALL
SELECT NULL, NULL, 'function_body', NULL, f.object, f.object, pg_catalog.pg_get_function_sqlbody(f.oid), NULL FROM f WHERE f.prosqlbody IS NOT NULL : }}
UNION ALL
SELECT NULL, NULL, 'function_attributes', NULL, f.object, f.object, pg_catalog.concat_ws(', ', f.lanname,
  CASE f.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END, CASE WHEN f.proisstrict THEN 'strict' END,
  CASE WHEN f.prosecdef THEN 'security definer' END, CASE WHEN f.proleakproof THEN 'leakproof' END,
  CASE f.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END), NULL
FROM f
UNION ALL
SELECT NULL, NULL, 'function_settings', NULL, f.object, f.object, (SELECT pg_catalog.string_agg(c, ', ' ORDER BY c COLLATE "C") FROM pg_catalog.unnest(f.proconfig) c), NULL
FROM f WHERE f.proconfig IS NOT NULL
