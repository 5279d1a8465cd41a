-- The version of each extension that the server makes by default. It reads the
-- files of every extension there is, and fails where one of them is broken.
SELECT 'extension ' || pg_catalog.quote_ident(v.name), v.default_version
FROM pg_catalog.pg_available_extensions() v JOIN pg_catalog.pg_extension e ON e.extname = v.name
