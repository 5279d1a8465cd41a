package fence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
)

// TestBucardoLeftover: delta tables that nothing writes to feed nobody, and are
// not taken for rest.
func TestBucardoLeftover(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	p.source.exec(t, "CREATE SCHEMA bucardo", "CREATE TABLE bucardo.delta_public_a (w int, n int, txntime timestamptz)")
	d := p.detect(t)
	if len(d.Forward)+len(d.Reverse) != 0 {
		t.Fatalf("found %+v, %+v", d.Forward, d.Reverse)
	}
	_, err := d.Fence()
	if !errors.Is(err, fence.ErrUnknown) {
		t.Errorf("the fence's error is %v", err)
	}
	contains(t, err.Error(), "schema bucardo", "delta tables for 1 tables", "none of them is carried")
	_, err = detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: fence.KindBucardo}).Fence()
	if !errors.Is(err, fence.ErrNotFound) {
		t.Errorf("Bucardo was asked for, and the error is %v", err)
	}
}

// TestBucardo lets Bucardo itself replicate two pairs: one into the target, and
// one both ways.
func TestBucardo(t *testing.T) {
	b := newBucardo(t)
	p := newPair(t, b.cluster, server(t, 18), ledgers, `CREATE TABLE c (n int PRIMARY KEY)`, `CREATE TABLE "OddName" (n int PRIMARY KEY)`,
		`CREATE TABLE root (n int PRIMARY KEY) PARTITION BY RANGE (n)`, `CREATE TABLE leaf PARTITION OF root FOR VALUES FROM (0) TO (10)`)
	both := newPair(t, server(t, 11), server(t, 18), ledgers)
	b.add(t, "near", p.source)
	b.add(t, "far", p.target)
	b.add(t, "left", both.source)
	b.add(t, "right", both.target)
	b.run(t, "add", "dbgroup", "shop", "near:source", "far:target")
	b.run(t, "add", "dbgroup", "twins", "left:source", "right:source")
	b.run(t, "add", "sync", "orders", "tables=public.a,public.b,public.leaf,public.OddName", "dbs=shop")
	b.run(t, "add", "sync", "mutual", "tables=public.a,public.b", "dbs=twins")
	stop := b.start(t)
	for _, e := range []*end{p.source, p.target, both.source} {
		until(t, "Bucardo copies", func() bool {
			return e.ask(t, "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'bucardo KID%' AND datname = current_database()") == "true"
		})
	}
	t.Run("evidence", func(t *testing.T) { bucardoEvidence(t, p) })
	t.Run("race", func(t *testing.T) { bucardoRace(t, b, p) })
	t.Run("truncate", func(t *testing.T) { bucardoTruncate(t, b, p) })
	t.Run("cover", func(t *testing.T) { bucardoCover(t, p) })
	t.Run("copying", func(t *testing.T) { bucardoCopying(t, p) })
	t.Run("groups", func(t *testing.T) { bucardoGroups(t, p) })
	t.Run("privileges", func(t *testing.T) { bucardoPrivileges(t, p) })
	t.Run("both ways", func(t *testing.T) { bucardoBothWays(t, b, both) })
	stop()
	t.Run("deadlock", func(t *testing.T) { bucardoDeadlock(t, p) })
	t.Run("stopped", func(t *testing.T) { bucardoStopped(t, p) })
}

func bucardoEvidence(t *testing.T, p *pair) {
	for _, kind := range []fence.Kind{fence.Auto, fence.KindBucardo} {
		d := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: kind})
		if len(d.Forward) != 1 || d.Forward[0].Kind != fence.KindBucardo || len(d.Reverse)+len(d.Others) != 0 {
			t.Fatalf("%s: %+v", kind, d)
		}
		contains(t, strings.Join(d.Forward[0].Evidence, "\n"), "delta tables for 4 tables", `"OddName"`, "public.b", "orders", "group shop", "control database",
			"copies is connected to both sides: bucardo KID (orders)")
		f := made(t)(d.Fence())
		pass(t, f)
		healthy(t, f)
		h, err := f.Health(t.Context())
		if err != nil || len(h.Streams) != 1 || h.Streams[0].Name != "shop" || h.Streams[0].Worker == 0 {
			t.Errorf("streams %+v, %v", h.Streams, err)
		}
	}
	if _, err := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, Kind: fence.KindLogical}).Fence(); !errors.Is(err, fence.ErrNotFound) {
		t.Errorf("logical was asked for, and the error is %v", err)
	}
}

