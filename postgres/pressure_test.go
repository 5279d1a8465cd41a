package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// pressed is a cluster of its own: what is counted is the whole server's.
func pressed(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.SharedWith(t, "pressed "+strconv.Itoa(major), pgcluster.Options{Major: major, Settings: map[string]string{"autovacuum": "off"}})
}

func openRun(t *testing.T, url, run string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: postgres.Source, URL: url, MaxConns: 3, Run: run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func session(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// sleeping runs a statement that lasts until the test ends.
func sleeping(t *testing.T, url string) {
	t.Helper()
	conn := session(t, url)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = conn.Exec(ctx, "SELECT pg_sleep(60)")
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

// reads waits until a gauge reads as it should: what sessions do shows a
// moment later.
func reads(t *testing.T, what string, read func(context.Context) (postgres.Gauge, error), fits func(postgres.Gauge) bool) postgres.Gauge {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		g, err := read(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if fits(g) {
			return g
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: still %+v", what, g)
		}
	}
}

func value(n int64) func(postgres.Gauge) bool {
	return func(g postgres.Gauge) bool { return g.Value == n }
}

// gaugeMajors are those whose catalogs differ; with -short the oldest and the newest.
func gaugeMajors() []int {
	if testing.Short() {
		return []int{10, 18}
	}
	return []int{10, 14, 15, 18}
}

// What is counted are statements of others: not idle sessions, not this run's,
// but those of another run, on whatever database.
func TestActiveSessions(t *testing.T) {
	for _, major := range gaugeMajors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			c := pressed(t, major)
			here, elsewhere := c.TestDB(t), c.TestDB(t)
			db := openRun(t, here, `100%\a_1`)
			reads(t, "nobody", db.ActiveSessions, value(0))
			session(t, here)
			execute(t, session(t, here), "BEGIN; SELECT 1")
			sleeping(t, here)
			sleeping(t, elsewhere)
			reads(t, "two sleep, two are idle", db.ActiveSessions, value(2))
			for run, want := range map[string]int64{`100%\a_1`: 2, `100%\aX1`: 3} {
				other, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				own := openRun(t, here, run)
				go func() {
					defer close(ended)
					_ = own.Read(other, "work", func(ctx context.Context, s *postgres.Session) error {
						return s.Each(ctx, postgres.Statement{SQL: "SELECT pg_sleep(60)"}, func(postgres.Row) error { return nil })
					})
				}()
				watcher := session(t, here)
				reads(t, "the run sleeps", func(ctx context.Context) (g postgres.Gauge, err error) {
					err = watcher.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pgparity run=%pg_sleep%' AND pid <> pg_backend_pid()").Scan(&g.Value)
					return g, err
				}, value(1))
				reads(t, "run "+run, db.ActiveSessions, value(want))
				cancel()
				<-ended
			}
			if g := reads(t, "after it", db.ActiveSessions, value(2)); g.Hidden != 0 || g.Holder != "" {
				t.Errorf("a superuser sees all: %+v", g)
			}
		})
	}
}

// Every statement of a run says whose it is, those around a transaction too.
func TestEveryStatementNamesItsRun(t *testing.T) {
	c := pressed(t, 15)
	url := c.TestDB(t)
	watcher := session(t, url)
	db := openRun(t, url, "r1")
	last := func() (query string) {
		if err := watcher.QueryRow(t.Context(), "SELECT query FROM pg_stat_activity WHERE application_name = 'pgparity' AND datname = current_database()").Scan(&query); err != nil {
			t.Fatal(err)
		}
		return query
	}
	for name, want := range map[string]string{"begin": "BEGIN", "set": "SET LOCAL", "rollback": "ROLLBACK", "commit": "COMMIT"} {
		err := db.Read(t.Context(), "work", func(ctx context.Context, s *postgres.Session) error {
			switch name {
			case "set":
				if err := s.Set(ctx, "enable_seqscan = off"); err != nil {
					return err
				}
				fallthrough
			case "begin":
				if q := last(); !strings.HasPrefix(q, "/* pgparity run=r1 work */ "+want) {
					t.Errorf("%s: %s", name, q)
				}
			case "rollback":
				return context.Canceled
			}
			return nil
		})
		if err != nil && name != "rollback" {
			t.Fatal(err)
		}
		if q := last(); (name == "rollback" || name == "commit") && q != "/* pgparity run=r1 work */ "+want {
			t.Errorf("%s: %s", name, q)
		}
	}
}

