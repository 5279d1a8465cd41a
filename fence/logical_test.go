package fence_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

const ledgers = `CREATE TABLE a (w int, n int, PRIMARY KEY (w, n)); CREATE TABLE b (w int, n int, PRIMARY KEY (w, n));`

// TestRace: sessions commit, in every way there is, while the apply workers are
// stopped and continued; whatever the source had shown is on the target after
// the wait. Two subscriptions are one fence.
func TestRace(t *testing.T) {
	rounds := 120
	if testing.Short() {
		rounds = 25
	}
	for _, majors := range [][2]int{{15, 18}, {11, 15}, {10, 13}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			p := newPair(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), ledgers)
			subscribe(t, p.source, p.target, "a", "")
			subscribe(t, p.source, p.target, "b", "")
			f := p.fence(t)
			stop := write(t, p.source)
			defer stop()
			defer hamper(t, p.target)()
			for round := range rounds {
				seen := highest(t, p.source)
				m := mark(t, f)
				if err := waits(t, f, m, 20*time.Second); err != nil {
					t.Fatal(err)
				}
				got := highest(t, p.target)
				for key, n := range seen {
					if got[key] < n {
						t.Fatalf("round %d: writer %s: the source had shown %d, the target shows %d behind the fence", round, key, n, got[key])
					}
				}
			}
		})
	}
}

// write lets sessions commit until the returned function is called: plainly,
// asynchronously, by savepoints, and by two-phase commit.
func write(t *testing.T, e *end) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w, script := range []string{
		"INSERT INTO a VALUES (0, %[1]d)",
		"SET synchronous_commit = off; INSERT INTO b VALUES (1, %[1]d)",
		"BEGIN; SAVEPOINT s; INSERT INTO a VALUES (2, %[1]d); RELEASE s; INSERT INTO b VALUES (2, %[1]d); COMMIT",
		"BEGIN; INSERT INTO a VALUES (3, %[1]d); PREPARE TRANSACTION '" + e.name + "'\nCOMMIT PREPARED '" + e.name + "'",
	} {
		conn := connect(t, e.cluster.URL(e.name))
		wg.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				for _, sql := range splitLines(fmt.Sprintf(script, n)) {
					if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
						if ctx.Err() == nil {
							t.Errorf("writer %d: %v", w, err)
						}
						return
					}
				}
				pause(ctx, time.Duration(w+1)*time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		// A cancelled writer may leave a prepared transaction, which would keep
		// the database from being dropped.
		clean := connect(t, e.cluster.URL(e.name))
		_, _ = clean.Exec(t.Context(), "ROLLBACK PREPARED '"+e.name+"'")
	}
}

