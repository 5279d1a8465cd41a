package soak_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/sampler"
)

// The tests in hole_*_test.go are the ways in which a comparison of a moving
// pair was once seen, or argued, to lie. Each makes its moment come by itself
// (a lock, a stopped process, a write between two statements of the run), and
// says what came of it without the rule that closes the hole.

// holePair is newPair between given clusters.
func holePair(t *testing.T, source, target *pgcluster.Cluster, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	p := &pair{source: newEnd(t, source, sql...), target: newEnd(t, target, definitions(sql)...)}
	p.subscribe(t)
	return p
}

// holeCluster is a source of its own, for tests that change what holds for all
// databases of a server.
func holeCluster(t *testing.T, name string) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.SharedWith(t, "hole "+name, pgcluster.Options{Major: 15, Settings: map[string]string{"wal_retrieve_retry_interval": "300ms"}})
}

// applied waits until the target has what the source has committed.
func (p *pair) applied(t *testing.T) {
	t.Helper()
	mark := p.source.ask(t, "pg_current_wal_lsn()")
	until(t, "the target has applied "+mark, func() bool {
		return p.source.ask(t, "SELECT confirmed_flush_lsn >= '"+mark+"'::pg_lsn FROM pg_replication_slots WHERE slot_name = '"+p.subscription+"'") == "true"
	})
}

// ranges asks for the content alone, without patience for rows that don't settle.
func ranges(settle time.Duration) func(*checker.Options) {
	return func(o *checker.Options) { o.Checks, o.Settle, o.Concurrency = []string{"ranges"}, settle, 1 }
}

// planned asks for a plan of the table "t", in small steps.
func planned(s sampler.Strategy, chunk int) func(*checker.Options) {
	return func(o *checker.Options) {
		o.Plans, o.ChunkRows = map[string]sampler.Strategy{"public.t": s}, chunk
	}
}

// meanwhile does something the first time that an event of a kind tells of the
// table "t". The run stands still in the meantime: with one worker it is between
// two statements on the source.
func meanwhile(kind checker.EventKind, do func()) func(*checker.Options) {
	var once sync.Once
	return func(o *checker.Options) {
		o.OnEvent = func(e checker.Event) {
			if e.Kind == kind && (e.Table == "public.t" || e.Table == "") {
				once.Do(do)
			}
		}
	}
}

// holeTable is a table's result.
func holeTable(t *testing.T, res *checker.Result, name string) checker.TableResult {
	t.Helper()
	i := slices.IndexFunc(res.Tables, func(r checker.TableResult) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no table %s in\n%s", name, told(res))
	}
	return res.Tables[i]
}

// found demands exactly these findings of the table "t": kind, key and columns.
func found(t *testing.T, res *checker.Result, want ...string) {
	t.Helper()
	tab := holeTable(t, res, "public.t")
	var got []string
	for _, f := range tab.Findings {
		got = append(got, strings.TrimSpace(fmt.Sprint(f.Kind, " ", f.Key["id"], " ", strings.Join(f.Columns, ","))))
	}
	if slices.Sort(got); !slices.Equal(got, want) || tab.FindingsTotal != int64(len(want)) {
		t.Errorf("%d findings %q, want %q\n%s", tab.FindingsTotal, got, want, told(res))
	}
	switch {
	case len(want) > 0 && res.Verdict != checker.Mismatch, len(want) == 0 && res.Verdict == checker.Mismatch:
		t.Errorf("the verdict is %s\n%s", res.Verdict, told(res))
	}
}

func wantMatch(t *testing.T, res *checker.Result) {
	t.Helper()
	if res.Verdict != checker.Match {
		t.Errorf("want match\n%s", told(res))
	}
}

// unsettled demands that the rows of "t" with these keys are what is open, for a
// reason that has all the words, and that nothing is accused.
func unsettled(t *testing.T, res *checker.Result, keys []string, words ...string) {
	t.Helper()
	found(t, res)
	tab := holeTable(t, res, "public.t")
	var got []string
	for _, u := range tab.Unsettled {
		got = append(got, u.Key["id"])
		for _, w := range words {
			if !strings.Contains(u.Why, w) {
				t.Errorf("row %s is open since %q, which does not say %q", u.Key["id"], u.Why, w)
			}
		}
	}
	if slices.Sort(got); !slices.Equal(got, keys) || tab.UnsettledTotal != int64(len(keys)) || res.Verdict != checker.Unproven {
		t.Errorf("%d unsettled rows %q, want %q\n%s", tab.UnsettledTotal, got, keys, told(res))
	}
}

// session is one that runs a statement in the background.
type session struct {
	pid  int
	done chan struct{}
}

// background runs a statement that may have to wait, in a session of its own.
func (e *end) background(t *testing.T, sql string) *session {
	t.Helper()
	conn := connect(t, e.url)
	s := &session{pid: int(conn.PgConn().PID()), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil && t.Context().Err() == nil {
			t.Errorf("%s: %v", sql, err)
		}
	}()
	t.Cleanup(func() { <-s.done })
	return s
}

// signal stops a server's process or lets it go on.
func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("%s to process %d: %v", s, pid, err)
	}
}

// synchronous makes commits of the source's cluster wait for a standby of a
// name, and gives what lets them go. The end's own session does not wait.
func synchronous(t *testing.T, e *end, standby string) (release func()) {
	t.Helper()
	e.exec(t, "SET synchronous_commit = local", "ALTER SYSTEM SET synchronous_standby_names = '\""+standby+"\"'", "SELECT pg_reload_conf()")
	release = sync.OnceFunc(func() {
		_, _ = e.conn.Exec(context.Background(), "ALTER SYSTEM RESET synchronous_standby_names")
		_, _ = e.conn.Exec(context.Background(), "SELECT pg_reload_conf()")
	})
	t.Cleanup(release)
	fresh := connect(t, e.url)
	until(t, "the setting has arrived", func() bool {
		var names string
		if err := fresh.QueryRow(t.Context(), "SELECT current_setting('synchronous_standby_names')").Scan(&names); err != nil {
			t.Fatal(err)
		}
		return names != ""
	})
	return release
}

// verifying runs a verify in the background.
func (p *pair) verifying(t *testing.T, change ...func(*checker.Options)) (wait func() *checker.Result) {
	t.Helper()
	results := make(chan *checker.Result, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(results)
		results <- p.verify(t, change...)
	})
	t.Cleanup(wg.Wait)
	return func() *checker.Result {
		res, ok := <-results
		if !ok {
			t.Fatal("the verify failed")
		}
		return res
	}
}
