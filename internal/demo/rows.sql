-- The shop's rows, made by the source itself; the same at each run.
INSERT INTO customers (email, name, status, phone, born, joined, interests, last_ip, newsletter)
SELECT 'customer' || i || '@example.com',
  (ARRAY['Ana','Björn','Chloé','Dmitri','Eda','Фёдор','さくら','Hugo'])[1 + i % 8] || ' ' ||
  (ARRAY['Almeida','Öztürk','Nowak','Smith','Müller','Ivanova','García'])[1 + i % 7],
  (ARRAY['new','regular','gold','blocked'])[1 + i % 4]::customer_status,
  CASE WHEN i % 7 > 0 THEN '+49 30 ' || 100000 + i END,
  CASE WHEN i % 11 > 0 THEN date '1950-01-01' + i % 20000 END,
  timestamptz '2020-01-01 00:00:00Z' + i * interval '97 minutes 3.141593 seconds',
  ARRAY['books', 'topic ' || i % 50],
  CASE WHEN i % 3 > 0 THEN inet '10.0.0.0' + i END,
  i % 2 = 0
FROM generate_series(1, 30000) i;

INSERT INTO stores
SELECT i, 'S' || i, time '08:00' + i * interval '5 minutes', point(52 + i / 10.0, 13 - i / 10.0),
  ('10.' || i || '.0.0/16')::cidr, ('08:00:2b:01:02:' || to_char(i, 'FM00'))::macaddr
FROM generate_series(1, 40) i;

INSERT INTO orders (customer_id, store_id, status, total, placed_at, note)
SELECT 1 + i * 7919 % 30000, CASE WHEN i % 4 = 0 THEN 1 + i % 40 END,
  (ARRAY['open','paid','shipped','cancelled'])[1 + i % 4]::order_status,
  (i * 37 % 50000) / 100.0 + 1,
  timestamptz '2025-01-01 00:00:00Z' + i * interval '6 minutes 31.25 seconds',
  CASE WHEN i % 20 = 0 THEN 'please ring twice, ' || i END
FROM generate_series(1, 80000) i;

INSERT INTO order_lines (order_id, line, sku, quantity, unit_price)
SELECT o, l, 'SKU-' || to_char(1 + (o * 31 + l) % 5000, 'FM00000'), 1 + o % 3, (o * l * 13 % 9000) / 100.0 + 0.99
FROM generate_series(1, 80000) o, generate_series(1, 2) l;

INSERT INTO payments
SELECT md5('payment ' || i)::uuid, i, (i * 37 % 50000) / 100.0 + 1,
  (ARRAY['card','transfer','wallet'])[1 + i % 3],
  tstzrange(timestamptz '2025-01-01 00:00:00Z' + i * interval '6 minutes', timestamptz '2025-01-08 00:00:00Z' + i * interval '6 minutes')
FROM generate_series(1, 40000) i;
