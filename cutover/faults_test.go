package cutover

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// rootRole is another superuser, to whom settings may be given.
const rootRole = "cutover_root"

// fault is something that happens at a point of a switch.
type fault struct {
	name string
	at   string // the point
	set  func(*Options)
	do   func(t *testing.T, s *stage)
	// says is what the reason has to say.
	says string
}

// stage is where faults happen: an arena whose servers are reached over wires.
type stage struct {
	*arena
	wires [2]*wire
	later sync.WaitGroup // what was begun by a fault
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return stageOn(t, newArena(t))
}

func stageOn(t *testing.T, a *arena) *stage {
	t.Helper()
	return &stage{arena: a, wires: [2]*wire{newWire(t, a.source.url), newWire(t, a.target.url)}}
}

// options are those of a switch over the wires, with little patience.
func (s *stage) options(t *testing.T) Options {
	o := script{Source: s.wires[0].url(s.source.url), Target: s.wires[1].url(s.target.url), Journal: journalFile(t),
		Budgets: Budgets{Window: 5 * time.Second, Grace: 300 * time.Millisecond, Freeze: 2 * time.Second, Drain: time.Second, Open: 2500 * time.Millisecond}}.options()
	o.Reverse.Connection = s.target.url
	return o
}

// mendIn mends a wire after a while, which is not waited for.
func (s *stage) mendIn(w *wire, d time.Duration) {
	s.later.Go(func() {
		rest(context.Background(), d)
		w.mend()
	})
}

// asSuperuser runs SQL in a session of its own, which no limit keeps out and which
// may write.
func asSuperuser(t *testing.T, p *place, sql ...string) {
	t.Helper()
	if err := p.cluster.Exec(t.Context(), database(t, p), append([]string{"SET default_transaction_read_only = off"}, sql...)...); err != nil {
		t.Fatal(err)
	}
}

func database(t *testing.T, p *place) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
}

// howItStands is all that a switch changes on a side.
func howItStands(t *testing.T, p *place) string {
	t.Helper()
	return p.ask(t, `SELECT concat_ws(E'\n',
 'limit ' || (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
 (SELECT string_agg(concat('setting ', (SELECT rolname FROM pg_roles WHERE oid = setrole), ' ', setconfig), E'\n' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())),
 (SELECT string_agg(concat('subscription ', subname, ' ', subenabled, ' ', subslotname), E'\n' ORDER BY subname) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
 (SELECT string_agg('slot ' || slot_name, E'\n' ORDER BY slot_name) FROM pg_replication_slots WHERE database = current_database() AND slot_name NOT LIKE '%sync%'),
 (SELECT string_agg(concat('published ', pubname, ' ', tablename), E'\n' ORDER BY pubname, tablename) FROM pg_publication_tables),
 'schema ' || to_regnamespace('pgparity')::text)`)
}

// takes tells whether an ordinary client's write is taken.
func (s *stage) takes(t *testing.T, side int) bool {
	t.Helper()
	err := s.tryOnce(t.Context(), s.client[side])
	if err != nil && !closed(err) {
		t.Errorf("side %d: %v", side, err)
	}
	return err == nil
}

