package cutover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestUnflushedWriter: what somebody commits without waiting for the disk is found by
// the last look into the slot too, which reads what is on the disk.
func TestUnflushedWriter(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	lazy := maps.Clone(roomy)
	lazy["wal_writer_delay"] = "10s"
	source := pgcluster.SharedWith(t, "lazy 15", pgcluster.Options{Major: 15, Settings: lazy})
	target := pgcluster.SharedWith(t, "arena 18", pgcluster.Options{Major: 18, Settings: roomy})
	aborts(t, stageOn(t, newArenaOn(t, source, target)), fault{at: "before last-beat", do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.source, "SET synchronous_commit = off", "INSERT INTO stock (n) VALUES (-30)")
	}, says: "changes were written after the database was closed to clients"})
}

// held is a way to a server on which what is under way is held up, while new
// connections pass: as when a network that lost packets is there again.
type held struct {
	listener net.Listener
	mu       sync.Mutex
	gates    []*held1
	wg       sync.WaitGroup
}

// held1 is one connection of it.
type held1 struct {
	client, server net.Conn
	mu             sync.Mutex
	gate           chan struct{} // nil where nothing is held up; else closed when it goes on
}

// Write is to the server.
func (c *held1) Write(b []byte) (int, error) {
	c.pass()
	return c.server.Write(b)
}

func (c *held1) pass() {
	c.mu.Lock()
	gate := c.gate
	c.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

func newHeld(t *testing.T, serverURL string) *held {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &held{listener: ln}
	h.wg.Go(func() { h.accept(u.Host) })
	t.Cleanup(func() {
		_ = ln.Close()
		h.release()
		h.mu.Lock()
		for _, c := range h.gates {
			_, _ = c.client.Close(), c.server.Close()
		}
		h.mu.Unlock()
		h.wg.Wait()
	})
	return h
}

func (h *held) accept(server string) {
	for {
		client, err := h.listener.Accept()
		if err != nil {
			return
		}
		conn, err := net.Dial("tcp", server)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &held1{client: client, server: conn}
		h.mu.Lock()
		h.gates = append(h.gates, c)
		h.mu.Unlock()
		h.wg.Go(func() { // that the client hangs up is held up as well
			_, _ = io.Copy(c, client)
			c.pass()
			_ = conn.Close()
		})
		h.wg.Go(func() {
			_, _ = io.Copy(client, conn)
			_ = client.Close()
		})
	}
}

func (h *held) url(serverURL string) string {
	u, _ := url.Parse(serverURL) // parsed once already
	u.Host = h.listener.Addr().String()
	return u.String()
}

// hold holds up what is connected now.
func (h *held) hold() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.gates {
		c.mu.Lock()
		c.gate = make(chan struct{})
		c.mu.Unlock()
	}
}

// release lets it go on.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.gates {
		c.mu.Lock()
		if c.gate != nil {
			close(c.gate)
			c.gate = nil
		}
		c.mu.Unlock()
	}
}

// TestLateStatement: a statement that closes the source, and arrives when the run
// has given up and opened it again, closes nothing.
func TestLateStatement(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	h := newHeld(t, s.source.url)
	o := s.options(t)
	o.Source, o.KeepPrepared = h.url(s.source.url), true
	o.point = func(id string) {
		if id == "before freeze-limit" {
			h.hold()
		}
	}
	r, err := Run(t.Context(), o)
	if err != nil || r.Outcome != AbortedRun {
		t.Fatalf("%+v %v", r, err)
	}
	h.release()
	for range 10 {
		rest(t.Context(), 100*time.Millisecond)
		if how := howItStands(t, s.source); strings.Contains(how, "limit 0") {
			t.Fatalf("it was given up, and the source is\n%s", how)
		}
	}
}

