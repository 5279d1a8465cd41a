package cutover

import (
	"slices"
	"strings"
	"testing"
)

// undertaken is what a run has listed or run since: id and statement.
func (r *run) undertaken() (list []string) {
	for _, a := range r.exec.taken() {
		list = append(list, a.ID+": "+a.Do)
	}
	return list
}

// ready runs readyTarget and gives what it did.
func (r *run) ready(t *testing.T) []string {
	t.Helper()
	if err := r.readyTarget(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.undertaken()
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }) {
			t.Errorf("no %q", w)
		}
	}
	if len(got) != len(want) || t.Failed() {
		t.Errorf("%d actions, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

// TestReadyValidates what holds on the source and was never checked on the
// target, by name or by what it says, and nothing else.
func TestReadyValidates(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]int{{15, 18}, {10, 13}} {
		w := newWorld(t, pair[0], pair[1], `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE "Child " (id int PRIMARY KEY, p int, n int, z int)`)
		w.source.exec(t, `ALTER TABLE "Child " ADD CONSTRAINT "f k" FOREIGN KEY (p) REFERENCES p, ADD CONSTRAINT c CHECK (n > 0), ADD CONSTRAINT other CHECK (n < 10), ADD CONSTRAINT later CHECK (z > 0) NOT VALID, ALTER n SET NOT NULL`)
		w.target.exec(t, `ALTER TABLE "Child " ADD CONSTRAINT "f k" FOREIGN KEY (p) REFERENCES p NOT VALID, ADD CONSTRAINT c CHECK (n > 0) NOT VALID, ADD CONSTRAINT renamed CHECK (n < 10) NOT VALID, ADD CONSTRAINT later CHECK (z > 0) NOT VALID`)
		want := []string{`ready-validate: ALTER TABLE "public"."Child " VALIDATE CONSTRAINT "f k"`, `ready-validate: ALTER TABLE "public"."Child " VALIDATE CONSTRAINT "c"`, `ready-validate: ALTER TABLE "public"."Child " VALIDATE CONSTRAINT "renamed"`}
		if pair[1] == 18 {
			w.target.exec(t, `ALTER TABLE "Child " ADD CONSTRAINT nn NOT NULL n NOT VALID`)
			want = append(want, `ready-validate: ALTER TABLE "public"."Child " VALIDATE CONSTRAINT "nn"`)
		}
		r := w.open(t, w.options(t))
		r.exec = &dry{}
		expect(t, r.ready(t), want...)
		r.exec = &live{}
		w.target.exec(t, `SET session_replication_role = replica; INSERT INTO "Child " VALUES (1, 77, 5, 1); RESET session_replication_role`)
		if err := r.readyTarget(t.Context()); !errSays(err, "rows there differ from the source's") {
			t.Errorf("%v", err)
		}
		w.target.exec(t, `DELETE FROM "Child "`, `VACUUM ANALYZE "Child "`)
		r.undertaken()
		_ = r.ready(t) // what was validated before the error stays so
		if got := w.target.ask(t, `SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE NOT convalidated`); got != "later" {
			t.Errorf("not valid: %s", got)
		}
		expect(t, r.ready(t))
	}
}

// TestReadyFindsOrphans of the keys that the source does not vouch for: the
// server says nothing of those that count as valid.
func TestReadyFindsOrphans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int)`, `INSERT INTO c VALUES (1, 1)`)
	r := w.open(t, w.options(t))
	expect(t, looked(r.ready(t)))
	// The target alone has it, and it counts as valid.
	w.target.exec(t, `INSERT INTO p VALUES (1); ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p; SET session_replication_role = replica; DELETE FROM p; RESET session_replication_role`)
	if err := r.readyTarget(t.Context()); !errSays(err, "target: 1 rows of public.c constraint fk point to a row that is not there") {
		t.Errorf("%v", err)
	}
	// Not valid on both: the source's orphans are no news.
	w.source.exec(t, `ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p NOT VALID`)
	r.undertaken()
	expect(t, looked(r.ready(t)), "ready-orphans: SELECT count(*)")
	if !strings.Contains(strings.Join(r.result.Notes, "\n"), "1 rows of public.c constraint fk point to a row that is not there, as on the source") {
		t.Errorf("%v", r.result.Notes)
	}
	// More of them are.
	w.target.exec(t, `SET session_replication_role = replica; INSERT INTO c VALUES (2, 2); RESET session_replication_role`)
	if err := r.readyTarget(t.Context()); !errSays(err, "target: 2 rows of public.c constraint fk") {
		t.Errorf("%v", err)
	}
	// Valid on both: nothing to ask.
	w.target.exec(t, `INSERT INTO p VALUES (1), (2)`)
	w.source.exec(t, `INSERT INTO p VALUES (1); ALTER TABLE c VALIDATE CONSTRAINT fk`)
	r.undertaken()
	expect(t, looked(r.ready(t)))
}

// looked leaves out what is of no interest beside foreign keys.
func looked(list []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return strings.HasPrefix(s, "ready-analyze") })
}

// invalidIndex makes an index that is not valid, by a broken CONCURRENTLY.
const invalidIndex = `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '%s'::regclass`

// TestReadyReindexes what is valid on the source and not on the target.
func TestReadyReindexes(t *testing.T) {
	t.Parallel()
	sql := `CREATE TABLE t (id int PRIMARY KEY, v int); CREATE INDEX "I x" ON t (v); CREATE INDEX both_broken ON t (v, id); CREATE INDEX of_name_ccnew ON t (id, v)`
	broken := func(names ...string) string {
		var list []string
		for _, n := range names {
			list = append(list, strings.ReplaceAll(invalidIndex, "%s", n))
		}
		return strings.Join(list, ";")
	}
	w := newWorld(t, 15, 18, sql)
	w.source.exec(t, broken("both_broken"))
	w.target.exec(t, `CREATE INDEX i_ccnew1 ON t (v)`, broken(`"I x"`, "both_broken", "of_name_ccnew", "i_ccnew1"))
	r := w.open(t, w.options(t))
	expect(t, r.ready(t), `ready-reindex: REINDEX INDEX CONCURRENTLY "public"."I x"`, `ready-reindex: REINDEX INDEX CONCURRENTLY "public"."of_name_ccnew"`, `ready-drop-index: DROP INDEX CONCURRENTLY "public"."i_ccnew1"`)
	if got := w.target.ask(t, `SELECT string_agg(indexrelid::regclass::text, ',') FROM pg_index WHERE NOT indisvalid`); got != "both_broken" {
		t.Errorf("not valid: %s", got)
	}
	if got, err := text(t.Context(), r.to.control, "test", "SELECT pg_catalog.current_setting('lock_timeout')"); got != "5s" {
		t.Errorf("lock_timeout is left at %s (%v)", got, err)
	}
	expect(t, r.ready(t))
	// A partition lacks one.
	w.source.exec(t, `CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE INDEX parts_id ON parts (id)`)
	w.target.exec(t, `CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1); CREATE INDEX parts_id ON ONLY parts (id)`)
	if err := r.readyTarget(t.Context()); !errSays(err, "ATTACH PARTITION") {
		t.Errorf("%v", err)
	}
	old := newWorld(t, 10, 11, sql)
	old.target.exec(t, broken(`"I x"`))
	if err := old.open(t, old.options(t)).readyTarget(t.Context()); !errSays(err, `CREATE INDEX CONCURRENTLY`) {
		t.Errorf("%v", err)
	}
}

// TestReadyAnalyses what has rows and no statistics, all at once where the
// server takes a list.
func TestReadyAnalyses(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]int{{15, 18}, {10, 10}, {11, 13}} {
		w := newWorld(t, pair[0], pair[1], `CREATE TABLE none (id int); CREATE TABLE "So me" (id int); CREATE TABLE more (id int); CREATE TABLE was (id int); CREATE TABLE tree (id int) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF tree FOR VALUES IN (1)`)
		w.target.exec(t, `ALTER TABLE "So me" SET (autovacuum_enabled = off); ALTER TABLE more SET (autovacuum_enabled = off); ALTER TABLE leaf SET (autovacuum_enabled = off)`,
			`INSERT INTO "So me" VALUES (1); INSERT INTO more VALUES (1); INSERT INTO was VALUES (1); INSERT INTO tree VALUES (1)`, `ANALYZE was`)
		r := w.open(t, w.options(t))
		if pair[1] == 10 {
			expect(t, r.ready(t), `ready-analyze: ANALYZE "public"."So me"`, `ready-analyze: ANALYZE "public"."more"`, `ready-analyze: ANALYZE "public"."tree"`)
		} else {
			expect(t, r.ready(t), `ready-analyze: ANALYZE "public"."So me", "public"."more", "public"."tree"`)
		}
		if got := w.target.ask(t, `SELECT string_agg(DISTINCT tablename, ',' ORDER BY tablename) FROM pg_stats WHERE schemaname = 'public'`); got != "So me,leaf,more,tree,was" {
			t.Errorf("%v: analysed: %s", pair, got)
		}
		expect(t, r.ready(t))
	}
}

// TestReadyRefreshes views that were never filled, and those that are named,
// each behind what it reads.
func TestReadyRefreshes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE t (id int); INSERT INTO t VALUES (1); ANALYZE t`,
		`CREATE MATERIALIZED VIEW z_base AS SELECT id FROM t; CREATE VIEW between_ AS SELECT id FROM z_base; CREATE MATERIALIZED VIEW "A top" AS SELECT id FROM between_`,
		`CREATE MATERIALIZED VIEW filled AS SELECT id FROM t; CREATE MATERIALIZED VIEW empty_there AS SELECT id FROM t; CREATE MATERIALIZED VIEW report_a AS SELECT id FROM t; CREATE UNIQUE INDEX ON report_a (id); CREATE MATERIALIZED VIEW report_b AS SELECT id FROM t`)
	w.target.exec(t, `REFRESH MATERIALIZED VIEW "A top" WITH NO DATA; REFRESH MATERIALIZED VIEW z_base WITH NO DATA; REFRESH MATERIALIZED VIEW empty_there WITH NO DATA; ANALYZE`)
	w.source.exec(t, `REFRESH MATERIALIZED VIEW empty_there WITH NO DATA`)
	o := w.options(t)
	o.RefreshMatviews = []string{"public.report_*"}
	r := w.open(t, o)
	got := r.ready(t)
	expect(t, got, `ready-refresh: REFRESH MATERIALIZED VIEW "public"."z_base"`, `ready-refresh: REFRESH MATERIALIZED VIEW "public"."A top"`,
		`ready-refresh: REFRESH MATERIALIZED VIEW CONCURRENTLY "public"."report_a"`, `ready-refresh: REFRESH MATERIALIZED VIEW "public"."report_b"`, `ready-analyze: ANALYZE "public"."A top", "public"."z_base"`)
	base := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "z_base") })
	if top := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "A top") }); top < base {
		t.Errorf("a view is filled before the one that it reads:\n%s", strings.Join(got, "\n"))
	}
	r.o.RefreshMatviews = nil
	expect(t, r.ready(t))
}

