package follow

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const two = "CREATE TABLE a(id bigint PRIMARY KEY, v int, pad text); CREATE TABLE b(id int PRIMARY KEY, v int)"

// TestKilled: what was not kept is sent again, also findings that were kept and not told.
func TestKilled(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.follow(t)
	w.source.exec(t, "INSERT INTO a SELECT i, i FROM generate_series(1, 10) i")
	clean(t, w.step(t))
	w.target.exec(t, "DELETE FROM a WHERE id = 4")
	// Judged, but not kept: as if the process had died before.
	w.keepFails(errors.New("disk full"))
	w.source.exec(t, "UPDATE a SET v = 0 WHERE id = 4")
	for range 2 {
		if s, err := w.f.Step(t.Context(), time.Second); err == nil {
			t.Fatalf("a state that was not kept: %+v", s)
		}
	}
	w.close()
	w.keepFails(nil)
	w.begin(t, w.keptState(), false)
	wantWords(t, words(w.step(t).Findings), "missing public.a id=4")
	// Kept, and the process died before anybody heard of it.
	w.source.exec(t, "UPDATE a SET v = 1 WHERE id = 4")
	wantWords(t, words(w.step(t).Findings), "missing public.a id=4")
	state := w.keptState()
	w.close()
	w.begin(t, state, false)
	wantWords(t, words(w.step(t).Findings), "missing public.a id=4")
	clean(t, w.step(t))
	w.source.exec(t, "INSERT INTO b VALUES (1, 1)")
	clean(t, w.step(t))
	if len(w.keptState().Found) > 0 {
		t.Error("a finding that was told stays in the state")
	}
	// While nobody was there.
	w.close()
	w.target.exec(t, "DELETE FROM b WHERE id = 1")
	w.source.exec(t, "UPDATE b SET v = 2", "INSERT INTO b SELECT i, i FROM generate_series(2, 500) i")
	w.begin(t, w.keptState(), false)
	s := w.step(t)
	wantWords(t, words(s.Findings), "missing public.b id=1")
	if s.Keys != 500 {
		t.Errorf("%+v", s)
	}
	if at := w.watermark(t, "public.b"); at < s.Through {
		t.Errorf("watermark %s, through %s", at, s.Through)
	}
}

// TestStrangers: a slot that is not the one that was left, a changed identity, a table
// that is new: nothing is claimed before the next pass.
func TestStrangers(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.follow(t)
	w.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	w.step(t)
	slot := w.f.State().Slot
	unclaimed := func() {
		t.Helper()
		w.source.exec(t, "UPDATE a SET v = v + 1")
		w.step(t)
		if at := w.watermark(t, "public.a"); at != 0 {
			t.Errorf("watermark %s with no pass", at)
		}
		w.pass(t)
		w.source.exec(t, "UPDATE a SET v = v + 1")
		if s := w.step(t); w.watermark(t, "public.a") < s.Through {
			t.Error("no watermark after a pass")
		}
	}
	begin := func(fresh bool, change func(*State)) {
		t.Helper()
		w.close()
		state := w.keptState()
		if change != nil {
			change(&state)
		}
		w.begin(t, state, fresh)
	}
	begin(true, func(s *State) { s.Source.Timeline++ })
	unclaimed()
	begin(true, func(s *State) { s.Target.SystemIdentifier += "1" })
	unclaimed()
	begin(false, func(s *State) { delete(s.Tables, "public.a") })
	unclaimed()
	drop := func() {
		t.Helper()
		until(t, "it is dropped", func() bool {
			_, err := w.source.conn.Exec(t.Context(), fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", slot))
			return err == nil
		})
	}
	w.close()
	drop()
	begin(true, nil)
	unclaimed()
	w.close()
	drop()
	w.source.exec(t, "UPDATE a SET v = 7",
		fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", slot))
	begin(true, nil)
	unclaimed()
	// Somebody drops it under way.
	w.source.exec(t, fmt.Sprintf("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '%s'", slot))
	drop()
	if _, err := w.f.Step(t.Context(), 0); !strings.Contains(refusal(err), "dropped") {
		t.Errorf("without a slot: %v", err)
	}
	begin(true, nil)
	unclaimed()
	state := w.f.State()
	w.close()
	if err := Drop(t.Context(), w.source.db, w.source.url, state); err != nil {
		t.Fatal(err)
	}
	if n := w.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+slot+"'"); n != "0" {
		t.Error("the slot is still there")
	}
}

// TestRetention: a slot that keeps more than it may is dropped, and that is said.
func TestRetention(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.options.Retention = 4 << 20
	w.follow(t)
	w.keepFails(errors.New("disk full")) // so that nothing is acknowledged
	w.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	if _, err := w.f.Step(t.Context(), time.Second); err == nil || refusal(err) != "" {
		t.Fatalf("%v", err)
	}
	w.source.exec(t, "INSERT INTO a SELECT i, i, repeat('x', 1000) FROM generate_series(2, 6000) i")
	w.keepFails(nil)
	_, err := w.f.Step(t.Context(), 0)
	if !strings.Contains(refusal(err), "dropped") {
		t.Fatalf("%v", err)
	}
	if n := w.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pgparity%' AND database = current_database()"); n != "0" {
		t.Error("the slot is still there")
	}
	state := w.keptState()
	if state.Slot != "" || len(state.Tables) > 0 {
		t.Errorf("%+v", state)
	}
	w.close()
	w.begin(t, state, true)
	w.pass(t)
	clean(t, w.step(t))
}
