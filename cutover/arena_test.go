package cutover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// draw is the seeded random source of a test: CUTOVER_SEED repeats one.
func draw(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("CUTOVER_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CUTOVER_SEED: %v", err)
		}
	}
	t.Logf("CUTOVER_SEED=%d repeats this draw", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// roomy are the settings of clusters that many switches share at once. Up to 15 a
// server starts workers one by one, each some time after the last, whosever it was.
var roomy = map[string]string{"wal_retrieve_retry_interval": "100ms", "max_replication_slots": "60", "max_wal_senders": "60", "max_worker_processes": "80", "max_logical_replication_workers": "50", "max_connections": "400"}

// arena is a world with clients of an ordinary role on both sides: an application
// that writes numbered rows to whichever side takes them, and for each side one
// that tries again and again whether it does.
type arena struct {
	*world
	client [2]string // connection strings of the ordinary role: source, target

	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	acks   []ack
	tokens []int64 // acknowledged
}

// ack is a write that a side has acknowledged.
type ack struct {
	side       int // 0 source, 1 target
	begun, end time.Time
}

// clientRole is the ordinary role.
const clientRole, clientPassword = "cutover_client", "not-so-secret"

var roleOnce sync.Mutex

// makeRole makes a role on a cluster, once. Its password is kept as md5, since clients
// that connect all the time would else be busy with scram alone.
func makeRole(t *testing.T, c *pgcluster.Cluster, name, attributes string) {
	t.Helper()
	roleOnce.Lock()
	defer roleOnce.Unlock()
	sql := fmt.Sprintf(`SET password_encryption = 'md5'; DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%s') THEN CREATE ROLE %[1]s LOGIN PASSWORD '%s' %s; END IF; END$$`, name, clientPassword, attributes)
	if err := c.Exec(t.Context(), "postgres", sql); err != nil {
		t.Fatal(err)
	}
}

// as is a connection string for another role.
func as(t *testing.T, rawURL, role string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, clientPassword)
	return u.String()
}

// newWorldOn is newWorld on clusters of the test's own choice.
func newWorldOn(t *testing.T, source, target *pgcluster.Cluster, sql ...string) *world {
	t.Helper()
	w := &world{}
	for _, p := range []struct {
		place   **place
		cluster *pgcluster.Cluster
	}{{&w.source, source}, {&w.target, target}} {
		u := p.cluster.TestDB(t, sql...)
		*p.place = &place{cluster: p.cluster, url: u, conn: connect(t, u)}
	}
	return w
}

// newArena makes a pair that is replicated, on clusters that are shared by the tests
// that kill.
func newArena(t *testing.T) *arena {
	t.Helper()
	source := pgcluster.SharedWith(t, "arena 15", pgcluster.Options{Major: 15, Settings: roomy})
	target := pgcluster.SharedWith(t, "arena 18", pgcluster.Options{Major: 18, Settings: roomy})
	return newArenaOn(t, source, target)
}

func newArenaOn(t *testing.T, source, target *pgcluster.Cluster) *arena {
	t.Helper()
	for _, c := range []*pgcluster.Cluster{source, target} {
		makeRole(t, c, clientRole, "")
	}
	a := &arena{world: newWorldOn(t, source, target, `CREATE TABLE tokens (id bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE stock (id serial PRIMARY KEY, n int);
GRANT ALL ON ALL TABLES IN SCHEMA public TO `+clientRole)}
	a.source.exec(t, `INSERT INTO stock (n) SELECT i FROM generate_series(1, 200) i`)
	a.replicate(t)
	a.client = [2]string{as(t, a.source.url, clientRole), as(t, a.target.url, clientRole)}
	return a
}

// script is a switch of the arena in a process of its own.
func (a *arena) script(journal string) script {
	return script{Source: a.source.url, Target: a.target.url, Journal: journal, Command: "run", Guard: true}
}

// begin has the clients at work, until end.
func (a *arena) begin(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	t.Cleanup(a.end)
	a.wg.Go(func() { a.write(ctx) })
	for side := range a.client {
		a.wg.Go(func() { a.try(ctx, side) })
	}
	until(t, "the application writes", func() bool { return a.count() > 3 })
}

