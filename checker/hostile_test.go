package checker_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// hostile are settings of a database that change how values are printed, which
// functions a name means, or how long a session lives.
var hostile = []struct {
	since, before int // major versions that have it; 0: all
	set           string
}{
	{set: "TimeZone = 'America/St_Johns'"},
	{set: "DateStyle = 'SQL, DMY'"},
	{set: "IntervalStyle = 'sql_standard'"},
	{set: "extra_float_digits = -15"},
	{set: "bytea_output = 'escape'"},
	{set: "xmlbinary = 'hex'"},
	{set: "xmloption = 'document'"},
	{set: "search_path = evil, pg_catalog, public"},
	{set: "standard_conforming_strings = off"},
	{set: "escape_string_warning = off"},
	{set: "backslash_quote = off"},
	{set: "quote_all_identifiers = on"},
	{set: "transform_null_equals = on"},
	{set: "array_nulls = off"},
	{set: "row_security = off"},
	{set: "client_encoding = 'LATIN1'"},
	{set: "client_min_messages = 'debug1'"},
	{set: "default_transaction_isolation = 'serializable'"},
	{set: "default_transaction_read_only = on"},
	{set: "default_transaction_deferrable = on"},
	{set: "default_text_search_config = 'simple'"},
	{set: "session_replication_role = 'replica'"},
	{set: "statement_timeout = '1ms'"},
	{set: "idle_in_transaction_session_timeout = '1ms'"},
	{set: "work_mem = '64kB'"},
	{set: "enable_indexscan = off"},
	{set: "enable_hashagg = off"},
	{since: 11, set: "jit = on"},
	{since: 11, set: "jit_above_cost = 0"},
	{before: 16, set: "force_parallel_mode = on"},
	{since: 16, set: "debug_parallel_query = on"},
}

// evil shadows what a digest is made of, for whoever finds it first.
var evil = []string{
	`CREATE SCHEMA evil`,
	`CREATE FUNCTION evil.hashtextextended(pg_catalog.text, pg_catalog.int8) RETURNS pg_catalog.int8 LANGUAGE sql AS 'SELECT 0::pg_catalog.int8'`,
	`CREATE FUNCTION evil.hashint4extended(pg_catalog.int4, pg_catalog.int8) RETURNS pg_catalog.int8 LANGUAGE sql AS 'SELECT 0::pg_catalog.int8'`,
	`CREATE FUNCTION evil.md5(pg_catalog.text) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT ''''::pg_catalog.text'`,
	`CREATE FUNCTION evil.pg_is_in_recovery() RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT true'`,
	`CREATE FUNCTION evil.never(pg_catalog.int8, pg_catalog.int8) RETURNS pg_catalog.bool LANGUAGE sql AS 'SELECT false'`,
	`CREATE FUNCTION evil.zero(pg_catalog.int8, pg_catalog.int8) RETURNS pg_catalog.int8 LANGUAGE sql AS 'SELECT 0::pg_catalog.int8'`,
	`CREATE FUNCTION evil.step(pg_catalog.int8) RETURNS pg_catalog.int8 LANGUAGE sql AS 'SELECT 7::pg_catalog.int8'`,
	`CREATE OPERATOR evil.= (LEFTARG = pg_catalog.int8, RIGHTARG = pg_catalog.int8, PROCEDURE = evil.never)`,
	`CREATE OPERATOR evil.# (LEFTARG = pg_catalog.int8, RIGHTARG = pg_catalog.int8, PROCEDURE = evil.zero)`,
	`CREATE AGGREGATE evil.count(*) (SFUNC = evil.step, STYPE = pg_catalog.int8, INITCOND = '7')`,
	`CREATE AGGREGATE evil.sum(pg_catalog.int8) (SFUNC = evil.zero, STYPE = pg_catalog.int8, INITCOND = '0')`,
	`CREATE DOMAIN evil.text AS pg_catalog.varchar(1)`,
	`CREATE DOMAIN evil.int8 AS pg_catalog.int2`,
}

