package cutover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// positions are where sequences stand on one side.
func (p *place) positions(t *testing.T, names ...string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, n := range names {
		got[n] = p.ask(t, "SELECT last_value || CASE WHEN is_called THEN '' ELSE ' not called' END FROM "+n)
	}
	return got
}

// actions are the ids of what was done since.
func (r *run) actions() (ids []string) {
	for _, a := range r.exec.taken() {
		ids = append(ids, a.ID)
	}
	return ids
}

var hostileSequences = []string{
	`CREATE SCHEMA "My ""Schema\"`,
	`CREATE SEQUENCE "My ""Schema\"."it's; DROP"`,
	`CREATE TABLE "My ""Schema\"."Tab.le" ("I d" int PRIMARY KEY DEFAULT nextval('"My ""Schema\"."it''s; DROP"'))`,
	`CREATE TABLE owned (id bigserial PRIMARY KEY); CREATE TABLE ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)`,
	`CREATE TABLE filled (id bigserial PRIMARY KEY); CREATE TABLE marked (id serial PRIMARY KEY)`,
	`CREATE SEQUENCE free; CREATE SEQUENCE virgin; CREATE SEQUENCE gone MAXVALUE 5; CREATE SEQUENCE ahead`,
	`CREATE SEQUENCE down_id INCREMENT -2 MAXVALUE 1000 START 1000; CREATE TABLE down (id numeric PRIMARY KEY DEFAULT nextval('down_id'))`,
	`CREATE SEQUENCE round MAXVALUE 10 CYCLE; CREATE SEQUENCE round_id MAXVALUE 10 CYCLE; CREATE TABLE rounds (id int PRIMARY KEY DEFAULT nextval('round_id'))`,
	`CREATE SEQUENCE bounded_id MAXVALUE 500; CREATE TABLE bounded (id bigint PRIMARY KEY DEFAULT nextval('bounded_id'))`,
	`CREATE SEQUENCE narrow_id; CREATE TABLE narrow (id smallint PRIMARY KEY DEFAULT nextval('narrow_id'))`,
	`CREATE TABLE plain (id bigserial, filler text)`, // no index
	`CREATE TABLE parts (id bigserial, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)`,
}

