package cutover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestServerReadOnly: a target whose whole server is read only by default, to keep
// strangers from writing there, takes writes when it is its turn.
func TestServerReadOnly(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	source := pgcluster.SharedWith(t, "arena 15", pgcluster.Options{Major: 15, Settings: roomy})
	target := pgcluster.SharedWith(t, "read only 18", pgcluster.Options{Major: 18, Settings: roomy})
	s := stageOn(t, newArenaOn(t, source, target))
	setting := func(sql string) {
		for _, one := range []string{sql, "SELECT pg_reload_conf()"} {
			if err := target.Exec(context.Background(), "postgres", one); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(func() { setting("ALTER SYSTEM RESET default_transaction_read_only") })
	setting("ALTER SYSTEM SET default_transaction_read_only = on")
	o := s.options(t)
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	s.opens(t, 1)
	r, err = RollBack(t.Context(), o)
	succeed(t, r, err)
	s.opens(t, 0)
	if s.takes(t, 1) {
		t.Error("the target takes writes still")
	}
}

// TestCannotLook: where nothing could be looked at, nothing is claimed.
func TestCannotLook(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	crashed(t, Run, o, "journal reached DRAINED")
	asSuperuser(t, s.source, "ALTER TABLE pgparity.cutover RENAME run TO ran")
	for name, command := range map[string]command{"abort": Abort, "run": Run} {
		r, err := command(t.Context(), o)
		if err != nil || r.Outcome != Unproven {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	asSuperuser(t, s.source, "ALTER TABLE pgparity.cutover RENAME ran TO run")
	r, err := Abort(t.Context(), o)
	succeed(t, r, err)
	s.opens(t, 0)
}

// TestReadWriteOnly: a connection string that wants a session that can write is one
// like any other.
func TestReadWriteOnly(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	o.Source += "&target_session_attrs=read-write"
	o.Target += "&target_session_attrs=read-write"
	for _, command := range []command{Run, RollBack} {
		r, err := command(t.Context(), o)
		succeed(t, r, err)
	}
}

// TestGuardToldToEnd: a guard that was told to end while it waited does its work all
// the same.
func TestGuardToldToEnd(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	var guarding Guarding
	o.StartGuard = func(_ context.Context, g Guarding) (Guard, error) {
		guarding = g
		return idle{}, nil
	}
	crashed(t, Run, o, "journal reached DRAINED")
	in, err := json.Marshal(guarding)
	if err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(o.Journal)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Watch(ctx, bytes.NewReader(in), writes(func() { close(waits) }), t.Logf)
	}()
	<-waits
	cancel()
	j.close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.opens(t, 0)
}

// idle is a guard that does nothing.
type idle struct{}

func (idle) Alive() bool { return true }
func (idle) Release()    {}

// writes is called when something is written.
type writes func()

func (w writes) Write(b []byte) (int, error) {
	w()
	return len(b), nil
}

// TestIdleSessions: a server that ends idle sessions does not end the switch's.
func TestIdleSessions(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	s.target.exec(t, "ALTER DATABASE "+database(t, s.target)+" SET idle_session_timeout = '1s'")
	o := s.options(t)
	o.Reverse.Off = true
	o.Confirm = func(ctx context.Context, _ Question) error {
		rest(ctx, 2*time.Second)
		return nil
	}
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
}

// TestSecretThatIsCut: what is kept of a hook's words ends in no part of a secret.
func TestSecretThatIsCut(t *testing.T) {
	t.Parallel()
	const token = "a-token-that-nobody-is-to-read"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, strings.Repeat("x", keptBytes-10)+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	h := Hook{Name: "h", When: OnLive, URL: server.URL, Headers: map[string]string{"Authorization": token}}
	err := h.call(t.Context(), hookEnv{Moment: OnLive})
	if err == nil || strings.Contains(err.Error(), token[:5]) {
		t.Error(err)
	}
}

// TestOtherConfiguration: what a run began with it goes on with.
func TestOtherConfiguration(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	for _, p := range []*place{s.source, s.target} {
		p.exec(t, "CREATE TABLE logs (id serial PRIMARY KEY)")
	}
	s.source.exec(t, "INSERT INTO logs SELECT FROM generate_series(1, 100)")
	o := s.options(t)
	o.Delayed = []Delayed{{Table: "public.logs", After: true}}
	writing := o
	o.point = nil
	func() {
		writing.point = func(id string) {
			switch id {
			case "before freeze-limit":
				s.source.exec(t, "INSERT INTO logs SELECT FROM generate_series(1, 100)")
			case "journal reached TARGET_OPEN":
				panic(errCrash)
			}
		}
		defer func() { _ = recover() }()
		_, _ = Run(t.Context(), writing)
	}()
	for name, delayed := range map[string][]Delayed{"left out": nil, "not later": {{Table: "public.logs"}}} {
		other := o
		other.Delayed = delayed
		r, err := Run(t.Context(), other)
		if err == nil {
			t.Errorf("%s: %+v; %s rows are there", name, r, s.target.ask(t, "SELECT count(*) FROM logs"))
		} else {
			t.Log(err)
		}
	}
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if n := s.target.ask(t, "SELECT count(*) FROM logs"); n != "200" {
		t.Errorf("%s rows, want 200", n)
	}
}

// TestSecondHost: who has a copy of the journal, and takes a run for dead that lives,
// does not make two primaries of a pair.
func TestSecondHost(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	other := o
	other.Journal, other.KeepPrepared = journalFile(t), true // the target stays closed then
	done := false
	first := o
	var second *Result
	first.point = func(id string) {
		if id != "before still-closed" || done {
			return
		}
		done = true
		text, err := os.ReadFile(o.Journal)
		if err != nil {
			t.Error(err)
		}
		// As it was when the copy was made, before the point of no return.
		text = text[:bytes.LastIndexByte(text[:len(text)-1], '\n')+1]
		text = text[:bytes.LastIndexByte(text[:len(text)-1], '\n')+1]
		if err := os.WriteFile(other.Journal, text, 0o600); err != nil {
			t.Error(err)
		}
		ended := make(chan struct{})
		looked := make(chan struct{})
		at := other
		at.point = func(id string) {
			if id == "before thaw" {
				close(looked)
				rest(t.Context(), 1500*time.Millisecond)
			}
		}
		go func() {
			defer close(ended)
			second, err = Abort(t.Context(), at)
		}()
		s.later.Go(func() { <-ended })
		select {
		case <-looked:
		case <-ended:
		}
	}
	r, err := Run(t.Context(), first)
	s.later.Wait()
	if err != nil || r.Outcome != Stopped || second == nil || second.Outcome != Done {
		t.Errorf("%+v %v; %+v", r, err, second)
	}
	if s.takes(t, 1) || !s.takes(t, 0) {
		t.Error("want writes to be taken by the source, and by it alone")
	}
	r, err = Run(t.Context(), o)
	if err != nil || r.Outcome != Unproven {
		t.Errorf("the first one again: %+v %v", r, err)
	}
}

// TestCutOffAndOvertaken: a run, and a guard, that were cut off while another host
// switched the pair, do not open the source again when the network is there again.
func TestCutOffAndOvertaken(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, off := range []bool{false, true} {
		t.Run(fmt.Sprintf("without a way back %t", off), func(t *testing.T) {
			t.Parallel()
			cutOff(t, off)
		})
	}
}

func cutOff(t *testing.T, noWayBack bool) {
	t.Helper()
	s := newStage(t)
	o := s.options(t)
	o.Reverse.Off = noWayBack
	var guarding Guarding
	o.StartGuard = func(_ context.Context, g Guarding) (Guard, error) {
		guarding = g
		return idle{}, nil
	}
	crashed(t, Run, o, "journal reached DRAINED")
	other := o
	other.Journal, other.StartGuard = journalFile(t), nil
	r, err := Run(t.Context(), other)
	succeed(t, r, err)
	in, err := json.Marshal(guarding)
	if err != nil {
		t.Fatal(err)
	}
	if err := Watch(t.Context(), bytes.NewReader(in), writes(func() {}), t.Logf); err == nil {
		t.Error("the guard says that it opened the source")
	}
	s.opens(t, 1)
	if s.takes(t, 0) {
		t.Error("both take writes")
	}
}

// TestOneCluster: both databases may be on one server.
func TestOneCluster(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	c := pgcluster.SharedWith(t, "arena 18", pgcluster.Options{Major: 18, Settings: roomy})
	w := newWorldOn(t, c, c, `CREATE TABLE "a b" (id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY -3 MAXVALUE -1) PRIMARY KEY, n int)`)
	w.name = "one_cluster"
	w.source.exec(t, `INSERT INTO "a b" (n) SELECT i FROM generate_series(1, 100) i`, `CREATE PUBLICATION "One Cluster" FOR TABLE "a b"`, `SELECT pg_create_logical_replication_slot('one_cluster', 'pgoutput')`)
	w.target.exec(t, fmt.Sprintf(`CREATE SUBSCRIPTION "One Cluster" CONNECTION '%s' PUBLICATION "One Cluster" WITH (create_slot = false, slot_name = one_cluster)`, w.source.url))
	until(t, "it is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	o := w.options(t)
	o.drop = map[string]bool{"preflight": true}
	for i, run := range []command{Run, RollBack, Run, Finalize} {
		r, err := run(t.Context(), o)
		succeed(t, r, err)
		here := []*place{w.target, w.source}[i%2]
		if i < 3 {
			here.exec(t, `INSERT INTO "a b" (n) SELECT i FROM generate_series(1, 100) i`)
		}
	}
	if n := w.target.ask(t, `SELECT count(*) FROM "a b"`); n != "400" {
		t.Errorf("%s rows, want 400", n)
	}
}

// TestStrangersTables: where the way back may not write to a table, that is found
// before the point of no return, and not by the first row.
func TestStrangersTables(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	const keeper = "cutover_keeper"
	s, o, leave := newOwned(t, 16, 18)
	for _, p := range []*place{s.source, s.target} {
		makeRole(t, p.cluster, keeper, "")
		asSuperuser(t, p, "GRANT ALL ON SCHEMA public TO "+keeper, "ALTER TABLE stock OWNER TO "+keeper, "GRANT ALL ON stock, stock_id_seq TO "+owner)
	}
	asSuperuser(t, s.source, "REVOKE "+keeper+" FROM "+owner)
	asSuperuser(t, s.target, "GRANT "+keeper+" TO "+owner)
	leave()
	r, err := Run(t.Context(), o)
	if err != nil || r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, ""), "GRANT "+keeper+" TO "+owner) {
		t.Fatalf("%+v %v", r, err)
	}
	asSuperuser(t, s.source, "GRANT "+keeper+" TO "+owner)
	leave()
	r, err = Run(t.Context(), o)
	succeed(t, r, err)
	asSuperuser(t, s.target, "INSERT INTO stock (n) VALUES (1)")
	until(t, "it has come back", func() bool { return s.source.ask(t, "SELECT count(*) FROM stock") == "201" })
}

// TestRoleThatGoes: a role that is dropped, or named otherwise, while a switch is under
// way keeps nothing closed.
func TestRoleThatGoes(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for name, at := range map[string]string{"before": "before freeze-limit", "meanwhile": "after freeze-role"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			role := "leaves_" + name
			makeRole(t, s.source.cluster, role, "")
			s.source.exec(t, "ALTER ROLE "+role+" IN DATABASE "+database(t, s.source)+" SET default_transaction_read_only = off")
			o := s.options(t)
			o.KeepPrepared = true
			o.point = func(id string) {
				switch id {
				case at:
					asSuperuser(t, s.source, "DROP ROLE IF EXISTS "+role) // it comes by here for each role
				case "before drained":
					asSuperuser(t, s.source, "CREATE TABLE made_in_the_window ()")
				}
			}
			began := time.Now()
			r, err := Run(t.Context(), o)
			if err != nil || r.Outcome != AbortedRun || time.Since(began) > undoPatience/2 {
				t.Fatalf("%v %v %v", r.Outcome, r.Reasons, err)
			}
			s.opens(t, 0)
		})
	}
}
