package main

import (
	"fmt"
	"strconv"
	"strings"
)

// workload is a table, or several alike, the same on both sides. In its
// statements {table} and {rows} stand for the table's name and its rows.
type workload struct {
	name   string
	tables int // how many
	rows   int // of each table
	create []string
	change string // what damage sets in a row
	// findings are how many one changed row makes: without a key, one row is
	// missing and another one is extra.
	findings int
}

var workloads = []workload{
	narrow,
	{"wide", 1, 800_000, []string{
		`CREATE TYPE mood AS ENUM ('sad','ok','happy')`,
		`CREATE TABLE {table} (id bigint NOT NULL, n int, price numeric(12,2), ratio float8, flag boolean, day date, at timestamptz, name text, code varchar(20), ref uuid, doc jsonb, m mood)`,
		`INSERT INTO {table} SELECT i, i % 1000, i * 0.37, i / 7.0, i % 3 = 0, '2020-01-01'::date + i % 2000, '2024-01-01'::timestamptz + i * interval '13 seconds',
  'customer number ' || i, 'C' || i % 10000, md5(i::text)::uuid, jsonb_build_object('k', i, 'tags', ARRAY['a','b'], 'x', i * 1.5), (ARRAY['sad','ok','happy'])[1 + i % 3]::mood FROM generate_series(1, {rows}) i`,
		`ALTER TABLE {table} ADD PRIMARY KEY (id)`,
	}, `price = -price`, 1},
	{"uuid", 1, 3_000_000, []string{
		`CREATE TABLE {table} (id uuid NOT NULL, n int NOT NULL, amount int NOT NULL, at timestamptz NOT NULL)`,
		`INSERT INTO {table} SELECT md5(i::text)::uuid, i, i % 1000, '2024-01-01'::timestamptz + i * interval '1 second' FROM generate_series(1, {rows}) i`,
		`ALTER TABLE {table} ADD PRIMARY KEY (id)`,
	}, `amount = -amount - 1`, 1},
	{"text", 1, 1_500_000, []string{
		`CREATE TABLE {table} (k text NOT NULL, n int NOT NULL, note text NOT NULL)`,
		`INSERT INTO {table} SELECT 'key-' || md5(i::text), i, 'note ' || i % 100 FROM generate_series(1, {rows}) i`,
		`ALTER TABLE {table} ADD PRIMARY KEY (k)`,
	}, `note = ''`, 1},
	{"keyless", 1, 1_000_000, []string{
		`CREATE TABLE {table} (n int NOT NULL, at timestamptz NOT NULL, line text NOT NULL)`,
		`INSERT INTO {table} SELECT i / 2, '2024-01-01'::timestamptz + i / 2 * interval '1 second', 'line ' || i / 2 FROM generate_series(1, {rows}) i`,
	}, `line = ''`, 2},
	{"small", 200, 2000, narrow.create, narrow.change, 1},
}

var narrow = workload{"narrow", 1, 2_000_000, []string{
	`CREATE TABLE {table} (id bigint NOT NULL, customer int NOT NULL, amount int NOT NULL, created timestamptz NOT NULL, status text NOT NULL)`,
	`INSERT INTO {table} SELECT i, i % 5000, (i::bigint * 7919) % 100000, '2024-01-01'::timestamptz + i * interval '7 seconds', (ARRAY['new','paid','sent','done'])[1 + i % 4] FROM generate_series(1, {rows}) i`,
	`ALTER TABLE {table} ADD PRIMARY KEY (id)`,
}, `amount = -amount - 1`, 1}

// scaled is the workload with so many times the rows, one a table at least.
func (w workload) scaled(scale float64) workload {
	w.rows = max(int(float64(w.rows)*scale), 1)
	return w
}

func (w workload) total() int { return w.tables * w.rows }

// String says what is loaded.
func (w workload) String() string {
	if w.tables > 1 {
		return fmt.Sprintf("%s, %d tables of %d rows", w.name, w.tables, w.rows)
	}
	return fmt.Sprintf("%s, %d rows", w.name, w.rows)
}

// load is the statements that make and fill the tables.
func (w workload) load() []string { return w.each(w.create...) }

// each is statements for one table after the other.
func (w workload) each(statements ...string) []string {
	var all []string
	for i := range w.tables {
		fill := strings.NewReplacer("{table}", "t"+strconv.Itoa(i), "{rows}", strconv.Itoa(w.rows))
		for _, s := range statements {
			all = append(all, fill.Replace(s))
		}
	}
	return all
}

// scatter changes {n} rows of a table, at equal distances in its heap.
const scatter = `UPDATE {table} SET {change} WHERE ctid = ANY (ARRAY(
  SELECT place FROM (SELECT ctid AS place, row_number() OVER () AS i FROM {table}) AS numbered
  WHERE i IN (SELECT 1 + (2 * g - 1) * {rows}::bigint / (2 * {n}) FROM generate_series(1, {n}) AS g)))`

// damage is the statements that change n rows, or all where there are less,
// scattered over all tables.
func (w workload) damage(n int) []string {
	n = min(n, w.total())
	var all []string
	for i, s := range w.each(scatter) {
		if here := (i+1)*n/w.tables - i*n/w.tables; here > 0 {
			all = append(all, strings.NewReplacer("{change}", w.change, "{n}", strconv.Itoa(here)).Replace(s))
		}
	}
	return all
}

// differences are how many scattered rows differ in the runs on a damaged pair.
var differences = []int{1, 1000}

// damaged is the target's database in which n rows differ.
func damaged(n int) string { return database + "_" + strconv.Itoa(n) }
