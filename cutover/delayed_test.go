package cutover

import (
	"fmt"
	"strings"
	"testing"
)

// TestCheckDelayed: what cannot be copied as it is said is told of before
// anything is touched.
func TestCheckDelayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE good (id bigserial PRIMARY KEY, at timestamptz NOT NULL, v text); CREATE INDEX ON good (at)`,
		`CREATE TABLE carried (id int PRIMARY KEY); CREATE TABLE tree (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE tree_1 PARTITION OF tree FOR VALUES FROM (0) TO (100)`)
	w.replicate(t)
	w.source.exec(t, `ALTER PUBLICATION `+w.name+` DROP TABLE good`)
	w.target.exec(t, `ALTER SUBSCRIPTION `+w.name+` REFRESH PUBLICATION`)
	both := func(sql ...string) {
		t.Helper()
		w.source.exec(t, sql...)
		w.target.exec(t, sql...)
	}
	both(`CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE nullable (id int PRIMARY KEY, v int); CREATE INDEX ON nullable (v)`,
		`CREATE TABLE bare (id int NOT NULL); CREATE TABLE words (w text COLLATE "C" PRIMARY KEY); CREATE TABLE prose (w text PRIMARY KEY); CREATE TABLE more (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY, v int)`,
		`CREATE VIEW seen AS SELECT 1 AS id; CREATE TABLE fired (id int PRIMARY KEY); CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TABLE floats (f float8 PRIMARY KEY)`,
		`CREATE TABLE pub (id int PRIMARY KEY)`)
	w.source.exec(t, `CREATE TABLE here (id int PRIMARY KEY)`, `ALTER TABLE more ADD v int`, `ALTER PUBLICATION `+w.name+` ADD TABLE pub`)
	w.target.exec(t, `ALTER TABLE other ALTER v TYPE text`, `CREATE TRIGGER always BEFORE INSERT ON fired FOR EACH ROW EXECUTE PROCEDURE noop(); ALTER TABLE fired ENABLE ALWAYS TRIGGER always`)
	r := w.open(t, w.options(t))
	for _, c := range []struct {
		d    Delayed
		want string
	}{
		{Delayed{Table: "public.good"}, ""},
		{Delayed{Table: "public.good", Column: "at", After: true}, ""},
		{Delayed{Table: "public.one"}, ""},
		{Delayed{Table: "public.words"}, ""},
		{Delayed{Table: "one"}, "write it as schema.table"},
		{Delayed{Table: "public.seen"}, "there is no such table"},
		{Delayed{Table: "public.here"}, "the target does not have it"},
		{Delayed{Table: "public.carried"}, "subscription " + w.name + " carries it already"},
		{Delayed{Table: "public.tree"}, "subscription " + w.name + " carries it already"},
		{Delayed{Table: "public.pub"}, "publication " + w.name + " has it"},
		{Delayed{Table: "public.pair"}, "its key is not one column"},
		{Delayed{Table: "public.pair", Column: "b"}, "no index leads with column b"},
		{Delayed{Table: "public.pair", Column: "a"}, ""},
		{Delayed{Table: "public.pair", Column: "z"}, `no column "z"`},
		{Delayed{Table: "public.nullable", Column: "v"}, "may be NULL"},
		{Delayed{Table: "public.bare"}, "its key is not one column"},
		{Delayed{Table: "public.bare", Column: "id"}, "no index leads with column id"},
		{Delayed{Table: "public.prose"}, "order differently"},
		{Delayed{Table: "public.floats"}, "order differently"},
		{Delayed{Table: "public.more"}, "only one side has column v"},
		{Delayed{Table: "public.other"}, "public.other.v"},
		{Delayed{Table: "public.fired"}, "triggers always would fire"},
	} {
		r.o.Delayed, r.prepared, r.result.Notes = []Delayed{c.d}, prepared{}, nil
		err := r.checkDelayed(t.Context())
		if !errSays(err, c.want) {
			t.Errorf("%+v: %v, want %q", c.d, err, c.want)
		}
		if err == nil && !strings.Contains(strings.Join(r.result.Notes, "\n"), "are taken to be added alone") {
			t.Errorf("%+v: the operator is not told of what is taken for granted: %v", c.d, r.result.Notes)
		}
	}
}

// TestDelayedWithoutSuperuser: the role needs what the errors name, and no more;
// and triggers it cannot pass by are not fired.
func TestDelayedWithoutSuperuser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 13, 15, `CREATE TABLE t (id int PRIMARY KEY, v text); CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER here BEFORE INSERT ON t FOR EACH ROW EXECUTE PROCEDURE noop()`)
	w.source.exec(t, `INSERT INTO t SELECT g, 'x' FROM generate_series(1, 500) g`)
	role := w.role(t, "copier")
	o := w.options(t)
	o.Source, o.Target, o.Delayed = w.source.forRole(role), w.target.forRole(role), []Delayed{{Table: "public.t"}}
	for _, step := range []struct {
		want, sql string
		place     *place
	}{
		{"source: the role may not read all of it", `GRANT SELECT ON t TO ` + role, w.source},
		{"target: the role may not read all of it", `GRANT SELECT ON t TO ` + role, w.target},
		{"GRANT INSERT ON public.t TO " + fmt.Sprintf("%q", role), `GRANT INSERT ON t TO ` + role, w.target},
		{"triggers here would fire for each row that is copied: run as a superuser", `ALTER TABLE t DISABLE TRIGGER here`, w.target},
	} {
		if err := w.open(t, o).checkDelayed(t.Context()); !errSays(err, step.want) {
			t.Errorf("%v, want %q", err, step.want)
		}
		step.place.exec(t, step.sql)
	}
	r := w.open(t, o)
	if err := r.checkDelayed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.copyBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.target.ask(t, `SELECT count(*) FROM t`); got != "500" {
		t.Errorf("%s rows", got)
	}
}
