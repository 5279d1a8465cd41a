//go:build unix

package cutover

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const whoAmI = "SELECT current_setting('server_version_num')::int / 10000"

// side asks a client of an entry which major version serves it.
func servedBy(t *testing.T, b *bounce, entry string) string {
	t.Helper()
	r := b.client(t, entry).PgConn().Exec(within(t, 5*time.Second), whoAmI)
	results, err := r.ReadAll()
	if err != nil {
		t.Errorf("a client is not served: %v", err)
		return ""
	}
	return string(results[0].Rows[0][0])
}

// redirected is a pair whose source an entry app leads to, in a PgBouncer whose
// file a switch edits.
func redirected(t *testing.T, lines string, settings ...string) (*world, *bounce, Pooler) {
	t.Helper()
	w := newWorld(t, 15, 18, twoTables)
	b := newBounce(t, "app = "+entrySettings(t, w.source.url)+" pool_size=7 password='s3 cret'\n"+lines, settings...)
	p := b.pooler("a", "app")
	p.File, p.Target = b.file, entrySettings(t, w.target.url)
	return w, b, p
}

// TestRedirectUnderLoad: a client asks all the time, and is led there and back
// without an error; each time the file holds what it shall and nothing else.
func TestRedirectUnderLoad(t *testing.T) {
	w, b, p := redirected(t, "")
	r := pooled(t, w, p)
	before := b.text(t)
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var served [2]atomic.Int64
	failed := make(chan error, 4)
	for range 4 {
		conn := b.client(t, "app")
		go func() {
			for ctx.Err() == nil {
				results, err := conn.PgConn().Exec(context.WithoutCancel(ctx), whoAmI).ReadAll()
				if err != nil {
					failed <- err
					return
				}
				if string(results[0].Rows[0][0]) == "15" {
					served[0].Add(1)
				} else {
					served[1].Add(1)
				}
			}
			failed <- nil
		}()
	}
	serves := func(side int) {
		was := served[side].Load()
		until(t, "clients are served", func() bool { return served[side].Load() > was+100 })
	}
	serves(0)
	if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := r.redirectPoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	was := served[0].Load()
	serves(1)
	if now := served[0].Load(); now != was {
		t.Errorf("the source served %d more", now-was)
	}
	want := strings.Replace(before, entrySettings(t, w.source.url), p.Target, 1)
	if diff := cmp.Diff(want, b.text(t)); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	back := pooled(t, w, p)
	back.direction, back.from, back.to, back.facts = Rollback, r.to, r.from, journaled(t, r)
	defer func() { back.from, back.to = back.to, back.from }()
	if err := back.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := back.pausePoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := back.redirectPoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	serves(0)
	if diff := cmp.Diff(before, b.text(t)); diff != "" {
		t.Errorf("the file after a rollback (-want +got):\n%s", diff)
	}
	cancel()
	for range 4 {
		if err := <-failed; err != nil {
			t.Errorf("a client's error: %v", err)
		}
	}
}

