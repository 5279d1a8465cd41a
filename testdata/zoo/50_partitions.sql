-- Partitions, three levels deep and of every strategy; inheritance.
CREATE TABLE zoo.sales (id integer NOT NULL, day date NOT NULL, region text NOT NULL, amount numeric CHECK (amount < 1e9)) PARTITION BY RANGE (day);
CREATE TABLE zoo.sales_2020 PARTITION OF zoo.sales FOR VALUES FROM (MINVALUE) TO ('2021-01-01') PARTITION BY LIST (region);
CREATE TABLE zoo.sales_2020_north PARTITION OF zoo.sales_2020 FOR VALUES IN ('north', 'east') PARTITION BY RANGE (id, abs(id));
CREATE TABLE zoo.sales_2020_north_1 PARTITION OF zoo.sales_2020_north (amount DEFAULT 1, CONSTRAINT low CHECK (id < 1000)) FOR VALUES FROM (MINVALUE, MINVALUE) TO (100, MAXVALUE);
CREATE TABLE zoo.sales_2020_north_2 PARTITION OF zoo.sales_2020_north FOR VALUES FROM (101, MINVALUE) TO (MAXVALUE, MAXVALUE);
CREATE TABLE zoo.sales_2020_south PARTITION OF zoo.sales_2020 FOR VALUES IN ('south', 'it''s "west"');
CREATE TABLE zoo.sales_2021 PARTITION OF zoo.sales FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE zoo.sales_late (amount numeric, region text NOT NULL, gone integer, day date NOT NULL, id integer NOT NULL, CHECK (amount < 1e9));
ALTER TABLE zoo.sales_late DROP gone;
ALTER TABLE zoo.sales_late RENAME CONSTRAINT sales_late_amount_check TO sales_amount_check;
ALTER TABLE zoo.sales ATTACH PARTITION zoo.sales_late FOR VALUES FROM ('2022-01-01') TO (MAXVALUE);
CREATE INDEX only_here ON zoo.sales_2021 (region);
CREATE UNIQUE INDEX only_there ON zoo.sales_late (id);
INSERT INTO zoo.sales SELECT g, '2020-01-01'::date + g * 3, (ARRAY['north', 'south', 'it''s "west"', 'east'])[1 + g % 4], g / 7.0 FROM generate_series(1, 400) g;
COMMENT ON TABLE zoo.sales_2021 IS 'a single year';

CREATE TABLE zoo.base (id integer PRIMARY KEY, v text DEFAULT 'base' NOT NULL, CONSTRAINT positive CHECK (id > 0));
CREATE TABLE zoo.other_base (id integer NOT NULL, w text);
CREATE TABLE zoo.child (extra integer, PRIMARY KEY (id)) INHERITS (zoo.base, zoo.other_base);
CREATE TABLE zoo.grandchild (id integer DEFAULT 9, v text DEFAULT 'grand', UNIQUE (id)) INHERITS (zoo.child);
INSERT INTO zoo.base SELECT g, g FROM generate_series(1, 200) g;
INSERT INTO zoo.other_base SELECT g, g FROM generate_series(1, 200) g;
INSERT INTO zoo.child SELECT g, g, g, g FROM generate_series(201, 400) g;
INSERT INTO zoo.grandchild SELECT g, g, g, g FROM generate_series(401, 600) g;

-- since 11
CREATE TABLE zoo.keyed (id bigint, kind text, v text DEFAULT 'k', PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
CREATE TABLE zoo.keyed_a PARTITION OF zoo.keyed FOR VALUES IN ('a');
CREATE TABLE zoo.keyed_b PARTITION OF zoo.keyed FOR VALUES IN ('b', NULL) PARTITION BY HASH (id);
CREATE TABLE zoo.keyed_b_0 PARTITION OF zoo.keyed_b FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE zoo.keyed_b_1 PARTITION OF zoo.keyed_b FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE zoo.keyed_b_2 PARTITION OF zoo.keyed_b FOR VALUES WITH (MODULUS 3, REMAINDER 2) PARTITION BY RANGE (id);
CREATE TABLE zoo.keyed_b_2_low PARTITION OF zoo.keyed_b_2 FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE zoo.keyed_b_2_rest PARTITION OF zoo.keyed_b_2 DEFAULT;
CREATE TABLE zoo.keyed_rest PARTITION OF zoo.keyed DEFAULT;
CREATE INDEX keyed_v ON zoo.keyed (v);
CREATE INDEX keyed_invalid ON ONLY zoo.keyed (v, id);
CREATE INDEX keyed_a_v ON zoo.keyed_a (v, id);
CREATE INDEX keyed_a_own ON zoo.keyed_a (lower(v));
CREATE TRIGGER touched AFTER INSERT ON zoo.keyed FOR EACH ROW EXECUTE PROCEDURE zoo.note();
INSERT INTO zoo.keyed SELECT g, (ARRAY['a', 'b', 'c'])[1 + g % 3], g FROM generate_series(1, 400) g;
-- since 12
CREATE TABLE zoo.to_keyed (id integer PRIMARY KEY, k bigint, kind text, FOREIGN KEY (k, kind) REFERENCES zoo.keyed);
INSERT INTO zoo.to_keyed SELECT g, g, (ARRAY['a', 'b', 'c'])[1 + g % 3] FROM generate_series(1, 200) g;
