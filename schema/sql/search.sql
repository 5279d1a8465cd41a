-- Text search. A configuration's tokens have names that its parser gives.
SELECT 'pg_ts_config ' || c.oid, c.cfgowner::pg_catalog.text, 'text_search_configuration', NULL::pg_catalog.text, NULL::pg_catalog.text,
  'text search configuration ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.cfgname),
  'parser ' || pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.prsname)
    || coalesce((SELECT pg_catalog.string_agg(', ' || k.alias || ' ' || m.dicts, '' ORDER BY k.alias COLLATE "C")
      FROM (SELECT m.maptokentype, pg_catalog.string_agg(m.mapdict::pg_catalog.regdictionary::pg_catalog.text, '+' ORDER BY m.mapseqno) AS dicts
        FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = c.oid GROUP BY m.maptokentype) m
      JOIN pg_catalog.ts_token_type(c.cfgparser) k ON k.tokid = m.maptokentype), ''), NULL::pg_catalog.text
FROM pg_catalog.pg_ts_config c JOIN pg_catalog.pg_namespace n ON n.oid = c.cfgnamespace
JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser JOIN pg_catalog.pg_namespace pn ON pn.oid = p.prsnamespace
WHERE {{own n.nspname}} AND {{mine pg_ts_config c.oid}}
UNION ALL
SELECT 'pg_ts_dict ' || d.oid, d.dictowner::pg_catalog.text, 'text_search_dictionary', NULL, NULL,
  'text search dictionary ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(d.dictname),
  'template ' || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.tmplname) || coalesce(' (' || d.dictinitoption || ')', ''), NULL
FROM pg_catalog.pg_ts_dict d JOIN pg_catalog.pg_namespace n ON n.oid = d.dictnamespace
JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate JOIN pg_catalog.pg_namespace tn ON tn.oid = t.tmplnamespace
WHERE {{own n.nspname}} AND {{mine pg_ts_dict d.oid}}
UNION ALL
SELECT 'pg_ts_parser ' || p.oid, NULL, 'text_search_parser', NULL, NULL, 'text search parser ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.prsname),
  pg_catalog.concat_ws(', ', p.prsstart, p.prstoken, p.prsend, p.prslextype, nullif(p.prsheadline, 0)::pg_catalog.regproc), NULL
FROM pg_catalog.pg_ts_parser p JOIN pg_catalog.pg_namespace n ON n.oid = p.prsnamespace WHERE {{own n.nspname}} AND {{mine pg_ts_parser p.oid}}
UNION ALL
SELECT 'pg_ts_template ' || t.oid, NULL, 'text_search_template', NULL, NULL, 'text search template ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.tmplname),
  pg_catalog.concat_ws(', ', nullif(t.tmplinit, 0)::pg_catalog.regproc, t.tmpllexize), NULL
FROM pg_catalog.pg_ts_template t JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace WHERE {{own n.nspname}} AND {{mine pg_ts_template t.oid}}
