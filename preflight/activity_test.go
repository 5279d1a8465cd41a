package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// at opens a session on a database, runs statements in it and gives its pid.
func at(t *testing.T, url string, sql ...string) (*pgx.Conn, string) {
	t.Helper()
	conn := connect(t, url)
	for _, s := range sql {
		if _, err := conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return conn, fmt.Sprint(conn.PgConn().PID())
}

// blocked runs a statement that waits until the test ends, and waits until it
// waits; it gives the session's pid.
func blocked(t *testing.T, e *end, sql string) string {
	t.Helper()
	conn, pid := at(t, e.url)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = conn.Exec(ctx, sql) }()
	t.Cleanup(func() { cancel(); <-ended })
	until(t, "it waits", func() bool {
		return e.ask(t, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = "+pid) == "true"
	})
	return pid
}

// soon makes everything long that is open for a moment.
func soon(o *Options) { o.LongTransaction = time.Millisecond }

// role makes one for the test, who logs in and may write to orders.
func role(t *testing.T, e *end, options string) (name, url string) {
	t.Helper()
	name = fmt.Sprintf("flyer_%d", worlds.Add(1))
	e.exec(t, "CREATE ROLE "+name+" LOGIN PASSWORD 'secret' "+options)
	db, cluster := e.db.Server().Database, e.cluster
	t.Cleanup(func() {
		ctx := context.Background()
		_ = cluster.Exec(ctx, db, "DROP OWNED BY "+name) // gone with the database, mostly
		if err := cluster.Exec(ctx, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+name+"'", "DROP OWNED BY "+name, "DROP ROLE "+name); err != nil {
			t.Logf("drop role: %v", err)
		}
	})
	return name, cluster.UserURL(name, "secret", db)
}

func init() {
	writer, idler := []string{""}, []string{""}
	overridden := []string{"", "", ""}
	lives = append(lives,
		life{
			id: "long-write-transaction", both: []string{orders}, options: soon,
			during: func(t *testing.T, w *world) {
				_, pid := at(t, w.source.url, "BEGIN; INSERT INTO orders VALUES (1)")
				writer[0] = "source session " + pid
				at(t, w.source.url, "BEGIN; SELECT * FROM orders") // only reads
				at(t, w.target.url, "BEGIN; INSERT INTO orders VALUES (1)")
				at(t, w.source.cluster.TestDB(t, orders), "BEGIN; INSERT INTO orders VALUES (1)") // another database
			},
			want: writer, says: "the switch waits for it", mends: true,
		},
		life{
			id: "idle-in-transaction", both: []string{orders}, options: soon,
			during: func(t *testing.T, w *world) {
				_, pid := at(t, w.source.url, "BEGIN; SELECT * FROM orders")
				idler[0] = "source session " + pid
				at(t, w.source.url, "BEGIN; INSERT INTO orders VALUES (1)") // long-write-transaction's
				at(t, w.source.url, "SELECT 1")
			},
			want: idler, says: "PAUSE", mends: true,
		},
		life{
			id: "prepared-transaction", both: []string{orders}, options: soon,
			during: func(t *testing.T, w *world) {
				w.source.exec(t, `BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'it''s "one"'`)
				w.target.exec(t, `BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'pg_gid_1_2'`)
				t.Cleanup(func() { // slots wait for them, on all of the cluster
					_, errSource := w.source.conn.Exec(context.Background(), `ROLLBACK PREPARED 'it''s "one"'`)
					_, errTarget := w.target.conn.Exec(context.Background(), "ROLLBACK PREPARED 'pg_gid_1_2'")
					if err := errors.Join(errSource, errTarget); err != nil {
						t.Error(err)
					}
				})
				elsewhere := w.source.cluster.TestDB(t, orders)
				conn, _ := at(t, elsewhere, `BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'elsewhere'`)
				t.Cleanup(func() {
					if _, err := conn.Exec(context.Background(), "ROLLBACK PREPARED 'elsewhere'"); err != nil {
						t.Error(err)
					}
				})
			},
			want: []string{`source prepared transaction it's "one"`, "target prepared transaction pg_gid_1_2"}, says: "COMMIT PREPARED or ROLLBACK PREPARED 'it''s \"one\"'",
		},
		life{
			id: "dead-tuples", both: []string{`CREATE TABLE "Weird ""name" (id int) WITH (autovacuum_enabled = off); CREATE TABLE small (id int) WITH (autovacuum_enabled = off); CREATE TABLE large (id int) WITH (autovacuum_enabled = off)`},
			source: []string{
				`INSERT INTO "Weird ""name" SELECT generate_series(1, 150000)`, `DELETE FROM "Weird ""name"`,
				`INSERT INTO small SELECT generate_series(1, 1000)`, `DELETE FROM small`,
				`INSERT INTO large SELECT generate_series(1, 400000)`, `DELETE FROM large WHERE id <= 110000`,
			},
			during: func(t *testing.T, w *world) { w.source.exec(t, "SELECT pg_stat_force_next_flush()", "SELECT 1") },
			want:   []string{`source public."Weird ""name"`}, says: "150000 dead rows", mends: true,
		},
		life{
			id: "jobs", both: []string{`CREATE SCHEMA app; CREATE TABLE app.job (id int)`},
			source: []string{`CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint)`}, target: []string{`CREATE SCHEMA pgagent; CREATE TABLE pgagent.pga_job (id int)`},
			want: []string{"source pg_cron", "target pgAgent"}, says: "none runs on the target",
		},
		life{
			id: "settings-override", both: []string{orders},
			during: func(t *testing.T, w *world) {
				for i, e := range []*end{w.source, w.source, w.target} {
					name, _ := role(t, e, "")
					in := []string{"", " IN DATABASE " + e.db.Server().Database, ""}[i]
					e.exec(t, "ALTER ROLE "+name+in+" SET default_transaction_read_only = off")
					overridden[i] = string(e.db.Side()) + " role " + name
				}
				fine, _ := role(t, w.source, "")
				elsewhere, _ := role(t, w.source, "")
				group, _ := role(t, w.source, "")
				w.source.exec(t, "ALTER ROLE "+fine+" SET default_transaction_read_only = on", "ALTER ROLE "+fine+" SET work_mem = '8MB'",
					"ALTER ROLE "+elsewhere+" IN DATABASE postgres SET default_transaction_read_only = off", "ALTER ROLE "+group+" NOLOGIN", "ALTER ROLE "+group+" SET default_transaction_read_only = off")
			},
			want: overridden, says: "wins over", mends: true,
		},
	)
	for id, test := range map[string]string{"unkillable-session": "TestUnkillable", "target-writers": "TestTargetWriters",
		"ddl-running": "TestDDLRunning", "slot-creation-waits": "TestSlotCreationWaits", "xmin-held": "TestHorizon", "wraparound": "TestHorizon"} {
		livesElsewhere[id] = test
	}
}

// seenAs is the world as a role sees it.
func (w *world) seenAs(t *testing.T, side postgres.Side, url string) *world {
	t.Helper()
	seen, e := *w, *w.on(side)
	e.db = openDB(t, side, url)
	if side == postgres.Source {
		seen.source = &e
	} else {
		seen.target = &e
	}
	return &seen
}

// TestHiddenSessions: what the role may not see keeps the pair from being ready,
// and the grant that the reason names shows it.
func TestHiddenSessions(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), orders)
	name, url := role(t, w.source, "")
	targetName, targetURL := role(t, w.target, "")
	seen := w.seenAs(t, postgres.Source, url).seenAs(t, postgres.Target, targetURL)
	ids := map[string][]postgres.Side{"long-write-transaction": {postgres.Source}, "idle-in-transaction": {postgres.Source}, "target-writers": {postgres.Target},
		"ddl-running": {postgres.Source, postgres.Target}, "xmin-held": {postgres.Source, postgres.Target}, "slot-creation-waits": {postgres.Source, postgres.Target}}
	grants := map[postgres.Side]string{postgres.Source: `GRANT pg_read_all_stats TO "` + name + `"`, postgres.Target: `GRANT pg_read_all_stats TO "` + targetName + `"`}
	for id, sides := range ids {
		_, unknown := detect(t, seen.facts(t, defaults()).watched(t), id)
		if len(unknown) != 1 {
			t.Errorf("%s: unknown %+v", id, unknown)
			continue
		}
		for side, grant := range grants {
			if strings.Contains(unknown[0].Reason, string(side)+": what the sessions of other roles do may not be seen; run there: "+grant) != slices.Contains(sides, side) {
				t.Errorf("%s, %s: %s", id, side, unknown[0].Reason)
			}
		}
	}
	w.source.exec(t, grants[postgres.Source])
	w.target.exec(t, grants[postgres.Target])
	for id := range ids {
		if _, unknown := detect(t, seen.facts(t, defaults()).watched(t), id); len(unknown) > 0 {
			t.Errorf("hidden after the grant: %+v", unknown)
		}
	}
}

