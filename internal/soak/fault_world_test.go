package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// shop is a world with a table that is read in ranges and one that is swept.
// Two writers share it without ever meeting: one takes the odd keys.
var shop = []string{
	"CREATE TABLE orders (id bigint PRIMARY KEY, state int NOT NULL, note text)",
	"CREATE TABLE parcels (code text COLLATE \"en-x-icu\" PRIMARY KEY, weight numeric)",
	"INSERT INTO orders SELECT g, 0, repeat('n', 40) FROM generate_series(1, 4000) g",
	"INSERT INTO parcels SELECT 'p' || g, g * 0.5 FROM generate_series(1, 3000) g",
}

// shopDamage differs in a row of each kind, all of them rows that busy leaves alone.
var shopDamage = []string{
	"UPDATE orders SET note = 'damaged' WHERE id = 3998",
	"DELETE FROM orders WHERE id = 3997",
	"INSERT INTO parcels VALUES ('stray', 1)",
}

// busy works in a shop until the returned function is called, which tells how
// many transactions were made. parity is 0, 1, or -1 for all keys. A server that
// goes away is connected to again.
func busy(t *testing.T, url string, parity, rate int) (stop func() int64) {
	t.Helper()
	draw, next := rand.New(rand.NewPCG(uint64(rate), uint64(parity+2))), int64(10_000)
	key := func(n int) int {
		if k := draw.IntN(n) + 1; parity >= 0 {
			return k - k%2 + parity
		} else {
			return k
		}
	}
	return repeat(t, url, rate, func() string {
		next += 2
		id := next + int64(max(parity, 0))
		return fmt.Sprintf(`BEGIN;
UPDATE orders SET state = state + 1 WHERE id = %d;
UPDATE orders SET state = state + 1 WHERE id = %d;
INSERT INTO orders VALUES (%d, 0, 'new') ON CONFLICT DO NOTHING;
DELETE FROM orders WHERE id = %d;
UPDATE parcels SET code = translate(left(code, 1), 'pq', 'qp') || substr(code, 2), weight = weight + 1 WHERE code IN ('p%d', 'q%[5]d');
COMMIT`, key(20), key(3900), id, id-100, key(2900))
	})
}

