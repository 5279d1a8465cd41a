package hashing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// plan is a lookup's plan on a database, under a lookup's settings.
func plan(t *testing.T, dsn string, st postgres.Statement) string {
	t.Helper()
	ctx := t.Context()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "BEGIN; SET LOCAL search_path = ''; SET LOCAL "+strings.Join(IndexOnly, "; SET LOCAL ")).ReadAll(); err != nil {
		t.Fatal(err)
	}
	var args [][]byte
	for _, a := range st.Args {
		args = append(args, []byte(a))
	}
	rows := conn.ExecParams(ctx, "EXPLAIN "+st.SQL, args, nil, nil, nil).Read()
	if rows.Err != nil {
		t.Fatal(rows.Err)
	}
	var lines []string
	for _, r := range rows.Rows {
		lines = append(lines, string(r[0]))
	}
	return strings.Join(lines, "\n")
}

// TestLookupReadsTheIndex: a handful of keys must not read a whole table, for
// no type of key.
func TestLookupReadsTheIndex(t *testing.T) {
	n := 30000
	if testing.Short() {
		n = 6000
	}
	keys := []struct{ name, columns, key, rows string }{
		{"int8", "id int8", "id", "g"},
		{"composite", "a int4, b text", "b, a", "g % 100, 'k' || g"},
		{"citext", "id citext", "id", "'K' || g"},
		{"bpchar", "id char(12)", "id", "'k' || g"},
		{"domain", "id num", "id", "g"},
		{"chardomain", "id word", "id", "'k' || g"},
		{"feeling", "id feel, n int4", "id, n", "CASE g % 2 WHEN 0 THEN 'sad' ELSE 'ok' END::feel, g"},
		{"uuid", "id uuid", "id", "pg_catalog.md5(g::text)::uuid"},
		{"name", "id name", "id", "'k' || g"},
		{"numeric", "id numeric", "id", "g / 10.0"},
		{"instant", "id timestamptz", "id", "'epoch'::timestamptz + g * interval '1.000001 s'"},
		{"bytes", "id bytea", "id", "pg_catalog.decode(pg_catalog.md5(g::text), 'hex')"},
	}
	var b strings.Builder
	b.WriteString("SET client_min_messages = warning; CREATE EXTENSION citext; CREATE DOMAIN num AS int8; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN feel AS mood; CREATE DOMAIN word AS varchar(20);\n")
	for _, k := range keys {
		fmt.Fprintf(&b, "CREATE TABLE by_%[1]s (%[2]s, v text, PRIMARY KEY (%[3]s));\nINSERT INTO by_%[1]s SELECT %[4]s, 'v' FROM generate_series(1, %[5]d) g;\nANALYZE by_%[1]s;\n", k.name, k.columns, k.key, k.rows, n)
	}
	fmt.Fprintf(&b, `CREATE TABLE by_part (id int8, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF by_part FOR VALUES FROM (MINVALUE) TO (5000);
CREATE TABLE part2 PARTITION OF by_part FOR VALUES FROM (5000) TO (MAXVALUE);
INSERT INTO by_part SELECT g, 'v' FROM generate_series(1, %d) g; ANALYZE by_part;`, n)
	versions := []int{11, 18}
	if testing.Short() {
		versions = []int{18}
	}
	for _, major := range versions {
		db := pgcluster.Shared(t, major).TestDB(t, b.String())
		p := join(t, db, db)
		for _, table := range p.tables {
			for _, way := range []Way{Auto, Stream} {
				t.Run(fmt.Sprintf("%d/%s/%s", major, way, table.Name), func(t *testing.T) {
					d := p.digest(t, way, table.Name)
					if !d.Keyed() {
						t.Fatal("no key: ", table.KeyReason)
					}
					var wanted [][]string
					p.read(t, postgres.Source, func(ctx context.Context, s *postgres.Session) error {
						scope := d.scope(postgres.Source)
						scope.From += " TABLESAMPLE BERNOULLI (2)"
						return d.Rows(ctx, s, scope, All, func(r Row) error {
							if len(wanted) < 200 {
								wanted = append(wanted, keep(r).Key)
							}
							return nil
						})
					})
					if len(wanted) < 40 {
						t.Fatalf("only %d keys", len(wanted))
					}
					absent := slices.Clone(wanted[0])
					switch last := &absent[len(absent)-1]; {
					case strings.Contains(table.Name, "uuid"):
						*last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
					case strings.Contains(table.Name, "instant"):
						*last = "2222-02-02"
					default:
						*last = "0"
					}
					states := p.lookup(t, d, postgres.Target, append(wanted, absent)...)
					for i, st := range states[:len(wanted)] {
						if !st.Present || !slices.Equal(st.Key, wanted[i]) || st.Version == "" {
							t.Fatalf("key %v: %+v", wanted[i], st)
						}
					}
					if states[len(wanted)].Present {
						t.Errorf("a key that is not there was found: %v", absent)
					}
					got := plan(t, db, d.lookupStatement(d.wanted(postgres.Target, wanted)))
					if strings.Contains(got, "Seq Scan") || strings.Contains(got, "Join Filter") || !strings.Contains(got, "Index") {
						t.Errorf("the lookup reads the whole table:\n%s", got)
					}
				})
			}
		}
	}
}

