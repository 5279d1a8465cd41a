//go:build unix

package cutover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
)

// leftSQL is what a switch may leave nothing of: subscriptions, slots, our
// publications, our schema.
const leftSQL = `SELECT concat((SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
(SELECT count(*) FROM pg_replication_slots WHERE database = current_database()), (SELECT count(*) FROM pg_publication WHERE pubname LIKE 'pgparity%'), to_regnamespace('pgparity'))`

// writable tells whether a new session can write to a database.
func (p *place) writable(t *testing.T) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	_, err = conn.Exec(t.Context(), "BEGIN; CREATE TABLE public.written (); ROLLBACK")
	return err == nil
}

// switchedTo wants one side open, and the other one closed.
func (w *world) switchedTo(t *testing.T, open, closed *place) {
	t.Helper()
	if !open.writable(t) || closed.writable(t) {
		t.Errorf("source writable: %t, target: %t", w.source.writable(t), w.target.writable(t))
	}
}

// untouched wants both sides as they were before.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	for name, p := range map[string]*place{"source": w.source, "target": w.target} {
		if !p.writable(t) {
			t.Errorf("%s: closed", name)
		}
		if schema := p.ask(t, `SELECT to_regnamespace('pgparity')`); schema != "" {
			t.Errorf("%s: schema %s was left", name, schema)
		}
	}
}

