-- Views of every sort, materialised ones, rules.
CREATE VIEW zoo.v_simple AS SELECT id, label, amount * 2 AS twice FROM zoo.plain WHERE amount > 1 OR label LIKE 'row 1%';
CREATE VIEW zoo.v_star AS SELECT * FROM zoo.plain;
CREATE VIEW zoo.v_joined (plain, "tree's", n) AS
  SELECT p.id, t.v, count(*) FILTER (WHERE k.v > 3) FROM zoo.plain p LEFT JOIN zoo.tree t ON t.id = p.id AND t.parent IS NOT NULL JOIN zoo.keyless k ON k.v = p.id % 50 GROUP BY p.id, t.v;
CREATE VIEW zoo.v_using AS SELECT id, h.egg, e.hen, q.b FROM zoo.hen h JOIN zoo.egg e USING (id) NATURAL LEFT JOIN (SELECT a.id, a.b FROM zoo.indexed a) q;
CREATE VIEW zoo.v_nested AS SELECT s.id, (SELECT max(j.n) FROM zoo.v_joined j WHERE j.plain = s.id) AS most FROM zoo.v_simple s WHERE EXISTS (SELECT 1 FROM zoo.tree t WHERE t.id = s.id) AND s.id NOT IN (SELECT k.v FROM zoo.keyless k WHERE k.v IS NOT NULL);
CREATE VIEW zoo.v_cte AS WITH RECURSIVE up(id, parent, depth) AS (
  SELECT t.id, t.parent, 0 FROM zoo.tree t WHERE t.parent IS NULL UNION ALL SELECT t.id, t.parent, up.depth + 1 FROM zoo.tree t JOIN up ON t.parent = up.id
), counted AS (SELECT depth, count(*) AS n FROM up GROUP BY depth) SELECT * FROM counted ORDER BY depth DESC LIMIT 10 OFFSET 1;
CREATE VIEW zoo.v_window AS SELECT id, label, rank() OVER w, sum(amount) OVER (PARTITION BY id % 3 ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS run, first_value(id) OVER (w RANGE UNBOUNDED PRECEDING)
  FROM zoo.plain WINDOW w AS (PARTITION BY mood ORDER BY amount DESC NULLS LAST);
CREATE VIEW zoo.v_grouped AS SELECT mood, id % 2 AS odd, count(DISTINCT label) AS n, string_agg(label, ', ' ORDER BY id DESC) AS list, GROUPING(mood) AS g FROM zoo.plain GROUP BY GROUPING SETS ((mood), (mood, id % 2), ());
CREATE VIEW zoo.v_lateral AS SELECT p.id, x.ord, x.part, j.key FROM zoo.plain p, LATERAL unnest(ARRAY[p.label, p.mood::text]) WITH ORDINALITY AS x(part, ord), jsonb_each('{"a": 1}'::jsonb) j;
CREATE VIEW zoo.v_cases AS SELECT CASE WHEN id > 10 THEN 'many' ELSE 'few' END AS a, CASE id WHEN 1 THEN 'one' END AS b, COALESCE(label, 'x') AS c, NULLIF(id, 3) AS d, GREATEST(id, 7) AS e,
  id IS DISTINCT FROM 5 AS f, label ~* '^r' AS g, amount BETWEEN 1 AND 5 AS h, id = ANY (ARRAY[1, 2]) AS i FROM zoo.plain;
CREATE VIEW zoo.v_time AS SELECT extract(year FROM at) AS y, at AT TIME ZONE 'Europe/Berlin' AS local, at::date AS d, CURRENT_TIMESTAMP AS now, interval '1 day' AS step, position('r' IN label) AS p, substring(label FROM 2 FOR 3) AS s, trim(both ' ' FROM label) AS t, overlay(label PLACING 'x' FROM 1) AS o FROM zoo.plain;
CREATE VIEW zoo.v_sets AS (SELECT id FROM zoo.plain EXCEPT SELECT id FROM zoo.tree) UNION (SELECT id FROM zoo.hen INTERSECT ALL SELECT id FROM zoo.egg) ORDER BY 1;
CREATE VIEW zoo.v_values AS SELECT v.column1 AS n, v.column2 AS t FROM (VALUES (1, 'a'), (2, 'b')) v;
CREATE VIEW zoo.v_composite AS SELECT (t.p).a, (t.p)."B b", (t.ne).p AS inner_pair, t.a4[1] AS one, t.hs OPERATOR(ext.->) 'k' AS k, t.id OPERATOR(zoo.~~~) 3 AS about FROM zoo.types t;
CREATE VIEW zoo.v_barrier WITH (security_barrier) AS SELECT id, label FROM zoo.plain WHERE id < 100 WITH CASCADED CHECK OPTION;
CREATE VIEW zoo.v_checked AS SELECT id, label FROM zoo.plain WHERE id > 5 WITH LOCAL CHECK OPTION;
CREATE VIEW zoo."View of ""odd"" names" AS SELECT w."Id" AS "I d", w."a.b", "select" FROM public."Weird ""name""" w;
CREATE VIEW zoo.v_sample AS SELECT count(*) AS n FROM zoo.plain TABLESAMPLE system (50) REPEATABLE (3);
CREATE VIEW zoo.v_function AS SELECT r.id, r.label FROM zoo.rows_of(3) r, zoo.out_of(1) o(a, b, c) WHERE zoo.any_of(ARRAY[1, 2], r.id);
CREATE VIEW zoo.v_only AS SELECT b.id FROM ONLY zoo.base b;
ALTER VIEW zoo.v_simple ALTER twice SET DEFAULT 5;
ALTER VIEW zoo.v_star OWNER TO zoo_owner;
GRANT SELECT ON zoo.v_star TO zoo_reader;
COMMENT ON VIEW zoo.v_cte IS 'how deep the tree is';
COMMENT ON COLUMN zoo.v_simple.twice IS 'double';

CREATE MATERIALIZED VIEW zoo.m_filled AS SELECT mood, count(*) AS n, sum(amount) AS total FROM zoo.plain GROUP BY mood;
CREATE UNIQUE INDEX ON zoo.m_filled (mood);
CREATE MATERIALIZED VIEW zoo.m_empty AS SELECT id FROM zoo.plain WITH NO DATA;
CREATE MATERIALIZED VIEW zoo.m_of_m WITH (fillfactor = 80) AS SELECT f.n, v.depth FROM zoo.m_filled f, zoo.v_cte v;
COMMENT ON MATERIALIZED VIEW zoo.m_filled IS 'refreshed by hand';

CREATE TABLE zoo.ruled (id integer PRIMARY KEY, v text);
INSERT INTO zoo.ruled SELECT g, g FROM generate_series(1, 200) g;
CREATE TABLE zoo.ruled_log (id integer, v text, at timestamp DEFAULT '2020-01-01');
CREATE RULE log_it AS ON UPDATE TO zoo.ruled WHERE old.v IS DISTINCT FROM new.v DO ALSO INSERT INTO zoo.ruled_log VALUES (old.id, old.v);
CREATE RULE never AS ON DELETE TO zoo.ruled DO INSTEAD NOTHING;
CREATE RULE off_rule AS ON INSERT TO zoo.ruled WHERE new.id < 0 DO INSTEAD NOTHING;
CREATE RULE always_rule AS ON INSERT TO zoo.ruled_log WHERE new.id < 0 DO INSTEAD NOTHING;
ALTER TABLE zoo.ruled DISABLE RULE off_rule;
ALTER TABLE zoo.ruled_log ENABLE ALWAYS RULE always_rule;
CREATE RULE through AS ON INSERT TO zoo.v_joined DO INSTEAD (INSERT INTO zoo.ruled VALUES (new.plain, new."tree's"); NOTIFY zoo);
COMMENT ON RULE never ON zoo.ruled IS 'nothing goes';
-- since 15
CREATE VIEW zoo.v_invoker WITH (security_invoker, security_barrier = false) AS SELECT id FROM zoo.plain;
