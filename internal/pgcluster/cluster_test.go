//go:build linux || darwin

package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	Main(m)
}

// majors are the versions that the tests run on: the oldest, the newest, and
// those between that differ in how a database is made or dropped.
var majors = []int{10, 11, 13, 15, 18}

// each runs a test on every major, on the shared clusters.
func each(t *testing.T, test func(t *testing.T, c *Cluster)) {
	for _, major := range majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			if testing.Short() && (major == 11 || major == 13) {
				t.Skip("skipped: as 10 and 15; run without -short")
			}
			test(t, Shared(t, major))
		})
	}
}

func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.InMemory = true
	c, err := Start(t.Context(), o)
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

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	var s string
	if err := connect(t, url).QueryRow(t.Context(), sql).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestManyAtOnce starts clusters of all majors at the same time, one major
// twice; each must be the version asked for, with a system identifier of its own.
func TestManyAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: starts clusters of its own; run without -short")
	}
	majors := append(slices.Clone(majors), 15)
	clusters := make([]*Cluster, len(majors))
	var wg sync.WaitGroup
	for i, major := range majors {
		wg.Go(func() {
			began := time.Now()
			var err error
			if clusters[i], err = Start(t.Context(), Options{Major: major}); err != nil {
				t.Error(err)
				return
			}
			t.Logf("postgres %s ready after %v", clusters[i].Version(), time.Since(began))
		})
	}
	wg.Wait()
	identifiers := map[string]int{}
	for i, c := range clusters {
		if c == nil {
			continue
		}
		if got := query(t, c.URL("postgres"), "SELECT (current_setting('server_version_num')::int / 10000)::text"); got != strconv.Itoa(majors[i]) {
			t.Errorf("major %s, want %d", got, majors[i])
		}
		id := query(t, c.URL("postgres"), "SELECT system_identifier::text FROM pg_control_system()")
		if other, taken := identifiers[id]; taken {
			t.Errorf("postgres %d and %d have the same system identifier", majors[i], other)
		}
		identifiers[id] = majors[i]
		if err := c.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if exists(c.root) || !portFree(c.Port()) {
			t.Errorf("%s or port %d is left", c.root, c.Port())
		}
		if err := c.Stop(t.Context()); err != nil {
			t.Errorf("second stop: %v", err)
		}
	}
}

// TestPasswords: the superuser needs none; every other role needs the right one,
// over TCP and over the socket, for replication too.
func TestPasswords(t *testing.T) {
	each(t, func(t *testing.T, c *Cluster) {
		const password = `p@ss/w:rd%41 'ü?#`
		err := c.Exec(t.Context(), "postgres", "CREATE ROLE \"b:b@\" LOGIN REPLICATION PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Exec(context.Background(), "postgres", `DROP ROLE "b:b@"`); err != nil {
				t.Error(err)
			}
		})
		if got := query(t, c.UserURL("b:b@", password, "postgres"), "SELECT current_user::text"); got != "b:b@" {
			t.Errorf("connected as %s", got)
		}
		for _, suffix := range []string{"", "&host=" + c.SocketDir(), "&replication=true"} {
			_, err := pgconn.Connect(t.Context(), c.UserURL("b:b@", "wrong", "postgres")+suffix)
			if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "28P01" {
				t.Errorf("wrong password %s: %v, want SQLSTATE 28P01", suffix, err)
			}
		}
	})
}

// TestHostileNames: whatever PostgreSQL takes as the name of a database can be
// created, reached by URL, used and dropped.
func TestHostileNames(t *testing.T) {
	names := []string{`a"b`, `it's`, `a/b?c=d&e#f`, `/lead`, `100%25`, "tab\tnew\nline", `back\slash`, `ünï cødé`, `$$; DROP TABLE x; --`, `Mixed`, ` blank `, `@host:1`}
	if testing.Short() {
		names = names[:2]
	}
	each(t, func(t *testing.T, c *Cluster) {
		for _, name := range names {
			if err := c.CreateDatabase(t.Context(), name, c.cheapCopy()); err != nil {
				t.Fatal(err)
			}
			if got := query(t, c.URL(name), "SELECT current_database()::text"); got != name {
				t.Errorf("URL of %q leads to %q", name, got)
			}
			if err := c.Exec(t.Context(), name, "CREATE TABLE a (b int); INSERT INTO a VALUES (1)"); err != nil {
				t.Error(err)
			}
			if err := c.DropDatabase(t.Context(), name); err != nil {
				t.Error(err)
			}
			if n, err := c.count(t.Context(), "postgres", "SELECT count(*) FROM pg_database WHERE datname = $1", name); err != nil || n != 0 {
				t.Errorf("%q: %d left, %v", name, n, err)
			}
		}
	})
}

