package preflight

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func deep(o *Options) { o.Deep = true }

func init() {
	lives = append(lives,
		life{
			id: "fk-orphans", options: deep,
			both: []string{
				`CREATE SCHEMA "Odd "".name"; CREATE TABLE "Odd "".name"."P ""x" (a int, "B "" b" text, PRIMARY KEY (a, "B "" b")); INSERT INTO "Odd "".name"."P ""x" VALUES (1, 'one'), (2, 'two')`,
				`CREATE TABLE simple (id int, a int, b text, CONSTRAINT "to "" p" FOREIGN KEY (a, b) REFERENCES "Odd "".name"."P ""x"); INSERT INTO simple VALUES (1, 1, 'one'), (2, NULL, 'none'), (3, NULL, NULL), (4, 9, NULL)`,
				`CREATE TABLE "full" (id int, a int, b text, FOREIGN KEY (a, b) REFERENCES "Odd "".name"."P ""x" MATCH FULL); INSERT INTO "full" VALUES (1, 2, 'two'), (2, NULL, NULL)`,
				`CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree); INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2)`,
				// Operands of two types, a domain, and a length that blanks fill.
				`CREATE DOMAIN code AS char(5); CREATE TABLE coded (c code PRIMARY KEY, n bigint UNIQUE); INSERT INTO coded VALUES ('ab', 7); CREATE TABLE codes (c char(3) REFERENCES coded, n int REFERENCES coded (n)); INSERT INTO codes VALUES ('ab', 7)`,
				`CREATE TABLE healthy (id int REFERENCES tree); INSERT INTO healthy SELECT 1 + i % 3 FROM generate_series(1, 100) i`,
				`CREATE TABLE parted (id int, p int REFERENCES tree) PARTITION BY LIST (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2); INSERT INTO parted VALUES (1, 1), (2, 2)`,
				`CREATE TABLE rooted (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE rooted_1 PARTITION OF rooted FOR VALUES IN (1, 2); INSERT INTO rooted VALUES (1); CREATE TABLE leafed (id int REFERENCES rooted); INSERT INTO leafed VALUES (1)`,
				`CREATE TABLE later (id int); INSERT INTO later VALUES (1); ALTER TABLE later ADD CONSTRAINT later_fkey FOREIGN KEY (id) REFERENCES tree NOT VALID`,
			},
			target: []string{ // what applies changes fires no constraint
				`SET session_replication_role = replica`,
				`INSERT INTO simple VALUES (5, 1, 'two'), (6, 3, 'one')`, `INSERT INTO "full" VALUES (3, NULL, 'one')`, `DELETE FROM tree WHERE id = 1`,
				`INSERT INTO codes VALUES ('cd', NULL), (NULL, 8)`, `INSERT INTO parted VALUES (2, 77)`, `INSERT INTO leafed SELECT 2 FROM generate_series(1, 1500)`, `INSERT INTO later VALUES (4)`,
			},
			want: []string{`target public.simple constraint "to "" p"`, `target public."full" constraint full_a_b_fkey`, `target public.tree constraint tree_parent_fkey`, `target public.healthy constraint healthy_id_fkey`,
				`target public.codes constraint codes_c_fkey`, `target public.codes constraint codes_n_fkey`, `target public.parted constraint parted_p_fkey`, `target public.leafed constraint leafed_id_fkey`,
				`target public.later constraint later_fkey`},
			says: "1 row points",
		},
		life{
			id: "index-disagrees", options: deep,
			both:   append([]string{`CREATE SCHEMA "a m"; CREATE EXTENSION amcheck SCHEMA "a m"`}, indexed...),
			source: reclassified[:1], target: reclassified, during: func(t *testing.T, w *world) { w.source.anew(t); w.target.anew(t) },
			want: []string{`source public."T ""t" index "by "" class"`, `target public."T ""t" index "by "" class"`, `target public.expr index expr_grade_idx`, `target public.num index num_grade`}, says: "duplicates", mends: true,
		},
	)
}

