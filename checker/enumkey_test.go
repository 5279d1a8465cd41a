package checker_test

import (
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// A key that the other side's type cannot hold is a missing row there, not a
// reason to give up.
func TestAKeyTheTargetCannotHoldIsMissing(t *testing.T) {
	source := pgcluster.Shared(t, 15).TestDB(t, `CREATE TYPE size AS ENUM ('s','m','xl'); CREATE TABLE shirts (size size PRIMARY KEY, n int);
INSERT INTO shirts VALUES ('s',1),('m',2),('xl',3)`)
	target := pgcluster.Shared(t, 18).TestDB(t, `CREATE TYPE size AS ENUM ('s','m'); CREATE TABLE shirts (size size PRIMARY KEY, n int);
INSERT INTO shirts VALUES ('s',1),('m',20)`)
	res := verify(t, source, target, defaults())
	if res.Verdict != checker.Mismatch || res.Tables[0].FindingsTotal != 2 || res.Tables[0].Error != "" {
		t.Fatalf("%s %q %+v", res.Verdict, res.Reasons, res.Tables[0])
	}
	for i, want := range []struct{ kind, key string }{{checker.KindDifferent, "m"}, {checker.KindMissing, "xl"}} {
		if f := res.Tables[0].Findings[i]; f.Kind != want.kind || f.Key["size"] != want.key {
			t.Errorf("finding %d is %+v, want %+v", i, f, want)
		}
	}
}

// A key of a domain over an enum is found by its base type's operator.
func TestShowFindsTheKeyOfADomain(t *testing.T) {
	const schema = `CREATE TYPE size AS ENUM ('s','m'); CREATE DOMAIN wear AS size; CREATE TABLE shirts (size wear PRIMARY KEY, n int);
INSERT INTO shirts VALUES ('s',1),('m',2)`
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, schema))
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, schema, "UPDATE shirts SET n = 3 WHERE size::size = 'm'"))
	for key, want := range map[string]checker.Verdict{"s": checker.Match, "m": checker.Mismatch} {
		row, err := checker.Show(t.Context(), source, target, defaults(), "shirts", []string{key})
		if err != nil {
			t.Fatal(err)
		}
		if got := row.Verdict(); got != want || !row.Source || !row.Target {
			t.Errorf("%s: %s, %+v", key, got, row)
		}
	}
}
