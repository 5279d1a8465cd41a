-- Databases as they are met: a film rental, a service of many tenants, events in
-- partitions, a map; and the SQL whose printing changed over the versions.
CREATE SCHEMA rental;
CREATE SCHEMA tenants;
CREATE SCHEMA events;
CREATE SCHEMA map;

CREATE TYPE rental.rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE DOMAIN rental.year AS integer CONSTRAINT year_check CHECK (VALUE >= 1901 AND VALUE <= 2155);
CREATE SEQUENCE rental.film_id_seq;
CREATE TABLE rental.language (language_id serial PRIMARY KEY, name character(20) NOT NULL, last_update timestamp DEFAULT now() NOT NULL);
CREATE TABLE rental.film (
  film_id integer DEFAULT nextval('rental.film_id_seq'::regclass) PRIMARY KEY, title varchar(255) NOT NULL, description text, release_year rental.year,
  language_id smallint NOT NULL REFERENCES rental.language ON UPDATE CASCADE ON DELETE RESTRICT, rental_rate numeric(4,2) DEFAULT 4.99 NOT NULL, length smallint,
  rating rental.rating DEFAULT 'G'::rental.rating, weight double precision DEFAULT '0.1', score real DEFAULT '0.3'::real, spot point DEFAULT '(0.1,0.7)', "json" jsonb, "normalize" boolean,
  special_features text[] DEFAULT '{}', fulltext tsvector, since date DEFAULT CURRENT_DATE, until timestamptz DEFAULT CURRENT_TIMESTAMP + interval '3 days', who text DEFAULT CURRENT_USER,
  CHECK (weight > '0.1'::double precision AND weight < 1e10 AND weight <> ALL ('{0.1,0.2}'::double precision[])), CHECK (length > 0 AND rating IN ('G', 'PG')));
