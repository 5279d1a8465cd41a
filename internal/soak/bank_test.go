package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
)

// bank is pgbench's TPC-B at a scale.
func bank(scale int) []string {
	return []string{
		"CREATE TABLE branches (bid int PRIMARY KEY, bbalance int, filler char(88))",
		"CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84))",
		"CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))",
		"CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))", // without a key, as pgbench has it
		fmt.Sprintf("INSERT INTO branches SELECT i, 0 FROM generate_series(1, %d) i", scale),
		fmt.Sprintf("INSERT INTO tellers SELECT i, (i - 1) / 10 + 1, 0 FROM generate_series(1, %d) i", 10*scale),
		fmt.Sprintf("INSERT INTO accounts SELECT i, (i - 1) / 100000 + 1, 0, '' FROM generate_series(1, %d) i", 100000*scale),
	}
}

// trade runs TPC-B at a rate, until the returned function is called, which
// tells how many transactions were made.
func trade(t *testing.T, p *pair, scale, rate int) (stop func() int64) {
	t.Helper()
	const clients = 4
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var done atomic.Int64
	for c := range clients {
		conn := connect(t, p.source.url)
		wg.Go(func() {
			draw := rand.New(rand.NewPCG(uint64(c), 1))
			tick := time.NewTicker(time.Second * clients / time.Duration(rate))
			defer tick.Stop()
			for ctx.Err() == nil {
				aid, tid, bid, delta := draw.IntN(100000*scale)+1, draw.IntN(10*scale)+1, draw.IntN(scale)+1, draw.IntN(10000)-5000
				_, err := conn.Exec(ctx, fmt.Sprintf("BEGIN; UPDATE accounts SET abalance = abalance + %d WHERE aid = %d; UPDATE tellers SET tbalance = tbalance + %[1]d WHERE tid = %d; UPDATE branches SET bbalance = bbalance + %[1]d WHERE bid = %d; INSERT INTO history (tid, bid, aid, delta, mtime) VALUES (%[3]d, %[4]d, %[2]d, %[1]d, now()); COMMIT", delta, aid, tid, bid), pgx.QueryExecModeSimpleProtocol)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("trade: %v", err)
					}
					return
				}
				done.Add(1)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return sync.OnceValue(func() int64 {
		cancel()
		wg.Wait()
		return done.Load()
	})
}

// TestBank: while TPC-B runs at 400 transactions a second over five branches,
// every verify ends in a match.
func TestBank(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: runs without -short")
	}
	const scale, rate = 5, 400
	p := newPair(t, 15, 18, bank(scale)...)
	stop := trade(t, p, scale, rate)
	defer stop()
	began := time.Now()
	for round := range 3 {
		res := p.verify(t, func(o *checker.Options) { o.Checks = []string{"counts", "last", "ranges"} })
		t.Logf("round %d: %s in %s, %d rows compared", round, res.Verdict, res.FinishedAt.Sub(res.StartedAt).Round(time.Millisecond), res.Coverage.RowsCompared)
		if res.Verdict != checker.Match {
			t.Errorf("round %d: %s", round, told(res))
		}
	}
	n := stop()
	t.Logf("%d transactions, %.0f a second", n, float64(n)/time.Since(began).Seconds())
}
