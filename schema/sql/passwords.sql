-- Whether a role has a password; which one is nobody's business.
SELECT NULL, NULL, 'password', NULL, 'role ' || pg_catalog.quote_ident(r.rolname), 'role ' || pg_catalog.quote_ident(r.rolname), 'has one', NULL
FROM pg_catalog.pg_authid r WHERE r.rolpassword IS NOT NULL AND r.oid <> 10 AND r.rolname NOT LIKE 'pg\_%' AND r.rolname <> 'bucardo'