CREATE INDEX film_fulltext_idx ON rental.film USING gist (fulltext);
CREATE INDEX ON rental.film (lower(title) varchar_pattern_ops, (release_year::integer % 10) DESC NULLS LAST) WHERE length BETWEEN 10 AND 300 AND rating = ANY (ARRAY['G', 'R']::rental.rating[]);
CREATE INDEX ON rental.film (("json" ->> 'a'), date_trunc('day', until AT TIME ZONE 'UTC'));
CREATE INDEX ON rental.film (substring(title from 1 for 3), (extract(year from since)));
CREATE TABLE rental.actor (actor_id serial PRIMARY KEY, first_name text NOT NULL, last_name text COLLATE "C" NOT NULL);
CREATE TABLE rental.film_actor (actor_id integer REFERENCES rental.actor, film_id integer REFERENCES rental.film, last_update timestamp DEFAULT now(), PRIMARY KEY (actor_id, film_id));
CREATE TRIGGER film_fulltext BEFORE INSERT OR UPDATE ON rental.film FOR EACH ROW EXECUTE PROCEDURE tsvector_update_trigger('fulltext', 'pg_catalog.english', 'title', 'description');
CREATE FUNCTION rental.group_concat(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN $2 IS NULL THEN $1 WHEN $1 IS NULL THEN $2 ELSE $1 || ', ' || $2 END $$;
CREATE AGGREGATE rental.group_concat(text) (SFUNC = rental.group_concat, STYPE = text);
CREATE AGGREGATE rental.all_of(integer[]) (SFUNC = array_cat, STYPE = integer[], INITCOND = '{}');
CREATE AGGREGATE rental.collect(integer) (SFUNC = array_append, STYPE = integer[], INITCOND = '{}');
CREATE TYPE rental.card AS ("json" integer, "normalize" text);

CREATE VIEW rental.actor_info AS SELECT a.actor_id, a.first_name, rental.group_concat(DISTINCT f.title || ': ' || (SELECT string_agg(l.name, ', ') FROM rental.language l WHERE l.language_id = f.language_id)) AS info
  FROM rental.actor a LEFT JOIN rental.film_actor fa ON a.actor_id = fa.actor_id LEFT JOIN rental.film f USING (film_id) GROUP BY a.actor_id, a.first_name;
CREATE VIEW rental.one_table AS SELECT film_id, title AS t, "json", film."normalize", upper(title) COLLATE "C" AS up, special_features[1] AS first, special_features[1:2] AS two, rating::text, (spot)[0] AS x FROM rental.film
  WHERE (length, weight) > (10, 1.5) AND title LIKE 'A%' AND title NOT ILIKE '%z' AND title ~ '^[A-Z]' AND title SIMILAR TO '(A|B)%' AND rating IN ('G', 'PG') AND length NOT IN (1, 2) AND release_year IS NOT NULL AND NOT "normalize" IS TRUE
  ORDER BY title DESC NULLS LAST, 1;
CREATE VIEW rental.aliased AS SELECT f.film_id, f.title FROM rental.film AS f WHERE f.film_id > 3;
CREATE VIEW rental.keyword_alias AS SELECT "json".film_id, "json"."json" FROM rental.film "json" WHERE "json"."json" IS NOT NULL;
CREATE VIEW rental.whole_row AS SELECT film AS f, film.* IS NULL AS n, row_to_json(film.*) AS j, count(film.*) OVER () AS c FROM rental.film;
CREATE VIEW rental.correlated AS SELECT film_id, (SELECT max(fa.actor_id) FROM rental.film_actor fa WHERE fa.film_id = film.film_id) AS m, ARRAY(SELECT title FROM rental.actor WHERE actor_id = film_id) AS titles,
  EXISTS (SELECT 1 FROM rental.film_actor WHERE film_actor.film_id = film.film_id AND length > 3) AS e FROM rental.film WHERE film_id IN (SELECT film_id FROM rental.film_actor) AND film_id > ALL (SELECT actor_id FROM rental.actor WHERE last_name = title);
CREATE VIEW rental.from_subquery AS SELECT title, n FROM (SELECT title, count(*) AS n FROM rental.film GROUP BY title HAVING count(*) > 1) q WHERE n < 10;
CREATE VIEW rental.with_using AS SELECT film_id, actor_id, title, fa.last_update FROM rental.film JOIN rental.film_actor fa USING (film_id) JOIN rental.actor USING (actor_id) WHERE last_name > 'B';
CREATE VIEW rental.full_using AS SELECT film_id, a.last_update FROM rental.film_actor a FULL JOIN rental.film_actor b USING (actor_id, film_id);
CREATE VIEW rental.lateral_join AS SELECT a.actor_id, l.* FROM rental.actor a CROSS JOIN LATERAL (SELECT f.title FROM rental.film_actor fa JOIN rental.film f USING (film_id) WHERE fa.actor_id = a.actor_id ORDER BY f.title LIMIT 3) l LEFT JOIN LATERAL generate_series(1, a.actor_id) g(n) ON true;
CREATE VIEW rental.sets AS SELECT film_id AS id, title FROM rental.film WHERE length > 1 UNION ALL SELECT actor_id, first_name FROM rental.actor EXCEPT (SELECT 1, 'x' INTERSECT SELECT 2, 'y') ORDER BY 2 LIMIT 5;
CREATE VIEW rental.frames AS SELECT title, sum(length) OVER (PARTITION BY rating ORDER BY since RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s, lag(title, 2, 'x') OVER w, ntile(4) OVER (w ROWS 3 PRECEDING), row_number() OVER (ORDER BY title DESC) FROM rental.film WINDOW w AS (PARTITION BY rating ORDER BY title);
CREATE VIEW rental.rolled AS SELECT rating, language_id, count(*), grouping(rating, language_id) AS g FROM rental.film GROUP BY ROLLUP (rating, language_id);
CREATE VIEW rental.cubed AS SELECT rating, upper(title) AS u, count(*) FILTER (WHERE length > 3) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY length) AS median, mode() WITHIN GROUP (ORDER BY rating DESC) FROM rental.film GROUP BY CUBE (rating, (upper(title), language_id)), GROUPING SETS ((), (rating)) HAVING count(*) > 1;
CREATE VIEW rental.grouped AS SELECT date_trunc('month', until) AS m, CASE WHEN length > 90 THEN 'long' ELSE 'short' END AS size, avg(rental_rate)::numeric(6,2) FROM rental.film GROUP BY 1, 2 HAVING max(length) > min(length) ORDER BY 1 DESC, avg(rental_rate);
CREATE VIEW rental.grouped_all AS SELECT film_id, title, rating, count(*) OVER (), string_agg(title, ',' ORDER BY title) FROM rental.film GROUP BY film_id;
CREATE VIEW rental.distinct_on AS SELECT DISTINCT ON (rating, length / 10) rating, length / 10 AS tens, title FROM rental.film ORDER BY rating, length / 10, title;
CREATE VIEW rental.chained AS WITH long_ones AS (SELECT film_id, title FROM rental.film WHERE length > 100), few AS (SELECT title FROM long_ones LIMIT 3) SELECT title FROM few WHERE title <> 'x';
CREATE VIEW rental.recursive AS WITH RECURSIVE t(n, path) AS (VALUES (1, ARRAY[1]) UNION ALL SELECT n + 1, path || n FROM t WHERE n < 10 AND NOT n = ANY (path)) SELECT n, path FROM t;
CREATE VIEW rental.listed AS VALUES (1, 'one'), (2, 'two');
CREATE VIEW rental.listed_too AS SELECT n, t FROM (VALUES (1, 'one'), (2, 'two')) v(n, t) WHERE (n, t) IN (VALUES (1, 'one')) OR ROW(n, t) = ROW(2, 'two');
CREATE VIEW rental.spoken AS SELECT extract(epoch FROM until) AS e, extract(dow FROM since) AS d, date_part('hour', until) AS h, until AT TIME ZONE 'Europe/Berlin' AS l, substring(title FROM 2 FOR 3) AS s, substring(title FROM '^.') AS r, substring(title, 2) AS s2, overlay(title PLACING 'x' FROM 2 FOR 1) AS o,
  trim(leading 'A' FROM title) AS t1, trim(title) AS t2, btrim(title, 'x') AS t3, position('a' IN title) AS p, (since, until) OVERLAPS (date '2020-01-01', interval '1 year') AS v, CURRENT_DATE AS cd, LOCALTIMESTAMP(2) AS lt, CURRENT_USER AS cu, SESSION_USER AS su, CURRENT_ROLE AS cr, CURRENT_CATALOG AS cc,
  CURRENT_SCHEMA AS cs, collation for (title) AS cf, coalesce(description, title, '') AS co, nullif(title, '') AS nu, greatest(length, 3) AS gr, since - interval '1 mon 2 days' AS i, '2020-01-01'::date - since AS dd, xmlelement(name film, xmlattributes(title AS t), description) AS x, xmlforest(title, rating) AS xf,
  title IS DISTINCT FROM description AS isd, title BETWEEN SYMMETRIC 'b' AND 'a' AS bs, -length AS neg, -1 AS minus, '-5'::integer AS five, 1.50 AS num, 1e3 AS exp, '0.1'::float8 AS f, B'101' AS b, X'1f' AS xx, E'tab\there\\' AS esc, U&'\00e9' AS uni, true AS yes, NULL::text AS nil, ARRAY[[1,2],[3,4]] AS a2, '{1,2}'::int[] AS a1 FROM rental.film;
CREATE VIEW rental.functions AS SELECT g, u.a, u.b, j.key, r.x FROM generate_series(1, 3) g, ROWS FROM (unnest(ARRAY[1,2]), generate_series(1, 2)) WITH ORDINALITY AS u(a, b, ord), jsonb_each_text('{"a": 1}') j, json_to_recordset('[{"x": 1}]') AS r(x integer, y text);
CREATE VIEW rental.one_function AS SELECT g, g + 1 AS h FROM generate_series(1, 3) g;
CREATE VIEW rental.one_recordset AS SELECT x, y FROM json_to_recordset('[{"x": 1}]') AS r(x integer, y rental.rating);
CREATE VIEW rental.sampled AS SELECT film_id FROM ONLY rental.film TABLESAMPLE bernoulli (10) WHERE length > 1 FOR UPDATE OF film SKIP LOCKED;
CREATE VIEW rental.nothing AS SELECT 1 AS one WHERE EXISTS (SELECT FROM rental.film);
CREATE VIEW rental.renamed (a, "json") AS SELECT film_id, title FROM rental.film;
CREATE VIEW rental.checked WITH (security_barrier, check_option = local) AS SELECT film_id, length FROM rental.film WHERE length > 3;
CREATE VIEW rental.of_view AS SELECT a, "json" FROM rental.renamed WHERE a IN (SELECT one_table.film_id FROM rental.one_table);
ALTER VIEW rental.of_view SET (security_barrier = on);
CREATE MATERIALIZED VIEW rental.by_category WITH (fillfactor = 70) AS SELECT rating, sum(rental_rate) AS total FROM rental.film WHERE length > 3 GROUP BY rating ORDER BY sum(rental_rate) DESC;
CREATE UNIQUE INDEX ON rental.by_category (rating) WITH (fillfactor = 60);
CREATE RULE no_language AS ON DELETE TO rental.language DO INSTEAD UPDATE rental.film SET title = old.name WHERE film.language_id = old.language_id;
CREATE RULE log_actor AS ON UPDATE TO rental.actor WHERE new.last_name IS DISTINCT FROM old.last_name DO ALSO (INSERT INTO rental.film_actor (actor_id, film_id) SELECT actor_id, 1 FROM rental.actor WHERE actor_id = new.actor_id; DELETE FROM rental.film WHERE film_id IN (SELECT film_actor.film_id FROM rental.film_actor WHERE actor_id = old.actor_id));
CREATE RULE "_upsert" AS ON INSERT TO rental.aliased DO INSTEAD INSERT INTO rental.film (film_id, title) VALUES (new.film_id, new.title) ON CONFLICT (film_id) DO UPDATE SET title = excluded.title WHERE film.title <> excluded.title RETURNING film.film_id, film.title;

CREATE TABLE tenants.tenant (id uuid PRIMARY KEY, slug text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED, plan text DEFAULT 'free' CHECK (plan IN ('free', 'paid')), settings jsonb DEFAULT '{"a": [1, 2]}' NOT NULL);
CREATE TABLE tenants.invoice (tenant uuid REFERENCES tenants.tenant ON DELETE CASCADE, no bigint, at timestamptz NOT NULL DEFAULT clock_timestamp(), amount numeric(12,2) CHECK (amount <> 'NaN'), during tstzrange, CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WHERE (amount > 0) DEFERRABLE, PRIMARY KEY (tenant, no));
ALTER TABLE tenants.invoice ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tenants.invoice USING (tenant = current_setting('app.tenant', true)::uuid) WITH CHECK (EXISTS (SELECT 1 FROM tenants.tenant t WHERE t.id = invoice.tenant AND plan = 'paid'));
CREATE POLICY bare ON tenants.invoice AS RESTRICTIVE FOR SELECT TO everyday_app, PUBLIC USING (amount IN (SELECT amount FROM tenants.tenant WHERE id = tenant));
CREATE FUNCTION tenants.me(OUT id uuid, OUT name text, IN a text DEFAULT 'x', VARIADIC rest integer[] DEFAULT ARRAY[1, 2]) RETURNS record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path TO tenants, "$user", pg_temp SET work_mem = '4MB' COST 7 AS 'BEGIN id := NULL; END';
CREATE FUNCTION tenants.many(since timestamptz DEFAULT now() - interval '1 day', weight float8 DEFAULT '0.1') RETURNS SETOF tenants.invoice LANGUAGE sql ROWS 33 AS 'SELECT * FROM tenants.invoice WHERE at > $1';
CREATE FUNCTION tenants.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER stamp BEFORE UPDATE OF amount, during ON tenants.invoice FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.* AND NEW.amount > 0.5 AND coalesce(NEW.during, 'empty') <> 'empty'::tstzrange) EXECUTE PROCEDURE tenants.stamp();
CREATE STATISTICS tenants.tied ON tenant, no FROM tenants.invoice;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA tenants TO everyday_app;
GRANT USAGE ON SCHEMA tenants TO everyday_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA tenants GRANT SELECT ON TABLES TO everyday_app;

