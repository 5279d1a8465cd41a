package checker_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// tableKind is a table that is of another kind on the two sides, or of one that
// asks for care. The same rows are on both, until the damage is done on the
// target.
type tableKind struct {
	name           string
	source, target []string // what makes and fills it
	tables         []string // of the report, each with its rows and its plan: "t 200 ranges"
	excluded       string   // what is said instead of comparing it
	damage         []string
	found          []string
}

const twoHundred = " SELECT g, 'v' || g FROM generate_series(1, 200) g"

var kindsOfTable = []tableKind{
	{
		name:   "partitioned against plain",
		source: []string{"CREATE TABLE days (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)", "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (150)", "CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM (150) TO (1000)", "INSERT INTO days" + twoHundred},
		target: []string{"CREATE TABLE days (id int PRIMARY KEY, v text)", "INSERT INTO days" + twoHundred},
		tables: []string{"days 200 ranges"},
		damage: []string{"UPDATE days SET v = 'x' WHERE id = 7", "DELETE FROM days WHERE id = 160"},
		found:  []string{"public.days different [id:7] v", "public.days missing [id:160]"},
	},
	{
		name: "by list against by range with parts of parts",
		source: []string{"CREATE TABLE regions (id int, region int, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
			"CREATE TABLE regions_north PARTITION OF regions FOR VALUES IN (0, 1)", "CREATE TABLE regions_south PARTITION OF regions FOR VALUES IN (2)",
			"INSERT INTO regions SELECT g, g % 3, 'v' FROM generate_series(1, 200) g"},
		target: []string{"CREATE TABLE regions (id int, region int, v text, PRIMARY KEY (id, region)) PARTITION BY RANGE (id)",
			"CREATE TABLE regions_old PARTITION OF regions FOR VALUES FROM (MINVALUE) TO (100) PARTITION BY LIST (region)",
			"CREATE TABLE regions_old_0 PARTITION OF regions_old FOR VALUES IN (0)", "CREATE TABLE regions_old_n PARTITION OF regions_old DEFAULT",
			"CREATE TABLE regions_north PARTITION OF regions FOR VALUES FROM (100) TO (MAXVALUE)",
			"INSERT INTO regions SELECT g, g % 3, 'v' FROM generate_series(1, 200) g"},
		tables: []string{"regions 200 ranges"},
		damage: []string{"DELETE FROM regions WHERE id IN (3, 4)", "INSERT INTO regions VALUES (999, 2, 'v')"},
		found:  []string{"public.regions missing [id:3 region:0]", "public.regions missing [id:4 region:1]", "public.regions extra [id:999 region:2]"},
	},
	{
		name: "swept, with leaves of unequal size",
		source: []string{"CREATE TABLE words (word text PRIMARY KEY, filler text DEFAULT repeat('x', 200)) PARTITION BY LIST (word)",
			"CREATE TABLE words_one PARTITION OF words FOR VALUES IN ('wörd 1')", "CREATE TABLE words_more PARTITION OF words DEFAULT",
			"INSERT INTO words SELECT 'wörd ' || g FROM generate_series(1, 2000) g", "ANALYZE words_more"},
		target: []string{"CREATE TABLE words (word text PRIMARY KEY, filler text DEFAULT repeat('x', 200)) PARTITION BY HASH (word)",
			"CREATE TABLE words_a PARTITION OF words FOR VALUES WITH (MODULUS 2, REMAINDER 0)", "CREATE TABLE words_b PARTITION OF words FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
			"INSERT INTO words SELECT 'wörd ' || g FROM generate_series(2000, 1, -1) g", "ANALYZE words_a", "ANALYZE words_b"},
		tables: []string{"words 2000 sweep"},
		damage: []string{"UPDATE words SET filler = '' WHERE word IN ('wörd 1', 'wörd 1999')"},
		found:  []string{"public.words different [word:wörd 1] filler", "public.words different [word:wörd 1999] filler"},
	},
	{
		name: "inheritance",
		source: []string{"CREATE TABLE parent (id int PRIMARY KEY, v text)", "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
			"INSERT INTO parent" + twoHundred, "INSERT INTO child SELECT * FROM parent WHERE id <= 50"},
		target: []string{"CREATE TABLE parent (id int PRIMARY KEY, v text)", "CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent)",
			"INSERT INTO parent" + twoHundred, "INSERT INTO child SELECT * FROM parent WHERE id <= 50"},
		tables: []string{"child 50 ranges", "parent 200 ranges"},
		damage: []string{"UPDATE child SET v = 'x' WHERE id = 5", "DELETE FROM ONLY parent WHERE id = 6"},
		found:  []string{"public.child different [id:5] v", "public.parent missing [id:6]"},
	},
	{
		name: "foreign tables", // of a wrapper that reads nothing
		source: []string{"CREATE FOREIGN DATA WRAPPER nowhere", "CREATE SERVER nothing FOREIGN DATA WRAPPER nowhere",
			"CREATE FOREIGN TABLE abroad (id int) SERVER nothing"},
		target:   []string{"CREATE TABLE abroad (id int PRIMARY KEY)"},
		excluded: "public.abroad: foreign table",
	},
	{
		name:   "unlogged against logged",
		source: []string{"CREATE UNLOGGED TABLE quick (id int PRIMARY KEY, v text)", "INSERT INTO quick" + twoHundred},
		target: []string{"CREATE TABLE quick (id int PRIMARY KEY, v text)", "INSERT INTO quick" + twoHundred},
		tables: []string{"quick 200 ranges"},
		damage: []string{"UPDATE quick SET v = NULL WHERE id = 200"},
		found:  []string{"public.quick different [id:200] v"},
	},
	{
		name: "a foreign leaf",
		source: []string{"CREATE EXTENSION postgres_fdw", "CREATE SERVER self FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname '{db}')",
			"CREATE USER MAPPING FOR CURRENT_USER SERVER self OPTIONS (user 'postgres')", "CREATE SCHEMA away", "CREATE TABLE away.mixed_there (id int PRIMARY KEY, v text)",
			"CREATE TABLE mixed (id int, v text) PARTITION BY RANGE (id)", "CREATE TABLE mixed_here PARTITION OF mixed FOR VALUES FROM (0) TO (150)",
			"CREATE FOREIGN TABLE mixed_there PARTITION OF mixed FOR VALUES FROM (150) TO (1000) SERVER self OPTIONS (schema_name 'away')",
			"INSERT INTO mixed SELECT g, 'v' || g FROM generate_series(1, 149) g", "INSERT INTO away.mixed_there SELECT g, 'v' || g FROM generate_series(150, 200) g"},
		target: []string{"CREATE SCHEMA away", "CREATE TABLE away.mixed_there (id int PRIMARY KEY, v text)", "CREATE TABLE mixed (id int, v text)",
			"INSERT INTO mixed" + twoHundred, "INSERT INTO away.mixed_there SELECT g, 'v' || g FROM generate_series(150, 200) g"},
		tables: []string{"mixed 200 multiset"},
		damage: []string{"DELETE FROM mixed WHERE id = 180"},
		found:  []string{"public.mixed missing [row_hash]"},
	},
	{
		name: "a default partition",
		source: []string{"CREATE TABLE rest (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)", "CREATE TABLE rest_1 PARTITION OF rest FOR VALUES FROM (0) TO (100)",
			"CREATE TABLE rest_more PARTITION OF rest DEFAULT", "INSERT INTO rest" + twoHundred},
		target: []string{"CREATE TABLE rest (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)", "CREATE TABLE rest_1 PARTITION OF rest FOR VALUES FROM (0) TO (100)",
			"CREATE TABLE rest_2 PARTITION OF rest FOR VALUES FROM (100) TO (190)", "CREATE TABLE rest_more PARTITION OF rest DEFAULT", "INSERT INTO rest" + twoHundred},
		tables: []string{"rest 200 ranges"},
		damage: []string{"DELETE FROM rest WHERE id = 150", "UPDATE rest SET v = 'x' WHERE id = 195"},
		found:  []string{"public.rest missing [id:150]", "public.rest different [id:195] v"},
	},
	{
		name: "a leaf of the name of a plain table of the target",
		source: []string{"CREATE TABLE sales (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)", "CREATE TABLE sales_old PARTITION OF sales FOR VALUES FROM (0) TO (101)",
			"CREATE TABLE sales_new PARTITION OF sales FOR VALUES FROM (101) TO (1000)", "INSERT INTO sales" + twoHundred},
		target: []string{"CREATE TABLE sales (id int PRIMARY KEY, v text)", "CREATE TABLE sales_old (id int PRIMARY KEY, v text)",
			"INSERT INTO sales" + twoHundred, "INSERT INTO sales_old SELECT * FROM sales WHERE id < 101"},
		tables: []string{"sales 200 ranges", "sales_old 100 ranges"},
		damage: []string{"DELETE FROM sales_old WHERE id = 100"},
		found:  []string{"public.sales_old missing [id:100]"},
	},
	{
		name: "a plain table of the name of a leaf of the target",
		source: []string{"CREATE TABLE world (id int PRIMARY KEY, v text)", "CREATE TABLE world_old (id int PRIMARY KEY, v text)",
			"INSERT INTO world" + twoHundred, "INSERT INTO world_old SELECT * FROM world WHERE id < 101"},
		target: []string{"CREATE TABLE world (id int PRIMARY KEY, v text) PARTITION BY RANGE (id)", "CREATE TABLE world_old PARTITION OF world FOR VALUES FROM (0) TO (101)",
			"CREATE TABLE world_new PARTITION OF world FOR VALUES FROM (101) TO (1000)", "INSERT INTO world" + twoHundred},
		tables: []string{"world 200 ranges", "world_old 100 ranges"},
		damage: []string{"DELETE FROM world_old WHERE id = 100"},
		found:  []string{"public.world missing [id:100]", "public.world_old missing [id:100]"},
	},
}