// TestReadyNeedsTheOwner: what the role may not do is said, in a plan too, and
// what the filter leaves out is left alone.
func TestReadyNeedsTheOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE mine (id int); CREATE TABLE theirs (id int); CREATE TABLE split (id int) PARTITION BY LIST (id); CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1)`)
	role := w.role(t, "owner")
	for _, p := range []*place{w.source, w.target} {
		p.exec(t, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO `+role, `ALTER TABLE mine OWNER TO `+role)
	}
	w.source.exec(t, `ALTER TABLE mine ADD CONSTRAINT c CHECK (id > 0); ALTER TABLE theirs ADD CONSTRAINT c CHECK (id > 0); ALTER TABLE split_1 ADD CONSTRAINT c CHECK (id > 0)`)
	w.target.exec(t, `ALTER TABLE mine ADD CONSTRAINT c CHECK (id > 0) NOT VALID; ALTER TABLE theirs ADD CONSTRAINT c CHECK (id > 0) NOT VALID; ALTER TABLE split_1 ADD CONSTRAINT c CHECK (id > 0) NOT VALID`)
	o := w.options(t)
	o.Source, o.Target = w.source.forRole(role), w.target.forRole(role)
	r := w.open(t, o)
	r.exec = &dry{}
	r.ready(t)
	if !strings.Contains(strings.Join(r.result.Notes, "\n"), "needs the role of the owner: GRANT postgres TO") {
		t.Errorf("%v", r.result.Notes)
	}
	r.exec = &live{}
	if err := r.readyTarget(t.Context()); !errSays(err, "needs the role of the owner: GRANT postgres TO") {
		t.Errorf("%v", err)
	}
	o.Verify.Pairing.Filter.ExcludeTables = []string{"theirs", "split"}
	expect(t, w.open(t, o).ready(t)) // mine was validated before the error
	if got := w.target.ask(t, `SELECT string_agg(conrelid::regclass::text, ',' ORDER BY 1) FROM pg_constraint WHERE NOT convalidated`); got != "split_1,theirs" && got != "theirs,split_1" {
		t.Errorf("not valid: %s", got)
	}
}