// TestSetSequences: every kind of sequence goes on behind its source, at once,
// and a second time nothing moves.
func TestSetSequences(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]int{{15, 18}, {11, 13}} {
		t.Run(fmt.Sprint(pair[0], " to ", pair[1]), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pair[0], pair[1], append(hostileSequences, `CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')`)...)
			o := w.options(t)
			o.SequenceMargin = 100
			r := w.open(t, o)
			w.source.exec(t, `SELECT setval('"My ""Schema\"."it''s; DROP"', 41), setval('owned_id_seq', 41), setval('ident_id_seq', 41), setval('filled_id_seq', 5), setval('marked_id_seq', 5), setval('free', 7),
				setval('gone', 5), setval('ahead', 10), setval('down_id', 500), setval('round', 8), setval('round_id', 9), setval('narrow_id', 32700), setval('bounded_id', 5), setval('plain_id_seq', 3), setval('parts_id_seq', 9)`)
			w.target.exec(t, `SELECT setval('ahead', 5000), setval('round', 9)`, `INSERT INTO filled VALUES (70)`, `INSERT INTO marked VALUES (6), (2147483647)`, `INSERT INTO down VALUES (498), (400.5), ('NaN')`,
				`INSERT INTO rounds VALUES (10), (1)`, `INSERT INTO bounded VALUES (-3), (20), (900)`, `INSERT INTO plain SELECT g, '' FROM generate_series(1, 40000) g`, `INSERT INTO parts VALUES (33, '2020-05-05')`)
			var err error
			if r.pair, err = rejoin(t, r); err != nil { // sizes are read with the catalog
				t.Fatal(err)
			}
			names := []string{`"My ""Schema\"."it's; DROP"`, "owned_id_seq", "ident_id_seq", "filled_id_seq", "marked_id_seq", "free", "virgin", "gone", "ahead", "down_id", "round", "round_id", "narrow_id", "bounded_id", "plain_id_seq", "parts_id_seq"}
			if err := r.checkSequences(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := r.setSequences(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{`"My ""Schema\"."it's; DROP"`: "141", "owned_id_seq": "141", "ident_id_seq": "141", "filled_id_seq": "170", "marked_id_seq": "105", "free": "107", "virgin": "1 not called", "gone": "5",
				"ahead": "5000", "down_id": "202", "round": "8", "round_id": "2 not called", "narrow_id": "32766", "bounded_id": "120", "plain_id_seq": "103", "parts_id_seq": "133"}
			// 400.5 is passed by 402, the next of the steps of 2 from 500; 100 steps on from there.
			if diff := cmp.Diff(want, w.target.positions(t, names...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			notes := strings.Join(r.result.Notes, "\n")
			for _, n := range []string{"public.gone have no value left", "public.marked_id_seq feed a column with values so far ahead", "public.plain.id hold was not looked at"} {
				if !strings.Contains(notes, n) {
					t.Errorf("no note %q in:\n%s", n, notes)
				}
			}
			if err := r.sameSequences(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"sequences-paired", "sequences-set", "sequences-same"}, r.actions()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// A second process knows nothing of the first.
			r.prepared = prepared{}
			if err := r.setSequences(t.Context()); err != nil {
				t.Fatal(err)
			}
			if ids := r.actions(); len(ids) > 0 {
				t.Errorf("the second time: %v", ids)
			}
			if err := r.sameSequences(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSequencesMovedSince: what happens to a sequence after it was set ends the
// window, on either side.
func TestSequencesMovedSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE SEQUENCE a; CREATE SEQUENCE b; CREATE SEQUENCE c CYCLE MAXVALUE 100`)
	for _, c := range []struct {
		name  string
		place *place
		sql   string
		want  string
	}{
		{"a value is taken", w.source, `SELECT nextval('a')`, "source: sequence public.a gave values"},
		{"set back", w.target, `SELECT setval('b', 1)`, "target: sequence public.b stands at 1, and has to stand at 50"},
		{"one that cycles is set ahead", w.target, `SELECT setval('c', 60)`, "target: sequence public.c stands at 60"},
		{"ahead does no harm", w.target, `SELECT setval('b', 90)`, ""},
		{"nothing", w.target, `SELECT 1`, ""},
	} {
		r := w.open(t, w.options(t))
		w.source.exec(t, `SELECT setval('a', 50), setval('b', 50), setval('c', 50)`)
		if err := r.setSequences(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.place.exec(t, c.sql)
		if err := r.sameSequences(t.Context()); !errSays(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// errSays tells whether an error has a text, or, for none, that there is none.
func errSays(err error, text string) bool {
	if text == "" || err == nil {
		return (text == "") == (err == nil)
	}
	return strings.Contains(err.Error(), text)
}

// TestSequencesThatCannotBeSet are told of before the window.
func TestSequencesThatCannotBeSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE SEQUENCE a; CREATE SEQUENCE other START 5`)
	w.target.exec(t, `ALTER SEQUENCE other START 6; CREATE SEQUENCE extra`)
	check := func(name, want string) {
		t.Helper()
		r := w.open(t, w.options(t))
		if err := r.checkSequences(t.Context()); !errSays(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := r.settable(t.Context()); !errSays(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("start and an extra one", "")
	for _, change := range []struct{ change, back, want string }{
		{`INCREMENT 2`, `INCREMENT 1`, "sequence public.a: its increment is 1 on the source and 2 on the target"},
		{`AS int`, `AS bigint`, "its type is bigint on the source and integer on the target"},
		{`MAXVALUE 77`, `NO MAXVALUE`, "its maximum is"},
		{`MINVALUE 0`, `MINVALUE 1`, "its minimum is"},
		{`CYCLE`, `NO CYCLE`, "its cycle is false on the source and true on the target"},
		{`RENAME TO z`, ``, "target: sequence public.a is missing"},
	} {
		w.target.exec(t, "ALTER SEQUENCE a "+change.change)
		check(change.change, change.want)
		if change.back != "" {
			w.target.exec(t, "ALTER SEQUENCE a "+change.back)
		}
	}
	w.target.exec(t, "ALTER SEQUENCE z RENAME TO a")
	o := w.options(t)
	o.Verify.Pairing.Filter.ExcludeTables = []string{"a"}
	w.target.exec(t, "DROP SEQUENCE a")
	if err := w.open(t, o).checkSequences(t.Context()); err != nil {
		t.Errorf("left out: %v", err)
	}
}

// TestSequencesWithoutPrivilege: the error is the GRANT that is lacking, and with
// it and no more they are set.
func TestSequencesWithoutPrivilege(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE t (id serial PRIMARY KEY)`)
	role := w.role(t, "setter")
	w.source.exec(t, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO `+role, `GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO `+role, `SELECT setval('t_id_seq', 9)`)
	o := w.options(t)
	o.Source, o.Target = w.source.forRole(role), w.target.forRole(role)
	for _, step := range []struct{ want, grant string }{
		{"target: where sequence public.t_id_seq stands is hidden: GRANT SELECT", `GRANT SELECT ON SEQUENCE t_id_seq TO ` + role},
		{"GRANT UPDATE ON SEQUENCE public.t_id_seq TO " + role, `GRANT UPDATE ON SEQUENCE t_id_seq TO ` + role},
	} {
		if err := w.open(t, o).checkSequences(t.Context()); !errSays(err, step.want) {
			t.Errorf("%v", err)
		}
		w.target.exec(t, step.grant)
	}
	r := w.open(t, o)
	if err := r.checkSequences(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.setSequences(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.target.positions(t, "t_id_seq")["t_id_seq"]; got != "9" {
		t.Errorf("stands at %s", got)
	}
	if !strings.Contains(strings.Join(r.result.Notes, "\n"), "public.t.id hold was not looked at") {
		t.Errorf("notes: %v", r.result.Notes)
	}
}

// TestManySequences: 100 are set within what a window has for them, and some
// thousands are set at all.
func TestManySequences(t *testing.T) {
	long(t)
	slow(t)
	for _, n := range []int{100, 3000} {
		w := newWorld(t, 15, 18, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE format('CREATE TABLE many_%%s (id bigserial PRIMARY KEY)', i); IF i %% 500 = 0 THEN COMMIT; END IF; END LOOP; END $$`, n))
		w.source.exec(t, `DO $$ DECLARE i int := 0; s oid; BEGIN FOR s IN SELECT oid FROM pg_class WHERE relkind = 'S' LOOP PERFORM setval(s, 1000); i := i + 1; IF i % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$`)
		r := w.open(t, w.options(t))
		if err := r.checkSequences(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, e := range []*end{r.from, r.to} {
			if err := e.db.Warm(t.Context(), r.poolSize()); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := r.setSequences(t.Context()); err != nil {
			t.Fatal(err)
		}
		set := time.Since(began)
		if err := r.sameSequences(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d sequences: set in %v, looked at again in %v", n, set, time.Since(began)-set)
		if got := w.target.ask(t, `SELECT count(*) FROM pg_sequences WHERE last_value = 1000`); got != fmt.Sprint(n) {
			t.Errorf("%s of %d stand at 1000", got, n)
		}
		if limit := 500 * time.Millisecond; n == 100 && set > limit { // generous: others use the machine
			t.Errorf("100 sequences took %v", set)
		}
	}
}

// TestSequencesInAPlan: a dry run sets nothing, and prints what it would.
func TestSequencesInAPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE SEQUENCE a`)
	w.source.exec(t, `SELECT setval('a', 50)`)
	r := w.open(t, w.options(t))
	r.exec = &dry{}
	for _, part := range []func() error{func() error { return r.checkSequences(t.Context()) }, func() error { return r.setSequences(t.Context()) }, func() error { return r.sameSequences(t.Context()) }} {
		if err := part(); err != nil {
			t.Fatal(err)
		}
	}
	list := r.exec.taken()
	if len(list) != 3 || !strings.Contains(list[1].Do, "('\"public\".\"a\"'::pg_catalog.regclass, 50::pg_catalog.int8, true)") {
		t.Errorf("%+v", list)
	}
	if got := w.target.positions(t, "a")["a"]; got != "1 not called" {
		t.Errorf("stands at %s", got)
	}
}