// A slot that nobody reads falls behind byte by byte; one that lost its WAL
// is waited for no more.
func TestReplicationLag(t *testing.T) {
	for _, major := range gaugeMajors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			c := pressed(t, major)
			url := c.TestDB(t, "CREATE TABLE t (a text)")
			db, conn := openRun(t, url, "r"), session(t, url)
			if g := reads(t, "no slot", db.ReplicationLag, value(0)); g.Holder != "" {
				t.Errorf("behind: %+v", g)
			}
			name := fmt.Sprintf("unread_%d", major)
			execute(t, conn, "SELECT pg_create_physical_replication_slot('new')", "SELECT pg_create_logical_replication_slot('"+name+"', 'test_decoding')")
			t.Cleanup(func() {
				_ = c.Exec(context.Background(), "postgres", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'new'")
			})
			before := reads(t, "a new slot", db.ReplicationLag, func(g postgres.Gauge) bool { return g.Holder != "" })
			execute(t, conn, "INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
			after := reads(t, "written", db.ReplicationLag, func(g postgres.Gauge) bool { return g.Value > before.Value+2_000_000 })
			if after.Holder != `slot "`+name+`", which nothing reads,` || after.Value > before.Value+8_000_000 || after.Hidden != 0 {
				t.Errorf("%+v after %+v", after, before)
			}
			var lag int64
			if err := conn.QueryRow(t.Context(), "SELECT (pg_current_wal_insert_lsn() - confirmed_flush_lsn)::int8 FROM pg_replication_slots WHERE slot_name = '"+name+"'").Scan(&lag); err != nil || lag < after.Value || lag > after.Value+1000 {
				t.Errorf("%d by the server, %d read: %v", lag, after.Value, err)
			}
			execute(t, conn, "SELECT count(*) FROM pg_logical_slot_get_changes('"+name+"', NULL, NULL)")
			reads(t, "read", db.ReplicationLag, func(g postgres.Gauge) bool { return g.Value < 1_000_000 })
			if major >= 14 {
				lose(t, conn, name)
				reads(t, "lost", db.ReplicationLag, value(0))
			}
		})
	}
}

// lose writes and removes WAL until a slot's is gone.
func lose(t *testing.T, conn *pgx.Conn, slot string) {
	t.Helper()
	execute(t, conn, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
	t.Cleanup(func() { quietly(conn, "ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()") })
	deadline := time.Now().Add(20 * time.Second)
	for status := ""; status != "lost"; {
		execute(t, conn, "SELECT pg_switch_wal()", "INSERT INTO t VALUES ('x')", "CHECKPOINT")
		if err := conn.QueryRow(t.Context(), "SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", slot).Scan(&status); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the slot is still %s", status)
		}
	}
}

func quietly(conn *pgx.Conn, sql ...string) {
	for _, s := range sql {
		_, _ = conn.Exec(context.Background(), s, pgx.QueryExecModeSimpleProtocol)
	}
}

