package soak_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
)

// bothWays is a pair of which each end subscribes to the other's own changes.
func bothWays(t *testing.T, source, target int, sql ...string) (p *pair, reverse string) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	p = &pair{source: newEnd(t, server(t, source), sql...), target: newEnd(t, server(t, target), definitions(sql)...)}
	forward := p.follow(t, p.source, p.target, "", "WITH (origin = none)")
	reverse = p.follow(t, p.target, p.source, "", "WITH (origin = none, copy_data = false)")
	p.subscription = forward
	return p, reverse
}

// harm changes rows of one end as replication would: whatever that end writes
// itself is carried to the other.
func harm(t *testing.T, e *end, sql ...string) {
	t.Helper()
	e.exec(t, "SELECT pg_replication_origin_create('harm_"+e.name+"')", "SELECT pg_replication_origin_session_setup('harm_"+e.name+"')")
	e.exec(t, sql...)
	e.exec(t, "SELECT pg_replication_origin_session_reset()", "SELECT pg_replication_origin_drop('harm_"+e.name+"')")
}

// TestBothWays: both ends are written to, on keys that are never the same. That
// is a match, whichever way is behind; rows that differ are found, on whichever
// end they were damaged; and a way that stands still leaves all unproven.
func TestBothWays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	p, reverse := bothWays(t, 16, 18, shop...)
	busy(t, p.source.url, 0, 100)
	busy(t, p.target.url, 1, 100)
	res := p.verify(t, func(o *checker.Options) { o.Checks = []string{"counts", "last", "ranges"} })
	matches(t, res)
	if !res.Replication.BothWays {
		t.Errorf("%+v", res.Replication)
	}
	// The way back stands still: the source lacks what the target has got, and
	// that proves nothing.
	disabled := p.verify(t, patience(time.Second), whenPlanned(func() { p.source.exec(t, "ALTER SUBSCRIPTION "+reverse+" DISABLE") }))
	unproven(t, disabled, `subscription "`+reverse+`" is disabled`)
	t.Log(disabled.Reasons)
	unproven(t, p.verify(t, patience(time.Second)), `subscription "`+reverse+`" is disabled`)
	p.source.exec(t, "ALTER SUBSCRIPTION "+reverse+" ENABLE")
	matches(t, p.verify(t))

	harm(t, p.target, shopDamage...)
	harm(t, p.source, "UPDATE orders SET note = 'harmed' WHERE id = 3999", "DELETE FROM parcels WHERE code = 'p2990'")
	finds(t, p.verify(t), "orders missing 3997, orders different 3998, orders different 3999, parcels extra p2990, parcels extra stray")
}

// TestBothWaysMovedMeanwhile: a row that only the target holds gets another key
// by the target's own writers while the run reads, from a range that is not read
// yet to one that is. The source never has it, so nothing there tells of it.
func TestBothWaysMovedMeanwhile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	p, _ := bothWays(t, 16, 18, shop...)
	harm(t, p.target, "INSERT INTO orders VALUES (4001, 0, 'stray')")
	moved := false
	res := p.verify(t, func(o *checker.Options) {
		o.Checks, o.ChunkRows, o.Concurrency = []string{"ranges"}, 500, 1
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.UnitDone && e.Table == "public.orders" && !moved {
				moved = true
				p.target.exec(t, "UPDATE orders SET id = -1 WHERE id = 4001")
			}
		}
	})
	if !moved {
		t.Error("nothing moved")
	}
	finds(t, res, "orders extra -1")
}
