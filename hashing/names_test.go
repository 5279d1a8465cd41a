package hashing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestHostileNames: names that look like placeholders, quotes or comments are
// just names, for types that go by every form.
func TestHostileNames(t *testing.T) {
	names := []string{`"; DROP TABLE t; --`, "$c", "$8", "$4", "$salt", "$1", "a'b", `a\b`, "/*", "--", "n\nl", "%s", "k1", "w", "t", "n", "'$salt'", "é", "select"}
	types := []string{"inet", "int8", "float8", "date", `"$8"`, "secret", "char(3)", "bpchar"}
	values := []string{"10.0.0.1/8", "5", "0.5", "2020-01-01", "x", "x", "abc", "b "}
	quoted := func(n int) string { return postgres.Ident(fmt.Sprintf("%s %d", names[n%len(names)], n/len(names))) }
	columns, row := []string{}, []string{}
	for n := range len(names) * len(types) {
		typ := n % len(types)
		name := quoted(n)
		if n < len(names) {
			name = postgres.Ident(names[n])
		}
		columns, row = append(columns, name+" "+types[typ]), append(row, quote(values[typ]))
	}
	load := func(major int) string {
		return fmt.Sprintf("SET client_min_messages = warning;\n%s;\nCREATE TABLE %s (%s, PRIMARY KEY (%s, %s));\nINSERT INTO %[2]s VALUES (%[6]s)", typesSQL(major, false),
			postgres.Ident(`"; DROP TABLE "$salt`), strings.Join(columns, ", "), postgres.Ident("$c"), postgres.Ident("$salt"), strings.Join(row, ", "))
	}
	versions := [][2]int{{18, 18}, {10, 18}}
	if testing.Short() {
		versions = [][2]int{{11, 18}}
	}
	for _, v := range versions {
		target := pgcluster.Shared(t, v[1]).TestDB(t, load(v[1]))
		p := join(t, pgcluster.Shared(t, v[0]).TestDB(t, load(v[0])), target)
		for _, way := range []Way{Auto, Stream} {
			t.Run(name(way, v[0], v[1]), func(t *testing.T) {
				d := p.digest(t, way, p.tables[0].Name)
				if len(d.Columns) != len(columns) || len(d.keys) != 2 {
					t.Fatalf("%d columns of %d, %d keys; undecidable %+v", len(d.Columns), len(columns), len(d.keys), d.Undecidable)
				}
				if a, b := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target); a != b || a.Rows != 1 {
					t.Fatalf("%v, %v", a, b)
				}
				rows := p.rows(t, d, postgres.Source, All)
				if len(rows) != 1 {
					t.Fatalf("%d rows", len(rows))
				}
				for _, r := range rows {
					states := p.lookup(t, d, postgres.Target, r.Key)
					if !states[0].Present {
						t.Fatal("the row is not found by its key")
					}
				}
			})
		}
		// Each column's own value is what is hashed.
		d := p.digest(t, Auto, p.tables[0].Name)
		keys := [][]string{}
		for _, r := range p.rows(t, d, postgres.Source, All) {
			keys = append(keys, r.Key)
		}
		before := p.lookup(t, d, postgres.Source, keys...)
		var sets, want []string
		for i, c := range d.Columns {
			if i%5 == 0 && d.position(c.Name) == i && !slices.Contains([]string{"$c", "$salt"}, c.Name) {
				sets, want = append(sets, postgres.Ident(c.Name)+" = NULL"), append(want, c.Name)
			}
		}
		exec(t, pgcluster.Shared(t, v[1]), target, "UPDATE "+postgres.Ident(`"; DROP TABLE "$salt`)+" SET "+strings.Join(sets, ", "))
		slices.Sort(want)
		if got := d.Differing(before[0], p.lookup(t, d, postgres.Target, keys...)[0]); !slices.Equal(got, want) {
			t.Errorf("differing %q, want %q", got, want)
		}
	}
}

func TestWidestAndNarrowestTables(t *testing.T) {
	var columns []string
	for n := range 1600 {
		columns = append(columns, fmt.Sprintf("c%d int4", n))
	}
	load := "CREATE TABLE wide (" + strings.Join(columns, ", ") + ", PRIMARY KEY (c7)); INSERT INTO wide (c7, c1599) VALUES (1, 2), (2, 3);" +
		"CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES; CREATE TABLE empty (id int4)"
	versions := [][2]int{{15, 18}, {10, 18}}
	if testing.Short() {
		versions = [][2]int{{11, 18}}
	}
	for _, v := range versions {
		target := pgcluster.Shared(t, v[1]).TestDB(t, load)
		p := join(t, pgcluster.Shared(t, v[0]).TestDB(t, load), target)
		for _, way := range []Way{Auto, Stream} {
			t.Run(name(way, v[0], v[1]), func(t *testing.T) {
				for table, rows := range map[string]int64{"public.wide": 2, "public.bare": 2, "public.empty": 0} {
					d := p.digest(t, way, table)
					x, y := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target)
					if x != y || x.Rows != rows {
						t.Errorf("%s: %v, %v, want %d rows", table, x, y, rows)
					}
				}
				if none := p.rows(t, p.digest(t, way, "public.bare"), postgres.Source, All); len(none) != 1 {
					t.Errorf("rows without columns: %v", none)
				}
				d := p.digest(t, way, "public.wide")
				a, b := p.lookup(t, d, postgres.Source, []string{"1"}), p.lookup(t, d, postgres.Target, []string{"2"})
				if got := d.Differing(a[0], b[0]); !slices.Equal(got, []string{"c1599", "c7"}) {
					t.Errorf("differing %v", got)
				}
			})
		}
	}
}
