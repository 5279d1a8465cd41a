package pgcluster

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestStandby: it is a cluster of its own, read only, and replays what its
// primary writes.
func TestStandby(t *testing.T) {
	primary := start(t, Options{Major: 15})
	standby, err := primary.Standby(t.Context(), map[string]string{"max_standby_streaming_delay": "50ms"})
	if errors.Is(err, ErrUnavailable) {
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
	if standby.Port() == primary.Port() || standby.Dir() == primary.Dir() {
		t.Errorf("port %d in %s, the primary's are %d and %s", standby.Port(), standby.Dir(), primary.Port(), primary.Dir())
	}
	if err := primary.Exec(t.Context(), "postgres", `CREATE TABLE t AS SELECT 42 AS n`); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for query(t, standby.URL("postgres"), `SELECT count(*)::text FROM pg_class WHERE relname = 't'`) != "1" {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the standby does not follow")
		}
	}
	if got := query(t, standby.URL("postgres"), `SELECT concat(n, ' ', pg_is_in_recovery(), ' ', current_setting('max_standby_streaming_delay')) FROM t`); got != "42 t 50ms" {
		t.Errorf("%q", got)
	}
	if err := standby.Exec(t.Context(), "postgres", `CREATE TABLE u (n int)`); err == nil {
		t.Error("the standby can be written to")
	}
}