// journaled are a run's facts as its journal has them.
func journaled(t *testing.T, r *run) Facts {
	t.Helper()
	text, err := json.Marshal(r.facts)
	if err != nil {
		t.Fatal(err)
	}
	var f Facts
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

var errKilled = errors.New("killed")

// TestRedirectKilled: the process dies after each action in turn, and another one
// takes it up: it ends as if nothing had happened, and the way back is known.
func TestRedirectKilled(t *testing.T) {
	for _, at := range []string{"after pool-edit", "after pool-reload", "before pools-lead", "after pool-reconnect", "before pool-resume", "after pools-resumed"} {
		t.Run(at, func(t *testing.T) {
			w, b, p := redirected(t, "")
			before := b.text(t)
			r := pooled(t, w, p)
			if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			ctx, kill := context.WithCancelCause(within(t, 5*time.Second))
			reached := false
			r.exec = &live{point: func(id string) {
				if id == at {
					reached = true
					kill(errKilled)
				}
			}}
			if err := r.redirectPoolers(ctx); !reached || err == nil && at != "after pools-resumed" {
				t.Fatalf("not killed there: %v", err)
			}
			r.closePoolers()
			// What is in the journal is all that the next one knows.
			recs := r.journal.records
			next := pooled(t, w, p)
			if len(recs) == 0 || recs[len(recs)-1].Facts == nil {
				t.Fatal("the journal does not say what was edited")
			}
			if text, err := os.ReadFile(r.o.Journal); err != nil || strings.Contains(string(text), "s3 cret") {
				t.Errorf("a password is in the journal: %s %v", text, err)
			}
			next.facts = *recs[len(recs)-1].Facts
			for range 2 {
				if err := next.redirectPoolers(within(t, 5*time.Second)); err != nil {
					t.Fatal(err)
				}
				if major := servedBy(t, b, "app"); major != "18" {
					t.Errorf("served by %s", major)
				}
			}
			next.direction = Rollback
			if err := next.redirectPoolers(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, b.text(t)); diff != "" {
				t.Errorf("the file (-want +got):\n%s", diff)
			}
			if major := servedBy(t, b, "app"); major != "15" {
				t.Errorf("served by %s", major)
			}
		})
	}
}

// TestRedirectNotRead: the PgBouncer cannot read its file, and says nothing of
// it. Its clients are not let go to the side that is closed; those of another
// pooler go on.
func TestRedirectNotRead(t *testing.T) {
	w, b, p := redirected(t, "")
	other := newBounce(t, "app = "+entrySettings(t, w.source.url)+"\n")
	q := other.pooler("b", "app")
	q.File, q.Target = other.file, p.Target
	r := pooled(t, w, p, q)
	if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	good := b.text(t)
	writeFile(t, b.file, "nonsense\n"+good)
	err := r.redirectPoolers(within(t, 10*time.Second))
	says(t, err, "pooler a", "app leads to", "Its log says why not")
	if strings.Contains(err.Error(), "pooler b") {
		t.Errorf("pooler b had nothing to do with it: %v", err)
	}
	if !b.entry(t, "app").Paused {
		t.Error("its clients were let go to the side that is closed")
	}
	if major := servedBy(t, other, "app"); major != "18" {
		t.Errorf("pooler b leads to %s", major)
	}
	writeFile(t, b.file, good)
	if err := r.redirectPoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if major := servedBy(t, b, "app"); major != "18" {
		t.Errorf("served by %s", major)
	}
}

// TestRedirectByHook: a hook edits what no file is given of, and its pooler is
// let go behind it. One that was not paused loses the connections it has.
func TestRedirectByHook(t *testing.T) {
	w, b, p := redirected(t, "")
	edited := strings.Replace(b.text(t), entrySettings(t, w.source.url), p.Target, 1)
	p.File, p.Target = "", ""
	r := pooled(t, w, p)
	script := writeScript(t, "cat > "+b.file+" <<'X'\n"+edited+"\nX\n")
	r.o.Hooks = []Hook{{Name: "config", When: OnRedirect, Exec: []string{script}}}
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.redirectPoolers(within(t, 5*time.Second)), r.callHooks(t.Context(), OnRedirect)); err != nil {
		t.Fatal(err)
	}
	if !b.entry(t, "app").Paused {
		t.Error("it was let go before the hook was called")
	}
	if err := r.releasePoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if major := servedBy(t, b, "app"); major != "18" {
		t.Errorf("served by %s", major)
	}
	conn := b.client(t, "app")
	pid := func() string {
		results, err := conn.PgConn().Exec(t.Context(), "SELECT pg_backend_pid()").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return string(results[0].Rows[0][0])
	}
	was := pid()
	if again := pid(); again != was {
		t.Fatalf("the pool changes its connections by itself: %s, %s", was, again)
	}
	if err := r.releasePoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if pid() == was {
		t.Error("a connection that may lead to the old server is used still")
	}
}

