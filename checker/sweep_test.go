package checker_test

import (
	"fmt"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// A table whose key cannot be cut into ranges is read in segments of its heap,
// which lie differently on both sides: here the target's rows are stored in
// the opposite order, with dead rows between. 13 cannot read ranges of pages
// and reads the table whole.
func TestSweepsAddUpOverSegments(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	const schema = `CREATE TABLE words (word text PRIMARY KEY, n int);
CREATE TABLE log (line text, n int);`
	const rows = `SELECT 'wörd ' || i, i %% 7 FROM generate_series(1, 30000) i ORDER BY i %s`
	fill := func(order string) string {
		return fmt.Sprintf("INSERT INTO words "+rows+"; INSERT INTO log "+rows+"; INSERT INTO log "+rows, order, order, order)
	}
	for _, majors := range [][2]int{{15, 18}, {13, 15}} {
		if testing.Short() && majors[0] < 15 {
			continue
		}
		source := pgcluster.Shared(t, majors[0]).TestDB(t, schema, fill("ASC"), "ANALYZE")
		target := pgcluster.Shared(t, majors[1]).TestDB(t, schema, fill("ASC"), "DELETE FROM words; DELETE FROM log", fill("DESC"), "ANALYZE")
		damaged := pgcluster.Shared(t, majors[1]).TestDB(t, schema, fill("DESC"), "UPDATE words SET n = -1 WHERE word IN ('wörd 5','wörd 29000'); DELETE FROM words WHERE word = 'wörd 777';"+
			"DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log WHERE line = 'wörd 123')", "ANALYZE")
		for _, way := range []hashing.Way{hashing.Pushdown, hashing.Stream} {
			o := defaults()
			o.Digest, o.ChunkRows, o.Concurrency = way, 4000, 3
			if res := verify(t, source, target, o); res.Verdict != checker.Match || *res.Tables[0].Rows.Source != 60000 {
				t.Errorf("%v %s: %s %q", majors, way, res.Verdict, res.Reasons)
			}
			res := verify(t, source, damaged, o)
			log, words := res.Tables[0], res.Tables[1]
			if words.Plan != "sweep" || words.FindingsTotal != 3 || words.Error != "" {
				t.Errorf("%v %s: %+v", majors, way, words)
			}
			if log.Plan != "multiset" || log.FindingsTotal != 1 || log.Findings[0].Count == nil || *log.Findings[0].Count != (checker.SideCounts{Source: 2, Target: 1}) {
				t.Errorf("%v %s: %+v", majors, way, log)
			}
		}
	}
}

// A large table whose rows do not lie in the order of the key is swept, not
// read through the key's index, and the plan says why. Before 14 it cannot be.
func TestScatteredKeysAreSwept(t *testing.T) {
	const schema = `CREATE TABLE tokens (token uuid PRIMARY KEY, n int);
INSERT INTO tokens SELECT md5(i::text)::uuid, i FROM generate_series(1, 20000) i; ANALYZE tokens`
	for _, c := range []struct {
		majors [2]int
		plan   string
	}{{[2]int{15, 18}, "sweep"}, {[2]int{13, 15}, "ranges"}} {
		source := pgcluster.Shared(t, c.majors[0]).TestDB(t, schema)
		target := pgcluster.Shared(t, c.majors[1]).TestDB(t, schema, "UPDATE tokens SET n = -n WHERE n = 4711")
		o := defaults()
		o.ChunkRows = 3000
		res := verify(t, source, target, o)
		if tab := res.Tables[0]; tab.Plan != c.plan || tab.FindingsTotal != 1 || tab.Findings[0].Kind != checker.KindDifferent {
			t.Errorf("%v: %s: %+v", c.majors, res.Verdict, tab)
		}
	}
}
