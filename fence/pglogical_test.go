package fence_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// pglogicalServer is a cluster with the extension pglogical; role keeps the
// provider's and the subscriber's apart. The extension is built for the
// system's server of major 15 alone.
func pglogicalServer(t *testing.T, role string) *pgcluster.Cluster {
	t.Helper()
	const major, bin, control = 15, "/usr/lib/postgresql/15/bin", "/usr/share/postgresql/15/extension/pglogical.control"
	b, err := pgcluster.Ensure(t.Context(), major)
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	if b.BinDir != bin {
		t.Skipf("skipped: pglogical is packaged for the server in %s, and the one at hand is in %s", bin, b.BinDir)
	}
	if _, err := os.Stat(control); err != nil {
		t.Skipf("skipped: the extension pglogical is not installed; scripts/test-deps.sh gets it where it is packaged: %v", err)
	}
	c := pgcluster.SharedWith(t, "pglogical "+role, pgcluster.Options{Major: major, Settings: map[string]string{
		"shared_preload_libraries": "pglogical", "max_worker_processes": "32", "max_replication_slots": "20", "max_wal_senders": "20",
		"pglogical.synchronous_commit": "on", // or each confirmation waits for the walwriter
	}})
	// A server that lists the plugins it lets in doesn't list this one.
	conn := connect(t, c.URL("postgres"))
	if list := ask(t, conn, "current_setting('output_plugin_libraries', true)"); list != "" && !strings.Contains(list, "pglogical_output") {
		for _, sql := range []string{"ALTER SYSTEM SET output_plugin_libraries = " + list + ", pglogical_output", "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

// pglogicalPair is a pair of pglogical's nodes, near and far.
func pglogicalPair(t *testing.T, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	near, far := pglogicalServer(t, "provider"), pglogicalServer(t, "subscriber")
	return &pair{source: node(t, postgres.Source, near, "near", sql...), target: node(t, postgres.Target, far, "far", sql...)}
}

// node makes a database that is a node. It stays until its cluster ends: to drop
// a database of 15 and later waits for all processes to take notice, and
// pglogical's supervisor does that when it wakes up the next time.
func node(t *testing.T, side postgres.Side, c *pgcluster.Cluster, name string, sql ...string) *end {
	t.Helper()
	database := fmt.Sprintf("shop_%d", names.Add(1))
	if err := c.CreateDatabase(t.Context(), database, "TEMPLATE template0 STRATEGY file_copy"); err != nil {
		t.Fatal(err)
	}
	e := open(t, side, c, c.URL(database))
	e.exec(t, append([]string{"CREATE EXTENSION pglogical"}, sql...)...)
	e.ask(t, fmt.Sprintf("SELECT pglogical.create_node('%s', '%s')", name, dsn(e)))
	t.Cleanup(func() { // or its slot and its workers stay too
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, _ = e.conn.Exec(ctx, "ROLLBACK") // of a test that failed and holds a lock
		if err := c.Exec(ctx, database, "SELECT pglogical.drop_subscription(sub_name) FROM pglogical.subscription"); err != nil {
			t.Error(err)
		}
	})
	return e
}

// dsn holds a password, which the server does not ask for.
func dsn(e *end) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=postgres password=hush", e.cluster.Host(), e.cluster.Port(), e.name)
}

// follows lets a node subscribe to another's tables, and waits until they are
// copied and the slot is read. It returns the subscription's name.
func follows(t *testing.T, from, to *end, more string, tables ...string) string {
	t.Helper()
	name := fmt.Sprintf("shop_%d", names.Add(1))
	for _, table := range tables {
		from.ask(t, "SELECT pglogical.replication_set_add_table('default', "+table+")")
	}
	to.ask(t, fmt.Sprintf("SELECT pglogical.create_subscription('%s', '%s'%s)", name, dsn(from), more))
	replicating(t, to, name)
	return name
}

func replicating(t *testing.T, e *end, name string) {
	t.Helper()
	until(t, name+" is replicating", func() bool {
		return e.ask(t, "SELECT count(*) FILTER (WHERE sync_status = 'r') > 0 AND bool_and(sync_status = 'r') FROM pglogical.local_sync_status") == "true" &&
			e.ask(t, "SELECT status FROM pglogical.show_subscription_status('"+name+"')") == "replicating" && applier(t, e) != 0
	})
}

// applier is the pid of a database's one apply worker, or 0.
func applier(t *testing.T, e *end) int {
	t.Helper()
	pid, _ := strconv.Atoi(e.ask(t, "SELECT max(pid) FROM pg_stat_activity WHERE backend_type LIKE 'pglogical apply%' AND datname = current_database()"))
	return pid
}

// reads waits until somebody reads all slots of a database.
func reads(t *testing.T, e *end) {
	t.Helper()
	until(t, "the slot is read", func() bool {
		return e.ask(t, "SELECT bool_and(active) FROM pg_replication_slots WHERE database = current_database()") == "true"
	})
}

// TestPglogical: it is found, with the evidence, by each name it may be asked
// for, and what the wait's nil promises is there.
func TestPglogical(t *testing.T) {
	p := pglogicalPair(t, ledgers)
	name := follows(t, p.source, p.target, "", "'a'", "'b'")
	reads(t, p.source)
	d := p.detect(t)
	if len(d.Forward) != 1 || d.Forward[0].Kind != fence.KindPglogical || d.Forward[0].Err != nil || len(d.Reverse)+len(d.Others) != 0 {
		t.Fatalf("found %+v", d)
	}
	evidence := strings.Join(d.Forward[0].Evidence, "\n")
	contains(t, evidence, name, p.source.name, `node "near"`, "very worker", "default_insert_only", "hold 2 tables", "at 127.0.0.1:"+fmt.Sprint(p.source.cluster.Port()))
	if strings.Contains(evidence, "hush") {
		t.Errorf("the evidence has the connection's password: %s", evidence)
	}
	n := 0
	for _, kind := range []fence.Kind{"", fence.Auto, fence.KindLogical, fence.KindPglogical} {
		f := made(t)(detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: kind}).Fence())
		for range 4 {
			n++
			p.source.exec(t, fmt.Sprintf("INSERT INTO a VALUES (1, %d)", n))
			pass(t, f)
			if got := p.target.ask(t, fmt.Sprintf("SELECT count(*) FROM a WHERE n = %d", n)); got != "1" {
				t.Fatalf("row %d is not on the target behind the fence", n)
			}
		}
		healthy(t, f)
	}
	if _, err := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: fence.KindPhysical}).Fence(); !errors.Is(err, fence.ErrNotFound) {
		t.Errorf("physical was asked for, and the error is %v", err)
	}
	// The other way round it is what comes back.
	back := detect(t, fence.Options{Source: p.target.db, Target: p.source.db})
	if len(back.Forward) != 0 || len(back.Reverse) != 1 || back.Reverse[0].Kind != fence.KindPglogical {
		t.Fatalf("found %+v", back)
	}
	pass(t, made(t)(back.Barrier([]string{"public.a"})))
}

