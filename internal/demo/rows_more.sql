-- The other half, loaded in a second session meanwhile.
INSERT INTO products
SELECT 'SKU-' || to_char(i, 'FM00000'), 'Product No. ' || i, i % 400 * 0.1, i % 25 / 8.0,
  jsonb_build_object('colour', (ARRAY['red','green','blue'])[1 + i % 3], 'litres', i % 40 * 0.1, 'parts', jsonb_build_array(i, i + 1)),
  json_build_object('name', 'Product No. ' || i, 'batch', i % 9),
  CASE WHEN i % 5 > 0 THEN int4range(i % 30, i % 30 + 10) END,
  decode(md5('photo ' || i) || md5('more ' || i), 'hex'),
  make_interval(days => i % 30, months => i % 3)
FROM generate_series(1, 5000) i;
INSERT INTO products
SELECT v, initcap(v), 2.50, 0.25, '{"litres": 0.2}', '{"name": "cup"}', NULL, NULL, '1 day'
FROM unnest(ARRAY['CAFÉ-CUP', 'café-cup', 'Cafe-Cup', 'ÅNGSTRÖM-LAMP', 'naïve-mug']) v;

INSERT INTO reviews
SELECT 'SKU-' || to_char(1 + i % 5000, 'FM00000'), i, 1 + i % 5, 'Review ' || i || repeat(': it does what it says', i % 9)
FROM generate_series(1, 10000) i;
UPDATE reviews SET body = repeat('A long story, told at length. ', 1000) || 'The end.' WHERE customer_id % 1000 = 0;

INSERT INTO events
SELECT i, timestamp '2026-01-01 00:00:00.000001' + i * interval '2 minutes 8 seconds', (ARRAY['view','basket','buy'])[1 + i % 3],
  jsonb_build_object('customer', 1 + i * 7919 % 30000, 'seconds', i % 977 * 0.1)
FROM generate_series(1, 60000) i;

INSERT INTO "Gift Cards"
SELECT i, i % 20 * 5, daterange(date '2026-01-01' + i % 90, date '2029-01-01' + i % 90)
FROM generate_series(1, 2000) i;

-- Every movement was booked three times: a table without a key allows it.
INSERT INTO stock_log
SELECT 'SKU-' || to_char(1 + i % 5000, 'FM00000'), 1 + i % 40, i % 21 - 10, date '2026-01-01' + i % 90
FROM generate_series(1, 5000) i, generate_series(1, 3);

SELECT setval('invoice_no', 180000);
