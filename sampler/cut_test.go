package sampler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

const tableRows = 8000

// cuts are tables of 8000 rows with keys that even steps would cut badly.
var cuts = []struct {
	name, key, row string // row gives the key's columns from g = 1 … 8000
	since          int
}{
	{"gaps", "a bigint", "CASE WHEN g < 4000 THEN g ELSE g + 1000000000000 END", 10},
	{"skew", "a integer", "CASE WHEN g % 100 = 0 THEN -g * 100000 ELSE g END", 10},
	{"negative", "a integer", "g - 12000", 10},
	{"uuid", "a uuid", "md5(g::text)::uuid", 10},
	{"text C", `a text COLLATE "C"`, `chr(65 + g % 50) || ',"{}\ ' || g`, 10},
	{"char C", `a character(12) COLLATE "C"`, "'k' || g", 10},
	{"numeric", "a numeric", "CASE WHEN g = 7 THEN 'NaN' ELSE g / 7.0 END", 10},
	{"float", "a double precision", "CASE g WHEN 1 THEN '-Infinity' WHEN 2 THEN 'NaN' WHEN 3 THEN 'Infinity' ELSE ln(g) END", 10},
	{"timestamp", "a timestamp", "CASE g WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' ELSE '2024-01-01'::timestamp + g * g * interval '1 ms' END", 10},
	{"timestamptz", "a timestamptz", "CASE g WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' ELSE '2024-01-01'::timestamptz + g * g * interval '1 ms' END", 10},
	{"date", "a date", "CASE g WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' ELSE '0004-01-01 BC'::date + g END", 10},
	{"bytea", "a bytea", `decode(lpad(to_hex(g), 8, '0'), 'hex')`, 10},
	{"composite", `a smallint, b text COLLATE "C", c integer`, "g % 3, 'x' || g % 5, g", 10},
	{"bool and int", "a boolean, b integer", "g % 2 = 0, g / 2", 10},
	{"one value leads", "a integer, b integer", "1, g", 10},
	{"domain", "a big", "g * 4294967296", 10},
	{`Mixed "Case".$1`, `"Id $1" integer`, "g", 10},
}

// keyColumns names the columns of a key's declaration.
func keyColumns(key string) string {
	var list []string
	for _, part := range strings.Split(key, ", ") {
		if strings.HasPrefix(part, `"`) {
			list = append(list, part[:strings.LastIndex(part, `"`)+1])
		} else {
			list = append(list, strings.Fields(part)[0])
		}
	}
	return strings.Join(list, ", ")
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// tables makes all of them; partitioned through the root, and analysed or not.
func tables(analyse bool, major int) []string {
	list := []string{"CREATE DOMAIN big AS bigint"}
	for _, c := range cuts {
		name := quote(c.name)
		list = append(list, fmt.Sprintf("CREATE TABLE %s (%s, filler text DEFAULT repeat('x', 60), PRIMARY KEY (%s)) WITH (autovacuum_enabled = off)", name, c.key, keyColumns(c.key)),
			fmt.Sprintf("INSERT INTO %s SELECT %s FROM generate_series(1, %d) AS g", name, c.row, tableRows))
	}
	if major >= 11 {
		list = append(list, "CREATE TABLE partitioned (a integer PRIMARY KEY, filler text DEFAULT repeat('x', 60)) PARTITION BY RANGE (a)",
			"CREATE TABLE partitioned_low PARTITION OF partitioned FOR VALUES FROM (MINVALUE) TO (2000)",
			"CREATE TABLE partitioned_high PARTITION OF partitioned FOR VALUES FROM (2000) TO (MAXVALUE)",
			fmt.Sprintf("INSERT INTO partitioned SELECT g FROM generate_series(1, %d) AS g", tableRows))
	}
	list = append(list, "CREATE TABLE empty (a integer PRIMARY KEY)")
	if analyse {
		list = append(list, "ANALYZE")
	}
	return list
}

// TestCut cuts tables into ranges that hold each row once and are about even,
// whether the bounds come from the statistics or from a sample.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		major   int
		analyse bool
		chunks  int // under and over the statistics' hundred bounds
	}{{15, true, 20}, {15, false, 20}, {18, true, 130}, {10, false, 20}, {11, true, 20}} {
		if testing.Short() && (c.chunks > 20 || c.major == 15) {
			continue
		}
		t.Run(fmt.Sprintf("%d analysed %t into %d", c.major, c.analyse, c.chunks), func(t *testing.T) {
			cluster := pgcluster.Shared(t, c.major)
			url := cluster.TestDB(t, tables(c.analyse, c.major)...)
			db, pair := openPair(t, url)
			want := len(cuts) + 1
			if c.major >= 11 {
				want++
			}
			if len(pair.Tables) != want {
				t.Fatalf("%d tables, want %d", len(pair.Tables), want)
			}
			for _, tab := range pair.Tables {
				checkCut(t, db, tab, c.chunks)
			}
		})
	}
}