// TestGuardOfASilentNetwork: what the guard was connected by answers no more, and
// nothing says so: it connects anew.
func TestGuardOfASilentNetwork(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	a := newArena(t)
	h := newHeld(t, a.source.url)
	s := a.script(journalFile(t))
	s.Source, s.At, s.What = h.url(a.source.url), "before drained#1", "hang"
	c := play(t, s)
	c.says(t, "at")
	h.hold()
	if err := syscall.Kill(c.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the source takes writes", func() bool { return a.tryOnce(t.Context(), a.client[0]) == nil })
}

// TestThawOrder: who connects while the source is being opened can write: a session
// keeps the settings that it began with.
func TestThawOrder(t *testing.T) {
	long(t)
	t.Parallel()
	a := newArena(t)
	r := a.open(t, a.options(t))
	saved, err := readSettings(t.Context(), r.from)
	if err != nil {
		t.Fatal(err)
	}
	r.facts.Saved = map[string]SavedDatabase{"source": saved, "target": saved}
	for _, e := range []*end{r.from, r.to} {
		settings, roles, letIn := r.thawSQL()
		if err := e.control.Exec(t.Context(), "close", limitTo(e.database, 0)+"; ALTER DATABASE "+e.database+" SET default_transaction_read_only = on"); err != nil {
			t.Fatal(err)
		}
		all, client := slices.Concat(settings, roles, letIn), a.client[0]
		if e == r.to {
			if all, err = r.openSQL(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			client = a.client[1]
		}
		for _, sql := range all {
			if err := e.maintenance.Exec(t.Context(), "open", sql); err != nil {
				t.Fatal(err)
			}
			if err := a.tryOnce(t.Context(), client); err != nil && !strings.Contains(err.Error(), "53300") {
				t.Errorf("%s: after %s: %v", e.name, sql, err)
			}
		}
		if err := a.tryOnce(t.Context(), client); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
	}
}

// TestKilledWhilePreparing: abort takes down what a run had made when it was killed,
// wherever that was.
func TestKilledWhilePreparing(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	turn := make(chan struct{}, atOnce)
	for _, at := range []string{"after target-read-only", "after heartbeat-publish", "after heartbeat-subscribe", "after reverse-publish", "after reverse-slot", "after reverse-subscribe"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			turn <- struct{}{}
			defer func() { <-turn }()
			s := newStage(t)
			before := howItStands(t, s.source) + howItStands(t, s.target)
			o := s.options(t)
			crashed(t, Run, o, at)
			r, err := Abort(t.Context(), o)
			succeed(t, r, err)
			if after := howItStands(t, s.source) + howItStands(t, s.target); after != before {
				t.Errorf("before:\n%s\nafterwards:\n%s", before, after)
			}
		})
	}
}

// TestRollbackLeavesNoSlots: those that a rollback makes are removed by whoever comes
// next, be it that it was killed or that they were to be kept; a way back is made
// also where none is wanted for the next switch.
func TestRollbackLeavesNoSlots(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for name, left := range map[string]func(t *testing.T, s *stage, o Options){
		"killed, abort": func(t *testing.T, s *stage, o Options) {
			before := howItStands(t, s.source)
			crashed(t, RollBack, o, "after reverse-slot")
			r, err := Abort(t.Context(), o)
			succeed(t, r, err)
			if after := howItStands(t, s.source); after != before {
				t.Errorf("before:\n%s\nafterwards:\n%s", before, after)
			}
		},
		"killed, again": func(t *testing.T, s *stage, o Options) {
			crashed(t, RollBack, o, "after reverse-slot")
			o.Reverse.Off = true
			r, err := RollBack(t.Context(), o)
			succeed(t, r, err)
			if slots := s.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); slots != "1" {
				t.Errorf("%s slots are on the source, want the one that carries", slots)
			}
		},
		"kept, finalize": func(t *testing.T, s *stage, o Options) {
			failing := o
			failing.KeepPrepared, failing.Confirm = true, func(context.Context, Question) error { return errors.New("no") }
			r, err := RollBack(t.Context(), failing)
			if err != nil || r.Outcome != AbortedRun {
				t.Fatalf("%+v %v", r, err)
			}
			r, err = Finalize(t.Context(), o)
			succeed(t, r, err)
			for _, p := range []*place{s.source, s.target} {
				if how := howItStands(t, p); strings.Contains(how, "slot") {
					t.Errorf("left behind:\n%s", how)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			o := s.options(t)
			r, err := Run(t.Context(), o)
			succeed(t, r, err)
			left(t, s, o)
		})
	}
}