// beforeNoReturn are faults that each end an attempt before the point of no return.
var beforeNoReturn = []fault{
	{name: "source cut while it is closed", at: "after freeze-limit", do: func(_ *testing.T, s *stage) {
		s.wires[0].sever()
		s.mendIn(s.wires[0], 700*time.Millisecond)
	}, says: "FREEZING"},
	{name: "source cut while it is drained", at: "before drained", do: func(_ *testing.T, s *stage) {
		s.wires[0].sever()
		s.mendIn(s.wires[0], 300*time.Millisecond)
	}, says: "DRAINED"},
	{name: "target cut while it is drained", at: "before drained", do: func(_ *testing.T, s *stage) {
		s.wires[1].sever()
		s.mendIn(s.wires[1], 300*time.Millisecond)
	}, says: "DRAINED"},
	{name: "target cut while the replication is stopped", at: "after stop", do: func(_ *testing.T, s *stage) {
		s.wires[1].sever()
		s.mendIn(s.wires[1], 300*time.Millisecond)
	}, says: "REVERSE_READY"},
	{name: "target cut behind the stop", at: "after reverse-aimed", do: func(_ *testing.T, s *stage) {
		s.wires[1].sever()
		s.mendIn(s.wires[1], 300*time.Millisecond)
	}, says: "REVERSE_READY"},
	{name: "target cut at the last moment", at: "before no-return", do: func(_ *testing.T, s *stage) {
		s.wires[1].sever()
		s.mendIn(s.wires[1], 300*time.Millisecond)
	}, says: "PNR"},
	{name: "both cut", at: "after end-clients", do: func(_ *testing.T, s *stage) {
		for _, w := range s.wires {
			w.sever()
			s.mendIn(w, 300*time.Millisecond)
		}
	}, says: "FROZEN"},
	{name: "source silent", at: "before frozen-writers", do: func(_ *testing.T, s *stage) {
		s.wires[0].stall()
		s.mendIn(s.wires[0], 2500*time.Millisecond)
	}, says: "FROZEN did not end within its budget"},
	{name: "a transaction that does not end", at: "before freeze-limit", set: func(o *Options) { o.TerminateStragglers = false }, do: func(t *testing.T, s *stage) {
		conn := connect(t, s.client[0])
		if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO tokens (id) VALUES (-1)"); err != nil {
			t.Error(err)
		}
		t.Cleanup(func() { _, _ = conn.Exec(context.Background(), "ROLLBACK") })
	}, says: "has a transaction open after a grace of 300ms"},
	{name: "a transaction that is prepared", at: "before freeze-limit", do: func(t *testing.T, s *stage) {
		gid := database(t, s.source)
		asSuperuser(t, s.source, fmt.Sprintf("BEGIN; INSERT INTO stock (n) VALUES (-1); PREPARE TRANSACTION '%s'", gid))
		t.Cleanup(func() {
			_ = s.source.cluster.Exec(context.Background(), gid, fmt.Sprintf("ROLLBACK PREPARED '%s'", gid))
		})
	}, says: "is prepared: commit it or roll it back"},
	{name: "a table that is made in the window", at: "after end-clients", do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.source, "CREATE TABLE made_in_the_window ()")
	}, says: "definitions have changed"},
	{name: "a column that is added late", at: "after drained-healthy", do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.source, "ALTER TABLE stock ADD COLUMN added_in_the_window int")
	}, says: "definitions have changed"},
	{name: "a column that is added on the target", at: "after drained-healthy", do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.target, "ALTER TABLE stock ADD COLUMN added_in_the_window int")
	}, says: "definitions have changed"},
	{name: "a lock in the way of the replication", at: "before freeze-limit", do: func(t *testing.T, s *stage) {
		conn := connect(t, s.target.url)
		if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE stock"); err != nil {
			t.Error(err)
		}
		asSuperuser(t, s.source, "INSERT INTO stock (n) VALUES (-2)")
		s.later.Go(func() { // for as long as the window lasts: what was prepared is removed later
			rest(context.Background(), 1500*time.Millisecond)
			_ = conn.Close(context.Background())
		})
	}, says: "DRAINED did not end within its budget of 1s"},
	{name: "somebody writes after the mark", at: "before nothing-left", do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.source, "INSERT INTO stock (n) VALUES (-3)")
	}, says: "changes were written after the database was closed to clients"},
	{name: "positions that say more than there is", at: "before beat", do: func(t *testing.T, s *stage) {
		asSuperuser(t, s.target, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
			"CREATE TRIGGER swallow BEFORE INSERT OR UPDATE ON pgparity.heartbeat FOR EACH ROW EXECUTE FUNCTION swallow()", "ALTER TABLE pgparity.heartbeat ENABLE REPLICA TRIGGER swallow")
	}, says: "the heartbeat's row is not there"},
	{name: "a worker that fails", at: "before drained-healthy", do: func(t *testing.T, s *stage) {
		worker := s.target.ask(t, "SELECT pid FROM pg_stat_subscription WHERE subname = '"+s.name+"' AND pid IS NOT NULL")
		asSuperuser(t, s.target, "SELECT pg_terminate_backend("+worker+")")
		until(t, "another one runs", func() bool {
			now := s.target.ask(t, "SELECT max(pid) FROM pg_stat_subscription WHERE subname = '"+s.name+"'")
			return now != "" && now != worker
		})
	}, says: "was started again"},
	{name: "a role that is let write", at: "before freeze-limit", set: func(o *Options) {
		o.Source = strings.Replace(o.Source, "//postgres", "//"+rootRole+":"+clientPassword, 1)
	}, do: func(t *testing.T, s *stage) {
		in := "ALTER ROLE " + rootRole + " IN DATABASE " + database(t, s.source)
		asSuperuser(t, s.source, in+" SET default_transaction_read_only = off")
		s.later.Go(func() {
			_ = s.source.cluster.Exec(context.Background(), "postgres", "SELECT pg_sleep(0.5)", in+" RESET default_transaction_read_only")
		})
	}, says: "a new session of role \"" + rootRole + "\" can write"},
	{name: "a lone writer that is no client", at: "before frozen-clients", do: func(t *testing.T, s *stage) {
		conn := connect(t, s.source.url)
		name := s.source.ask(t, "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pgparity cutover %' LIMIT 1")
		for _, sql := range []string{"SET default_transaction_read_only = off", "SET application_name = '" + name + "'", "BEGIN", "INSERT INTO stock (n) VALUES (-5)"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Error(err)
			}
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}, says: "writes"},
}

