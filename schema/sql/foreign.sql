-- Foreign data. Values of options whose names tell of a secret are left out; what
-- a user mapping holds nearly always is one: its options are named alone, and by a
-- superuser alone, who sees them all.
SELECT 'pg_foreign_data_wrapper ' || w.oid, w.fdwowner::pg_catalog.text, 'foreign_data_wrapper', NULL::pg_catalog.text, NULL::pg_catalog.text,
  'foreign-data wrapper ' || pg_catalog.quote_ident(w.fdwname),
  pg_catalog.concat('handler ', w.fdwhandler::pg_catalog.regproc, ', validator ', w.fdwvalidator::pg_catalog.regproc, {{options w.fdwoptions}}), NULL::pg_catalog.text
FROM pg_catalog.pg_foreign_data_wrapper w WHERE {{mine pg_foreign_data_wrapper w.oid}}
UNION ALL
SELECT 'pg_foreign_server ' || s.oid, s.srvowner::pg_catalog.text, 'foreign_server', NULL, NULL, 'server ' || pg_catalog.quote_ident(s.srvname),
  'wrapper ' || pg_catalog.quote_ident(w.fdwname) || coalesce(', type ' || s.srvtype, '') || coalesce(', version ' || s.srvversion, '') || {{options s.srvoptions}}, NULL
FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE {{mine pg_foreign_server s.oid}}
UNION ALL
SELECT NULL, NULL, 'user_mapping', NULL, 'server ' || pg_catalog.quote_ident(u.srvname) || coalesce(E'\nrole ' || pg_catalog.quote_ident(nullif(u.usename, 'public')), ''), 'server ' || pg_catalog.quote_ident(u.srvname) || ' user mapping ' || CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(u.usename) END,
  'mapped', NULL
FROM pg_catalog.pg_user_mappings u
UNION ALL
SELECT NULL, NULL, 'user_mapping_options', NULL, 'server ' || pg_catalog.quote_ident(u.srvname), 'server ' || pg_catalog.quote_ident(u.srvname) || ' user mapping ' || CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(u.usename) END,
  coalesce((SELECT pg_catalog.string_agg(pg_catalog.split_part(o, '=', 1), ', ' ORDER BY o COLLATE "C") FROM pg_catalog.unnest(u.umoptions) o), 'none'), NULL
FROM pg_catalog.pg_user_mappings u WHERE (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
