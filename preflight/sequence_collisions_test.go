package preflight

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/schema"
)

// TestCollisionsThatACutoverLeaves: a cutover sets a sequence to where the
// source's is; a row of the target alone may have just that value.
func TestCollisionsThatACutoverLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18),
		`CREATE TABLE healthy (id serial PRIMARY KEY); CREATE TABLE stray (id serial PRIMARY KEY); CREATE TABLE down (id int PRIMARY KEY); CREATE SEQUENCE down_id INCREMENT -1 OWNED BY down.id`,
		`CREATE SEQUENCE two; CREATE TABLE one_ (id int PRIMARY KEY DEFAULT nextval('two')); CREATE TABLE other_ (id int PRIMARY KEY DEFAULT nextval('two'))`)
	w.replicate(t, "")
	w.source.exec(t, `INSERT INTO healthy SELECT FROM generate_series(1, 9); INSERT INTO stray SELECT FROM generate_series(1, 9); INSERT INTO down SELECT nextval('down_id') FROM generate_series(1, 9)`,
		`INSERT INTO one_ VALUES (1)`)
	until(t, "the rows are there", func() bool { return w.target.ask(t, "SELECT count(*) FROM healthy, stray, down, one_") == "729" })
	if found := w.look(t, "sequence-collides", defaults()); !cmp.Equal(severities(found), map[string]schema.Severity{"public.two": schema.Info}) {
		t.Errorf("healthy: %+v", found)
	}
	// The first column of the sequence has the value on both sides, the second on the target alone.
	w.target.exec(t, `INSERT INTO stray VALUES (10)`, `INSERT INTO down VALUES (-10)`, `INSERT INTO other_ VALUES (1), (5)`)
	found := w.look(t, "sequence-collides", defaults())
	want := map[string]schema.Severity{"public.stray_id_seq": schema.Block, "public.down_id": schema.Block, "public.two": schema.Block}
	if diff := cmp.Diff(want, severities(found)); diff != "" {
		t.Errorf("(-want +got):\n%s%+v", diff, found)
	}
	for _, h := range found {
		w.target.exec(t, h.Fix)
	}
	if found := w.look(t, "sequence-collides", defaults()); len(found) > 0 {
		t.Errorf("after their fixes: %+v", found)
	}
}

// TestSequencesOfOtherSteps: what sequences give next decides, not where they
// stand, and a fix never leads back into what a column has.
func TestSequencesOfOtherSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 10), pgcluster.Shared(t, 15),
		`CREATE SEQUENCE level; CREATE SEQUENCE wide INCREMENT 10; CREATE SEQUENCE short; CREATE TABLE used (id serial PRIMARY KEY); CREATE TABLE unused (id serial PRIMARY KEY)`,
		// What a default makes of a value is no value of the sequence.
		`CREATE SEQUENCE tens; CREATE TABLE tenfold (id int PRIMARY KEY DEFAULT nextval('tens') * 10); CREATE SEQUENCE cast_; CREATE TABLE casted (id numeric PRIMARY KEY DEFAULT nextval('cast_')::int::numeric)`,
		`CREATE TABLE lender (id serial PRIMARY KEY); CREATE TABLE borrower (id int PRIMARY KEY DEFAULT nextval('lender_id_seq'))`,
		`CREATE SEQUENCE named; CREATE TABLE late (id int PRIMARY KEY DEFAULT nextval('named'::text)); ALTER SEQUENCE named OWNED BY late.id`)
	w.source.exec(t, `SELECT setval('level', 100), setval('wide', 91), setval('short', 500)`)
	w.target.exec(t, `ALTER SEQUENCE level INCREMENT 10; SELECT setval('level', 91)`, `ALTER SEQUENCE wide INCREMENT 1; SELECT setval('wide', 95)`, `ALTER SEQUENCE short MAXVALUE 100`,
		`INSERT INTO used VALUES (5); SELECT setval('used_id_seq', 5), setval('unused_id_seq', 5)`, `INSERT INTO tenfold VALUES (1), (50)`, `INSERT INTO casted VALUES (1)`,
		`INSERT INTO borrower VALUES (7)`, `INSERT INTO late VALUES (1)`)
	behind := w.look(t, "sequence-behind", defaults())
	if diff := cmp.Diff([]string{"target public.short", "target public.wide"}, names(behind)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, h := range behind {
		if h.Object == "public.short" && h.Fix != "" {
			t.Errorf("cannot be run: %s", h.Fix)
		}
		if h.Object == "public.wide" {
			w.target.exec(t, h.Fix)
		}
	}
	if found := w.look(t, "sequence-behind", defaults()); !cmp.Equal(names(found), []string{"target public.short"}) {
		t.Errorf("after the fix: %+v", found)
	}
	ahead := w.look(t, "sequence-ahead", defaults())
	for _, h := range ahead {
		if used := h.Object == "public.used_id_seq"; used != (h.Fix == "") {
			t.Errorf("%s: fix %q", h.Object, h.Fix)
		}
	}
	if diff := cmp.Diff([]string{"target public.unused_id_seq", "target public.used_id_seq"}, names(ahead)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"target public.cast_", "target public.named"}, names(w.look(t, "sequence-collides", defaults()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"target public.lender_id_seq"}, names(w.look(t, "sequence-feeds-by-default", defaults()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSequencesWhereBothWrite: each side hands out values of its own, so nothing
// sets one to the other's, and one that collides does so at once.
func TestSequencesWhereBothWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18),
		`CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE odd_even INCREMENT 2 OWNED BY t.id; CREATE TABLE ranged (id serial PRIMARY KEY); CREATE SEQUENCE opposite MINVALUE -1000 MAXVALUE 1000 START 1; CREATE SEQUENCE round INCREMENT 2 MAXVALUE 10 CYCLE`)
	w.source.exec(t, `SELECT setval('odd_even', 101)`, `ALTER SEQUENCE ranged_id_seq MINVALUE 1001 MAXVALUE 2000 START 1001 RESTART`)
	w.target.exec(t, `ALTER SEQUENCE odd_even RESTART 2`, `ALTER SEQUENCE ranged_id_seq MAXVALUE 1000`, `ALTER SEQUENCE opposite INCREMENT -1 RESTART 900`, `ALTER SEQUENCE round RESTART 2`)
	name := w.replicate(t, "")
	w.target.exec(t, "CREATE PUBLICATION back FOR ALL TABLES")
	w.source.exec(t, "CREATE SUBSCRIPTION back_"+name+" CONNECTION '"+w.target.url+"' PUBLICATION back WITH (copy_data = false)")
	for _, h := range slices.Concat(w.look(t, "sequence-behind", defaults()), w.look(t, "sequence-definition", defaults())) {
		if h.Severity != schema.Info || h.ID == "sequence-behind" && h.Fix != "" {
			t.Errorf("on purpose: %+v", h)
		}
	}
	if diff := cmp.Diff([]string{"public.opposite", "public.round"}, names(w.look(t, "sequences-interleave", defaults()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if found := w.look(t, "sequence-collides", defaults()); len(found) > 0 {
		t.Errorf("healthy: %+v", found)
	}
	w.source.exec(t, `INSERT INTO t VALUES (2)`)
	until(t, "the row is there", func() bool { return w.target.ask(t, "SELECT count(*) FROM t") == "1" })
	found := w.look(t, "sequence-collides", defaults())
	wantSeverity(t, found, "public.odd_even", schema.Block)
	if len(found) != 1 || strings.Contains(found[0].Sentence, "cutover") {
		t.Errorf("%+v", found)
	}
}