// indexed are tables whose indexes follow functions that reclassify redefines,
// beside many that don't.
var indexed = []string{
	`CREATE FUNCTION class(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left(md5($1), 4)'; CREATE FUNCTION grade(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''x'' || length($1)'; CREATE FUNCTION grade(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 7'`,
	`CREATE TABLE "T ""t" (id int PRIMARY KEY, "W ""w" text, d text, v varchar(20), c char(8), n name, a text[]);
	INSERT INTO "T ""t" SELECT i, 'w' || i, CASE WHEN i % 5 > 0 THEN 'd' || i % 77 END, i % 10, i % 9, 'n' || i, ARRAY[i::text, NULL] FROM generate_series(1, 3000) i`,
	`CREATE INDEX "by "" class" ON "T ""t" (public.class("W ""w"))`, `CREATE UNIQUE INDEX ON "T ""t" ("W ""w")`, `CREATE INDEX ON "T ""t" (d DESC, "W ""w" NULLS FIRST)`,
	`CREATE INDEX ON "T ""t" (d NULLS FIRST, v DESC NULLS LAST, id)`, `CREATE INDEX ON "T ""t" (v)`, `CREATE INDEX ON "T ""t" (c, d)`, `CREATE INDEX ON "T ""t" (n)`, `CREATE INDEX ON "T ""t" (a)`,
	`CREATE INDEX ON "T ""t" ("W ""w" text_pattern_ops)`, `CREATE INDEX ON "T ""t" ("W ""w" COLLATE "C")`, `CREATE INDEX ON "T ""t" (lower(d)) WHERE id % 3 = 0 AND d > 'd2'`, `CREATE INDEX ON "T ""t" (id, upper(d || v) DESC)`,
	`CREATE TABLE expr (w text); INSERT INTO expr SELECT repeat('y', i % 60) FROM generate_series(1, 900) i; CREATE INDEX expr_grade_idx ON expr (public.grade(w))`,
	`CREATE TABLE num (i int); INSERT INTO num SELECT generate_series(1, 900); CREATE INDEX num_grade ON num (public.grade(i))`,
	`CREATE TABLE none (w text PRIMARY KEY)`, `CREATE MATERIALIZED VIEW mat AS SELECT "W ""w" AS w FROM "T ""t"; CREATE INDEX ON mat (w)`, `ANALYZE`,
}

var reclassified = []string{
	`CREATE OR REPLACE FUNCTION class(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT right(md5($1), 4)'`,
	`CREATE OR REPLACE FUNCTION grade(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''x'' || (100 - length($1))'; CREATE OR REPLACE FUNCTION grade(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -$1'`,
}

