package hashing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

const oneTable = `CREATE TABLE k (id int4 PRIMARY KEY, n numeric, t text, f float8); INSERT INTO k VALUES (1, 1.5, 'é', 0.3), (2, NULL, '', 'NaN')`

func TestServersWithoutExtendedHashesGoByMD5(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: no server 10")
	}
	p := join(t, pgcluster.Shared(t, 10).TestDB(t, oneTable), pgcluster.Shared(t, 18).TestDB(t, oneTable))
	d := p.digest(t, Auto, "public.k")
	if d.Way != Mixed {
		t.Errorf("way %s, want %s", d.Way, Mixed)
	}
	var forms []string
	for _, c := range d.Columns {
		forms = append(forms, c.Form)
		if !strings.Contains(c.Why, "do not agree on") {
			t.Errorf("column %s by %s: no reason: %q", c.Name, c.Form, c.Why)
		}
	}
	if want := []string{"text+md5", "text+md5", "text+md5", "binary+md5"}; !slices.Equal(forms, want) {
		t.Errorf("forms %v, want %v", forms, want)
	}
	if a, b := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target); a != b {
		t.Errorf("%v, %v", a, b)
	}
}

// TestNothingUnverifiedIsUsed takes each agreement away in turn.
func TestNothingUnverifiedIsUsed(t *testing.T) {
	p := join(t, pgcluster.Shared(t, 11).TestDB(t, oneTable), pgcluster.Shared(t, 18).TestDB(t, oneTable))
	pt := p.table(t, "public.k")
	a := p.agree(t, Auto)
	d := a.Digest(pt)
	if d.Way != Pushdown || len(d.Columns) != 4 {
		t.Fatalf("%s, %d columns", d.Way, len(d.Columns))
	}
	for len(d.Columns) > 0 && d.Way != Stream {
		for _, c := range d.Columns {
			if !a.agreed[c.form.id()] {
				t.Fatalf("column %s goes by %s, on which the servers did not agree", c.Name, c.Form)
			}
		}
		a.agreed[d.Columns[0].form.id()] = false
		d = a.Digest(pt)
	}
	if d.Way != Stream || len(d.Undecidable) > 0 {
		t.Errorf("without forms the table goes by %s, undecidable %v", d.Way, d.Undecidable)
	}
	a.way = Pushdown
	if d := a.Digest(pt); len(d.Undecidable) == 0 || d.Undecidable[0].Why == "" {
		t.Errorf("pushdown was forced: the columns without a form are undecidable, with the reason: %+v", d)
	}
	// No way to hash a row: no pushdown at all.
	a = p.agree(t, Auto)
	a.outer = Form{}
	if d := a.Digest(pt); d.Way != Stream || len(d.Undecidable) > 0 {
		t.Errorf("without an outer form: %s, undecidable %v", d.Way, d.Undecidable)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	floatText := Form{Name: "float text", template: "('x' || pg_catalog.md5($c::pg_catalog.text))::pg_catalog.bit(64)::pg_catalog.int8", cast: "pg_catalog.float8", vectors: []string{"0.5", "0.3"}}
	unknown := Form{Name: "unknown", template: "pg_catalog.hashint9extended($c, $8)", cast: "pg_catalog.int8", vectors: []string{"1"}}
	broken := Form{Name: "refused value", template: "$c", cast: "pg_catalog.int8", vectors: []string{"one"}}
	good := outerMD5
	for _, c := range []struct {
		source, target int
		floats         bool
	}{{11, 18, false}, {18, 11, false}, {18, 18, true}, {11, 11, true}} {
		t.Run(fmt.Sprintf("%d-%d", c.source, c.target), func(t *testing.T) {
			if testing.Short() && c.source == c.target {
				t.Skip("-short: the long test has the pairs that agree")
			}
			p := join(t, pgcluster.Shared(t, c.source).TestDB(t), pgcluster.Shared(t, c.target).TestDB(t))
			a := &Agreement{agreed: map[string]bool{}}
			forms := []Form{good, unknown, floatText, broken}
			if err := a.handshake(t.Context(), p.source, p.target, forms); err != nil {
				t.Fatal(err)
			}
			for f, want := range map[*Form]bool{&good: true, &unknown: false, &broken: false, &floatText: c.floats} {
				if a.agreed[f.id()] != want {
					t.Errorf("%s: agreed %v, want %v", f.Name, !want, want)
				}
			}
			// More than a statement holds, the bad one among the last.
			many := slices.Repeat([]Form{good}, perStatement+5)
			answers, err := ask(t.Context(), p.source, append(many, unknown, good))
			if err != nil || len(answers) != perStatement+7 || answers[perStatement+5] != "" || answers[perStatement+6] != answers[0] || answers[0] == "" {
				t.Errorf("%d answers, %v", len(answers), err)
			}
		})
	}
}

// TestShadowsAreNotUsed: functions and operators of the same names, first on
// the path, must not be what a statement means.
func TestShadowsAreNotUsed(t *testing.T) {
	const shadows = `
CREATE FUNCTION public.hashint4extended(int4, int8) RETURNS int8 IMMUTABLE LANGUAGE sql AS 'SELECT 0::int8';
CREATE FUNCTION public.zero(int8, int8) RETURNS int8 IMMUTABLE LANGUAGE sql AS 'SELECT 0::int8';
CREATE FUNCTION public.yes(float8, float8) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR public.# (PROCEDURE = public.zero, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR public.= (PROCEDURE = public.yes, LEFTARG = float8, RIGHTARG = float8);
CREATE AGGREGATE public.sum(int8) (SFUNC = public.zero, STYPE = int8, INITCOND = '0');
CREATE AGGREGATE public.count(*) (SFUNC = pg_catalog.int8inc, STYPE = int8, INITCOND = '100');
DO $do$ BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I SET search_path = public, pg_catalog', pg_catalog.current_database()); END $do$`
	source := pgcluster.Shared(t, 18).TestDB(t, oneTable+";"+shadows)
	target := pgcluster.Shared(t, 18).TestDB(t, oneTable+"; UPDATE k SET f = 0.4 WHERE id = 1")
	p := join(t, source, target)
	d := p.digest(t, Auto, "public.k")
	a, b := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target)
	if a.Rows != 2 || b.Rows != 2 || a.Hash == b.Hash {
		t.Errorf("%v, %v", a, b)
	}
	exec(t, pgcluster.Shared(t, 18), target, "UPDATE k SET f = 0.3 WHERE id = 1")
	if b := p.sum(t, d, postgres.Target); a != b {
		t.Errorf("%v, %v", a, b)
	}
}

