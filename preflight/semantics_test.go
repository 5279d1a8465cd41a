package preflight

import (
	"net/url"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/schema"
)

// fires are two tables with triggers that do nothing.
const fires = `CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE "Weird ""one""" (id int PRIMARY KEY);
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE PROCEDURE nothing();
	CREATE TRIGGER b AFTER INSERT ON t FOR EACH ROW EXECUTE PROCEDURE nothing();
	CREATE TRIGGER "the ""first""" AFTER INSERT ON "Weird ""one""" FOR EACH ROW EXECUTE PROCEDURE nothing();
	CREATE TABLE part (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
	CREATE TRIGGER whole AFTER INSERT ON part FOR EACH ROW EXECUTE PROCEDURE nothing()`

const refers = `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE "Weird ""one""" (id int PRIMARY KEY, a int CONSTRAINT "refers ""to""" REFERENCES a); CREATE TABLE c (id int REFERENCES a)`

func init() {
	lives = append(lives,
		life{
			id:     "constraint-not-valid",
			majors: [2]int{18, 15},
			both: []string{`CREATE TABLE fine (id int PRIMARY KEY CHECK (id > 0)); CREATE TABLE "Weird ""one""" (id int); CREATE TABLE child () INHERITS ("Weird ""one"""); CREATE DOMAIN even AS int; CREATE TABLE p (id int REFERENCES fine)`,
				`CREATE TABLE part (id int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)`},
			source: []string{`ALTER TABLE "Weird ""one""" ADD CONSTRAINT "is ""positive""" CHECK (id > 0) NOT VALID`, `ALTER DOMAIN even ADD CONSTRAINT even CHECK (VALUE % 2 = 0) NOT VALID`,
				`ALTER TABLE p DROP CONSTRAINT p_id_fkey, ADD CONSTRAINT p_id_fkey FOREIGN KEY (id) REFERENCES fine NOT ENFORCED`, `ALTER TABLE part ADD CONSTRAINT small CHECK (id < 9) NOT VALID`},
			want: []string{`source public."Weird ""one""" constraint "is ""positive"""`, "source domain public.even constraint even", "source public.p constraint p_id_fkey", "source public.part constraint small"}, mends: true,
		},
		life{
			id: "index-invalid",
			both: []string{`CREATE TABLE "Weird ""one""" (id int); CREATE INDEX "the ""index""" ON "Weird ""one""" (id); CREATE UNIQUE INDEX broken ON "Weird ""one""" (id); CREATE INDEX fine ON "Weird ""one""" (id); CREATE INDEX old_ccnew ON "Weird ""one""" (id)`,
				`CREATE TABLE part (id int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1); CREATE INDEX not_done ON ONLY part (id)`},
			source: []string{`UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"the ""index"""'::regclass`},
			target: []string{`UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('broken'::regclass, 'old_ccnew'::regclass)`},
			want:   []string{`source public."Weird ""one""" index "the ""index"""`, `target public."Weird ""one""" index broken`, `target public."Weird ""one""" index old_ccnew`}, mends: true,
		},
		life{
			id: "trigger-disabled", both: []string{fires},
			source: []string{`ALTER TABLE t DISABLE TRIGGER a; ALTER TABLE "Weird ""one""" DISABLE TRIGGER "the ""first"""; ALTER TABLE part DISABLE TRIGGER whole`},
			target: []string{`ALTER TABLE t DISABLE TRIGGER b; ALTER TABLE "Weird ""one""" DISABLE TRIGGER "the ""first"""; ALTER TABLE part DISABLE TRIGGER whole`},
			want:   []string{`target public."Weird ""one""" trigger "the ""first"""`, "target public.part trigger whole"}, mends: true,
		},
		life{
			id: "trigger-fires-on-apply", both: []string{fires}, replicated: true,
			source: []string{`ALTER TABLE t ENABLE ALWAYS TRIGGER a`},
			target: []string{`ALTER TABLE t ENABLE REPLICA TRIGGER b; ALTER TABLE "Weird ""one""" ENABLE ALWAYS TRIGGER "the ""first"""; ALTER TABLE part ENABLE ALWAYS TRIGGER whole`},
			want:   []string{"source public.t trigger a", "target public.t trigger b", `target public."Weird ""one""" trigger "the ""first"""`, "target public.part trigger whole"}, mends: true,
		},
		life{
			id: "fk-trigger-disabled", both: []string{refers},
			source: []string{`ALTER TABLE c DISABLE TRIGGER ALL`},
			target: []string{`ALTER TABLE "Weird ""one""" DISABLE TRIGGER ALL`},
			want:   []string{"source public.c constraint c_id_fkey", `target public."Weird ""one""" constraint "refers ""to"""`}, says: "rows that refer to nothing", mends: true,
		},
		life{
			id:     "rule-fires",
			both:   []string{`CREATE TABLE "Weird ""one""" (id int); CREATE RULE fine AS ON DELETE TO "Weird ""one""" DO ALSO NOTHING; CREATE RULE "the ""rule""" AS ON INSERT TO "Weird ""one""" DO ALSO NOTHING; CREATE RULE off AS ON UPDATE TO "Weird ""one""" DO ALSO NOTHING; CREATE VIEW v AS SELECT 1`},
			target: []string{`ALTER TABLE "Weird ""one""" ENABLE ALWAYS RULE "the ""rule"""; ALTER TABLE "Weird ""one""" DISABLE RULE off`},
			want:   []string{`target public."Weird ""one""" rule "the ""rule"""`, `target public."Weird ""one""" rule off`}, mends: true,
		},
		life{
			id: "row-security-apply", replicated: true,
			both:   []string{`CREATE TABLE fine (id int PRIMARY KEY); CREATE TABLE owners (id int PRIMARY KEY); CREATE TABLE "Weird ""one""" (id int PRIMARY KEY)`},
			during: rowSecurityForced,
			want:   []string{`target public."Weird ""one"""`}, says: "which forced_owner can't bypass", mends: true,
		},
		life{
			id: "row-security-apply", majors: [2]int{10, 15}, replicated: true,
			both:   []string{`CREATE TABLE fine (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY)`},
			during: rowSecurityOfOwner,
			want:   []string{"target public.t"}, says: "writes as that role", mends: true,
		},
		life{
			id:   "statistics-missing",
			both: []string{`CREATE TABLE small (id int); INSERT INTO small VALUES (1); CREATE TABLE known (id int); INSERT INTO known SELECT generate_series(1, 5000); ANALYZE known`},
			target: []string{`CREATE TABLE "Weird ""one""" (id int) WITH (autovacuum_enabled = false); INSERT INTO "Weird ""one""" SELECT generate_series(1, 5000); CREATE INDEX ON "Weird ""one""" (id)`,
				`CREATE TABLE never (id int) WITH (autovacuum_enabled = false); INSERT INTO never SELECT generate_series(1, 5000)`},
			want: []string{`target public."Weird ""one"""`, "target public.never"}, says: "never analyzed", mends: true,
		},
	)
}

