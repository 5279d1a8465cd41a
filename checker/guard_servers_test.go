package checker

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// guardedServers are a source of one major version and a target of another,
// in clusters of their own: what is counted is the whole server's.
type guardedServers struct {
	urls [2]string
	dbs  [2]*postgres.DB
}

func newGuardedServers(t *testing.T, majors ...int) *guardedServers {
	t.Helper()
	s := &guardedServers{}
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		c := pgcluster.SharedWith(t, "guarded "+strconv.Itoa(majors[i]), pgcluster.Options{Major: majors[i], Settings: map[string]string{"autovacuum": "off"}})
		s.urls[i] = c.TestDB(t, "CREATE TABLE t (a text)")
		s.dbs[i] = openSide(t, side, s.urls[i])
	}
	return s
}

func openSide(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: url, MaxConns: 3, Run: "guarded"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func plainSession(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execAll(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// sleepers run statements on a server until wake is called.
func sleepers(t *testing.T, url string, n int) (wake func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var asleep sync.WaitGroup
	for range n {
		conn := plainSession(t, url)
		asleep.Go(func() { _, _ = conn.Exec(ctx, "SELECT pg_sleep(60)") })
	}
	wake = func() { cancel(); asleep.Wait() }
	t.Cleanup(wake)
	return wake
}

// pressing is one kind of pressure, and how it ends.
type pressing struct {
	name   string
	guard  Guard
	press  func(t *testing.T, s *guardedServers) (relieve func())
	reason string // as a pattern
	then   string // the same in the result
}

func pressings(dir string) []pressing {
	file := filepath.Join(dir, "pause")
	slot := func(t *testing.T, s *guardedServers) func() {
		conn := plainSession(t, s.urls[0])
		execAll(t, conn, "SELECT pg_create_logical_replication_slot('unread', 'test_decoding')", "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
		return func() { execAll(t, conn, "SELECT pg_drop_replication_slot('unread')") }
	}
	return []pressing{
		{"active", Guard{MaxActive: 2}, func(t *testing.T, s *guardedServers) func() { return sleepers(t, s.urls[1], 3) },
			`the target has 3 active sessions \(limit 2\)`, `the target had up to [34] active sessions \(limit 2\)`},
		{"lag", Guard{MaxLag: 2 << 20}, slot,
			`the source's slot "unread", which nothing reads, is [2-5]\.\dMB behind \(limit 2MB\)`, `the source's slot "unread", which nothing reads, was up to [2-5]\.\dMB behind \(limit 2MB\)`},
		{"xmin", Guard{MaxXminAge: 40}, func(t *testing.T, s *guardedServers) func() {
			old, conn := plainSession(t, s.urls[1]), plainSession(t, s.urls[1])
			execAll(t, old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
			for range 50 {
				execAll(t, conn, "SELECT txid_current()")
			}
			return func() { execAll(t, old, "COMMIT") }
		}, `the target's session \d+ holds vacuum back by 5\d transactions \(limit 40\)`, `the target's session \d+ held vacuum back by up to 5\d transactions \(limit 40\)`},
		{"pause file", Guard{PauseFile: file}, func(t *testing.T, _ *guardedServers) func() {
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Remove(file) }
		}, `paused by the file ` + regexp.QuoteMeta(file) + `: remove it to go on`, `paused by the file ` + regexp.QuoteMeta(file)},
	}
}

// TestGuardOfServers: real pressure holds statements back, says why, and lets
// them go when it ends. While they wait, the run holds nothing on the servers.
func TestGuardOfServers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	for _, majors := range [][]int{{10, 18}, {18, 10}} {
		s := newGuardedServers(t, majors...)
		for _, p := range pressings(t.TempDir()) {
			t.Run(strconv.Itoa(majors[0])+" "+p.name, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				events := make(chan Event, 100)
				p.guard.Every = 50 * time.Millisecond
				g := newGuard(p.guard, s.dbs[0], s.dbs[1], func(e Event) { events <- e })
				g.start(t.Context())
				defer g.stop()
				if err := g.pass(t.Context()); err != nil {
					t.Fatal(err)
				}
				relieve := p.press(t, s)
				next := func() Event {
					select {
					case e := <-events:
						return e
					case <-time.After(10 * time.Second):
						t.Fatal("nothing was said")
						return Event{}
					}
				}
				if e := next(); e.Kind != Held || !regexp.MustCompile("^"+p.reason+"$").MatchString(e.Message) {
					t.Errorf("%d: %s", e.Kind, e.Message)
				}
				g.judging.Lock()   // the event comes before the hold, which it lets begin
				g.judging.Unlock() //nolint:staticcheck // empty on purpose: it waits for it
				passed := make(chan error, 1)
				go func() { passed <- g.pass(t.Context()) }()
				idle(t, s)
				select {
				case err := <-passed:
					t.Fatalf("a statement began: %v", err)
				default:
				}
				relieve()
				if e := next(); e.Kind != Released {
					t.Errorf("%d: %s", e.Kind, e.Message)
				}
				if err := <-passed; err != nil {
					t.Error(err)
				}
				if notes := strings.Join(g.notes(), "|"); !regexp.MustCompile(`^held back for \d[^ ]*s: ` + p.then + "$").MatchString(notes) {
					t.Errorf("notes %q", notes)
				}
				g.stop()
				goleak.VerifyNone(t, before)
			})
		}
	}
}

// idle waits until no session of the run is within a transaction, on either
// side: the looking itself has one only for a moment.
func idle(t *testing.T, s *guardedServers) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for _, u := range s.urls {
		conn := plainSession(t, u)
		for open := 1; open > 0; {
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND application_name = 'pgparity'").Scan(&open); err != nil {
				t.Fatal(err)
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatal("a transaction of the run stays open")
			}
		}
	}
}

// TestGuardOfABlindRole: a role without pg_monitor is told so, once for each
// limit and side, and the run is not held back by what it cannot see.
func TestGuardOfABlindRole(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: what a role can't see is tested in postgres; run without -short")
	}
	s := newGuardedServers(t, 10, 18)
	for _, u := range s.urls {
		execAll(t, plainSession(t, u), "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'unseeing') THEN CREATE ROLE unseeing LOGIN PASSWORD 'pw'; END IF; END $$")
		sleepers(t, u, 3)
	}
	var blind [2]*postgres.DB
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		u, _ := url.Parse(s.urls[i]) // of TestDB
		u.User = url.UserPassword("unseeing", "pw")
		blind[i] = openSide(t, side, u.String())
	}
	var mu sync.Mutex
	var said []string
	g := newGuard(Guard{MaxActive: 1, MaxXminAge: 1}, blind[0], blind[1], func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, e.Message)
	})
	for range 5 { // not started: nothing else may look meanwhile
		g.lookAtServers(t.Context())
	}
	if err := g.pass(t.Context()); err != nil {
		t.Error(err)
	}
	notes := strings.Join(g.notes(), "\n")
	if len(said) != 4 || strings.Join(said, "\n") != notes {
		t.Errorf("said %q, notes %q", said, notes)
	}
	for _, want := range []string{
		`source: the role cannot see whether \d sessions of other roles are active: GRANT pg_monitor TO it there, or --max-active is blind to them`,
		`source: the role cannot see the snapshots of \d sessions of other roles: GRANT pg_monitor TO it there, or --max-xmin-age is blind to them`,
		`target: the role cannot see whether \d sessions`, `target: the role cannot see the snapshots of \d sessions`,
	} {
		if !regexp.MustCompile("(?m)^" + want).MatchString(notes) {
			t.Errorf("notes lack %q: %q", want, notes)
		}
	}
}