CREATE TABLE events.event (id bigint NOT NULL, at timestamptz NOT NULL, kind text DEFAULT 'x', payload jsonb, weight float8) PARTITION BY RANGE (at);
CREATE TABLE events.event_2020 PARTITION OF events.event (kind DEFAULT 'y', CHECK (id > 0), PRIMARY KEY (id)) FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2021-01-01 00:00:00+01') WITH (fillfactor = 80);
CREATE TABLE events.event_2021 PARTITION OF events.event FOR VALUES FROM ('2021-01-01 00:00:00+01') TO (MAXVALUE) PARTITION BY LIST (lower(kind));
CREATE TABLE events.event_2021_x PARTITION OF events.event_2021 FOR VALUES IN ('x', NULL, 'it''s');
CREATE TABLE events.late (payload jsonb, kind text, weight float8, gone int, at timestamptz NOT NULL, id bigint NOT NULL);
ALTER TABLE events.late DROP gone;
ALTER TABLE events.event ATTACH PARTITION events.late FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00:00+00');
CREATE TABLE events.heavy (w float8, t text) PARTITION BY RANGE (w, t);
CREATE TABLE events.heavy_1 PARTITION OF events.heavy FOR VALUES FROM ('0.1', '0.1') TO ('0.7', MAXVALUE);

