-- Operators and what sorts, converts and casts. 16384 is the first number that an
-- object of the user's own can have.
SELECT 'pg_operator ' || o.oid, o.oprowner::pg_catalog.text, 'operator', NULL::pg_catalog.text, NULL::pg_catalog.text,
  'operator ' || o.oid::pg_catalog.regoperator,
  pg_catalog.concat_ws(', ', 'gives ' || pg_catalog.format_type(o.oprresult, -1), 'by ' || o.oprcode::pg_catalog.regprocedure,
    'commutator ' || nullif(o.oprcom, 0)::pg_catalog.regoperator, 'negator ' || nullif(o.oprnegate, 0)::pg_catalog.regoperator,
    CASE WHEN o.oprcanhash THEN 'hashes' END, CASE WHEN o.oprcanmerge THEN 'merges' END), NULL::pg_catalog.text
FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE {{own n.nspname}} AND {{mine pg_operator o.oid}} AND o.oprcode <> 0
UNION ALL
SELECT 'pg_opfamily ' || f.oid, f.opfowner::pg_catalog.text, 'operator_family', NULL, NULL,
  'operator family ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(f.opfname) || ' for ' || pg_catalog.quote_ident(am.amname),
  coalesce((SELECT pg_catalog.string_agg(m.text, ', ' ORDER BY m.text COLLATE "C") FROM (
    SELECT 'operator ' || a.amopstrategy || ' ' || a.amopopr::pg_catalog.regoperator AS text FROM pg_catalog.pg_amop a WHERE a.amopfamily = f.oid
    UNION ALL SELECT 'function ' || a.amprocnum || ' ' || a.amproc::pg_catalog.regprocedure FROM pg_catalog.pg_amproc a WHERE a.amprocfamily = f.oid) m), 'empty'), NULL
FROM pg_catalog.pg_opfamily f JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace JOIN pg_catalog.pg_am am ON am.oid = f.opfmethod
WHERE {{own n.nspname}} AND {{mine pg_opfamily f.oid}}
UNION ALL
SELECT 'pg_opclass ' || c.oid, c.opcowner::pg_catalog.text, 'operator_class', NULL, NULL,
  'operator class ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.opcname) || ' for ' || pg_catalog.quote_ident(am.amname),
  CASE WHEN c.opcdefault THEN 'default ' ELSE '' END || 'for ' || pg_catalog.format_type(c.opcintype, -1) || ', family ' || pg_catalog.quote_ident(fn.nspname) || '.' || pg_catalog.quote_ident(f.opfname)
    || CASE WHEN c.opckeytype <> 0 THEN ', stores ' || pg_catalog.format_type(c.opckeytype, -1) ELSE '' END, NULL
FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_namespace n ON n.oid = c.opcnamespace JOIN pg_catalog.pg_am am ON am.oid = c.opcmethod
JOIN pg_catalog.pg_opfamily f ON f.oid = c.opcfamily JOIN pg_catalog.pg_namespace fn ON fn.oid = f.opfnamespace
WHERE {{own n.nspname}} AND {{mine pg_opclass c.oid}}
UNION ALL
SELECT 'pg_cast ' || k.oid, NULL, 'cast', NULL, NULL, 'cast (' || pg_catalog.format_type(k.castsource, -1) || ' AS ' || pg_catalog.format_type(k.casttarget, -1) || ')',
  CASE k.castmethod WHEN 'f' THEN 'by ' || k.castfunc::pg_catalog.regprocedure WHEN 'i' THEN 'by text' ELSE 'without a function' END
    || CASE k.castcontext WHEN 'i' THEN ', implicit' WHEN 'a' THEN ', in assignments' ELSE ', explicit' END, NULL
FROM pg_catalog.pg_cast k WHERE k.oid >= 16384 AND {{mine pg_cast k.oid}}
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND d.objid = k.oid AND d.deptype = 'i') -- a range's
UNION ALL
SELECT 'pg_collation ' || c.oid, c.collowner::pg_catalog.text, 'collation', NULL, NULL,
  'collation ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname),
  CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE 'default' END || ' '
    || coalesce({{pg_collation.colllocale ? c.colllocale : NULL}}, {{pg_collation.colliculocale ? c.colliculocale : NULL}}, CASE WHEN c.collcollate = c.collctype THEN c.collcollate ELSE c.collcollate || ' ' || c.collctype END)
    || {{pg_collation.collicurules ? coalesce(' rules ' || c.collicurules, '') : ''}}
    || {{pg_collation.collisdeterministic ? CASE WHEN c.collisdeterministic THEN '' ELSE ', not deterministic' END : ''}}, NULL
FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
WHERE {{own n.nspname}} AND {{mine pg_collation c.oid}}
UNION ALL
SELECT 'pg_conversion ' || c.oid, c.conowner::pg_catalog.text, 'conversion', NULL, NULL,
  'conversion ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.conname),
  CASE WHEN c.condefault THEN 'default ' ELSE '' END || pg_catalog.pg_encoding_to_char(c.conforencoding) || ' to ' || pg_catalog.pg_encoding_to_char(c.contoencoding) || ' by ' || c.conproc::pg_catalog.regproc, NULL
FROM pg_catalog.pg_conversion c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
WHERE {{own n.nspname}} AND {{mine pg_conversion c.oid}}