// rowSecurityForced has a table's owner write, who is under its policies too.
func rowSecurityForced(t *testing.T, w *world) {
	roles(t, w.target.cluster, "forced_owner")
	w.target.exec(t, `ALTER TABLE "Weird ""one""" OWNER TO forced_owner; ALTER TABLE "Weird ""one""" ENABLE ROW LEVEL SECURITY; ALTER TABLE "Weird ""one""" FORCE ROW LEVEL SECURITY`,
		`ALTER TABLE owners OWNER TO forced_owner; ALTER TABLE owners ENABLE ROW LEVEL SECURITY`)
}

// rowSecurityOfOwner has a subscription's owner write, who once was a superuser.
func rowSecurityOfOwner(t *testing.T, w *world) {
	roles(t, w.target.cluster, "once_super")
	w.target.exec(t, `ALTER ROLE once_super SUPERUSER NOBYPASSRLS`, "ALTER SUBSCRIPTION "+w.target.ask(t, "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())")+" OWNER TO once_super",
		`ALTER ROLE once_super NOSUPERUSER`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO once_super`, `ALTER TABLE t ENABLE ROW LEVEL SECURITY`)
}

// as is the same database for another role.
func as(t *testing.T, e *end, role, password string) string {
	t.Helper()
	u, err := url.Parse(e.url)
	if err != nil {
		t.Fatal(err)
	}
	return e.cluster.UserURL(role, password, strings.TrimPrefix(u.Path, "/"))
}

// TestManyTablesWithoutStatistics are one hazard.
func TestManyTablesWithoutStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 10), pgcluster.Shared(t, 10), "CREATE TABLE t (id int PRIMARY KEY)")
	w.target.exec(t, `DO $$ BEGIN FOR i IN 1..21 LOOP EXECUTE format('CREATE TABLE t%s (id int) WITH (autovacuum_enabled = false)', i); EXECUTE format('INSERT INTO t%s SELECT generate_series(1, 3000)', i); END LOOP; END $$`)
	found := w.look(t, "statistics-missing", defaults())
	if len(found) != 1 || found[0].Object != "" || found[0].Fix != "ANALYZE" || !strings.Contains(found[0].Sentence, "21 tables") || !strings.Contains(found[0].Sentence, "and 1 more") {
		t.Fatalf("got %+v", found)
	}
	w.target.exec(t, found[0].Fix)
	if found := w.look(t, "statistics-missing", defaults()); len(found) > 0 {
		t.Errorf("still there after its own fix: %+v", found)
	}
}

// TestMilderOnSource: what is broken on the target blocks.
func TestMilderOnSource(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 13), pgcluster.Shared(t, 15), refers, fires2)
	breaks := []string{`ALTER TABLE c DISABLE TRIGGER ALL`, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_pkey'::regclass`, `ALTER TABLE t ENABLE ALWAYS TRIGGER a`}
	w.source.exec(t, breaks...)
	w.target.exec(t, breaks...)
	for id, want := range map[string]schema.Severity{"fk-trigger-disabled": schema.Block, "index-invalid": schema.Block, "trigger-fires-on-apply": schema.Warn} {
		found := w.look(t, id, defaults())
		if len(found) != 2 {
			t.Fatalf("%s: got %+v, want one a side", id, found)
		}
		for _, h := range found {
			severity := h.Severity
			if h.Side == "source" && severity != schema.Warn || h.Side == "target" && severity != want {
				t.Errorf("%s: got %s on the %s", id, severity, h.Side)
			}
		}
	}
}

const fires2 = `CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE PROCEDURE nothing()`
