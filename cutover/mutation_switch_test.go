package cutover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// boss makes a superuser whom a setting of its own lets write to the source.
func (s *scene) boss() string {
	for _, p := range []*place{s.source, s.target} {
		makeRole(s.t, p.cluster, "mutation_boss", "SUPERUSER")
	}
	s.source.exec(s.t, "ALTER ROLE mutation_boss IN DATABASE "+database(s.t, s.source)+" SET default_transaction_read_only = off")
	return as(s.t, s.source.url, "mutation_boss")
}

// knowing counts what says that the point of no return was passed.
const knowing = `SELECT count(*) FROM pgparity.cutover_journal WHERE n = 0 AND side IN ('source', 'target')`

// opening is what opens the source by hand, as it lies on the target; "" where it does not.
func (s *scene) opening() string {
	s.t.Helper()
	if s.target.ask(s.t, `SELECT to_regclass('pgparity.unfreeze') IS NULL`) == "true" {
		return ""
	}
	return s.target.ask(s.t, `SELECT sql FROM pgparity.unfreeze`)
}

// switches is a switch to which nothing happens; everything that it brings about is
// looked at.
func switches(s *scene) {
	s.build()
	o := s.options()
	o.Hooks, o.StartGuard = s.hooks(), vigil{}.start
	boss := s.boss()
	s.source.exec(s.t, `SELECT setval('stock_id_seq', 777)`)
	var old *pgx.Conn
	s.when("journal reached PREPARED", func() {
		s.expect(!s.takes(1), "the target takes writes before its turn")
		old = s.opened(s.client[1])
	})
	s.when("journal reached FROZEN", func() {
		s.expect(!s.forced(s.client[0]), "a client who wants to can write to the source that is closed")
		s.expect(s.tryOnce(s.t.Context(), boss) != nil, "a superuser with a setting of its own writes to the source by accident")
	})
	s.when("journal reached PNR", func() {
		for _, p := range []*place{s.source, s.target} {
			s.expect(p.ask(s.t, knowing) == "1", "a database does not know of the point of no return")
		}
	})
	s.when("after opened", func() { s.opened(s.source.url) })
	r := s.do(Run, o)
	if !s.ends(r, Done) {
		return
	}
	s.expect(r.FenceLSN != "", "it does not say up to which position all has arrived")
	s.expect(r.Gate != nil && r.Gate.Passed, "nothing was compared in the window")
	s.expect(strings.Contains(strings.Join(r.Notes, "\n"), "is connected there, and cannot write but by force"), "it does not say that somebody is on the source still")
	s.were(OnFreeze, OnStop, OnRedirect, OnLive)
	_, err := os.Stat((&run{o: o}).thawFile())
	s.expect(os.IsNotExist(err), "the script that opens the source lies there still")
	s.expect(s.opening() == "", "the script that opens the source lies on the target still")
	s.switched(777)
	s.expect(!s.readOnly(old), "a session of before stays read only on the target")
}

// readOnly tells whether a session goes on, and cannot write.
func (s *scene) readOnly(conn *pgx.Conn) bool {
	var is string
	err := conn.QueryRow(s.t.Context(), "SHOW transaction_read_only").Scan(&is)
	return err == nil && is == "on"
}

// switched looks at a pair that was switched: sequences, triggers, streams, and the
// way back.
func (s *scene) switched(sequence int) {
	s.expect(!s.takes(0), "the source takes writes")
	s.expect(s.takes(1), "the target takes no writes")
	s.expect(s.target.ask(s.t, fmt.Sprintf("SELECT last_value >= %d FROM stock_id_seq", sequence)) == "true", "the sequence would give values again")
	s.expect(strings.Contains(s.target.states(s.t), "noticed O"), "a trigger is not enabled as on the source")
	s.expect(s.target.ask(s.t, "SELECT concat(subenabled, ' ', subslotname) FROM pg_subscription WHERE subname = '"+s.name+"'") == "f ", "the subscription that carried the switch is not detached")
	for i, p := range []*place{s.source, s.target} {
		slots := p.ask(s.t, "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots WHERE database = current_database()")
		s.expect((slots == "") == (i == 0) && !strings.Contains(slots, "ahead"), "slots that keep the log: %q", slots)
	}
	s.expect(s.source.ask(s.t, "SELECT count(*) FROM pgparity.heartbeat WHERE side = 'target'") == "1", "nothing has come back")
	s.target.exec(s.t, "INSERT INTO stock (id, n) VALUES (99001, 1)")
	s.expect(s.soon(func() bool { return s.source.ask(s.t, "SELECT count(*) FROM stock WHERE id = 99001") == "1" }), "what is written to the target does not come back")
}

// givenUp is a switch that fails at the last moment, when the target's connection
// breaks: all is as it was.
func givenUp(s *scene) {
	s.build()
	o := s.options()
	o.Hooks = s.hooks()
	before := s.both()
	s.when("journal reached REVERSE_READY", s.disconnect)
	if r := s.do(Run, o); !s.ends(r, AbortedRun) {
		return
	}
	s.expect(s.takes(0), "the source takes no writes")
	s.were(OnFreeze, OnStop, OnThaw, OnStart)
	s.asBefore(before)
}

