package fence_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// bucardo is Debian's Bucardo with its control database in a cluster of its own,
// all its files under dir.
type bucardo struct {
	cluster *pgcluster.Cluster
	dir     string
}

// newBucardo installs the control database. Where Bucardo, or the language it is
// written in, is not to be had for Debian's server, the test is skipped.
func newBucardo(t *testing.T) *bucardo {
	t.Helper()
	long(t, "installs Bucardo")
	cluster := pgcluster.SharedWith(t, "bucardo", pgcluster.Options{Major: 15})
	lacks := ""
	if _, err := exec.LookPath("bucardo"); err != nil {
		lacks = "the program bucardo"
	} else if ask(t, connect(t, cluster.URL("postgres")), "SELECT count(*) FROM pg_available_extensions WHERE name = 'plperlu'") == "0" {
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
	if err := cluster.Exec(t.Context(), "postgres", "DROP DATABASE IF EXISTS bucardo", "DROP ROLE IF EXISTS bucardo",
		"CREATE ROLE bucardo SUPERUSER LOGIN PASSWORD 'bucardo'"); err != nil {
		t.Fatal(err) // a role of its own, or the program writes a password into a file
	}
	b.run(t, "install", "--batch", "--dbuser=postgres", "--dbname=postgres")
	// It looks for work every half a second otherwise. Its quick check is quadratic,
	// and the tests purge themselves.
	b.run(t, "set", "quick_delta_check=0", "bucardo_vac=0", "kid_sleep=0.02", "kid_nodeltarows_sleep=0.02", "ctl_sleep=0.02", "mcp_loop_sleep=0.05",
		"reason_file="+filepath.Join(b.dir, "reason"), "warning_file="+filepath.Join(b.dir, "warning"), "log_conflict_file="+filepath.Join(b.dir, "conflict"))
	return b
}

// run runs the program against the control database.
func (b *bucardo) run(t *testing.T, args ...string) string {
	t.Helper()
	given := strings.Join(args, " ")
	args = append([]string{"--no-bucardorc", "--dbhost=" + b.cluster.Host(), "--dbport=" + strconv.Itoa(b.cluster.Port()),
		"--piddir=" + b.dir, "--log-destination=" + b.dir}, args...)
	if !strings.Contains(given, "--dbuser") {
		args = append(args, "--dbuser=bucardo", "--dbname=bucardo")
	}
	cmd := exec.CommandContext(t.Context(), "bucardo", args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "HOME="+b.dir, "PGPASSWORD=bucardo", "PGBINDIR="+b.cluster.Binaries().BinDir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("bucardo %s: %v: %s", given, err, out)
	}
	return string(out)
}

// add names a database for Bucardo.
func (b *bucardo) add(t *testing.T, name string, e *end) {
	t.Helper()
	u, err := url.Parse(e.cluster.URL(e.name))
	if err != nil {
		t.Fatal(err)
	}
	b.run(t, "add", "db", name, "dbname="+e.name, "dbhost="+u.Hostname(), "dbport="+u.Port(), "dbuser=postgres")
}

// start runs the daemon until the test ends or stop is called. It takes itself
// out of our process group: a shell that outlives us tells it to stop, however
// we end.
func (b *bucardo) start(t *testing.T) (stop func()) {
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
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = in.(io.Closer).Close()
		if err := keeper.Wait(); err != nil {
			t.Error(err)
		}
		b.gone(t)
	}
	t.Cleanup(stop)
	return stop
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

// gone waits for the daemon's end, and makes an end where it is late.
func (b *bucardo) gone(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for len(b.pids()) > 0 && ctx.Err() == nil {
		pause(ctx, 20*time.Millisecond)
	}
	for _, pid := range b.pids() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		t.Errorf("Bucardo's process %d did not end:\n%s", pid, b.log())
	}
}

// freeze stops the process that copies for a sync, wherever it is, and gives what
// lets it go on.
func (b *bucardo) freeze(t *testing.T, sync string) (release func()) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "bucardo.kid.sync."+sync+".pid"))
	if err != nil {
		t.Error(err)
		return func() {}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		t.Error(err)
	}
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}

// hold stops it between two runs, where it has no lock that a TRUNCATE would
// wait for.
func (b *bucardo) hold(t *testing.T, sync string, source *end) (release func()) {
	t.Helper()
	until(t, "Bucardo is between two runs", func() bool {
		release = b.freeze(t, sync)
		if source.ask(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'bucardo KID%' AND state <> 'idle'") == "0" {
			return true
		}
		release()
		return false
	})
	t.Cleanup(release)
	return release
}

func (b *bucardo) log() string {
	text, _ := os.ReadFile(filepath.Join(b.dir, "log.bucardo"))
	return string(text)
}

func tableIs(name string) func(postgres.TableState) bool {
	return func(s postgres.TableState) bool { return s.Table == name }
}