// addTable gives the pair a table that is published and carried.
func (s *stage) addTable(t *testing.T, name string) {
	t.Helper()
	for _, p := range []*place{s.source, s.target} {
		p.exec(t, "CREATE TABLE "+name+" (id serial PRIMARY KEY)", "GRANT ALL ON "+name+" TO "+clientRole)
	}
	s.source.exec(t, "ALTER PUBLICATION "+s.name+" ADD TABLE "+name, "INSERT INTO "+name+" SELECT FROM generate_series(1, 10)")
	s.target.exec(t, "ALTER SUBSCRIPTION "+s.name+" REFRESH PUBLICATION")
	until(t, "it is copied", func() bool {
		return s.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
}

// TestKeptIsNotWhatIs: what a run has kept, and what it has found, is not taken for
// what is when the next one comes.
func TestKeptIsNotWhatIs(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	for _, p := range []*place{s.source, s.target} {
		p.exec(t, `CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`, `CREATE TRIGGER off BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION noop()`)
	}
	s.target.exec(t, `ALTER TABLE stock DISABLE TRIGGER off`)
	o := s.options(t)
	gives := func(o Options) {
		t.Helper()
		o.KeepPrepared = true
		o.point = func(id string) {
			if id == "after end-clients" {
				asSuperuser(t, s.source, "CREATE TABLE IF NOT EXISTS made_in_the_window ()")
			}
		}
		r, err := Run(t.Context(), o)
		if err != nil || r.Outcome != AbortedRun {
			t.Fatalf("%+v %v", r, err)
		}
		asSuperuser(t, s.source, "DROP TABLE made_in_the_window")
	}
	wrong := o
	wrong.Reverse.Connection += "&application_name=wrong"
	gives(wrong)
	s.source.exec(t, "ALTER DATABASE "+database(t, s.source)+" CONNECTION LIMIT 88", `ALTER TABLE stock DISABLE TRIGGER off`)
	s.addTable(t, "later")
	gives(o)
	if how := howItStands(t, s.source); !strings.Contains(how, "limit 88") {
		t.Errorf("given up, the source is\n%s", how)
	}
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if state := s.target.ask(t, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'off'"); state != "D" {
		t.Errorf("the trigger is %s on the target, and disabled on the source", state)
	}
	if info := s.source.ask(t, "SELECT subconninfo FROM pg_subscription WHERE subname = '"+reverseName+"' AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"); strings.Contains(info, "wrong") {
		t.Error("the way back leads where it led")
	}
	s.target.exec(t, "INSERT INTO later DEFAULT VALUES")
	until(t, "it has come back", func() bool { return s.source.ask(t, "SELECT count(*) FROM later") == "11" })
}

// TestWhilePersonsThink: between the verification and the window anything may happen.
func TestWhilePersonsThink(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, c := range []struct {
		name, says string
		age        time.Duration
		think      func(t *testing.T, s *stage)
	}{
		{"the verification grows old", "and may be 2s old", 2 * time.Second, func(t *testing.T, _ *stage) { rest(t.Context(), 3*time.Second) }},
		{"a table is added", "table public.later: run again", 0, func(t *testing.T, s *stage) { s.addTable(t, "later") }},
		{"a table is dropped", "dropped since the run began: sequence public.stock_id_seq, table public.stock: run again", 0, func(t *testing.T, s *stage) {
			for _, p := range []*place{s.source, s.target} {
				p.exec(t, "DROP TABLE stock")
			}
		}},
		{"a partition is added", "was made, which has not got it", 0, func(t *testing.T, s *stage) {
			for _, p := range []*place{s.source, s.target} {
				p.exec(t, "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2)")
			}
			s.target.exec(t, "ALTER SUBSCRIPTION "+s.name+" REFRESH PUBLICATION")
			until(t, "it is copied", func() bool {
				return s.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for _, p := range []*place{s.source, s.target} {
				p.exec(t, "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id)", "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)")
			}
			s.source.exec(t, "ALTER PUBLICATION "+s.name+" ADD TABLE parts")
			s.target.exec(t, "ALTER SUBSCRIPTION "+s.name+" REFRESH PUBLICATION")
			until(t, "it is copied", func() bool {
				return s.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
			})
			o := s.options(t)
			o.MaxAge, o.Attempts = c.age, 3
			asked := 0
			o.Confirm = func(context.Context, Question) error {
				asked++
				c.think(t, s)
				return nil
			}
			o.point = func(id string) {
				if id == "before freeze-limit" {
					t.Error("the window began all the same")
				}
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if said := strings.Join(r.Reasons, "\n"); r.Outcome != AbortedRun || asked != 1 || !strings.Contains(said, c.says) {
				t.Errorf("%s: %s", r.Outcome, said)
			}
		})
	}
}

// TestOldSessionsBesideASuperusers: those of clients are ended, whoever else is
// connected.
func TestOldSessionsBesideASuperusers(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s, o, leave := newOwned(t, 16, 18)
	leave()
	r, err := newRun(o, "run", Forward)
	if err != nil {
		t.Fatal(err)
	}
	r.journal = &journal{}
	t.Cleanup(r.close)
	if err := r.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		connect(t, s.target.url)
		client := connect(t, s.client[1])
		defer func() {
			if err := client.Ping(t.Context()); err == nil {
				t.Error("an old session of a client is there still")
			}
		}()
	}
	if err := r.endOldSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(r.result.Notes, ""), "a superuser's session") {
		t.Errorf("%q", r.result.Notes)
	}
}

// TestPlainReplicationRole: the role that replicates may read the application's
// tables alone; and the place that it has in the limit of an older server is nobody's
// when it is gone.
func TestPlainReplicationRole(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, major := range []int{12, 15} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			const role = "cutover_replicates"
			source := pgcluster.SharedWith(t, fmt.Sprintf("arena %d", major), pgcluster.Options{Major: major, Settings: roomy})
			a := newArenaOn(t, source, pgcluster.SharedWith(t, "arena 18", pgcluster.Options{Major: 18, Settings: roomy}))
			makeRole(t, source, role, "REPLICATION")
			a.source.exec(t, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+role)
			a.target.exec(t, "ALTER SUBSCRIPTION "+a.name+" CONNECTION '"+as(t, a.source.url, role)+"'")
			s := stageOn(t, a)
			r, err := Run(t.Context(), s.options(t))
			succeed(t, r, err)
			if how := howItStands(t, s.source); !strings.Contains(how, "limit 0") {
				t.Errorf("the source is\n%s", how)
			}
		})
	}
}