// TestDDLRunning: definitions that are being changed, and who waits to. The facts
// are gathered before: printing a definition waits for such a lock.
func TestDDLRunning(t *testing.T) {
	slow(t)
	t.Parallel()
	for _, majors := range [][2]int{{15, 18}, {10, 13}} {
		w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), orders,
			`CREATE TABLE indexed (id int); CREATE TABLE calm (id int); CREATE TABLE "Weird ""name" (id int); CREATE MATERIALIZED VIEW seen AS SELECT 1`)
		o := defaults()
		soon(&o)
		f := w.facts(t, o).watched(t)
		look := func() []string {
			found, unknown := detect(t, f, "ddl-running")
			if len(unknown) > 0 {
				t.Fatal(unknown)
			}
			return names(found)
		}
		at(t, w.source.url, "BEGIN; LOCK TABLE calm IN SHARE UPDATE EXCLUSIVE MODE; CREATE TEMPORARY TABLE t (); DROP TABLE t; REFRESH MATERIALIZED VIEW seen")
		at(t, w.source.cluster.TestDB(t, orders), "BEGIN; ALTER TABLE orders ADD more int")
		if found := look(); len(found) > 0 {
			t.Errorf("found: %v", found)
		}
		at(t, w.source.url, "BEGIN; ALTER TABLE orders ADD more int")
		at(t, w.target.url, "BEGIN; SELECT * FROM orders")
		blocked(t, w.target, "TRUNCATE orders")
		at(t, w.source.url, `BEGIN; CREATE INDEX ON "Weird ""name" (id)`)
		want := []string{`source public."Weird ""name"`, "source public.orders", "target public.orders"}
		if majors[0] >= 12 { // before, nothing shows one that is built beside writers
			at(t, w.source.url, "BEGIN; INSERT INTO indexed VALUES (1)")
			blocked(t, w.source, "CREATE INDEX CONCURRENTLY ON indexed (id)")
			want = slices.Insert(want, 1, "source public.indexed")
		}
		if diff := cmp.Diff(want, look()); diff != "" {
			t.Errorf("(-want +found):\n%s", diff)
		}
	}
}