// Vacuum is held back by snapshots of this database, by transactions of any,
// by slots and by prepared transactions.
func TestXminAge(t *testing.T) {
	for _, major := range gaugeMajors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			c := pressed(t, major)
			here, elsewhere := c.TestDB(t, "CREATE TABLE t (a int)"), c.TestDB(t, "CREATE TABLE t (a int)")
			db, conn := openRun(t, here, "r"), session(t, here)
			burn := func() {
				for range 50 {
					execute(t, conn, "SELECT txid_current()")
				}
			}
			burn()
			reads(t, "nobody", db.XminAge, func(g postgres.Gauge) bool { return g.Value < 5 })
			pid := func(of *pgx.Conn) string { return "session " + strconv.Itoa(int(of.PgConn().PID())) }
			snapshot, foreign, writer := session(t, here), session(t, elsewhere), session(t, elsewhere)
			for _, h := range []struct {
				who   string
				conn  *pgx.Conn
				begin string
				end   string
				holds bool
			}{
				{pid(snapshot), snapshot, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", "COMMIT", true},
				{"a snapshot elsewhere", foreign, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", "COMMIT", false},
				{pid(writer), writer, "BEGIN; SELECT txid_current()", "COMMIT", true},
				{`prepared transaction "gone \"fishing\""`, session(t, here), `BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'gone "fishing"'`, `ROLLBACK PREPARED 'gone "fishing"'`, true},
				{`slot "held", which nothing reads,`, session(t, here), "SELECT pg_create_logical_replication_slot('held', 'test_decoding')", "SELECT pg_drop_replication_slot('held')", true},
			} {
				execute(t, h.conn, h.begin)
				burn()
				if h.holds {
					g := reads(t, h.who, db.XminAge, func(g postgres.Gauge) bool { return g.Value >= 50 })
					if g.Holder != h.who || g.Value > 60 || g.Hidden != 0 {
						t.Errorf("%s: %+v", h.who, g)
					}
				} else {
					reads(t, h.who, db.XminAge, func(g postgres.Gauge) bool { return g.Value < 5 })
				}
				execute(t, h.conn, h.end)
				reads(t, "after "+h.who, db.XminAge, func(g postgres.Gauge) bool { return g.Value < 5 })
			}
		})
	}
}

// A role without pg_monitor is told how much it does not see.
func TestGaugesOfARoleThatSeesLittle(t *testing.T) {
	for _, major := range gaugeMajors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			c := pressed(t, major)
			base := c.TestDB(t, "CREATE ROLE blind LOGIN PASSWORD 'pw'", "CREATE ROLE monitor LOGIN PASSWORD 'pw' IN ROLE pg_monitor")
			t.Cleanup(func() { _ = c.Exec(context.Background(), "postgres", "DROP ROLE blind", "DROP ROLE monitor") })
			u, _ := url.Parse(base)
			as := func(role string) *postgres.DB {
				return openRun(t, c.UserURL(role, "pw", strings.TrimPrefix(u.Path, "/")), "r")
			}
			blind, monitor := as("blind"), as("monitor")
			sleeping(t, base)
			sleeping(t, base)
			reads(t, "with pg_monitor", monitor.ActiveSessions, func(g postgres.Gauge) bool { return g.Value == 2 && g.Hidden == 0 })
			g := reads(t, "without", blind.ActiveSessions, value(0))
			// The two that sleep, and the pool of the other role.
			if g.Hidden < 3 || g.Hidden > 4 {
				t.Errorf("hidden: %+v", g)
			}
			if g, err := blind.XminAge(t.Context()); err != nil || g.Hidden < 3 {
				t.Errorf("xmin: %+v, %v", g, err)
			}
			if g, err := monitor.XminAge(t.Context()); err != nil || g.Hidden != 0 {
				t.Errorf("xmin with pg_monitor: %+v, %v", g, err)
			}
			reads(t, "no replica", blind.ReplicationLag, func(g postgres.Gauge) bool { return g.Hidden == 0 })
			replica, err := pgconn.Connect(t.Context(), base+"&replication=database")
			if err != nil {
				t.Fatal(err)
			}
			reads(t, "a replica", blind.ReplicationLag, func(g postgres.Gauge) bool { return g.Hidden == 1 })
			reads(t, "a replica, with pg_monitor", monitor.ReplicationLag, func(g postgres.Gauge) bool { return g.Hidden == 0 })
			_ = replica.Close(context.Background())
		})
	}
}
