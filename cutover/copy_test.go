package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// copier is a run with delayed tables, in small runs of rows.
func (w *world) copier(t *testing.T, list ...Delayed) *run {
	t.Helper()
	o := w.options(t)
	o.Delayed = list
	r := w.open(t, o)
	r.prepared.copyBatch = 100
	return r
}

// alike compares a table's rows on both sides, as text.
func (w *world) alike(t *testing.T, table string) {
	t.Helper()
	q := fmt.Sprintf("SELECT count(*) || ' ' || md5(string_agg(r::text, E'\\n' ORDER BY r::text COLLATE \"C\")) FROM %s AS r", table)
	if s, g := w.source.ask(t, q), w.target.ask(t, q); s != g {
		t.Errorf("%s: source %s, target %s", table, s, g)
	}
}

const hostileTable = `CREATE SCHEMA "S'c"; CREATE DOMAIN "S'c"."wh en" AS timestamptz NOT NULL; CREATE TYPE "S'c".mood AS ENUM ('so so', 'o"k');
CREATE TABLE "S'c"."T.b\" ("I d" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at "S'c"."wh en" NOT NULL, v text, m "S'c".mood, b bytea, n numeric, a text[], f float8); CREATE INDEX ON "S'c"."T.b\" (at)`

const hostileRows = `INSERT INTO "S'c"."T.b\" (at, v, m, b, n, a, f) SELECT '2020-01-01'::timestamptz + g / 7 * interval '1 second', CASE g %% 5 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'\\.\t\n\\N' ELSE 'ü' || g END,
  'o"k', decode(md5(g::text), 'hex'), g / 7.0, ARRAY[NULL, 'NULL', '"', E'\\'], 0.1 + g FROM generate_series(%d, %d) g`