// TestPglogicalRace: sessions commit in every way there is, while the apply
// workers of two subscriptions are stopped and continued.
func TestPglogicalRace(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: the race is run with native subscriptions; run without -short")
	}
	p := pglogicalPair(t, ledgers)
	p.source.ask(t, "SELECT pglogical.create_replication_set('other')")
	p.source.ask(t, "SELECT pglogical.replication_set_add_table('other', 'b')")
	follows(t, p.source, p.target, "", "'a'")
	follows(t, p.source, p.target, ", '{other}'", []string{}...)
	reads(t, p.source)
	d := p.detect(t)
	if len(d.Forward) != 2 {
		t.Fatalf("found %+v", d)
	}
	f := made(t)(d.Fence())
	stop := write(t, p.source)
	defer stop()
	var pids []int
	for _, pid := range strings.Fields(p.target.ask(t, "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type LIKE 'pglogical apply%' AND datname = current_database()")) {
		n, _ := strconv.Atoi(pid)
		pids = append(pids, n)
	}
	defer stutter(t, pids)()
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		seen := highest(t, p.source)
		m := mark(t, f)
		if err := waits(t, f, m, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		got := highest(t, p.target)
		for key, n := range seen {
			if got[key] < n {
				t.Fatalf("round %d: writer %s: the source had shown %d, the target shows %d behind the fence", round, key, n, got[key])
			}
		}
	}
}

