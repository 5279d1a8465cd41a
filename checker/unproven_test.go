package checker_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// twoTables is the pair of every case below: what happens to judged must not
// touch the verdict of untouched.
var twoTables = []string{
	`CREATE TABLE judged (id int PRIMARY KEY, v text); INSERT INTO judged SELECT g, 'v' || g FROM generate_series(1, 50) g`,
	`CREATE TABLE untouched (id int PRIMARY KEY, v text); INSERT INTO untouched SELECT g, 'v' || g FROM generate_series(1, 50) g`,
	`GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader, holder`,
}

// readers makes the roles of the cases, once per cluster: one that may only
// read, and one that owns what it is given.
func readers(t *testing.T, clusters ...*pgcluster.Cluster) {
	t.Helper()
	for _, c := range clusters {
		err := c.Exec(t.Context(), "postgres", `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN
    CREATE ROLE reader LOGIN PASSWORD 'pw'; CREATE ROLE holder LOGIN PASSWORD 'pw'; CREATE ROLE loner LOGIN PASSWORD 'pw' CONNECTION LIMIT 1;
  END IF; END $$`)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// as is the same database for another role.
func as(c *pgcluster.Cluster, role, serverURL string) string {
	u, _ := url.Parse(serverURL) // of TestDB
	return c.UserURL(role, "pw", strings.TrimPrefix(u.Path, "/"))
}

// troubled is a pair with something wrong about it.
type troubled struct {
	name           string
	source, target []string // what is done to a side before the run
	role           string   // who looks, on both sides; "" is the superuser
	options        func(*checker.Options)
	// during is done to a side when all is planned and nothing is compared.
	during     []string
	duringSide postgres.Side

	want     checker.Verdict
	gist     string          // of one of the reasons; "" for none
	judged   checker.Verdict // of public.judged
	absent   bool            // judged is not in the report
	missed   int64           // how many units of judged are planned and not compared
	schema   string          // kind of a schema finding
	findings int64
}

var troubles = []troubled{
	// Privileges: the role may not read it.
	{name: "no privilege on a table of the source", role: "reader", source: []string{`REVOKE SELECT ON judged FROM reader`},
		want: checker.Unproven, gist: "public.judged: source: read: permission denied for table judged (SQLSTATE 42501): `pgparity grants`", missed: 2},
	{name: "no privilege on a table of the target", role: "reader", target: []string{`REVOKE SELECT ON judged FROM reader`},
		want: checker.Unproven, gist: "public.judged: target: read: permission denied for table judged (SQLSTATE 42501): `pgparity grants`", missed: 2},
	{name: "no privilege on one column", role: "reader", source: []string{`REVOKE SELECT ON judged FROM reader; GRANT SELECT (id) ON judged TO reader`},
		want: checker.Unproven, gist: "source: read: permission denied for table judged", missed: 2},
	{name: "no privilege on a schema", role: "reader",
		source: []string{`CREATE SCHEMA closed; CREATE TABLE closed.t (id int PRIMARY KEY); GRANT SELECT ON closed.t TO reader`},
		target: []string{`CREATE SCHEMA closed; CREATE TABLE closed.t (id int PRIMARY KEY); GRANT SELECT ON closed.t TO reader`},
		want:   checker.Unproven, gist: "closed.t: ", judged: checker.Match},
	{name: "no privilege on a sequence", role: "reader", source: []string{`CREATE SEQUENCE tickets`}, target: []string{`CREATE SEQUENCE tickets`},
		want: checker.Unproven, gist: "sequence public.tickets: source: no SELECT privilege on it: `pgparity grants`", judged: checker.Match},

	// Row security: a policy must raise, not hide rows.
	{name: "row security on the source", role: "reader", source: []string{`ALTER TABLE judged ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON judged USING (id < 10)`},
		want: checker.Unproven, gist: "source: read: query would be affected by row-level security policy", missed: 2},
	{name: "row security on the target hides what is extra", role: "reader",
		target: []string{`INSERT INTO judged VALUES (99, 'hidden'); ALTER TABLE judged ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON judged USING (id < 60)`},
		want:   checker.Unproven, gist: "use a role with BYPASSRLS, or the table's owner", missed: 2},
	{name: "the owner sees past row security", role: "holder",
		source: []string{`ALTER TABLE judged OWNER TO holder; ALTER TABLE judged ENABLE ROW LEVEL SECURITY`}, want: checker.Match, judged: checker.Match},
	{name: "the owner under forced row security", role: "holder",
		source: []string{`ALTER TABLE judged OWNER TO holder; ALTER TABLE judged ENABLE ROW LEVEL SECURITY; ALTER TABLE judged FORCE ROW LEVEL SECURITY`},
		want:   checker.Unproven, gist: "row-level security", missed: 2},

	// The catalogs differ.
	{name: "a column's type differs", target: []string{`ALTER TABLE judged ALTER v TYPE bytea USING v::bytea`},
		want: checker.Unproven, gist: "public.judged.v: column type is text on the source, bytea on the target", schema: "column_type"},
	{name: "a table is missing", target: []string{`DROP TABLE judged`},
		want: checker.Mismatch, gist: "public.judged is missing on the target", judged: checker.Mismatch, schema: "missing_table"},
	{name: "a table is extra", source: []string{`DROP TABLE judged`}, want: checker.Match, judged: checker.Match, schema: "extra_table"},
	{name: "a table is extra, strictly", source: []string{`DROP TABLE judged`}, options: func(o *checker.Options) { o.Strict = true },
		want: checker.Mismatch, gist: "public.judged is on the target only", judged: checker.Mismatch, schema: "extra_table"},
	{name: "a column is missing", target: []string{`ALTER TABLE judged DROP v`},
		want: checker.Mismatch, gist: "public.judged.v is missing on the target", judged: checker.Mismatch, schema: "missing_column"},
	{name: "a column is extra", target: []string{`ALTER TABLE judged ADD w int`}, want: checker.Match, judged: checker.Match, schema: "extra_column"},
	{name: "a column is extra, strictly", target: []string{`ALTER TABLE judged ADD w int`}, options: func(o *checker.Options) { o.Strict = true },
		want: checker.Mismatch, gist: "public.judged.w is on the target only", judged: checker.Mismatch, schema: "extra_column"},
	{name: "no key", source: []string{`ALTER TABLE judged DROP CONSTRAINT judged_pkey`}, target: []string{`ALTER TABLE judged DROP CONSTRAINT judged_pkey`},
		want: checker.Match, judged: checker.Match},
	{name: "no key, one row twice", source: []string{`ALTER TABLE judged DROP CONSTRAINT judged_pkey`},
		target: []string{`ALTER TABLE judged DROP CONSTRAINT judged_pkey; INSERT INTO judged SELECT * FROM judged WHERE id = 1`},
		want:   checker.Mismatch, gist: "public.judged: 1 row differs", judged: checker.Mismatch, findings: 1},

	// The filter.
	{name: "no table matched the filter", options: tables("orders"), want: checker.Unproven, gist: `no table matched "orders"`, absent: true},
	{name: "one of several globs matched nothing", options: tables("judged", "untouched", "odrers"), want: checker.Unproven, gist: `no table matched "odrers"`, judged: checker.Match},

	// What happens while the run is on.
	{name: "dropped on the source", during: []string{`DROP TABLE judged`}, duringSide: postgres.Source,
		want: checker.Unproven, gist: `source: read: relation "public.judged" does not exist (SQLSTATE 42P01): it was dropped or renamed`, missed: 2},
	{name: "dropped on the target", during: []string{`DROP TABLE judged`}, duringSide: postgres.Target,
		want: checker.Unproven, gist: `target: read: relation "public.judged" does not exist (SQLSTATE 42P01): it was dropped or renamed`, missed: 2},
	{name: "a column dropped", during: []string{`ALTER TABLE judged DROP v`}, duringSide: postgres.Target,
		want: checker.Unproven, gist: "target: read: column t.v does not exist", missed: 2},
	{name: "a column added", during: []string{`ALTER TABLE judged ADD w int`}, duringSide: postgres.Source,
		want: checker.Unproven, gist: "public.judged: source: it was altered, dropped or replaced while the run was on"},
	{name: "replaced by another of the same name", during: []string{`CREATE TABLE twin (LIKE judged INCLUDING ALL); INSERT INTO twin SELECT * FROM judged; DROP TABLE judged; ALTER TABLE twin RENAME TO judged`},
		duringSide: postgres.Target, want: checker.Unproven, gist: "public.judged: target: it was altered, dropped or replaced while the run was on"},
	{name: "truncated", during: []string{`TRUNCATE judged`}, duringSide: postgres.Target,
		want: checker.Mismatch, gist: "public.judged: 50 rows differ", judged: checker.Mismatch, findings: 50},
}

func tables(globs ...string) func(*checker.Options) {
	return func(o *checker.Options) { o.Pairing.Filter = pairing.Filter{Tables: globs} }
}

// TestTroubles: what goes wrong with one table is said, is never taken for a
// match, and leaves the other table's verdict alone.
func TestTroubles(t *testing.T) {
	servers := [2]*pgcluster.Cluster{pgcluster.Shared(t, 15), pgcluster.Shared(t, 18)}
	readers(t, servers[:]...)
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			made := [2]string{servers[0].TestDB(t, append(twoTables, c.source...)...), servers[1].TestDB(t, append(twoTables, c.target...)...)}
			urls := made
			if c.role != "" {
				urls = [2]string{as(servers[0], c.role, made[0]), as(servers[1], c.role, made[1])}
			}
			o := defaults()
			if c.options != nil {
				c.options(&o)
			}
			o.OnEvent = func(e checker.Event) {
				if e.Kind == checker.RunPlanned && c.during != nil {
					must(t, connect(t, made[slices.Index([]postgres.Side{postgres.Source, postgres.Target}, c.duringSide)]), c.during...)
				}
			}
			c.check(t, verify(t, urls[0], urls[1], o))
		})
	}
}

