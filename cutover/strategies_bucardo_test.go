//go:build unix

package cutover

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// bucardo is Debian's Bucardo, with a cluster for its control database.
type bucardo struct {
	cluster *pgcluster.Cluster
	dir     string
}

// newBucardo installs the control database. Where Bucardo, or the language it is
// written in, is not to be had for Debian's server, the test is skipped.
func newBucardo(t *testing.T) *bucardo {
	t.Helper()
	cluster := pgcluster.SharedWith(t, "bucardo", pgcluster.Options{Major: 15})
	control := &place{cluster: cluster, url: cluster.URL("postgres")}
	control.conn = connect(t, control.url)
	lacks := ""
	if _, err := exec.LookPath("bucardo"); err != nil {
		lacks = "the program bucardo"
	} else if control.ask(t, "SELECT count(*) FROM pg_available_extensions WHERE name = 'plperlu'") == "0" {
		lacks = "PL/Perl for the server in " + cluster.Binaries().BinDir
	}
	if lacks != "" {
		reason := lacks + " is not installed: scripts/test-deps.sh does it on Debian, whose server of major 15 has to be there"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip("skipped: " + reason)
	}
	b := &bucardo{cluster: cluster, dir: t.TempDir()}
	control.exec(t, "DROP DATABASE IF EXISTS bucardo", "DROP ROLE IF EXISTS bucardo", "CREATE ROLE bucardo SUPERUSER LOGIN PASSWORD 'bucardo'")
	b.run(t, "install", "--batch", "--dbuser=postgres", "--dbname=postgres")
	b.run(t, "set", "quick_delta_check=0", "bucardo_vac=0", "kid_sleep=0.02", "kid_nodeltarows_sleep=0.02", "ctl_sleep=0.02", "mcp_loop_sleep=0.05",
		"reason_file="+filepath.Join(b.dir, "reason"), "warning_file="+filepath.Join(b.dir, "warning"), "log_conflict_file="+filepath.Join(b.dir, "conflict"))
	return b
}

// command is the program with arguments, for a hook, which has neither an
// environment nor a directory of its own.
func (b *bucardo) command(args ...string) []string {
	given := strings.Join(args, " ")
	all := append([]string{"--no-bucardorc", "--dbhost=" + b.cluster.Host(), "--dbport=" + strconv.Itoa(b.cluster.Port()), "--piddir=" + b.dir, "--log-destination=" + b.dir}, args...)
	if !strings.Contains(given, "--dbuser") {
		all = append(all, "--dbuser=bucardo", "--dbname=bucardo")
	}
	return append([]string{"/usr/bin/env", "--chdir=" + b.dir, "HOME=" + b.dir, "PGPASSWORD=bucardo", "PGBINDIR=" + b.cluster.Binaries().BinDir, "bucardo"}, all...)
}

func (b *bucardo) run(t *testing.T, args ...string) {
	t.Helper()
	words := b.command(args...)
	if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("bucardo %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// start runs the daemon until the test ends: a shell that outlives us tells it to
// stop, however we end.
func (b *bucardo) start(t *testing.T) {
	t.Helper()
	b.run(t, "start", "--quiet")
	keeper := exec.Command("/bin/sh", "-c", `cat >/dev/null; echo stopped >"$1/fullstopbucardo"`, "bucardo-keeper", b.dir)
	in, err := keeper.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := keeper.Wait(); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(10 * time.Second); len(b.pids()) > 0; rest(context.Background(), 20*time.Millisecond) {
			if time.Now().Before(deadline) {
				continue
			}
			for _, pid := range b.pids() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			t.Error("Bucardo did not end")
		}
	})
}

// pids are the daemon's processes, by the files it leaves for each.
func (b *bucardo) pids() (pids []int) {
	files, _ := filepath.Glob(filepath.Join(b.dir, "bucardo.*.pid"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it ended just now
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestBucardo: another tool's replication is waited for by its own fence, and
// stopped, started again and removed by hooks. It is a client of the source, and
// at work when the clients' sessions are ended: its own are spared until it is
// stopped.
func TestBucardo(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id serial PRIMARY KEY, w text)`)
	b := newBucardo(t)
	for name, p := range map[string]*place{"near": w.source, "far": w.target} {
		b.run(t, "add", "db", name, "dbname="+p.database(), "dbhost="+p.cluster.Host(), "dbport="+strconv.Itoa(p.cluster.Port()), "dbuser=postgres")
	}
	b.run(t, "add", "dbgroup", "shop", "near:source", "far:target")
	b.run(t, "add", "sync", "orders", "tables=public.a", "dbs=shop")
	b.start(t)
	w.source.exec(t, `INSERT INTO a (w) SELECT 'w' || i FROM generate_series(1, 100) i`)
	arrived := func() bool {
		wanted := w.source.ask(t, "SELECT max(id) FROM a")
		for range 10 {
			if w.target.ask(t, "SELECT max(id) FROM a") == wanted {
				return true
			}
			rest(t.Context(), 10*time.Millisecond)
		}
		return false
	}
	until(t, "Bucardo copies", arrived)

	o := w.options(t)
	o.point = func(id string) {
		if id == "before freeze-limit" {
			if err := w.source.cluster.Exec(t.Context(), w.source.database(), `INSERT INTO a (w) SELECT 'late' FROM generate_series(1, 5000)`); err != nil {
				t.Error(err)
			}
		}
	}
	o.Hooks = []Hook{
		{Name: "stop", When: OnStop, Exec: b.command("deactivate", "orders"), Timeout: 10 * time.Second},
		{Name: "stop badly", When: OnStop, Exec: []string{"/bin/false"}, Timeout: time.Second},
		{Name: "start", When: OnStart, Exec: b.command("activate", "orders"), Timeout: 10 * time.Second},
		{Name: "remove", When: OnRemove, Exec: b.command("remove", "sync", "orders"), Timeout: 10 * time.Second},
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, "\n"), "stop badly") {
		t.Fatalf("%s: %s", r.Outcome, strings.Join(r.Reasons, "\n"))
	}
	w.untouched(t)
	until(t, "Bucardo copies again", func() bool { // it hears of what is written once it listens
		w.source.exec(t, `INSERT INTO a (w) VALUES ('replicated still')`)
		return arrived()
	})

	o.Hooks = append(o.Hooks[:1:1], o.Hooks[2:]...)
	r, err = Run(t.Context(), o)
	succeed(t, r, err)
	if r.Strategy != Tool {
		t.Errorf("strategy %s", r.Strategy)
	}
	w.switchedTo(t, w.target, w.source)
	if !arrived() {
		t.Error("rows are missing")
	}
	w.target.exec(t, `INSERT INTO a (w) VALUES ('new')`)
	r, err = Finalize(t.Context(), o)
	succeed(t, r, err)
	control := &place{cluster: b.cluster, url: b.cluster.URL("bucardo")}
	control.conn = connect(t, control.url)
	if n := control.ask(t, "SELECT count(*) FROM bucardo.sync"); n != "0" {
		t.Errorf("%s syncs are left", n)
	}
}