// resorted makes the collation kn of a database sort digits otherwise, as an
// update of the system's would.
func (e *end) resorted(t *testing.T) {
	t.Helper()
	set := "collcollate = 'en@colNumeric=yes', collctype = 'en@colNumeric=yes'" // as old libraries spell it
	for _, column := range []string{"colliculocale", "colllocale"} {
		if e.ask(t, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'pg_collation'::regclass AND attname = '`+column+`'`) == "1" {
			set = column + " = 'en-u-kn-true'"
		}
	}
	e.exec(t, `UPDATE pg_collation SET `+set+` WHERE collname = 'kn'`)
	e.anew(t)
}

// anew connects again: a session remembers what an index's function was, and how
// a collation sorts.
func (e *end) anew(t *testing.T) {
	t.Helper()
	e.db, e.conn = openDB(t, e.db.Side(), e.url), connect(t, e.url)
}

// TestIndexSamples: without amcheck indexes over texts alone are looked at, by a
// sample, which says so.
func TestIndexSamples(t *testing.T) {
	slow(t)
	for _, majors := range [][2]int{{10, 18}, {13, 15}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), append([]string{`CREATE COLLATION kn (provider = icu, locale = 'en'); CREATE TABLE numbered (w text COLLATE kn PRIMARY KEY, f text);
				INSERT INTO numbered SELECT 'n' || i, 'f' || i FROM generate_series(1, 500) i; CREATE INDEX both_ ON numbered (f, w)`}, indexed...)...)
			o := defaults()
			o.Deep = true
			silent := []string{"info source", "info target"}
			if diff := cmp.Diff(silent, graded(w.look(t, "index-disagrees", o))); diff != "" {
				t.Fatalf("healthy: (-want +got):\n%s", diff)
			}
			w.source.exec(t, reclassified...)
			w.source.anew(t)
			w.target.resorted(t)
			found := w.look(t, "index-disagrees", o)
			want := []string{"block source public.\"T \"\"t\" index \"by \"\" class\"", "block source public.expr index expr_grade_idx", "block target public.numbered index numbered_pkey", "info source", "info target"}
			if diff := cmp.Diff(want, graded(found)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, h := range found {
				if h.Severity == schema.Info && (!strings.Contains(h.Sentence, "amcheck is not installed") || h.Fix != "CREATE EXTENSION amcheck") {
					t.Errorf("does not say why it was a sample: %+v", h)
				}
				if h.Severity == schema.Block {
					w.on(h.Side).exec(t, h.Fix)
				}
			}
			if diff := cmp.Diff(silent, graded(w.look(t, "index-disagrees", o))); diff != "" {
				t.Errorf("rebuilt: (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIndexWrongFarOff: what lies beyond the rows that are read in order is found
// by looking rows up.
func TestIndexWrongFarOff(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE FUNCTION late(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'`,
		`CREATE TABLE far (w text); INSERT INTO far SELECT 'w' || lpad(i::text, 6, '0') FROM generate_series(1, 15000) i; CREATE INDEX far_late ON far (public.late(w))`)
	w.target.exec(t, `CREATE OR REPLACE FUNCTION late(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN $1 > ''w010500'' THEN ''a'' ELSE '''' END || $1'`)
	found, unknown := w.deepLook(t, "index-disagrees", defaults())
	if diff := cmp.Diff([]string{"block target public.far index far_late", "info source", "info target"}, graded(found)); diff != "" || len(unknown) > 0 {
		t.Errorf("(-want +found):\n%s%+v", diff, unknown)
	}
}

// graded lists hazards with their severities, sorted.
func graded(hazards []Hazard) []string {
	var list []string
	for _, h := range hazards {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", h.Severity, h.Side, h.Object)))
	}
	slices.Sort(list)
	return list
}

// deepLook runs a deep detector and gives what it could not look at, too.
func (w *world) deepLook(t *testing.T, id string, o Options) ([]Hazard, []Unknown) {
	t.Helper()
	o.Deep = true
	f, err := gather(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(Detectors(), func(d Detector) bool { return d.ID == id })
	d := Detectors()[i]
	hazards, unknown, _ := d.look(t.Context(), f)
	return hazards, unknown
}

// TestOrphansEverywhere: on every major that differs, and of keys over periods
// of time.
func TestOrphansEverywhere(t *testing.T) {
	slow(t)
	for _, major := range []int{10, 13, 15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			sql := []string{`CREATE TABLE p (a int, b text, PRIMARY KEY (a, b)); CREATE TABLE c (a int, b text, FOREIGN KEY (a, b) REFERENCES p); CREATE TABLE fine (a int, b text, FOREIGN KEY (a, b) REFERENCES p MATCH FULL);
				INSERT INTO p VALUES (1, 'x'); INSERT INTO c VALUES (1, 'x'), (1, NULL), (NULL, 'y'); INSERT INTO fine VALUES (1, 'x'), (NULL, NULL)`}
			want := []string{"target public.c constraint c_a_fkey"}
			if major >= 12 {
				want[0] = "target public.c constraint c_a_b_fkey"
			}
			damage := `SET session_replication_role = replica; INSERT INTO c VALUES (1, 'z')`
			if major >= 18 {
				sql = append(sql, `CREATE EXTENSION btree_gist; CREATE TABLE stay (room int, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
					CREATE TABLE visit (room int, during daterange, FOREIGN KEY (room, PERIOD during) REFERENCES stay (room, PERIOD during)); CREATE TABLE visit2 (LIKE visit, FOREIGN KEY (room, PERIOD during) REFERENCES stay (room, PERIOD during));
					CREATE TABLE wish (a int, b text, FOREIGN KEY (a, b) REFERENCES p NOT ENFORCED); INSERT INTO wish VALUES (7, 'seven');
					INSERT INTO stay VALUES (1, '[2026-01-01,2026-02-01)'), (1, '[2026-02-01,2026-03-01)'); INSERT INTO visit VALUES (1, '[2026-01-20,2026-02-10)'); INSERT INTO visit2 SELECT * FROM visit`)
				damage += `; INSERT INTO visit2 VALUES (1, '[2026-02-20,2026-03-10)')`
				want = append(want, "target public.visit2 constraint visit2_room_during_fkey")
			}
			c := pgcluster.Shared(t, major)
			w := newWorld(t, c, c, sql...)
			if found, unknown := w.deepLook(t, "fk-orphans", defaults()); len(found)+len(unknown) > 0 {
				t.Errorf("healthy: %+v %+v", found, unknown)
			}
			w.target.exec(t, damage)
			found, unknown := w.deepLook(t, "fk-orphans", defaults())
			if diff := cmp.Diff(want, names(found)); diff != "" || len(unknown) > 0 {
				t.Errorf("(-want +found):\n%s%+v", diff, unknown)
			}
			for _, h := range found {
				if !strings.HasPrefix(h.Sentence, "1 row points") {
					t.Errorf("%+v", h)
				}
			}
		})
	}
}