// TestPasswordOfTheWayBack: what a server says of a connection string that it does
// not understand is not repeated.
func TestPasswordOfTheWayBack(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	for _, conninfo := range []string{"postgres://u:hush%zz@127.0.0.1:1/x", "host=127.0.0.1 user=u password=hush hush2", "host=127.0.0.1 port=1 dbname=x user=u password=hush sslrootcert=/nowhere"} {
		o := s.options(t)
		o.Reverse.Connection = conninfo
		r, err := Run(t.Context(), o)
		if err != nil || r.Outcome != AbortedRun {
			t.Fatalf("%+v %v", r, err)
		}
		said, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(o.Journal)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(said)+string(kept), "hush") {
			t.Errorf("%s: %v", conninfo, r.Reasons)
		}
	}
}

// TestBlockedAfterAKill: what an earlier run has left is said, where the next one
// stops before it touches anything.
func TestBlockedAfterAKill(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	crashed(t, Run, o, "journal reached SYNCED")
	blocked := o
	blocked.drop = nil
	s.source.exec(t, "CREATE TABLE only_here ()")
	r, err := Run(t.Context(), blocked)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != Refused || !strings.Contains(strings.Join(r.Notes, ""), "what an earlier run prepared is there still") {
		t.Errorf("%s %v %v", r.Outcome, r.Reasons, r.Notes)
	}
}

// TestUnfreezeGoesAway: what opens the source by hand does not lie about when it must
// not be run any more, nor when nothing is closed.
func TestUnfreezeGoesAway(t *testing.T) {
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	lies := func() bool {
		_, err := os.Stat(o.Journal + ".unfreeze.sql")
		return err == nil
	}
	no, armed := errors.New("no"), false
	failing := o
	failing.KeepPrepared = true
	failing.StartGuard = func(context.Context, Guarding) (Guard, error) {
		armed = lies()
		return nil, no
	}
	r, err := Run(t.Context(), failing)
	if err != nil || r.Outcome != AbortedRun || !armed || lies() {
		t.Fatalf("%+v %v; armed %t, given up %t", r, err, armed, lies())
	}
	o.point = func(id string) {
		if id == "before reverse-beat" && lies() {
			t.Error("it lies there behind the point of no return")
		}
	}
	r, err = Run(t.Context(), o)
	succeed(t, r, err)
	if n := s.target.ask(t, "SELECT to_regclass('pgparity.unfreeze') IS NULL"); n != "true" {
		t.Error("it lies on the target still")
	}
}

