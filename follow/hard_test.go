package follow

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestLarge: a transaction of any size is read in batches, in bounded memory, and the
// watermark passes it when it is judged to its end.
func TestLarge(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.options.MaxKeys = 5000
	w.follow(t)
	w.source.exec(t, "INSERT INTO a SELECT i, i, repeat('x', 100) FROM generate_series(1, 60000) i")
	committed := w.mark(t)
	w.target.exec(t, "DELETE FROM a WHERE id = 59999") // nothing, or it
	until(t, "it is applied", func() bool { return w.target.ask(t, "SELECT count(*) >= 59999 FROM a") == "true" })
	w.target.exec(t, "DELETE FROM a WHERE id = 59999")
	var most uint64
	keys := 0
	for {
		s, err := w.f.Step(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if keys += int(s.Keys); keys >= 60000 {
			wantWords(t, words(s.Findings), "missing public.a id=59999")
			break
		}
		if s.Keys > 5001 || len(s.Findings) > 0 {
			t.Errorf("%+v", s)
		}
		if at := w.watermark(t, "public.a"); at >= committed {
			t.Errorf("the watermark is %s in the middle of a transaction that committed before %s", at, committed)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapInuse)
	}
	t.Logf("heap at most %d MB", most>>20)
	s := w.step(t)
	clean(t, s)
	if w.watermark(t, "public.a") < s.Through {
		t.Error("the watermark stays behind")
	}
}

// TestSlowTaker: the server keeps the connection while nothing is taken, longer than it
// waits for somebody who is silent.
func TestSlowTaker(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped under -short: it waits for 5 seconds")
	}
	c := pgcluster.SharedWith(t, "impatient", pgcluster.Options{Major: 10, Settings: map[string]string{"wal_sender_timeout": "2s"}})
	w := newWorldOn(t, c, pgcluster.Shared(t, 13), "", two)
	w.follow(t)
	w.source.exec(t, "INSERT INTO a SELECT i, i, repeat('x', 1000) FROM generate_series(1, 30000) i")
	w.source.exec(t, "SELECT pg_sleep(5)") // the stream is full meanwhile
	s := w.step(t)
	if clean(t, s); s.Keys != 30000 {
		t.Errorf("%+v", s)
	}
}

