package soak_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// cloned makes a subscriber of a copy of the source's files: slot, copy, and
// then the subscription's origin is advanced to where the copy ends, or to where
// origin says. between and after run on the source before and after the copy.
func cloned(t *testing.T, source *end, between, after []string, origin func(slot, copied, now string) string) *pair {
	t.Helper()
	name := fmt.Sprintf("clone_%d", names.Add(1))
	source.exec(t, "CREATE PUBLICATION "+name+" FOR ALL TABLES")
	slot := source.ask(t, "SELECT lsn FROM pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	source.exec(t, between...)
	standby, err := source.cluster.Standby(t.Context(), nil)
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p := &pair{source: source, target: &end{cluster: standby, name: source.name, url: standby.URL(source.name)}, subscription: name}
	p.target.conn = connect(t, p.target.url)
	p.target.exec(t, "SELECT pg_promote()")
	copied := p.target.ask(t, "pg_last_wal_replay_lsn()")
	source.exec(t, after...)
	now := source.ask(t, "pg_current_wal_insert_lsn()")
	p.target.exec(t, "DROP PUBLICATION "+name,
		fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s WITH (copy_data = false, create_slot = false, enabled = false)", name, source.cluster.URL(source.name)),
		"SELECT pg_replication_origin_advance('pg_' || oid, '"+origin(slot, copied, now)+"') FROM pg_subscription WHERE subname = '"+name+"'",
		"ALTER SUBSCRIPTION "+name+" ENABLE")
	t.Cleanup(func() { // a replication slot of a clone that is gone keeps the source's log
		_ = p.target.cluster.Exec(context.Background(), p.target.name, "ALTER SUBSCRIPTION "+name+" DISABLE", "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)", "DROP SUBSCRIPTION "+name)
	})
	return p
}

// TestAdvancedOrigin: a clone goes on from where its origin says. Where that is
// right it is a match, where it is too late just what is lost is found, and where
// it is too early the worker is stuck, and the run says so.
func TestAdvancedOrigin(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	primary, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 15, InMemory: true, Settings: map[string]string{
		"wal_retrieve_retry_interval": "200ms"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := primary.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	source := newEnd(t, primary, shop...)
	writes := func(n int) []string {
		return []string{
			fmt.Sprintf("INSERT INTO orders VALUES (%d, 0, 'late')", 6000+n),
			fmt.Sprintf("UPDATE orders SET note = 'late' WHERE id = %d", 3950+n),
			fmt.Sprintf("DELETE FROM parcels WHERE code = 'p%d'", 2950+n),
		}
	}
	for i, c := range []struct {
		name   string
		origin func(slot, copied, now string) string
		judge  func(t *testing.T, p *pair)
	}{
		{"right", func(_, copied, _ string) string { return copied }, func(t *testing.T, p *pair) {
			matches(t, p.verify(t))
		}},
		{"too late", func(_, _, now string) string { return now }, func(t *testing.T, p *pair) {
			finds(t, p.verify(t), "orders different 3952, orders missing 6002, parcels extra p2952")
		}},
		{"too early", func(slot, _, _ string) string { return slot }, func(t *testing.T, p *pair) {
			until(t, "the worker fails", func() bool {
				return p.target.ask(t, "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats") == "true"
			})
			res := p.verify(t, patience(3*time.Second))
			unproven(t, res, p.subscription, "errors while applying")
			if res.Coverage.RowsCompared != 0 {
				t.Errorf("%d rows were compared", res.Coverage.RowsCompared)
			}
			if said := strings.Join(res.Replication.Troubles, "\n"); !strings.Contains(said, "errors while applying") {
				t.Errorf("the report says of the replication %q", said)
			}
			t.Log(res.Reasons)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := cloned(t, source, writes(10*(i+1)), writes(i+1), c.origin)
			stop := busy(t, p.source.url, -1, 100)
			c.judge(t, p)
			stop()
		})
	}
}