// TestSessionsOfTheWindow: who connected while the source was closed, and could, is
// not left with a session that is read only when it is open again.
func TestSessionsOfTheWindow(t *testing.T) {
	slow(t)
	t.Parallel()
	s := newStage(t)
	var late *pgx.Conn
	aborts(t, s, fault{at: "after nothing-left", do: func(t *testing.T, s *stage) {
		late = connect(t, s.source.url)
		s.wires[1].sever()
		s.mendIn(s.wires[1], 300*time.Millisecond)
	}, says: "PNR"})
	if _, err := late.Exec(t.Context(), "INSERT INTO stock (n) VALUES (1)"); err == nil || postgres.HasCode(err, "25006") {
		t.Errorf("a session that was connected in the window: %v, want it ended", err)
	}
}

// TestDelayedWrittenLate: what somebody who is no client adds to a table that no slot
// tells of ends the attempt too.
func TestDelayedWrittenLate(t *testing.T) {
	slow(t)
	t.Parallel()
	s := newStage(t)
	for _, p := range []*place{s.source, s.target} {
		p.exec(t, "CREATE TABLE logs (id serial PRIMARY KEY)")
	}
	s.source.exec(t, "INSERT INTO logs SELECT FROM generate_series(1, 100)")
	aborts(t, s, fault{at: "before last-beat", set: func(o *Options) { o.Delayed = []Delayed{{Table: "public.logs"}} }, do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.source, "INSERT INTO logs VALUES (1000)")
	}, says: "logs was written to after the database was closed to clients"})
}

// TestWayBackKeepsNoLog: the slot of the way back goes ahead while a person thinks.
func TestWayBackKeepsNoLog(t *testing.T) {
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	o.forward = 50 * time.Millisecond
	o.Confirm = func(context.Context, Question) error {
		s.source.exec(t, "INSERT INTO stock (n) SELECT i FROM generate_series(1, 100) i")
		until(t, "they are there", func() bool { return s.target.ask(t, "SELECT count(*) FROM stock") == "300" })
		end := s.target.ask(t, "SELECT pg_current_wal_lsn()")
		until(t, "the slot is past them", func() bool {
			return s.target.ask(t, "SELECT bool_and(confirmed_flush_lsn >= '"+end+"') FROM pg_replication_slots WHERE database = current_database()") == "true"
		})
		return nil
	}
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
}

// TestOldestServer: a server of 10 moves no slot, so that of the way back is made in
// the window, in each attempt anew.
func TestOldestServer(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, 10, 11, `CREATE TABLE a (id int PRIMARY KEY)`)
	w.replicate(t)
	w.source.exec(t, `INSERT INTO a SELECT i FROM generate_series(1, 1000) i`)
	o := w.options(t)
	o.drop, o.Attempts = map[string]bool{"preflight": true}, 2
	seen := 0
	o.point = func(id string) {
		if id == "after reverse-aimed" {
			if seen++; seen == 2 { // in the first attempt to lead back
				asSuperuser(t, w.target, "INSERT INTO a VALUES (0)")
			}
		}
	}
	for i, run := range []command{Run, RollBack, Run, Finalize} {
		r, err := run(t.Context(), o)
		succeed(t, r, err)
		here := []*place{w.target, w.source}[i%2]
		if i == 3 {
			here = w.target
		}
		here.exec(t, fmt.Sprintf(`INSERT INTO a SELECT i FROM generate_series(%d, %d) i`, 1000*i+1001, 1000*i+2000))
	}
	if seen != 4 {
		t.Errorf("%d attempts, want one to lead there, two to lead back, and one to lead there", seen)
	}
	if n := w.target.ask(t, "SELECT count(*) FROM a"); n != "5001" {
		t.Errorf("%s rows, want 5001", n)
	}
}
