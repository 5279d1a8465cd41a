package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// seconds skips under -short what takes seconds.
func seconds(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
}

// pass lets time go by for those that wait.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// mustNotMatch: the pair differs, by now and since before the run.
func mustNotMatch(t *testing.T, res *checker.Result) {
	t.Helper()
	if res.Verdict == checker.Match {
		t.Errorf("a false match\n%s", told(res))
	}
}

// TestLieCopiesDelete: no key, the target lacks one of two equal rows. One of the source's is deleted between its
// reading and the target's getting it: no row is young.
func TestLieCopiesDelete(t *testing.T) {
	seconds(t)
	p := newPair(t, 15, 18, "CREATE TABLE t (v text); ALTER TABLE t REPLICA IDENTITY FULL",
		"INSERT INTO t SELECT 'row ' || i FROM generate_series(1, 100) i", "INSERT INTO t VALUES ('twice'), ('twice')")
	p.target.exec(t, "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE v = 'twice')") // the damage
	locker := connect(t, p.target.url)
	remove := func() {
		if _, err := locker.Exec(t.Context(), "BEGIN; LOCK TABLE t IN SHARE MODE"); err != nil { // the replication lags
			t.Error(err)
		}
		p.source.exec(t, "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE v = 'twice')")
	}
	goOn := func() { _, _ = locker.Exec(context.Background(), "ROLLBACK") }
	started := false
	res := p.verify(t, ranges(5*time.Second), func(o *checker.Options) {
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.UnitStarted && !started {
				started = true
				remove()
				time.AfterFunc(time.Second, goOn)
			}
		}
	})
	p.applied(t)
	t.Logf("source has %s, target has %s", p.source.ask(t, "SELECT count(*) FROM t WHERE v = 'twice'"), p.target.ask(t, "SELECT count(*) FROM t WHERE v = 'twice'"))
	mustNotMatch(t, res)
}

// TestLieOldVersionClears: the target shows a version that the source had two readings ago.
func TestLieOldVersionClears(t *testing.T) {
	seconds(t)
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'a' FROM generate_series(1, 100) i")
	// Damage: row 1 is z; what then comes for it is turned back to a.
	p.target.exec(t, "UPDATE t SET v = 'z' WHERE id = 1",
		"CREATE FUNCTION stale() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'a'; RETURN NEW; END $$",
		"CREATE TRIGGER stale BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stale()", "ALTER TABLE t ENABLE ALWAYS TRIGGER stale")
	job := connect(t, p.source.url)
	if _, err := job.Exec(t.Context(), "BEGIN; UPDATE t SET v = 'b' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "UPDATE t SET v = 'a' WHERE id = 8") // flushes what the job wrote
	p.applied(t)
	units := 0
	closing := make(chan struct{})
	result := p.verifying(t, ranges(4*time.Second), func(o *checker.Options) {
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.UnitStarted {
				if units++; units == 2 { // the closing
					close(closing)
				}
			}
		}
	})
	<-closing
	pass(t, 1500*time.Millisecond)
	if _, err := job.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	res := result()
	p.applied(t)
	t.Logf("source %s, target %s", p.source.ask(t, "SELECT v FROM t WHERE id = 1"), p.target.ask(t, "SELECT v FROM t WHERE id = 1"))
	mustNotMatch(t, res)
}

// TestLieStandbyBehind: the source is a standby whose replay is behind X0.
func TestLieStandbyBehind(t *testing.T) {
	seconds(t)
	primary := holeCluster(t, "primary")
	p := holePair(t, primary, server(t, 18), aheadTable...)
	standby, err := primary.Standby(t.Context(), map[string]string{"hot_standby_feedback": "on", "max_standby_streaming_delay": "30s"})
	if errors.Is(err, pgcluster.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop(context.Background()) })
	s := &end{cluster: standby, url: standby.URL(p.source.name), name: p.source.name}
	s.conn = connect(t, s.url)
	read := &pair{source: s, target: p.target, subscription: p.subscription}
	db := open(t, postgres.Source, p.source.url)
	defer db.Close()
	with := func(o *checker.Options) { o.SourcePrimary = db }
	until(t, "replayed", func() bool {
		return s.ask(t, "SELECT pg_last_wal_replay_lsn() >= '"+p.source.ask(t, "pg_current_wal_lsn()")+"'::pg_lsn") == "true"
	})
	s.exec(t, "SELECT pg_wal_replay_pause()")
	until(t, "replay is paused", func() bool { return s.ask(t, "pg_get_wal_replay_pause_state()") == "paused" })
	p.source.exec(t, "UPDATE t SET v = 'new' WHERE id = 1")
	p.applied(t)
	p.target.exec(t, "UPDATE t SET v = 'old' WHERE id = 1") // lost on the target, before the run
	at := p.source.ask(t, "pg_current_wal_insert_lsn()")
	res := read.verify(t, ranges(3*time.Second), with)
	t.Logf("changed before %s, verdict as of %s, standby at %s", at, res.AsOfLSN, s.ask(t, "pg_last_wal_replay_lsn()"))
	s.exec(t, "SELECT pg_wal_replay_resume()")
	mustNotMatch(t, res)
}

