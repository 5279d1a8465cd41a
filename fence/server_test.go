package fence_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// server is the cluster of a major version that the tests share. A worker that
// failed is started again soon, rather than after 5 s.
func server(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.SharedWith(t, fmt.Sprintf("major %d", major), pgcluster.Options{Major: major, Settings: map[string]string{"wal_retrieve_retry_interval": "300ms"}})
}

// long skips under -short what takes seconds or a cluster of its own.
func long(t *testing.T, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped under -short: " + why)
	}
}

// names keeps slots of tests that share a cluster apart.
var names atomic.Int64

// end is one server of a pair under test: its database by three ways.
type end struct {
	cluster *pgcluster.Cluster
	name    string // of the database
	db      *postgres.DB
	conn    *pgx.Conn
}

// open reaches a database as pgparity does and as a superuser's session.
func open(t *testing.T, side postgres.Side, c *pgcluster.Cluster, url string) *end {
	t.Helper()
	e := &end{cluster: c, db: openDB(t, side, url), conn: connect(t, url)}
	e.name = e.db.Server().Database
	return e
}

func openDB(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: url, MaxConns: 4, Run: "test", StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (e *end) exec(t *testing.T, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := e.conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %s: %v", e.name, s, err)
		}
	}
}

// ask runs a query that gives one value, as text; "" for NULL and no row.
func (e *end) ask(t *testing.T, sql string) string {
	t.Helper()
	return ask(t, e.conn, sql)
}

func ask(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var v *string
	err := conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 30 s in vain until %s", what)
		}
	}
}

// pair is a source and a target with the same tables.
type pair struct{ source, target *end }

func newPair(t *testing.T, source, target *pgcluster.Cluster, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	p := &pair{source: open(t, postgres.Source, source, source.TestDB(t, sql...))}
	p.target = open(t, postgres.Target, target, target.TestDB(t, sql...))
	return p
}

// subscribe publishes tables and subscribes to them, and waits until they are
// copied. It returns the name of publication, slot and subscription.
func subscribe(t *testing.T, from, to *end, tables, with string) string {
	t.Helper()
	name := fmt.Sprintf("shop_%d", names.Add(1))
	from.exec(t, "CREATE PUBLICATION "+name+" FOR TABLE "+tables)
	to.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %s%s", name, from.cluster.URL(from.name), name, with))
	until(t, "all is copied", func() bool { return unready(t, to) == 0 })
	return name
}

func unready(t *testing.T, e *end) int {
	n := 0
	_, err := fmt.Sscan(e.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'"), &n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *pair) detect(t *testing.T) *fence.Detection {
	t.Helper()
	return detect(t, fence.Options{Source: p.source.db, Target: p.target.db})
}

func detect(t *testing.T, o fence.Options) *fence.Detection {
	t.Helper()
	d, err := fence.Detect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *pair) fence(t *testing.T) fence.Fence {
	t.Helper()
	return made(t)(p.detect(t).Fence())
}

func made(t *testing.T) func(fence.Fence, error) fence.Fence {
	return func(f fence.Fence, err error) fence.Fence {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

func mark(t *testing.T, f fence.Fence) fence.Mark {
	t.Helper()
	m, err := f.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// waits for a mark for so long.
func waits(t *testing.T, f fence.Fence, m fence.Mark, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return f.Wait(ctx, m)
}

// pass marks and waits, and gives how long that took.
func pass(t *testing.T, f fence.Fence) time.Duration {
	t.Helper()
	began := time.Now()
	if err := waits(t, f, mark(t, f), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// trouble gives the one of a kind, or nil.
func trouble(t *testing.T, f fence.Fence, kind fence.TroubleKind) *fence.Trouble {
	t.Helper()
	h, err := f.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range h.Troubles {
		if x.Kind == kind {
			return &x
		}
	}
	return nil
}

// healthy fails where anything is wrong.
func healthy(t *testing.T, f fence.Fence) {
	t.Helper()
	h, err := f.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range h.Troubles {
		t.Errorf("healthy, but: %s: %s", x.Kind, x.Sentence)
	}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not name %q", text, part)
		}
	}
}