// TestOrphansInRuns: what overruns the budget is counted in runs of pages, to the
// same number.
func TestOrphansInRuns(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10); CREATE TABLE c (n int, p int REFERENCES p, pad text) PARTITION BY LIST (n);
		CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1); CREATE TABLE c2 PARTITION OF c FOR VALUES IN (2); INSERT INTO c SELECT 1 + (i % 3) / 2, 1 + i % 10, repeat('p', 200) FROM generate_series(1, 5000) i`)
	w.target.exec(t, `SET session_replication_role = replica; INSERT INTO c SELECT 1 + i % 2, 99, repeat('p', 200) FROM generate_series(1, 700) i`)
	f, err := gather(t.Context(), w.source.db, w.target.db, defaults())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := f.foreignKeys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("%+v, %v", keys, err)
	}
	if n, err := f.countRuns(t.Context(), keys[0]); n != 700 || err != nil {
		t.Errorf("in runs: %d, %v", n, err)
	}
	// One that holds a table keeps everybody out for longer than the budget.
	holder := connect(t, w.target.url)
	if _, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE p`); err != nil {
		t.Fatal(err)
	}
	o := defaults()
	o.Budget = 30 * time.Millisecond
	found, unknown := w.deepLook(t, "fk-orphans", o)
	if len(found) > 0 || len(unknown) != 1 || !strings.Contains(unknown[0].Reason, "target: public.c constraint c_p_fkey: not finished within 30ms a statement: raise --budget") {
		t.Errorf("%+v, %+v", found, unknown)
	}
}

// TestDeepWithoutPrivileges: what a role may not read is told with the GRANT, and
// what it may read is looked at all the same.
func TestDeepWithoutPrivileges(t *testing.T) {
	slow(t)
	t.Parallel()
	role := fmt.Sprintf("nobody %d", worlds.Add(1))
	sql := append([]string{`CREATE TABLE p (id int PRIMARY KEY, w text UNIQUE); CREATE TABLE "C ""c" (id int CONSTRAINT c1 REFERENCES p); CREATE TABLE open (id int REFERENCES p, w text); CREATE INDEX open_w ON open (public.class(w));
		INSERT INTO p SELECT i, i FROM generate_series(1, 500) i; INSERT INTO open SELECT i, i FROM generate_series(1, 500) i; CREATE EXTENSION amcheck`}, `ALTER TABLE "C ""c" OWNER TO postgres`)
	w := newWorld(t, pgcluster.Shared(t, 13), pgcluster.Shared(t, 18), append([]string{indexed[0]}, sql...)...)
	for _, e := range []*end{w.source, w.target} {
		e.asRole(t, role)
		e.exec(t, fmt.Sprintf(`GRANT SELECT ON open, p TO %q`, role))
	}
	w.target.exec(t, `SET session_replication_role = replica; INSERT INTO open VALUES (501, 'x'); RESET session_replication_role`, reclassified[0])
	found, unknown := w.deepLook(t, "fk-orphans", defaults())
	if len(found) != 1 || found[0].Object != "public.open constraint open_id_fkey" || len(unknown) != 1 ||
		!strings.Contains(unknown[0].Reason, `public."C ""c" constraint c1: the role may not read both tables: GRANT USAGE ON SCHEMA public TO "`+role+`"; GRANT SELECT ON public."C ""c", public.p TO`) {
		t.Errorf("%+v, %+v", found, unknown)
	}
	_, grants, _ := strings.Cut(unknown[0].Reason, "both tables: ")
	w.target.exec(t, grants)
	if _, unknown = w.deepLook(t, "fk-orphans", defaults()); len(unknown) > 0 {
		t.Errorf("after its own GRANT: %+v", unknown)
	}
	found, unknown = w.deepLook(t, "index-disagrees", defaults())
	if diff := cmp.Diff([]string{"block target public.open index open_w", "info source", "info target"}, graded(found)); diff != "" || len(unknown) > 0 {
		t.Errorf("(-want +found):\n%s%+v", diff, unknown)
	}
	for _, h := range found {
		if h.Severity == schema.Info {
			if !strings.Contains(h.Sentence, "may not execute bt_index_check") {
				t.Errorf("%+v", h)
			}
			w.on(h.Side).exec(t, h.Fix)
		}
	}
	if found, unknown = w.deepLook(t, "index-disagrees", defaults()); !cmp.Equal([]string{"block target public.open index open_w"}, graded(found)) || len(unknown) > 0 {
		t.Errorf("with amcheck: %+v %+v", found, unknown)
	}
}

