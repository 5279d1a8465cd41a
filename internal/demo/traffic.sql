-- What the shop does while it is replicated.
INSERT INTO orders (customer_id, status, total, placed_at)
SELECT 1 + i * 17 % 30000, 'open', (i * 41 % 20000) / 100.0 + 1, timestamptz '2026-03-01 00:00:00Z' + i * interval '1 second'
FROM generate_series(1, 4000) i;
UPDATE orders SET status = 'shipped', note = 'sent today' WHERE id BETWEEN 70001 AND 73000;
UPDATE customers SET status = 'gold' WHERE id % 50 = 0;
DELETE FROM reviews WHERE customer_id % 100 = 1;
UPDATE "Gift Cards" SET "Balance" = 0 WHERE "Card No" BETWEEN 101 AND 200;
DELETE FROM stock_log WHERE sku = 'SKU-00042';
