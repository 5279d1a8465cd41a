package fence_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// unanswered is a cluster whose commits can be made to wait for a synchronous
// standby that does not exist: they are in the log, and sent, and not visible.
func unanswered(t *testing.T) *pgcluster.Cluster {
	return pgcluster.SharedWith(t, "synchronous", pgcluster.Options{Major: 15})
}

// hang makes commits wait, and gives what lets them go.
func hang(t *testing.T, e *end) (release func()) {
	t.Helper()
	e.exec(t, "SET synchronous_commit = local", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	release = func() {
		_, _ = e.conn.Exec(context.Background(), "ALTER SYSTEM RESET synchronous_standby_names")
		_, _ = e.conn.Exec(context.Background(), "SELECT pg_reload_conf()")
	}
	t.Cleanup(release)
	fresh := connect(t, e.cluster.URL(e.name))
	until(t, "the setting has arrived", func() bool { return ask(t, fresh, "current_setting('synchronous_standby_names')") == "nobody" })
	return release
}

// background runs a statement that waits, in a session of its own.
func background(t *testing.T, e *end, sql string) {
	t.Helper()
	conn := connect(t, e.cluster.URL(e.name))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, err := conn.Exec(t.Context(), sql); err != nil && t.Context().Err() == nil {
			t.Errorf("%s: %v", sql, err)
		}
	}()
	t.Cleanup(func() { <-ended })
}

// TestAhead: the target shows what the source does not show yet. The barrier
// waits for it, names who it waits for, and sees prepared transactions.
func TestAhead(t *testing.T) {
	long(t, "a cluster of its own")
	for _, c := range []struct{ name, before, commit, names string }{
		{"session", "", "INSERT INTO a VALUES (1, 1)", "session"},
		{"prepared", "BEGIN; INSERT INTO a VALUES (1, 1); PREPARE TRANSACTION 'ahead'", "COMMIT PREPARED 'ahead'", "prepared transaction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, unanswered(t), server(t, 18), ledgers)
			subscribe(t, p.source, p.target, "a", "")
			d := p.detect(t)
			b := made(t)(d.Barrier([]string{"public.a"}))
			release := hang(t, p.source)
			if c.before != "" {
				for sql := range strings.SplitSeq(c.before, "; ") {
					p.source.exec(t, sql)
				}
			}
			background(t, p.source, c.commit)
			until(t, "the target shows the row", func() bool { return p.target.ask(t, "SELECT count(*) FROM a") == "1" })
			if got := p.source.ask(t, "SELECT count(*) FROM a"); got != "0" {
				t.Fatal("the source shows the row already: nothing is tested")
			}
			m := mark(t, b)
			s := stalls(t, b, m, 300*time.Millisecond)
			if !has(s, fence.WritersOpen) {
				t.Errorf("told as %v", s)
			}
			contains(t, s.Error(), c.names)
			// The wait goes on while the commit is let go.
			done := make(chan error, 1)
			go func() { done <- b.Wait(t.Context(), m) }()
			release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got := p.source.ask(t, "SELECT count(*) FROM a"); got != "1" {
				t.Error("behind the barrier the source does not show what the target showed")
			}
		})
	}
}

// TestBarrierIgnores: readers, and writers of other tables, are not waited for;
// those who began after the mark neither.
func TestBarrierIgnores(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers, `CREATE TABLE root (n int) PARTITION BY RANGE (n)`,
		`CREATE TABLE leaf PARTITION OF root FOR VALUES FROM (0) TO (10)`)
	b := fence.Barrier(p.source.db, []string{"public.root"})
	other := connect(t, p.source.cluster.URL(p.source.name))
	run := func(sql string) {
		t.Helper()
		if _, err := other.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{"SELECT FROM root FOR UPDATE", "INSERT INTO a VALUES (1, 1)", "DECLARE c CURSOR FOR SELECT FROM leaf"} {
		run("BEGIN; " + sql)
		if err := waits(t, b, mark(t, b), 2*time.Second); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		run("ROLLBACK")
	}
	m := mark(t, b)
	run("BEGIN; INSERT INTO leaf VALUES (1)")
	if err := waits(t, b, m, 2*time.Second); err != nil {
		t.Errorf("a writer that began after the mark: %v", err)
	}
	// A writer of a partition is one of the root.
	if s := stalls(t, b, mark(t, b), 200*time.Millisecond); !has(s, fence.WritersOpen) {
		t.Errorf("told as %v", s)
	}
	if x := trouble(t, b, fence.WritersOpen); x == nil {
		t.Error("health tells nothing of an open writer")
	}
	run("COMMIT")
}

