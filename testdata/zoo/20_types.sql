-- Types: enums, composites, domains, ranges, collations, and a shell.
CREATE TYPE zoo.mood AS ENUM ('sad', 'ok', 'it''s fine', 'HAPPY');
CREATE TYPE zoo.nobody AS ENUM ();
CREATE TYPE zoo.pair AS (a integer, "B b" text COLLATE "C");
CREATE TYPE zoo.nested AS (p zoo.pair, moods zoo.mood[], at timestamptz);
CREATE TYPE zoo.blank AS ();
CREATE TYPE zoo.shell;

CREATE DOMAIN zoo.positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN zoo.small AS zoo.positive DEFAULT 3 NOT NULL CONSTRAINT "below 1000" CHECK (VALUE < 1000);
CREATE DOMAIN zoo.word AS varchar(40) COLLATE "C" CONSTRAINT no_blank CHECK (VALUE !~ ' ');
CREATE DOMAIN zoo.words AS text[] CHECK (array_length(VALUE, 1) < 10);
CREATE DOMAIN zoo.scaled AS numeric(12,3);
ALTER DOMAIN zoo.scaled ADD CONSTRAINT later CHECK (VALUE < 1000000) NOT VALID;

CREATE FUNCTION zoo.minus(time, time) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT AS 'SELECT extract(epoch FROM $1 - $2)::double precision';
CREATE TYPE zoo.hours AS RANGE (subtype = time, subtype_diff = zoo.minus);
CREATE TYPE zoo.letters AS RANGE (subtype = text, collation = "C");

CREATE COLLATION zoo.bytes (lc_collate = 'C', lc_ctype = 'C');
CREATE COLLATION zoo.german (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION zoo.numbers (provider = icu, locale = 'und-u-kn-true');
COMMENT ON COLLATION zoo.german IS 'as in a telephone book';

COMMENT ON TYPE zoo.mood IS 'how it feels';
COMMENT ON TYPE zoo.pair IS 'two';
COMMENT ON COLUMN zoo.pair."B b" IS 'the second of two';
COMMENT ON DOMAIN zoo.word IS 'without a blank';
COMMENT ON CONSTRAINT no_blank ON DOMAIN zoo.word IS 'a blank makes two of it';
ALTER TYPE zoo.pair OWNER TO zoo_owner;
ALTER DOMAIN zoo.positive OWNER TO zoo_owner;
GRANT USAGE ON TYPE zoo.mood TO zoo_reader;
REVOKE USAGE ON TYPE zoo.pair FROM PUBLIC;
GRANT USAGE ON DOMAIN zoo.word TO zoo_writer WITH GRANT OPTION;
-- since 11
CREATE DOMAIN zoo.ordered_pair AS zoo.pair CHECK ((VALUE).a IS NULL OR (VALUE).a >= 0);
CREATE DOMAIN zoo.pairs AS zoo.pair[];
-- since 12
CREATE COLLATION zoo.caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION zoo.bare (provider = icu, locale = 'und-u-ks-level1-kc-true', deterministic = false);
-- since 14
CREATE TYPE zoo.floats AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = zoo.many_floats);
-- since 16
CREATE COLLATION zoo.ruled (provider = icu, locale = 'en', rules = '&a < g');
-- since 17
CREATE COLLATION zoo.own (provider = builtin, locale = 'C.UTF-8');
