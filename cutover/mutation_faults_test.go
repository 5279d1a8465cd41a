package cutover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// lingers has a server's process stand still from one point on, until a while after
// another: as one that is slow to end.
func (s *scene) lingers(from, until string, on *place, pid string) {
	s.when(from, func() {
		n, err := strconv.Atoi(on.ask(s.t, pid))
		if err == nil {
			err = syscall.Kill(n, syscall.SIGSTOP)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		goOn := sync.OnceFunc(func() { _ = syscall.Kill(n, syscall.SIGCONT) })
		s.t.Cleanup(goOn)
		time.AfterFunc(4*time.Second, goOn)
		s.when(until, func() { s.in(300*time.Millisecond, goOn) })
	})
}

// kept wants a row that somebody wrote to the source, and had acknowledged, to be on
// the target, where the switch went through.
func (s *scene) kept(r *Result, acknowledged bool, id int) {
	if r.Outcome == AbortedRun || !acknowledged {
		return
	}
	s.expect(s.target.ask(s.t, fmt.Sprintf("SELECT count(*) FROM stock WHERE id = %d", id)) == "1", "a row was acknowledged, and is lost (%s at %s)", r.Outcome, r.State)
}

// largeObject: nothing carries it, and nothing but the look ahead sees that.
func largeObject(s *scene) {
	s.build()
	s.source.exec(s.t, "SELECT lo_create(0)")
	s.target.exec(s.t, "ALTER TABLE tokens ENABLE TRIGGER noticed") // which would be told of too
	o := s.options()
	s.mutate(&o)
	s.noWindow()
	if r := s.do(Run, o); s.ends(r, Refused) {
		s.expect(strings.Contains(strings.Join(r.Reasons, ""), "the source has 1 large objects"), "it was refused for another reason")
	}
}

// anybody is a role that may not do what a window asks of it.
func anybody(s *scene) {
	s.build()
	o := s.options()
	o.Source, o.Target = s.client[0], s.client[1]
	r := s.do(Run, o)
	s.ends(r, Refused)
	s.expect(strings.Contains(strings.Join(r.Reasons, ""), "GRANT pg_signal_backend TO "+clientRole), "it does not say what the role lacks")
}

// leftRows: the heartbeat has rows of a switch of long ago on both sides, and is
// carried by nothing.
func leftRows(s *scene) {
	s.build()
	for _, p := range []*place{s.source, s.target} {
		p.exec(s.t, ledgerSQL, "INSERT INTO pgparity.heartbeat VALUES ('source', 5), ('target', 7)")
	}
	s.brief(8 * time.Second)
	s.ends(s.do(Run, s.options()), Done)
}

// slowCopy: the copy of the heartbeat takes its time.
func slowCopy(s *scene) {
	s.build()
	var conn *pgx.Conn
	release := sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
	s.when("before heartbeat-subscribe", func() { conn = s.opened(s.target.url, "BEGIN; LOCK TABLE pgparity.heartbeat IN SHARE MODE") })
	s.when("before heartbeat-ready", func() { s.in(300*time.Millisecond, release) })
	s.when("journal begins FREEZING", func() {
		s.expect(s.target.ask(s.t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0", "the window was begun before every table was carried")
		release()
	})
	o := s.options()
	o.Reverse.Off = true // whose slot would wait for the copy too
	s.ends(s.do(Run, o), Done)
}

// brokenCopy: the heartbeat cannot be copied. What was prepared is removed all the
// same.
func brokenCopy(s *scene) {
	s.build()
	before := s.both()
	s.when("before heartbeat-subscribe", func() {
		s.target.exec(s.t, `CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it is not to be''; END';
CREATE TRIGGER fails BEFORE INSERT ON pgparity.heartbeat FOR EACH STATEMENT EXECUTE PROCEDURE fails(); ALTER TABLE pgparity.heartbeat ENABLE ALWAYS TRIGGER fails`)
	})
	s.when("before heartbeat-ready", func() {
		until(s.t, "its copy was tried", func() bool {
			return s.target.ask(s.t, "SELECT count(*) FROM pg_subscription_rel WHERE srrelid = 'pgparity.heartbeat'::regclass AND srsubstate = 'd'") == "1"
		})
	})
	s.patience = 4 * time.Second
	if r := s.do(Run, s.options()); !s.ends(r, AbortedRun) {
		return
	}
	s.asBefore(before)
}

// lateTables are copied by the switch: before its window, in it, and when the other
// side is live.
func lateTables(s *scene) {
	s.build()
	for _, p := range []*place{s.source, s.target} {
		p.exec(s.t, `CREATE TABLE log (n int PRIMARY KEY, line text); CREATE TABLE archive (n int PRIMARY KEY, line text)`)
	}
	fill := func(from, to int) {
		for _, table := range []string{"log", "archive"} {
			s.source.exec(s.t, fmt.Sprintf("INSERT INTO %s SELECT g, 'line ' || g FROM generate_series(%d, %d) g", table, from, to))
		}
	}
	fill(1, 100)
	count := func(table string) string { return s.target.ask(s.t, "SELECT count(*) FROM "+table) }
	o := s.options()
	o.Delayed = []Delayed{{Table: "public.log"}, {Table: "public.archive", After: true}}
	s.when("journal reached PREPARED", func() {
		s.expect(count("log") == "100", "%s rows were copied before the window, want 100", count("log"))
		fill(101, 110)
	})
	s.when("journal reached VERIFIED", func() {
		s.expect(count("log") == "110" && count("archive") == "100", "%s and %s rows were copied in the window, want 110 and 100", count("log"), count("archive"))
	})
	if s.ends(s.do(Run, o), Done) {
		s.expect(count("archive") == "110", "%s rows were copied behind the window, want 110", count("archive"))
	}
}

// firing: each row that is copied to a delayed table sets something off.
func firing(s *scene) {
	source, target := mutationClusters(s.t)
	w := newWorldOn(s.t, source, target, `CREATE TABLE log (n int PRIMARY KEY); CREATE TABLE mails (n int)`)
	w.target.exec(s.t, `CREATE FUNCTION send() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.mails VALUES (NEW.n); RETURN NEW; END';
CREATE TRIGGER send AFTER INSERT ON log FOR EACH ROW EXECUTE PROCEDURE send(); ALTER TABLE log ENABLE ALWAYS TRIGGER send`)
	w.source.exec(s.t, `INSERT INTO log SELECT generate_series(1, 10)`)
	o := w.options(s.t)
	o.Delayed = []Delayed{{Table: "public.log"}}
	s.mutate(&o)
	r := w.open(s.t, o)
	err := r.checkDelayed(s.t.Context())
	if err == nil {
		err = r.copyBefore(s.t.Context())
	}
	s.expect(w.target.ask(s.t, "SELECT count(*) FROM mails") == "0", "mails were sent anew")
	s.expect(err != nil, "nothing was said of it")
}

// unready is a target as a restore leaves one.
func unready(s *scene) {
	source, target := mutationClusters(s.t)
	w := newWorldOn(s.t, source, target, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int); CREATE INDEX by_p ON c (p); CREATE TABLE bare (id int)`,
		`INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); INSERT INTO bare VALUES (1); CREATE MATERIALIZED VIEW seen AS SELECT id FROM p WITH NO DATA`)
	w.source.exec(s.t, `ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p; REFRESH MATERIALIZED VIEW seen`)
	w.target.exec(s.t, `ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p NOT VALID; CREATE INDEX by_p_ccnew ON c (p); UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('by_p'::regclass, 'by_p_ccnew'::regclass)`)
	o := w.options(s.t)
	s.mutate(&o)
	err := w.open(s.t, o).readyTarget(s.t.Context())
	s.expect(err == nil, "%v", err)
	for what, holds := range map[string]string{
		"a constraint was not validated":             `SELECT convalidated FROM pg_constraint WHERE conname = 'fk'`,
		"an index that is not valid was not rebuilt": `SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_p'::regclass`,
		"a leftover of REINDEX is there":             `SELECT to_regclass('by_p_ccnew') IS NULL`,
		"a table has no statistics":                  `SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'bare'`,
		"a view was not filled":                      `SELECT ispopulated FROM pg_matviews WHERE matviewname = 'seen'`,
	} {
		s.expect(w.target.ask(s.t, holds) == "true", "%s", what)
	}
	// A row that points nowhere, which only the target's constraint forbids.
	w.target.exec(s.t, `CREATE TABLE astray (id int, p int); ALTER TABLE astray ADD CONSTRAINT fk_astray FOREIGN KEY (p) REFERENCES p; SET session_replication_role = replica; INSERT INTO astray VALUES (1, 77); RESET session_replication_role`)
	err = w.open(s.t, o).readyTarget(s.t.Context())
	s.expect(err != nil, "a row that points nowhere was not found")
}

// secondTry: the first attempt is given up, and the worker that was stopped comes up
// late.
func secondTry(s *scene) {
	s.build()
	way := newWire(s.t, s.source.url)
	s.carriedBy(way.url(s.source.url))
	o := s.options()
	o.Attempts, o.Backoff = 2, time.Millisecond
	s.when("after stopped", func() {
		way.sever()
		asSuperuser(s.t, s.source, "CREATE DOMAIN made_in_the_window AS int")
	})
	s.when("after start-again", func() {
		s.when("before workers-up", func() { s.in(400*time.Millisecond, way.mend) })
	})
	s.ends(s.do(Run, o), Done)
}

// withdrawn: a table is carried no more when the verification is done.
func withdrawn(s *scene) {
	s.build()
	s.noWindow()
	s.when("after verified-recently", func() {
		s.source.exec(s.t, "ALTER PUBLICATION "+s.name+" DROP TABLE stock")
		s.target.exec(s.t, "ALTER SUBSCRIPTION "+s.name+" REFRESH PUBLICATION")
	})
	s.ends(s.do(Run, s.options()), AbortedRun)
}

// lagging: what is written does not arrive for a while.
func lagging(s *scene) {
	s.build()
	s.noWindow()
	release := func() {}
	s.when("after verified-recently", func() {
		release = s.stalled()
		s.source.exec(s.t, "INSERT INTO stock (id, n) VALUES (99003, 0)")
	})
	o := s.options()
	o.Budgets.Lag, o.Verify.Settle = 400*time.Millisecond, 300*time.Millisecond
	s.when("journal begins FREEZING", func() { release() })
	s.when("journal undoes ABORTING", func() { release() })
	r := s.do(Run, o)
	release()
	s.ends(r, AbortedRun)
}

// longOpen: a client has a transaction open for long.
func longOpen(s *scene) {
	s.build()
	s.noWindow()
	s.opened(s.client[0], "BEGIN", "SELECT count(*) FROM stock")
	o := s.options()
	o.Preflight.LongTransaction, o.Budgets.Arm = time.Second, 3*time.Second
	s.ends(s.do(Run, o), AbortedRun)
}

// declined: a person says no.
func declined(s *scene) {
	s.build()
	s.noWindow()
	o := s.options()
	o.Confirm = func(context.Context, Question) error { return errors.New("no") }
	s.ends(s.do(Run, o), AbortedRun)
}

// unwatched: the guard dies before the window.
func unwatched(s *scene) {
	s.build()
	s.when("after freeze-limit", func() { s.expect(false, "the window was begun") })
	o := s.options()
	o.StartGuard = vigil{dead: true}.start
	s.ends(s.do(Run, o), AbortedRun)
}

// inTime: a client's transaction ends within the grace.
func inTime(s *scene) {
	s.build()
	var client *pgx.Conn
	ended := make(chan error, 1)
	commit := sync.OnceFunc(func() { ended <- execAll(context.Background(), client, "COMMIT") })
	s.when("before freeze-limit", func() { client = s.opened(s.client[0], "BEGIN", "INSERT INTO tokens (id) VALUES (7)") })
	s.when("before end-clients", func() { s.in(50*time.Millisecond, commit) })
	s.when("before frozen-clients", func() { s.in(400*time.Millisecond, commit) })
	o := s.options()
	o.Budgets.Grace = 2 * time.Second
	r := s.do(Run, o)
	if !s.ends(r, Done) {
		return
	}
	err := <-ended
	s.expect(err == nil, "a transaction was cut within its grace: %v", err)
}

// idleBoss: a superuser connects to the source that is closed, and writes when all has
// been looked at.
func idleBoss(s *scene) {
	s.build()
	var boss *pgx.Conn
	var err error
	s.when("after end-clients", func() { boss = s.opened(s.source.url) })
	s.when("before no-return", func() {
		err = execAll(s.t.Context(), boss, "SET default_transaction_read_only = off", "INSERT INTO stock (id, n) VALUES (99004, 0)")
	})
	r := s.do(Run, s.options())
	s.kept(r, err == nil, 99004)
}

// loneWriter: something that looks like the run itself has a transaction open, which
// ends when all has been looked at.
func loneWriter(s *scene) {
	s.build()
	var writer *pgx.Conn
	err := errors.New("it was not asked")
	s.when("before frozen-clients", func() {
		name := s.source.ask(s.t, "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pgparity cutover %' LIMIT 1")
		writer = s.opened(s.source.url, "SET default_transaction_read_only = off", "SET application_name = '"+name+"'", "BEGIN", "INSERT INTO stock (id, n) VALUES (99005, 0)")
	})
	s.when("before no-return", func() { err = execAll(s.t.Context(), writer, "COMMIT") })
	r := s.do(Run, s.options())
	s.kept(r, err == nil, 99005)
	s.ends(r, AbortedRun)
}

// preparedWriter: a transaction is prepared, and committed when all has been looked at.
func preparedWriter(s *scene) {
	s.build()
	gid := database(s.t, s.source)
	err := errors.New("it was not asked")
	s.when("after end-clients", func() {
		asSuperuser(s.t, s.source, "BEGIN; INSERT INTO stock (id, n) VALUES (99006, 0); PREPARE TRANSACTION '"+gid+"'")
	})
	s.when("before no-return", func() { err = s.source.cluster.Exec(s.t.Context(), gid, "COMMIT PREPARED '"+gid+"'") })
	r := s.do(Run, s.options())
	if err != nil {
		_ = s.source.cluster.Exec(context.Background(), gid, "ROLLBACK PREPARED '"+gid+"'")
	}
	s.kept(r, err == nil, 99006)
	s.ends(r, AbortedRun)
}

// reopened: somebody takes the source's setting back in the window.
func reopened(s *scene) {
	s.build()
	s.when("after freeze-read-only", func() { setReadOnly(s.t, s.source, "RESET default_transaction_read_only") })
	o := s.options()
	o.Budgets.Open = time.Second
	s.ends(s.do(Run, o), AbortedRun)
}

// redefined: a table is made in the window.
func redefined(s *scene) {
	s.build()
	s.when("after end-clients", func() { asSuperuser(s.t, s.source, "CREATE TABLE made_in_the_window ()") })
	s.ends(s.do(Run, s.options()), AbortedRun)
}

// halting: applying fails for a while, on the way to the mark.
func halting(s *scene) {
	s.build()
	const row = "INSERT INTO stock (id, n) VALUES (99007, 0)"
	s.when("after end-clients", func() {
		asSuperuser(s.t, s.target, row)
		asSuperuser(s.t, s.source, row)
		watcher := connect(s.t, s.target.url)
		s.later.Go(func() {
			s.soon(func() (failed bool) {
				err := watcher.QueryRow(s.t.Context(), "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats WHERE subname = '"+s.name+"'").Scan(&failed)
				return err != nil || failed
			})
			_ = execAll(s.t.Context(), watcher, "SET default_transaction_read_only = off", "DELETE FROM stock WHERE id = 99007")
		})
	})
	s.ends(s.do(Run, s.options()), AbortedRun)
}

// byRowAlone drains where positions are not looked at. stalled has nothing arrive.
func (s *scene) byRowAlone(stalled bool) error {
	s.build()
	o := s.options()
	o.drop["drained"] = true
	r := s.open(s.t, o)
	var err error
	if r.journal, err = openJournal(o.Journal); err != nil {
		s.t.Fatal(err)
	}
	defer r.journal.close()
	if err := errors.Join(r.choose(s.t.Context()), r.prepare(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
	if stalled {
		defer s.stalled()()
		s.source.exec(s.t, "INSERT INTO stock (id, n) VALUES (99008, 0)")
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 1500*time.Millisecond)
	defer cancel()
	return r.drain(ctx)
}

func arrivesByRow(s *scene) {
	err := s.byRowAlone(false)
	s.expect(err == nil, "all is there, and that is not seen: %v", err)
}

func stalledByRow(s *scene) {
	err := s.byRowAlone(true)
	s.expect(err != nil, "it is taken for drained, and nothing arrives")
}

// byTool: what carries the pair cannot be looked into, and is stopped by a hook. Somebody
// writes when all has been compared, and what he wrote is slow to arrive.
func byTool(s *scene) {
	s.build()
	for _, p := range []*place{s.source, s.target} {
		p.exec(s.t, "CREATE TABLE beats (id int PRIMARY KEY, n bigint)")
	}
	s.source.exec(s.t, "INSERT INTO beats VALUES (1, 1)", "ALTER PUBLICATION "+s.name+" ADD TABLE beats")
	s.target.exec(s.t, "ALTER SUBSCRIPTION "+s.name+" REFRESH PUBLICATION")
	until(s.t, "the beat is carried", func() bool {
		return s.target.ask(s.t, "SELECT count(*) FROM beats") == "1" && s.target.ask(s.t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	o := s.options()
	o.Strategy, o.Verify.Replication = Tool, fence.KindHeartbeat
	o.Verify.Heartbeats = []fence.Heartbeat{{Beat: postgres.Beat{Table: "public.beats", Column: "n", KeyColumn: "id", Key: "1"}, Strike: true}}
	o.Hooks = s.hooks()
	s.onHook = map[Moment]func(){OnStop: func() {
		ctx := context.Background()
		_ = s.target.cluster.Exec(ctx, database(s.t, s.target), "SET default_transaction_read_only = off", "ALTER SUBSCRIPTION "+s.name+" DISABLE", "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE subname = '"+s.name+"' AND pid IS NOT NULL")
	}}
	release := func() {}
	s.when("after gate-verify", func() {
		release = s.stalled()
		asSuperuser(s.t, s.source, "INSERT INTO stock (id, n) VALUES (99009, 0)")
	})
	s.when("before drained-again", func() { s.in(300*time.Millisecond, release) })
	r := s.do(Run, o)
	release()
	if s.ends(r, Done) {
		s.kept(r, true, 99009)
	}
}

// afterMark: somebody writes when the replication is stopped.
func afterMark(s *scene) {
	s.build()
	s.when("after stopped", func() { asSuperuser(s.t, s.source, "INSERT INTO stock (id, n) VALUES (99010, 0)") })
	r := s.do(Run, s.options())
	s.kept(r, true, 99010)
	s.ends(r, AbortedRun)
}

// takenAfter: somebody takes a value of a sequence when all has been compared.
func takenAfter(s *scene) {
	s.build()
	s.when("journal reached VERIFIED", func() { asSuperuser(s.t, s.source, "SELECT nextval('stock_id_seq')") })
	if r := s.do(Run, s.options()); r.Outcome == Done {
		s.expect(s.target.ask(s.t, "SELECT nextval('stock_id_seq')") != s.source.ask(s.t, "SELECT last_value FROM stock_id_seq"), "a sequence gives the same value twice")
	} else {
		s.ends(r, AbortedRun)
	}
}

// lonelySequence: only the source has it.
func lonelySequence(s *scene) {
	s.build()
	s.noWindow()
	s.source.exec(s.t, "CREATE SEQUENCE lonely")
	s.ends(s.do(Run, s.options()), AbortedRun)
}

// slowToStop: the worker that is stopped takes its time.
func slowToStop(s *scene) {
	s.build()
	s.lingers("before stop", "before stopped", s.target, "SELECT pid FROM pg_stat_subscription WHERE subname = '"+s.name+"' AND relid IS NULL")
	s.ends(s.do(Run, s.options()), Done)
}

// slotGone: somebody tidies up, and removes a slot that nobody reads.
func slotGone(s *scene) {
	s.build()
	s.when("journal reached VERIFIED", func() {
		s.when("after reverse-copy", func() {
			s.target.exec(s.t, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND slot_name LIKE 'pgparity_reverse%' AND slot_name NOT LIKE '%ahead'")
		})
	})
	o := s.options()
	o.Budgets.Open = time.Second
	s.ends(s.do(Run, o), AbortedRun)
}

// thief: the run loses its lock between two attempts, and another has it.
func thief(s *scene) {
	s.build()
	s.when("before stop", func() {
		s.disconnect()
		s.opened(s.target.url, "SET application_name = 'pgparity cutover other'", fmt.Sprintf("SELECT pg_advisory_lock(%d)", int64(lockKey)))
	})
	o := s.options()
	o.Attempts, o.Backoff = 2, time.Millisecond
	s.ends(s.do(Run, o), AbortedRun)
}

// awayAtLast: the target goes away when all is ready.
func awayAtLast(s *scene) {
	s.build()
	o := s.options()
	s.overWires(&o)
	s.when("journal reached REVERSE_READY", func() {
		s.wires[1].sever()
		s.in(700*time.Millisecond, s.wires[1].mend)
	})
	if s.ends(s.do(Run, o), AbortedRun) {
		s.expect(s.takes(0), "the source takes no writes")
	}
}

// bossInside: a superuser connects while the source is closed, and is connected still
// when it is open again.
func bossInside(s *scene) {
	s.build()
	o := s.options()
	s.overWires(&o)
	var boss *pgx.Conn
	s.when("after nothing-left", func() { boss = s.opened(s.source.url) })
	s.when("journal reached REVERSE_READY", func() {
		s.wires[1].sever()
		s.in(700*time.Millisecond, s.wires[1].mend)
	})
	if s.ends(s.do(Run, o), AbortedRun) {
		s.expect(!s.readOnly(boss), "a session of the window stays read only")
	}
}

// lateRow: a superuser adds a row to a delayed table when it was read to its end.
func lateRow(s *scene) {
	s.build()
	for _, p := range []*place{s.source, s.target} {
		p.exec(s.t, `CREATE TABLE log (n int PRIMARY KEY)`)
	}
	s.source.exec(s.t, `INSERT INTO log SELECT generate_series(1, 100)`)
	o := s.options()
	o.Delayed = []Delayed{{Table: "public.log"}}
	s.when("before last-beat", func() { asSuperuser(s.t, s.source, "INSERT INTO log VALUES (1000)") })
	s.ends(s.do(Run, o), AbortedRun)
}

// closedAgain: the window is given up, and somebody has the source closed for a moment
// more.
func closedAgain(s *scene) {
	s.build()
	s.when("after end-clients", func() { asSuperuser(s.t, s.source, "CREATE TABLE made_in_the_window ()") })
	s.when("after thaw", func() { setReadOnly(s.t, s.source, "SET default_transaction_read_only = on") })
	s.when("before thawed", func() {
		s.in(300*time.Millisecond, func() {
			_ = s.source.cluster.Exec(context.Background(), database(s.t, s.source), "SET default_transaction_read_only = off", "ALTER DATABASE "+database(s.t, s.source)+" RESET default_transaction_read_only")
		})
	})
	if s.ends(s.do(Run, s.options()), AbortedRun) {
		s.expect(s.takes(0), "it is said to be taken back, and the source takes no writes")
	}
}

// openedBehind: the source is opened behind the point of no return.
func openedBehind(s *scene) {
	s.build()
	s.when("journal reached PNR", func() { setReadOnly(s.t, s.source, "RESET default_transaction_read_only") })
	o := s.options()
	o.Budgets.Open = time.Second
	s.ends(s.do(Run, o), Stopped)
	s.expect(!s.takes(1), "the target takes writes, and the source is open")
}

// closedTarget: the target is open, and somebody has it closed for a moment more.
func closedTarget(s *scene) {
	s.build()
	s.when("after open", func() { setReadOnly(s.t, s.target, "SET default_transaction_read_only = on") })
	s.when("before opened", func() {
		s.in(300*time.Millisecond, func() {
			_ = s.target.cluster.Exec(context.Background(), database(s.t, s.target), "SET default_transaction_read_only = off", "ALTER DATABASE "+database(s.t, s.target)+" RESET default_transaction_read_only")
		})
	})
	if s.ends(s.do(Run, s.options()), Done) {
		s.expect(s.takes(1), "the application was led to a database that takes no writes")
	}
}

// deadWay: what is to come back does not.
func deadWay(s *scene) {
	s.build()
	s.when("after opened", func() { asSuperuser(s.t, s.target, "DROP PUBLICATION pgparity_reverse") })
	o := s.options()
	o.Budgets.Open = 1500 * time.Millisecond
	s.ends(s.do(Run, o), Stopped)
}

// shutOut: the process of an owner who is no superuser dies in its window, and the
// database that it has closed lets it in no more.
func shutOut(s *scene) {
	source, target := mutationClusters(s.t)
	w := newWorldOn(s.t, source, target, `CREATE TABLE a (id int PRIMARY KEY)`)
	o := w.options(s.t)
	s.mutate(&o)
	o.drop["preflight"], o.Verify.Replication = true, fence.KindStill
	w.owned(s.t, &o)
	for _, p := range []*place{w.source, w.target} {
		p.exec(s.t, "ALTER TABLE a OWNER TO "+mutationOwner)
		_ = p.conn.Close(context.Background()) // a superuser's session, which the owner may not end
	}
	s.crashes(o, "journal reached FROZEN")
	o.point = nil
	const limit = "SELECT datconnlimit FROM pg_database WHERE datname = current_database()"
	s.expect(w.source.ask(s.t, limit) == "0", "it was not closed")
	if s.ends(s.do(Abort, o), Done) {
		s.expect(w.source.ask(s.t, limit) == "-1", "it is closed still")
	}
}

// mutationOwner is a role that may do what a switch needs, where it owns the database.
const mutationOwner = "mutation_owner"

// owned gives both databases to that role, which then is the one that switches.
func (w *world) owned(t *testing.T, o *Options) {
	t.Helper()
	for _, p := range []*place{w.source, w.target} {
		makeRole(t, p.cluster, mutationOwner, "REPLICATION IN ROLE pg_monitor, pg_signal_backend")
		p.exec(t, "ALTER DATABASE "+database(t, p)+" OWNER TO "+mutationOwner)
	}
	o.Source, o.Target = as(t, w.source.url, mutationOwner), as(t, w.target.url, mutationOwner)
}

// foreignOwner: what carries the pair is not the role's to alter.
func foreignOwner(s *scene) {
	s.build()
	o := s.options()
	s.owned(s.t, &o)
	s.ends(s.do(Run, o), Refused)
}

// noProgram: the program that is to lead the application elsewhere is not there.
func noProgram(s *scene) {
	s.build()
	o := s.options()
	o.Budgets.Open = time.Second
	o.Hooks = []Hook{{Name: "lead", When: OnRedirect, Exec: []string{"/nowhere/at-all"}}}
	s.ends(s.do(Run, o), Refused)
}

// wrongBack: the connection string of the way back leads to another database.
func wrongBack(s *scene) {
	s.build()
	s.noWindow()
	o := s.options()
	o.Budgets.Open = 1500 * time.Millisecond
	o.Reverse.Connection = s.target.cluster.URL("postgres")
	s.ends(s.do(Run, o), AbortedRun)
}

// wrongWay: the application's connection string leads to the target.
func wrongWay(s *scene) {
	s.build()
	o := s.options()
	o.Application = s.client[1]
	s.ends(s.do(Run, o), Refused)
}

// damagedLate: somebody changes a row of the target in the window.
func damagedLate(s *scene) {
	s.build()
	s.when("after drained-healthy", func() { asSuperuser(s.t, s.target, "UPDATE stock SET n = -1 WHERE id = 5") })
	r := s.do(Run, s.options())
	s.ends(r, AbortedRun)
}

// leftAjar: a process dies behind the point of no return, in the midst of letting
// itself into the database that is closed.
func leftAjar(s *scene) {
	s.build()
	o := s.options()
	s.crashes(o, "journal reached PNR")
	asSuperuser(s.t, s.source, "ALTER DATABASE "+database(s.t, s.source)+" CONNECTION LIMIT 9")
	s.when("journal reached TARGET_OPEN", func() {
		s.expect(!s.forced(s.client[0]), "a client who wants to can write to both databases")
	})
	s.ends(s.do(Run, o), Done)
}

// foreignRead: what replicates reads as a role that was granted the application's
// tables alone.
func foreignRead(s *scene) {
	s.build()
	makeRole(s.t, s.source.cluster, "mutation_carrier", "REPLICATION")
	s.source.exec(s.t, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO mutation_carrier")
	s.carriedBy(as(s.t, s.source.url, "mutation_carrier"))
	s.brief(10 * time.Second)
	s.ends(s.do(Run, s.options()), Done)
}

// carriedBy has the subscription read by another connection.
func (s *scene) carriedBy(url string) {
	s.target.exec(s.t, fmt.Sprintf("ALTER SUBSCRIPTION %s CONNECTION '%s'", s.name, url))
	s.source.exec(s.t, "INSERT INTO stock (id, n) VALUES (99002, 0)") // it looks when something arrives
	until(s.t, "it is carried by the other connection", func() bool { return s.target.ask(s.t, "SELECT count(*) FROM stock WHERE id = 99002") == "1" })
}

// leftRoom: the limit of the closed database has room for somebody.
func leftRoom(s *scene) {
	s.build()
	s.when("after opened", func() { asSuperuser(s.t, s.source, "ALTER DATABASE "+database(s.t, s.source)+" CONNECTION LIMIT 9") })
	if s.ends(s.do(Run, s.options()), Done) {
		s.expect(!s.forced(s.client[0]), "a client who wants to can write to the source that is closed")
	}
}

// lateTable: the application's owner makes a table when all was verified.
func lateTable(s *scene) {
	s.build()
	s.noWindow()
	s.when("after verified-recently", func() {
		for _, p := range []*place{s.source, s.target} {
			asSuperuser(s.t, p, "CREATE TABLE late (id int PRIMARY KEY)")
		}
	})
	s.ends(s.do(Run, s.options()), AbortedRun)
}

// lateAnswer: a person takes their time, and the verification gets too old.
func lateAnswer(s *scene) {
	s.build()
	s.noWindow()
	o := s.options()
	o.MaxAge = 2 * time.Second
	o.Confirm = func(ctx context.Context, _ Question) error {
		rest(ctx, o.MaxAge)
		return nil
	}
	s.ends(s.do(Run, o), AbortedRun)
}

// alone is held by who has the servers to themselves on which little is written.
var alone sync.Mutex

// quietly makes the pair there.
func (s *scene) quietly() {
	s.arena = newArenaOn(s.t, pgcluster.SharedWith(s.t, "mutation quiet 15", pgcluster.Options{Major: 15, Settings: roomy}), pgcluster.SharedWith(s.t, "mutation quiet 18", pgcluster.Options{Major: 18, Settings: roomy}))
	// What writes their logs to the disk has slept, and wakes at once when something
	// comes. Awake it comes every 200 ms.
	s.when("journal reached SEQUENCED", func() {
		for _, p := range []*place{s.source, s.target} {
			s.opened(p.url, "SET synchronous_commit = off", "SELECT pg_logical_emit_message(true, 'noise', 'it wakes')")
		}
	})
}

// notFlushed: somebody writes when the replication is stopped, and does not wait for
// the disk.
func notFlushed(s *scene) {
	alone.Lock()
	defer alone.Unlock()
	s.quietly()
	write := sync.OnceFunc(func() {
		asSuperuser(s.t, s.source, "SET synchronous_commit = off", "INSERT INTO stock (id, n) VALUES (99011, 0)")
	})
	s.when("before last-beat", write)
	s.when("before nothing-left", write)
	r := s.do(Run, s.options())
	s.kept(r, true, 99011)
	s.ends(r, AbortedRun)
}

// muchWritten: a lot was written to both servers before the window, which need not be
// read in it.
func muchWritten(s *scene) {
	alone.Lock()
	defer alone.Unlock()
	s.quietly()
	const most = 80_000_000 // other scenes make databases on these servers, each of which is some megabytes of log
	s.when("after verified-recently", func() {
		for _, p := range []*place{s.source, s.target} {
			p.once(s.t, `SELECT count(pg_logical_emit_message(false, 'noise', repeat('x', 1000000))) FROM generate_series(1, 120)`)
		}
	})
	s.when("journal reached VERIFIED", func() { // by then each slot is looked into
		s.expect(s.target.once(s.t, reads) < most, "the slot of the way back reads much of the log in the window")
	})
	s.when("before nothing-left", func() { s.expect(s.source.once(s.t, reads) < most, "the slot reads much of the log in the window") })
	s.ends(s.do(Run, s.options()), Done)
}

// notOnDisk: what was applied last is not on the target's disk when the way back is to
// begin behind it.
func notOnDisk(s *scene) {
	alone.Lock()
	defer alone.Unlock()
	s.quietly()
	var end string
	commit := sync.OnceFunc(func() {
		conn := s.opened(s.target.url, "SET synchronous_commit = off", "SELECT pg_logical_emit_message(true, 'a row', 'of the source')")
		if err := conn.QueryRow(s.t.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&end); err != nil {
			s.t.Error(err)
		}
	})
	s.when("journal reached VERIFIED", func() {
		s.when("before reverse-flush", commit)
		s.when("before reverse-advance", commit)
	})
	s.when("journal reached REVERSE_READY", func() {
		begins := s.target.ask(s.t, "SELECT min(confirmed_flush_lsn) >= '"+end+"' FROM pg_replication_slots WHERE database = current_database()")
		s.expect(begins == "true", "the way back begins before what came from there")
	})
	s.ends(s.do(Run, s.options()), Done)
}
