//go:build unix

package cutover

import (
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

const twoTables = `CREATE TABLE a (id int PRIMARY KEY)`

// begins opens a transaction through a pooler, and gives what ends it.
func begins(t *testing.T, b *bounce, entry string) (end func()) {
	t.Helper()
	conn := b.client(t, entry)
	if _, err := conn.Exec(t.Context(), "BEGIN; SELECT 1"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
	}
}

// flows proves that clients of an entry are served.
func flows(t *testing.T, b *bounce, entry string) {
	t.Helper()
	if d := b.entry(t, entry); d.Paused {
		t.Errorf("%s is paused: %+v", entry, d)
	}
	if _, err := b.client(t, entry).Exec(within(t, 5*time.Second), "SELECT 1"); err != nil {
		t.Errorf("a client is not served: %v", err)
	}
}

// says makes sure that an error has parts.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error does not say %q: %v", p, err)
		}
	}
}

// TestPauseAndResume: all entries of all poolers, one with a name that has to be
// quoted; twice, as after a crash.
func TestPauseAndResume(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	to := entrySettings(t, w.source.url)
	a, b := newBounce(t, "app = "+to+"\nApp-2 = "+to), newBounce(t, "app = "+to)
	r := pooled(t, w, a.pooler("a", "app", "App-2"), b.pooler("b", "app"))
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	flows(t, a, "app") // there are server connections
	for range 2 {
		if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		for _, d := range []postgres.PooledDatabase{a.entry(t, "app"), a.entry(t, "App-2"), b.entry(t, "app")} {
			if !d.Paused || d.Connections > 0 {
				t.Errorf("not paused: %+v", d)
			}
		}
	}
	for range 2 {
		if err := r.resumePoolers(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		flows(t, a, "app")
		flows(t, a, "App-2")
		flows(t, b, "app")
	}
}

// TestPauseHeldUp: a transaction is open. The pause fails in time and says whose
// it is, and the clients of all poolers go on.
func TestPauseHeldUp(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	to := entrySettings(t, w.source.url)
	a, b := newBounce(t, "app = "+to), newBounce(t, "app = "+to)
	r := pooled(t, w, a.pooler("a", "app"), b.pooler("b", "app"))
	end := begins(t, b, "app")
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := r.pausePoolers(within(t, 300*time.Millisecond))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	pid := w.source.ask(t, `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
	says(t, err, "pooler b: PAUSE of app: not within 300ms", "user postgres", "backend "+pid, "let it end")
	if strings.Contains(err.Error(), "pooler a") {
		t.Errorf("pooler a had nothing to do with it: %v", err)
	}
	flows(t, a, "app")
	flows(t, b, "app")
	end()
	if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
		t.Errorf("when it has ended: %v", err)
	}
}

// TestPauseOneIsDown: the second pooler died after it was looked at. The first
// is resumed at once, however much time there was.
func TestPauseOneIsDown(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	to := entrySettings(t, w.source.url)
	a, b := newBounce(t, "app = "+to), newBounce(t, "app = "+to)
	r := pooled(t, w, a.pooler("a", "app"), b.pooler("b", "app"))
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	begins(t, a, "app") // so that its PAUSE hangs when the other one fails
	b.kill()
	began := time.Now()
	err := r.pausePoolers(within(t, 20*time.Second))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	says(t, err, "pooler b", "cannot reach")
	flows(t, a, "app")
}

// TestResumeOfAnother: who paused died while PAUSE was waiting. Somebody else
// resumes, on connections of their own; a pooler that is down does not keep the
// others.
func TestResumeOfAnother(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	to := entrySettings(t, w.source.url)
	a, b := newBounce(t, "app = "+to), newBounce(t, "app = "+to)
	end := begins(t, a, "app")
	dead, err := postgres.OpenConsole(t.Context(), "a", a.url("postgres", "pgbouncer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Pause(within(t, 200*time.Millisecond), "app"); err == nil || !dead.Closed() {
		t.Fatalf("PAUSE did not hang: %v", err)
	}
	if !a.entry(t, "app").Paused {
		t.Fatal("PAUSE ended with its connection: nobody has to resume any more")
	}
	b.kill()
	r := &run{o: Options{Poolers: []Pooler{b.pooler("b", "app"), a.pooler("a", "app")}}, exec: &live{}, result: &Result{}} // a guard's
	defer r.closePoolers()
	says(t, r.resumePoolers(within(t, 5*time.Second)), "pooler b", `RESUME "app"`)
	flows(t, a, "app")
	end()
}

// TestConsoleLost: the pooler was started anew since it was looked at, and what
// was connected is dead. Nobody notices.
func TestConsoleLost(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	a := newBounce(t, "app = "+entrySettings(t, w.source.url))
	r := pooled(t, w, a.pooler("a", "app"))
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.kill()
	a.start(t)
	if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if !a.entry(t, "app").Paused {
		t.Error("not paused")
	}
	if err := r.resumePoolers(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	flows(t, a, "app")
}

// TestConsoleErrors: what is said to whom may not, and no password in it.
func TestConsoleErrors(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	a := newBounce(t, "app = "+entrySettings(t, w.source.url))
	secret := "postgres://nobody:s3cret-word@127.0.0.1:" + a.port + "/pgbouncer?sslmode=disable"
	_, err := postgres.OpenConsole(t.Context(), "a", secret)
	says(t, err, "pooler a", "admin_users")
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret: %v", err)
	}
	c, err := postgres.OpenConsole(t.Context(), "a", a.url("looker", "postgres")) // the database is not the URL's
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	says(t, c.MayAdminister(t.Context(), "app"), "pooler a", "admin_users")
	if v, err := c.Version(t.Context()); err != nil || !strings.HasPrefix(v, "PgBouncer ") {
		t.Errorf("version %q, %v", v, err)
	}
	says(t, c.Resume(t.Context(), "none"), "pooler a", `RESUME "none"`)
}