// TestCopyDelayed: everything before the window, the rest in it, ties and odd
// values included; triggers don't fire, generated and identity columns are as
// they were.
func TestCopyDelayed(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]int{{15, 18}, {10, 13}} {
		t.Run(fmt.Sprint(pair), func(t *testing.T) {
			t.Parallel()
			generated := ""
			if pair[0] >= 12 {
				generated = `; ALTER TABLE "S'c"."T.b\" ADD twice bigint GENERATED ALWAYS AS ("I d" * 2) STORED`
			}
			w := newWorld(t, pair[0], pair[1], hostileTable+generated, `CREATE TABLE log (day date NOT NULL, line text); CREATE INDEX ON log (day); CREATE TABLE none (id int PRIMARY KEY)`)
			w.target.exec(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END'; CREATE TRIGGER fails BEFORE INSERT ON log FOR EACH ROW EXECUTE PROCEDURE fail()`)
			w.source.exec(t, fmt.Sprintf(hostileRows, 1, 1000), `INSERT INTO log SELECT '2020-01-01'::date + g / 300, 'line ' || g FROM generate_series(1, 1000) g`)
			list := []Delayed{{Table: `S'c.T.b\`, Column: "at"}, {Table: "public.log", Column: "day"}, {Table: "public.none"}}
			r := w.copier(t, list...)
			for _, part := range []func(context.Context) error{r.checkDelayed, r.copyBefore} {
				if err := part(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.alike(t, `"S'c"."T.b\"`)
			w.alike(t, "log")
			w.source.exec(t, fmt.Sprintf(hostileRows, 1001, 1250), `INSERT INTO log SELECT '2022-01-01', 'late ' || g FROM generate_series(1, 10) g`, `INSERT INTO none VALUES (7)`)
			r = w.copier(t, list...) // another process
			if err := r.copyInWindow(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{`"S'c"."T.b\"`, "log", "none"} {
				w.alike(t, table)
			}
			r.actions()
			if err := r.copyAfter(t.Context()); err != nil {
				t.Fatal(err)
			}
			if ids := r.actions(); len(ids) > 0 {
				t.Errorf("after: %v", ids)
			}
		})
	}
}

// TestCopyKilled between two runs: what is committed is neither lost nor there
// twice, also without a key.
func TestCopyKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE log (n int NOT NULL, line text); CREATE INDEX ON log (n)`)
	w.source.exec(t, `INSERT INTO log SELECT g / 3, 'line ' || g FROM generate_series(1, 1000) g`)
	killed := errors.New("killed")
	for kill := range 4 {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := w.copier(t, Delayed{Table: "public.log", Column: "n"})
		events := 0
		r.o.OnEvent = func(Event) {
			if events++; events == 2 {
				cancel(killed)
			}
		}
		if err := r.copyBefore(ctx); err == nil {
			t.Fatalf("kill %d: it ended: the test is too small", kill)
		}
		cancel(nil)
	}
	if got := w.target.ask(t, `SELECT count(*) FROM log`); got == "0" || got == "1000" {
		t.Fatalf("%s rows: nothing was interrupted", got)
	}
	if err := w.copier(t, Delayed{Table: "public.log", Column: "n"}).copyBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.alike(t, "log")
}

// TestCopyWaitsForWriters: a row whose value was drawn before, and which is
// committed later, is not passed by.
func TestCopyWaitsForWriters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE t (id int PRIMARY KEY)`)
	slow := connect(t, w.source.url)
	for _, sql := range []string{`BEGIN`, `INSERT INTO t VALUES (1)`} {
		if _, err := slow.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	w.source.exec(t, `INSERT INTO t VALUES (2)`)
	r := w.copier(t, Delayed{Table: "public.t"})
	done := make(chan error, 1)
	go func() { done <- r.copyBefore(t.Context()) }()
	until(t, "writers are waited for", func() bool {
		return w.source.ask(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgparity cutover test' AND query LIKE '%writers%'`) != "0"
	})
	if _, err := slow.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.alike(t, "t")
}

// TestCopyOutOfOrder: rows that came behind the watermark are found in the
// window, by their keys; a row that differs there ends it, and so does a table
// whose rows cannot be told apart.
func TestCopyOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE k (a int, b text COLLATE "C", PRIMARY KEY (a, b)); CREATE TABLE bare (id int NOT NULL); CREATE INDEX ON bare (id)`)
	w.source.exec(t, `INSERT INTO t SELECT g, 'v' FROM generate_series(2, 2000, 2) g; INSERT INTO k SELECT g, 'x' FROM generate_series(2, 2000, 2) g; INSERT INTO bare SELECT generate_series(2, 20, 2)`)
	list := []Delayed{{Table: "public.t"}, {Table: "public.k", Column: "a"}}
	r := w.copier(t, list...)
	if err := r.copyBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.source.exec(t, `INSERT INTO t VALUES (1501, 'cached'), (1, 'cached'), (2001, 'new'); INSERT INTO k VALUES (1500, 'it''s\'), (2003, '')`)
	if err := r.copyInWindow(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.alike(t, "t")
	w.alike(t, "k")

	w.target.exec(t, `UPDATE t SET v = 'other' WHERE id = 1000`)
	if err := r.copyInWindow(t.Context()); !errSays(err, "target: row id=1000 of public.t is there, and is not the one of the source") {
		t.Errorf("%v", err)
	}
	r = w.copier(t, Delayed{Table: "public.bare", Column: "id"})
	if err := r.copyBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.source.exec(t, `INSERT INTO bare VALUES (3)`)
	if err := r.copyInWindow(t.Context()); !errSays(err, "it has no key to tell which") {
		t.Errorf("%v", err)
	}
}

// TestCopyAfter: when the target is live, what the source had is copied beside
// what is new there, killed or not, and a row that is in the way is named.
func TestCopyAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE now_ (id int PRIMARY KEY)`)
	w.source.exec(t, `INSERT INTO t SELECT g, 'old' FROM generate_series(1, 300) g`)
	list := []Delayed{{Table: "public.t", After: true}, {Table: "public.now_"}}
	r := w.copier(t, list...)
	if err := r.copyBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.source.exec(t, `INSERT INTO t SELECT g, 'late' FROM generate_series(301, 1000) g; INSERT INTO now_ VALUES (1)`)
	if err := r.copyInWindow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.target.ask(t, `SELECT max(id) || ' ' || (SELECT count(*) FROM now_) FROM t`); got != "300 1" {
		t.Errorf("in the window: %s", got)
	}
	facts := r.facts
	// The application writes there, and somebody to the old side.
	w.target.exec(t, `INSERT INTO t SELECT g, 'new' FROM generate_series(1001, 1100) g`)
	w.source.exec(t, `INSERT INTO t VALUES (2000, 'too late')`)

	ctx, cancel := context.WithCancelCause(t.Context())
	r = w.copier(t, list...)
	r.facts = facts
	r.o.OnEvent = func(Event) { cancel(errors.New("killed")) }
	if err := r.copyAfter(ctx); err == nil {
		t.Fatal("it was not killed")
	}
	// A row of the application's lies among those that are missing, and one is in the way.
	w.target.exec(t, `DELETE FROM t WHERE id = 310; INSERT INTO t VALUES (700, 'new')`)
	r = w.copier(t, list...)
	r.facts = facts
	if err := r.copyAfter(t.Context()); !errSays(err, "row id=700 of public.t is there, and is not the one of the source") {
		t.Errorf("%v", err)
	}
	w.target.exec(t, `DELETE FROM t WHERE id = 700`)
	r = w.copier(t, list...)
	r.facts = facts
	for range 2 {
		if err := r.copyAfter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.target.ask(t, `SELECT string_agg(v || ' ' || n, ', ' ORDER BY v) FROM (SELECT v, count(*) AS n FROM t GROUP BY v) s`); got != "late 700, new 100, old 300" {
		t.Errorf("%s", got)
	}
	r.facts.Ends = nil
	if err := r.copyAfter(t.Context()); !errSays(err, "copy the rest of it by hand") {
		t.Errorf("%v", err)
	}
}

// TestCopyInAPlan: it prints the statements, and copies nothing.
func TestCopyInAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE t (id int PRIMARY KEY, v text)`)
	w.source.exec(t, `INSERT INTO t VALUES (1, 'a')`)
	r := w.copier(t, Delayed{Table: "public.t"})
	r.exec = &dry{}
	for _, part := range []func(context.Context) error{r.checkDelayed, r.copyBefore, r.copyInWindow, r.copyAfter} {
		if err := part(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list := r.exec.taken()
	var ids []string
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	if !slices.Equal(ids, []string{"delayed-tables", "copy-before", "copy-window"}) || !strings.Contains(list[1].Do, `COPY (SELECT "id", "v" FROM ONLY "public"."t" AS t ORDER BY t."id") TO STDOUT`) {
		t.Errorf("%v\n%s", ids, list[1].Do)
	}
	if got := w.target.ask(t, `SELECT count(*) FROM t`); got != "0" {
		t.Errorf("%s rows", got)
	}
}
