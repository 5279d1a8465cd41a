package probe_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/probe"
)

// TestMain finds goroutines that are left when all tests are over: they run
// side by side, more than there are processors, since they wait most of the time.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, err := range []error{goleak.Find(), pgcluster.StopShared(context.Background())} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

const scratch = "CREATE TABLE scratch (id bigint PRIMARY KEY, note text)"

// names keeps publications and slots of tests that share a cluster apart.
var names atomic.Int64

// end is one server of a pair under test.
type end struct {
	cluster *pgcluster.Cluster
	name    string // of the database
	db      *postgres.DB
}

type pair struct{ source, target *end }

func newPair(t *testing.T, source, target *pgcluster.Cluster, sql ...string) *pair {
	t.Helper()
	return &pair{open(t, postgres.Source, source, sql...), open(t, postgres.Target, target, sql...)}
}

func open(t *testing.T, side postgres.Side, c *pgcluster.Cluster, sql ...string) *end {
	t.Helper()
	e := &end{cluster: c, db: openDB(t, side, c.TestDB(t, sql...))}
	e.name = e.db.Server().Database
	return e
}

func openDB(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: url, MaxConns: 3, Run: "test", StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func (e *end) exec(t *testing.T, sql ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := e.cluster.Exec(ctx, e.name, sql...); err != nil {
		t.Fatal(err)
	}
}

// ask runs a query that gives one value, as text.
func (e *end) ask(t *testing.T, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), e.cluster.URL(e.name))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var v string
	if err := conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 20 s in vain until %s", what)
		}
	}
}

// subscribing: a subscription is made in a transaction that waits, on the other
// server, for all transactions there. Two that are made across would wait for
// each other.
var subscribing sync.Mutex

// replicate carries all tables, which are empty, from one end to the other.
func replicate(t *testing.T, from, to *end, publication, with string) (name string) {
	t.Helper()
	name = fmt.Sprintf("probe_%d", names.Add(1))
	from.exec(t, "CREATE PUBLICATION "+name+" FOR ALL TABLES "+publication)
	subscribing.Lock()
	defer subscribing.Unlock()
	to.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %s WITH (copy_data = false%s)", name, from.cluster.URL(from.name), name, with))
	until(t, "it streams", func() bool {
		return from.ask(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "true"
	})
	return name
}

func run(t *testing.T, ctx context.Context, p *pair, o probe.Options) *probe.Result {
	t.Helper()
	return <-begin(t, ctx, p, o)
}

// begin runs in the background. A run that gives an error gives an empty result.
func begin(t *testing.T, ctx context.Context, p *pair, o probe.Options) <-chan *probe.Result {
	t.Helper()
	o.Table = cmp.Or(o.Table, "public.scratch")
	o.Direction = cmp.Or(o.Direction, probe.Both)
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Rounds = max(o.Rounds, 1)
	done := make(chan *probe.Result, 1)
	go func() {
		res, err := probe.Run(ctx, p.source.db, p.target.db, o)
		if err != nil {
			t.Error(err)
			res = &probe.Result{Table: o.Table}
		}
		done <- res
	}()
	return done
}

// outcomes are the operations in short: "source insert seen".
func outcomes(r *probe.Result) string {
	var list []string
	for _, op := range r.Operations {
		list = append(list, fmt.Sprintf("%s %s %s", op.From, op.Kind, op.Outcome))
	}
	return strings.Join(list, ", ")
}

func check(t *testing.T, r *probe.Result, verdict probe.Verdict, want string) {
	t.Helper()
	if got := outcomes(r); got != want || r.Verdict() != verdict {
		t.Errorf("%s: %s\nwant %s: %s", r.Verdict(), got, verdict, want)
		for _, op := range r.Operations {
			t.Logf("%s %s: %s", op.From, op.Kind, op.Why)
		}
		t.FailNow()
	}
}

// clean fails where a row is left on either side.
func clean(t *testing.T, r *probe.Result, ends ...*end) {
	t.Helper()
	for _, l := range r.Left {
		t.Errorf("said to be left: %s", l)
	}
	for _, e := range ends {
		if n := e.ask(t, "SELECT count(*) FROM "+r.Table); n != "0" {
			t.Errorf("%s: %s rows are left in %s", e.db.Side(), n, e.name)
		}
	}
}

const (
	forwardSeen = "source insert seen, source update seen, source delete seen"
	reverseSeen = "target insert seen, target update seen, target delete seen"
)

func TestOneWay(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), scratch)
	replicate(t, p.source, p.target, "", "")
	r := run(t, t.Context(), p, probe.Options{Direction: probe.Forward, Rounds: 3, Timeout: 20 * time.Second})
	check(t, r, probe.VerdictMatch, forwardSeen)
	for _, op := range r.Operations {
		if len(op.Latencies) != 3 || op.Latencies[0] <= 0 {
			t.Errorf("%s: latencies %v of 3 rounds", op.Kind, op.Latencies)
		}
	}
	clean(t, r, p.source, p.target)

	// Back it does not go, and the row is removed where it was written.
	r = run(t, t.Context(), p, probe.Options{})
	check(t, r, probe.VerdictMismatch, forwardSeen+", target insert not_seen, target update unproven, target delete unproven")
	if why := r.Operations[3].Why; why != "not seen within 1s" {
		t.Errorf("INSERT: %s", why)
	}
	if why := r.Operations[5].Why; why != "not tried: INSERT was not seen" {
		t.Errorf("DELETE: %s", why)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "the source had not shown the row") {
		t.Errorf("notes: %q", r.Notes)
	}
	clean(t, r, p.source, p.target)

	// What was written did go through the replication: it did not stop on it.
	p.source.exec(t, "INSERT INTO scratch VALUES (1, 'later')")
	until(t, "the replication goes on", func() bool { return p.target.ask(t, "SELECT count(*) FROM scratch") == "1" })
}

