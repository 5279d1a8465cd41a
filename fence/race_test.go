package fence_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRace: sessions commit, in every way there is, while the apply workers are
// stopped and continued; whatever the source had shown is on the target after
// the wait. Two subscriptions are one fence.
func TestRace(t *testing.T) {
	for _, c := range []struct{ source, target, rounds int }{{15, 18, 30}, {11, 15, 12}, {10, 13, 12}} {
		t.Run(fmt.Sprint(c.source, c.target), func(t *testing.T) {
			if c.source != 15 {
				long(t, "further versions")
			}
			if testing.Short() {
				c.rounds = 5
			}
			p := newPair(t, server(t, c.source), server(t, c.target), ledgers)
			subscribe(t, p.source, p.target, "a", "")
			subscribe(t, p.source, p.target, "b", "")
			f := p.fence(t)
			stop := write(t, p.source)
			defer stop()
			defer hamper(t, p.target)()
			for round := range c.rounds {
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
	return stutter(t, workers(t, e))
}

// stutter stops processes and lets them go on, over and over.
func stutter(t *testing.T, pids []int) (stop func()) {
	t.Helper()
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
