//go:build unix

package checker_test

import (
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

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// poolSize is how many server connections the pooler keeps for each database:
// fewer than the run has clients.
const poolSize = 2

// newPooler starts a PgBouncer in transaction mode in front of databases and
// returns their URLs through it. It cleans no session up between two clients.
func newPooler(t *testing.T, urls ...string) []string {
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
	port := freePort(t)
	var ini strings.Builder
	ini.WriteString("[databases]\n")
	var through []string
	for _, raw := range urls {
		u, _ := url.Parse(raw) // of TestDB
		name := strings.TrimPrefix(u.Path, "/")
		fmt.Fprintf(&ini, "%s = host=%s port=%s dbname=%s\n", name, u.Hostname(), u.Port(), name)
		u.Host = net.JoinHostPort("127.0.0.1", port)
		through = append(through, u.String())
	}
	fmt.Fprintf(&ini, `[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s/users
pool_mode = transaction
default_pool_size = %d
server_reset_query =
`, port, dir, poolSize)
	if version, _ := exec.Command(bin, "--version").Output(); knowsPrepared(string(version)) {
		ini.WriteString("max_prepared_statements = 0\n")
	}
	cmd := exec.Command(bin, filepath.Join(dir, "ini"))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	write(t, filepath.Join(dir, "ini"), ini.String())
	write(t, filepath.Join(dir, "users"), "\"postgres\" \"\"\n")
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
	eventually(t, "pgbouncer takes connections", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return through
}

// knowsPrepared tells whether a PgBouncer has max_prepared_statements, which
// came with 1.21.
func knowsPrepared(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "PgBouncer %d.%d", &major, &minor)
	return err == nil && (major > 1 || minor >= 21)
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // holds no secret
		t.Fatal(err)
	}
}

// TestThroughPgBouncer: in transaction mode every transaction may meet another
// server connection, which other clients use in between. Both verdicts come
// out, and the others find their sessions as they were.
func TestThroughPgBouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: a pooler of its own, three whole runs; run without -short")
	}
	world := []string{
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Tokyo''', current_database());
  EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_temp', current_database()); END $$`,
		`CREATE TABLE moments (id int PRIMARY KEY, at timestamptz, label text); INSERT INTO moments SELECT g, '2024-05-06 07:08+00'::timestamptz + g * interval '1 hour', 'é' || g FROM generate_series(1, 3000) g`,
		`CREATE TABLE keyless (a int, b text); INSERT INTO keyless SELECT g % 5, 'b' FROM generate_series(1, 300) g`,
		`CREATE SEQUENCE tickets`, `ANALYZE`,
	}
	old, recent := pgcluster.Shared(t, 15), pgcluster.Shared(t, 18)
	urls := newPooler(t, old.TestDB(t, world...), recent.TestDB(t, world...),
		recent.TestDB(t, append(world, `UPDATE moments SET at = at + interval '1 us' WHERE id = 99`)...))
	source, equal, damaged := urls[0], urls[1], urls[2]
	before := map[string][]string{source: poolSettings(t, source), equal: poolSettings(t, equal)}
	for _, c := range []struct {
		target string
		want   checker.Verdict
	}{{equal, checker.Match}, {damaged, checker.Mismatch}, {equal, checker.Match}} {
		o := defaults()
		o.Concurrency, o.ChunkRows = 2*poolSize, 300
		var dbs [2]*postgres.DB
		for i, u := range []string{source, c.target} {
			var err error
			dbs[i], err = postgres.Open(t.Context(), postgres.Options{Side: []postgres.Side{postgres.Source, postgres.Target}[i], URL: u, MaxConns: 2 * poolSize, Run: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer dbs[i].Close()
		}
		res, err := checker.Run(t.Context(), dbs[0], dbs[1], o)
		if err != nil {
			t.Fatal(err)
		}
		if res.Verdict != c.want {
			t.Errorf("%s, want %s: %q", res.Verdict, c.want, res.Reasons)
		}
		if c.want == checker.Mismatch && table(res, "public.moments").FindingsTotal != 1 {
			t.Errorf("findings %v", table(res, "public.moments").Findings)
		}
		if chunks := table(res, "public.moments").Chunks.Planned; chunks < 2*poolSize {
			t.Errorf("%d units: too few to keep %d clients busy", chunks, 2*poolSize)
		}
	}
	for u, was := range before {
		for i, is := range poolSettings(t, u) {
			if diff := cmp.Diff(strings.Split(was[i], "\n"), strings.Split(is, "\n")); diff != "" {
				t.Errorf("a session of the pool changed (-before +after):\n%s", diff)
			}
			if !strings.Contains(is, "TimeZone=Asia/Tokyo") {
				t.Errorf("a session of the pool lost its time zone:\n%s", is)
			}
		}
	}
}

// poolSettings reads all settings of every server connection of a pool, by
// holding a transaction in each.
func poolSettings(t *testing.T, poolURL string) []string {
	t.Helper()
	config, err := pgx.ParseConfig(poolURL)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	var all []string
	for range poolSize {
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		must(t, conn, "BEGIN")
		all = append(all, queryText(t, conn, `SELECT string_agg(name || '=' || setting, E'\n' ORDER BY name) FROM pg_settings
WHERE name NOT IN ('application_name', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable', 'in_hot_standby')`))
		if n := queryInt(t, conn, `SELECT count(*) FROM pg_prepared_statements`); n > 0 {
			t.Errorf("a session of the pool holds %d prepared statements", n)
		}
	}
	return all
}
