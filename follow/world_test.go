package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// place is one database.
type place struct {
	cluster *pgcluster.Cluster
	url     string
	conn    *pgx.Conn
	db      *postgres.DB
}

// world is a pair that is replicated, and what follows it.
type world struct {
	source, target *place
	name           string // of publication and subscription
	pair           *pairing.Pair
	stream         checker.Stream
	options        Options
	f              *Follower

	mu      sync.Mutex
	kept    State
	keepErr error
}

var worlds atomic.Int64

// newWorld makes a pair with the same tables, of which those are published that the
// statement names; "" for all tables.
func newWorld(t *testing.T, source, target int, tables string, sql ...string) *world {
	t.Helper()
	return newWorldOn(t, pgcluster.Shared(t, source), pgcluster.Shared(t, target), tables, sql...)
}

func newWorldOn(t *testing.T, source, target *pgcluster.Cluster, tables string, sql ...string) *world {
	t.Helper()
	w := &world{source: newPlace(t, source, sql...), target: newPlace(t, target, sql...), name: fmt.Sprintf("shop_%d", worlds.Add(1))}
	if tables == "" {
		tables = w.source.ask(t, `SELECT string_agg(quote_ident(schemaname) || '.' || quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'`)
	}
	w.source.exec(t, "CREATE PUBLICATION "+w.name+" FOR "+strings.Replace("TABLE "+tables, "TABLE ALL", "ALL", 1))
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", w.name, w.source.url))
	until(t, "all is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	w.source.open(t, postgres.Source)
	w.target.open(t, postgres.Target)
	w.read(t)
	w.options = Options{Pair: "Shop 1", URL: w.source.url, Settle: 10 * time.Second, Keep: func(_ context.Context, s State) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.keepErr == nil {
			w.kept = s
		}
		return w.keepErr
	}}
	t.Cleanup(w.close)
	return w
}

func newPlace(t *testing.T, c *pgcluster.Cluster, sql ...string) *place {
	t.Helper()
	p := &place{cluster: c, url: c.TestDB(t, sql...)}
	p.conn = connect(t, p.url)
	return p
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

func (p *place) open(t *testing.T, side postgres.Side) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: p.url, MaxConns: 6, Run: "test", StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	p.db = db
}

func (p *place) exec(t *testing.T, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := p.conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (p *place) ask(t *testing.T, sql string) string {
	t.Helper()
	var v *string
	if err := p.conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// read reads both catalogs and how the pair replicates.
func (w *world) read(t *testing.T) {
	t.Helper()
	catalogs, err := postgres.Both(t.Context(), w.source.db, w.target.db, func(ctx context.Context, db *postgres.DB) (*postgres.Catalog, error) {
		return db.ReadCatalog(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.pair, err = pairing.Join(catalogs[0], catalogs[1], pairing.Options{}); err != nil {
		t.Fatal(err)
	}
	d, err := fence.Detect(t.Context(), fence.Options{Source: w.source.db, Target: w.target.db})
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Fence()
	if err != nil {
		t.Fatal(err)
	}
	w.stream = checker.Stream{Detection: d, Fence: f}
}

// begin follows the pair from a state on, and returns what was refused.
func (w *world) begin(t *testing.T, state State, wantFresh bool) []Refusal {
	t.Helper()
	f, fresh, refused, err := Begin(t.Context(), w.source.db, w.target.db, w.pair, w.stream, state, w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.f = f
	if fresh != wantFresh {
		t.Errorf("fresh = %v, want %v", fresh, wantFresh)
	}
	return refused
}

// pass is a full pass over a pair that is known to be equal.
func (w *world) pass(t *testing.T) {
	t.Helper()
	if err := w.tryPass(t); err != nil {
		t.Fatal(err)
	}
}

func (w *world) tryPass(t *testing.T) error {
	t.Helper()
	at, when, err := w.f.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w.f.Passed(t.Context(), w.f.f.names(), at, when)
}

// follow begins anew, with a pass.
func (w *world) follow(t *testing.T) {
	t.Helper()
	if refused := w.begin(t, State{}, true); len(refused) > 0 {
		t.Fatalf("refused: %v", refused)
	}
	w.pass(t)
}

func (w *world) close() {
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
}

// step steps until all is read that was written before, and returns all that came of it.
func (w *world) step(t *testing.T) Step {
	t.Helper()
	to := w.mark(t)
	var sum Step
	for range 100 {
		s, err := w.f.Step(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		sum.Changes, sum.Keys, sum.Total, sum.Through = sum.Changes+s.Changes, sum.Keys+s.Keys, sum.Total+s.Total, s.Through
		sum.Findings, sum.Dirty = append(sum.Findings, s.Findings...), append(sum.Dirty, s.Dirty...)
		sum.Redefined = sum.Redefined || s.Redefined
		sum.Waiting = s.Waiting
		if s.Through >= to {
			return sum
		}
	}
	t.Fatalf("%s was not reached: %+v", to, sum)
	return sum
}

func (w *world) mark(t *testing.T) postgres.LSN {
	t.Helper()
	at, err := w.source.db.WriteMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (w *world) keptState() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept
}

func (w *world) keepFails(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keepErr = err
}

// watermark is a table's.
func (w *world) watermark(t *testing.T, table string) postgres.LSN {
	t.Helper()
	ts := w.f.State().Tables[table]
	if ts.LSN == "" {
		return 0
	}
	at, err := postgres.ParseLSN(ts.LSN)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// words are findings as kind, table and key values.
func words(list []checker.Located) []string {
	var out []string
	for _, l := range list {
		var keys []string
		for name, v := range l.Key {
			keys = append(keys, name+"="+v)
		}
		slices.Sort(keys)
		out = append(out, strings.Join([]string{l.Kind, l.Table, strings.Join(keys, " ")}, " "))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func wantWords(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// clean fails where a step found or soiled anything.
func clean(t *testing.T, s Step) {
	t.Helper()
	if s.Total > 0 || len(s.Dirty) > 0 || s.Waiting != "" {
		t.Errorf("not clean: %+v", s)
	}
}

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

func refusal(err error) string {
	var r Refusal
	if errors.As(err, &r) {
		return r.Why
	}
	return ""
}
