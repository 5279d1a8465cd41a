package schema

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// cluster is one that only worlds are made in: roles are the whole cluster's, and
// those of other tests would be found.
func cluster(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	c := pgcluster.SharedWith(t, fmt.Sprintf("schema world %d", major), pgcluster.Options{Major: major})
	if err := c.Exec(t.Context(), "postgres", worldRoles); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: url, MaxConns: 2, Run: "test", StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func read(t *testing.T, side postgres.Side, url string) *Definitions {
	t.Helper()
	db := open(t, side, url)
	d, err := Read(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	db.Close() // it may be a template
	return d
}

// worldRoles are made once in a cluster; several tests may want them at a time.
const worldRoles = `DO $$ BEGIN
PERFORM pg_advisory_lock(1);
IF to_regrole('app') IS NULL THEN
CREATE ROLE app LOGIN PASSWORD 'x' CONNECTION LIMIT 5 VALID UNTIL '2040-01-01'; CREATE ROLE readers NOLOGIN; CREATE ROLE "Weird ""role" LOGIN; CREATE ROLE keeper CREATEROLE;
CREATE ROLE lone; CREATE ROLE nobody LOGIN PASSWORD 'secret'; CREATE ROLE loose LOGIN PASSWORD 'y';
GRANT readers TO app WITH ADMIN OPTION; GRANT pg_monitor TO keeper; GRANT readers TO "Weird ""role";
ALTER ROLE app SET work_mem = '8MB'; ALTER ROLE app SET app.secret_token = 'hush';
COMMENT ON ROLE app IS 'the application';
END IF;
PERFORM pg_advisory_unlock(1);
END $$`

// world has something of every kind, in the order of the versions that can make
// it.
var world = []struct {
	since int
	sql   string
}{
	{10, `
CREATE SCHEMA shop; COMMENT ON SCHEMA shop IS 'all that is sold'; CREATE SCHEMA bare;
CREATE EXTENSION hstore; CREATE EXTENSION postgres_fdw; CREATE EXTENSION citext SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'so, so', 'happy');
CREATE TYPE shop.pair AS (a int, b text COLLATE "C");
CREATE TYPE shop.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE DOMAIN shop.positive AS int DEFAULT 1 NOT NULL CONSTRAINT above CHECK (VALUE > 0);
CREATE COLLATION shop.plain FROM "C";
CREATE SEQUENCE shop.numbers AS int INCREMENT 2 MINVALUE 1 MAXVALUE 100 CACHE 3 CYCLE;
CREATE TABLE shop.customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(40) COLLATE "C" NOT NULL DEFAULT 'nobody', mood shop.mood, json text, at timestamptz DEFAULT now());
CREATE TABLE shop.orders (id bigserial PRIMARY KEY, customer int CONSTRAINT buyer REFERENCES shop.customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, total numeric(10,2) DEFAULT 0 CONSTRAINT paid CHECK (total >= 0),
  note text, spot point, CONSTRAINT apart EXCLUDE USING gist (spot WITH ~=), CONSTRAINT one_note UNIQUE (note, customer));
CREATE INDEX by_note ON shop.orders (lower(note) DESC) WHERE total > 0; CREATE UNIQUE INDEX once ON shop.orders (customer, total);
ALTER TABLE shop.orders ADD CONSTRAINT small CHECK (total < 1000000) NOT VALID;
CREATE TABLE shop.json ("json" int, "system_user" int); CREATE TABLE "Weird ""name" ("co l" int, "x"" y" text DEFAULT '''"; --');
CREATE TABLE shop.parent (a int); CREATE TABLE shop.child (b int) INHERITS (shop.parent);
CREATE UNLOGGED TABLE shop.scratch (a int); CREATE TABLE shop.empty ();
CREATE TABLE shop.facts (at date NOT NULL, v int) PARTITION BY RANGE (at);
CREATE TABLE shop.facts_1 PARTITION OF shop.facts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (v);
CREATE TABLE shop.facts_1_1 PARTITION OF shop.facts_1 FOR VALUES IN (1, 2);
CREATE TABLE shop.facts_2 PARTITION OF shop.facts (v DEFAULT 2) FOR VALUES FROM ('2021-01-01') TO (MAXVALUE);
ALTER TABLE shop.orders REPLICA IDENTITY FULL; ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.customers AS RESTRICTIVE FOR SELECT TO app, readers USING (name = 'me');
CREATE FUNCTION shop.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted BEFORE INSERT OR UPDATE OF total ON shop.orders FOR EACH ROW WHEN (NEW.total > 0) EXECUTE PROCEDURE shop.noted();
CREATE TRIGGER quiet AFTER DELETE ON shop.orders FOR EACH ROW EXECUTE PROCEDURE shop.noted(); ALTER TABLE shop.orders ENABLE REPLICA TRIGGER quiet;
CREATE RULE keep AS ON DELETE TO shop.scratch DO INSTEAD NOTHING; CREATE RULE log AS ON INSERT TO shop.parent DO ALSO INSERT INTO shop.scratch VALUES (NEW.a);
CREATE FUNCTION shop.add(a int, b int DEFAULT 2, VARIADIC c int[] DEFAULT '{}') RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET work_mem = '1MB' AS 'SELECT a + b';
CREATE FUNCTION shop.many() RETURNS TABLE (x int, y text) LANGUAGE sql AS $f$ SELECT 1, 'a' $f$;
CREATE FUNCTION shop.same(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2'; CREATE FUNCTION shop.less(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
CREATE AGGREGATE shop.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE OPERATOR shop.=== (LEFTARG = int, RIGHTARG = int, PROCEDURE = shop.same);
CREATE OPERATOR FAMILY shop.spare USING btree; CREATE OPERATOR FAMILY shop.ints USING hash; CREATE OPERATOR CLASS shop.int_ops FOR TYPE int USING hash FAMILY shop.ints AS OPERATOR 1 shop.===;
CREATE FUNCTION shop.worth(shop.mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE CAST (shop.mood AS int) WITH FUNCTION shop.worth(shop.mood) AS ASSIGNMENT;
CREATE CONVERSION shop.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY shop.words (TEMPLATE = simple, STOPWORDS = english); CREATE TEXT SEARCH CONFIGURATION shop.search (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION shop.search ALTER MAPPING FOR asciiword WITH shop.words, simple;
CREATE TEXT SEARCH PARSER shop.reader (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE shop.mould (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE VIEW shop.big AS SELECT orders.id, orders.total * 2 AS twice FROM shop.orders WHERE orders.total > 100 AND EXISTS (SELECT 1 FROM shop.customers c WHERE c.id = orders.customer) ORDER BY orders.id;
CREATE VIEW shop.mixed WITH (security_barrier) AS SELECT o.id, c.name FROM shop.orders o JOIN shop.customers c ON c.id = o.customer; ALTER VIEW shop.big ALTER twice SET DEFAULT 5;
CREATE MATERIALIZED VIEW shop.sums AS SELECT customer, sum(total) AS s FROM shop.orders GROUP BY customer; CREATE MATERIALIZED VIEW shop.dry AS SELECT 1 AS one WITH NO DATA;
CREATE UNIQUE INDEX sums_key ON shop.sums (customer);
CREATE FUNCTION shop.ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watched ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE') EXECUTE PROCEDURE shop.ddl();
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', dbname 'd'); CREATE USER MAPPING FOR app SERVER far OPTIONS (user 'u', password 'hush');
CREATE FOREIGN TABLE shop.abroad (a int OPTIONS (column_name 'b')) SERVER far OPTIONS (table_name 't'); CREATE FOREIGN DATA WRAPPER own;
CREATE LANGUAGE plown HANDLER plpgsql_call_handler; CREATE ACCESS METHOD btree2 TYPE INDEX HANDLER bthandler;
CREATE STATISTICS shop.tied (dependencies) ON customer, total FROM shop.orders; CREATE PUBLICATION outgoing FOR TABLE shop.orders;
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA shop GRANT SELECT ON TABLES TO readers; ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA shop TO app; GRANT SELECT, UPDATE ON shop.orders TO app, "Weird ""role"; GRANT SELECT (name), UPDATE (name) ON shop.customers TO readers; REVOKE EXECUTE ON FUNCTION shop.noted() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO keeper; GRANT SELECT ON shop.numbers TO app WITH GRANT OPTION; GRANT USAGE ON TYPE shop.mood TO app; GRANT USAGE ON FOREIGN SERVER far TO app;
GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO keeper;
CREATE FUNCTION shop.from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'numeric_float8'; CREATE TRANSFORM FOR shop.pair LANGUAGE plpgsql (FROM SQL WITH FUNCTION shop.from_sql(internal));
CREATE FUNCTION shop.moved(int) RETURNS int TRANSFORM FOR TYPE shop.pair LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
ALTER DOMAIN shop.positive ADD CONSTRAINT below CHECK (VALUE < 1000) NOT VALID;
INSERT INTO pg_catalog.pg_seclabel SELECT 'shop.customers'::regclass, 'pg_class'::regclass, 2, 'anon', 'MASKED WITH VALUE NULL';
GRANT CREATE ON SCHEMA public TO app; ALTER TABLE shop.json OWNER TO app; ALTER FUNCTION shop.many() OWNER TO app;
COMMENT ON TABLE shop.orders IS 'what was ordered'; COMMENT ON COLUMN shop.orders.note IS 'a note'; COMMENT ON INDEX shop.by_note IS 'for search'; COMMENT ON CONSTRAINT paid ON shop.orders IS 'paid';
`},
	{11, `
CREATE PROCEDURE shop.act(INOUT a int, b text DEFAULT 'x') LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE TABLE shop.hashed (id int PRIMARY KEY, v int) PARTITION BY HASH (id); CREATE TABLE shop.hashed_0 PARTITION OF shop.hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE INDEX hashed_v ON shop.hashed (v) INCLUDE (id); ALTER TABLE shop.hashed ADD CONSTRAINT low CHECK (v < 10), ADD CONSTRAINT self FOREIGN KEY (v) REFERENCES shop.customers;
CREATE TRIGGER each AFTER INSERT ON shop.hashed FOR EACH ROW EXECUTE FUNCTION shop.noted();
`},
	{12, `CREATE TABLE shop.made (a int, b int GENERATED ALWAYS AS (a * 2) STORED); CREATE TABLE shop.leads (id int REFERENCES shop.hashed);
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE shop.elsewhere (a int) USING heap2;
CREATE COLLATION shop.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`},
	{14, `CREATE FUNCTION shop.atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT orders.id FROM shop.orders WHERE orders.id > 1; SELECT customers.id FROM shop.customers LIMIT 1; END;
CREATE VIEW shop.years AS SELECT EXTRACT(year FROM customers.at) AS y FROM shop.customers; CREATE STATISTICS shop.formula ON (total * 2) FROM shop.orders;`},
	{15, `CREATE PUBLICATION part FOR TABLE shop.orders (id, total) WHERE (id > 1); CREATE PUBLICATION whole FOR TABLES IN SCHEMA bare;
ALTER TABLE shop.customers ADD CONSTRAINT known UNIQUE NULLS NOT DISTINCT (json); CREATE VIEW shop.asker WITH (security_invoker) AS SELECT id FROM shop.orders;`},
	{18, `ALTER TABLE shop.orders ADD CONSTRAINT idle CHECK (total <> 13) NOT ENFORCED; ALTER TABLE shop.made ADD c int GENERATED ALWAYS AS (a * 3) VIRTUAL;`},
}

// worldSettings are the database's own, which no template hands on.
const worldSettings = `DO $$ BEGIN
EXECUTE format('ALTER DATABASE %I SET work_mem = ''16MB''', current_database()); EXECUTE format('ALTER ROLE app IN DATABASE %I SET enable_sort = off', current_database());
EXECUTE format('ALTER DATABASE %I SET search_path = shop, public', current_database()); EXECUTE format('GRANT CREATE ON DATABASE %I TO app', current_database());
EXECUTE format('COMMENT ON DATABASE %I IS ''the shop''', current_database()); END $$`

// worldSQL is what a world of a version consists of, for one server.
func worldSQL(since int) []string {
	var list []string
	for _, part := range world {
		if part.since <= since {
			list = append(list, part.sql)
		}
	}
	return append(list, worldSettings)
}

var copies atomic.Int64

// copyOf makes a database from another, which nobody is connected to.
func copyOf(t *testing.T, c *pgcluster.Cluster, template string, sql ...string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(template)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("damaged_%d", copies.Add(1))
	if err := c.Exec(t.Context(), "postgres", "CREATE DATABASE "+name+" TEMPLATE "+postgres.Ident(cfg.Database)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.DropDatabase(ctx, name); err != nil {
			t.Log(err)
		}
	})
	if err := c.Exec(t.Context(), name, append([]string{worldSettings}, sql...)...); err != nil {
		t.Fatal(err)
	}
	return c.URL(name)
}

// told are the differences as a test wants them: severity, kind, object.
func told(list []Difference) []string {
	out := []string{}
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s %s %s", d.Severity, d.Kind, d.Object))
	}
	slices.Sort(out)
	return out
}

// TestEqualWorlds: one and the same SQL on two servers makes no difference.
func TestEqualWorlds(t *testing.T) {
	for _, majors := range [][2]int{{10, 18}, {13, 15}, {15, 18}, {18, 18}, {11, 16}, {12, 17}, {14, 14}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			t.Parallel()
			if testing.Short() && majors != [2]int{15, 18} {
				t.Skip("skipped: -short has time for 15 and 18 alone")
			}
			sql := worldSQL(majors[0])
			source := read(t, postgres.Source, cluster(t, majors[0]).TestDB(t, sql...))
			target := read(t, postgres.Target, cluster(t, majors[1]).TestDB(t, sql...))
			seen := map[string]bool{}
			for _, d := range source.List {
				seen[d.Kind] = true
			}
			for _, k := range Kinds() {
				if !seen[k.Name] && (majors[0] >= 12 || k.Name != "generated" && k.Name != "storage_method") && !slices.Contains([]string{"extension_config"}, k.Name) {
					t.Errorf("the world has no %s", k.Name)
				}
			}
			for _, d := range Compare(source, target, nil) {
				t.Errorf("%s %s: %s\n  %q\n  %q", d.Kind, d.Object, d.Sentence(), d.Source, d.Target)
			}
		})
	}
}
