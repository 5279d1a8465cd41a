package checker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// columns lists 1600 columns, as many as a table can have.
func columns(each string) string {
	list := make([]string, 1600)
	for i := range list {
		list[i] = strings.ReplaceAll(each, "#", fmt.Sprint(i))
	}
	return strings.Join(list, ", ")
}

// bothWays runs a check by pushdown and by stream.
func bothWays(t *testing.T, o checker.Options, check func(t *testing.T, o checker.Options)) {
	for _, way := range []hashing.Way{hashing.Pushdown, hashing.Stream} {
		t.Run(string(way), func(t *testing.T) {
			o.Digest = way
			check(t, o)
		})
	}
}

// TestWidestTables compares tables of 1600 columns, one with a key and two
// without, and names the column that differs.
func TestWidestTables(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	ints := strings.Replace(columns("c# integer"), "c0 integer", "c0 integer PRIMARY KEY", 1)
	both := []string{
		"CREATE TABLE ints (" + ints + ")", "INSERT INTO ints SELECT g, " + strings.Replace(columns("g"), "g, ", "", 1) + " FROM generate_series(1, 20) AS g",
		"CREATE TABLE texts (" + columns("c# text") + ")", "INSERT INTO texts SELECT FROM generate_series(1, 20)",
		"UPDATE texts SET c7 = ''", "INSERT INTO texts (c1599) VALUES ('last')",
	}
	source, target := pairOf(t, both, nil, []string{"UPDATE ints SET c1234 = -1 WHERE c0 = 7", "UPDATE texts SET c1599 = NULL WHERE c1599 = 'last'"})
	o := defaults()
	o.ShowValues = true
	bothWays(t, o, func(t *testing.T, o checker.Options) {
		res := verify(t, source, target, o)
		if got := found(res); len(got) != 3 || got[0] != "public.ints different [c0:7] c1234" {
			t.Errorf("found %v, want a column of ints and two rows of texts", got)
		}
		for _, tab := range res.Tables {
			for _, f := range tab.Findings {
				want := 1600
				switch {
				case tab.Name == "public.ints":
					want = 1
				case o.Digest == hashing.Stream: // no server can look its rows up
					for i := range f.Values {
						if f.Values[i].Source != nil || f.Values[i].Target != nil {
							t.Errorf("%s: %v", tab.Name, f.Values[i])
						}
					}
				}
				if len(f.Values) != want {
					t.Errorf("%s: shows %d values, want %d", tab.Name, len(f.Values), want)
				}
			}
		}
		pair, err := checker.Show(t.Context(), open(t, postgres.Source, source), open(t, postgres.Target, target), o, "ints", []string{"7"})
		if err != nil || len(pair.Columns) != 1600 || !pair.Columns[1234].Differs || *pair.Columns[1234].Target != "-1" {
			t.Errorf("show: %v", err)
		}
	})
	if res := verify(t, source, source2(t, both), o); res.Verdict != checker.Match {
		t.Errorf("without damage it is %s: %v", res.Verdict, res.Reasons)
	}
}

// source2 is an undamaged target.
func source2(t *testing.T, both []string) string {
	_, target := pairOf(t, both, nil, nil)
	return target
}

// TestTablesWithoutColumns counts rows that hold nothing.
func TestTablesWithoutColumns(t *testing.T) {
	both := []string{
		"CREATE TABLE z ()", "INSERT INTO z DEFAULT VALUES", "INSERT INTO z DEFAULT VALUES",
		"CREATE TABLE dropped (a integer, b text)", "INSERT INTO dropped SELECT g, 'b' FROM generate_series(1, 5) AS g", "ALTER TABLE dropped DROP a, DROP b",
		"CREATE TABLE empty ()",
	}
	check := func(t *testing.T, o checker.Options, source, target string) *checker.Result {
		res := verify(t, source, target, o)
		if len(res.Tables) != 3 {
			t.Fatalf("%d tables, want 3", len(res.Tables))
		}
		return res
	}
	o := defaults()
	same, alike := pairOf(t, both, nil, nil)
	source, target := pairOf(t, both, []string{"INSERT INTO z DEFAULT VALUES"}, []string{"INSERT INTO dropped DEFAULT VALUES"})
	bothWays(t, o, func(t *testing.T, o checker.Options) {
		if res := check(t, o, same, alike); res.Verdict != checker.Match {
			t.Errorf("%s: %v", res.Verdict, res.Reasons)
		}
		res := check(t, o, source, target)
		counts := map[string]checker.SideCounts{}
		for _, tab := range res.Tables {
			for _, f := range tab.Findings {
				counts[tab.Name] = *f.Count
			}
		}
		want := map[string]checker.SideCounts{"public.z": {Source: 3, Target: 2}, "public.dropped": {Source: 5, Target: 6}}
		if diff := cmp.Diff(want, counts); diff != "" || res.Verdict != checker.Mismatch {
			t.Errorf("%s; counts (-want +got):\n%s", res.Verdict, diff)
		}
	})
}

