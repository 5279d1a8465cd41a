package fence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestStill: nothing replicates, and that is found; where something might, it
// is not taken for rest.
func TestStill(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	f := p.fence(t)
	if f != fence.Still() {
		t.Fatalf("nothing replicates, and the fence is %T", f)
	}
	pass(t, f)
	slot := fmt.Sprintf("cdc_%d", names.Add(1))
	p.source.exec(t, "SELECT pg_create_logical_replication_slot('"+slot+"', 'test_decoding')")
	_, err := p.detect(t).Fence()
	if !errors.Is(err, fence.ErrUnknown) {
		t.Fatalf("somebody reads the source's changes, and the fence's error is %v", err)
	}
	contains(t, err.Error(), slot, "test_decoding")
	named := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: fence.KindStill})
	if f := made(t)(named.Fence()); f != fence.Still() {
		t.Errorf("the operator said still, and the fence is %T", f)
	}
	if _, err := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: fence.KindLogical}).Fence(); !errors.Is(err, fence.ErrNotFound) {
		t.Errorf("logical was asked for, and the error is %v", err)
	}
}

// TestEvidence: what was found is told in sentences.
func TestEvidence(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	until(t, "the worker receives", func() bool {
		return len(workers(t, p.target)) > 0 && p.target.ask(t, "SELECT count(*) FROM pg_stat_subscription WHERE received_lsn IS NULL AND subname = '"+name+"'") == "0"
	})
	d := p.detect(t)
	if len(d.Forward) != 1 || len(d.Reverse)+len(d.Others) != 0 {
		t.Fatalf("%+v", d)
	}
	contains(t, strings.Join(d.Forward[0].Evidence, "\n"), name, p.source.name, "1 of its 1 publications", "is active", "has confirmed", fmt.Sprint(p.source.cluster.Port()))
}

// TestElsewhere: a subscription that follows a third server is none of the
// pair's, also where the source has a slot of that name and nobody may read
// where the subscription connects to.
func TestElsewhere(t *testing.T) {
	long(t, "a third cluster")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	third := open(t, postgres.Source, server(t, 11), server(t, 11).TestDB(t, ledgers))
	name := subscribe(t, third, p.target, "a", "")
	t.Cleanup(func() { // before the third's database is dropped
		_ = p.target.cluster.Exec(context.Background(), p.target.name, "DROP SUBSCRIPTION "+name)
	})
	p.source.exec(t, "CREATE PUBLICATION "+name+" FOR TABLE a", "SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	role := fmt.Sprintf("judge_%d", names.Add(1))
	p.target.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() { _ = p.target.cluster.Exec(context.Background(), "postgres", "DROP ROLE "+role) })
	blind := openDB(t, postgres.Target, p.target.cluster.UserURL(role, "secret", p.target.name))
	until(t, "the worker receives", func() bool {
		return p.target.ask(t, "SELECT received_lsn FROM pg_stat_subscription WHERE subname = '"+name+"'") != ""
	})
	// The third's positions are such as the source has had too.
	until(t, "the source's log is ahead", func() bool {
		p.source.exec(t, "CREATE TABLE IF NOT EXISTS filler (n int)", "INSERT INTO filler VALUES (1)", "SELECT pg_switch_wal()")
		return p.source.ask(t, "SELECT pg_current_wal_insert_lsn() > '"+third.ask(t, "SELECT pg_current_wal_insert_lsn()")+"'::pg_lsn") == "true"
	})
	for what, target := range map[string]*postgres.DB{"seen": p.target.db, "blind": blind} {
		d := detect(t, fence.Options{Source: p.source.db, Target: target})
		if len(d.Forward) != 0 {
			t.Fatalf("%s: taken for the pair's: %+v", what, d.Forward)
		}
		contains(t, strings.Join(d.Others, "\n"), name, "elsewhere")
		if what == "seen" {
			contains(t, strings.Join(d.Others, "\n"), third.name)
		}
		if _, err := d.Fence(); !errors.Is(err, fence.ErrUnknown) {
			t.Errorf("%s: the fence's error is %v", what, err)
		}
	}
}