// TestDatabaseIsFreshAndDropped, even with a session, a subscription and a slot in it.
func TestDatabaseIsFreshAndDropped(t *testing.T) {
	each(t, func(t *testing.T, c *Cluster) {
		var url string
		t.Run("user", func(t *testing.T) {
			began := time.Now()
			url = c.TestDB(t, "CREATE TABLE a (id int)", "INSERT INTO a VALUES (7)")
			t.Logf("made in %v", time.Since(began))
			if got := query(t, url, "SELECT id::text FROM a"); got != "7" {
				t.Errorf("read %q", got)
			}
			if got := query(t, c.TestDB(t), "SELECT count(*)::text FROM pg_class WHERE relname = 'a'"); got != "0" {
				t.Error("a second database has the first one's table")
			}
			name := query(t, url, "SELECT current_database()::text")
			err := c.Exec(t.Context(), name, "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
				"CREATE SUBSCRIPTION u CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)")
			if err != nil {
				t.Fatal(err)
			}
			open, err := pgx.Connect(t.Context(), url) // and left open over the drop
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = open })
		})
		_, err := pgx.Connect(t.Context(), url)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "3D000" {
			t.Errorf("after the test: %v, want SQLSTATE 3D000", err)
		}
		left := query(t, c.URL("postgres"), "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_replication_slots) || ''")
		if left != "0" {
			t.Errorf("%s subscriptions and slots left", left)
		}
	})
}

// TestCrash: what was committed before a kill is there after recovery, on the
// same port, with a backend busy at the moment of the kill.
func TestCrash(t *testing.T) {
	for _, major := range majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			c := start(t, Options{Major: major})
			url, pid := c.URL("postgres"), c.PID()
			if err := c.Exec(t.Context(), "postgres", "CREATE TABLE a AS SELECT g FROM generate_series(1, 1000) g"); err != nil {
				t.Fatal(err)
			}
			busy := connect(t, url).PgConn()
			result := busy.Exec(t.Context(), "SELECT pg_sleep(60)")
			c.Kill()
			if c.PID() != 0 {
				t.Error("a killed server has a pid")
			}
			if _, err := result.ReadAll(); err == nil {
				t.Error("a query outlived its server")
			}
			if _, err := pgx.Connect(t.Context(), url); err == nil {
				t.Error("a killed server answers")
			}
			for range 2 { // after a crash, and of a running server
				if err := c.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := query(t, url, "SELECT count(*)::text FROM a"); got != "1000" {
					t.Errorf("%s rows after the restart", got)
				}
				if c.PID() == 0 || c.PID() == pid {
					t.Errorf("pid %d, before %d", c.PID(), pid)
				}
			}
			log, err := os.ReadFile(c.LogFile())
			if err != nil || !strings.Contains(string(log), "redo starts") {
				t.Errorf("no recovery in the log (%v)", err)
			}
		})
	}
}

// TestStopAfterKill leaves neither files nor the postmaster's shared memory.
func TestStopAfterKill(t *testing.T) {
	c := start(t, Options{Major: 15})
	lines := readLines(c.Dir() + "/postmaster.pid")
	fields := strings.Fields(lines[6])
	c.Kill()
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if exists(c.root) {
		t.Errorf("%s is left", c.root)
	}
	if list, err := os.ReadFile("/proc/sysvipc/shm"); err == nil {
		for _, l := range strings.Split(string(list), "\n") {
			// Key 0: removed, and still held by a process that is ending.
			if f := strings.Fields(l); len(f) > 1 && f[1] == fields[1] && f[0] != "0" {
				t.Errorf("shared memory segment %s is left", fields[1])
			}
		}
	}
	if err := c.Restart(t.Context()); err == nil {
		t.Error("a removed cluster restarted")
	}
}

// TestPortTaken: a restart waits for a port that someone else has for a moment.
func TestPortTaken(t *testing.T) {
	c := start(t, Options{Major: 15})
	port := c.Port()
	c.Kill()
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	for tries := 0; err != nil && tries < 100; tries++ { // a killed process lets go of its port in its own time
		_ = pause(t.Context(), 50*time.Millisecond)
		l, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	}
	if err != nil {
		t.Fatal(err)
	}
	released := make(chan struct{})
	go func() { // Restart keeps its port, and waits for it
		defer close(released)
		_ = pause(t.Context(), 300*time.Millisecond)
		_ = l.Close()
	}()
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-released
	if got := query(t, c.URL("postgres"), "SHOW port"); got != strconv.Itoa(port) {
		t.Errorf("port %s, was %d", got, port)
	}
}

// TestCancelledStart leaves nothing behind, wherever it is caught.
func TestCancelledStart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if err := os.Chmod(os.TempDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		c, err := Start(ctx, Options{Major: 15})
		cancel()
		if err == nil {
			if err := c.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
			t.Errorf("after %v: %v left", after, left)
		}
	}
}

// TestNoGoroutines: neither a running cluster nor a stopped one holds any.
func TestNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := start(t, Options{Major: 15})
	goleak.VerifyNone(t, before)
	c.Kill()
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}
