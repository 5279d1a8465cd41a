package checker_test

import (
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestOnlyLeaf: a partitioned table of one leaf has its rows in a file that is
// not its own, whose pages are read all the same.
func TestOnlyLeaf(t *testing.T) {
	made := []string{
		`CREATE TABLE parted (a int, b text) PARTITION BY RANGE (a)`,
		`CREATE TABLE leaf PARTITION OF parted FOR VALUES FROM (0) TO (100000)`,
		`INSERT INTO parted SELECT g, repeat('y', 100) FROM generate_series(1, 2000) g`, `ANALYZE`,
	}
	source := pgcluster.Shared(t, 13).TestDB(t, made...)
	target := pgcluster.Shared(t, 10).TestDB(t, append(made, `UPDATE parted SET b = 'other' WHERE a = 1990`)...)
	o := defaults()
	o.Checks, o.ChunkRows = []string{"ranges"}, 100
	res := verify(t, source, target, o)
	if tab := table(res, "public.parted"); res.Verdict != checker.Mismatch || tab.FindingsTotal != 2 || *tab.Rows.Source != 2000 {
		t.Errorf("%s, %d findings, %d rows: %q", res.Verdict, tab.FindingsTotal, *tab.Rows.Source, res.Reasons)
	}
}
