-- Triggers in every state, policies, privileges, publications, large objects.
CREATE TABLE zoo.guarded (id integer PRIMARY KEY, v text, w integer, touched integer, keeper name DEFAULT 'postgres');
INSERT INTO zoo.guarded SELECT g, g, g, NULL FROM generate_series(1, 300) g;
CREATE TRIGGER on_origin BEFORE INSERT OR UPDATE ON zoo.guarded FOR EACH ROW EXECUTE PROCEDURE zoo.touch();
CREATE TRIGGER off BEFORE DELETE ON zoo.guarded FOR EACH ROW EXECUTE PROCEDURE zoo.note();
CREATE TRIGGER on_replica AFTER UPDATE ON zoo.guarded FOR EACH ROW EXECUTE PROCEDURE zoo.note();
CREATE TRIGGER always_on AFTER UPDATE ON zoo.guarded FOR EACH STATEMENT EXECUTE PROCEDURE zoo.note('one', 'it''s two', '');
CREATE TRIGGER of_columns AFTER UPDATE OF v, w ON zoo.guarded FOR EACH ROW WHEN (OLD.v IS DISTINCT FROM NEW.v AND NEW.w > 3) EXECUTE PROCEDURE zoo.note();
CREATE TRIGGER of_rows AFTER UPDATE ON zoo.guarded REFERENCING OLD TABLE AS was NEW TABLE AS "is" FOR EACH STATEMENT EXECUTE PROCEDURE zoo.note();
CREATE TRIGGER on_truncate BEFORE TRUNCATE ON zoo.guarded EXECUTE PROCEDURE zoo.note();
CREATE TRIGGER "Odd ""trigger""" AFTER INSERT ON zoo.guarded FOR EACH ROW WHEN (NEW.id < 0) EXECUTE PROCEDURE zoo.note();
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT OR DELETE ON zoo.guarded FROM zoo.plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE PROCEDURE zoo.note();
CREATE CONSTRAINT TRIGGER at_once AFTER UPDATE ON zoo.guarded NOT DEFERRABLE FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE PROCEDURE zoo.note();
ALTER TABLE zoo.guarded DISABLE TRIGGER off;
ALTER TABLE zoo.guarded ENABLE REPLICA TRIGGER on_replica;
ALTER TABLE zoo.guarded ENABLE ALWAYS TRIGGER always_on;
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE OR DELETE ON zoo.v_star FOR EACH ROW EXECUTE PROCEDURE zoo.note();
COMMENT ON TRIGGER off ON zoo.guarded IS 'not now';

CREATE EVENT TRIGGER zoo_start ON ddl_command_start WHEN TAG IN ('DROP TABLE', 'ALTER TABLE') EXECUTE PROCEDURE zoo.allowed();
CREATE EVENT TRIGGER zoo_end ON ddl_command_end EXECUTE PROCEDURE zoo.allowed();
CREATE EVENT TRIGGER zoo_off ON sql_drop EXECUTE PROCEDURE zoo.allowed();
CREATE EVENT TRIGGER zoo_always ON table_rewrite EXECUTE PROCEDURE zoo.allowed();
ALTER EVENT TRIGGER zoo_off DISABLE;
ALTER EVENT TRIGGER zoo_always ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER zoo_end IS 'lets all pass';

ALTER TABLE zoo.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON zoo.guarded AS PERMISSIVE FOR ALL TO zoo_reader, zoo_writer USING (keeper = CURRENT_USER) WITH CHECK (id > 0 AND keeper = CURRENT_USER);
CREATE POLICY "only small" ON zoo.guarded AS RESTRICTIVE FOR SELECT TO PUBLIC USING (w < 1000 AND EXISTS (SELECT 1 FROM zoo.plain p WHERE p.id = guarded.id));
CREATE POLICY add_some ON zoo.guarded FOR INSERT TO "zoo ""odd"" role" WITH CHECK (true);
COMMENT ON POLICY own_rows ON zoo.guarded IS 'each his own';
CREATE TABLE zoo.forced (id integer PRIMARY KEY, v text);
INSERT INTO zoo.forced SELECT g, g FROM generate_series(1, 200) g;
ALTER TABLE zoo.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON zoo.forced USING (true);
CREATE TABLE zoo.forced_only (id integer PRIMARY KEY);
ALTER TABLE zoo.forced_only FORCE ROW LEVEL SECURITY;
ALTER TABLE zoo.forced OWNER TO zoo_owner;