// bucardoRace: sessions commit while the process that copies is stopped and
// continued, and what is carried is purged; whatever the source had shown is on the target after the wait. Each
// table has one session: of two transactions of a table that began in the same
// microsecond Bucardo loses one.
func bucardoRace(t *testing.T, b *bucardo, p *pair) {
	f := p.fence(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for w, script := range []string{
		"INSERT INTO a VALUES (0, %[1]d); SELECT FROM pg_sleep(0.004)", // its commit comes well after its beginning
		"BEGIN; SAVEPOINT s; INSERT INTO b VALUES (1, %[1]d); RELEASE s; COMMIT",
	} {
		conn := connect(t, p.source.cluster.URL(p.source.name))
		wg.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				if _, err := conn.PgConn().Exec(ctx, fmt.Sprintf(script, n)).ReadAll(); err != nil {
					if ctx.Err() == nil {
						t.Errorf("writer %d: %v", w, err)
					}
					return
				}
				pause(ctx, time.Duration(w+4)*time.Millisecond)
			}
		})
	}
	purge := connect(t, p.source.cluster.URL(p.source.name))
	wg.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			release := b.freeze(t, "orders")
			pause(ctx, time.Duration(n%7*6)*time.Millisecond)
			release()
			pause(ctx, time.Duration(n%5*6)*time.Millisecond)
			if _, err := purge.Exec(ctx, "SELECT bucardo.bucardo_purge_delta('0 seconds')"); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	until(t, "both write", func() bool { return len(highest(t, p.source)) == 2 })
	for round := range 15 {
		seen := highest(t, p.source)
		if err := waits(t, f, mark(t, f), 20*time.Second); err != nil {
			t.Fatal(err)
		}
		got := highest(t, p.target)
		for key, n := range seen {
			if got[key] < n {
				t.Fatalf("round %d: writer %s: the source had shown %d, the target shows %d behind the fence", round, key, n, got[key])
			}
		}
	}
}

// bucardoTruncate: a TRUNCATE empties the delta table, and with it what was
// marked: it is waited for in its place.
func bucardoTruncate(t *testing.T, b *bucardo, p *pair) {
	f := p.fence(t)
	pass(t, f)
	release := b.hold(t, "orders", p.source)
	p.source.exec(t, "INSERT INTO a VALUES (5, 1)")
	m := mark(t, f)
	s := stalls(t, f, m, 300*time.Millisecond)
	contains(t, s.Error(), "a transaction on public.a")
	p.source.exec(t, "TRUNCATE a")
	if left := p.source.ask(t, "SELECT count(*) FROM bucardo.delta_public_a"); left != "0" {
		t.Fatalf("TRUNCATE left %s delta rows: nothing is tested", left)
	}
	s = stalls(t, f, m, 300*time.Millisecond)
	contains(t, s.Error(), "TRUNCATE of public.a", "orders")
	p.source.exec(t, "INSERT INTO a VALUES (6, 1)")
	after := mark(t, f)
	release()
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a WHERE w <> 6"); got != "0" {
		t.Errorf("behind the fence the target has %s rows that were truncated", got)
	}
	if err := waits(t, f, after, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
}

// bucardoCopying: where a group has several sources, Bucardo may have said on one
// that all is carried, and not have committed on the other yet.
func bucardoCopying(t *testing.T, p *pair) {
	f := p.fence(t)
	kid := connect(t, p.target.cluster.URL(p.target.name))
	for _, sql := range []string{"SET application_name = 'bucardo KID (x) (PID 1)'", "BEGIN", "INSERT INTO c VALUES (1)"} {
		if _, err := kid.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	m := mark(t, f)
	s := stalls(t, f, m, 300*time.Millisecond)
	if !has(s, fence.WritersOpen) {
		t.Errorf("told as %v", s)
	}
	done := make(chan error, 1)
	go func() { done <- f.Wait(t.Context(), m) }()
	if _, err := kid.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// Others that write to the target are not waited for.
	other := connect(t, p.target.cluster.URL(p.target.name))
	if _, err := other.Exec(t.Context(), "BEGIN; INSERT INTO c VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	pass(t, f)
	if _, err := other.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

// bucardoBothWays: what was written on the target and comes back is waited for
// before the source is read again.
func bucardoBothWays(t *testing.T, b *bucardo, p *pair) {
	d := p.detect(t)
	if len(d.Forward) != 1 || len(d.Reverse) != 1 {
		t.Fatalf("forward %+v, reverse %+v, others %q", d.Forward, d.Reverse, d.Others)
	}
	forward, back := made(t)(d.Fence()), made(t)(d.Barrier([]string{"public.a"}))
	release := b.hold(t, "mutual", p.source)
	p.target.exec(t, "INSERT INTO b VALUES (1, 1)")
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	there, here := mark(t, forward), mark(t, back)
	s := stalls(t, back, here, 300*time.Millisecond)
	contains(t, s.Error(), "target: ", "public.b", "twins")
	contains(t, stalls(t, forward, there, 300*time.Millisecond).Error(), "source: ", "public.a")
	release()
	if err := errors.Join(waits(t, forward, there, 20*time.Second), waits(t, back, here, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := p.source.ask(t, "SELECT count(*) FROM b") + p.target.ask(t, "SELECT count(*) FROM a"); got != "11" {
		t.Errorf("behind the fences there are %s rows, want 1 and 1", got)
	}
}