// lookupStatement is what Lookup sends.
func (d *Digest) lookupStatement(scope postgres.Scope) postgres.Statement {
	if d.Way == Stream {
		return d.streamStatement(scope, "", "w.n", "t.xmin", "t.xmax")
	}
	return postgres.Statement{SQL: d.lookupSQL(scope), Args: scope.Args}
}

// TestKeysThatAreEqualButNotTheSame are one row on both sides, which differs
// in its key.
func TestKeysThatAreEqualButNotTheSame(t *testing.T) {
	p := join(t,
		pgcluster.Shared(t, 18).TestDB(t, "CREATE TABLE n (id numeric PRIMARY KEY); INSERT INTO n VALUES (1.0), (2)"),
		pgcluster.Shared(t, 18).TestDB(t, "CREATE TABLE n (id numeric PRIMARY KEY); INSERT INTO n VALUES (1.00), (2)"))
	for _, way := range []Way{Auto, Stream} {
		d := p.digest(t, way, "public.n")
		a, b := p.lookup(t, d, postgres.Source, []string{"1.0"}, []string{"2"}), p.lookup(t, d, postgres.Target, []string{"1.0"}, []string{"2"})
		if !b[0].Present || a[0].Same(b[0]) || !slices.Equal(d.Differing(a[0], b[0]), []string{"id"}) {
			t.Errorf("%s: %+v %+v", way, a[0], b[0])
		}
		if !a[1].Same(b[1]) {
			t.Errorf("%s: 2 and 2 differ", way)
		}
	}
}

func TestLast(t *testing.T) {
	db := pgcluster.Shared(t, 18).TestDB(t, "CREATE TABLE k (id int4 PRIMARY KEY, at int4); INSERT INTO k SELECT g, NULLIF(100 - g, 50) FROM generate_series(1, 100) g",
		"CREATE TABLE heap (at int4); INSERT INTO heap SELECT g / 2 FROM generate_series(1, 100) g")
	p := join(t, db, db)
	for _, way := range []Way{Auto, Stream} {
		last := func(table string, n int, by string) (keys []string, copies int64, err error) {
			d := p.digest(t, way, table)
			err = p.source.Read(t.Context(), "test", func(ctx context.Context, s *postgres.Session) error {
				return d.Last(ctx, s, postgres.Source, n, by, func(r Row) error {
					keys, copies = append(keys, keep(r).Key[0]), copies+1
					return nil
				})
			})
			return keys, copies, err
		}
		if keys, _, err := last("public.k", 3, ""); err != nil || !slices.Equal(keys, []string{"100", "99", "98"}) {
			t.Errorf("%s: by key: %v %v", way, keys, err)
		}
		if keys, _, err := last("public.k", 3, "at"); err != nil || !slices.Equal(keys, []string{"1", "2", "3"}) {
			t.Errorf("%s: by column: %v %v", way, keys, err)
		}
		if keys, copies, err := last("public.heap", 5, "at"); err != nil || len(keys) != 5 || copies != 5 {
			t.Errorf("%s: of a multiset: %v %d %v", way, keys, copies, err)
		}
		if _, _, err := last("public.heap", 5, ""); err == nil {
			t.Errorf("%s: a multiset has no last rows by key", way)
		}
	}
}
