package soak_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// standbyOf makes a pair of a primary and a standby of it that replays late.
func standbyOf(t *testing.T, major int, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	primary := ownServer(t, major)
	p := &pair{source: newEnd(t, primary, sql...)}
	p.target = standbyEnd(t, primary, p.source.name, map[string]string{"recovery_min_apply_delay": "100ms", "hot_standby_feedback": "on"})
	return p
}

// standbyEnd starts a standby of a primary and reaches a database there.
func standbyEnd(t *testing.T, primary *pgcluster.Cluster, database string, settings map[string]string) *end {
	t.Helper()
	standby, err := primary.Standby(t.Context(), settings)
	if errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	e := &end{cluster: standby, name: database, url: standby.URL(database)}
	e.conn = connect(t, e.url)
	return e
}

// TestStandby: a standby that lags behind its primary's load is a match, its
// sequences included. One whose replay is paused is unproven, and a row that
// rotted in its files is found.
func TestStandby(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const kept, rotten = "0123456789-kept-as-it-was", "0123456789-kept-as-it-is!"
	p := standbyOf(t, 15, append(shop, "INSERT INTO orders VALUES (5000, 0, '"+kept+"')", "CREATE SEQUENCE tickets", "CREATE SEQUENCE often CACHE 50")...)
	stop := busy(t, p.source.url, -1, 100)
	call := repeat(t, p.source.url, 100, func() string {
		return "SELECT nextval('tickets') FROM generate_series(1, 20); SELECT nextval('often') FROM generate_series(1, 200)"
	})
	sequences := func(o *checker.Options) { o.Checks = []string{"sequences", "counts", "last", "ranges"} }
	matches(t, p.verify(t, sequences))
	paused := p.verify(t, patience(time.Second), whenPlanned(func() { p.target.exec(t, "SELECT pg_wal_replay_pause()") }))
	unproven(t, paused, "replay is paused", "SELECT pg_wal_replay_resume()")
	t.Log(paused.Reasons)
	// Its replay stands still from the start: nothing of it is even read.
	barred := p.verify(t, patience(time.Second), sequences)
	unproven(t, barred, "replay is paused")
	if barred.Coverage.RowsCompared != 0 {
		t.Errorf("%d rows were compared", barred.Coverage.RowsCompared)
	}
	p.target.exec(t, "SELECT pg_wal_replay_resume()")
	t.Logf("%d transactions, %d calls", stop(), call())

	file := filepath.Join(p.target.cluster.Dir(), p.target.ask(t, "pg_relation_filepath('orders')"))
	p.target.cluster.Kill()
	content, err := os.ReadFile(file)
	if err == nil && bytes.Count(content, []byte(kept)) != 1 {
		t.Fatalf("%d copies of the row", bytes.Count(content, []byte(kept)))
	}
	if err == nil {
		err = os.WriteFile(file, bytes.Replace(content, []byte(kept), []byte(rotten), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.target.revive(t)
	busy(t, p.source.url, -1, 100)
	finds(t, p.verify(t), "orders different 5000")
}