CREATE TABLE map.feature (id integer GENERATED BY DEFAULT AS IDENTITY (START 10 INCREMENT 5 CACHE 3 CYCLE MAXVALUE 1000) PRIMARY KEY, shape polygon, box box DEFAULT '((0.3,0.3),(0.1,0.1))', around circle DEFAULT '<(0.1,0.2),0.3>', path path DEFAULT '[(0.1,0.1),(0.2,0.2)]', at inet DEFAULT '10.0.0.1/8', tolerance float8[] DEFAULT ARRAY[0.1, 0.2]::float8[], EXCLUDE USING gist (box WITH &&));
CREATE INDEX ON map.feature USING gist (around) WHERE (box <@ '((0.3,0.3),(0.1,0.1))'::box);
CREATE FUNCTION map.distance(a point, b point DEFAULT '(0.1,0.1)') RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT a <-> b';
CREATE OPERATOR map.<~> (LEFTARG = point, RIGHTARG = point, PROCEDURE = map.distance, COMMUTATOR = OPERATOR(map.<~>));
CREATE VIEW map.near AS SELECT id, around OPERATOR(pg_catalog.<->) '<(0.1,0.2),0.3>'::circle AS d FROM map.feature WHERE box && box '(1,1),(2,2)' AND point(1, 2) OPERATOR(map.<~>) point '(0.1,0.1)' < 3;
-- since 10
CREATE COLLATION map.german (provider = icu, locale = 'de_DE');
CREATE COLLATION map.phonebook (provider = icu, locale = 'de@collation=phonebook');
CREATE COLLATION map.numeric_first (provider = icu, locale = 'en@colNumeric=yes;colCaseFirst=upper');
CREATE COLLATION map.tagged (provider = icu, locale = 'en-u-kn-true-ks-level2');
CREATE COLLATION map.root (provider = icu, locale = 'root');
CREATE COLLATION map.und (provider = icu, locale = 'und');
CREATE COLLATION map.loud (provider = icu, locale = 'EN-us');
-- since 11
CREATE TABLE events.parent (id integer PRIMARY KEY, v integer REFERENCES map.feature, "json" text DEFAULT 'a') PARTITION BY HASH (id);
CREATE TABLE events.parent_0 PARTITION OF events.parent FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE events.parent_1 PARTITION OF events.parent FOR VALUES WITH (modulus 2, remainder 1);
-- since 12
ALTER TABLE events.parent ADD FOREIGN KEY (v) REFERENCES events.parent;
CREATE TABLE events.computed (a float8, b float8 GENERATED ALWAYS AS (a * '0.1'::float8) STORED, n numeric GENERATED ALWAYS AS (round(a::numeric, 2)) STORED);
CREATE COLLATION map.blind (provider = icu, locale = 'und@colStrength=primary', deterministic = false);
-- since 14
CREATE FUNCTION rental.sql_body(a integer, b integer DEFAULT 2) RETURNS SETOF integer LANGUAGE sql BEGIN ATOMIC SELECT film_id FROM rental.film WHERE film_id > a; WITH x AS (SELECT film.film_id FROM rental.film) SELECT film_id FROM x UNION SELECT b; UPDATE rental.film SET title = 'x' WHERE length > b RETURNING film_id; END;
CREATE FUNCTION rental.sql_return(t text) RETURNS text LANGUAGE sql RETURN upper(t) || extract(year FROM CURRENT_DATE);