// TestLieFilteredLeaf: a filter on a leaf.
func TestLieFilteredLeaf(t *testing.T) {
	seconds(t)
	sql := []string{"CREATE TABLE t (id int PRIMARY KEY, v int) PARTITION BY RANGE (id)", "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100)",
		"CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (100) TO (200)", "INSERT INTO t SELECT i, i % 10 FROM generate_series(1, 150) i"}
	p := &pair{source: newEnd(t, server(t, 16), sql...), target: newEnd(t, server(t, 18), definitions(sql)...)}
	p.subscription = fmt.Sprintf("soak_%d", names.Add(1))
	p.source.exec(t, "CREATE PUBLICATION "+p.subscription+" FOR TABLE t1 WHERE (id < 50), t2")
	p.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", p.subscription, p.source.cluster.URL(p.source.name)))
	t.Cleanup(p.unsubscribe)
	until(t, "copied", func() bool {
		return p.target.ask(t, "SELECT count(*) FROM t") == "100" && p.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
	res := p.verify(t, ranges(2*time.Second))
	if res.Verdict == checker.Mismatch {
		t.Errorf("a false finding\n%s", told(res))
	}
}

// TestLieCollides: a sequence's next value that comes and goes on the source.
func TestLieCollides(t *testing.T) {
	seconds(t)
	p := newPair(t, 15, 18, "CREATE TABLE t (id serial PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'old' FROM generate_series(2, 100) i")
	p.source.exec(t, "SELECT setval('t_id_seq', 100)")
	stop := disturb(t, p.source.url, 1, func(draw *rand.Rand) string {
		if draw.IntN(2) == 0 {
			return "DELETE FROM t WHERE id = 1"
		}
		return "INSERT INTO t VALUES (1, 'toggled') ON CONFLICT DO NOTHING"
	})
	for i := range 12 {
		res := p.verify(t, func(o *checker.Options) { o.Checks, o.Settle = []string{"sequences"}, 3*time.Second })
		if res.Verdict == checker.Mismatch {
			t.Errorf("a false finding in run %d: %+v\n%s", i, res.Sequences, told(res))
			break
		}
	}
	t.Log(stop())
}

// TestLieSampleWhole: the whole table in place of a sample has no closing.
func TestLieSampleWhole(t *testing.T) {
	seconds(t)
	p := heapPair(t, "1, 2", "")
	p.target.exec(t, "DELETE FROM t WHERE id = 140")
	update := func() {
		p.source.exec(t, "UPDATE t SET v = upper(v) WHERE id = 140")
		if at := p.source.page(t, "140"); at != "0" {
			t.Errorf("the row went to page %s, and not behind the sweep: nothing is tested", at)
		}
	}
	mustNotMatch(t, p.verify(t, ranges(5*time.Second), planned(sampler.Sweep, 1), meanwhile(checker.PieceDone, update), func(o *checker.Options) {
		o.Checks, o.SampleRows, o.Seed = []string{"sample"}, 70000, 1
	}))
}

// TestLieCounts: a count of the target is equal to one of the two of the source, and to the other not.
func TestLieCounts(t *testing.T) {
	seconds(t)
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'a' FROM generate_series(1, 100) i")
	p.target.exec(t, "DELETE FROM t WHERE id = 50") // the damage
	job := connect(t, p.source.url)
	if _, err := job.Exec(t.Context(), "BEGIN; DELETE FROM t WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "UPDATE t SET v = 'a' WHERE id = 8") // flushes what the job wrote
	p.applied(t)
	locker := connect(t, p.target.url)
	begun := make(chan struct{})
	result := p.verifying(t, ranges(5*time.Second), func(o *checker.Options) { o.Checks = []string{"counts"} }, meanwhile(checker.UnitStarted, func() {
		if _, err := locker.Exec(t.Context(), "BEGIN; LOCK TABLE t IN SHARE MODE"); err != nil { // the replication lags
			t.Error(err)
		}
		close(begun)
	}))
	<-begun
	pass(t, 1500*time.Millisecond) // the barrier waits
	if _, err := job.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	pass(t, time.Second)
	_, _ = locker.Exec(context.Background(), "ROLLBACK")
	res := result()
	p.applied(t)
	t.Logf("source %s, target %s", p.source.ask(t, "SELECT count(*) FROM t"), p.target.ask(t, "SELECT count(*) FROM t"))
	mustNotMatch(t, res)
}

// TestLieSwappedKeys: two keys change places while the table is closed, and one takes its damage along.
func TestLieSwappedKeys(t *testing.T) {
	seconds(t)
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL",
		"INSERT INTO t SELECT i, repeat(chr(97 + i % 26), 9000) FROM generate_series(1, 200) i")
	p.source.exec(t, "ANALYZE t")
	p.target.exec(t, "UPDATE t SET v = 'x' || substr(v, 2) WHERE id = 190")
	n := 0
	res := p.verify(t, ranges(5*time.Second), planned(sampler.Ranges, 20), func(o *checker.Options) {
		o.OnEvent = func(e checker.Event) {
			if e.Kind != checker.UnitDone {
				return
			}
			if n++; n == 1 { // behind what was read: it is young now
				p.source.exec(t, "UPDATE t SET id = -1 WHERE id = 190")
				hold(t, p)
			}
		}
	})
	p.applied(t)
	t.Logf("damaged on the target: %s", p.target.ask(t, "SELECT string_agg(id || left(v, 2), ' ') FROM t WHERE v LIKE 'x%' AND substr(v, 2, 1) <> 'x'"))
	mustNotMatch(t, res)
}

// hold changes places once the closing has read which rows are young: a watcher
// of the statements that run. It has ended when the test does.
func hold(t *testing.T, p *pair) {
	conn, other := connect(t, p.source.url), connect(t, p.source.url)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	var watching sync.WaitGroup
	watching.Go(func() {
		for n := 0; n == 0; {
			if conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pgparity%' AND query LIKE '%pg_catalog.age(t.xmin)%'").Scan(&n) != nil {
				return
			}
		}
		if _, err := other.Exec(ctx, "BEGIN; UPDATE t SET id = -2 WHERE id = -1; UPDATE t SET id = -1 WHERE id = 7; UPDATE t SET id = 7 WHERE id = -2; COMMIT"); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		watching.Wait()
	})
}
