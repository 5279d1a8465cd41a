package cutover

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/preflight"
)

// slow marks a test that -short has no time for.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: takes seconds; run without -short")
	}
}

// long marks a test of minutes: faults, kills, loads, and other tools. make
// test-cutover runs them.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("PGPARITY_TEST_CUTOVER") != "all" {
		t.Skip("skipped: takes long, kills or loads servers; run by make test-cutover")
	}
}

// world is a pair of databases, and what a test does with them as a superuser.
type world struct {
	source, target *place
	name           string // of publication, subscription and slot
}

// place is one database of a world.
type place struct {
	cluster *pgcluster.Cluster
	url     string
	conn    *pgx.Conn
}

// newWorld makes a pair of databases on clusters that all tests share, and runs
// sql in both.
func newWorld(t *testing.T, source, target int, sql ...string) *world {
	t.Helper()
	w := &world{}
	for _, p := range []struct {
		place **place
		major int
	}{{&w.source, source}, {&w.target, target}} {
		c := pgcluster.Shared(t, p.major)
		url := c.TestDB(t, sql...)
		*p.place = &place{cluster: c, url: url, conn: connect(t, url)}
	}
	return w
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

// subscribing is held while a subscription is made: see the like in preflight.
var subscribing sync.Mutex

// session is the superuser's, made anew where it was ended: a switch ends those
// of clients.
func (p *place) session(t *testing.T) *pgx.Conn {
	t.Helper()
	if err := p.conn.Ping(t.Context()); err != nil {
		p.conn = connect(t, p.url)
	}
	return p.conn
}

func (p *place) exec(t *testing.T, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if strings.Contains(s, "CREATE SUBSCRIPTION") {
			subscribing.Lock()
			defer subscribing.Unlock()
		}
		if _, err := p.session(t).Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// ask runs a query that gives one value, as text; "" for NULL.
func (p *place) ask(t *testing.T, sql string) string {
	t.Helper()
	var v *string
	if err := p.session(t).QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

var worlds atomic.Int64

// replicate publishes all tables that are there, subscribes to them, and waits
// until they are copied.
func (w *world) replicate(t *testing.T) {
	t.Helper()
	w.name = fmt.Sprintf("cut_%d", worlds.Add(1))
	tables := w.source.ask(t, `SELECT string_agg(quote_ident(schemaname) || '.' || quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	w.source.exec(t, "CREATE PUBLICATION "+w.name+" FOR TABLE "+tables)
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", w.name, w.source.url))
	until(t, "all is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
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

// options are those of a test's switch.
func (w *world) options(t *testing.T) Options {
	return Options{
		Pair: "test", Source: w.source.url, Target: w.target.url, Journal: filepath.Join(t.TempDir(), "cutover.jsonl"),
		Verify:    checker.Options{Checks: []string{"sequences", "counts", "last", "ranges"}, Last: 1000, Settle: 10 * time.Second, Budget: 2 * time.Second, MaxDiffs: 100},
		Preflight: preflight.Options{Margin: 1000, LongTransaction: 5 * time.Second, Budget: 2 * time.Second},
		MaxAge:    time.Hour, Budgets: DefaultBudgets(), Attempts: 1,
	}
}

// open connects a run to the world, for tests of its parts.
func (w *world) open(t *testing.T, o Options) *run {
	t.Helper()
	r := &run{o: o, id: "test", direction: Forward, attempt: 1, exec: &live{}, result: &Result{}}
	t.Cleanup(r.close)
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}