// TestUnkillable: a superuser's session always is, another role's as long as a
// grant lacks.
func TestUnkillable(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), orders)
	if found := w.look(t, "unkillable-session", defaults()); len(found) > 0 {
		t.Errorf("a superuser ends all: %+v", found)
	}
	name, url := role(t, w.source, "")
	_, app := role(t, w.source, "")
	at(t, app)
	at(t, url) // another session of one's own
	seen := w.seenAs(t, postgres.Source, url)
	found := seen.look(t, "unkillable-session", defaults())
	if diff := cmp.Diff([]string{"source role " + name, "source role postgres"}, names(found)); diff != "" {
		t.Fatalf("(-want +found):\n%s", diff)
	}
	for _, h := range found {
		if (h.Severity == schema.Block) != (h.Object == "role postgres") || (h.Fix == "") != (h.Object == "role postgres") {
			t.Errorf("%+v", h)
		}
		if h.Fix != "" {
			w.source.exec(t, h.Fix)
		}
	}
	if diff := cmp.Diff([]string{"source role postgres"}, names(seen.look(t, "unkillable-session", defaults()))); diff != "" {
		t.Errorf("after the grant (-want +found):\n%s", diff)
	}
}

// TestTargetWriters: who may write to the target and is connected is a warning,
// who writes blocks; replication, pgparity and those who only read are neither.
func TestTargetWriters(t *testing.T) {
	slow(t)
	t.Parallel()
	for _, majors := range [][2]int{{15, 18}, {18, 10}} {
		w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), orders)
		w.replicate(t, "")
		reader, readerURL := role(t, w.target, "")
		w.target.exec(t, "GRANT SELECT ON orders TO "+reader)
		at(t, readerURL, "BEGIN; SELECT * FROM orders")
		app, url := role(t, w.target, "")
		w.target.exec(t, "GRANT INSERT ON orders TO "+app)
		w.source.exec(t, "INSERT INTO orders SELECT generate_series(1, 100)") // what is applied is no client's
		w.found(t, "target-writers")

		at(t, url)
		conn, _ := at(t, url)
		found := w.found(t, "target-writers", "target role "+app)
		if found[0].Severity != schema.Warn || !strings.Contains(found[0].Sentence, "2 of its sessions") {
			t.Errorf("connected: %+v", found)
		}
		if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO orders VALUES (1000)"); err != nil {
			t.Fatal(err)
		}
		if found := w.found(t, "target-writers", "target role "+app); found[0].Severity != schema.Block {
			t.Errorf("writes: %+v", found)
		}
		if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		w.target.exec(t, found[0].Fix)
		w.found(t, "target-writers")
		w.target.exec(t, "ALTER ROLE "+app+" SET default_transaction_read_only = off") // wins over the fence
		w.found(t, "target-writers", "target role "+app)
		w.target.exec(t, "ALTER ROLE "+app+" RESET default_transaction_read_only", "ALTER DATABASE "+w.target.db.Server().Database+" RESET default_transaction_read_only")

		// A role of pgparity's that is read only hides no other's powers.
		own, ownURL := role(t, w.target, "")
		w.target.exec(t, "ALTER ROLE "+own+" SET default_transaction_read_only = on", "GRANT pg_read_all_stats TO "+own)
		w.seenAs(t, postgres.Target, ownURL).found(t, "target-writers", "target role "+app)
		if majors[1] == 10 {
			continue
		}
		w.target.exec(t, "BEGIN; ANALYZE orders; CREATE INDEX ON orders ((id + 1))") // no rows are changed
		w.found(t, "target-writers", "target role "+app)
		w.target.exec(t, "ROLLBACK")
		w.target.exec(t, "BEGIN; INSERT INTO orders VALUES (2000)")
		w.found(t, "target-writers", "target role "+app, "target role postgres")
		w.target.exec(t, "ROLLBACK")
	}
}

