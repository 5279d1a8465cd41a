package soak_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// aheadTable has a hundred rows of which the tests change the first and the third
// and add one.
var aheadTable = []string{"CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'old' FROM generate_series(1, 100) i"}

var aheadChanges = []string{"UPDATE t SET v = 'new' WHERE id = 1", "INSERT INTO t VALUES (1001, 'new')", "DELETE FROM t WHERE id = 3"}

// aheadShows tells what a side has of the three changes.
const aheadShows = "SELECT string_agg(id || v, ' ' ORDER BY id) FROM t WHERE id IN (1, 3, 1001)"

const aheadOld, aheadNew = "1old 3old", "1new 1001new"

// TestHoleUnansweredStandby: a commit is sent to those who follow once it is
// flushed, but the source itself shows it only when its synchronous standby has
// answered, here one that doesn't exist. Without the barrier between a reading of
// the target and the next one of the source, an update, an insert and a delete
// were each accused: the source showed the same old row version twice around a
// target that was ahead.
func TestHoleUnansweredStandby(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster of its own: runs without -short")
	}
	p := holePair(t, holeCluster(t, "synchronous"), server(t, 18), aheadTable...)
	release := synchronous(t, p.source, "nobody")
	var pids []string
	for _, sql := range aheadChanges {
		pids = append(pids, fmt.Sprint(p.source.background(t, sql).pid))
	}
	until(t, "the target is ahead", func() bool { return p.target.ask(t, aheadShows) == aheadNew })
	if got := p.source.ask(t, aheadShows); got != aheadOld {
		t.Fatalf("the source shows %q: nothing is tested", got)
	}
	unsettled(t, p.verify(t, ranges(time.Second)), []string{"1", "1001", "3"}, append(pids, "visible on the source")...)

	result := p.verifying(t, ranges(30*time.Second))
	until(t, "the barrier waits", func() bool {
		return p.source.ask(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pgparity%' AND query LIKE '%virtualtransaction%'") != "0"
	})
	release()
	wantMatch(t, result())
}

// TestHoleSubscriptionIsSynchronous: the subscription is itself the synchronous
// standby, so the target always has a commit before the source shows it; here the
// session that commits gets no processor time after the answer. Without the
// barrier each such row was accused, although the fence had been passed.
func TestHoleSubscriptionIsSynchronous(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster of its own: runs without -short")
	}
	p := holePair(t, holeCluster(t, "synchronous"), server(t, 18), aheadTable...)
	worker, err := strconv.Atoi(p.target.ask(t, "SELECT pid FROM pg_stat_subscription WHERE relid IS NULL AND subname = '"+p.subscription+"'"))
	if err != nil {
		t.Fatal(err)
	}
	// 1. The worker is stopped, so that the sessions are caught while they wait.
	signal(t, worker, syscall.SIGSTOP)
	t.Cleanup(func() { _ = syscall.Kill(worker, syscall.SIGCONT) })
	release := synchronous(t, p.source, p.subscription)
	var sessions []*session
	for _, sql := range aheadChanges {
		s := p.source.background(t, sql)
		t.Cleanup(func() { _ = syscall.Kill(s.pid, syscall.SIGCONT) })
		until(t, "it waits for the subscription", func() bool {
			return p.source.ask(t, fmt.Sprintf("SELECT wait_event FROM pg_stat_activity WHERE pid = %d", s.pid)) == "SyncRep"
		})
		signal(t, s.pid, syscall.SIGSTOP)
		sessions = append(sessions, s)
	}
	// 2. The worker answers, and nobody hears it.
	signal(t, worker, syscall.SIGCONT)
	p.applied(t)
	if source, target := p.source.ask(t, aheadShows), p.target.ask(t, aheadShows); source != aheadOld || target != aheadNew {
		t.Fatalf("the source shows %q, the target %q: nothing is tested", source, target)
	}
	var pids []string
	for _, s := range sessions {
		pids = append(pids, fmt.Sprint(s.pid))
	}
	unsettled(t, p.verify(t, ranges(time.Second)), []string{"1", "1001", "3"}, append(pids, "visible on the source")...)
	for _, s := range sessions {
		signal(t, s.pid, syscall.SIGCONT)
		<-s.done
	}
	wantMatch(t, p.verify(t, ranges(20*time.Second)))

	// 3. The same as luck has it, under load.
	stop := toggle(t, p.source.url, 3, 20)
	for range 2 {
		found(t, p.verify(t, ranges(2*time.Second)))
	}
	if n := stop(); n < 20 {
		t.Errorf("%d toggles: that was no load", n)
	}
	release()
}