// TestStill switches to a restored copy, which nothing replicates to: there is no
// way back but one's own.
func TestStill(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id serial PRIMARY KEY, w text)`, `INSERT INTO a (w) SELECT 'w' || i FROM generate_series(1, 100) i`)
	o := w.options(t)
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if r.Strategy != Tool {
		t.Errorf("strategy %s", r.Strategy)
	}
	w.switchedTo(t, w.target, w.source)
	var operator *OperatorError
	if r, err := RollBack(t.Context(), o); err == nil && r.Outcome == Done || err != nil && !errors.As(err, &operator) {
		t.Errorf("rolled back without a way back: %+v, %v", r, err)
	} else if text := fmt.Sprint(err, strings.Join(reasonsOf(r), "\n")); !strings.Contains(text, "no way back") {
		t.Errorf("not told why: %s", text)
	}
	w.switchedTo(t, w.target, w.source)
	r, err = Finalize(t.Context(), o)
	succeed(t, r, err)
	for _, p := range []*place{w.source, w.target} {
		if left := p.ask(t, leftSQL); left != "000" {
			t.Errorf("left behind (subscriptions, slots, publications, schema): %s", left)
		}
	}
}

// TestStillDiffers: a copy that differs is not switched to.
func TestStillDiffers(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id int PRIMARY KEY, w text)`, `INSERT INTO a SELECT i, 'w' || i FROM generate_series(1, 100) i`)
	w.target.exec(t, `UPDATE a SET w = 'other' WHERE id = 42`)
	r, err := Run(t.Context(), w.options(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome == Done || !strings.Contains(strings.Join(r.Reasons, "\n"), "public.a") {
		t.Errorf("%s: %s", r.Outcome, strings.Join(r.Reasons, "\n"))
	}
	w.untouched(t)
}

func reasonsOf(r *Result) []string {
	if r == nil {
		return nil
	}
	return r.Reasons
}

// TestVerifyOnly proves and touches nothing: somebody else switches.
func TestVerifyOnly(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id serial PRIMARY KEY, w text)`)
	w.replicate(t)
	w.source.exec(t, `INSERT INTO a (w) SELECT 'w' || i FROM generate_series(1, 100) i`)
	o := w.options(t)
	o.Strategy = VerifyOnly
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if v := r.Verified; v == nil || v.Verdict != checker.Match || v.AsOfLSN == "" || v.Rows < 100 {
		t.Errorf("verified: %+v", v)
	}
	w.untouched(t)
	w.target.exec(t, `UPDATE a SET w = 'other' WHERE id = 42`)
	if r, err = Run(t.Context(), o); err != nil || r.Outcome == Done {
		t.Errorf("%+v %v", r, err)
	}
}

// TestStandby: a standby is nobody's to switch to.
func TestStandby(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 15, `CREATE TABLE a (id int PRIMARY KEY)`)
	standby, err := w.source.cluster.Standby(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	o := w.options(t)
	o.Target = standby.URL(w.source.database())
	var operator *OperatorError
	if _, err := Run(t.Context(), o); !errors.As(err, &operator) || !strings.Contains(err.Error(), "target: it is a standby") {
		t.Errorf("%v", err)
	}
	o.Source, o.Target = o.Target, w.target.url
	if _, err := Run(t.Context(), o); !errors.As(err, &operator) || !strings.Contains(err.Error(), "source: it is a standby") {
		t.Errorf("%v", err)
	}
}

// TestOldServers: below 11 a slot cannot be moved ahead, and is made in the window;
// below 13 closed databases count walsenders.
func TestOldServers(t *testing.T) {
	long(t)
	slow(t)
	for _, majors := range [][2]int{{10, 15}, {11, 10}} {
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, majors[0], majors[1], `CREATE TABLE a (id serial PRIMARY KEY, w text)`)
			w.replicate(t)
			w.source.exec(t, `INSERT INTO a (w) SELECT 'w' || i FROM generate_series(1, 100) i`)
			o := w.options(t)
			// What is built for 10 here brings files of extensions that it cannot read.
			o.Preflight.Acks = []preflight.Ack{{ID: "extension-outdated"}, {ID: "extension-unavailable"}}
			w.backAndForth(t, o, `INSERT INTO a (w) VALUES ('new') RETURNING id`, `SELECT string_agg(id || w, ',' ORDER BY id) FROM a`)
		})
	}
}

// backAndForth switches, back, and again, with a write in between that both sides
// have in the end.
func (w *world) backAndForth(t *testing.T, o Options, write, read string) {
	t.Helper()
	for _, step := range []struct {
		name       string
		run        func(context.Context, Options) (*Result, error)
		now, other *place
	}{{"there", Run, w.target, w.source}, {"back", RollBack, w.source, w.target}, {"again", Run, w.target, w.source}} {
		r, err := step.run(t.Context(), o)
		t.Log(step.name)
		succeed(t, r, err)
		w.switchedTo(t, step.now, step.other)
		step.now.exec(t, write)
		until(t, "what was written has come back", func() bool { return w.source.ask(t, read) == w.target.ask(t, read) })
	}
}

// TestOddNames: databases whose names have to be quoted, several subscriptions for
// one pair, partitioned tables, and a publication of all tables.
func TestOddNames(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	tables := []string{
		`CREATE SCHEMA "Odd Schema"`,
		`CREATE TABLE "Odd Schema"."It's" ("The Id" serial PRIMARY KEY, "W""" text)`,
		`CREATE TABLE root (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)`,
		`CREATE TABLE leaf1 PARTITION OF root FOR VALUES FROM (0) TO (10)`,
		`CREATE TABLE leaf2 PARTITION OF root FOR VALUES FROM (10) TO (20)`,
		`CREATE TABLE plain (id int PRIMARY KEY)`,
	}
	w := namedWorld(t, 15, 18, `Shop "x" it's 100%`, tables...)
	w.source.exec(t, `CREATE PUBLICATION "Pub 1" FOR TABLE "Odd Schema"."It's", plain`, `CREATE PUBLICATION "Pub,2" FOR TABLE root WITH (publish_via_partition_root = true)`)
	w.subscribe(t, "Sub 1", `"Pub 1"`)
	w.subscribe(t, "sub_2", `"Pub,2"`)
	w.settle(t)
	w.source.exec(t, `INSERT INTO root SELECT i, i % 20 FROM generate_series(1, 100) i`, `INSERT INTO plain SELECT generate_series(1, 10)`)
	o := w.options(t)
	w.backAndForth(t, o, `WITH a AS (INSERT INTO "Odd Schema"."It's" ("W""") VALUES ('new') RETURNING "The Id") INSERT INTO root SELECT 1000 + "The Id", "The Id" % 20 FROM a`,
		`SELECT concat((SELECT string_agg(x::text, ',' ORDER BY "The Id") FROM "Odd Schema"."It's" x), (SELECT sum(id * at) FROM root))`)
	r, err := Finalize(t.Context(), o)
	succeed(t, r, err)
	for _, p := range []*place{w.source, w.target} {
		if left := p.ask(t, leftSQL); left != "000" {
			t.Errorf("left behind (subscriptions, slots, publications, schema): %s", left)
		}
	}
}