// TestFaultsBeforeNoReturn: whatever happens before the point of no return, the
// attempt is given up, the application writes to the source again, and both
// databases are as they were.
func TestFaultsBeforeNoReturn(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	turn := make(chan struct{}, atOnce)
	for _, f := range beforeNoReturn {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			turn <- struct{}{}
			defer func() { <-turn }()
			aborts(t, newStage(t), f)
		})
	}
}

// aborts has a fault happen in a switch, and wants it given up without a trace.
func aborts(t *testing.T, s *stage, f fault) {
	t.Helper()
	for _, p := range []*place{s.target, s.source} {
		makeRole(t, p.cluster, rootRole, "SUPERUSER")
	}
	places := []*place{s.source, s.target}
	var before, after [2]string
	for i, p := range places {
		before[i] = howItStands(t, p)
	}
	o := s.options(t)
	if f.set != nil {
		f.set(&o)
	}
	done := false
	o.point = func(id string) {
		if id == f.at && !done {
			done = true
			f.do(t, s)
		}
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !done {
		t.Fatalf("the switch did not come to %q: %s %v", f.at, r.State, r.Reasons)
	}
	if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, "\n"), f.says) {
		t.Errorf("%s %s, want aborted, and %q: %s\n%s", r.Outcome, r.State, f.says, strings.Join(r.Reasons, "\n"), strings.Join(r.Notes, "\n"))
	}
	if !s.takes(t, 0) {
		t.Error("the source takes no writes")
	}
	s.later.Wait()
	for i, p := range places {
		if after[i] = howItStands(t, p); after[i] != before[i] {
			t.Errorf("%s was\n%s\nand is\n%s", []string{"source", "target"}[i], before[i], after[i])
		}
	}
}

// behindNoReturn are faults that happen behind it.
var behindNoReturn = []fault{
	{name: "target cut", at: "after reverse-start", do: func(_ *testing.T, s *stage) { s.wires[1].sever() }},
	{name: "source cut", at: "after reverse-attach", do: func(_ *testing.T, s *stage) { s.wires[0].sever() }},
	{name: "target cut when it is open", at: "after opened", do: func(_ *testing.T, s *stage) { s.wires[1].sever() }},
	{name: "source cut when all is done but the cleaning", at: "after reverse-arrived", do: func(_ *testing.T, s *stage) { s.wires[0].sever() }},
	{name: "target silent", at: "before open", do: func(_ *testing.T, s *stage) { s.wires[1].stall() }},
}

// TestFaultsBehindNoReturn: what happens behind the point of no return stops the
// switch with the source closed, and the next run completes it.
func TestFaultsBehindNoReturn(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	turn := make(chan struct{}, atOnce)
	for _, f := range behindNoReturn {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			turn <- struct{}{}
			defer func() { <-turn }()
			stops(t, newStage(t), f)
		})
	}
}

