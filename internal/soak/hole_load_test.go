package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
)

// disturb has clients run what they are given, as fast as they can, until the
// returned function is called, which tells how often that was.
func disturb(t *testing.T, url string, clients int, next func(draw *rand.Rand) string) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var done atomic.Int64
	for c := range clients {
		conn := connect(t, url)
		wg.Go(func() {
			draw := rand.New(rand.NewPCG(uint64(c), 2))
			for ctx.Err() == nil {
				sql := next(draw)
				if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
					if ctx.Err() == nil {
						t.Errorf("%s: %v", sql, err)
					}
					return
				}
				done.Add(1)
			}
		})
	}
	stop = sync.OnceValue(func() int64 {
		cancel()
		wg.Wait()
		return done.Load()
	})
	t.Cleanup(func() { stop() })
	return stop
}

// toggle lets rows of the table "t", from 2001 on, come and go.
func toggle(t *testing.T, url string, clients, keys int) (stop func() int64) {
	t.Helper()
	return disturb(t, url, clients, func(draw *rand.Rand) string {
		key := 2001 + draw.IntN(keys)
		if draw.IntN(2) == 0 {
			return fmt.Sprintf("DELETE FROM t WHERE id = %d", key)
		}
		return fmt.Sprintf("INSERT INTO t VALUES (%d, 'toggled') ON CONFLICT DO NOTHING", key)
	})
}

// TestHoleToggledKeys: keys that are inserted and deleted all the time. That a
// row is absent twice does not mean that it was absent in between: taking it for
// rest accused such rows in nearly every run. Now only two sightings of one row
// version count.
func TestHoleToggledKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for seconds: runs without -short")
	}
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'old' FROM generate_series(1, 1000) i")
	stop := toggle(t, p.source.url, 3, 40)
	var open int64
	for range 3 {
		res := p.verify(t, ranges(1500*time.Millisecond))
		found(t, res)
		open += holeTable(t, res, "public.t").UnsettledTotal
	}
	t.Logf("%d toggles, %d rows did not settle", stop(), open)
	wantMatch(t, p.verify(t, ranges(20*time.Second)))
}

// TestHoleHotRows: rows that change between any two readings, and are spoilt on
// the target each time, so that they never settle. They must keep neither the
// run nor the damage of a quiet row waiting: without putting them off to the
// end each chunk that has one takes all of the time to settle.
func TestHoleHotRows(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for seconds: runs without -short")
	}
	const settle = 2 * time.Second
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, n bigint, quiet text)", "INSERT INTO t SELECT i, 0, 'old' FROM generate_series(1, 6000) i")
	p.source.exec(t, "ANALYZE t", "CREATE VIEW hot AS SELECT * FROM t WHERE id % 250 = 7")
	p.target.exec(t, "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := -NEW.n; RETURN NEW; END $$",
		"CREATE TRIGGER spoil BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION spoil()", "ALTER TABLE t ENABLE ALWAYS TRIGGER spoil",
		"DELETE FROM t WHERE id = 5555")
	stop := disturb(t, p.source.url, 1, func(*rand.Rand) string { return "UPDATE hot SET n = n + 1" })
	res := p.verify(t, ranges(settle), func(o *checker.Options) { o.ChunkRows = 250 })
	n := stop()
	took := res.FinishedAt.Sub(res.StartedAt)
	t.Logf("%d updates of the hot rows in %s", n, took)
	tab := holeTable(t, res, "public.t")
	quiet, hot := 0, int(tab.UnsettledTotal)
	for _, f := range tab.Findings {
		switch id, _ := strconv.Atoi(f.Key["id"]); {
		case id == 5555 && f.Kind == checker.KindMissing:
			quiet++
		case id%250 == 7 && f.Kind == checker.KindDifferent: // it was not as hot as it should be
			hot++
		default:
			t.Errorf("accused: %+v", f)
		}
	}
	if quiet != 1 || hot != 24 || tab.UnsettledTotal == 0 || tab.Chunks.Planned < 20 {
		t.Errorf("%d quiet rows were found, %d hot ones open or found, want 1 and 24; %d chunks\n%s", quiet, hot, tab.Chunks.Planned, told(res))
	}
	if most := 2*settle + 8*time.Second; took > most {
		t.Errorf("it took %s, more than %s: the hot rows hold it up", took, most)
	}
}

// TestHoleKeyless: rows without a key are counted by their content. Under load
// the copies of one content come and go while they are counted, here in several
// statements. Where an equal number of copies passed for rest, rows were accused in
// every other round: the number has to be of the same row versions.
func TestHoleKeyless(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for seconds: runs without -short")
	}
	p := newPair(t, 15, 18, "CREATE TABLE t (n int, v text); ALTER TABLE t REPLICA IDENTITY FULL", "INSERT INTO t SELECT i % 100, repeat('copy', 100) FROM generate_series(1, 300) i")
	stop := disturb(t, p.source.url, 2, func(draw *rand.Rand) string {
		some := fmt.Sprintf("ctid = (SELECT ctid FROM t WHERE n = %d LIMIT 1)", draw.IntN(20))
		return "SELECT pg_sleep(0.002); " + []string{
			fmt.Sprintf("UPDATE t SET n = %d WHERE %s", draw.IntN(20), some),
			fmt.Sprintf("INSERT INTO t VALUES (%d, repeat('copy', 100))", draw.IntN(20)),
			"DELETE FROM t WHERE " + some,
		}[draw.IntN(3)]
	})
	pieces := func(o *checker.Options) { o.ChunkRows = 50 }
	found(t, p.verify(t, ranges(time.Second), pieces))
	p.target.exec(t, "DELETE FROM t WHERE ctid = (SELECT ctid FROM t WHERE n = 77 LIMIT 1)")
	res := p.verify(t, ranges(time.Second), pieces)
	t.Logf("%d changes", stop())
	tab := holeTable(t, res, "public.t")
	if tab.FindingsTotal != 1 || *tab.Findings[0].Count != (checker.SideCounts{Source: 3, Target: 2}) || tab.Findings[0].Kind != checker.KindDifferent {
		t.Errorf("want one finding of three copies and two\n%s", told(res))
	}
	p.applied(t)
	if res = p.verify(t, ranges(20*time.Second)); holeTable(t, res, "public.t").FindingsTotal != 1 || holeTable(t, res, "public.t").UnsettledTotal != 0 {
		t.Errorf("at rest: want the one finding\n%s", told(res))
	}
}

// TestHoleIdleSource: after pg_switch_wal() on an idle source the log's insert
// position lies behind a page header that nobody who follows it ever reaches. To
// wait for it took 14 to 20 seconds.
func TestHoleIdleSource(t *testing.T) {
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'old' FROM generate_series(1, 100) i")
	p.applied(t)
	p.source.exec(t, "SELECT pg_switch_wal()")
	began := time.Now()
	res := p.verify(t, ranges(60*time.Second))
	wantMatch(t, res)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if strings.TrimSpace(res.AsOfLSN) == "" {
		t.Error("the position of which the verdict speaks is not told")
	}
}