// TestBothDirections: what was written on the target and comes back is waited
// for before the source is read again.
func TestBothDirections(t *testing.T) {
	long(t, "takes seconds")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a", "")
	subscribe(t, p.target, p.source, "b", "")
	d := p.detect(t)
	if len(d.Forward) != 1 || len(d.Reverse) != 1 {
		t.Fatalf("forward %+v, reverse %+v, others %q", d.Forward, d.Reverse, d.Others)
	}
	b := made(t)(d.Barrier([]string{"public.a"}))
	if c, err := b.Cover(t.Context(), []string{"public.a", "public.b"}); err != nil || len(c.Gaps) != 0 {
		t.Errorf("a does not come back, b is carried, and the barrier's gaps are %v, %v", c.Gaps, err)
	}
	blocker := connect(t, p.source.cluster.URL(p.source.name))
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE b"); err != nil {
		t.Fatal(err)
	}
	p.target.exec(t, "INSERT INTO b VALUES (1, 1)")
	m := mark(t, b)
	if s := stalls(t, b, m, 500*time.Millisecond); !has(s, fence.Behind) {
		t.Errorf("told as %v", s)
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := waits(t, b, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.source.ask(t, "SELECT count(*) FROM b"); got != "1" {
		t.Error("behind the barrier the source does not show what the target showed")
	}
	pass(t, made(t)(d.Fence()))
}

// TestHeartbeat: the beat after the mark may have been committed before what
// the reading saw.
func TestHeartbeat(t *testing.T) {
	long(t, "a cluster of its own")
	p := newPair(t, unanswered(t), server(t, 18), ledgers, "CREATE TABLE hb (n bigint PRIMARY KEY)")
	p.source.exec(t, "INSERT INTO hb VALUES (9)") // 10 is more than 9, as a number
	subscribe(t, p.source, p.target, "a, hb", "")
	beat := fence.Heartbeat{Beat: postgres.Beat{Table: "public.hb", Column: "n"}}
	f := made(t)(detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Heartbeats: []fence.Heartbeat{beat}}).Fence())
	release := hang(t, p.source)
	background(t, p.source, "UPDATE hb SET n = n + 1") // logged, sent, not visible
	until(t, "the target has the beat", func() bool { return p.target.ask(t, "SELECT n FROM hb") == "10" })
	blocker := connect(t, p.target.cluster.URL(p.target.name))
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE a"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)") // visible at once
	m := mark(t, f)
	if s := stalls(t, f, m, 500*time.Millisecond); !has(s, fence.NoBeat) {
		t.Errorf("told as %v", s)
	}
	release()
	until(t, "the beat is visible", func() bool { return p.source.ask(t, "SELECT n FROM hb") == "10" })
	beating := write1(t, p.source, "UPDATE hb SET n = n + 1")
	if s := stalls(t, f, m, 700*time.Millisecond); !has(s, fence.Behind) {
		t.Errorf("told as %v", s)
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Error("behind the heartbeat the target lacks the row")
	}
	beating()

	// By our own beats.
	beat.Strike = true
	own := fence.NewHeartbeat(p.source.db, p.target.db, beat)
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE a"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "INSERT INTO a VALUES (1, 2)")
	m = mark(t, own)
	if s := stalls(t, own, m, 300*time.Millisecond); !has(s, fence.Behind) {
		t.Errorf("told as %v", s)
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := waits(t, own, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "2" {
		t.Error("behind our own heartbeat the target lacks the row")
	}
	healthy(t, own)
}

// write1 runs a statement every few milliseconds until it is stopped.
func write1(t *testing.T, e *end, sql string) (stop func()) {
	t.Helper()
	conn := connect(t, e.cluster.URL(e.name))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := conn.Exec(ctx, sql); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", sql, err)
				return
			}
			pause(ctx, 30*time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}
