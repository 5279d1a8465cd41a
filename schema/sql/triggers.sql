-- What acts by itself: triggers, rules, policies and event triggers. What a
-- replication tool put on a table is the tool's.
-- A trigger on a partition that its parent's made follows that: 11 and 12 call it
-- internal, and tell by a dependency.
{{rel}}, g AS (
  SELECT g.oid, g.tgrelid, g.tgname, g.tgfoid, g.tgenabled, g.tgisinternal, g.tgconstraint, {{pg_trigger.tgparentid ? g.tgparentid : coalesce(c.refobjid, 0)}} AS tgparent FROM pg_catalog.pg_trigger g
  {{pg_trigger.tgparentid ?  : LEFT JOIN pg_catalog.pg_depend c ON c.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND c.objid = g.oid AND c.refclassid = c.classid}}
), t AS (
  SELECT t.tgparent, rel.name AS rel, rel.tab, rel.name || ' trigger ' || pg_catalog.quote_ident(t.tgname) AS object, t.oid, t.tgenabled,
    pg_catalog.replace(pg_catalog.pg_get_triggerdef(t.oid), 'EXECUTE PROCEDURE', 'EXECUTE FUNCTION') AS text
  FROM rel JOIN g t ON t.tgrelid = rel.oid AND (NOT t.tgisinternal OR t.tgparent <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype = 'f'))
  JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
  WHERE {{notool fn.nspname}}
), r AS (
  SELECT rel.name AS rel, rel.tab, rel.name || ' rule ' || pg_catalog.quote_ident(r.rulename) AS object, r.oid, r.ev_enabled, pg_catalog.pg_get_ruledef(r.oid) AS text
  FROM rel JOIN pg_catalog.pg_rewrite r ON r.ev_class = rel.oid AND r.rulename <> '_RETURN'
), e AS (
  SELECT 'event trigger ' || pg_catalog.quote_ident(e.evtname) AS object, e.oid, e.evtowner, e.evtenabled, e.evtevent || coalesce(' WHEN TAG IN (' || pg_catalog.array_to_string(e.evttags, ', ') || ')', '')
    || ' EXECUTE FUNCTION ' || pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.proname) AS text
  FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc f ON f.oid = e.evtfoid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace
  WHERE {{notool fn.nspname}} AND {{mine pg_event_trigger e.oid}}
)
SELECT 'pg_trigger ' || t.oid, NULL::pg_catalog.text, 'trigger', t.tab, t.rel, t.object, t.text, NULL::pg_catalog.text, NULL::pg_catalog.text FROM t WHERE t.tgparent = 0
UNION ALL
SELECT NULL, NULL, 'trigger_enabled', t.tab, t.object || E'\n' || t.rel || coalesce(E'\n' || up.object, ''), t.object, {{enabled t.tgenabled}}, NULL, up.object FROM t LEFT JOIN t up ON up.oid = t.tgparent
UNION ALL
SELECT 'pg_rewrite ' || r.oid, NULL, 'rule', r.tab, r.rel, r.object, r.text, NULL, NULL FROM r
UNION ALL
SELECT NULL, NULL, 'rule_enabled', r.tab, r.object, r.object, {{enabled r.ev_enabled}}, NULL, NULL FROM r
UNION ALL
SELECT 'pg_policy ' || p.oid, NULL, 'policy', rel.tab, rel.name, rel.name || ' policy ' || pg_catalog.quote_ident(p.polname),
  CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END
    || CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' ELSE ' FOR ALL' END
    || ' TO ' || (SELECT pg_catalog.string_agg(x.name, ', ' ORDER BY x.name COLLATE "C") FROM (SELECT coalesce(pg_catalog.quote_ident(o.rolname), 'PUBLIC') AS name
      FROM pg_catalog.unnest(p.polroles) u(role) LEFT JOIN pg_catalog.pg_roles o ON o.oid = u.role) x)
    || coalesce(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', '')
    || coalesce(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''), NULL, NULL
FROM rel JOIN pg_catalog.pg_policy p ON p.polrelid = rel.oid
UNION ALL
SELECT 'pg_event_trigger ' || e.oid, e.evtowner::pg_catalog.text, 'event_trigger', NULL, NULL, e.object, e.text, NULL, NULL FROM e
UNION ALL
SELECT NULL, NULL, 'event_trigger_enabled', NULL, e.object, e.object, {{enabled e.evtenabled}}, NULL, NULL FROM e