// TestCutValues: a report has the beginning of a long value and its size;
// shorter ones are as the server prints them.
func TestCutValues(t *testing.T) {
	both := []string{
		"CREATE TYPE pair AS (a integer, b text)", "CREATE DOMAIN note AS text", "CREATE TYPE mood AS ENUM ('sad')",
		"CREATE TABLE t (id integer PRIMARY KEY, v text, n note, b bytea, c character(4), p pair, m mood, j json, x text)",
		`INSERT INTO t VALUES (1, repeat('é', 2000), 'n', '\x00', 'c', (1, 'x y'), 'sad', '{"a" : 1.0}', NULL),
			(2, repeat('é', 2001), repeat('n', 2500), decode(repeat('00', 1000), 'hex'), '', (NULL, repeat('b', 2000)), NULL, to_json(repeat('j', 2000)), ''),
			(3, repeat('s', 3000), 'same', decode(repeat('ff', 999), 'hex'), NULL, (NULL, NULL), 'sad', NULL, 'x')`,
	}
	source, target := pairOf(t, both, nil, []string{"DELETE FROM t WHERE id < 3", "UPDATE t SET v = repeat('s', 2999) || 't', b = set_byte(b, 0, 0) WHERE id = 3"})
	row := func(values ...*string) []checker.ColumnValues {
		var all []checker.ColumnValues
		for i, name := range []string{"id", "v", "n", "b", "c", "p", "m", "j", "x"} {
			all = append(all, checker.ColumnValues{Name: name, Source: values[i]})
		}
		return all
	}
	s := strings.Repeat
	want := [][]checker.ColumnValues{
		row(new("1"), new(s("é", 2000)), new("n"), new(`\x00`), new("c   "), new(`(1,"x y")`), new("sad"), new(`{"a" : 1.0}`), nil),
		row(new("2"), new(s("é", 2000)+"… (4,002 bytes)"), new(s("n", 2000)+"… (2,500 bytes)"), new(`\x`+s("00", 999)+"… (1,000 bytes)"), new("    "),
			new("(,"+s("b", 1998)+"… (2,003 bytes)"), nil, new(`"`+s("j", 1999)+"… (2,002 bytes)"), new("")),
		{{Name: "v", Source: new(s("s", 2000) + "… (3,000 bytes)"), Target: new(s("s", 2000) + "… (3,000 bytes; differs behind this)")},
			{Name: "b", Source: new(`\x` + s("ff", 999)), Target: new(`\x00` + s("ff", 998))}},
	}
	o := defaults()
	o.ShowValues = true
	bothWays(t, o, func(t *testing.T, o checker.Options) {
		got := map[string][]checker.ColumnValues{}
		for _, f := range verify(t, source, target, o).Tables[0].Findings {
			got[f.Key["id"]] = f.Values
		}
		for i, values := range want {
			if diff := cmp.Diff(values, got[fmt.Sprint(i+1)]); diff != "" {
				t.Errorf("row %d (-want +got):\n%s", i+1, diff)
			}
		}
	})
}