// TestHoleLongWriter: a batch job keeps a transaction open that writes to the
// table. The barrier is not passed, and still a row that was lost is a finding
// where the job has not touched it; one that it has touched is unsettled.
func TestHoleLongWriter(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	p := newPair(t, 15, 18, aheadTable...)
	job := connect(t, p.source.url)
	for _, sql := range []string{"BEGIN", "UPDATE t SET v = 'new' WHERE id = 7"} {
		if _, err := job.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	p.source.exec(t, "UPDATE t SET v = 'new' WHERE id = 8") // what commits flushes what the job has written
	p.target.exec(t, "DELETE FROM t WHERE id IN (7, 34)")
	res := p.verify(t, ranges(time.Second))
	found(t, res, "missing 34")
	if open := holeTable(t, res, "public.t").Unsettled; len(open) != 1 || open[0].Key["id"] != "7" || !strings.Contains(open[0].Why, "visible on the source") {
		t.Errorf("want row 7 unsettled\n%s", told(res))
	}
	began := time.Now()
	res = p.verify(t, ranges(time.Second), func(o *checker.Options) { o.Checks = []string{"counts"} })
	if took := time.Since(began); res.Verdict != checker.Unproven || took > 20*time.Second {
		t.Errorf("counts beside a writer: want unproven after the time to settle, it took %s\n%s", took, told(res))
	}
	if _, err := job.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	found(t, p.verify(t, ranges(10*time.Second)), "missing 34", "missing 7")
}

// TestHoleStandbySource: the source is a hot standby. Its writers are on the
// primary, so that no lock there tells of them, and its replay may be behind the
// target. With the barrier of a primary in its place each row that the standby
// had not replayed yet was accused. Without the primary nothing can be proved.
func TestHoleStandbySource(t *testing.T) {
	if testing.Short() {
		t.Skip("a primary and a standby of its own: runs without -short")
	}
	primary := holeCluster(t, "primary")
	p := holePair(t, primary, server(t, 18), aheadTable...)
	s := standbyEnd(t, primary, p.source.name, map[string]string{"hot_standby_feedback": "on", "max_standby_streaming_delay": "30s"})
	read := &pair{source: s, target: p.target, subscription: p.subscription}
	db := open(t, postgres.Source, p.source.url)
	defer db.Close()
	with := func(o *checker.Options) { o.SourcePrimary = db }

	source, target := open(t, postgres.Source, s.url), open(t, postgres.Target, p.target.url)
	defer source.Close()
	defer target.Close()
	_, err := checker.Run(t.Context(), source, target, checker.Options{Checks: []string{"ranges"}, Settle: time.Second})
	var mistake *checker.OperatorError
	if !errors.Is(err, fence.ErrNoPrimary) || !errors.As(err, &mistake) || !strings.Contains(fmt.Sprint(err), "--source-primary") {
		t.Errorf("without the primary: %v", err)
	}
	replayed := func() bool {
		return s.ask(t, "SELECT pg_last_wal_replay_lsn() >= '"+p.source.ask(t, "pg_current_wal_lsn()")+"'::pg_lsn") == "true"
	}
	until(t, "the standby has replayed it all", replayed)
	wantMatch(t, read.verify(t, ranges(20*time.Second), with))

	ahead := meanwhile(checker.RunPlanned, func() { // X0 has been waited for
		s.exec(t, "SELECT pg_wal_replay_pause()")
		until(t, "replay is paused", func() bool { return s.ask(t, "pg_get_wal_replay_pause_state()") == "paused" })
		p.source.exec(t, aheadChanges...)
		p.applied(t)
		if source, target := s.ask(t, aheadShows), p.target.ask(t, aheadShows); source != aheadOld || target != aheadNew {
			t.Errorf("the standby shows %q, the target %q: nothing is tested", source, target)
		}
	})
	unsettled(t, read.verify(t, ranges(time.Second), with, ahead), []string{"1", "1001", "3"}, "replay is paused")
	s.exec(t, "SELECT pg_wal_replay_resume()")

	stop := toggle(t, p.source.url, 2, 20)
	found(t, read.verify(t, ranges(2*time.Second), with))
	p.target.exec(t, "UPDATE t SET v = 'damaged' WHERE id = 50", "DELETE FROM t WHERE id = 51", "INSERT INTO t VALUES (-1, 'extra')")
	res := read.verify(t, ranges(2*time.Second), with)
	if n := stop(); n < 20 {
		t.Errorf("%d toggles: that was no load", n)
	}
	found(t, res, "different 50 v", "extra -1", "missing 51")
}
