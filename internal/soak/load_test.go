package soak_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// crowd writes to the source of a pair: writers with small transactions, one
// with big ones, and a brake that keeps the target behind.
type crowd struct {
	p      *pair
	tables []*stock
	seed   uint64
	big    int           // rows of the biggest transaction
	pause  time.Duration // between two big ones
	pace   time.Duration // between two transactions of one writer

	stop   context.CancelFunc
	done   sync.WaitGroup
	hold   atomic.Bool // the target is too far behind
	mu     sync.Mutex
	counts map[string]int  // transactions by how they ended
	lags   []time.Duration // of the brake's transactions
}

const writers = 6

// start lets the crowd write until stop is called, which the end of the test
// does at the latest.
func (c *crowd) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c.stop, c.counts = cancel, map[string]int{}
	run := func(name string, id uint64, f func(context.Context, *writer) error) {
		w := &writer{crowd: c, conn: connect(t, c.p.source.url), draw: rand.New(rand.NewPCG(c.seed, id)), name: name}
		c.done.Go(func() {
			if err := f(ctx, w); err != nil && ctx.Err() == nil {
				t.Errorf("load: %s: %v", name, err)
			}
		})
	}
	for i := range uint64(writers) {
		run(fmt.Sprintf("writer_%d", i), i, c.write)
	}
	run("flicker", 99, c.flicker)
	run("bulk", 100, c.bulk)
	far := connect(t, c.p.target.url)
	run("brake", 101, func(ctx context.Context, w *writer) error { return c.brake(ctx, w, far) })
	t.Cleanup(func() { cancel(); c.done.Wait() })
}

// end stops the crowd and waits until no transaction is open.
func (c *crowd) end() {
	c.stop()
	c.done.Wait()
}

// writer is one session on the source.
type writer struct {
	*crowd
	conn *pgx.Conn
	draw *rand.Rand
	name string
	made int
}

// write makes small transactions until ctx ends.
func (c *crowd) write(ctx context.Context, w *writer) error {
	for rest(ctx, c.pace) == nil {
		if c.hold.Load() {
			continue
		}
		if err := w.transaction(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) transaction(ctx context.Context) error {
	var list []string
	for range 1 + w.draw.IntN(3) {
		list = append(list, w.change())
	}
	end := pick(w.draw, endings, func(e ending) int { return e.weight })
	w.made++
	sql, then := end.wrap(strings.Join(list, "; "), w.change(), fmt.Sprintf("%s %s %d", w.p.source.name, w.name, w.made))
	// A transaction that has begun is ended, whatever happens to ctx.
	if ok, err := w.try(context.WithoutCancel(ctx), end.name, sql); err != nil || !ok || then == "" {
		return err
	}
	_ = rest(ctx, time.Duration(w.draw.IntN(150))*time.Millisecond)
	_, err := w.conn.Exec(context.WithoutCancel(ctx), then, pgx.QueryExecModeSimpleProtocol)
	return err
}

func (w *writer) change() string {
	s := w.tables[w.draw.IntN(len(w.tables))]
	fitting := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return !c.fits(s) })
	return pick(w.draw, fitting, func(c change) int { return c.weight }).sql(s, w.draw)
}

