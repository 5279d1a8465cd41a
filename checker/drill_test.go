package checker_test

import (
	"runtime"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// Long keys are drilled into a few megabytes at a time, however many differ:
// here 24 MB of them a side, all rows different.
func TestLongKeysStayOutOfMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 24 MB of keys a side")
	}
	fill := func(n string) string {
		return `CREATE TABLE long (k text COLLATE "C" PRIMARY KEY, n int); ALTER TABLE long ALTER k SET STORAGE EXTERNAL;
INSERT INTO long SELECT md5(i::text) || repeat('x', 2000 - i % 3), ` + n + ` FROM generate_series(1, 12000) i; ANALYZE long`
	}
	source := pgcluster.Shared(t, 15).TestDB(t, fill("i"))
	target := pgcluster.Shared(t, 18).TestDB(t, fill("-i"))
	o := defaults()
	o.Checks, o.MaxDiffs = []string{"ranges"}, 1

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	res := verify(t, source, target, o)
	runtime.ReadMemStats(&after)
	if res.Tables[0].FindingsTotal != 12000 || res.Verdict != checker.Mismatch {
		t.Fatalf("%d findings, %s, %q", res.Tables[0].FindingsTotal, res.Verdict, res.Tables[0].Error)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 70<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