func stops(t *testing.T, s *stage, f fault) {
	t.Helper()
	s.begin(t)
	o := s.options(t)
	done := false
	o.point = func(id string) {
		if id == f.at && !done {
			done = true
			f.do(t, s)
		}
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !done || r.Outcome != Stopped {
		t.Fatalf("%v, %s at %s, want stopped: %v", done, r.Outcome, r.State, r.Reasons)
	}
	if s.takes(t, 0) {
		t.Error("the source takes writes behind the point of no return")
	}
	for _, w := range s.wires {
		w.mend()
	}
	o.point = nil
	r, err = Run(t.Context(), o)
	succeed(t, r, err)
	until(t, "the application writes to the target", func() bool { return !s.acknowledged(1, r.FinishedAt).IsZero() })
	s.end()
	s.oneAtATime(t)
	s.all(t, s.target, true)
}

// TestOpenedByHand: somebody opens the source behind the point of no return, before
// the target is: then the target is not opened.
func TestOpenedByHand(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	o.point = func(id string) {
		if id == "journal reached PNR" {
			asSuperuser(t, s.source, "ALTER DATABASE "+database(t, s.source)+" RESET default_transaction_read_only", "ALTER DATABASE "+database(t, s.source)+" CONNECTION LIMIT -1")
		}
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != Stopped || !strings.Contains(strings.Join(r.Reasons, ""), "it was opened again after the point of no return") {
		t.Errorf("%s: %v", r.Outcome, r.Reasons)
	}
	s.refuses(t, 1, 0)
}

// TestFaultsThatPass: a network that blinks behind the point of no return is waited
// for.
func TestFaultsThatPass(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	s.begin(t)
	o := s.options(t)
	o.Budgets.Open = 20 * time.Second
	o.point = func(id string) {
		if id == "after reverse-start" {
			for _, w := range s.wires {
				w.sever()
				s.mendIn(w, 500*time.Millisecond)
			}
		}
	}
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	s.later.Wait()
	until(t, "the application writes to the target", func() bool { return !s.acknowledged(1, r.FinishedAt).IsZero() })
	s.end()
	s.oneAtATime(t)
	s.all(t, s.target, true)
}

// TestCrashes: a server that crashes, and comes back.
func TestCrashes(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	start := func(major int) *pgcluster.Cluster {
		c, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: major, InMemory: true, Settings: roomy})
		if err != nil {
			t.Skipf("skipped: %v", err)
		}
		t.Cleanup(func() { _ = c.Stop(context.Background()) })
		return c
	}
	source, target := start(15), start(18)
	crash := func(c *pgcluster.Cluster) func(*testing.T, *stage) {
		return func(_ *testing.T, s *stage) {
			c.Kill()
			s.later.Go(func() {
				if err := c.Restart(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	for _, f := range []fault{
		{name: "source while it is closed", at: "after freeze-read-only", do: crash(source), says: "FREEZING"},
		{name: "target while it is drained", at: "before drained", do: crash(target), says: "DRAINED"},
		{name: "source when the replication is stopped", at: "after stopped", do: crash(source), says: "REVERSE_READY"},
		{name: "target when the replication is stopped", at: "after reverse-aimed", do: crash(target), says: "REVERSE_READY"},
	} {
		t.Run(f.name, func(t *testing.T) { aborts(t, stageOn(t, newArenaOn(t, source, target)), f) })
	}
	for _, f := range []fault{
		{name: "target behind the point of no return", at: "journal reached PNR", do: crash(target)},
		{name: "source behind the point of no return", at: "after reverse-start", do: crash(source)},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := stageOn(t, newArenaOn(t, source, target))
			s.begin(t)
			o := s.options(t)
			o.Budgets.Open = 30 * time.Second
			o.point = func(id string) {
				if id == f.at {
					f.do(t, s)
				}
			}
			r, err := Run(t.Context(), o)
			succeed(t, r, err)
			s.later.Wait()
			until(t, "the application writes to the target", func() bool { return !s.acknowledged(1, r.FinishedAt).IsZero() })
			s.end()
			s.oneAtATime(t)
			s.all(t, s.target, true)
		})
	}
}