ALTER TABLE zoo.plain OWNER TO zoo_owner;
GRANT SELECT, INSERT ON zoo.plain TO zoo_reader;
GRANT UPDATE (label, amount), REFERENCES (id) ON zoo.plain TO zoo_writer WITH GRANT OPTION;
GRANT SELECT ("Id", "a.b") ON public."Weird ""name""" TO "zoo ""odd"" role";
GRANT ALL ON zoo.tree TO zoo_group WITH GRANT OPTION;
REVOKE TRUNCATE ON zoo.tree FROM zoo_group;
GRANT SELECT ON ALL TABLES IN SCHEMA north TO PUBLIC;
REVOKE ALL ON zoo.hen FROM postgres;
GRANT USAGE ON SCHEMA zoo TO zoo_reader, zoo_group;
GRANT CREATE, USAGE ON SCHEMA "Weird ""schema"".v1" TO zoo_writer;
GRANT USAGE ON SCHEMA public TO zoo_reader;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO zoo_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA zoo GRANT SELECT ON TABLES TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT USAGE ON SEQUENCES TO zoo_writer WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT USAGE ON TYPES TO zoo_group;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT CREATE ON SCHEMAS TO zoo_group;

COMMENT ON TABLE zoo.plain IS E'the plain one\nof two lines, it''s "plain"';
COMMENT ON COLUMN zoo.plain.label IS 'its name';
COMMENT ON COLUMN public."Weird ""name"""."a.b" IS 'with a dot';
COMMENT ON CONSTRAINT "label's size" ON zoo.plain IS 'not too long';
COMMENT ON COLUMN zoo.sales.day IS 'when';

CREATE PUBLICATION zoo_some FOR TABLE zoo.plain, zoo.tree WITH (publish = 'insert, update');
CREATE PUBLICATION zoo_none;
ALTER PUBLICATION zoo_none OWNER TO zoo_owner;
COMMENT ON PUBLICATION zoo_some IS 'but no deletes';

SELECT lo_from_bytea(400000 + g, decode(repeat(lpad(to_hex(g), 2, '0'), 3000), 'hex')) FROM generate_series(1, 20) g;
SELECT lo_create(400100);
GRANT SELECT ON LARGE OBJECT 400001 TO zoo_reader;
ALTER LARGE OBJECT 400002 OWNER TO zoo_owner;
COMMENT ON LARGE OBJECT 400003 IS 'the third';
CREATE TABLE zoo.documents (id integer PRIMARY KEY, content oid, plain_lo ext.lo);
INSERT INTO zoo.documents SELECT g, 400000 + g, (400000 + g)::oid FROM generate_series(1, 20) g;
CREATE TRIGGER tidy BEFORE UPDATE OR DELETE ON zoo.documents FOR EACH ROW EXECUTE PROCEDURE ext.lo_manage(plain_lo);
-- since 13
CREATE PUBLICATION zoo_through_root FOR TABLE zoo.keyed WITH (publish_via_partition_root = true);
-- since 14
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA zoo GRANT EXECUTE ON FUNCTIONS TO zoo_reader;
-- since 15
CREATE PUBLICATION zoo_part FOR TABLE zoo.indexed (id, a) WHERE (id > 10), zoo.numbered;
CREATE PUBLICATION zoo_inserts FOR TABLE zoo.indexed WHERE (a IS NOT NULL OR b ~ 'x') WITH (publish = 'insert');
CREATE PUBLICATION zoo_schema FOR TABLES IN SCHEMA north;