func splitLines(script string) []string {
	for i := range script {
		if script[i] == '\n' {
			return []string{script[:i], script[i+1:]}
		}
	}
	return []string{script}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// highest is the last number of each writer that a database shows.
func highest(t *testing.T, e *end) map[string]int {
	t.Helper()
	rows, err := e.conn.Query(t.Context(), "SELECT 'a' || w, max(n) FROM a GROUP BY w UNION ALL SELECT 'b' || w, max(n) FROM b GROUP BY w")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[string]int{}
	for rows.Next() {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			t.Fatal(err)
		}
		seen[key] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// workers are the pids of a database's apply workers.
func workers(t *testing.T, e *end) []int {
	t.Helper()
	var pids []int
	for i := 0; ; i++ {
		pid, err := strconv.Atoi(e.ask(t, "SELECT pid FROM pg_stat_subscription WHERE pid IS NOT NULL AND relid IS NULL AND subid IN (SELECT oid FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY pid OFFSET "+strconv.Itoa(i)+" LIMIT 1"))
		if err != nil {
			return pids
		}
		pids = append(pids, pid)
	}
}

// hamper stops the apply workers and lets them go on, over and over.
func hamper(t *testing.T, e *end) (stop func()) {
	t.Helper()
	pids := workers(t, e)
	if len(pids) == 0 {
		t.Fatal("no apply worker to stop: the race would be none")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ctx.Err() == nil; n++ {
			pid := pids[n%len(pids)]
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			pause(ctx, time.Duration(n%7*4)*time.Millisecond)
			_ = syscall.Kill(pid, syscall.SIGCONT)
			pause(ctx, time.Duration(n%3*4)*time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// TestStoppedWorker: the log was sent, but nothing is applied: the fence holds,
// says so, and lets go once the worker goes on.
func TestStoppedWorker(t *testing.T) {
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a, b", "")
	f := p.fence(t)
	healthy(t, f)
	// A lock rather than a signal: the worker answers keepalives, and all was
	// sent to it, but the row waits.
	blocker := connect(t, p.target.cluster.URL(p.target.name))
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE a"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	m := mark(t, f)
	err := waits(t, f, m, time.Second)
	var stalled *fence.Stalled
	if !errors.As(err, &stalled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the worker is blocked, and the fence says: %v", err)
	}
	if stalled.Troubles[0].Kind != fence.Behind {
		t.Errorf("the trouble is %q: %v", stalled.Troubles[0].Kind, err)
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
}

// TestCancelledWait: a run that is interrupted is no stall.
func TestCancelledWait(t *testing.T) {
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	blocker := connect(t, p.target.cluster.URL(p.target.name))
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE a"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	m := mark(t, f)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the operator had enough")
	time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
	if err := f.Wait(ctx, m); !errors.Is(err, why) {
		t.Errorf("a cancelled wait of %s ended with %v", name, err)
	}
}

// TestAsynchronous: a commit that is visible before it is flushed lies before
// the mark all the same.
func TestAsynchronous(t *testing.T) {
	slow := pgcluster.SharedWith(t, "slow walwriter", pgcluster.Options{Major: 15, Settings: map[string]string{"wal_writer_delay": "1s"}})
	p := newPair(t, slow, pgcluster.Shared(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	p.source.exec(t, "SET synchronous_commit = off")
	for n := range 6 {
		p.source.exec(t, fmt.Sprintf("INSERT INTO a VALUES (1, %d)", n))
		pass(t, f)
		if got := p.target.ask(t, fmt.Sprintf("SELECT count(*) FROM a WHERE n = %d", n)); got != "1" {
			t.Fatalf("row %d was visible on the source and is not on the target behind the fence", n)
		}
	}
}

// TestIdleSwitch: on an idle source that switched its segment the position is
// just behind a header that nobody sends.
func TestIdleSwitch(t *testing.T) {
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	for range 3 {
		p.source.exec(t, "CREATE TABLE IF NOT EXISTS filler (n int)", "INSERT INTO filler VALUES (1)", "SELECT pg_switch_wal()")
		if took := pass(t, f); took > 5*time.Second {
			t.Errorf("the fence took %v after a switch of the segment", took)
		}
	}
}

// TestCover: what a subscription does not carry is told, by name and state, and
// so is a state that changed between two looks.
func TestCover(t *testing.T) {
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), ledgers,
		`CREATE TABLE parts (n int PRIMARY KEY) PARTITION BY RANGE (n)`, `CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)`,
		`CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)`)
	name := subscribe(t, p.source, p.target, "a, parts_1", "")
	f := p.fence(t)
	cover := func(tables ...string) fence.Cover {
		t.Helper()
		c, err := f.Cover(t.Context(), tables)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := cover("public.a")
	if len(before.Gaps) != 0 {
		t.Errorf("a is carried, and the gaps are %v", before.Gaps)
	}
	if gaps := cover("public.a", "public.b").Gaps; len(gaps) != 1 || gaps[0].Table != "public.b" || gaps[0].State != "" {
		t.Errorf("b is in no subscription, and the gaps are %v", gaps)
	}
	if gaps := cover("public.parts").Gaps; len(gaps) != 1 || gaps[0].Leaf != "public.parts_2" {
		t.Errorf("one partition is not carried, and the gaps are %v", gaps)
	}
	if gaps := cover("public.nowhere").Gaps; len(gaps) != 1 {
		t.Errorf("a table that does not exist has the gaps %v", gaps)
	}
	if !before.Same(cover("public.a")) {
		t.Error("nothing happened, and the covers are not the same")
	}
	// Taken out and put in again between two looks, the table was being copied.
	p.source.exec(t, "ALTER PUBLICATION "+name+" SET TABLE parts_1")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" REFRESH PUBLICATION")
	p.source.exec(t, "ALTER PUBLICATION "+name+" SET TABLE a, parts_1")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" REFRESH PUBLICATION")
	until(t, "it is copied again", func() bool { return unready(t, p.target) == 0 })
	if before.Same(cover("public.a")) {
		t.Error("the table was copied anew, and the covers are the same")
	}
}

// TestRoots: a root that is subscribed to carries its partitions.
func TestRoots(t *testing.T) {
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18),
		`CREATE TABLE parts (n int PRIMARY KEY) PARTITION BY RANGE (n)`, `CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)`)
	name := fmt.Sprintf("shop_%d", names.Add(1))
	p.source.exec(t, "CREATE PUBLICATION "+name+" FOR TABLE parts WITH (publish_via_partition_root)")
	p.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", name, p.source.cluster.URL(p.source.name)))
	until(t, "all is copied", func() bool { return unready(t, p.target) == 0 })
	c, err := p.fence(t).Cover(t.Context(), []string{"public.parts", "public.parts_1"})
	if err != nil || len(c.Gaps) != 0 {
		t.Errorf("the root is subscribed to, and the gaps are %v, %v", c.Gaps, err)
	}
}

// TestOrdinaryRole: detection, waiting and looking need no privilege.
func TestOrdinaryRole(t *testing.T) {
	for _, majors := range [][2]int{{15, 18}, {11, 15}, {10, 13}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			p := newPair(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), ledgers)
			subscribe(t, p.source, p.target, "a, b", "")
			var dbs []*postgres.DB
			for i, e := range []*end{p.source, p.target} {
				role := fmt.Sprintf("judge_%d", names.Add(1))
				e.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
				t.Cleanup(func() { _ = e.cluster.Exec(context.Background(), "postgres", "DROP ROLE "+role) })
				dbs = append(dbs, openDB(t, []postgres.Side{postgres.Source, postgres.Target}[i], e.cluster.UserURL(role, "secret", e.name)))
			}
			d := detect(t, fence.Options{Source: dbs[0], Target: dbs[1]})
			if len(d.Forward) != 1 {
				t.Fatalf("found %+v, others %q", d.Forward, d.Others)
			}
			contains(t, fmt.Sprint(d.Forward[0].Evidence), "GRANT SELECT (subconninfo)")
			f := made(t)(d.Fence())
			p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
			pass(t, f)
			if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
				t.Errorf("behind the fence the target has %s rows, want 1", got)
			}
			c, err := f.Cover(t.Context(), []string{"public.a"})
			if err != nil || len(c.Gaps) > 0 {
				t.Errorf("gaps %v, %v", c.Gaps, err)
			}
			b := made(t)(d.Barrier([]string{"public.a"}))
			pass(t, b)
		})
	}
}
