-- Schemas, extensions, and what belongs to the database itself.
CREATE SCHEMA zoo AUTHORIZATION zoo_owner;
CREATE SCHEMA ext;
CREATE SCHEMA north;
CREATE SCHEMA south;
CREATE SCHEMA "select";
CREATE SCHEMA "Weird ""schema"".v1";
CREATE SCHEMA empty;
COMMENT ON SCHEMA zoo IS 'kept here: one of each';
COMMENT ON SCHEMA "Weird ""schema"".v1" IS 'it''s a name';

CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION citext SCHEMA ext;
CREATE EXTENSION pg_trgm SCHEMA ext;
CREATE EXTENSION btree_gist SCHEMA ext;
CREATE EXTENSION btree_gin SCHEMA ext;
CREATE EXTENSION ltree SCHEMA ext;
CREATE EXTENSION intarray SCHEMA ext;
CREATE EXTENSION unaccent SCHEMA ext;
CREATE EXTENSION lo SCHEMA ext;
GRANT EXECUTE ON FUNCTION ext.unaccent(text) TO zoo_reader;
REVOKE EXECUTE ON FUNCTION ext.show_limit() FROM PUBLIC;

DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database());
  EXECUTE format('ALTER DATABASE %I SET "zoo.keeper" = ''it''''s me''', current_database());
  EXECUTE format('ALTER DATABASE %I SET default_text_search_config = ''pg_catalog.german''', current_database());
  EXECUTE format('ALTER ROLE zoo_reader IN DATABASE %I SET lock_timeout = ''7s''', current_database());
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO zoo_reader WITH GRANT OPTION', current_database());
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('COMMENT ON DATABASE %I IS ''the zoo, "all" of it''', current_database());
END $$;

-- Wrappers of foreign data that read nothing.
CREATE FOREIGN DATA WRAPPER nowhere OPTIONS (keeper 'none');
CREATE SERVER nothing TYPE 'void' VERSION '1.0' FOREIGN DATA WRAPPER nowhere OPTIONS (host 'no host', port '0');
CREATE USER MAPPING FOR zoo_reader SERVER nothing OPTIONS ("user" 'reader', password 'secret of the zoo');
CREATE USER MAPPING FOR PUBLIC SERVER nothing;
GRANT USAGE ON FOREIGN SERVER nothing TO zoo_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO zoo_writer;
CREATE FOREIGN TABLE zoo.abroad (
  id integer OPTIONS (column_name 'ID') NOT NULL,
  v text COLLATE "C" DEFAULT 'far'
) SERVER nothing OPTIONS (schema_name 'there');
COMMENT ON SERVER nothing IS 'nobody answers';
COMMENT ON FOREIGN TABLE zoo.abroad IS 'not here';
-- since 12
CREATE ACCESS METHOD zoo_heap TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD zoo_heap IS 'heap by another name';