func TestBothWays(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 17), pgcluster.Shared(t, 18), scratch)
	replicate(t, p.source, p.target, "", ", origin = none")
	replicate(t, p.target, p.source, "", ", origin = none")
	r := run(t, t.Context(), p, probe.Options{Rounds: 2, Timeout: 20 * time.Second})
	check(t, r, probe.VerdictMatch, forwardSeen+", "+reverseSeen)
	clean(t, r, p.source, p.target)
	r = run(t, t.Context(), p, probe.Options{Direction: probe.Reverse, Timeout: 20 * time.Second})
	check(t, r, probe.VerdictMatch, reverseSeen)
}

// TestTypes: every type of key, with every type of content.
func TestTypes(t *testing.T) {
	t.Parallel()
	tables := map[string]string{
		"a": `CREATE TABLE a (id bigint PRIMARY KEY, v text NOT NULL)`,
		"b": `CREATE TABLE b (v int, id int PRIMARY KEY, note text)`,
		"c": `CREATE TABLE c (id uuid PRIMARY KEY, gone int, v bigint NOT NULL); ALTER TABLE c DROP gone`,
		"d": `CREATE TABLE d (id text PRIMARY KEY, v timestamptz DEFAULT now())`,
		"e": `CREATE TABLE e (id varchar(40) PRIMARY KEY, v varchar(32), n numeric, at date NOT NULL DEFAULT now())`,
		"f": `CREATE SCHEMA "Ä b"; CREATE TABLE "Ä b"."C.""d" ("I d" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n smallserial, "V $1" timestamp)`,
	}
	var sql []string
	for _, s := range tables {
		sql = append(sql, s)
	}
	p := newPair(t, pgcluster.Shared(t, 10), pgcluster.Shared(t, 15), sql...)
	replicate(t, p.source, p.target, "", "")
	for _, name := range []string{"public.a", "public.b", "public.c", "public.d", "public.e", `Ä b.C."d`, `"Ä b"."C.""d"`} {
		r := run(t, t.Context(), p, probe.Options{Table: name, Direction: probe.Forward, Timeout: 20 * time.Second})
		check(t, r, probe.VerdictMatch, forwardSeen)
		clean(t, r, p.source, p.target)
	}
}

