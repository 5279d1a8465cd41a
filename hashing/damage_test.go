package hashing

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// damagesSQL makes a table per kind. Row n holds the value of damage n before
// it on the source, and after it on the target; beside each stands a row that
// is the same on both.
func damagesSQL(major int, target bool) string {
	var b strings.Builder
	b.WriteString("SET client_min_messages = warning;\n" + typesSQL(major, target) + ";\n")
	for _, k := range kinds {
		if major < k.since {
			continue
		}
		fmt.Fprintf(&b, "CREATE TABLE of_%s (id int4 PRIMARY KEY, v %s, w text);\n", k.name, k.typ)
		for n, d := range append(slices.Clone(k.damages), [2]string{k.values[0], ""}) {
			v := d[0]
			if target {
				v = d[1]
			}
			if n == len(k.damages) && target {
				fmt.Fprintf(&b, "INSERT INTO of_%s VALUES (%d, NULL, 'w'), (%d, %s, 'w');\n", k.name, n, -1-n, quote(d[0]))
				continue
			}
			fmt.Fprintf(&b, "INSERT INTO of_%s VALUES (%d, %s, 'w'), (%d, %s, 'w');\n", k.name, n, quote(v), -1-n, quote(d[0]))
		}
	}
	return b.String()
}

// TestEachDamageIsSeen changes one value at a time and wants it seen in the
// row's hash, which is the digest's change, and in the name of the column.
func TestEachDamageIsSeen(t *testing.T) {
	type run struct {
		way            Way
		source, target int
	}
	runs := []run{{Auto, 15, 18}, {Stream, 15, 18}, {Auto, 10, 18}, {Auto, 11, 18}, {Stream, 11, 18}, {Auto, 10, 11}, {Auto, 18, 18}}
	if testing.Short() {
		runs = []run{{Auto, 11, 18}, {Stream, 11, 18}}
	}
	sources, targets := map[int]string{}, map[int]string{}
	for _, r := range runs {
		if sources[r.source] == "" {
			sources[r.source] = pgcluster.Shared(t, r.source).TestDB(t, damagesSQL(r.source, false), odd(1))
		}
		if targets[r.target] == "" {
			targets[r.target] = pgcluster.Shared(t, r.target).TestDB(t, damagesSQL(r.target, true), odd(2))
		}
	}
	for _, r := range runs {
		t.Run(name(r.way, r.source, r.target), func(t *testing.T) {
			p := join(t, sources[r.source], targets[r.target])
			agree, seen := p.agree(t, r.way), 0
			for _, k := range kinds {
				if r.source < k.since || r.target < k.since {
					continue
				}
				d := agree.Digest(p.table(t, "public.of_"+k.name))
				if len(d.Undecidable) > 0 {
					if k.name != "cu" || r.source >= 12 {
						t.Errorf("%s is undecidable: %+v", k.typ, d.Undecidable)
					}
					continue
				}
				seen += p.checkDamages(t, d, k)
			}
			if seen < 150 && !testing.Short() {
				t.Errorf("only %d damages", seen)
			}
		})
	}
}

// checkDamages returns how many were looked at.
func (p *sides) checkDamages(t *testing.T, d *Digest, k kind) int {
	t.Helper()
	source, target := p.rows(t, d, postgres.Source, All), p.rows(t, d, postgres.Target, All)
	var keys [][]string
	for n := range len(k.damages) + 1 {
		keys = append(keys, []string{strconv.Itoa(n)}, []string{strconv.Itoa(-1 - n)})
	}
	a, b := p.lookup(t, d, postgres.Source, keys...), p.lookup(t, d, postgres.Target, keys...)
	for i, key := range keys {
		what := k.typ + ": a value and NULL"
		if n := i / 2; n < len(k.damages) {
			what = fmt.Sprintf("%s: %s and %s", k.typ, k.damages[n][0], k.damages[n][1])
		}
		differing := d.Differing(a[i], b[i])
		switch damaged := i%2 == 0; {
		case damaged && source[key[0]].Hash == target[key[0]].Hash:
			t.Errorf("%s hash alike (%s)", what, d.Columns[d.position("v")].Form)
		case damaged && !slices.Equal(differing, []string{"v"}):
			t.Errorf("%s: differing columns %v", what, differing)
		case !damaged && (source[key[0]].Hash != target[key[0]].Hash || len(differing) > 0 || !a[i].Same(b[i])):
			t.Errorf("%s: the undamaged row differs", what)
		}
	}
	return len(k.damages) + 1
}