// TestSlotCreationWaits: transactions of other databases are in the way of new
// slots, too.
func TestSlotCreationWaits(t *testing.T) {
	slow(t)
	w := newWorld(t, quiet(t, 15), quiet(t, 18), orders)
	o := defaults()
	soon(&o)
	look := func() []string { return names(w.look(t, "slot-creation-waits", o)) }
	at(t, w.source.url, "BEGIN; INSERT INTO orders VALUES (1)") // long-write-transaction's
	if found := look(); len(found) > 0 {
		t.Errorf("found: %v", found)
	}
	_, near := at(t, w.source.cluster.TestDB(t, orders), "BEGIN; INSERT INTO orders VALUES (1)")
	conn, far := at(t, w.target.cluster.TestDB(t, orders), "BEGIN; INSERT INTO orders VALUES (1)")
	if diff := cmp.Diff([]string{"source session " + near, "target session " + far}, look()); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
	if _, err := conn.Exec(t.Context(), "PREPARE TRANSACTION 'elsewhere'"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"source session " + near, "target prepared transaction elsewhere"}, look()); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
	if _, err := conn.Exec(t.Context(), "ROLLBACK PREPARED 'elsewhere'"); err != nil {
		t.Fatal(err)
	}
}

// TestHorizon: what holds vacuum back, by its age in time and in transactions,
// and the numbers that are used up meanwhile.
func TestHorizon(t *testing.T) {
	slow(t)
	w := newWorld(t, quiet(t, 15), quiet(t, 18), orders)
	w.found(t, "xmin-held")
	w.found(t, "wraparound")
	_, pid := at(t, w.source.url, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM orders")
	at(t, w.source.cluster.TestDB(t, orders), "BEGIN; INSERT INTO orders VALUES (1)")
	o := defaults()
	soon(&o) // so that sixty milliseconds are long
	until(t, "its snapshot is old", func() bool {
		return slices.Equal(names(w.look(t, "xmin-held", o)), []string{"source session " + pid})
	})
	w.found(t, "xmin-held")
	// The transaction of the other database keeps the oldest number where it is.
	w.source.exec(t, `DO $$ BEGIN FOR i IN 1..110000 LOOP BEGIN INSERT INTO orders VALUES (i); EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$`)
	found := w.found(t, "wraparound", "source")
	if found[0].Severity != schema.Warn || !strings.Contains(found[0].Sentence, "autovacuum_freeze_max_age (100000)") {
		t.Errorf("%+v", found)
	}
}