// TestPartly: a publication that leaves out UPDATE, or DELETE.
func TestPartly(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), scratch)
	name := replicate(t, p.source, p.target, "WITH (publish = 'insert, delete')", "")
	r := run(t, t.Context(), p, probe.Options{Direction: probe.Forward, Rounds: 2, Timeout: 1500 * time.Millisecond})
	check(t, r, probe.VerdictMismatch, "source insert seen, source update not_seen, source delete seen")
	clean(t, r, p.source, p.target)

	p.source.exec(t, "ALTER PUBLICATION "+name+" SET (publish = 'insert, update')")
	r = run(t, t.Context(), p, probe.Options{Direction: probe.Forward, Timeout: 1500 * time.Millisecond})
	check(t, r, probe.VerdictMismatch, "source insert seen, source update seen, source delete not_seen")
	clean(t, r, p.source, p.target)

	// The row arrives, but is not what was written.
	p.target.exec(t, `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'spoilt'; RETURN NEW; END $$`,
		"CREATE TRIGGER spoil BEFORE INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION spoil()", "ALTER TABLE scratch ENABLE ALWAYS TRIGGER spoil")
	r = run(t, t.Context(), p, probe.Options{Direction: probe.Forward})
	check(t, r, probe.VerdictMismatch, "source insert not_seen, source update unproven, source delete unproven")
	if why := r.Operations[0].Why; !strings.Contains(why, "with other content") {
		t.Errorf("INSERT: %s", why)
	}
	clean(t, r, p.source, p.target)
}

// TestDisabled: a subscription that stands still, from the beginning and from
// the middle on. Nothing is left, and nothing comes when it goes on.
func TestDisabled(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), scratch)
	name := replicate(t, p.source, p.target, "", "")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE")
	began := time.Now()
	r := run(t, t.Context(), p, probe.Options{Direction: probe.Forward})
	check(t, r, probe.VerdictMismatch, "source insert not_seen, source update unproven, source delete unproven")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %s with a timeout of 1 s", took)
	}
	clean(t, r, p.source, p.target)
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" ENABLE")
	p.source.exec(t, "INSERT INTO scratch VALUES (1, 'later')")
	until(t, "the replication goes on", func() bool { return p.target.ask(t, "SELECT count(*) FROM scratch WHERE id = 1") == "1" })
	p.source.exec(t, "DELETE FROM scratch")
	until(t, "the table is empty", func() bool { return p.target.ask(t, "SELECT count(*) FROM scratch") == "0" })

	// Stopped by the target itself as soon as a row arrives there.
	p.target.exec(t, `CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ALTER SUBSCRIPTION `+name+` DISABLE; RETURN NULL; END $$`,
		"CREATE TRIGGER stop AFTER INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION stop()", "ALTER TABLE scratch ENABLE ALWAYS TRIGGER stop")
	r = run(t, t.Context(), p, probe.Options{Direction: probe.Forward, Timeout: 1500 * time.Millisecond})
	check(t, r, probe.VerdictMismatch, "source insert seen, source update not_seen, source delete not_seen")
	clean(t, r, p.source, p.target)
}

// TestInterrupted: Ctrl-C while it waits leaves nothing.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), scratch)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	done := begin(t, ctx, p, probe.Options{Timeout: time.Minute})
	until(t, "the row is written", func() bool { return p.source.ask(t, "SELECT count(*) FROM scratch") == "1" })
	cancel(errors.New("interrupted"))
	r := <-done
	check(t, r, probe.VerdictUnproven, "source insert unproven, source update unproven, source delete unproven, target insert unproven, target update unproven, target delete unproven")
	if a, b := r.Operations[0].Why, r.Operations[3].Why; a != "interrupted" || b != "not tried: interrupted" {
		t.Errorf("said %q and %q", a, b)
	}
	clean(t, r, p.source, p.target)
}