// TestAllTables: a publication of all tables carries our own as well.
func TestAllTables(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id serial PRIMARY KEY, w text)`)
	w.source.exec(t, "CREATE PUBLICATION everything FOR ALL TABLES", `INSERT INTO a (w) VALUES ('before')`)
	w.subscribe(t, fmt.Sprintf("cut_%d", worlds.Add(1)), "everything")
	w.settle(t)
	w.backAndForth(t, w.options(t), `INSERT INTO a (w) VALUES ('new')`, `SELECT string_agg(id || w, ',' ORDER BY id) FROM a`)
}

// settingsOf are what roles and databases are set to.
func (p *place) settingsOf(t *testing.T) string {
	t.Helper()
	return strings.Join(p.list(t, `SELECT concat(r.rolname, ' ', s.setdatabase <> 0, ' ', s.setconfig) FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND s.setconfig::text LIKE '%read_only%' ORDER BY 1`), "\n") + p.ask(t, `SELECT datconnlimit FROM pg_database WHERE datname = current_database()`)
}

// insertAs tries to write in a session of its own.
func (p *place) insertAs(t *testing.T, role string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.as(role))
	if err != nil {
		return err
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `INSERT INTO a (w) VALUES ('boss')`)
	return err
}

// TestRoles: a role whose own setting overrides the database's is kept from
// writing too, and has its setting again in the end; a session that was on the
// target before it was opened is not left read only.
func TestRoles(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id serial PRIMARY KEY, w text)`)
	w.replicate(t)
	boss, here := fmt.Sprintf("Boss %d", clients.Add(1)), fmt.Sprintf("Here %d", clients.Add(1))
	for _, p := range []*place{w.source, w.target} {
		p.exec(t, fmt.Sprintf(`CREATE ROLE %q SUPERUSER LOGIN PASSWORD 'client'`, boss), fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD 'client'`, here),
			fmt.Sprintf(`ALTER ROLE %q SET default_transaction_read_only = off`, boss), fmt.Sprintf(`ALTER ROLE %q IN DATABASE %s SET default_transaction_read_only = 'false'`, here, postgres.Ident(p.database())),
			fmt.Sprintf(`ALTER DATABASE %s CONNECTION LIMIT 77`, postgres.Ident(p.database())), fmt.Sprintf(`GRANT ALL ON a, a_id_seq TO %q`, here))
		t.Cleanup(func() {
			if err := p.cluster.Exec(context.Background(), p.database(), `SET default_transaction_read_only = off`, fmt.Sprintf(`DROP OWNED BY %q`, here), fmt.Sprintf(`DROP ROLE %q`, here), fmt.Sprintf(`DROP ROLE %q`, boss)); err != nil {
				t.Error(err)
			}
		})
	}
	before := map[*place]string{w.source: w.source.settingsOf(t), w.target: w.target.settingsOf(t)}
	o := w.options(t)
	var from *place
	tried := 0
	o.point = func(id string) {
		if id != "before frozen-closed" {
			return
		}
		tried++
		err := from.insertAs(t, boss)
		for range 20 { // who looks for clients at the same time may end it first
			if !pgcode(err, "57P01") {
				break
			}
			err = from.insertAs(t, boss)
		}
		if !pgcode(err, "25006") {
			t.Errorf("a superuser with a setting of its own could write: %v", err)
		}
		if _, err := pgx.Connect(t.Context(), from.as(here)); !pgcode(err, "53300") {
			t.Errorf("a role with a setting of its own could connect: %v", err)
		}
	}
	early := connect(t, w.target.as(here))
	from = w.source
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if err := early.Ping(t.Context()); err == nil {
		if _, err := early.Exec(t.Context(), `INSERT INTO a (w) VALUES ('early')`); err != nil {
			t.Errorf("a session of before was left, and cannot write: %v", err)
		}
	}
	if now := w.target.settingsOf(t); now != before[w.target] {
		t.Errorf("target: %q, it was %q", now, before[w.target])
	}
	late := connect(t, w.target.as(here))
	if _, err := late.Exec(t.Context(), `INSERT INTO a (w) VALUES ('late')`); err != nil {
		t.Error(err)
	}
	from = w.target
	r, err = RollBack(t.Context(), o)
	succeed(t, r, err)
	if now := w.source.settingsOf(t); now != before[w.source] {
		t.Errorf("source: %q, it was %q", now, before[w.source])
	}
	if tried != 2 {
		t.Errorf("tried %d times", tried)
	}
}

func pgcode(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}

// TestReverseIdentity: the way back must not make the application's updates fail.
func TestReverseIdentity(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id serial PRIMARY KEY, w text)`)
	w.replicate(t)
	w.target.exec(t, `ALTER TABLE a REPLICA IDENTITY NOTHING`)
	o := w.options(t)
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(r.Reasons, "\n"); r.Outcome == Done || !strings.Contains(text, "ALTER TABLE public.a REPLICA IDENTITY") {
		t.Errorf("%s: %s", r.Outcome, text)
	}
	w.untouched(t)
	o.Reverse.Off = true
	r, err = Run(t.Context(), o)
	succeed(t, r, err)
	w.target.exec(t, `INSERT INTO a (w) VALUES ('new')`, `UPDATE a SET w = 'newer'`)
}