// TestRowDamages are damages that no single value shows.
func TestRowDamages(t *testing.T) {
	tables := `CREATE TABLE k (id int4 PRIMARY KEY, a int4, b int4, n numeric, m numeric, t text, u text);
CREATE TABLE heap (a int4, t text);
INSERT INTO k SELECT g, g * 3, g * 7, g, g + 1, 'x' || g, 'y' || g FROM generate_series(1, 50) g;
INSERT INTO heap SELECT g % 10, 'v' FROM generate_series(1, 50) g;`
	damages := []struct{ name, table, sql string }{
		{"values swapped between two columns of a row", "k", "UPDATE k SET a = b, b = a WHERE id = 3"},
		{"values swapped in every row", "k", "UPDATE k SET a = b, b = a"},
		{"values swapped between two rows", "k", "UPDATE k SET a = 9 - a + 12 WHERE id IN (3, 4)"},
		{"rows swap all but their key", "k", "UPDATE k x SET (a, b, n, m, t, u) = (SELECT a, b, n, m, t, u FROM k y WHERE y.id = 7 - x.id) WHERE id IN (3, 4)"},
		{"two numerics times 10000", "k", "UPDATE k SET n = n * 10000, m = m * 10000 WHERE id = 5"},
		{"two numerics change sign", "k", "UPDATE k SET n = -n, m = -m WHERE id = 5"},
		{"text moves over to the next column", "k", "UPDATE k SET t = 'x5y', u = '5' WHERE id = 5"},
		{"a value and a NULL swapped between columns", "k", "UPDATE k SET a = NULL, b = 15 WHERE id = 5"},
		{"two NULLs for two values", "k", "UPDATE k SET t = NULL, u = NULL WHERE id = 5"},
		{"a row lost", "k", "DELETE FROM k WHERE id = 5"},
		{"a row lost, another doubled under a new key", "k", "UPDATE k SET (id, a, b, n, m, t, u) = (SELECT 1000, a, b, n, m, t, u FROM k WHERE id = 6) WHERE id = 5"},
		{"two equal rows lost", "heap", "DELETE FROM heap WHERE ctid IN (SELECT ctid FROM heap WHERE a = 3 LIMIT 2)"},
		{"all equal rows lost", "heap", "DELETE FROM heap WHERE a = 3"},
		{"two of one for two of another", "heap", "UPDATE heap SET a = 4 WHERE ctid IN (SELECT ctid FROM heap WHERE a = 3 LIMIT 2)"},
		{"all rows of one kind turn another", "heap", "UPDATE heap SET a = 400 WHERE a = 4"},
	}
	versions := [][2]int{{15, 18}, {10, 18}}
	if testing.Short() {
		versions = [][2]int{{11, 18}}
	}
	for _, v := range versions {
		source, target := pgcluster.Shared(t, v[0]).TestDB(t, tables), pgcluster.Shared(t, v[1]).TestDB(t, tables)
		p := join(t, source, target)
		for n, damage := range damages {
			if testing.Short() && n%3 != 0 {
				continue
			}
			exec(t, pgcluster.Shared(t, v[1]), target, "DROP TABLE k, heap; "+tables)
			for _, way := range []Way{Auto, Stream} {
				t.Run(name(way, v[0], v[1])+"/"+damage.name, func(t *testing.T) {
					d := p.digest(t, way, "public."+damage.table)
					if d.Keyed() != (damage.table == "k") {
						t.Fatalf("keyed: %v", d.Keyed())
					}
					if way == Auto {
						if a, b := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target); a != b {
							t.Fatalf("differ before the damage: %v %v", a, b)
						}
						exec(t, pgcluster.Shared(t, v[1]), target, damage.sql)
					}
					if a, b := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target); a.Hash == b.Hash {
						t.Errorf("went unseen: %v %v", a, b)
					}
					// The shares must find it too, and divide the rows.
					found, all := false, 0
					for n := range 8 {
						a, b := p.rows(t, d, postgres.Source, Share{8, n}), p.rows(t, d, postgres.Target, Share{8, n})
						found = found || !maps.EqualFunc(a, b, func(x, y aRow) bool { return x.Hash == y.Hash && x.Copies == y.Copies })
						all += len(a)
					}
					if want := len(p.rows(t, d, postgres.Source, All)); !found || all != want {
						t.Errorf("found %t, %d rows in eight shares of %d", found, all, want)
					}
				})
			}
		}
	}
}

// TestSwapsReachEveryBit: a sum of xors keeps its lowest bit however values
// move between rows, and its low bits nearly always. Hashing each row's bits
// once more is what spreads a swap over all of the sum.
func TestSwapsReachEveryBit(t *testing.T) {
	const table = "CREATE TABLE k (id int4 PRIMARY KEY, a int4); INSERT INTO k SELECT g, g * 3 FROM generate_series(1, 50) g"
	p := join(t, pgcluster.Shared(t, 18).TestDB(t, table), pgcluster.Shared(t, 18).TestDB(t, table, "UPDATE k SET a = 153 - a"))
	for _, way := range []Way{Pushdown, Stream} {
		a, odd := p.agree(t, way), 0
		for n := range uint64(64) {
			a.run = [2]uint64{n, 7}
			d := a.Digest(p.table(t, "public.k"))
			x, y := p.sum(t, d, postgres.Source).Hash, p.sum(t, d, postgres.Target).Hash
			odd += int(x[len(x)-1]+y[len(y)-1]) & 1
		}
		if odd < 12 || odd > 52 {
			t.Errorf("%s: the lowest bit differs under %d seeds of 64", way, odd)
		}
	}
}
