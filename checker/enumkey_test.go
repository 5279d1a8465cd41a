package checker_test

import (
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
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