// asRole makes a role that may log in and nothing else, and reads as it.
func (e *end) asRole(t *testing.T, role string) {
	t.Helper()
	e.exec(t, fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD 'secret'`, role))
	t.Cleanup(func() {
		if _, err := e.conn.Exec(context.Background(), fmt.Sprintf(`DROP OWNED BY %q; DROP ROLE %[1]q`, role), pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Log(err)
		}
	})
	u, err := url.Parse(e.url)
	if err != nil {
		t.Fatal(err)
	}
	e.db = openDB(t, e.db.Side(), e.cluster.UserURL(role, "secret", strings.TrimPrefix(u.Path, "/")))
}

// TestDeepOfStandby: the indexes of a standby are looked at in place, and what it
// shares with its primary is not rehearsed.
func TestDeepOfStandby(t *testing.T) {
	slow(t)
	t.Parallel()
	primary, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 15, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop(context.Background()) })
	url := primary.TestDB(t, `CREATE EXTENSION amcheck; CREATE SEQUENCE s; CREATE MATERIALIZED VIEW seen AS SELECT 1`, indexed[0], indexed[len(indexed)-4])
	standby, err := primary.Standby(t.Context(), nil)
	if errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop(context.Background()) })
	from := newEnd(t, postgres.Source, primary, url)
	w := &world{source: from, target: newEnd(t, postgres.Target, standby, standby.URL(from.db.Server().Database))}
	o := defaults()
	o.Measure = 100 * time.Millisecond
	if found, unknown := w.deepLook(t, "index-disagrees", o); len(found)+len(unknown) > 0 {
		t.Errorf("healthy: %+v, %+v", found, unknown)
	}
	h, notes := w.rehearse(t, o)
	if diff := cmp.Diff([]string{"verify (writes)", "freeze", "drain", "gate", "redirect"}, h.phaseNames()); diff != "" || len(notes) > 0 || h.Rate == nil {
		t.Errorf("%q (-want +got):\n%s", notes, diff)
	}
	w.source.exec(t, reclassified[1])
	until(t, "it is replayed", func() bool {
		return w.target.ask(t, `SELECT pg_last_wal_replay_lsn() >= '`+w.source.ask(t, `SELECT pg_current_wal_lsn()`)+`'`) == "true"
	})
	w.source.anew(t)
	w.target.anew(t)
	found, unknown := w.deepLook(t, "index-disagrees", o)
	if diff := cmp.Diff([]string{"block source public.num index num_grade", "block target public.num index num_grade"}, graded(found)); diff != "" || len(unknown) > 0 {
		t.Errorf("%+v (-want +got):\n%s", unknown, diff)
	}
}

// TestOrphansOfWhatIsOnItsWay: a row that came before the one it points to, whose
// table is still to be copied, is no orphan; nobody is told to delete it.
func TestOrphansOfWhatIsOnItsWay(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p)`)
	w.source.exec(t, `INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1)`)
	w.target.exec(t, `INSERT INTO p VALUES (1)`) // makes its copy fail, again and again
	name := fmt.Sprintf("flight_%d", worlds.Add(1))
	w.source.exec(t, "CREATE PUBLICATION "+name+" FOR ALL TABLES")
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", name, w.source.url))
	until(t, "c is copied", func() bool { return w.target.ask(t, "SELECT count(*) FROM c") == "1" })
	w.target.exec(t, `ALTER TABLE p ADD CONSTRAINT no_copy CHECK (id <> 1) NOT VALID`, `SET session_replication_role = replica`, `UPDATE p SET id = 2`, `RESET session_replication_role`)
	found, unknown := w.deepLook(t, "fk-orphans", defaults())
	if len(found) > 0 || len(unknown) != 1 || !strings.Contains(unknown[0].Reason, "still being copied") {
		t.Errorf("on its way: %+v %+v", found, unknown)
	}
	w.target.exec(t, `ALTER TABLE p DROP CONSTRAINT no_copy`)
	until(t, "p is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	if found, unknown := w.deepLook(t, "fk-orphans", defaults()); len(found)+len(unknown) > 0 {
		t.Errorf("arrived: %+v %+v", found, unknown)
	}
	w.target.exec(t, `SET session_replication_role = replica; INSERT INTO c VALUES (2, 77)`)
	if found, unknown := w.deepLook(t, "fk-orphans", defaults()); len(found) != 1 || len(unknown) > 0 {
		t.Errorf("a real one: %+v %+v", found, unknown)
	}
}