// standbyOf makes a standby and opens the primary's database on it.
func standbyOf(t *testing.T, side postgres.Side, e *end) *end {
	t.Helper()
	standby, err := e.cluster.Standby(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return open(t, side, standby, standby.URL(e.name))
}

// TestPhysical: a standby as the target.
func TestPhysical(t *testing.T) {
	long(t, "a standby")
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	primary := pgcluster.SharedWith(t, "primary", pgcluster.Options{Major: 15})
	source := open(t, postgres.Source, primary, primary.TestDB(t, ledgers))
	target := standbyOf(t, postgres.Target, source)
	d := detect(t, fence.Options{Source: source.db, Target: target.db})
	if len(d.Forward) != 1 || d.Forward[0].Kind != fence.KindPhysical {
		t.Fatalf("found %+v", d.Forward)
	}
	f := made(t)(d.Fence())
	for n := range 20 {
		source.exec(t, fmt.Sprintf("INSERT INTO a VALUES (1, %d)", n))
		pass(t, f)
		if got := target.ask(t, fmt.Sprintf("SELECT count(*) FROM a WHERE n = %d", n)); got != "1" {
			t.Fatalf("row %d is not on the standby behind the fence", n)
		}
	}
	source.exec(t, "SELECT pg_switch_wal()")
	if took := pass(t, f); took > 5*time.Second {
		t.Errorf("the fence took %v after a switch of the segment", took)
	}
	healthy(t, f)
	target.exec(t, "SELECT pg_wal_replay_pause()")
	source.exec(t, "INSERT INTO a VALUES (2, 1)")
	m := mark(t, f)
	if s := stalls(t, f, m, 500*time.Millisecond); !has(s, fence.ReplayPaused) {
		t.Errorf("told as %v", s)
	}
	target.exec(t, "SELECT pg_wal_replay_resume()")
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := fence.Detect(t.Context(), fence.Options{Source: target.db, Target: source.db}); err == nil {
		t.Error("a standby as the source of its own primary was taken")
	}
}

// TestBehindStandbys: the source is a standby of the publisher; then the target
// is one of the subscriber.
func TestBehindStandbys(t *testing.T) {
	long(t, "standbys")
	primary := pgcluster.SharedWith(t, "primary", pgcluster.Options{Major: 15})
	p := newPair(t, primary, server(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a", "")
	t.Run("source", func(t *testing.T) {
		standby := standbyOf(t, postgres.Source, p.source)
		if _, err := detect(t, fence.Options{Source: standby.db, Target: p.target.db}).Fence(); !errors.Is(err, fence.ErrNoPrimary) {
			t.Errorf("without its primary the error is %v", err)
		}
		d := detect(t, fence.Options{Source: standby.db, SourcePrimary: p.source.db, Target: p.target.db})
		f := made(t)(d.Fence())
		b := made(t)(d.Barrier([]string{"public.a"}))
		for n := range 10 {
			p.source.exec(t, fmt.Sprintf("INSERT INTO a VALUES (1, %d)", n))
			until(t, "the standby shows it", func() bool { return standby.ask(t, fmt.Sprintf("SELECT count(*) FROM a WHERE n = %d", n)) == "1" })
			pass(t, f)
			if got := p.target.ask(t, fmt.Sprintf("SELECT count(*) FROM a WHERE n = %d", n)); got != "1" {
				t.Fatalf("row %d is not on the target behind the fence", n)
			}
		}
		standby.exec(t, "SELECT pg_wal_replay_pause()")
		p.source.exec(t, "INSERT INTO a VALUES (2, 1)")
		until(t, "the target shows it", func() bool { return p.target.ask(t, "SELECT count(*) FROM a WHERE w = 2") == "1" })
		m := mark(t, b)
		if s := stalls(t, b, m, 300*time.Millisecond); !has(s, fence.ReplayPaused) {
			t.Errorf("told as %v", s)
		}
		standby.exec(t, "SELECT pg_wal_replay_resume()")
		if err := waits(t, b, m, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		if got := standby.ask(t, "SELECT count(*) FROM a WHERE w = 2"); got != "1" {
			t.Error("behind the barrier the standby does not show what the target showed")
		}
		// What comes back has to pass the primary first.
		subscribe(t, p.target, p.source, "b", "")
		b = made(t)(detect(t, fence.Options{Source: standby.db, SourcePrimary: p.source.db, Target: p.target.db}).Barrier(nil))
		if c, err := b.Cover(t.Context(), []string{"public.a", "public.b"}); err != nil || len(c.Gaps) != 0 {
			t.Errorf("a does not come back, b is carried, and the barrier's gaps are %v, %v", c.Gaps, err)
		}
		p.target.exec(t, "INSERT INTO b VALUES (1, 1)")
		pass(t, b)
		if got := standby.ask(t, "SELECT count(*) FROM b"); got != "1" {
			t.Error("behind the barrier the standby does not show what came back from the target")
		}
	})
	t.Run("target", func(t *testing.T) {
		q := newPair(t, server(t, 11), primary, ledgers)
		subscribe(t, q.source, q.target, "a", "")
		standby := standbyOf(t, postgres.Target, q.target)
		if _, err := detect(t, fence.Options{Source: q.source.db, Target: standby.db}).Fence(); err == nil {
			t.Error("a standby of the subscriber was taken without the subscriber")
		}
		d := detect(t, fence.Options{Source: q.source.db, Target: standby.db, TargetPrimary: q.target.db})
		f := made(t)(d.Fence())
		standby.exec(t, "SELECT pg_wal_replay_pause()")
		q.source.exec(t, "INSERT INTO a VALUES (1, 1)")
		m := mark(t, f)
		if s := stalls(t, f, m, time.Second); !has(s, fence.ReplayPaused) {
			t.Errorf("told as %v", s)
		}
		standby.exec(t, "SELECT pg_wal_replay_resume()")
		if err := waits(t, f, m, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		if got := standby.ask(t, "SELECT count(*) FROM a"); got != "1" {
			t.Error("behind the fence the subscriber's standby lacks the row")
		}
	})
}
