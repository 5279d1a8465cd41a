package checker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// pairOf makes two databases, one of 15 and one of 18, of the same statements
// and then of each side's own.
func pairOf(t *testing.T, both, source, target []string) (string, string) {
	t.Helper()
	return pgcluster.Shared(t, 15).TestDB(t, slices.Concat(both, source)...), pgcluster.Shared(t, 18).TestDB(t, slices.Concat(both, target)...)
}

// only are the defaults with other checks.
func only(checks ...string) checker.Options {
	o := defaults()
	o.Checks = checks
	return o
}

// found lists the findings of all tables, each as one line.
func found(res *checker.Result) []string {
	var lines []string
	for _, tab := range res.Tables {
		for _, f := range tab.Findings {
			lines = append(lines, strings.TrimSpace(fmt.Sprint(tab.Name, " ", f.Kind, " ", strings.TrimPrefix(fmt.Sprint(f.Key), "map"), " ", strings.Join(f.Columns, ","))))
		}
	}
	return lines
}

func wantFound(t *testing.T, res *checker.Result, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, found(res)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func wantVerdict(t *testing.T, res *checker.Result, want checker.Verdict, gist string) {
	t.Helper()
	if all := strings.Join(append(slices.Clone(res.Reasons), res.Notes...), "\n"); res.Verdict != want || !strings.Contains(all, gist) {
		t.Errorf("got %s, want %s and %q in:\n%s", res.Verdict, want, gist, all)
	}
}

// TestLastRows looks at the last rows only, by the key or by a column.
func TestLastRows(t *testing.T) {
	t.Parallel()
	both := []string{"CREATE TABLE t (id integer PRIMARY KEY, v text, updated_at timestamptz)",
		"INSERT INTO t SELECT g, 'v' || g, '2024-01-01'::timestamptz + g % 200 * interval '1 hour' FROM generate_series(1, 300) AS g"}
	source, target := pairOf(t, both, nil, []string{
		"UPDATE t SET v = 'old' WHERE id = 5", "UPDATE t SET v = 'new' WHERE id = 298", "DELETE FROM t WHERE id = 300", "INSERT INTO t VALUES (301, 'extra', NULL)",
		"UPDATE t SET v = 'fresh' WHERE id = 199", // by updated_at it comes last
	})
	const late = "public.t different [id:298] v|public.t missing [id:300]|public.t extra [id:301]"
	run := func(last int, by string) *checker.Result {
		o := only("last")
		o.Last, o.LastBy = last, by
		return verify(t, source, target, o)
	}
	for _, c := range []struct {
		name string
		last int
		want string
	}{
		{"the last ten", 10, late},
		{"more than there are", 1000, "public.t different [id:5] v|public.t different [id:199] v|" + late},
		{"the last one", 1, "public.t missing [id:300]|public.t extra [id:301]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := run(c.last, "")
			wantFound(t, res, strings.Split(c.want, "|")...)
			if res.Coverage.ChunksPlanned != 1 || res.Coverage.ChunksCompared != 1 || res.Tables[0].Rows.Source != nil {
				t.Errorf("coverage %+v, rows %+v; want one chunk and no counts", res.Coverage, res.Tables[0].Rows)
			}
			wantVerdict(t, res, checker.Mismatch, "the whole content was not asked for")
		})
	}
	t.Run("by a column without an index", func(t *testing.T) {
		res := run(10, "updated_at")
		wantVerdict(t, res, checker.Unproven, `CREATE INDEX CONCURRENTLY ON "public"."t" ("updated_at");`)
		if res.Coverage.ChunksPlanned != 1 || res.Coverage.ChunksCompared != 0 {
			t.Errorf("coverage %+v, want the chunk planned and not compared", res.Coverage)
		}
	})
	for _, url := range []string{source, target} {
		must(t, connect(t, url), "CREATE INDEX ON t (updated_at)")
	}
	t.Run("by a column with an index", func(t *testing.T) {
		wantFound(t, run(3, "updated_at"), "public.t different [id:199] v")
	})
	t.Run("by a column that the table lacks", func(t *testing.T) {
		wantFound(t, run(1, "changed_at"), "public.t missing [id:300]", "public.t extra [id:301]")
	})
	t.Run("with the content, each row once", func(t *testing.T) {
		o := defaults()
		o.ChunkRows = 50
		res := verify(t, source, target, o)
		wantFound(t, res, strings.Split("public.t different [id:5] v|public.t different [id:199] v|"+late, "|")...)
		if n := res.Tables[0].FindingsTotal; n != 5 {
			t.Errorf("%d findings counted, want 5", n)
		}
	})
}

