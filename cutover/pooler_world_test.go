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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/postgres"
)

// bounce is a PgBouncer that a test has started.
type bounce struct {
	bin, port, file, log string
	as                   *syscall.Credential
	process              *exec.Cmd
}

// newBounce starts a PgBouncer in transaction mode whose [databases] has lines.
// settings are added to its [pgbouncer].
func newBounce(t *testing.T, lines string, settings ...string) *bounce {
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
	dir, err := os.MkdirTemp("", "pgparity-pooler-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bounce{port: freePort(t), file: filepath.Join(dir, "pgbouncer.ini"), log: filepath.Join(dir, "log")}
	ini := fmt.Sprintf(`[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s/users
pool_mode = transaction
server_login_retry = 1
admin_users = postgres
stats_users = looker
%s
; where it leads
[databases]
%s`, b.port, dir, strings.Join(settings, "\n"), lines)
	writeFile(t, b.file, ini)
	writeFile(t, filepath.Join(dir, "users"), "\"postgres\" \"\"\n\"looker\" \"\"\n")
	if os.Getuid() == 0 { // it refuses to run as root; a server does too, whose socket it uses
		u, err := user.Lookup("postgres")
		if err != nil {
			u, err = user.Lookup("nobody")
		}
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		b.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(b.file, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user reads it, and it holds no secret
			t.Fatal(err)
		}
	}
	b.bin = bin
	b.start(t)
	t.Cleanup(func() {
		b.kill()
		if text, _ := os.ReadFile(b.log); t.Failed() {
			t.Logf("pgbouncer %s:\n%s", b.port, text)
		}
	})
	return b
}

// start starts it, once more after kill.
func (b *bounce) start(t *testing.T) {
	t.Helper()
	out, err := os.OpenFile(b.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b.process = exec.Command(b.bin, b.file)
	b.process.Stdout, b.process.Stderr = out, out
	b.process.SysProcAttr = &syscall.SysProcAttr{Credential: b.as}
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "pgbouncer takes connections", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+b.port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (b *bounce) kill() {
	_ = b.process.Process.Kill()
	_ = b.process.Wait()
}

// url is how a client reaches an entry of it.
func (b *bounce) url(user, entry string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%s/%s?sslmode=disable", user, b.port, entry)
}

// pooler is it as a switch is told of it.
func (b *bounce) pooler(name string, entries ...string) Pooler {
	return Pooler{Name: name, Admin: b.url("postgres", "pgbouncer"), Databases: entries}
}

// console says something to its admin console.
func (b *bounce) console(t *testing.T, commands ...string) {
	t.Helper()
	conn := b.client(t, "pgbouncer")
	for _, c := range commands {
		if _, err := conn.PgConn().Exec(t.Context(), c).ReadAll(); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
}

// client connects to an entry.
func (b *bounce) client(t *testing.T, entry string) *pgx.Conn {
	t.Helper()
	c, err := pgx.ParseConfig(b.url("postgres", entry))
	if err != nil {
		t.Fatal(err)
	}
	c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// entry is what it says of an entry.
func (b *bounce) entry(t *testing.T, name string) postgres.PooledDatabase {
	t.Helper()
	c, err := postgres.OpenConsole(t.Context(), "test", b.url("postgres", "pgbouncer"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.Databases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("there is no entry %s in %+v", name, list)
	return postgres.PooledDatabase{}
}

func (b *bounce) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // holds no secret
		t.Fatal(err)
	}
}

// settings are a database of a test as an entry of a PgBouncer has it.
func entrySettings(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("host=%s port=%s dbname=%s", u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/"))
}

// pooled is a run on a pair of databases, with poolers before it.
func pooled(t *testing.T, w *world, list ...Pooler) *run {
	t.Helper()
	o := w.options(t)
	o.Poolers = list
	r := w.open(t, o)
	j, err := openJournal(o.Journal)
	if err != nil {
		t.Fatal(err)
	}
	r.journal = j
	t.Cleanup(func() { j.close(); r.closePoolers() })
	return r
}

// within bounds a part of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("not within %v", d))
	t.Cleanup(cancel)
	return ctx
}

// servers are the backends that it is connected to.
func (b *bounce) servers(t *testing.T) (pids string) {
	t.Helper()
	c, err := postgres.OpenConsole(t.Context(), "test", b.url("postgres", "pgbouncer"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.Servers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		pids += s.PID + " "
	}
	return pids
}

// writeScript makes a program of a shell script.
func writeScript(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hook.sh")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return name
}