// TestPglogicalCover: what is in no set, being copied, or may be about to be
// copied, is told.
func TestPglogicalCover(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: four subscriptions; the cover of native ones is tested; run without -short")
	}
	p := pglogicalPair(t, ledgers, "CREATE TABLE c (n int PRIMARY KEY)",
		`CREATE TABLE parts (n int PRIMARY KEY) PARTITION BY RANGE (n)`, `CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)`,
		`CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)`)
	p.source.exec(t, "INSERT INTO c VALUES (1)")
	name := follows(t, p.source, p.target, "", "'a'", "'parts_1'")
	reads(t, p.source)
	f := p.fence(t)
	cover := func(tables ...string) fence.Cover {
		t.Helper()
		c, err := f.Cover(t.Context(), tables)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	gaps := func(what, want string, tables ...string) {
		t.Helper()
		var got []string
		for _, g := range cover(tables...).Gaps {
			got = append(got, g.Leaf+"="+g.State)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: the gaps are %q, want %q", what, got, want)
		}
	}
	before := cover("public.a", "public.parts_1")
	if len(before.Gaps) != 0 || !before.Same(cover("public.a", "public.parts_1")) {
		t.Errorf("both are carried, nothing happened, and the gaps are %v", before.Gaps)
	}
	gaps("in no set, one partition in none, nowhere", "public.b= public.parts_2= public.x=", "public.b", "public.parts", "public.x")
	// Without a copy: no order to copy it is on its way once a mark has passed.
	p.source.ask(t, "SELECT pglogical.replication_set_add_table('default', 'b')")
	gaps("put in the set just now", "public.b=i", "public.b")
	pass(t, f)
	gaps("and a mark was passed", "", "public.b")
	// With a copy, which a lock holds up.
	p.target.exec(t, "BEGIN; LOCK TABLE c IN SHARE MODE")
	p.source.ask(t, "SELECT pglogical.replication_set_add_table('default', 'c', synchronize_data := true)")
	if c := cover("public.c"); len(c.Gaps) != 1 {
		t.Errorf("the order to copy it is on its way, and the gaps are %v", c.Gaps)
	}
	pass(t, f)
	other := connect(t, p.target.cluster.URL(p.target.name))
	until(t, "it is being copied", func() bool {
		return ask(t, other, "SELECT sync_status FROM pglogical.local_sync_status WHERE sync_relname = 'c'") == "d"
	})
	gaps("a mark was passed, and it is being copied", "public.c=d", "public.c")
	if x := trouble(t, f, fence.NotReady); x == nil || len(x.Tables) != 1 || x.Tables[0].Table != "public.c" || x.Subject != name {
		t.Errorf("health tells %+v", x)
	}
	if d := p.detect(t); len(d.Forward) != 1 || len(d.Others) != 0 {
		t.Errorf("the slot of a copy is taken for somebody's: %+v", d)
	}
	p.target.exec(t, "ROLLBACK")
	until(t, "it is copied", func() bool {
		p.source.exec(t, "INSERT INTO b SELECT 1, count(*) FROM b") // or nothing tells the worker how far it is
		return len(cover("public.c").Gaps) == 0
	})
	if got := p.target.ask(t, "SELECT count(*) FROM c"); got != "1" {
		t.Errorf("a carried table has %s rows, want 1", got)
	}
	// Taken out and put in again between two looks.
	p.source.ask(t, "SELECT pglogical.replication_set_remove_table('default', 'a')")
	gaps("taken out", "public.a=", "public.a")
	p.source.ask(t, "SELECT pglogical.replication_set_add_table('default', 'a')")
	if before.Same(cover("public.a", "public.parts_1")) {
		t.Error("a was out of the set for a while, and the covers are the same")
	}
}
