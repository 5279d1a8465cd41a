package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// readTables opens a test database and gives its tables by name.
func readTables(t *testing.T, url string) map[string]*postgres.Table {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: postgres.Source, URL: url, MaxConns: 1, Run: "test", StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if got := db.Server().BlockSize; got != 8192 {
		t.Errorf("pages of %d bytes, want 8192", got)
	}
	cat, err := db.ReadCatalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*postgres.Table{}
	for _, table := range cat.Tables {
		tables[table.Name] = table
	}
	return tables
}

// kinds are one relation of each kind that holds rows. A row of 500 bytes puts
// 15 of them on a page, so 1500 rows fill 100 pages.
var kinds = []string{
	`CREATE TABLE plain (id int, filler text)`,
	`INSERT INTO plain SELECT g, repeat('x', 500) FROM generate_series(1, 1500) g`,
	`CREATE TABLE empty (id int)`,
	`CREATE TABLE wide (id int, doc text)`, `ALTER TABLE wide ALTER doc SET STORAGE EXTERNAL`,
	`INSERT INTO wide SELECT g, repeat('y', 20000) FROM generate_series(1, 10) g`,
	`CREATE MATERIALIZED VIEW seen AS SELECT * FROM plain`,
	`CREATE MATERIALIZED VIEW unseen AS SELECT * FROM plain WITH NO DATA`,
	`CREATE TABLE parent (id int)`, `CREATE TABLE child () INHERITS (parent)`, `INSERT INTO child SELECT generate_series(1, 1000)`,
	`CREATE FOREIGN DATA WRAPPER nowhere`, `CREATE SERVER far FOREIGN DATA WRAPPER nowhere`, `CREATE FOREIGN TABLE abroad (id int) SERVER far`,
	`CREATE TABLE root (id int, filler text) PARTITION BY RANGE (id)`,
	`CREATE TABLE root_low PARTITION OF root FOR VALUES FROM (MINVALUE) TO (1501)`,
	`CREATE TABLE root_high PARTITION OF root FOR VALUES FROM (1501) TO (MAXVALUE) PARTITION BY RANGE (id)`,
	`CREATE TABLE root_rest PARTITION OF root_high FOR VALUES FROM (1501) TO (MAXVALUE)`,
	`INSERT INTO root SELECT g, repeat('x', 500) FROM generate_series(1, 1800) g`,
	`CREATE TABLE mixed (id int) PARTITION BY RANGE (id)`,
	`CREATE TABLE mixed_here PARTITION OF mixed FOR VALUES FROM (0) TO (10)`,
	`CREATE FOREIGN TABLE mixed_there PARTITION OF mixed FOR VALUES FROM (10) TO (20) SERVER far`,
	`CREATE TABLE bare (id int) PARTITION BY RANGE (id)`,
	`ANALYZE plain`, `ANALYZE root`,
}

// What each kind of relation says about reading it by pages.
func TestHeapsOfEachKind(t *testing.T) {
	for _, major := range []int{10, 13, 15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			tables := readTables(t, pgcluster.Shared(t, major).TestDB(t, kinds...))
			ranges := major >= 14
			type facts struct {
				Leaves           int
				Pages            int64
				Tids, PageRanges bool
				Populated        bool
			}
			want := map[string]facts{
				"plain":    {1, 100, true, ranges, true},
				"empty":    {1, 0, true, ranges, true},
				"wide":     {1, 1, true, ranges, true},
				"seen":     {1, 100, true, ranges, true},
				"unseen":   {1, 0, true, ranges, false},
				"parent":   {1, 0, true, ranges, true}, // its children are tables of their own
				"child":    {1, 5, true, ranges, true},
				"abroad":   {1, 0, false, false, true},
				"root":     {2, 100, true, ranges, true},
				"root_low": {1, 100, true, ranges, true},
				"mixed":    {2, 0, false, false, true},
				"bare":     {0, 0, true, ranges, true},
			}
			got := map[string]facts{}
			for name := range want {
				if r := tables[name]; r != nil {
					got[name] = facts{r.Leaves, r.Pages, r.Tids, r.PageRanges, r.Populated}
				}
			}
			if seen := got["seen"]; seen.Pages > 100 { // extended by more than it needed
				seen.Pages = 100
				got["seen"] = seen
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r := tables["root"]; r.Bytes != 120*8192 || r.EstimatedRows != 1800 {
				t.Errorf("root: %d bytes and %d rows, want those of both leaves", r.Bytes, r.EstimatedRows)
			}
			if n := tables["wide"].ToastBytes; n < 10*20000 || n > 20*20000 {
				t.Errorf("wide: %d bytes out of line, want a little more than 200000", n)
			}
			if n := tables["empty"].ToastBytes; n != 0 {
				t.Errorf("empty: %d bytes out of line", n)
			}
		})
	}
}