// TestLongKeys finds rows by keys as long as an index takes, which are longer
// still where they compress.
func TestLongKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	both := []string{
		`CREATE TABLE swept (k text PRIMARY KEY, v integer)`,
		`CREATE TABLE ranged (k text COLLATE "C" PRIMARY KEY, v integer)`,
		`CREATE TABLE parts (a text, n integer, b text COLLATE "C", v integer, PRIMARY KEY (a, n, b))`,
		`CREATE TABLE compressed (k text PRIMARY KEY, v integer)`,
	}
	for _, table := range []string{"swept", "ranged"} {
		both = append(both, "INSERT INTO "+table+` SELECT (SELECT string_agg(md5(g || '.' || n), '') FROM generate_series(1, 75) AS n) || g, g FROM generate_series(1, 900) AS g`)
	}
	both = append(both, `INSERT INTO parts SELECT left(k, 1200), v % 3, right(k, 1000), v FROM swept`,
		`INSERT INTO compressed SELECT repeat('key ' || g, 20000), g FROM generate_series(1, 40) AS g`, "ANALYZE")
	damage := func(table string) []string {
		return []string{"UPDATE " + table + " SET v = -1 WHERE v = 17", "DELETE FROM " + table + " WHERE v = 18"}
	}
	var damages, tables []string
	for _, table := range []string{"compressed", "parts", "ranged", "swept"} {
		damages, tables = append(damages, damage(table)...), append(tables, table)
	}
	source, target := pairOf(t, both, nil, damages)
	o := defaults()
	o.ChunkRows = 250
	bothWays(t, o, func(t *testing.T, o checker.Options) {
		res := verify(t, source, target, o)
		for i, tab := range res.Tables {
			kinds := map[string]int{}
			for _, f := range tab.Findings {
				kinds[f.Kind]++
			}
			if tab.Name != "public."+tables[i] || tab.Error != "" || tab.FindingsTotal != 2 || kinds[checker.KindDifferent] != 1 || kinds[checker.KindMissing] != 1 {
				t.Errorf("%s (%s): %d findings, %v, %q; want one different and one missing", tab.Name, tab.Plan, tab.FindingsTotal, kinds, tab.Error)
			}
		}
	})
}

// TestHeavyText has a value whose text no server can build: what cannot
// be compared is unproven, and says why; what lies beside it is compared. By
// stream the same value comes in its binary form, which is shorter.
func TestHeavyText(t *testing.T) {
	heavy(t)
	if testing.Short() {
		t.Skip("makes values of 168 MB: left out by -short")
	}
	source, target := largePair(t, `CREATE TABLE huge (id integer PRIMARY KEY, b varbit)`,
		`INSERT INTO huge SELECT 1, b || b || b || b || b || b || b || b || b || b || b || b || b FROM (SELECT 0::bit(83886080)) AS bits(b)`,
		`CREATE TABLE small (id integer PRIMARY KEY, b varbit)`, `INSERT INTO small SELECT g, g::bit(8) FROM generate_series(1, 10) AS g`)
	o := only("ranges")
	bothWays(t, o, func(t *testing.T, o checker.Options) {
		res := verify(t, source, target, o)
		want := map[string]checker.Verdict{"public.huge": checker.Unproven, "public.small": checker.Match}
		if o.Digest == hashing.Stream {
			want["public.huge"] = checker.Match
		} else {
			wantVerdict(t, res, checker.Unproven, "public.huge: source: read: invalid memory alloc request size")
			wantVerdict(t, res, checker.Unproven, "a value's text would be larger than a server can make (1 GB): try --digest stream, or exclude the table")
		}
		for _, tab := range res.Tables {
			if tab.Verdict != want[tab.Name] {
				t.Errorf("%s is %s, want %s: %s", tab.Name, tab.Verdict, want[tab.Name], tab.Error)
			}
		}
	})
}

// TestHeavyBytea compares bytea whose text would be over a gigabyte.
func TestHeavyBytea(t *testing.T) {
	heavy(t)
	if testing.Short() {
		t.Skip("makes values of 540 MB: left out by -short")
	}
	source, target := largePair(t, `CREATE TABLE files (id integer PRIMARY KEY, content bytea)`,
		`INSERT INTO files SELECT 1, (repeat('x', 540000000 - 5) || (current_setting('server_version_num')::integer / 10000 + 10000))::bytea`)
	o := only("ranges")
	o.ShowValues, o.Digest = true, hashing.Pushdown
	res := verify(t, source, target, o)
	wantFound(t, res, "public.files different [id:1] content")
	for _, f := range res.Tables[0].Findings {
		v := f.Values[0]
		if !strings.HasSuffix(*v.Source, "78… (540,000,000 bytes)") || !strings.HasSuffix(*v.Target, "78… (540,000,000 bytes; differs behind this)") || len(*v.Source) > 2100 {
			t.Errorf("shows %.30s…%s and %.30s…%s", *v.Source, (*v.Source)[len(*v.Source)-40:], *v.Target, (*v.Target)[len(*v.Target)-40:])
		}
	}
}

// largePair runs statements on both sides at the same time, as they take long.
func largePair(t *testing.T, sql ...string) (source, target string) {
	t.Helper()
	source, target = pairOf(t, nil, nil, nil)
	var g errgroup.Group
	for _, url := range []string{source, target} {
		g.Go(func() error {
			conn, err := pgconn.Connect(t.Context(), url)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			for _, statement := range sql {
				if _, err := conn.Exec(t.Context(), statement).ReadAll(); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return source, target
}