// try runs statements; that they met others' is no error, and is rolled back.
func (w *writer) try(ctx context.Context, name, sql string) (ok bool, err error) {
	_, err = w.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	var failed *pgconn.PgError
	switch {
	case errors.As(err, &failed) && (failed.Code == "23505" || failed.Code == "40P01" || failed.Code == "40001"):
		name = "failed: " + failed.Code
		_, err = w.conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	case err != nil:
		return false, fmt.Errorf("%s: %w", sql, err)
	default:
		ok = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[name]++
	return ok, err
}

// flickering is how many rows of each table come and go, or change to and fro,
// all the time: the first ones several times while a run looks at them once.
const flickering = 5

// flicker lets rows come and go in transactions of their own.
func (c *crowd) flicker(ctx context.Context, w *writer) error {
	on := map[string]bool{}
	for rest(ctx, c.pace/4) == nil {
		if c.hold.Load() {
			continue
		}
		s := c.tables[w.draw.IntN(len(c.tables))]
		n := 1000 + 10*min(w.draw.IntN(flickering), w.draw.IntN(flickering))
		id := fmt.Sprint(s.name, n)
		on[id] = !on[id]
		sql := fmt.Sprintf("UPDATE %s SET note = '%t' WHERE n = %d", s.name, on[id], n+1)
		if n/10%2 == 0 {
			sql = fmt.Sprintf("DELETE FROM %s WHERE n = %d", s.name, n)
			if on[id] {
				sql = s.insert(n, n, moves, "here again")
			}
		}
		if _, err := w.try(context.WithoutCancel(ctx), "flicker", sql); err != nil {
			return err
		}
	}
	return nil
}

// bulk makes big transactions.
func (c *crowd) bulk(ctx context.Context, w *writer) error {
	s := c.tables[slices.IndexFunc(c.tables, func(s *stock) bool { return s.name == "items" })]
	for rest(ctx, c.pause) == nil {
		size := int(1000 * math.Pow(float64(c.big)/1000, w.draw.Float64())) // small ones are as likely as big ones
		a := w.draw.IntN(s.rows - size + 1)
		some := fmt.Sprintf("n BETWEEN %d AND %d AND %s", a, a+size-1, moves)
		sql := []string{
			"UPDATE items SET v = v + 1 WHERE " + some,
			"UPDATE items SET note = 'bulk' WHERE " + some,
			"DELETE FROM items WHERE " + some + "; " + s.insert(a, a+size-1, moves, "bulk"),
			"BEGIN; UPDATE items SET v = v - 1 WHERE " + some + "; ROLLBACK",
		}[w.draw.IntN(4)]
		if _, err := w.try(context.WithoutCancel(ctx), "big", sql); err != nil {
			return err
		}
	}
	return nil
}

// The brake's trigger lets the apply worker sleep; longest is how long the
// target may be behind until the writers wait for it.
const longest = 6 * time.Second

var brakeTable = "CREATE TABLE brake (id int PRIMARY KEY, nap float8)"

// fitBrake makes the target's trigger that brakes.
func fitBrake(t *testing.T, p *pair) {
	t.Helper()
	p.target.exec(t, "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_sleep(NEW.nap); RETURN NULL; END'",
		"CREATE TRIGGER nap AFTER INSERT ON brake FOR EACH ROW EXECUTE PROCEDURE nap()",
		"ALTER TABLE brake ENABLE REPLICA TRIGGER nap")
}

// brake sends the apply worker to sleep as soon as it has woken up, and measures
// how long its rows take.
func (c *crowd) brake(ctx context.Context, w *writer, far *pgx.Conn) error {
	for id := 1; ; id++ {
		sql := fmt.Sprintf("INSERT INTO brake VALUES (%d, %g)", id, 1+w.draw.Float64()/2)
		if _, err := w.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		sent, arrived := time.Now(), false
		for !arrived {
			if err := far.QueryRow(ctx, "SELECT EXISTS (SELECT FROM brake WHERE id = $1)", id).Scan(&arrived); err != nil {
				return err
			}
			c.hold.Store(time.Since(sent) > longest)
			if err := rest(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		c.mu.Lock()
		c.lags = append(c.lags, time.Since(sent))
		c.mu.Unlock()
		if err := rest(ctx, time.Duration(200+w.draw.IntN(500))*time.Millisecond); err != nil {
			return err
		}
	}
}

// told prints what was written, and how far behind the target was.
func (c *crowd) told() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lags := slices.Sorted(slices.Values(c.lags))
	if len(lags) == 0 {
		return fmt.Sprintf("transactions %v", c.counts)
	}
	return fmt.Sprintf("transactions %v; lag between %s and %s, half the time over %s", c.counts, lags[0].Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond), lags[len(lags)/2].Round(time.Millisecond))
}

// rest waits, and says whether ctx ended meanwhile.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