// TestNotVisibleYet: the slot sends a commit that waits for a synchronous standby. Its
// row is not judged before the source shows it.
func TestNotVisibleYet(t *testing.T) {
	c := pgcluster.SharedWith(t, "synchronous", pgcluster.Options{Major: 15})
	w := newWorldOn(t, c, pgcluster.Shared(t, 18), "", two)
	w.options.Settle = time.Second
	w.follow(t)
	w.source.exec(t, "INSERT INTO a VALUES (1, 1), (2, 1)")
	clean(t, w.step(t))
	before := w.watermark(t, "public.a")
	// The target misses the row that the hidden commit updates: with the old version on the source
	// both sides would seem to be at rest.
	w.target.exec(t, "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := OLD.v; RETURN NEW; END $$",
		"CREATE TRIGGER undo BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION undo()", "ALTER TABLE a ENABLE ALWAYS TRIGGER undo")
	w.source.exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	until(t, "it is set", func() bool { return w.source.ask(t, "SELECT current_setting('synchronous_standby_names')") == "nobody" })
	defer func() {
		w.source.exec(t, "SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	}()
	hidden := connect(t, w.source.url)
	done := make(chan error, 1)
	at := w.mark(t)
	go func() {
		_, err := hidden.Exec(context.Background(), "UPDATE a SET v = 9 WHERE id = 1")
		done <- err
	}()
	until(t, "it waits", func() bool {
		return w.source.ask(t, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()") == "1"
	})
	var s Step
	var err error
	for range 3 {
		if s, err = w.f.Step(t.Context(), 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if s.Waiting == "" || s.Total > 0 {
		t.Errorf("%+v", s)
	}
	if now := w.watermark(t, "public.a"); now > at {
		t.Errorf("the watermark was %s and is %s, behind a commit at %s that is not visible", before, now, at)
	}
	if v := w.source.ask(t, "SELECT v FROM a WHERE id = 1"); v != "1" {
		t.Fatalf("the commit is visible: %s", v)
	}
	w.source.exec(t, "SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantWords(t, words(w.step(t).Findings), "different public.a id=1")
}

// TestNoStandby: a server for which everybody is a synchronous standby does not take the
// stream for one.
func TestNoStandby(t *testing.T) {
	c := pgcluster.SharedWith(t, "synchronous", pgcluster.Options{Major: 15})
	w := newWorldOn(t, c, pgcluster.Shared(t, 18), "", two)
	w.follow(t)
	w.source.exec(t, "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (pgparity, \"*\")'", "SELECT pg_reload_conf()")
	defer func() {
		w.source.exec(t, "SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	}()
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := w.source.conn.Exec(ctx, "INSERT INTO a VALUES ($1, 1)", i)
		cancel()
		if err != nil {
			t.Fatalf("a commit waits for the stream: %v", err)
		}
		clean(t, w.step(t))
	}
}

// TestStalled: while the target does not apply, nothing is an exception, and the watermark
// waits.
func TestStalled(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.options.Settle = time.Second
	w.follow(t)
	w.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	clean(t, w.step(t))
	w.target.exec(t, "BEGIN; LOCK TABLE a IN EXCLUSIVE MODE")
	at := w.mark(t)
	w.source.exec(t, "UPDATE a SET v = 2", "INSERT INTO b VALUES (1, 1)")
	for range 2 {
		s, err := w.f.Step(t.Context(), 100*time.Millisecond)
		if err != nil || s.Waiting == "" || s.Total > 0 || len(s.Dirty) > 0 {
			t.Fatalf("%+v, %v", s, err)
		}
		if now := w.watermark(t, "public.a"); now > at || len(w.f.State().Tables["public.a"].Exceptions) > 0 {
			t.Errorf("watermark %s behind %s", now, at)
		}
	}
	w.target.exec(t, "COMMIT")
	clean(t, w.step(t))
}

// TestExceptions: a row that is written all the time does not hold up its table, and is not
// forgotten; too many make it dirty.
func TestExceptions(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.options.MaxExceptions = 3
	w.follow(t)
	w.source.exec(t, "INSERT INTO a SELECT i, i FROM generate_series(1, 10) i")
	clean(t, w.step(t))
	// The target rolls dice: no reading of it is like any version of the source.
	w.target.exec(t, "CREATE FUNCTION dice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.pad := clock_timestamp()::text; RETURN NEW; END $$",
		"CREATE TRIGGER dice BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION dice()", "ALTER TABLE a ENABLE ALWAYS TRIGGER dice")
	busy := func(rows int) (stop func()) {
		conn := connect(t, w.source.url)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			for ctx.Err() == nil {
				_, _ = conn.Exec(context.Background(), "UPDATE a SET v = v + 1 WHERE id <= $1", rows)
			}
		}()
		return func() { cancel(); <-over }
	}
	stop := busy(1)
	at := w.mark(t)
	until(t, "there is an exception and a watermark", func() bool {
		if _, err := w.f.Step(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return len(w.f.State().Tables["public.a"].Exceptions) == 1 && w.watermark(t, "public.a") > at
	})
	stop()
	state := w.keptState()
	w.close()
	w.begin(t, state, false)
	wantWords(t, words(w.step(t).Findings), "different public.a id=1")
	if ts := w.f.State().Tables["public.a"]; len(ts.Exceptions) > 0 || ts.Dirty != "" {
		t.Errorf("%+v", ts)
	}
	stop = busy(10)
	until(t, "there are too many", func() bool {
		if _, err := w.f.Step(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return w.f.State().Tables["public.a"].Dirty != ""
	})
	stop()
}