// TestRedirectListed: a plan has the exact commands and lines, and touches
// nothing.
func TestRedirectListed(t *testing.T) {
	w, b, p := redirected(t, "b2 = "+"host=/tmp password='s3 cret'\n")
	p.Databases = append(p.Databases, "b2")
	before := b.text(t)
	r := pooled(t, w, p)
	r.exec = &dry{}
	for _, part := range []func(context.Context) error{r.checkPoolers, r.pausePoolers, r.redirectPoolers, r.resumePoolers} {
		if err := part(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, a := range r.exec.taken() {
		got = append(got, a.ID+" | "+a.On+" | "+a.Do)
	}
	want := []string{
		"pooler-ready | pooler a | SHOW DATABASES",
		`pool-pause | pooler a | PAUSE "app"`, `pool-pause | pooler a | PAUSE "b2"`, "pools-paused | pooler a | SHOW DATABASES",
		"pool-edit | pooler a | in " + b.file + ": app = " + p.Target + " pool_size=7 password=xxxxx\nb2 = " + strings.Replace("host=HOST password=xxxxx", "HOST", "127.0.0.1", 1) + strings.TrimPrefix(p.Target, "host=127.0.0.1"),
		"pool-reload | pooler a | RELOAD", "pools-lead | pooler a | SHOW DATABASES",
		`pool-reconnect | pooler a | RECONNECT "app"`, `pool-reconnect | pooler a | RECONNECT "b2"`,
		"pool-hurry | pooler a | SET server_login_retry = '0'", `pool-resume | pooler a | RESUME "app"`, `pool-resume | pooler a | RESUME "b2"`,
		"pools-resumed | pooler a | SHOW DATABASES", "pool-calm | pooler a | SET server_login_retry = '…'",
		"pool-hurry | pooler a | SET server_login_retry = '0'", `pool-resume | pooler a | RESUME "app"`, `pool-resume | pooler a | RESUME "b2"`,
		"pools-resumed | pooler a | SHOW DATABASES", "pool-calm | pooler a | SET server_login_retry = '…'",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b.text(t) != before || b.entry(t, "app").Paused || len(r.facts.Files) > 0 {
		t.Error("a plan has changed something")
	}
}

// TestPoolersChecked: each thing that would go wrong in the window is said
// beforehand.
func TestPoolersChecked(t *testing.T) {
	w, b, good := redirected(t, "")
	to := entrySettings(t, w.source.url)
	b.console(t, "RELOAD")
	for _, c := range []struct {
		name  string
		spoil func(*Pooler)
		lines string // of the entries, where not the source's
		want  []string
	}{
		{"no entries", func(p *Pooler) { p.Databases = nil }, "", []string{"pooler a", "say which of its entries"}},
		{"no such entry", func(p *Pooler) { p.Databases = []string{"none"} }, "", []string{"pooler a", "no entry none"}},
		{"no administrator", func(p *Pooler) { p.Admin = b.url("looker", "pgbouncer") }, "", []string{"pooler a", "admin_users"}},
		{"nobody there", func(p *Pooler) { p.Admin = "postgres://postgres:s3cret@127.0.0.1:1/pgbouncer" }, "", []string{"pooler a", "cannot reach"}},
		{"no file", func(p *Pooler) { p.File += ".none" }, "", []string{"pooler a", "no such file"}},
		{"a wrong target", func(p *Pooler) { p.Target = "password=s3cret" }, "", []string{"pooler a", "let both servers"}},
		{"a user that was not there", func(p *Pooler) { p.Target = "host=x user=y" }, "", []string{"pooler a", "has no user"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := good
			c.spoil(&p)
			r := pooled(t, w, p)
			err := r.checkPoolers(within(t, 10*time.Second))
			says(t, err, c.want...)
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
	check := func(name string, want ...string) {
		t.Run(name, func(t *testing.T) { says(t, pooled(t, w, good).checkPoolers(t.Context()), want...) })
	}
	b.console(t, `PAUSE "app"`)
	check("paused by somebody", "pooler a", "paused already", `RESUME "app"`)
	b.console(t, `RESUME "app"`, `DISABLE "app"`)
	check("disabled", "pooler a", "disabled")
	b.console(t, `ENABLE "app"`)
	text := b.text(t)
	writeFile(t, b.file, strings.Replace(text, to, to+"x", 1))
	check("a file that was not read", "pooler a", "RELOAD")
	b.console(t, "RELOAD")
	check("another database", "pooler a", "leads to database", "and the source is database")
	writeFile(t, b.file, strings.Replace(text, to, entrySettings(t, w.target.url), 1))
	b.console(t, "RELOAD")
	check("another server", "pooler a", "leads to database", "and the source is database")
	writeFile(t, b.file, text)
	b.console(t, "RELOAD")
	r := pooled(t, w, good)
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Error(err)
	}
	if len(r.result.Notes) > 0 || len(r.facts.Files) != 1 {
		t.Errorf("notes %q, files %+v", r.result.Notes, r.facts.Files)
	}
	r = pooled(t, w, good)
	r.direction = Rollback
	says(t, r.checkPoolers(t.Context()), "the journal does not say")
	r.result.State = PNR // they may be paused, and lead anywhere
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPoolerByAnotherName: an address that is not known to be the source's is
// believed when one of its connections is seen there.
func TestPoolerByAnotherName(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	s := w.source.ask(t, "SELECT current_setting('unix_socket_directories') || ' ' || current_setting('port')")
	folder, port, _ := strings.Cut(s, " ")
	folder, _, _ = strings.Cut(folder, ",")
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		t.Skipf("skipped: the cluster has no Unix socket (%q)", folder)
	}
	_, database, _ := strings.Cut(entrySettings(t, w.source.url), " dbname=")
	b := newBounce(t, "app = host="+folder+" port="+port+" dbname="+database+"\n")
	says(t, pooled(t, w, b.pooler("a", "app")).checkPoolers(t.Context()), "have a client connect through it")
	flows(t, b, "app")
	if err := pooled(t, w, b.pooler("a", "app")).checkPoolers(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPoolOfSessions: that a PAUSE would wait for all clients to leave is said.
func TestPoolOfSessions(t *testing.T) {
	w := newWorld(t, 15, 15, twoTables)
	b := newBounce(t, "app = "+entrySettings(t, w.source.url)+" pool_mode=session\n")
	flows(t, b, "app")
	r := pooled(t, w, b.pooler("a", "app"))
	if err := r.checkPoolers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.result.Notes) != 1 || !strings.Contains(r.result.Notes[0], "only when all of them are gone") {
		t.Errorf("%q", r.result.Notes)
	}
}

// TestPoolerActionsAreNeeded: without any one of them something is not as it
// shall be.
func TestPoolerActionsAreNeeded(t *testing.T) {
	slow(t)
	for _, id := range []string{"", "pool-pause", "pools-paused", "pool-edit", "pool-reload", "pools-lead", "pool-reconnect", "pool-resume", "pools-resumed", "pooler-ready"} {
		t.Run("without "+id, func(t *testing.T) {
			wrong := poolerLife(t, id)
			if len(wrong) == 0 != (id == "") {
				t.Errorf("wrong: %q", wrong)
			}
		})
	}
}

// poolerLife leaves one action out, and says what is wrong then.
func poolerLife(t *testing.T, without string) (wrong []string) {
	w, b, p := redirected(t, "")
	r := pooled(t, w, p)
	r.o.drop = map[string]bool{without: true}
	expect := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, what)
		}
	}
	r.o.Poolers[0].Databases = []string{"none"}
	expect(r.checkPoolers(t.Context()) != nil, "an entry that is not there was not found")
	r.closePoolers()
	r.o.Poolers[0].Databases = p.Databases

	end := begins(t, b, "app")
	expect(r.pausePoolers(within(t, 200*time.Millisecond)) != nil, "paused in the middle of a transaction")
	end()
	b.console(t, "RELOAD")
	expect(r.letGo(t.Context(), r.bouncers()) == nil, "not resumed")
	text := b.text(t)
	writeFile(t, b.file, "nonsense\n"+text)
	expect(r.redirectPoolers(within(t, 5*time.Second)) != nil, "a file that cannot be read was not noticed")
	writeFile(t, b.file, text)
	expect(r.pausePoolers(within(t, 5*time.Second)) == nil && b.entry(t, "app").Paused, "not paused")
	expect(r.redirectPoolers(within(t, 5*time.Second)) == nil, "not redirected")
	if expect(!b.entry(t, "app").Paused, "not resumed"); len(wrong) == 0 {
		expect(servedBy(t, b, "app") == "18", "served by the source")
		pid := b.servers(t)
		expect(r.redirectPoolers(within(t, 5*time.Second)) == nil, "not redirected again")
		flows(t, b, "app")
		expect(b.servers(t) != pid, "the old connection is used still")
	}
	b.kill()
	expect(r.resumePoolers(within(t, 5*time.Second)) != nil, "that it could not be resumed was not said")
	return wrong
}
