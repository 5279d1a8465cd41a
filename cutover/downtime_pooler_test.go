//go:build unix

package cutover

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
)

// transactionPooler is a PgBouncer in transaction mode with one entry, app, which a test
// pauses and leads elsewhere.
type transactionPooler struct {
	dir, port, client string
	console           *pgconn.PgConn
}

// poolTransactions starts one in front of a side, for a client's role.
func poolTransactions(t *testing.T, to *place, client string) *transactionPooler {
	t.Helper()
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		bin, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("pgbouncer is not installed: scripts/test-deps.sh installs it")
	default:
		t.Skip("skipped: pgbouncer is not installed: scripts/test-deps.sh installs it")
	}
	dir, err := os.MkdirTemp("", "pgparity-downtime-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	_ = ln.Close()
	p := &transactionPooler{dir: dir, port: port, client: client}
	p.write(t, to)
	cmd := exec.Command(bin, filepath.Join(dir, "ini"))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if os.Getuid() == 0 { // it refuses to run as root
		u, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user reads it, and it holds no secret
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "pgbouncer takes connections", func() bool {
		p.console, err = pgconn.Connect(t.Context(), "postgres://postgres@127.0.0.1:"+port+"/pgbouncer?sslmode=disable")
		return err == nil
	})
	t.Cleanup(func() { _ = p.console.Close(context.Background()) })
	return p
}

// write leads the entry to a side.
func (p *transactionPooler) write(t *testing.T, to *place) {
	t.Helper()
	for name, text := range map[string]string{
		"ini": fmt.Sprintf("[databases]\napp = host=%s port=%d dbname=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_type = trust\nauth_file = %s/users\nadmin_users = postgres\npool_mode = transaction\n",
			to.cluster.Host(), to.cluster.Port(), to.database(), p.port, p.dir),
		"users": fmt.Sprintf("\"postgres\" \"\"\n\"%s\" \"client\"\n", p.client),
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // another user reads it
			t.Fatal(err)
		}
	}
}

func (p *transactionPooler) say(t *testing.T, command string) {
	t.Helper()
	if _, err := p.console.Exec(t.Context(), command).ReadAll(); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

func (p *transactionPooler) url() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(p.client, "client"), Host: "127.0.0.1:" + p.port, Path: "/app", RawQuery: "sslmode=disable"}
	return u.String()
}

// TestDowntimeThroughPgBouncer: a pause is waited for, and no failure; what is
// acknowledged tells by whom, on either side of it.
func TestDowntimeThroughPgBouncer(t *testing.T) {
	w := newWorld(t, 15, 18)
	client := w.client(t)
	pooler := poolTransactions(t, w.source, client)
	o := w.options(t)
	o.Application = pooler.url()
	r := w.probing(t, o)
	before := goleak.IgnoreCurrent()
	if err := r.startDowntime(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.watcher.seen(t, 5)
	r.watcher.mark(Armed, time.Now())
	began := time.Now()
	pooler.say(t, "PAUSE app")
	r.watcher.mark(Frozen, time.Now())
	paused := time.Now()
	rest(t.Context(), 300*time.Millisecond)
	pooler.write(t, w.target)
	pooler.say(t, "RELOAD")
	least := time.Since(paused)
	pooler.say(t, "RESUME app")
	r.watcher.mark(Redirected, time.Now())
	most := time.Since(began)
	r.watcher.seen(t, 5)
	got := r.stopDowntime()
	goleak.VerifyNone(t, before)
	for kind, ms := range map[string]float64{kindWrite: got.WriteMS, kindRead: got.ReadMS} {
		if ms < milliseconds(least-beatEvery) || ms > milliseconds(most+beatEvery+slack) {
			t.Errorf("%s: away for %v ms, and it was for %v to %v", kind, ms, least, most)
		}
	}
	if got.Failed != 0 || got.Lost != 0 || got.Elsewhere != 0 {
		t.Errorf("%d failed, %d lost, %d elsewhere: %v", got.Failed, got.Lost, got.Elsewhere, got.Failures)
	}
	for _, kind := range []string{kindWrite, kindRead} {
		var sides []string
		for _, b := range got.Timeline {
			if b.Kind == kind && (len(sides) == 0 || sides[len(sides)-1] != b.On) {
				sides = append(sides, b.On)
			}
		}
		if !slices.Equal(sides, []string{"source", "target"}) {
			t.Errorf("%s: acknowledged by %q", kind, sides)
		}
	}
	here, there := w.source.ask(t, `SELECT count(*) FROM pgparity.downtime`), w.target.ask(t, `SELECT count(*) FROM pgparity.downtime`)
	a, _ := strconv.Atoi(here)
	b, _ := strconv.Atoi(there)
	if a == 0 || b == 0 || a+b != got.Writes {
		t.Errorf("%d writes, of which %s are on the source and %s on the target", got.Writes, here, there)
	}
	t.Logf("away for %v to %v; measured %v and %v ms\n%s", least, most, got.WriteMS, got.ReadMS, strings.Join(got.Text(100), "\n"))
}

// TestDowntimeEndsInAPause: what is not acknowledged when the probe ends was out
// until then, and is waited for no longer.
func TestDowntimeEndsInAPause(t *testing.T) {
	slow(t)
	w := newWorld(t, 15, 18)
	pooler := poolTransactions(t, w.source, w.client(t))
	o := w.options(t)
	o.Application = pooler.url()
	r := w.probing(t, o)
	before := goleak.IgnoreCurrent()
	if err := r.startDowntime(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.watcher.seen(t, 3)
	pooler.say(t, "PAUSE app")
	rest(t.Context(), 2*beatEvery) // a statement is under way
	began := time.Now()
	got := r.stopDowntime()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	last := got.Timeline[len(got.Timeline)-1]
	if last.On != "" || last.Failed || got.Failed != 0 || got.WriteMS < milliseconds(beatGrace) || micro(got.WriteAtMS+got.WriteMS) != got.ProbedMS {
		t.Errorf("no write for %v ms from %v of %v, %d failed; the last is %+v", got.WriteMS, got.WriteAtMS, got.ProbedMS, got.Failed, last)
	}
	// The driver says goodbye for up to 15 s, and ends by itself.
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn.(*PgConn).asyncClose.func1"))
}