// TestConnectionsCut: sessions that a server ends, as a failing network does,
// end the run, and new ones clean up.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), scratch)
	done := begin(t, t.Context(), p, probe.Options{Direction: probe.Forward, Timeout: 10 * time.Second})
	until(t, "the row is written", func() bool { return p.source.ask(t, "SELECT count(*) FROM scratch") == "1" })
	for _, e := range []*end{p.source, p.target} { // first those that the cleaning will find
		e.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgparity'")
	}
	r := <-done
	check(t, r, probe.VerdictUnproven, "source insert unproven, source update unproven, source delete unproven")
	clean(t, r, p.source, p.target)
}

// TestTargetKilled: a target that dies while a row is waited for is told, the
// source is cleaned, and what cannot be known is said with the DELETE to type.
func TestTargetKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped under -short: takes a cluster of its own")
	}
	mortal, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 18, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mortal.Stop(context.Background()) })
	p := newPair(t, pgcluster.Shared(t, 15), mortal, scratch)
	done := begin(t, t.Context(), p, probe.Options{Timeout: 3 * time.Second})
	until(t, "the row is written", func() bool { return p.source.ask(t, "SELECT count(*) FROM scratch") == "1" })
	began := time.Now()
	mortal.Kill()
	r := <-done
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s after the target was gone", took)
	}
	check(t, r, probe.VerdictUnproven, "source insert unproven, source update unproven, source delete unproven, target insert unproven, target update unproven, target delete unproven")
	if why := r.Operations[0].Why; !strings.HasPrefix(why, "target: ") {
		t.Errorf("INSERT: %s", why)
	}
	if len(r.Left) != 1 || r.Left[0].Side != postgres.Target || !strings.Contains(r.Left[0].String(), "cannot reach") {
		t.Errorf("left: %v", r.Left)
	}
	clean(t, &probe.Result{Table: r.Table}, p.source)
}

// TestCannotRemove: a row that a side does not let go is named, and the DELETE
// that is told removes it.
func TestCannotRemove(t *testing.T) {
	t.Parallel()
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), "CREATE TABLE scratch (id text PRIMARY KEY, note text)",
		`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$`)
	p.target.exec(t, "CREATE TRIGGER keep BEFORE DELETE ON scratch FOR EACH ROW EXECUTE FUNCTION keep()")
	replicate(t, p.target, p.source, "", "")
	r := run(t, t.Context(), p, probe.Options{Direction: probe.Reverse, Timeout: 10 * time.Second})
	check(t, r, probe.VerdictMismatch, "target insert seen, target update seen, target delete failed")
	if why := r.Operations[2].Why; why != "target: delete: not this one (SQLSTATE P0001)" {
		t.Errorf("DELETE: %s", why)
	}
	if len(r.Left) != 1 || r.Left[0].Side != postgres.Target {
		t.Fatalf("left: %v", r.Left)
	}
	if n := p.target.ask(t, "SELECT count(*) FROM scratch WHERE id = '"+r.Left[0].Key+"'"); n != "1" {
		t.Error("the row that is named is not there")
	}
	p.target.exec(t, "DROP TRIGGER keep ON scratch", r.Left[0].SQL)
	clean(t, &probe.Result{Table: r.Table}, p.source, p.target)

	// A row that a trigger swallows was not written, though no error says so.
	p.target.exec(t, `CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
		"CREATE TRIGGER swallow BEFORE INSERT ON scratch FOR EACH ROW EXECUTE FUNCTION swallow()")
	r = run(t, t.Context(), p, probe.Options{Direction: probe.Reverse})
	check(t, r, probe.VerdictMismatch, "target insert failed, target update unproven, target delete unproven")
	if why := r.Operations[0].Why; !strings.HasPrefix(why, "target: insert public.scratch: the server changed no row") {
		t.Errorf("INSERT: %s", why)
	}
}