// Every kind of table is compared by its rows, wherever they lie, or is named
// as left out.
func TestKindsOfTables(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	for _, majors := range [][2]int{{11, 18}, {15, 18}} {
		if testing.Short() && majors[0] < 15 {
			continue
		}
		for i, k := range kindsOfTable {
			t.Run(fmt.Sprint(majors, k.name), func(t *testing.T) {
				if testing.Short() && i%2 == 1 {
					t.Skip("-short takes every other kind")
				}
				source := makeKind(t, majors[0], k.source)
				target := makeKind(t, majors[1], k.target)
				o := defaults()
				o.ChunkRows = 40 // several ranges and segments
				k.intact(t, verify(t, source, target, o))
				if k.damage == nil {
					return
				}
				must(t, connect(t, target), k.damage...)
				res := verify(t, source, target, o)
				lines := found(res)
				for i, line := range lines { // a row's hash is another in each run
					if at := strings.Index(line, "[row_hash:"); at >= 0 {
						lines[i] = line[:at] + "[row_hash]"
					}
				}
				if diff := cmp.Diff(k.found, lines); diff != "" || res.Verdict != checker.Mismatch {
					t.Errorf("damaged: %s %q (-want +got):\n%s", res.Verdict, res.Reasons, diff)
				}
			})
		}
	}
}

