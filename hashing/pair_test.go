package hashing

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// majors are the server versions of most tests: with and without the extended
// hashes (11), before and after shortest floats (12), with infinite numerics
// (14), and the newest. -short keeps the two most telling.
func majors() []int {
	if testing.Short() {
		return []int{11, 18}
	}
	return []int{10, 11, 13, 15, 18}
}

// sides are two opened databases with their tables joined.
type sides struct {
	source, target *postgres.DB
	tables         []*pairing.Table
}

func open(t testing.TB, side postgres.Side, dsn string) (*postgres.DB, *postgres.Catalog) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: dsn, MaxConns: 2, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	catalog, err := db.ReadCatalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return db, catalog
}

func join(t testing.TB, source, target string) *sides {
	t.Helper()
	a, sc := open(t, postgres.Source, source)
	b, tc := open(t, postgres.Target, target)
	pair, err := pairing.Join(sc, tc, pairing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &sides{a, b, pair.Tables}
}

func (p *sides) agree(t testing.TB, way Way) *Agreement {
	t.Helper()
	a, err := Agree(t.Context(), p.source, p.target, p.tables, way)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (p *sides) table(t testing.TB, name string) *pairing.Table {
	t.Helper()
	for _, pt := range p.tables {
		if pt.Name == name {
			return pt
		}
	}
	t.Fatalf("no table %s", name)
	return nil
}

// digest agrees anew, so that each has seeds of its own.
func (p *sides) digest(t testing.TB, way Way, table string) *Digest {
	t.Helper()
	return p.agree(t, way).Digest(p.table(t, table))
}

func (p *sides) db(side postgres.Side) *postgres.DB {
	if side == postgres.Source {
		return p.source
	}
	return p.target
}

func (p *sides) read(t testing.TB, side postgres.Side, fn func(context.Context, *postgres.Session) error) {
	t.Helper()
	if err := p.db(side).Read(t.Context(), "test", fn); err != nil {
		t.Fatal(err)
	}
}

func (p *sides) sum(t testing.TB, d *Digest, side postgres.Side) Sum {
	t.Helper()
	var sum Sum
	p.read(t, side, func(ctx context.Context, s *postgres.Session) (err error) {
		sum, err = d.Sum(ctx, s, d.scope(side))
		return err
	})
	return sum
}

// aRow is what Rows told of a row, kept.
type aRow struct {
	Key    []string
	Hash   int64
	Copies int64
}

func keep(r Row) aRow {
	row := aRow{Hash: r.Hash, Copies: 1}
	for _, part := range r.Key {
		row.Key = append(row.Key, string(part))
	}
	if row.Key == nil {
		row.Key = []string{HashKey(r.Hash)}
	}
	return row
}

// rows reads all rows of a share by key.
func (p *sides) rows(t testing.TB, d *Digest, side postgres.Side, h Share) map[string]aRow {
	t.Helper()
	rows := map[string]aRow{}
	p.read(t, side, func(ctx context.Context, s *postgres.Session) error {
		return d.Rows(ctx, s, d.scope(side), h, func(r Row) error {
			row := keep(r)
			key := strings.Join(row.Key, "|")
			row.Copies += rows[key].Copies
			rows[key] = row
			return nil
		})
	})
	return rows
}

func (p *sides) lookup(t testing.TB, d *Digest, side postgres.Side, keys ...[]string) []State {
	t.Helper()
	var states []State
	p.read(t, side, func(ctx context.Context, s *postgres.Session) (err error) {
		states, err = d.Lookup(ctx, s, side, keys)
		return err
	})
	return states
}

// ask runs a query of one column on one side.
func (p *sides) ask(t testing.TB, side postgres.Side, sql string) []string {
	t.Helper()
	var out []string
	p.read(t, side, func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql}, func(r postgres.Row) error {
			out = append(out, r.Text(0))
			return nil
		})
	})
	return out
}

// exec changes one side's database from outside the pinned sessions.
func exec(t testing.TB, c *pgcluster.Cluster, dsn string, sql ...string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), strings.TrimPrefix(u.Path, "/"), sql...); err != nil {
		t.Fatal(err)
	}
}

func name(way Way, a, b int) string {
	return string(way) + "/" + strconv.Itoa(a) + "-" + strconv.Itoa(b)
}
