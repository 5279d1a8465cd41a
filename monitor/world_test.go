package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// long skips under -short what needs servers. Such tests mostly wait: they do so side by side.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped under -short: servers are started")
	}
	t.Parallel()
}

// hurry is a pace at which tests end.
var hurry = pace{sample: 200 * time.Millisecond, settle: 300 * time.Millisecond, quiet: 50 * time.Millisecond, retry: 100 * time.Millisecond, retries: time.Second,
	again: time.Second, publish: 20 * time.Millisecond, deliver: 50 * time.Millisecond, drain: 9 * time.Second, yield: 100 * time.Millisecond}

// place is one database of a world.
type place struct {
	url  string
	conn *pgx.Conn
	mu   sync.Mutex
}

func newPlace(t *testing.T, c *pgcluster.Cluster, sql ...string) *place {
	t.Helper()
	p := &place{url: c.TestDB(t, sql...)}
	p.connect(t)
	return p
}

func (p *place) connect(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
}

func (p *place) exec(t *testing.T, sql ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range sql {
		if _, err := p.conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (p *place) ask(t *testing.T, sql string) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var v *string
	if err := p.conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// world is a source and a target with native replication between them.
type world struct{ source, target *place }

var (
	worlds      atomic.Int64
	subscribing sync.Mutex
)

const shop = `CREATE TABLE orders (id int PRIMARY KEY, total numeric, note text);
CREATE TABLE items (id int, line int, sku text, PRIMARY KEY (id, line));
CREATE SEQUENCE tickets`

// newWorld makes a pair from 15 to 18 with rows in it, replicated.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18))
}

func newWorldOn(t *testing.T, source, target *pgcluster.Cluster) *world {
	t.Helper()
	w := &world{source: newPlace(t, source, shop), target: newPlace(t, target, shop)}
	w.source.exec(t, "INSERT INTO orders SELECT g, g * 1.5, 'order ' || g FROM generate_series(1, 2000) g",
		"INSERT INTO items SELECT g % 300, g, 'sku' FROM generate_series(1, 900) g", "ANALYZE")
	name := fmt.Sprintf("mon_%d", worlds.Add(1))
	subscribing.Lock()
	defer subscribing.Unlock()
	w.source.exec(t, "CREATE PUBLICATION "+name+" FOR TABLE orders, items")
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", name, w.source.url))
	until(t, "all is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	return w
}

// pair watches a world.
func (w *world) pair(name string) Pair {
	return Pair{Name: name, SourceURL: w.source.url, Same: w.source.url + w.target.url, Cycle: time.Hour, Quick: time.Hour, Recheck: 200 * time.Millisecond, Retention: 1 << 30,
		WatermarkAge: time.Hour, Open: func(ctx context.Context) (*Sides, error) { return openSides(ctx, w.source.url, w.target.url) }}
}

func openSides(ctx context.Context, source, target string) (*Sides, error) {
	s, err := postgres.Open(ctx, postgres.Options{Side: postgres.Source, URL: source, MaxConns: 6, StatementTimeout: time.Minute, Run: "test"})
	if err != nil {
		return nil, err
	}
	d, err := postgres.Open(ctx, postgres.Options{Side: postgres.Target, URL: target, MaxConns: 6, StatementTimeout: time.Minute, Run: "test"})
	if err != nil {
		s.Close()
		return nil, err
	}
	return &Sides{Source: s, Target: d, Check: checker.Options{OptionsHash: "test", Checks: []string{"sequences", "counts", "last", "ranges"}, Last: 100, Concurrency: 1, ChunkRows: 100,
		Settle: 5 * time.Second, Budget: 2 * time.Second, MaxDiffs: 100}, Close: func() { s.Close(); d.Close() }}, nil
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

// guard is a monitor under test.
type guard struct {
	*Service
	stop   context.CancelFunc
	done   chan error
	reload chan struct{}

	mu       sync.Mutex
	settings Settings
	broken   error // of the configuration
	lines    lines
}

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// begin runs a monitor until the test ends, or end is called.
func begin(t *testing.T, state string, hooks []Webhook, pairs ...Pair) *guard {
	t.Helper()
	if state == "" {
		state = filepath.Join(t.TempDir(), "state.db")
	}
	g := &guard{done: make(chan error, 1), reload: make(chan struct{})}
	g.settings = Settings{Passes: 2, Keep: time.Hour, Webhooks: hooks, Pairs: pairs}
	g.Service = New(Options{State: state, Version: "test", Reload: g.reload, Log: slog.New(slog.NewTextHandler(&g.lines, nil)), pace: hurry, Load: func() (Settings, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.settings, g.broken
	}})
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go func() { g.done <- g.Run(ctx) }()
	t.Cleanup(func() {
		g.end(t)
		if t.Failed() {
			t.Log(g.lines.String())
		}
	})
	return g
}

// end drains the monitor.
func (g *guard) end(t *testing.T) {
	t.Helper()
	g.stop()
	select {
	case err := <-g.done:
		g.done <- nil
		if err != nil {
			t.Errorf("the monitor ended with %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Error("the monitor did not end within 15 s")
	}
}

// pair waits until what is known of a pair is as it should be.
func (g *guard) until(t *testing.T, pair, what string, holds func(Status) bool) Status {
	t.Helper()
	var s Status
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		s, _ = g.Board().Pair(pair)
		if holds(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 30 s in vain until %s: it is %s, %s %q, %d findings, last error %q", what, s.Activity, s.Verdict, s.Reasons, len(s.Findings), s.LastError)
		}
	}
}

func matches(s Status) bool { return s.Verdict == checker.Match }

// open are the findings that are open.
func open(s Status) (list []Finding) {
	for _, f := range s.Findings {
		if f.Open() {
			list = append(list, f)
		}
	}
	return list
}