// disconnect ends the session of the run that writes to the target.
func (s *scene) disconnect() {
	s.target.exec(s.t, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()`)
}

// givenUpAndKept: what was prepared stays, and nobody who finds it takes it for a
// switch that has passed the point of no return.
func givenUpAndKept(s *scene) {
	s.build()
	o := s.options()
	o.KeepPrepared = true
	s.when("journal reached REVERSE_READY", s.disconnect)
	if r := s.do(Run, o); !s.ends(r, AbortedRun) {
		return
	}
	for _, p := range []*place{s.source, s.target} {
		s.expect(p.ask(s.t, knowing) == "0", "a database says that the point of no return was passed")
	}
}

// finalised: nothing is left but the closed source.
func finalised(s *scene) {
	s.build()
	o := s.options()
	o.Hooks = s.hooks()
	if r := s.do(Run, o); !s.ends(r, Done) {
		return
	}
	s.brief(12 * time.Second)
	s.lingers("before detach-stop", "before slot-free", s.target, `SELECT active_pid FROM pg_replication_slots WHERE database = current_database()`)
	if r := s.do(Finalize, o); !s.ends(r, Done) {
		return
	}
	s.were(OnFreeze, OnStop, OnRedirect, OnLive, OnRemove)
	for _, p := range []*place{s.source, s.target} {
		left := howItStands(s.t, p)
		s.expect(!strings.Contains(left, "subscription") && !strings.Contains(left, "slot") && !strings.Contains(left, "pgparity"), "left behind:\n%s", left)
	}
}

// finalisedTooSoon: the two differ, so the way back stays.
func finalisedTooSoon(s *scene) {
	s.build()
	o := s.options()
	if r := s.do(Run, o); !s.ends(r, Done) {
		return
	}
	asSuperuser(s.t, s.source, "UPDATE stock SET n = -1 WHERE id = 7")
	if r := s.do(Finalize, o); s.ends(r, Stopped) {
		s.expect(strings.Contains(howItStands(s.t, s.source), "subscription pgparity_reverse t"), "there is no way back")
	}
}

// backAgain: led back, and a second switch that nobody confirms: the target's settings
// are those of before the first.
func backAgain(s *scene) {
	s.build()
	s.target.exec(s.t, "ALTER DATABASE "+database(s.t, s.target)+" CONNECTION LIMIT 77")
	o := s.options()
	o.Hooks = s.hooks()
	before := howItStands(s.t, s.target)
	if r := s.do(Run, o); !s.ends(r, Done) {
		return
	}
	if r := s.do(RollBack, o); !s.ends(r, Done) {
		return
	}
	s.were(OnFreeze, OnStop, OnRedirect, OnLive, OnFreeze, OnStop, OnBack)
	s.expect(s.takes(0) && !s.takes(1), "it was not led back")
	o.Confirm = func(context.Context, Question) error { return errors.New("no") }
	if r := s.do(Run, o); !s.ends(r, AbortedRun) {
		return
	}
	after := howItStands(s.t, s.target)
	s.expect(strings.Split(before, "\n")[0] == strings.Split(after, "\n")[0] && !strings.Contains(after, "setting"), "the target was\n%s\nand is\n%s", before, after)
}

// lostBefore: a process dies before its window, and its journal with it.
func lostBefore(s *scene) { s.lost("journal reached PREPARED") }

// lostInside: in its window.
func lostInside(s *scene) { s.lost("journal reached FROZEN") }

func (s *scene) lost(at string) {
	s.build()
	before := s.both()
	o := s.options()
	s.crashes(o, at)
	if err := os.Remove(o.Journal); err != nil {
		s.t.Fatal(err)
	}
	o.point = nil
	if r := s.do(Abort, o); !s.ends(r, Done) {
		return
	}
	s.expect(s.takes(0), "the source takes no writes")
	s.asBefore(before)
}

// byHand: a process dies in its window, and so does its guard. Somebody finds the
// script, here or on the other server.
func byHand(s *scene) {
	s.build()
	o := s.options()
	s.crashes(o, "journal reached FROZEN")
	file, err := os.ReadFile((&run{o: o}).thawFile())
	s.expect(err == nil, "the script is not there: %v", err)
	copied := s.opening()
	s.expect(copied != "", "the script is not on the other server")
	for _, sql := range []string{string(file), copied} {
		if sql == "" || len(s.wrong) > 0 {
			continue
		}
		setReadOnly(s.t, s.source, "SET default_transaction_read_only = on")
		if err := s.source.cluster.Exec(s.t.Context(), "postgres", sql); err != nil {
			s.expect(false, "%v", err)
		}
		s.expect(s.takes(0), "the source takes no writes when the script was run:\n%s", sql)
	}
}