// repeat runs what next says at a rate, until the returned function is called.
func repeat(t *testing.T, url string, rate int, next func() string) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var done atomic.Int64
	wg.Go(func() {
		var conn *pgx.Conn
		defer func() {
			if conn != nil {
				_ = conn.Close(context.Background())
			}
		}()
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for ctx.Err() == nil {
			var err error
			if conn == nil || conn.IsClosed() {
				if conn, err = pgx.Connect(ctx, url); err != nil {
					conn = nil
				}
			}
			if err == nil {
				_, err = conn.Exec(ctx, next(), pgx.QueryExecModeSimpleProtocol)
			}
			var refused *pgconn.PgError
			switch {
			case err == nil:
				done.Add(1)
			case ctx.Err() == nil && errors.As(err, &refused) && !strings.HasPrefix(refused.Code, "57P"):
				t.Errorf("repeat: %v", err)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	stop = sync.OnceValue(func() int64 {
		cancel()
		wg.Wait()
		return done.Load()
	})
	t.Cleanup(func() { stop() })
	return stop
}

// ownServer is a cluster that a test may stop and kill.
func ownServer(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: major, InMemory: true, Settings: map[string]string{
		"wal_retrieve_retry_interval": "200ms", "wal_writer_delay": "10ms"}})
	if errors.Is(err, pgcluster.ErrUnavailable) {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pairOn is newPair on clusters that are given. The subscription connects to
// address, "" for the source itself.
func pairOn(t *testing.T, source, target *pgcluster.Cluster, address string, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	p := &pair{source: newEnd(t, source, sql...), target: newEnd(t, target, definitions(sql)...)}
	p.subscription = p.follow(t, p.source, p.target, address, "")
	return p
}

// follow lets one end subscribe to the other, as subscribe does, and returns the
// subscription's name; with ends the statement.
func (p *pair) follow(t *testing.T, from, to *end, address, with string) (subscription string) {
	t.Helper()
	name := fmt.Sprintf("fault_%d", names.Add(1))
	conninfo := from.cluster.URL(from.name)
	if address != "" {
		u, err := url.Parse(conninfo)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = address
		conninfo = u.String()
	}
	from.exec(t, "CREATE PUBLICATION "+name+" FOR ALL TABLES")
	to.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s %[3]s", name, conninfo, with))
	until(t, "all is copied", func() bool {
		return to.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	return name
}

// arrived waits until the target has got what the source wrote so far.
func (p *pair) arrived(t *testing.T) {
	t.Helper()
	mark := p.source.ask(t, "pg_current_wal_insert_lsn()")
	p.source.exec(t, "SELECT txid_current()") // its commit is behind the mark, and flushed
	until(t, "all has arrived", func() bool {
		return p.source.ask(t, "SELECT active AND confirmed_flush_lsn >= '"+mark+"' FROM pg_replication_slots WHERE slot_name = '"+p.subscription+"'") == "true"
	})
}

// ruin changes a target behind the replication's back.
func ruin(t *testing.T, e *end, sql ...string) {
	t.Helper()
	e.exec(t, "SET session_replication_role = replica")
	e.exec(t, sql...)
	e.exec(t, "RESET session_replication_role")
}

// whenPlanned calls do once, when a run has planned its units.
func whenPlanned(do func()) func(*checker.Options) {
	return func(o *checker.Options) {
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.RunPlanned {
				do()
			}
		}
	}
}

// patience sets how long a run waits for rows to settle.
func patience(d time.Duration) func(*checker.Options) {
	return func(o *checker.Options) { o.Settle = d }
}

// matches fails unless the result is a match that rests on all that was planned,
// and on all that the shop holds, give or take what comes and goes.
func matches(t *testing.T, res *checker.Result) {
	t.Helper()
	c := res.Coverage
	if res.Verdict != checker.Match || c.ChunksPlanned == 0 || c.ChunksCompared != c.ChunksPlanned || len(c.Skipped) > 0 || c.RowsCompared < 6900 {
		t.Errorf("want a match of everything, got %d of %d chunks: %s", c.ChunksCompared, c.ChunksPlanned, toldBriefly(res))
	}
}

// unproven fails unless the result accuses nobody and names what stood in the way.
func unproven(t *testing.T, res *checker.Result, names ...string) {
	t.Helper()
	if res.Verdict != checker.Unproven || listOf(res) != "" {
		t.Errorf("want unproven without a finding: %s", toldBriefly(res))
	}
	said := strings.Join(res.Reasons, "\n")
	for _, name := range names {
		if !strings.Contains(said, name) {
			t.Errorf("the reasons don't name %q: %s", name, toldBriefly(res))
		}
	}
}

// listOf names the findings of a result in one line.
func listOf(res *checker.Result) string {
	var list []string
	for _, tab := range res.Tables {
		for _, f := range tab.Findings {
			key := ""
			for _, v := range f.Key {
				key += v
			}
			list = append(list, fmt.Sprintf("%s %s %s", strings.TrimPrefix(tab.Name, "public."), f.Kind, key))
		}
		if more := tab.FindingsTotal - int64(len(tab.Findings)); more != 0 {
			list = append(list, fmt.Sprintf("%s and %d more", tab.Name, more))
		}
	}
	return strings.Join(list, ", ")
}

// toldBriefly is told, with each line cut short: many rows may be unsettled.
func toldBriefly(res *checker.Result) string {
	lines := strings.Split(told(res), "\n")
	for i, l := range lines {
		if len(l) > 600 {
			lines[i] = l[:600] + " …"
		}
	}
	return strings.Join(lines, "\n")
}

// finds fails unless the result is a mismatch with just these findings.
func finds(t *testing.T, res *checker.Result, want string) {
	t.Helper()
	if res.Verdict != checker.Mismatch || listOf(res) != want {
		t.Errorf("found %q, want %q: %s", listOf(res), want, toldBriefly(res))
	}
}

// shopFindings is what shopDamage comes to.
const shopFindings = "orders missing 3997, orders different 3998, parcels extra stray"

// quiet waits until no session of a run is left on a server.
func quiet(t *testing.T, ends ...*end) {
	t.Helper()
	for _, e := range ends {
		conn := connect(t, e.url) // the end's own may have been killed with the server
		until(t, "no session of a run is left", func() bool {
			n := -1
			err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgparity'").Scan(&n)
			return err == nil && n == 0
		})
		_ = conn.Close(t.Context())
	}
}