// TestTypesOfOneNameMadeOfOthers must not pass for equal because they print
// alike, by neither way.
func TestTypesOfOneNameMadeOfOthers(t *testing.T) {
	const table = "; CREATE TABLE k (id int4 PRIMARY KEY, d d, c c, a c[]); INSERT INTO k VALUES (1, '5', '(1,2)', '{\"(1,2)\"}')"
	p := join(t,
		pgcluster.Shared(t, 18).TestDB(t, "CREATE DOMAIN d AS int4; CREATE TYPE c AS (a int4, b text)"+table),
		pgcluster.Shared(t, 18).TestDB(t, "CREATE DOMAIN d AS text; CREATE TYPE c AS (a text, b int4)"+table))
	for _, way := range []Way{Auto, Pushdown, Stream} {
		d := p.digest(t, way, "public.k")
		var names []string
		for _, u := range d.Undecidable {
			names = append(names, u.Name)
			if !strings.Contains(u.Why, "not made of the same types") {
				t.Errorf("%s: %s: %q", way, u.Name, u.Why)
			}
		}
		if !slices.Equal(names, []string{"d", "c", "a"}) {
			t.Errorf("%s: undecidable %v", way, names)
		}
	}
}

// TestCastOfTheTargetOnly: a function that casts to text, on one side only,
// must not be what that side hashes.
func TestCastOfTheTargetOnly(t *testing.T) {
	const mood = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE k (id int4 PRIMARY KEY, m mood); INSERT INTO k VALUES (1, 'ok'), (2, NULL)"
	p := join(t, pgcluster.Shared(t, 18).TestDB(t, mood), pgcluster.Shared(t, 18).TestDB(t, mood,
		"CREATE FUNCTION shout(mood) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'sad'::text $$", "CREATE CAST (mood AS text) WITH FUNCTION shout(mood)"))
	for _, way := range []Way{Auto, Stream} {
		d := p.digest(t, way, "public.k")
		if a, b := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target); a != b {
			t.Errorf("%s: %v, %v", way, a, b)
		}
	}
}