// end has the clients come to their end.
func (a *arena) end() {
	a.stop()
	a.wg.Wait()
}

func (a *arena) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.tokens)
}

// clientTimeout is how long a client waits for an answer.
const clientTimeout = 2 * time.Second

// write is the application: each token is written until one side has
// acknowledged it, and it turns to the other side when one is closed. Of a try that
// failed nobody knows whether it is there: then the next one finds it.
func (a *arena) write(ctx context.Context) {
	var conns [2]*pgx.Conn
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close(context.Background())
			}
		}
	}()
	side := 0
	for token := int64(1); ctx.Err() == nil; {
		begun := time.Now()
		err := a.insert(ctx, &conns[side], a.client[side], "INSERT INTO tokens (id) VALUES ($1)", token)
		if err != nil {
			if closed(err) {
				side = 1 - side
			}
			rest(ctx, 20*time.Millisecond)
			continue
		}
		a.mu.Lock()
		a.acks, a.tokens = append(a.acks, ack{side, begun, time.Now()}), append(a.tokens, token)
		a.mu.Unlock()
		token++
		rest(ctx, 10*time.Millisecond)
	}
}

// insert makes one write, and connects for it where it has to.
func (a *arena) insert(ctx context.Context, conn **pgx.Conn, url, sql string, args ...any) (err error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	if *conn == nil {
		if *conn, err = pgx.Connect(ctx, url); err != nil {
			return err
		}
	}
	if _, err = (*conn).Exec(ctx, sql, args...); err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" { // it had arrived
		return nil
	}
	_ = (*conn).Close(context.Background())
	*conn = nil
	return err
}

// try asks one side again and again, each time as a new client, whether it takes a
// write, which it does not leave there. The target takes some until the switch
// closes it: those are none of what is counted.
func (a *arena) try(ctx context.Context, side int) {
	refused := side == 0
	for ctx.Err() == nil {
		begun := time.Now()
		err := a.tryOnce(ctx, a.client[side])
		refused = refused || closed(err)
		if err == nil && refused {
			a.mu.Lock()
			a.acks = append(a.acks, ack{side, begun, time.Now()})
			a.mu.Unlock()
		}
		rest(ctx, 200*time.Millisecond)
	}
}

func (a *arena) tryOnce(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, "BEGIN; INSERT INTO tokens (id) VALUES (0); ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	return err
}

// acknowledged is when a side first acknowledged a write that was begun after a
// moment, zero for never.
func (a *arena) acknowledged(side int, after time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.acks {
		if k.side == side && k.begun.After(after) {
			return k.end
		}
	}
	return time.Time{}
}

// oneAtATime fails where both sides took writes: one that was begun on the source
// after one had ended on the target.
func (a *arena) oneAtATime(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var firstTarget time.Time
	for _, k := range a.acks {
		if k.side == 1 && (firstTarget.IsZero() || k.end.Before(firstTarget)) {
			firstTarget = k.end
		}
	}
	for _, k := range a.acks {
		if k.side == 0 && !firstTarget.IsZero() && k.begun.After(firstTarget) {
			t.Errorf("the source took a write %v after the target had", k.begun.Sub(firstTarget))
			return
		}
	}
}

// all fails where an acknowledged token is not on a side, or where the sides
// differ: the way back has to carry what the other side has.
func (a *arena) all(t *testing.T, on *place, wayBack bool) {
	t.Helper()
	there := map[int64]bool{}
	for _, id := range strings.Fields(on.ask(t, "SELECT string_agg(id::text, ' ') FROM tokens")) {
		n, _ := strconv.ParseInt(id, 10, 64)
		there[n] = true
	}
	a.mu.Lock()
	lost := 0
	for _, id := range a.tokens {
		if !there[id] {
			lost++
		}
	}
	n := len(a.tokens)
	a.mu.Unlock()
	if lost > 0 {
		t.Errorf("%d of %d acknowledged tokens are lost", lost, n)
	}
	if !wayBack {
		return
	}
	const sum = "SELECT count(*) || ' ' || coalesce(md5(string_agg(id::text, ',' ORDER BY id)), '') FROM tokens"
	until(t, "the way back has carried everything", func() bool { return a.source.ask(t, sum) == a.target.ask(t, sum) })
}