// makeKind makes a database; the statements may name its own address.
func makeKind(t *testing.T, major int, sql []string) string {
	t.Helper()
	db := pgcluster.Shared(t, major).TestDB(t)
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	self := strings.NewReplacer("{host}", u.Hostname(), "{port}", u.Port(), "{db}", strings.TrimPrefix(u.Path, "/"))
	conn := connect(t, db)
	for _, s := range sql {
		must(t, conn, self.Replace(s))
	}
	return db
}

// intact demands that the rows of all that is compared are the same.
func (k tableKind) intact(t *testing.T, res *checker.Result) {
	t.Helper()
	if k.excluded != "" {
		if !slices.ContainsFunc(res.Coverage.Excluded, func(s checker.Skipped) bool { return s.Object+": "+s.Reason == k.excluded }) || len(res.Tables) > 0 {
			t.Errorf("excluded %v and compared %v, want %q", res.Coverage.Excluded, res.Tables, k.excluded)
		}
		return
	}
	if res.Verdict != checker.Match {
		t.Errorf("intact: %s %q", res.Verdict, res.Reasons)
	}
	var tables []string
	for _, tab := range res.Tables {
		if name, ok := strings.CutPrefix(tab.Name, "public."); ok {
			tables = append(tables, fmt.Sprint(name, " ", *tab.Rows.Source, " ", tab.Plan))
		}
	}
	if diff := cmp.Diff(k.tables, tables); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
}
