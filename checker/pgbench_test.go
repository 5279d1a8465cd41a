package checker_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// busyServer is a server of its own on which pgbench can run: what is counted
// there is the whole server's.
func busyServer(t *testing.T) *pgcluster.Cluster {
	t.Helper()
	c := pgcluster.SharedWith(t, "busy 15", pgcluster.Options{Major: 15, Settings: map[string]string{"autovacuum": "off"}})
	if _, err := exec.LookPath(c.Binaries().Path("pgbench")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("skipped: %v: the server comes without it", err)
	}
	return c
}

// pgbench runs until it ends by itself or the returned function ends it.
func pgbench(t *testing.T, c *pgcluster.Cluster, url string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, c.Binaries().Path("pgbench"), append(args, url)...)
	cmd.Env = append(os.Environ(), c.Binaries().Env()...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ended sync.Once
	stop = func() {
		ended.Do(func() {
			cancel()
			var exit *exec.ExitError
			if err := cmd.Wait(); err != nil && (!errors.As(err, &exit) || exit.Exited()) {
				t.Errorf("pgbench: %v: %s", err, out.String())
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// load is what pgbench's clients do: they write, and are within a statement
// nearly all the time without using the machine up.
const load = `\set id random(1, 10)
UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = :id;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;
SELECT pg_sleep(0.05);
`

// busyPair is a database that pgbench writes to, with a large table that it
// does not touch, and an equal copy of that.
func busyPair(t *testing.T, c *pgcluster.Cluster) (source, target, script string) {
	t.Helper()
	rows := 20_000
	if testing.Short() {
		rows = 15_000
	}
	made := slowTable{columns: `n int, v text`, key: `g`}.make(rows, lies[1].sql, false)
	source = c.TestDB(t, append(made,
		`CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, tbalance int) WITH (fillfactor = 10); INSERT INTO pgbench_tellers SELECT g, 0 FROM generate_series(1, 10) g`,
		`CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int) WITH (fillfactor = 10); INSERT INTO pgbench_branches VALUES (1, 0)`)...)
	script = filepath.Join(t.TempDir(), "load.sql")
	write(t, script, load)
	return source, pgcluster.Shared(t, 18).TestDB(t, made...), script
}

// slowOnly are options that compare the table that pgbench does not touch.
func slowOnly() checker.Options {
	o := defaults()
	o.Pairing.Filter.Tables = []string{"slow"}
	return o
}

// TestVacuumIsNotHeldBack: while a table is read for long, none of the run's
// transactions is older than the budget, and no snapshot: what pgbench's clients
// leave behind can be cleaned up at once.
func TestVacuumIsNotHeldBack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const budget = 30 * time.Millisecond
	server := busyServer(t)
	source, target, script := busyPair(t, server)
	stop := pgbench(t, server, source, "--no-vacuum", "--client=4", "--jobs=1", "--time=60", "--file="+script)
	defer stop()

	watcher := connect(t, source)
	ctx, cancel := context.WithCancel(t.Context())
	var oldest, looks, busy int64
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			var seen, age int64
			err := watcher.QueryRow(ctx, `SELECT count(*), coalesce(max(1000 * extract(epoch FROM clock_timestamp() - xact_start)), 0)::int8
FROM pg_stat_activity WHERE application_name = 'pgparity' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND query LIKE '/* pgparity run=% public.slow%'`).Scan(&seen, &age)
			if err != nil {
				return
			}
			looks++
			oldest, busy = max(oldest, age), busy+min(seen, 1)
		}
	})
	o := slowOnly()
	o.Budget = budget
	res := verify(t, source, target, o)
	cancel()
	work.Wait()
	if tab := table(res, "public.slow"); res.Verdict != checker.Match || tab.Verdict != checker.Match {
		t.Errorf("%s: %q", res.Verdict, res.Reasons)
	}
	t.Logf("%d looks, %d with a snapshot of the run, the oldest transaction with one was %d ms old", looks, busy, oldest)
	if busy < 10 {
		t.Errorf("a snapshot of the run was seen in %d of %d looks: this shows nothing", busy, looks)
	}
	if limit := (budget + 2*margin).Milliseconds(); oldest > limit {
		t.Errorf("a transaction with a snapshot was %d ms old, more than %d", oldest, limit)
	}
}

// TestGuardBesidePgbench: with more active sessions than it may see, a run
// begins no statement; when pgbench ends, it goes on and proves what it was
// asked to.
func TestGuardBesidePgbench(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	server := busyServer(t)
	source, target, script := busyPair(t, server)
	stop := pgbench(t, server, source, "--no-vacuum", "--client=6", "--jobs=1", "--time=60", "--file="+script)
	defer stop()
	watcher := connect(t, source)
	eventually(t, "pgbench is at work", func() bool {
		return queryInt(t, watcher, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND state = 'active'`) >= 4
	})
	mark := markLog(t, server, source)
	var held, released int
	began := make(chan struct{})
	o := slowOnly()
	o.Budget, o.Guard = 100*time.Millisecond, checker.Guard{MaxActive: 1, Every: 50 * time.Millisecond}
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.Released {
			released++
		}
		if e.Kind != checker.Held {
			return
		}
		if held++; held == 1 {
			close(began)
		}
	}
	var whileHeld int
	var work sync.WaitGroup
	work.Go(func() {
		select {
		case <-began:
		case <-time.After(10 * time.Second):
			t.Error("nothing held the run back")
		}
		<-time.After(300 * time.Millisecond) // that nothing begins takes some time to see
		done, _ := mark.since(t)
		whileHeld = len(done)
		stop()
	})
	res := verify(t, source, target, o)
	work.Wait()
	if whileHeld > 0 {
		t.Errorf("%d statements on the table were done while the run was held back", whileHeld)
	}
	if done, _ := mark.since(t); len(done) == 0 || released == 0 {
		t.Errorf("%d statements, held back %d times, released %d times", len(done), held, released)
	}
	if res.Verdict != checker.Match || !contains(res.Notes, "held back for ") || !contains(res.Notes, "active sessions (limit 1)") {
		t.Errorf("%s: %q, notes %q", res.Verdict, res.Reasons, res.Notes)
	}
}