// variety is a table whose every column prints differently under hostile.
const variety = `CREATE TABLE variety (id int PRIMARY KEY, f float8, f4 float4, b bytea, ts timestamptz, d date, i interval, n numeric, s text, a text[], fa float8[], j jsonb, r tstzrange, x xml, v tsvector);
INSERT INTO variety SELECT g, g / 3.0, g / 7.0, decode(md5(g::text), 'hex'), '2024-02-03 04:05:06+00'::timestamptz + g * interval '1 hour', '2024-02-03'::date + g, g * interval '1 day 2 hours', g / 3.0, 'é\' || g,
  ARRAY['NULL', NULL, 'é' || g], ARRAY[g / 3.0], jsonb_build_object('é', g), tstzrange('2024-02-03 04:05:06+00'::timestamptz, NULL), xmlelement(name e, g::text), to_tsvector('english', 'running ' || g)
FROM generate_series(1, 4000) g`

func makeHostile(t *testing.T, server *pgcluster.Cluster, dbURL string) {
	t.Helper()
	u, _ := url.Parse(dbURL) // of TestDB
	name := pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()
	conn := connect(t, dbURL)
	for _, h := range hostile {
		if server.Major() >= h.since && (h.before == 0 || server.Major() < h.before) {
			must(t, conn, "ALTER DATABASE "+name+" SET "+h.set)
		}
	}
}

// TestHostileSettings: the settings of a side's database change neither what
// is compared nor how.
func TestHostileSettings(t *testing.T) {
	old, recent := pgcluster.Shared(t, 15), pgcluster.Shared(t, 18)
	world := append([]string{variety}, evil...)
	plain, source := old.TestDB(t, world...), old.TestDB(t, world...)
	equal, damaged := recent.TestDB(t, world...), recent.TestDB(t, append(world, `UPDATE public.variety SET ts = ts + interval '1 us' WHERE id = 77`)...)
	inPeace := verify(t, plain, equal, defaults())
	if inPeace.Verdict != checker.Match {
		t.Fatalf("%s: %q", inPeace.Verdict, inPeace.Reasons)
	}
	makeHostile(t, old, source)
	makeHostile(t, recent, equal)
	makeHostile(t, recent, damaged)
	var zone string
	var count int
	err := connect(t, source+"&statement_timeout=0").QueryRow(t.Context(), `SELECT pg_catalog.current_setting('TimeZone'), count(*) FROM public.variety WHERE id < 10`, pgx.QueryExecModeExec).Scan(&zone, &count)
	if err != nil || zone != "America/St_Johns" || count != 7 {
		t.Fatalf("the database is not hostile: %v, %s, count %d", err, zone, count)
	}
	for _, c := range []struct{ name, source, target string }{{"one side", plain, equal}, {"both sides", source, equal}} {
		res := verify(t, c.source, c.target, defaults())
		if res.Verdict != checker.Match {
			t.Errorf("%s: %s: %q", c.name, res.Verdict, res.Reasons)
		}
		if diff := cmp.Diff(inPeace.Tables, res.Tables); diff != "" {
			t.Errorf("%s: compared otherwise (-plain +hostile):\n%s", c.name, diff)
		}
	}
	res := verify(t, source, damaged, defaults())
	got := table(res, "public.variety")
	if res.Verdict != checker.Mismatch || got.FindingsTotal != 1 || got.Findings[0].Key["id"] != "77" || !cmp.Equal(got.Findings[0].Columns, []string{"ts"}) {
		t.Errorf("damaged: %s: %q, %v", res.Verdict, res.Reasons, got.Findings)
	}
}

// TestOwnPatience: how long a statement waits is the run's to say, not the
// database's. Here a table is locked for longer than all of its timeouts.
func TestOwnPatience(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	source, target := pgcluster.Shared(t, 15).TestDB(t, twoTables[:2]...), pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...)
	u, _ := url.Parse(target) // of TestDB
	migration := connect(t, target)
	for _, timeout := range []string{"lock_timeout", "statement_timeout", "transaction_timeout"} {
		must(t, migration, "ALTER DATABASE "+pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()+" SET "+timeout+" = '400ms'")
	}
	must(t, migration, `BEGIN`, `LOCK TABLE judged IN ACCESS EXCLUSIVE MODE`)
	o := defaults()
	var released sync.WaitGroup
	defer released.Wait()
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.RunPlanned {
			released.Go(func() {
				if _, err := migration.Exec(t.Context(), `SELECT pg_sleep(1); COMMIT`, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if res := verify(t, source, target, o); res.Verdict != checker.Match {
		t.Errorf("%s: %q", res.Verdict, res.Reasons)
	}
}
