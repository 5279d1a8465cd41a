-- Roles, which belong to the cluster: made once on each, by hand, since a dump
-- does not carry them. Several databases of a cluster have the zoo.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['zoo_owner', 'zoo_reader', 'zoo_writer', 'zoo_group', 'zoo "odd" role'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      EXECUTE format('CREATE ROLE %I', r);
    END IF;
  END LOOP;
END $$;
ALTER ROLE zoo_owner CREATEDB CREATEROLE;
ALTER ROLE zoo_reader LOGIN CONNECTION LIMIT 7 VALID UNTIL '2099-01-01 00:00:00+00';
ALTER ROLE zoo_writer NOINHERIT BYPASSRLS;
GRANT zoo_group TO zoo_reader, zoo_writer;
GRANT zoo_reader TO "zoo ""odd"" role" WITH ADMIN OPTION;
ALTER ROLE zoo_reader SET statement_timeout = '17s';
ALTER ROLE zoo_writer SET search_path = zoo, public;
COMMENT ON ROLE zoo_group IS 'those of the zoo';