// TestCountsOnly compares counts alone, and says that it did no more.
func TestCountsOnly(t *testing.T) {
	both := []string{"CREATE TABLE same (id integer PRIMARY KEY, v text)", "INSERT INTO same SELECT g, 'a' FROM generate_series(1, 10) AS g",
		"CREATE TABLE keyless (v text)", "INSERT INTO keyless VALUES ('a'), ('a')"}
	source, target := pairOf(t, both, nil, []string{"UPDATE same SET v = 'b'"})
	res := verify(t, source, target, only("counts"))
	wantVerdict(t, res, checker.Match, "the whole content was not asked for")
	if *res.Tables[1].Rows.Source != 10 || *res.Tables[1].Rows.Target != 10 || res.Tables[1].Digest != "" {
		t.Errorf("rows %+v by %q, want 10 and 10 by no digest", res.Tables[1].Rows, res.Tables[1].Digest)
	}
	must(t, connect(t, target), "DELETE FROM keyless")
	wantVerdict(t, verify(t, source, target, only("counts")), checker.Mismatch, "public.keyless: 2 rows on the source, 0 on the target")
}

// TestMaxDiffs lists some and counts all.
func TestMaxDiffs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	both := []string{"CREATE TABLE t (id integer PRIMARY KEY, v text)", "INSERT INTO t SELECT g, 'a' FROM generate_series(1, 2500) AS g", "ANALYZE t",
		"CREATE TABLE keyless (v integer)", "INSERT INTO keyless SELECT generate_series(1, 10)"}
	source, target := pairOf(t, both, nil, []string{"UPDATE t SET v = 'b' WHERE id <= 2000", "DELETE FROM keyless WHERE v <= 5"})
	for _, listed := range []int{0, 1, 100} {
		for _, way := range []hashing.Way{hashing.Auto, hashing.Stream} {
			o := defaults()
			o.MaxDiffs, o.ChunkRows, o.Digest = listed, 600, way
			res := verify(t, source, target, o)
			keyless, keyed := res.Tables[0], res.Tables[1]
			if len(keyed.Findings) != listed || keyed.FindingsTotal != 2000 || len(keyless.Findings) != min(listed, 5) || keyless.FindingsTotal != 5 {
				t.Errorf("%s, at most %d: listed %d of %d and %d of %d, want all of 2000 and 5 counted", way, listed,
					len(keyed.Findings), keyed.FindingsTotal, len(keyless.Findings), keyless.FindingsTotal)
			}
			wantVerdict(t, res, checker.Mismatch, "public.t: 2000 rows differ")
		}
	}
}

// TestStrict makes decide what is otherwise only said.
func TestStrict(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	for _, c := range []struct {
		name           string
		source, target []string
		said           string // the kind of the schema finding, "" for none
	}{
		{"extra table", nil, []string{"CREATE TABLE more (id integer PRIMARY KEY)"}, "extra_table"},
		{"extra column", nil, []string{"ALTER TABLE t ADD more integer"}, "extra_column"},
		{"longer text", nil, []string{"ALTER TABLE t ALTER v TYPE varchar(99)"}, "column_type"},
		{"nullable unique index on both sides", []string{"CREATE TABLE u (v integer UNIQUE)"}, []string{"CREATE TABLE u (v integer UNIQUE)"}, ""},
		{"another column order", []string{"CREATE TABLE o (a integer PRIMARY KEY, b text)"}, []string{"CREATE TABLE o (b text, a integer PRIMARY KEY)"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			source, target := pairOf(t, []string{"CREATE TABLE t (id integer PRIMARY KEY, v varchar(9))", "INSERT INTO t VALUES (1, 'a')"}, c.source, c.target)
			o := defaults()
			res := verify(t, source, target, o)
			wantVerdict(t, res, checker.Match, "")
			if (len(res.Schema) == 0) != (c.said == "") || c.said != "" && res.Schema[0].Kind != c.said {
				t.Errorf("schema findings %+v, want %q", res.Schema, c.said)
			}
			o.Strict = true
			want := checker.Match
			if c.said != "" {
				want = checker.Mismatch
			}
			wantVerdict(t, verify(t, source, target, o), want, "")
		})
	}
}

