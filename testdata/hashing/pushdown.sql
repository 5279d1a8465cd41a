-- sum of a range
SELECT count(*), sum(pg_catalog.hashint4extended(0,
    coalesce(pg_catalog.hashint4extended(t."tenant", '2507823519659483179'::pg_catalog.int8), '-1088132071824400846'::pg_catalog.int8)
  # coalesce(pg_catalog.hashint4extended('-623353669'::pg_catalog.int4, t."number" # '8938170355052732603'::pg_catalog.int8), '9163462448087756985'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."total"::pg_catalog.text COLLATE pg_catalog."C", '-6007946324390008296'::pg_catalog.int8), '7878728542291264663'::pg_catalog.int8)
  # coalesce(pg_catalog.hashfloat8extended(pg_catalog.tstzrange_subdiff(t."placed", '2000-01-01 00:00:00+00'::pg_catalog.timestamptz), pg_catalog.timestamp_hash_extended(pg_catalog.timezone('0'::pg_catalog.interval, t."placed"), '4795877838539418473'::pg_catalog.int8)), '6765872974913576998'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."note" COLLATE pg_catalog."C", '3454953256565861079'::pg_catalog.int8), '1241091490692788514'::pg_catalog.int8)
  # coalesce(pg_catalog.hashbpcharextended(t."code" COLLATE pg_catalog."C", '-4966613773506571604'::pg_catalog.int8), '5528773387199732769'::pg_catalog.int8)
  # coalesce(pg_catalog.hashint4extended(t."paid"::pg_catalog.int4, '9145564078411606974'::pg_catalog.int8), '3393567490375482378'::pg_catalog.int8)
  # coalesce(pg_catalog.hashfloat8extended(pg_catalog.daterange_subdiff(t."due", '2000-01-01'::pg_catalog.date), '-1006227081167003178'::pg_catalog.int8), '-768737818673040318'::pg_catalog.int8)
  # coalesce(CASE WHEN t."ratio" = '0'::pg_catalog.float8 OR t."ratio" = 'NaN'::pg_catalog.float8 THEN pg_catalog.hashtextextended(t."ratio"::pg_catalog.text COLLATE pg_catalog."C", '-1389713928320214544'::pg_catalog.int8) ELSE pg_catalog.hashfloat8extended(t."ratio", '-1389713928320214544'::pg_catalog.int8) END, '-7808626760575140970'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."mood"::pg_catalog.text COLLATE pg_catalog."C", '-3468532124650630025'::pg_catalog.int8), '4911435274025696011'::pg_catalog.int8)))
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1;

-- sums of two bins
SELECT b.n, d.rows, d.hash
FROM unnest($2::pg_catalog.int8[]) WITH ORDINALITY AS b(l, n)
CROSS JOIN LATERAL (SELECT count(*) AS rows, sum(pg_catalog.hashint4extended(0,
    coalesce(pg_catalog.hashint4extended(t."tenant", '2507823519659483179'::pg_catalog.int8), '-1088132071824400846'::pg_catalog.int8)
  # coalesce(pg_catalog.hashint4extended('-623353669'::pg_catalog.int4, t."number" # '8938170355052732603'::pg_catalog.int8), '9163462448087756985'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."total"::pg_catalog.text COLLATE pg_catalog."C", '-6007946324390008296'::pg_catalog.int8), '7878728542291264663'::pg_catalog.int8)
  # coalesce(pg_catalog.hashfloat8extended(pg_catalog.tstzrange_subdiff(t."placed", '2000-01-01 00:00:00+00'::pg_catalog.timestamptz), pg_catalog.timestamp_hash_extended(pg_catalog.timezone('0'::pg_catalog.interval, t."placed"), '4795877838539418473'::pg_catalog.int8)), '6765872974913576998'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."note" COLLATE pg_catalog."C", '3454953256565861079'::pg_catalog.int8), '1241091490692788514'::pg_catalog.int8)
  # coalesce(pg_catalog.hashbpcharextended(t."code" COLLATE pg_catalog."C", '-4966613773506571604'::pg_catalog.int8), '5528773387199732769'::pg_catalog.int8)
  # coalesce(pg_catalog.hashint4extended(t."paid"::pg_catalog.int4, '9145564078411606974'::pg_catalog.int8), '3393567490375482378'::pg_catalog.int8)
  # coalesce(pg_catalog.hashfloat8extended(pg_catalog.daterange_subdiff(t."due", '2000-01-01'::pg_catalog.date), '-1006227081167003178'::pg_catalog.int8), '-768737818673040318'::pg_catalog.int8)
  # coalesce(CASE WHEN t."ratio" = '0'::pg_catalog.float8 OR t."ratio" = 'NaN'::pg_catalog.float8 THEN pg_catalog.hashtextextended(t."ratio"::pg_catalog.text COLLATE pg_catalog."C", '-1389713928320214544'::pg_catalog.int8) ELSE pg_catalog.hashfloat8extended(t."ratio", '-1389713928320214544'::pg_catalog.int8) END, '-7808626760575140970'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."mood"::pg_catalog.text COLLATE pg_catalog."C", '-3468532124650630025'::pg_catalog.int8), '4911435274025696011'::pg_catalog.int8))) AS hash
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1 AND t.tenant OPERATOR(pg_catalog.=) b.l) AS d
WHERE d.rows OPERATOR(pg_catalog.>) 0;

-- rows of a share
SELECT t."tenant", t."number", 
  pg_catalog.hashint4extended(0,
    coalesce(pg_catalog.hashint4extended(t."tenant", '2507823519659483179'::pg_catalog.int8), '-1088132071824400846'::pg_catalog.int8)
  # coalesce(pg_catalog.hashint4extended('-623353669'::pg_catalog.int4, t."number" # '8938170355052732603'::pg_catalog.int8), '9163462448087756985'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."total"::pg_catalog.text COLLATE pg_catalog."C", '-6007946324390008296'::pg_catalog.int8), '7878728542291264663'::pg_catalog.int8)
  # coalesce(pg_catalog.hashfloat8extended(pg_catalog.tstzrange_subdiff(t."placed", '2000-01-01 00:00:00+00'::pg_catalog.timestamptz), pg_catalog.timestamp_hash_extended(pg_catalog.timezone('0'::pg_catalog.interval, t."placed"), '4795877838539418473'::pg_catalog.int8)), '6765872974913576998'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."note" COLLATE pg_catalog."C", '3454953256565861079'::pg_catalog.int8), '1241091490692788514'::pg_catalog.int8)
  # coalesce(pg_catalog.hashbpcharextended(t."code" COLLATE pg_catalog."C", '-4966613773506571604'::pg_catalog.int8), '5528773387199732769'::pg_catalog.int8)
  # coalesce(pg_catalog.hashint4extended(t."paid"::pg_catalog.int4, '9145564078411606974'::pg_catalog.int8), '3393567490375482378'::pg_catalog.int8)
  # coalesce(pg_catalog.hashfloat8extended(pg_catalog.daterange_subdiff(t."due", '2000-01-01'::pg_catalog.date), '-1006227081167003178'::pg_catalog.int8), '-768737818673040318'::pg_catalog.int8)
  # coalesce(CASE WHEN t."ratio" = '0'::pg_catalog.float8 OR t."ratio" = 'NaN'::pg_catalog.float8 THEN pg_catalog.hashtextextended(t."ratio"::pg_catalog.text COLLATE pg_catalog."C", '-1389713928320214544'::pg_catalog.int8) ELSE pg_catalog.hashfloat8extended(t."ratio", '-1389713928320214544'::pg_catalog.int8) END, '-7808626760575140970'::pg_catalog.int8)
  # coalesce(pg_catalog.hashtextextended(t."mood"::pg_catalog.text COLLATE pg_catalog."C", '-3468532124650630025'::pg_catalog.int8), '4911435274025696011'::pg_catalog.int8))
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1 AND (pg_catalog.hashint4extended(0,
    pg_catalog.hashint4extended(t."tenant", '-7529054826528119832'::pg_catalog.int8)
  # pg_catalog.hashint4extended('-669786127'::pg_catalog.int4, t."number" # '4126379031414431729'::pg_catalog.int8)) & 15) OPERATOR(pg_catalog.=) 3;

-- lookup
SELECT w.n, t.xmin, t.xmax, t."tenant", t."number",
  ARRAY[
    coalesce(pg_catalog.hashint4extended(t."tenant", '2507823519659483179'::pg_catalog.int8), '-1088132071824400846'::pg_catalog.int8),
    coalesce(pg_catalog.hashint4extended('-623353669'::pg_catalog.int4, t."number" # '8938170355052732603'::pg_catalog.int8), '9163462448087756985'::pg_catalog.int8),
    coalesce(pg_catalog.hashtextextended(t."total"::pg_catalog.text COLLATE pg_catalog."C", '-6007946324390008296'::pg_catalog.int8), '7878728542291264663'::pg_catalog.int8),
    coalesce(pg_catalog.hashfloat8extended(pg_catalog.tstzrange_subdiff(t."placed", '2000-01-01 00:00:00+00'::pg_catalog.timestamptz), pg_catalog.timestamp_hash_extended(pg_catalog.timezone('0'::pg_catalog.interval, t."placed"), '4795877838539418473'::pg_catalog.int8)), '6765872974913576998'::pg_catalog.int8),
    coalesce(pg_catalog.hashtextextended(t."note" COLLATE pg_catalog."C", '3454953256565861079'::pg_catalog.int8), '1241091490692788514'::pg_catalog.int8),
    coalesce(pg_catalog.hashbpcharextended(t."code" COLLATE pg_catalog."C", '-4966613773506571604'::pg_catalog.int8), '5528773387199732769'::pg_catalog.int8),
    coalesce(pg_catalog.hashint4extended(t."paid"::pg_catalog.int4, '9145564078411606974'::pg_catalog.int8), '3393567490375482378'::pg_catalog.int8),
    coalesce(pg_catalog.hashfloat8extended(pg_catalog.daterange_subdiff(t."due", '2000-01-01'::pg_catalog.date), '-1006227081167003178'::pg_catalog.int8), '-768737818673040318'::pg_catalog.int8),
    coalesce(CASE WHEN t."ratio" = '0'::pg_catalog.float8 OR t."ratio" = 'NaN'::pg_catalog.float8 THEN pg_catalog.hashtextextended(t."ratio"::pg_catalog.text COLLATE pg_catalog."C", '-1389713928320214544'::pg_catalog.int8) ELSE pg_catalog.hashfloat8extended(t."ratio", '-1389713928320214544'::pg_catalog.int8) END, '-7808626760575140970'::pg_catalog.int8),
    coalesce(pg_catalog.hashtextextended(t."mood"::pg_catalog.text COLLATE pg_catalog."C", '-3468532124650630025'::pg_catalog.int8), '4911435274025696011'::pg_catalog.int8)]::pg_catalog.int8[]
FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) WITH ORDINALITY AS w(k1, k2, n)
  JOIN ONLY "public"."orders" AS t ON t."tenant" OPERATOR(pg_catalog.=) CAST(w.k1 AS integer) AND t."number" OPERATOR(pg_catalog.=) CAST(w.k2 AS bigint);

-- handshake
SELECT (SELECT pg_catalog.array_agg(pg_catalog.hashint4extended(0,v.c) ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS pg_catalog.int8)),
  (1, CAST('-1' AS pg_catalog.int8)),
  (2, CAST('1' AS pg_catalog.int8)),
  (3, CAST('4294967296' AS pg_catalog.int8)),
  (4, CAST('9223372036854775807' AS pg_catalog.int8)),
  (5, CAST('-9223372036854775808' AS pg_catalog.int8)),
  (6, CAST(NULL AS pg_catalog.int8))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || (v.c)::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS pg_catalog.int8)),
  (1, CAST('-1' AS pg_catalog.int8)),
  (2, CAST('1' AS pg_catalog.int8)),
  (3, CAST('4294967296' AS pg_catalog.int8)),
  (4, CAST('9223372036854775807' AS pg_catalog.int8)),
  (5, CAST('-9223372036854775808' AS pg_catalog.int8)),
  (6, CAST(NULL AS pg_catalog.int8))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashint4extended(v.c, '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS integer)),
  (1, CAST('-1' AS integer)),
  (2, CAST('2147483647' AS integer)),
  (3, CAST('-2147483648' AS integer)),
  (4, CAST(NULL AS integer))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS integer)),
  (1, CAST('-1' AS integer)),
  (2, CAST('2147483647' AS integer)),
  (3, CAST('-2147483648' AS integer)),
  (4, CAST(NULL AS integer))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashint4extended('-1640531527'::pg_catalog.int4, v.c # '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS bigint)),
  (1, CAST('-1' AS bigint)),
  (2, CAST('1' AS bigint)),
  (3, CAST('4294967296' AS bigint)),
  (4, CAST('9223372036854775807' AS bigint)),
  (5, CAST('-9223372036854775808' AS bigint)),
  (6, CAST(NULL AS bigint))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS bigint)),
  (1, CAST('-1' AS bigint)),
  (2, CAST('1' AS bigint)),
  (3, CAST('4294967296' AS bigint)),
  (4, CAST('9223372036854775807' AS bigint)),
  (5, CAST('-9223372036854775808' AS bigint)),
  (6, CAST(NULL AS bigint))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashtextextended(v.c::pg_catalog.text COLLATE pg_catalog."C", '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS numeric)),
  (1, CAST('1.0' AS numeric)),
  (2, CAST('1.00' AS numeric)),
  (3, CAST('-0.005' AS numeric)),
  (4, CAST('NaN' AS numeric)),
  (5, CAST('12345678901234567890.0123456789' AS numeric)),
  (6, CAST(NULL AS numeric))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS numeric)),
  (1, CAST('1.0' AS numeric)),
  (2, CAST('1.00' AS numeric)),
  (3, CAST('-0.005' AS numeric)),
  (4, CAST('NaN' AS numeric)),
  (5, CAST('12345678901234567890.0123456789' AS numeric)),
  (6, CAST(NULL AS numeric))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashfloat8extended(pg_catalog.tstzrange_subdiff(v.c, '2000-01-01 00:00:00+00'::pg_catalog.timestamptz), pg_catalog.timestamp_hash_extended(pg_catalog.timezone('0'::pg_catalog.interval, v.c), '6840143426247686585'::pg_catalog.int8)) ORDER BY v.i)
FROM (VALUES (0, CAST('2000-01-01 00:00:00+00' AS timestamp with time zone)),
  (1, CAST('1999-12-31 23:59:59.999999+00' AS timestamp with time zone)),
  (2, CAST('1969-07-20 20:17:40.123456+00' AS timestamp with time zone)),
  (3, CAST('2000-01-01 01:11:34.967296+00' AS timestamp with time zone)),
  (4, CAST('9999-12-31 23:59:59.999998+00' AS timestamp with time zone)),
  (5, CAST('9999-12-31 23:59:59.999999+00' AS timestamp with time zone)),
  (6, CAST('294276-12-31 23:59:59.999998+00' AS timestamp with time zone)),
  (7, CAST('294276-12-31 23:59:59.999999+00' AS timestamp with time zone)),
  (8, CAST('4714-11-24 00:00:00+00 BC' AS timestamp with time zone)),
  (9, CAST('4714-11-24 00:00:00.000001+00 BC' AS timestamp with time zone)),
  (10, CAST('infinity' AS timestamp with time zone)),
  (11, CAST('-infinity' AS timestamp with time zone)),
  (12, CAST(NULL AS timestamp with time zone))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('2000-01-01 00:00:00+00' AS timestamp with time zone)),
  (1, CAST('1999-12-31 23:59:59.999999+00' AS timestamp with time zone)),
  (2, CAST('1969-07-20 20:17:40.123456+00' AS timestamp with time zone)),
  (3, CAST('2000-01-01 01:11:34.967296+00' AS timestamp with time zone)),
  (4, CAST('9999-12-31 23:59:59.999998+00' AS timestamp with time zone)),
  (5, CAST('9999-12-31 23:59:59.999999+00' AS timestamp with time zone)),
  (6, CAST('294276-12-31 23:59:59.999998+00' AS timestamp with time zone)),
  (7, CAST('294276-12-31 23:59:59.999999+00' AS timestamp with time zone)),
  (8, CAST('4714-11-24 00:00:00+00 BC' AS timestamp with time zone)),
  (9, CAST('4714-11-24 00:00:00.000001+00 BC' AS timestamp with time zone)),
  (10, CAST('infinity' AS timestamp with time zone)),
  (11, CAST('-infinity' AS timestamp with time zone)),
  (12, CAST(NULL AS timestamp with time zone))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashtextextended(v.c COLLATE pg_catalog."C", '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('' AS text)),
  (1, CAST('NULL' AS text)),
  (2, CAST('abc' AS text)),
  (3, CAST('trailing  ' AS text)),
  (4, CAST( E'a\\b''''c' AS text)),
  (5, CAST('0123456789012345678901234567890123456789' AS text)),
  (6, CAST('Straße ÀÉÎ' AS text)),
  (7, CAST('ığüş' AS text)),
  (8, CAST('čeština' AS text)),
  (9, CAST('Привет' AS text)),
  (10, CAST('日本' AS text)),
  (11, CAST('中文' AS text)),
  (12, CAST('한국' AS text)),
  (13, CAST(NULL AS text))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('' AS text)),
  (1, CAST('NULL' AS text)),
  (2, CAST('abc' AS text)),
  (3, CAST('trailing  ' AS text)),
  (4, CAST( E'a\\b''''c' AS text)),
  (5, CAST('0123456789012345678901234567890123456789' AS text)),
  (6, CAST('Straße ÀÉÎ' AS text)),
  (7, CAST('ığüş' AS text)),
  (8, CAST('čeština' AS text)),
  (9, CAST('Привет' AS text)),
  (10, CAST('日本' AS text)),
  (11, CAST('中文' AS text)),
  (12, CAST('한국' AS text)),
  (13, CAST(NULL AS text))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashbpcharextended(v.c COLLATE pg_catalog."C", '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('' AS bpchar)),
  (1, CAST('NULL' AS bpchar)),
  (2, CAST('abc' AS bpchar)),
  (3, CAST('trailing  ' AS bpchar)),
  (4, CAST( E'a\\b''''c' AS bpchar)),
  (5, CAST('0123456789012345678901234567890123456789' AS bpchar)),
  (6, CAST('Straße ÀÉÎ' AS bpchar)),
  (7, CAST('ığüş' AS bpchar)),
  (8, CAST('čeština' AS bpchar)),
  (9, CAST('Привет' AS bpchar)),
  (10, CAST('日本' AS bpchar)),
  (11, CAST('中文' AS bpchar)),
  (12, CAST('한국' AS bpchar)),
  (13, CAST(NULL AS bpchar))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || pg_catalog.textin(pg_catalog.bpcharout(v.c))), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('' AS bpchar)),
  (1, CAST('NULL' AS bpchar)),
  (2, CAST('abc' AS bpchar)),
  (3, CAST('trailing  ' AS bpchar)),
  (4, CAST( E'a\\b''''c' AS bpchar)),
  (5, CAST('0123456789012345678901234567890123456789' AS bpchar)),
  (6, CAST('Straße ÀÉÎ' AS bpchar)),
  (7, CAST('ığüş' AS bpchar)),
  (8, CAST('čeština' AS bpchar)),
  (9, CAST('Привет' AS bpchar)),
  (10, CAST('日本' AS bpchar)),
  (11, CAST('中文' AS bpchar)),
  (12, CAST('한국' AS bpchar)),
  (13, CAST(NULL AS bpchar))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashint4extended(v.c::pg_catalog.int4, '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('t' AS boolean)),
  (1, CAST('f' AS boolean)),
  (2, CAST(NULL AS boolean))) AS v(i, c)),
(SELECT pg_catalog.array_agg(CASE WHEN v.c IS NOT DISTINCT FROM NULL THEN NULL ELSE ('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || pg_catalog.format('%s', v.c)), 16))::pg_catalog.bit(64)::pg_catalog.int8 END ORDER BY v.i)
FROM (VALUES (0, CAST('t' AS boolean)),
  (1, CAST('f' AS boolean)),
  (2, CAST(NULL AS boolean))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashfloat8extended(pg_catalog.daterange_subdiff(v.c, '2000-01-01'::pg_catalog.date), '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('2000-01-01' AS date)),
  (1, CAST('1999-12-31' AS date)),
  (2, CAST('infinity' AS date)),
  (3, CAST('-infinity' AS date)),
  (4, CAST('4713-01-01 BC' AS date)),
  (5, CAST('5874897-12-31' AS date)),
  (6, CAST(NULL AS date))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('2000-01-01' AS date)),
  (1, CAST('1999-12-31' AS date)),
  (2, CAST('infinity' AS date)),
  (3, CAST('-infinity' AS date)),
  (4, CAST('4713-01-01 BC' AS date)),
  (5, CAST('5874897-12-31' AS date)),
  (6, CAST(NULL AS date))) AS v(i, c)),
(SELECT pg_catalog.array_agg(CASE WHEN v.c = '0'::pg_catalog.float8 OR v.c = 'NaN'::pg_catalog.float8 THEN pg_catalog.hashtextextended(v.c::pg_catalog.text COLLATE pg_catalog."C", '6840143426247686585'::pg_catalog.int8) ELSE pg_catalog.hashfloat8extended(v.c, '6840143426247686585'::pg_catalog.int8) END ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS double precision)),
  (1, CAST('-0' AS double precision)),
  (2, CAST('NaN' AS double precision)),
  (3, CAST('Infinity' AS double precision)),
  (4, CAST('-Infinity' AS double precision)),
  (5, CAST('0.3' AS double precision)),
  (6, CAST('-1.5e-30' AS double precision)),
  (7, CAST('123456.7' AS double precision)),
  (8, CAST(NULL AS double precision))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('0' AS double precision)),
  (1, CAST('-0' AS double precision)),
  (2, CAST('NaN' AS double precision)),
  (3, CAST('Infinity' AS double precision)),
  (4, CAST('-Infinity' AS double precision)),
  (5, CAST('0.3' AS double precision)),
  (6, CAST('-1.5e-30' AS double precision)),
  (7, CAST('123456.7' AS double precision)),
  (8, CAST(NULL AS double precision))) AS v(i, c)),
(SELECT pg_catalog.array_agg(pg_catalog.hashtextextended(v.c::pg_catalog.text COLLATE pg_catalog."C", '6840143426247686585'::pg_catalog.int8) ORDER BY v.i)
FROM (VALUES (0, CAST('' AS pg_catalog.text)),
  (1, CAST('NULL' AS pg_catalog.text)),
  (2, CAST('abc' AS pg_catalog.text)),
  (3, CAST('trailing  ' AS pg_catalog.text)),
  (4, CAST( E'a\\b''''c' AS pg_catalog.text)),
  (5, CAST('0123456789012345678901234567890123456789' AS pg_catalog.text)),
  (6, CAST('Straße ÀÉÎ' AS pg_catalog.text)),
  (7, CAST('ığüş' AS pg_catalog.text)),
  (8, CAST('čeština' AS pg_catalog.text)),
  (9, CAST('Привет' AS pg_catalog.text)),
  (10, CAST('日本' AS pg_catalog.text)),
  (11, CAST('中文' AS pg_catalog.text)),
  (12, CAST('한국' AS pg_catalog.text)),
  (13, CAST(NULL AS pg_catalog.text))) AS v(i, c)),
(SELECT pg_catalog.array_agg(('x' || pg_catalog.left(pg_catalog.md5('5eed12349e3779b9' || v.c::pg_catalog.text), 16))::pg_catalog.bit(64)::pg_catalog.int8 ORDER BY v.i)
FROM (VALUES (0, CAST('' AS pg_catalog.text)),
  (1, CAST('NULL' AS pg_catalog.text)),
  (2, CAST('abc' AS pg_catalog.text)),
  (3, CAST('trailing  ' AS pg_catalog.text)),
  (4, CAST( E'a\\b''''c' AS pg_catalog.text)),
  (5, CAST('0123456789012345678901234567890123456789' AS pg_catalog.text)),
  (6, CAST('Straße ÀÉÎ' AS pg_catalog.text)),
  (7, CAST('ığüş' AS pg_catalog.text)),
  (8, CAST('čeština' AS pg_catalog.text)),
  (9, CAST('Привет' AS pg_catalog.text)),
  (10, CAST('日本' AS pg_catalog.text)),
  (11, CAST('中文' AS pg_catalog.text)),
  (12, CAST('한국' AS pg_catalog.text)),
  (13, CAST(NULL AS pg_catalog.text))) AS v(i, c));