func (c troubled) check(t *testing.T, res *checker.Result) {
	t.Helper()
	if res.Verdict != c.want {
		t.Errorf("verdict %s, want %s; reasons %q", res.Verdict, c.want, res.Reasons)
	}
	if c.gist == "" && len(res.Reasons) > 0 || !contains(res.Reasons, c.gist) && c.gist != "" {
		t.Errorf("reasons %q, want %q", res.Reasons, c.gist)
	}
	if c.want == checker.Unproven && !c.absent && len(res.Coverage.Skipped) == 0 && !contains(res.Reasons, "no table matched") {
		t.Error("unproven, yet nothing is listed as skipped")
	}
	if c.schema != "" && !slices.ContainsFunc(res.Schema, func(f checker.SchemaFinding) bool { return f.Kind == c.schema }) {
		t.Errorf("schema %v has no %s", res.Schema, c.schema)
	}
	judged := table(res, "public.judged")
	if c.absent {
		if judged != nil {
			t.Error("judged is in the report")
		}
		return
	}
	if judged.Verdict != c.judged || judged.FindingsTotal != c.findings {
		t.Errorf("judged: %s with %d findings, want %s with %d", judged.Verdict, judged.FindingsTotal, c.judged, c.findings)
	}
	if missed := judged.Chunks.Planned - judged.Chunks.Compared; missed != c.missed {
		t.Errorf("judged: %d of %d units not compared, want %d", missed, judged.Chunks.Planned, c.missed)
	}
	if res.Coverage.ChunksPlanned-res.Coverage.ChunksCompared < c.missed {
		t.Errorf("coverage %+v, though %d units of judged were not compared", res.Coverage, c.missed)
	}
	if other := table(res, "public.untouched"); other.Verdict != checker.Match || other.Chunks.Compared != 2 || *other.Rows.Source != 50 {
		t.Errorf("untouched: %+v", other)
	}
}