// TestPublishInsert: what a publication leaves out would be lost by a switch.
func TestPublishInsert(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE log (at int, w text)`)
	w.name = fmt.Sprintf("cut_%d", worlds.Add(1))
	w.source.exec(t, fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE log WITH (publish = 'insert')", w.name))
	w.subscribe(t, w.name, w.name)
	w.settle(t)
	r, err := Run(t.Context(), w.options(t))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(r.Reasons, "\n"); r.Outcome != Refused || !strings.Contains(text, "publishes no update") {
		t.Errorf("%s: %s", r.Outcome, text)
	}
	w.untouched(t)
}

// namedWorld is newWorld with databases of a name.
func namedWorld(t *testing.T, source, target int, name string, sql ...string) *world {
	t.Helper()
	w := &world{}
	for _, p := range []struct {
		place **place
		major int
	}{{&w.source, source}, {&w.target, target}} {
		c := pgcluster.Shared(t, p.major)
		if err := c.CreateDatabase(t.Context(), name, "TEMPLATE template0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.DropDatabase(context.Background(), name); err != nil {
				t.Log(err)
			}
		})
		*p.place = &place{cluster: c, url: c.URL(name), conn: connect(t, c.URL(name))}
		(*p.place).exec(t, sql...)
	}
	return w
}

// subscribe makes a subscription of the target to publications of the source.
func (w *world) subscribe(t *testing.T, name, publications string) {
	t.Helper()
	conninfo := fmt.Sprintf("host=%s port=%d user=postgres dbname='%s'", w.source.cluster.Host(), w.source.cluster.Port(),
		strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(w.source.database()))
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION %s WITH (slot_name = %s)", postgres.Ident(name), postgres.Literal(conninfo), publications, slotName(name)))
}

func (w *world) settle(t *testing.T) {
	t.Helper()
	until(t, "all is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
}

// TestReverseAnew: the way back that was kept from a switch that was given up has
// what has joined the replication since.
func TestReverseAnew(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id int PRIMARY KEY)`, `CREATE TABLE later (id int PRIMARY KEY)`)
	w.name = fmt.Sprintf("cut_%d", worlds.Add(1))
	w.source.exec(t, "CREATE PUBLICATION "+w.name+" FOR TABLE a")
	w.subscribe(t, w.name, w.name)
	w.settle(t)
	o := w.options(t)
	o.KeepPrepared = true
	o.Verify.Pairing.Filter.ExcludeTables = []string{"public.later"}
	o.Confirm = func(context.Context, Question) error { return errors.New("not today") }
	if r, err := Run(t.Context(), o); err != nil || r.Outcome == Done {
		t.Fatalf("%+v, %v", r, err)
	}
	w.source.exec(t, "ALTER PUBLICATION "+w.name+" ADD TABLE later")
	w.target.exec(t, "SET default_transaction_read_only = off", "ALTER SUBSCRIPTION "+w.name+" REFRESH PUBLICATION")
	w.settle(t)
	o.Confirm, o.Verify.Pairing.Filter.ExcludeTables = nil, nil
	w.backAndForth(t, o, `WITH a AS (INSERT INTO a SELECT 1 + coalesce(max(id), 0) FROM a RETURNING id) INSERT INTO later SELECT id FROM a`, `SELECT concat((SELECT sum(id) FROM a), ' ', (SELECT sum(id) FROM later))`)
}
