package follow

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestOwnPublication: tables that no publication has whole get one of ours, but for those
// without an identity, and a role that may not make one is told what to run.
func TestOwnPublication(t *testing.T) {
	const sql = `CREATE TABLE a(id bigint PRIMARY KEY, v int, pad text); CREATE TABLE f(id int PRIMARY KEY, v int); CREATE TABLE bare(id int NOT NULL UNIQUE, v int);
CREATE TABLE p(id int PRIMARY KEY, v int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000)`
	w := newWorld(t, 15, 18, "a, f WHERE (v > 0)", sql)
	w.target.exec(t, "CREATE UNLOGGED TABLE u(id int PRIMARY KEY)")
	w.source.exec(t, "CREATE UNLOGGED TABLE u(id int PRIMARY KEY)")
	w.read(t)
	refused := w.begin(t, State{}, true)
	if len(refused) != 2 || refused[0].Table != "public.bare" || refused[1].Table != "public.u" {
		t.Fatalf("refused: %v", refused)
	}
	own := w.f.State().Own
	if got := w.source.ask(t, "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE pubname = '"+own+"'"); got != "f p1" {
		t.Errorf("published: %q", got)
	}
	w.source.exec(t, "INSERT INTO bare VALUES (1, 1)", "UPDATE bare SET v = 2", "INSERT INTO f VALUES (1, 1)")
	w.pass(t)
	w.source.exec(t, "INSERT INTO f VALUES (2, -1)")
	s := w.step(t)
	wantWords(t, words(s.Findings), "missing public.f id=2")
	state := w.f.State()
	w.close()
	// It goes on, and is cleaned up.
	w.begin(t, state, false)
	w.close()
	// A publication that was made later does for the tables, and the slot knows nothing of it.
	w.source.exec(t, "CREATE PUBLICATION late FOR TABLE f, p")
	w.begin(t, state, true)
	state = w.keptState()
	w.close()
	w.source.exec(t, "DROP PUBLICATION late")
	w.begin(t, state, true)
	state = w.keptState()
	w.close()
	if err := Drop(t.Context(), w.source.db, w.source.url, state); err != nil {
		t.Fatal(err)
	}
	if n := w.source.ask(t, "SELECT count(*) FROM pg_publication WHERE pubname = '"+own+"'"); n != "0" {
		t.Error("the publication is still there")
	}
	// Not ours to publish.
	w.source.exec(t, "DROP ROLE IF EXISTS watcher", "CREATE ROLE watcher LOGIN REPLICATION PASSWORD 'secret'", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO watcher")
	t.Cleanup(func() {
		w.close()
		_, _ = w.source.conn.Exec(context.Background(), "DROP OWNED BY watcher; DROP ROLE watcher")
	})
	w.options.URL = w.source.cluster.UserURL("watcher", "secret", w.source.conn.Config().Database)
	refused = w.begin(t, State{}, true)
	why := map[string]string{}
	for _, r := range refused {
		why[r.Table] = r.Why
	}
	if !strings.Contains(why["public.f"], "CREATE PUBLICATION "+own+" FOR TABLE public.f, public.p1") || why["public.p"] == "" || why["public.a"] != "" {
		t.Errorf("refused: %v", refused)
	}
	w.close()
	w.source.exec(t, "ALTER ROLE watcher NOREPLICATION")
	_, _, _, err := Begin(t.Context(), w.source.db, w.target.db, w.pair, w.stream, State{}, w.options)
	if !strings.Contains(refusal(err), "REPLICATION") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// TestTwoMonitors: a slot that somebody reads from is left to him.
func TestTwoMonitors(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.follow(t)
	_, err := postgres.OpenChanges(t.Context(), w.source.db, postgres.ChangesOptions{URL: w.source.url, Slot: w.f.State().Slot, Publications: w.f.State().Publications})
	if !errors.Is(err, postgres.ErrSlotActive) {
		t.Errorf("%v", err)
	}
	w.source.exec(t, "INSERT INTO a VALUES (1)")
	clean(t, w.step(t))
}

// TestCut: a stream that breaks is an error of the next step, and nothing is lost.
func TestCut(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.follow(t)
	w.source.exec(t, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"+w.f.State().Slot+"'")
	w.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	var err error
	until(t, "a step fails", func() bool {
		_, err = w.f.Step(t.Context(), 50*time.Millisecond)
		return err != nil
	})
	if refusal(err) != "" || !postgres.Lost(err) {
		t.Errorf("%v", err)
	}
	w.close()
	w.begin(t, w.keptState(), false)
	if s := w.step(t); s.Keys != 1 {
		t.Errorf("%+v", s)
	}
}

// TestOpenBefore: a pass does not count that begins while a transaction is open that may have
// committed before the slot was made.
func TestOpenBefore(t *testing.T) {
	w := newWorld(t, 15, 18, "", two)
	w.options.Settle = 300 * time.Millisecond
	w.begin(t, State{}, true)
	w.close()
	open := connect(t, w.source.url)
	if _, err := open.Exec(t.Context(), "BEGIN; INSERT INTO a VALUES (1, 1)"); err != nil {
		t.Fatal(err)
	}
	w.begin(t, w.keptState(), false)
	if _, _, err := w.f.Now(t.Context()); err == nil {
		t.Error("a pass may begin")
	}
	if _, err := open.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	clean(t, w.step(t))
}

// TestRefused: a server that can't decode its log says what to set.
func TestRefused(t *testing.T) {
	c := pgcluster.SharedWith(t, "no decoding", pgcluster.Options{Major: 15, Settings: map[string]string{"wal_level": "replica"}})
	w := &world{source: newPlace(t, c, two), target: newPlace(t, pgcluster.Shared(t, 18), two)}
	w.source.open(t, postgres.Source)
	w.target.open(t, postgres.Target)
	w.read(t)
	_, _, _, err := Begin(t.Context(), w.source.db, w.target.db, w.pair, w.stream, State{}, Options{Pair: "p", URL: w.source.url})
	if !strings.Contains(refusal(err), "wal_level") {
		t.Errorf("%v", err)
	}
}
