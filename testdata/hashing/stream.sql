-- sums and rows
SELECT t."tenant",
  t."number",
  t."tenant",
  t."number",
  t."total",
  t."placed",
  t."note",
  t."code",
  t."paid",
  t."due",
  CASE WHEN t."ratio" = 'NaN'::pg_catalog.float8 THEN 'NaN'::pg_catalog.float8 ELSE t."ratio" END,
  t."mood"::pg_catalog.text
FROM ONLY "public"."orders" AS t WHERE t.tenant >= $1;

-- lookup
SELECT w.n,
  t.xmin,
  t.xmax,
  t."tenant",
  t."number",
  t."tenant",
  t."number",
  t."total",
  t."placed",
  t."note",
  t."code",
  t."paid",
  t."due",
  CASE WHEN t."ratio" = 'NaN'::pg_catalog.float8 THEN 'NaN'::pg_catalog.float8 ELSE t."ratio" END,
  t."mood"::pg_catalog.text
FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) WITH ORDINALITY AS w(k1, k2, n)
  JOIN ONLY "public"."orders" AS t ON t."tenant" OPERATOR(pg_catalog.=) CAST(w.k1 AS integer) AND t."number" OPERATOR(pg_catalog.=) CAST(w.k2 AS bigint);
