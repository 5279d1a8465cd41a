-- sum of a range
SELECT count(*), sum(('x' || pg_catalog.left(pg_catalog.md5('9ddd39acff43459b' || (
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('22cd943440ac602b' || t."tenant"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-1088132071824400846'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('7c0ac294dad860bb' || t."number"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '9163462448087756985'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('ac9f7ca6411eaa18' || t."total"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '7878728542291264663'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('428e617c084f6b69' || t."placed"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '6765872974913576998'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('2ff275ae852fead7' || t."note"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '1241091490692788514'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('bb130b16559412ac' || pg_catalog.textin(pg_catalog.bpcharout(t."code"))), 16))::pg_catalog.bit(64)::pg_catalog.int8, '5528773387199732769'::pg_catalog.int8)
  # coalesce(CASE WHEN t."paid" IS NOT DISTINCT FROM NULL THEN NULL ELSE ('x' || pg_catalog.left(pg_catalog.md5('7eeb9212f44bebbe' || pg_catalog.format('%s', t."paid")), 16))::pg_catalog.bit(64)::pg_catalog.int8 END, '3393567490375482378'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('f20929cd07a9a1d6' || t."due"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-768737818673040318'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('\xecb6be8b930f99f0'::pg_catalog.bytea || pg_catalog.float8send(CASE WHEN t."ratio" = 'NaN'::pg_catalog.float8 THEN 'NaN'::pg_catalog.float8 ELSE t."ratio" END)), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-7808626760575140970'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('cfdd4c68e22b1477' || t."mood"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '4911435274025696011'::pg_catalog.int8))::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8)
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1;

-- sums of two bins
SELECT b.n, d.rows, d.hash
FROM unnest($2::pg_catalog.int8[]) WITH ORDINALITY AS b(l, n)
CROSS JOIN LATERAL (SELECT count(*) AS rows, sum(('x' || pg_catalog.left(pg_catalog.md5('9ddd39acff43459b' || (
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('22cd943440ac602b' || t."tenant"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-1088132071824400846'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('7c0ac294dad860bb' || t."number"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '9163462448087756985'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('ac9f7ca6411eaa18' || t."total"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '7878728542291264663'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('428e617c084f6b69' || t."placed"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '6765872974913576998'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('2ff275ae852fead7' || t."note"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '1241091490692788514'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('bb130b16559412ac' || pg_catalog.textin(pg_catalog.bpcharout(t."code"))), 16))::pg_catalog.bit(64)::pg_catalog.int8, '5528773387199732769'::pg_catalog.int8)
  # coalesce(CASE WHEN t."paid" IS NOT DISTINCT FROM NULL THEN NULL ELSE ('x' || pg_catalog.left(pg_catalog.md5('7eeb9212f44bebbe' || pg_catalog.format('%s', t."paid")), 16))::pg_catalog.bit(64)::pg_catalog.int8 END, '3393567490375482378'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('f20929cd07a9a1d6' || t."due"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-768737818673040318'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('\xecb6be8b930f99f0'::pg_catalog.bytea || pg_catalog.float8send(CASE WHEN t."ratio" = 'NaN'::pg_catalog.float8 THEN 'NaN'::pg_catalog.float8 ELSE t."ratio" END)), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-7808626760575140970'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('cfdd4c68e22b1477' || t."mood"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '4911435274025696011'::pg_catalog.int8))::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8) AS hash
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1 AND t.tenant OPERATOR(pg_catalog.=) b.l) AS d
WHERE d.rows OPERATOR(pg_catalog.>) 0;

-- rows of a share
SELECT t."tenant", t."number", 
  ('x' || pg_catalog.left(pg_catalog.md5('9ddd39acff43459b' || (
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('22cd943440ac602b' || t."tenant"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-1088132071824400846'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('7c0ac294dad860bb' || t."number"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '9163462448087756985'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('ac9f7ca6411eaa18' || t."total"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '7878728542291264663'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('428e617c084f6b69' || t."placed"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '6765872974913576998'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('2ff275ae852fead7' || t."note"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '1241091490692788514'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('bb130b16559412ac' || pg_catalog.textin(pg_catalog.bpcharout(t."code"))), 16))::pg_catalog.bit(64)::pg_catalog.int8, '5528773387199732769'::pg_catalog.int8)
  # coalesce(CASE WHEN t."paid" IS NOT DISTINCT FROM NULL THEN NULL ELSE ('x' || pg_catalog.left(pg_catalog.md5('7eeb9212f44bebbe' || pg_catalog.format('%s', t."paid")), 16))::pg_catalog.bit(64)::pg_catalog.int8 END, '3393567490375482378'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('f20929cd07a9a1d6' || t."due"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-768737818673040318'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('\xecb6be8b930f99f0'::pg_catalog.bytea || pg_catalog.float8send(CASE WHEN t."ratio" = 'NaN'::pg_catalog.float8 THEN 'NaN'::pg_catalog.float8 ELSE t."ratio" END)), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-7808626760575140970'::pg_catalog.int8)
  # coalesce(('x' || pg_catalog.left(pg_catalog.md5('cfdd4c68e22b1477' || t."mood"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '4911435274025696011'::pg_catalog.int8))::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1 AND (('x' || pg_catalog.left(pg_catalog.md5('995324dfda14b354' || (
    ('x' || pg_catalog.left(pg_catalog.md5('97836c86a259e3e8' || t."tenant"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8
  # ('x' || pg_catalog.left(pg_catalog.md5('3943d7ddd813dff1' || t."number"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8)::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 & 15) OPERATOR(pg_catalog.=) 3;

-- lookup
SELECT w.n, t.xmin, t.xmax, t."tenant", t."number",
  ARRAY[
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('22cd943440ac602b' || t."tenant"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-1088132071824400846'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('7c0ac294dad860bb' || t."number"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '9163462448087756985'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('ac9f7ca6411eaa18' || t."total"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '7878728542291264663'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('428e617c084f6b69' || t."placed"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '6765872974913576998'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('2ff275ae852fead7' || t."note"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '1241091490692788514'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('bb130b16559412ac' || pg_catalog.textin(pg_catalog.bpcharout(t."code"))), 16))::pg_catalog.bit(64)::pg_catalog.int8, '5528773387199732769'::pg_catalog.int8),
    coalesce(CASE WHEN t."paid" IS NOT DISTINCT FROM NULL THEN NULL ELSE ('x' || pg_catalog.left(pg_catalog.md5('7eeb9212f44bebbe' || pg_catalog.format('%s', t."paid")), 16))::pg_catalog.bit(64)::pg_catalog.int8 END, '3393567490375482378'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('f20929cd07a9a1d6' || t."due"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-768737818673040318'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('\xecb6be8b930f99f0'::pg_catalog.bytea || pg_catalog.float8send(CASE WHEN t."ratio" = 'NaN'::pg_catalog.float8 THEN 'NaN'::pg_catalog.float8 ELSE t."ratio" END)), 16))::pg_catalog.bit(64)::pg_catalog.int8, '-7808626760575140970'::pg_catalog.int8),
    coalesce(('x' || pg_catalog.left(pg_catalog.md5('cfdd4c68e22b1477' || t."mood"::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8, '4911435274025696011'::pg_catalog.int8)]::pg_catalog.int8[]
FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) WITH ORDINALITY AS w(k1, k2, n)
  JOIN ONLY "public"."orders" AS t ON t."tenant" OPERATOR(pg_catalog.=) CAST(w.k1 AS integer) AND t."number" OPERATOR(pg_catalog.=) CAST(w.k2 AS bigint);