// A table that is locked exclusively, as a migration does, must not keep the
// catalog from being read; its sizes are then those of the last ANALYZE.
func TestCatalogOfALockedTable(t *testing.T) {
	url := pgcluster.Shared(t, 18).TestDB(t, append(kinds, `VACUUM ANALYZE wide`, `INSERT INTO plain SELECT g, repeat('x', 500) FROM generate_series(1, 1500) g`)...)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `BEGIN; TRUNCATE wide; LOCK TABLE plain, root IN ACCESS EXCLUSIVE MODE`, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	tables := readTables(t, url)
	if p := tables["plain"].Pages; p != 100 {
		t.Errorf("plain: %d pages, want the 100 of the last ANALYZE", p)
	}
	if p := tables["root"].Pages; p != 100 {
		t.Errorf("root: %d pages, want 100", p)
	}
	if n := tables["wide"].ToastBytes; n < 10*20000 {
		t.Errorf("wide: %d bytes out of line, want those of the last VACUUM", n)
	}
}

// PageRanges promises that a range of ctids is read without the other pages,
// in each leaf of a partitioned table; Tids that single ctids are.
func TestRangesOfCtidsAreReadAlone(t *testing.T) {
	for _, major := range []int{13, 15, 18} {
		url := pgcluster.Shared(t, major).TestDB(t, kinds...)
		tables := readTables(t, url)
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		for _, name := range []string{"plain", "seen", "root"} {
			if !tables[name].Tids || tables[name].PageRanges != (major >= 14) {
				t.Errorf("%d %s: tids %t, page ranges %t", major, name, tables[name].Tids, tables[name].PageRanges)
			}
			leaves := tables[name].Leaves
			ranged := explain(t, conn, "SELECT * FROM "+name+" t WHERE t.ctid >= '(0,0)' AND t.ctid < '(10,0)'")
			if n := strings.Count(ranged, "Tid Range Scan"); tables[name].PageRanges && (n != leaves || strings.Contains(ranged, "Seq Scan")) {
				t.Errorf("%d %s: %d of %d leaves by a range of ctids:\n%s", major, name, n, leaves, ranged)
			}
			single := explain(t, conn, "SELECT * FROM "+name+" t WHERE t.ctid = ANY (ARRAY['(0,1)', '(3,2)']::tid[])")
			if n := strings.Count(single, "Tid Scan"); n != leaves || strings.Contains(single, "Seq Scan") {
				t.Errorf("%d %s: %d of %d leaves by ctid:\n%s", major, name, n, leaves, single)
			}
		}
	}
}

func explain(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// A partitioned table lies in the order in which its largest leaf does,
// whatever statistics it has of its own.
func TestScatteredRoots(t *testing.T) {
	const ddl = `CREATE TABLE %[1]s (id int, v text) PARTITION BY HASH (id);
CREATE TABLE %[1]s_0 PARTITION OF %[1]s FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE %[1]s_1 PARTITION OF %[1]s FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE %[1]s_2 PARTITION OF %[1]s FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE %[1]s_3 PARTITION OF %[1]s FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO %[1]s SELECT g FROM generate_series(1, 5000) g ORDER BY %[2]s;
ANALYZE %[3]s`
	for _, c := range []struct {
		name, order, analysed string
		want                  bool
	}{
		{"inorder", "g", "inorder", false},
		{"atrandom", "md5(g::text)", "atrandom", true},
		{"leavesonly", "md5(g::text)", "leavesonly_0, leavesonly_1, leavesonly_2, leavesonly_3", true},
		{"never", "md5(g::text)", "", false},
	} {
		analyse := c.analysed
		if analyse == "" {
			analyse = "pg_class"
		}
		url := pgcluster.Shared(t, 15).TestDB(t, fmt.Sprintf(ddl, c.name, c.order, analyse))
		if got := readTables(t, url)[c.name].Column("id").Scattered; got != c.want {
			t.Errorf("%s: scattered %t, want %t", c.name, got, c.want)
		}
	}
}
