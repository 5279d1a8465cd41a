package hashing

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

var update = flag.Bool("update", false, "write the golden files")

// TestStatements shows every statement whole, as it is sent, with seeds that
// are the same in each run of the test.
func TestStatements(t *testing.T) {
	const table = `CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE orders (tenant int4, number int8, total numeric(12,2), placed timestamptz, note text,
  code char(4), paid bool, due date, ratio float8, mood mood, PRIMARY KEY (tenant, number))`
	cases := []struct {
		file           string
		way            Way
		source, target int
	}{
		{"pushdown", Pushdown, 15, 18}, {"md5", Pushdown, 10, 18}, {"stream", Stream, 15, 18},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			if testing.Short() && c.file != "pushdown" {
				t.Skip("-short: the long test shows the other ways")
			}
			p := join(t, pgcluster.Shared(t, c.source).TestDB(t, table), pgcluster.Shared(t, c.target).TestDB(t, table))
			a := p.agree(t, c.way)
			a.run = [2]uint64{0x0123456789abcdef, 0xfedcba9876543210}
			d := a.Digest(p.table(t, "public.orders"))

			scope := d.scope(postgres.Source).And("t.tenant >= $1", "5")
			keys := d.wanted(postgres.Target, [][]string{{"5", "1"}, {"5", "2"}})
			var statements []string
			add := func(title string, st postgres.Statement) {
				statements = append(statements, "-- "+title+"\n"+st.SQL+";\n")
				for _, side := range []postgres.Side{postgres.Source, postgres.Target} { // each must run
					p.read(t, side, func(ctx context.Context, s *postgres.Session) error {
						return s.Each(ctx, st, func(postgres.Row) error { return nil })
					})
				}
			}
			some := Share{Of: 16, N: 3}
			bins := postgres.Bins{List: "unnest($2::pg_catalog.int8[]) WITH ORDINALITY AS b(l, n)", In: "t.tenant OPERATOR(pg_catalog.=) b.l", Args: []string{"{5,6}"}, Count: 2}
			if c.way == Stream {
				add("sums and rows", d.streamStatement(scope, ""))
				add("lookup", d.streamStatement(keys, "", "w.n", "t.xmin", "t.xmax"))
			} else {
				add("sum of a range", postgres.Statement{SQL: d.sumSQL(scope), Args: scope.Args})
				add("sums of two bins", postgres.Statement{SQL: d.binSumsSQL(scope, bins), Args: append(scope.Args[:1:1], bins.Args...)})
				add("rows of a share", postgres.Statement{SQL: d.rowsSQL(scope.And(d.inShare(some))), Args: scope.Args})
				add("lookup", postgres.Statement{SQL: d.lookupSQL(keys), Args: keys.Args})
				if c.file == "pushdown" {
					add("handshake", postgres.Statement{SQL: handshakeSQL(formsFor(p.tables, a.peers))})
				}
			}
			golden(t, c.file+".sql", strings.Join(statements, "\n"))
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "hashing", file)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}
