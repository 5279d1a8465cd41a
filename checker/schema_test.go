package checker_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

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

	if res := verify(t, source, pgcluster.Shared(t, 18).TestDB(t, schema), o); res.Verdict != checker.Match || len(res.Schema) != 0 {
		t.Fatalf("equal definitions on 10 and 18: %s, %+v", res.Verdict, res.Schema)
	}

	target := pgcluster.Shared(t, 18).TestDB(t, schema, `ALTER TABLE orders ALTER total SET DEFAULT 1, ALTER total DROP NOT NULL, DROP CONSTRAINT positive,
  ADD CONSTRAINT positive CHECK (total > 0);
DROP INDEX by_note; CREATE INDEX by_note ON orders (note DESC);
DROP TRIGGER quiet ON orders`)
	res := verify(t, source, target, o)
	if res.Verdict != checker.Match {
		t.Errorf("definitions do not decide: %s %q", res.Verdict, res.Reasons)
	}
	var found []string
	for _, s := range res.Schema {
		found = append(found, s.Kind+" "+s.Object)
	}
	slices.Sort(found)
	want := []string{"constraint public.orders constraint positive", "default public.orders.total", "index public.orders index by_note",
		"not_null public.orders.total", "trigger public.orders trigger quiet"}
	if diff := cmp.Diff(want, found); diff != "" {
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
