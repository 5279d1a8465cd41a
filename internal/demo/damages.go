package demo

import "github.com/pgparity/pgparity/checker"

// damage is one thing done to the target, and what verify must say about it.
type damage struct {
	table    string // as reports name it
	what     string // in a few words
	sql      string
	findings []checker.Finding
	collides string // the sequence that would hand out a taken value, "" for none
}

type key = map[string]string

func different(k key, columns ...string) checker.Finding {
	return checker.Finding{Kind: checker.KindDifferent, Key: k, Columns: columns}
}

func missing(k key) checker.Finding { return checker.Finding{Kind: checker.KindMissing, Key: k} }
func extra(k key) checker.Finding   { return checker.Finding{Kind: checker.KindExtra, Key: k} }

// damages lists what is done to the target. Most of it is equal to what was
// there before in one way of comparing or another: by =, by count(*), by the
// sum of a column, as printed.
var damages = []damage{
	{table: "public.customers", what: "a NULL became an empty text",
		sql:      "UPDATE customers SET phone = '' WHERE id = 4900",
		findings: []checker.Finding{different(key{"id": "4900"}, "phone")}},
	{table: "public.customers", what: "two customers swapped names",
		sql: `UPDATE customers c SET name = o.name FROM customers o
WHERE (c.id, o.id) IN ((1001, 1002), (1002, 1001))`,
		findings: []checker.Finding{different(key{"id": "1001"}, "name"), different(key{"id": "1002"}, "name")}},
	{table: "public.customers", what: "one microsecond later",
		sql:      "UPDATE customers SET joined = joined + interval '1 microsecond' WHERE id = 20000",
		findings: []checker.Finding{different(key{"id": "20000"}, "joined")}},
	{table: "public.customers", what: "an array that begins at 0, not at 1",
		sql:      "UPDATE customers SET interests = ('[0:1]=' || interests::text)::text[] WHERE id = 2500",
		findings: []checker.Finding{different(key{"id": "2500"}, "interests")}},
	{table: "public.customers", what: "an address lost its mask: /32 to /24",
		sql:      "UPDATE customers SET last_ip = set_masklen(last_ip, 24) WHERE id = 3001",
		findings: []checker.Finding{different(key{"id": "3001"}, "last_ip")}},
	{table: "public.orders", what: "a row lost, another made up: count(*) agrees",
		sql: `DELETE FROM orders WHERE id = 12345;
INSERT INTO orders (id, customer_id, status, total, placed_at) VALUES (84001, 1, 'open', 9.99, '2026-03-02Z')`,
		findings: []checker.Finding{missing(key{"id": "12345"}), extra(key{"id": "84001"})},
		collides: "public.orders_id_seq"},
	{table: "public.orders", what: "a total changed its sign",
		sql:      "UPDATE orders SET total = -total WHERE id = 777",
		findings: []checker.Finding{different(key{"id": "777"}, "total")}},
	{table: "public.order_lines", what: "a quantity, and what is computed from it",
		sql:      "UPDATE order_lines SET quantity = quantity + 1 WHERE (order_id, line) = (4242, 2)",
		findings: []checker.Finding{different(key{"order_id": "4242", "line": "2"}, "amount", "quantity")}},
	{table: "public.products", what: "a price of 1.0 became 1.00",
		sql:      "UPDATE products SET price = 1.00 WHERE sku = 'SKU-00010'",
		findings: []checker.Finding{different(key{"sku": "SKU-00010"}, "price")}},
	{table: "public.products", what: "the same inside a jsonb: 1.1 became 1.10",
		sql:      `UPDATE products SET attributes = jsonb_set(attributes, '{litres}', '1.10') WHERE sku = 'SKU-00011'`,
		findings: []checker.Finding{different(key{"sku": "SKU-00011"}, "attributes")}},
	{table: "public.products", what: "white space in a json",
		sql:      "UPDATE products SET label = replace(label::text, ' : ', ':')::json WHERE sku = 'SKU-00099'",
		findings: []checker.Finding{different(key{"sku": "SKU-00099"}, "label")}},
	{table: "public.products", what: "a weight of 0 became -0",
		sql:      "UPDATE products SET weight_kg = '-0' WHERE sku = 'SKU-00025'",
		findings: []checker.Finding{different(key{"sku": "SKU-00025"}, "weight_kg")}},
	{table: "public.products", what: "one bit of a photo",
		sql:      "UPDATE products SET photo = set_bit(photo, 77, 1 - get_bit(photo, 77)) WHERE sku = 'SKU-00123'",
		findings: []checker.Finding{different(key{"sku": "SKU-00123"}, "photo")}},
	{table: "public.products", what: "a warranty of 1 day became 24 hours",
		sql:      "UPDATE products SET warranty = '24 hours' WHERE sku = 'café-cup'",
		findings: []checker.Finding{different(key{"sku": "café-cup"}, "warranty")}},
	{table: "public.products", what: "a key lost its accent",
		sql:      "UPDATE products SET sku = 'naive-mug' WHERE sku = 'naïve-mug'",
		findings: []checker.Finding{missing(key{"sku": "naïve-mug"}), extra(key{"sku": "naive-mug"})}},
	{table: "public.payments", what: "a range lost its first instant: [ became (",
		sql: `UPDATE payments SET authorised = tstzrange(lower(authorised), upper(authorised), '()')
WHERE id = '69ca703e-4843-328f-e2c0-1299cbbc7b03'`,
		findings: []checker.Finding{different(key{"id": "69ca703e-4843-328f-e2c0-1299cbbc7b03"}, "authorised")}},
	{table: "public.reviews", what: "the last letter of a text of 30 kB",
		sql:      "UPDATE reviews SET body = left(body, -1) || '!' WHERE customer_id = 5000",
		findings: []checker.Finding{different(key{"sku": "SKU-00001", "customer_id": "5000"}, "body")}},
	{table: "public.events", what: "a row lost in one partition",
		sql:      "DELETE FROM events_2026_02 WHERE id = 33333",
		findings: []checker.Finding{missing(key{"id": "33333", "happened_at": "2026-02-19 09:10:24.000001"})}},
	{table: `public."Gift Cards"`, what: "one cent",
		sql:      `UPDATE "Gift Cards" SET "Balance" = "Balance" - 0.01 WHERE "Card No" = 1501`,
		findings: []checker.Finding{different(key{"Card No": "1501"}, "Balance")}},
	{table: "public.stock_log", what: "two equal rows where there were three",
		sql:      "DELETE FROM stock_log WHERE ctid = (SELECT ctid FROM stock_log WHERE sku = 'SKU-00100' LIMIT 1)",
		findings: []checker.Finding{{Kind: checker.KindDifferent, Count: &checker.SideCounts{Source: 3, Target: 2}}}},
	{table: "public.stores", what: "a store moved by a hair's breadth",
		sql:      "UPDATE stores SET place = point(place[0] + 1e-14, place[1]) WHERE id = 7",
		findings: []checker.Finding{different(key{"id": "7"}, "place")}},
}