// TestHiddenKeysAndShownValues: keys can be hidden, and values are shown only
// on request.
func TestHiddenKeysAndShownValues(t *testing.T) {
	both := []string{"CREATE TABLE t (id integer, part text, v text, w text, PRIMARY KEY (id, part))", "INSERT INTO t SELECT g, 'p', 'v', 'w' FROM generate_series(1, 5) AS g"}
	source, target := pairOf(t, both, nil, []string{"UPDATE t SET v = NULL WHERE id = 3", "DELETE FROM t WHERE id = 4"})
	wantFound(t, verify(t, source, target, defaults()), "public.t different [id:3 part:p] v", "public.t missing [id:4 part:p]")

	o := defaults()
	o.HashKeys = true
	keys := map[string]bool{}
	res := verify(t, source, target, o)
	for _, f := range res.Tables[0].Findings {
		if !strings.HasPrefix(f.Key["id"], "hidden:") || !strings.HasPrefix(f.Key["part"], "hidden:") || f.Values != nil {
			t.Errorf("shows %v, %v", f.Key, f.Values)
		}
		keys[f.Key["id"]] = true
	}
	if len(keys) != 2 {
		t.Errorf("two keys became %d", len(keys))
	}
	if again := verify(t, source, target, o).Tables[0].Findings[0].Key["id"]; keys[again] {
		t.Errorf("%s is the same in another run, so it can be guessed", again)
	}

	o = defaults()
	o.ShowValues = true
	findings := verify(t, source, target, o).Tables[0].Findings
	want := [][]checker.ColumnValues{
		{{Name: "v", Source: new("v")}},
		{{Name: "id", Source: new("4")}, {Name: "part", Source: new("p")}, {Name: "v", Source: new("v")}, {Name: "w", Source: new("w")}},
	}
	for i, f := range findings {
		if diff := cmp.Diff(want[i], f.Values); diff != "" {
			t.Errorf("values of %v (-want +got):\n%s", f.Key, diff)
		}
	}

	o.HashKeys = true
	for _, f := range verify(t, source, target, o).Tables[0].Findings {
		if !strings.HasPrefix(f.Key["id"], "hidden:") || len(f.Values) == 0 {
			t.Errorf("with both: key %v and values %v, want the key hidden and values shown", f.Key, f.Values)
		}
		for _, v := range f.Values {
			if v.Name == "id" || v.Name == "part" {
				t.Errorf("the key, hidden as %v, is shown among the values", f.Key)
			}
		}
	}
}

// TestKeySpellings: keys that are equal and print differently are one row,
// which differs in its key.
func TestKeySpellings(t *testing.T) {
	t.Parallel()
	both := []string{"CREATE SCHEMA ext", "CREATE EXTENSION citext SCHEMA ext", "CREATE DOMAIN amount AS numeric"}
	var inserts [2][]string
	var want []string
	for _, c := range []struct{ table, typ, source, target string }{
		{"a", "numeric", "1.0", "1.00"}, {"b", "double precision", "0", "-0"}, {"c", "ext.citext", "Straße", "STRAßE"}, {"d", "amount", "1.0", "1.00"},
	} {
		both = append(both, "CREATE TABLE "+c.table+" (k "+c.typ+" PRIMARY KEY, v integer)")
		for side, key := range []string{c.source, c.target} {
			inserts[side] = append(inserts[side], "INSERT INTO "+c.table+" VALUES ('"+key+"', 1)")
		}
		want = append(want, "public."+c.table+" different [k:"+c.source+"] k")
	}
	source, target := pairOf(t, both, inserts[0], inserts[1])
	for _, o := range []checker.Options{defaults(), only("ranges"), only("last")} {
		for _, o.Digest = range []hashing.Way{hashing.Auto, hashing.Stream} {
			res := verify(t, source, target, o)
			wantFound(t, res, want...)
			for _, tab := range res.Tables {
				if tab.FindingsTotal != 1 {
					t.Errorf("%s, %s %s: %d findings counted, want 1", tab.Name, o.Checks, o.Digest, tab.FindingsTotal)
				}
			}
		}
	}
}