// table finds a table of the report, or nil.
func table(res *checker.Result, name string) *checker.TableResult {
	for i := range res.Tables {
		if res.Tables[i].Name == name {
			return &res.Tables[i]
		}
	}
	return nil
}

// TestLocked: another session holds one table exclusively, as a migration
// does. The statement timeout ends the waiting, and the other tables don't wait.
func TestLocked(t *testing.T) {
	source, target := pgcluster.Shared(t, 15).TestDB(t, twoTables[:2]...), pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...)
	must(t, connect(t, target), `BEGIN`, `LOCK TABLE judged IN ACCESS EXCLUSIVE MODE`)
	dbs := [2]*postgres.DB{open(t, postgres.Source, source), nil}
	var err error
	dbs[1], err = postgres.Open(t.Context(), postgres.Options{Side: postgres.Target, URL: target, MaxConns: 3, Run: "test", StatementTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer dbs[1].Close()
	res, err := checker.Run(t.Context(), dbs[0], dbs[1], defaults())
	if err != nil {
		t.Fatal(err)
	}
	troubled{want: checker.Unproven, gist: "public.judged: target: read: canceling statement due to statement timeout (SQLSTATE 57014): raise --statement-timeout", missed: 2}.check(t, res)
}

// TestNoConnectionLeft: the role may have one connection, and that one waits
// for a lock.
func TestNoConnectionLeft(t *testing.T) {
	server := pgcluster.Shared(t, 15)
	readers(t, server)
	source, target := server.TestDB(t, twoTables...), server.TestDB(t, append(twoTables, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO loner`)...)
	must(t, connect(t, target), `BEGIN`, `LOCK TABLE judged IN ACCESS EXCLUSIVE MODE`)
	db, err := postgres.Open(t.Context(), postgres.Options{Side: postgres.Target, URL: as(server, "loner", target), MaxConns: 3, Run: "test", StatementTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := checker.Run(t.Context(), open(t, postgres.Source, source), db, defaults())
	if err != nil {
		t.Fatal(err)
	}
	if res.Verdict != checker.Unproven || !contains(res.Reasons, "(SQLSTATE 53300); lower --concurrency") {
		t.Errorf("%s: %q", res.Verdict, res.Reasons)
	}
}

// TestNothingToCompare: empty databases are no proof of anything.
func TestNothingToCompare(t *testing.T) {
	res := verify(t, pgcluster.Shared(t, 15).TestDB(t), pgcluster.Shared(t, 18).TestDB(t), defaults())
	if res.Verdict != checker.Unproven || !contains(res.Reasons, "nothing to compare") {
		t.Errorf("%s: %q", res.Verdict, res.Reasons)
	}
}

// TestMistakes are requests that end before anything is compared.
func TestMistakes(t *testing.T) {
	server := pgcluster.Shared(t, 15)
	partitioned := []string{`CREATE TABLE days (day date) PARTITION BY RANGE (day)`, `CREATE TABLE may PARTITION OF days FOR VALUES FROM ('2024-05-01') TO ('2024-06-01')`}
	source, target := server.TestDB(t, partitioned...), server.TestDB(t, partitioned...)
	readers(t, server)
	must(t, connect(t, source), `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	leaf := defaults()
	leaf.Pairing.Filter.Tables = []string{"may"}
	for _, c := range []struct {
		name           string
		source, target string
		options        checker.Options
		gist           string
	}{
		{"a partition by name", source, target, leaf, "use --table public.days"},
		{"the same database twice", source, source, defaults(), "source and target are the same database"},
		{"the same database for a role that may not read the cluster's identifier", source, as(server, "reader", source), defaults(), "source and target are the same database"},
	} {
		res, err := checker.Run(t.Context(), open(t, postgres.Source, c.source), open(t, postgres.Target, c.target), c.options)
		var mistake *checker.OperatorError
		if res != nil || !errors.As(err, &mistake) || !strings.Contains(err.Error(), c.gist) {
			t.Errorf("%s: %v, %v", c.name, res, err)
		}
	}
}