// openPair pairs a database with itself: only one side is cut.
func openPair(t *testing.T, url string) (*postgres.DB, *pairing.Pair) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: postgres.Source, URL: url, MaxConns: 2, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	cat, err := db.ReadCatalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pairing.Join(cat, cat, pairing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db, pair
}

func checkCut(t *testing.T, db *postgres.DB, tab *pairing.Table, chunks int) {
	t.Helper()
	p, err := sampler.Choose(tab, true, sampler.Wish{})
	if err != nil || p.Strategy != sampler.Ranges {
		t.Errorf("%s: %s because %s, %v; want ranges", tab.Name, p.Strategy, p.Why, err)
		return
	}
	p.Chunks = chunks
	ranges, err := sampler.Cut(t.Context(), db, tab, p)
	if err != nil {
		t.Errorf("%s: %v", tab.Name, err)
		return
	}
	if tab.Name == "public.empty" {
		if len(ranges) != 1 || ranges[0].From != nil || ranges[0].To != nil {
			t.Errorf("%s: cut into %v, want one open range", tab.Name, ranges)
		}
		return
	}
	var sum, most int64
	for _, r := range ranges {
		n := count(t, db, r.Scope(tab, postgres.Source))
		sum, most = sum+n, max(most, n)
	}
	if sum != tableRows {
		t.Errorf("%s: the ranges hold %d rows, the table %d: %v", tab.Name, sum, tableRows, ranges)
	}
	if len(ranges) < chunks/2 || len(ranges) > chunks {
		t.Errorf("%s: cut into %d, want about %d", tab.Name, len(ranges), chunks)
	}
	if fair := int64(tableRows / chunks); most > 4*fair {
		t.Errorf("%s: the largest of %d chunks holds %d rows, want at most %d", tab.Name, len(ranges), most, 4*fair)
	}
}

func count(t *testing.T, db *postgres.DB, scope postgres.Scope) int64 {
	t.Helper()
	var n int64
	err := db.Read(t.Context(), "count", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: "SELECT count(*) " + scope.Clause(), Args: scope.Args}, func(r postgres.Row) error {
			n = r.Int(0)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCutOfOldStatistics has statistics that know nothing of most rows: the
// cut may be uneven, but loses none.
func TestCutOfOldStatistics(t *testing.T) {
	url := pgcluster.Shared(t, 15).TestDB(t, "CREATE TABLE old (a integer PRIMARY KEY) WITH (autovacuum_enabled = off)",
		"INSERT INTO old SELECT generate_series(1, 1000)", "ANALYZE old", "DELETE FROM old WHERE a % 2 = 0", "INSERT INTO old SELECT generate_series(5000, 9000)")
	db, pair := openPair(t, url)
	p, err := sampler.Choose(pair.Tables[0], true, sampler.Wish{ChunkRows: 100})
	if err != nil {
		t.Fatal(err)
	}
	ranges, err := sampler.Cut(t.Context(), db, pair.Tables[0], p)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, r := range ranges {
		sum += count(t, db, r.Scope(pair.Tables[0], postgres.Source))
	}
	if sum != 500+4001 || len(ranges) < 5 {
		t.Errorf("%d ranges hold %d rows, want several with 4501", len(ranges), sum)
	}
}

// TestRangeUsesTheIndex keeps a chunk from reading the whole table.
func TestRangeUsesTheIndex(t *testing.T) {
	url := pgcluster.Shared(t, 15).TestDB(t, tables(true, 15)...)
	db, pair := openPair(t, url)
	for _, tab := range pair.Tables {
		if tab.Name == "public.empty" {
			continue
		}
		p, err := sampler.Choose(tab, true, sampler.Wish{})
		if err != nil {
			t.Fatal(err)
		}
		p.Chunks = 20
		ranges, err := sampler.Cut(t.Context(), db, tab, p)
		if err != nil {
			t.Fatal(err)
		}
		scope := ranges[len(ranges)/2].Scope(tab, postgres.Source)
		plan := explain(t, url, scope)
		if !strings.Contains(plan, "Index Cond") || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: chunk of %s rows does not use the index:\n%s", tab.Name, fmt.Sprint(tableRows/20), plan)
		}
	}
}

// explain gives the plan of counting a scope.
func explain(t *testing.T, url string, scope postgres.Scope) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "SET enable_seqscan = off").ReadAll(); err != nil {
		t.Fatal(err)
	}
	args := make([][]byte, len(scope.Args))
	for i, a := range scope.Args {
		args[i] = []byte(a)
	}
	res := conn.ExecParams(t.Context(), "EXPLAIN SELECT count(*) "+scope.Clause(), args, nil, nil, nil).Read()
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	plan := ""
	for _, row := range res.Rows {
		plan += string(row[0]) + "\n"
	}
	return plan
}
