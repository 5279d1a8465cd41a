-- Functions, aggregates, operators, casts, text search: what tables then use.
CREATE FUNCTION zoo.twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 3 AS $$SELECT $1 * 2$$;
CREATE FUNCTION zoo.twice(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $1';
CREATE FUNCTION zoo.twice(n integer, t text) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER LEAKPROOF
  SET search_path = pg_catalog, zoo SET work_mem = '3MB' AS $body$
DECLARE
  s text := 'it''s $$ quoted';
BEGIN
  -- a remark that ends nowhere
  RETURN repeat(t, n * 2) || s;
END $body$;
CREATE FUNCTION zoo.sum_of(VARIADIC numbers numeric[] DEFAULT ARRAY[1, 2.5]) RETURNS numeric LANGUAGE sql AS 'SELECT sum(x) FROM unnest($1) x';
CREATE FUNCTION zoo.defaults(a integer, b integer DEFAULT 7, c text DEFAULT 'it''s', d date DEFAULT CURRENT_DATE) RETURNS text LANGUAGE sql AS 'SELECT concat($1, $2, $3, $4)';
CREATE FUNCTION zoo.out_of(INOUT a integer, OUT b text, OUT "c c" zoo.mood) LANGUAGE plpgsql AS 'BEGIN b := a; "c c" := ''ok''; END';
CREATE FUNCTION zoo.rows_of(n integer) RETURNS TABLE (id integer, label text) LANGUAGE sql ROWS 50 AS 'SELECT g, g::text FROM generate_series(1, n) g';
CREATE FUNCTION zoo.set_of(n integer) RETURNS SETOF zoo.pair LANGUAGE sql AS 'SELECT g, g::text FROM generate_series(1, n) g';
CREATE FUNCTION zoo.any_of(anyarray, anyelement) RETURNS boolean LANGUAGE sql AS 'SELECT $2 = ANY ($1)';
CREATE FUNCTION zoo."Odd name; --"("Arg 1" text, "select" integer) RETURNS text LANGUAGE sql AS $$SELECT "Arg 1" || "select"$$;
CREATE FUNCTION zoo.windowed(text, integer) RETURNS text LANGUAGE internal WINDOW IMMUTABLE STRICT AS 'window_lag_with_offset';
ALTER FUNCTION zoo.twice(integer) OWNER TO zoo_owner;
REVOKE EXECUTE ON FUNCTION zoo.twice(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION zoo.twice(text) TO zoo_reader WITH GRANT OPTION;
COMMENT ON FUNCTION zoo.twice(integer) IS 'n + n';

CREATE AGGREGATE zoo.product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1');
CREATE AGGREGATE zoo.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0', msfunc = int8pl, minvfunc = int8mi, mstype = bigint, minitcond = '0');
CREATE AGGREGATE zoo.middle(double precision ORDER BY anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);
CREATE AGGREGATE zoo.longest(text) (sfunc = text_larger, stype = text, sortop = >, parallel = safe);
COMMENT ON AGGREGATE zoo.product(numeric) IS 'of all';

CREATE FUNCTION zoo.near(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) <= 1';
CREATE OPERATOR zoo.~~~ (LEFTARG = integer, RIGHTARG = integer, PROCEDURE = zoo.near, COMMUTATOR = OPERATOR(zoo.~~~), RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR zoo.!# (RIGHTARG = integer, PROCEDURE = zoo.twice);
COMMENT ON OPERATOR zoo.~~~ (integer, integer) IS 'about equal';
CREATE FUNCTION zoo.compare_back(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR FAMILY zoo.ints USING btree;
CREATE OPERATOR CLASS zoo.backwards FOR TYPE integer USING btree FAMILY zoo.ints AS
  OPERATOR 1 > , OPERATOR 2 >= , OPERATOR 3 = , OPERATOR 4 <= , OPERATOR 5 < , FUNCTION 1 zoo.compare_back(integer, integer);
CREATE FUNCTION zoo.pair_of(text) RETURNS zoo.pair LANGUAGE sql IMMUTABLE AS $$SELECT ROW(length($1), $1)::zoo.pair$$;
CREATE CAST (text AS zoo.pair) WITH FUNCTION zoo.pair_of(text) AS ASSIGNMENT;
CREATE FUNCTION zoo.mood_of(integer) RETURNS zoo.mood LANGUAGE sql IMMUTABLE AS $$SELECT (ARRAY['sad','ok','HAPPY']::zoo.mood[])[1 + $1 % 3]$$;
CREATE CAST (integer AS zoo.mood) WITH FUNCTION zoo.mood_of(integer) AS IMPLICIT;
CREATE CAST (zoo.mood AS bytea) WITH INOUT;
COMMENT ON CAST (integer AS zoo.mood) IS 'by remainder';

CREATE TEXT SEARCH PARSER zoo.plain (START = prsd_start, GETTOKEN = prsd_nexttoken, "end" = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE zoo.like_simple (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY zoo.stems (TEMPLATE = snowball, LANGUAGE = german, STOPWORDS = german);
CREATE TEXT SEARCH DICTIONARY zoo.verbatim (TEMPLATE = zoo.like_simple, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION zoo.tongue (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION zoo.tongue ALTER MAPPING FOR asciiword, word, hword WITH zoo.verbatim, zoo.stems;
ALTER TEXT SEARCH CONFIGURATION zoo.tongue DROP MAPPING FOR email, url;
CREATE TEXT SEARCH CONFIGURATION zoo.own_parser (PARSER = zoo.plain);
ALTER TEXT SEARCH CONFIGURATION zoo.own_parser ADD MAPPING FOR asciiword WITH zoo.stems;
COMMENT ON TEXT SEARCH CONFIGURATION zoo.tongue IS 'how the zoo speaks';
COMMENT ON TEXT SEARCH DICTIONARY zoo.stems IS 'of German words';

CREATE CONVERSION zoo.from_latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE FUNCTION zoo.speech_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE TRUSTED LANGUAGE zoo_speech HANDLER zoo.speech_handler;
CREATE FUNCTION zoo.spoken() RETURNS integer LANGUAGE zoo_speech AS 'BEGIN RETURN 1; END';
COMMENT ON CONVERSION zoo.from_latin IS 'from the west';
COMMENT ON LANGUAGE zoo_speech IS 'what is spoken';

-- What triggers call.
CREATE FUNCTION zoo.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := coalesce(NEW.touched, 0) + 1; RETURN NEW; END';
CREATE FUNCTION zoo.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION zoo.allowed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1; END';
-- since 11
CREATE PROCEDURE zoo.proceed(a integer DEFAULT 1, INOUT b text DEFAULT 'x') LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN b := a; END';
CREATE PROCEDURE zoo.proceed(text) LANGUAGE sql AS 'SELECT 1';
COMMENT ON PROCEDURE zoo.proceed(text) IS 'nothing comes of it';
GRANT EXECUTE ON PROCEDURE zoo.proceed(text) TO zoo_reader;
-- since 14
CREATE FUNCTION zoo.standard(a integer, b integer DEFAULT 2) RETURNS integer LANGUAGE sql IMMUTABLE RETURN a + b;
CREATE FUNCTION zoo.atomic(a integer) RETURNS SETOF integer LANGUAGE sql
BEGIN ATOMIC
  SELECT g * a FROM generate_series(1, 3) g;
  SELECT g + zoo.standard(a) FROM generate_series(1, 3) g WHERE g > 1;
END;
CREATE PROCEDURE zoo.outs(a integer, OUT b integer) LANGUAGE plpgsql AS 'BEGIN b := a; END';
