package checker_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// ownSchema are a result's differences, those of roles left out: they are the
// whole cluster's, which other tests share.
func ownSchema(res *checker.Result) []string {
	list := []string{}
	for _, s := range res.Schema {
		if !strings.HasPrefix(s.Object, "role ") {
			list = append(list, s.Severity+" "+s.Kind+" "+s.Object)
		}
	}
	slices.Sort(list)
	return list
}

// The schema check names what differs in the definitions; nothing of it
// decides, but under --strict.
func TestSchemaCheckNamesEachDefinition(t *testing.T) {
	t.Parallel()
	const schema = `CREATE TABLE orders (id int PRIMARY KEY, total numeric NOT NULL DEFAULT 0, note text, CONSTRAINT positive CHECK (total >= 0));
CREATE INDEX by_note ON orders (note);
INSERT INTO orders VALUES (1, 1);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER quiet BEFORE INSERT ON orders FOR EACH ROW EXECUTE PROCEDURE nothing();`
	source := pgcluster.Shared(t, 10).TestDB(t, schema)
	o := defaults()
	o.Checks = append(o.Checks, "schema")

	if res := verify(t, source, pgcluster.Shared(t, 18).TestDB(t, schema), o); res.Verdict != checker.Match || len(ownSchema(res)) != 0 {
		t.Fatalf("equal definitions on 10 and 18: %s, %+v", res.Verdict, ownSchema(res))
	}

	target := pgcluster.Shared(t, 18).TestDB(t, schema, `ALTER TABLE orders ALTER total SET DEFAULT 1, ALTER total DROP NOT NULL, DROP CONSTRAINT positive,
  ADD CONSTRAINT positive CHECK (total > 0);
DROP INDEX by_note; CREATE INDEX by_note ON orders (note DESC);
DROP TRIGGER quiet ON orders`)
	res := verify(t, source, target, o)
	if res.Verdict != checker.Match {
		t.Errorf("definitions do not decide: %s %q", res.Verdict, res.Reasons)
	}
	want := []string{"block constraint public.orders constraint positive", "block not_null public.orders.total", "block trigger public.orders trigger quiet",
		"warn default public.orders.total", "warn index public.orders index by_note"}
	if diff := cmp.Diff(want, ownSchema(res)); diff != "" {
		t.Error(diff)
	}
	o.Strict = true
	if res := verify(t, source, target, o); res.Verdict != checker.Mismatch {
		t.Errorf("strict: %s", res.Verdict)
	}
	o.Checks = []string{"schema"}
	if res := verify(t, source, target, o); res.Verdict == checker.Match {
		t.Error("a schema check alone compares no data, and cannot be a match")
	}
}

// TestSchemaCheckSaysNothingTwice: what is told of tables and columns in any run
// is not told once more, and what is for information does not decide.
func TestSchemaCheckSaysNothingTwice(t *testing.T) {
	t.Parallel()
	const both = `CREATE TABLE kept (id int PRIMARY KEY, gone text, size int, sorted text); INSERT INTO kept VALUES (1);
CREATE TABLE lost (id serial PRIMARY KEY, v text DEFAULT 'x'); CREATE INDEX ON lost (v); CREATE MATERIALIZED VIEW filled AS SELECT 1 AS one;
CREATE SEQUENCE cached; CREATE SEQUENCE stepped;`
	c := pgcluster.Shared(t, 18)
	source := c.TestDB(t, both)
	target := c.TestDB(t, both, `DROP TABLE lost; DROP MATERIALIZED VIEW filled; CREATE VIEW filled AS SELECT 1 AS one;
CREATE TABLE more (id int); ALTER TABLE kept DROP gone, ADD new text, ALTER size TYPE bigint, ALTER sorted TYPE text COLLATE "C"; COMMENT ON TABLE kept IS 'kept'; ALTER SEQUENCE cached CACHE 7; ALTER SEQUENCE stepped INCREMENT 3`)
	o := defaults()
	o.Checks = append(o.Checks, "schema")
	want := []string{"block missing_column public.kept.gone", "block missing_table public.lost", "info comment public.kept", "info extra_column public.kept.new", "info extra_table public.more",
		"warn column_collation public.kept.sorted", "warn column_type public.kept.size", "warn sequence public.cached"}
	found := ownSchema(verify(t, source, target, o))
	found = slices.DeleteFunc(found, func(s string) bool { return strings.HasSuffix(s, " public.filled") })
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	o.Strict = true
	commented := c.TestDB(t, both, `COMMENT ON TABLE kept IS 'kept'`)
	o.Pairing.Filter.Tables = []string{"kept"}
	if res := verify(t, source, commented, o); res.Verdict != checker.Match || len(res.Schema) != 1 {
		t.Errorf("a comment decides under --strict: %s %q %+v", res.Verdict, res.Reasons, res.Schema)
	}
}
