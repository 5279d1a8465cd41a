package follow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/postgres"
)

// damaging is what the target's triggers do to what arrives: by the value alone, so that the
// oracle knows what the target has.
const damaging = `CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' THEN IF OLD.v % 31 = 0 THEN RETURN NULL; END IF; RETURN OLD; END IF;
  IF NEW.v % 23 = 0 THEN RETURN NULL; END IF;
  IF NEW.v % 29 = 0 THEN NEW.note := 'damaged'; END IF;
  RETURN NEW; END $$`

// image is what a side has of a key.
type image struct {
	there, damaged bool
	v              int
}

// arrive is what the target makes of a row that is written: it had old.
func arrive(old image, insert bool, v int) image {
	switch {
	case !insert && !old.there, v%23 == 0:
		return old
	}
	return image{there: true, v: v, damaged: v%29 == 0}
}

// leave is what the target makes of a delete.
func leave(old image) image {
	if old.there && old.v%31 == 0 {
		return old
	}
	return image{}
}

// fate is what has become of a key so far.
type fate struct {
	source, target image
	everDiffered   bool
	before, after  postgres.LSN // the log's place before and after its last commit
	at             time.Time    // when that had returned
	steps          int          // how many steps had begun when it was written
	busy           bool         // a transaction that writes it is under way
	dead           bool         // not to be written any more: an insert would fail on the target
}

func (f *fate) differs() bool { return f.source != f.target }

// oracle knows of each key what both sides have.
type oracle struct {
	mu    sync.Mutex
	keys  map[string]*fate // by table and key
	live  []string
	steps int
	next  int
	told  map[string]int // in which step a key was last found
	draw  *rand.Rand
}

var oracleTables = []string{"public.o", "public.w", "public.p"}

// transaction is what a writer does in one.
type transaction struct {
	sql     []string
	touched []string
	images  map[string][2]image
}

// plan draws a transaction, and marks its keys as busy.
func (o *oracle) plan() transaction {
	o.mu.Lock()
	defer o.mu.Unlock()
	tx := transaction{images: map[string][2]image{}}
	for range 1 + o.draw.IntN(12) {
		v := 1 + o.draw.IntN(1_000_000)
		if len(o.live) == 0 || o.draw.IntN(3) == 0 {
			o.next++
			id := oracleTables[o.draw.IntN(3)] + " " + strconv.Itoa(o.next)
			tx.insert(o, id, v)
			continue
		}
		i := o.draw.IntN(len(o.live))
		id := o.live[i]
		if f := o.keys[id]; f.busy || f.dead {
			continue
		}
		tx.change(o, id, v)
	}
	return tx
}

func (tx *transaction) touch(o *oracle, id string, s, t image) {
	if o.keys[id] == nil {
		o.keys[id] = &fate{}
		o.live = append(o.live, id)
	}
	o.keys[id].busy = true
	tx.touched, tx.images[id] = append(tx.touched, id), [2]image{s, t}
}

func split(id string) (table, key string) {
	_, _ = fmt.Sscan(id, &table, &key)
	return table, key
}

func (tx *transaction) insert(o *oracle, id string, v int) {
	table, key := split(id)
	tx.sql = append(tx.sql, fmt.Sprintf("INSERT INTO %s(id, v, note) VALUES (%s, %d, 'n')", table, key, v))
	tx.touch(o, id, image{there: true, v: v}, arrive(image{}, true, v))
}

func (tx *transaction) change(o *oracle, id string, v int) {
	table, key := split(id)
	f := o.keys[id]
	switch o.draw.IntN(6) {
	case 0:
		tx.sql = append(tx.sql, fmt.Sprintf("DELETE FROM %s WHERE id = %s", table, key))
		tx.touch(o, id, image{}, leave(f.target))
		f.dead = true
	case 1:
		o.next++
		to := table + " " + strconv.Itoa(o.next)
		tx.sql = append(tx.sql, fmt.Sprintf("UPDATE %s SET id = %d, v = %d WHERE id = %s", table, o.next, v, key))
		left, moved := f.target, image{}
		switch n, _ := strconv.Atoi(key); {
		case table == "public.p" && n < 300 && o.next >= 300: // into another partition
			left, moved = leave(f.target), arrive(image{}, true, v)
		case f.target.there && v%23 != 0:
			left, moved = image{}, arrive(f.target, false, v)
		}
		tx.touch(o, id, image{}, left)
		tx.touch(o, to, image{there: true, v: v}, moved)
		f.dead = true
	default:
		tx.sql = append(tx.sql, fmt.Sprintf("UPDATE %s SET v = %d, note = 'n' WHERE id = %s", table, v, key))
		tx.touch(o, id, image{there: true, v: v}, arrive(f.target, false, v))
	}
}

// write does transactions until it is over.
func (o *oracle) write(ctx context.Context, conn *pgx.Conn) error {
	pace := time.NewTicker(8 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		tx := o.plan()
		if len(tx.sql) == 0 {
			continue
		}
		o.mu.Lock()
		steps, commit := o.steps, o.draw.IntN(8) > 0
		for _, id := range tx.touched {
			f := o.keys[id] // before it can be seen: a finding may come at once
			f.everDiffered = f.everDiffered || commit && tx.images[id][0] != tx.images[id][1]
		}
		o.mu.Unlock()
		before, after, err := commits(conn, tx.sql, commit)
		if err != nil {
			return err
		}
		o.mu.Lock()
		for _, id := range tx.touched {
			f := o.keys[id]
			f.busy = false
			if !commit {
				f.dead = f.dead && f.source.there || !f.source.there // a key that never was is no use
				continue
			}
			f.source, f.target = tx.images[id][0], tx.images[id][1]
			f.before, f.after, f.at, f.steps = before, after, time.Now(), steps
		}
		o.mu.Unlock()
	}
	return nil
}

func commits(conn *pgx.Conn, sql []string, commit bool) (before, after postgres.LSN, err error) {
	ctx := context.Background()
	run := append([]string{"BEGIN"}, sql...)
	for _, s := range run {
		if _, err := conn.Exec(ctx, s); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", s, err)
		}
	}
	if before, err = insertLSN(conn); err != nil {
		return 0, 0, err
	}
	end := "COMMIT"
	if !commit {
		end = "ROLLBACK"
	}
	if _, err := conn.Exec(ctx, end); err != nil {
		return 0, 0, err
	}
	after, err = insertLSN(conn)
	return before, after, err
}

func insertLSN(conn *pgx.Conn) (postgres.LSN, error) {
	var text string
	if err := conn.QueryRow(context.Background(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return 0, err
	}
	return postgres.ParseLSN(text)
}

// check takes a step's outcome, and checks what it claims.
func (o *oracle) check(t *testing.T, s Step, state State) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range s.Findings {
		id := l.Table + " " + l.Key["id"]
		f := o.keys[id]
		if f == nil || !f.everDiffered {
			t.Errorf("%s %s was found, and it never differed", l.Kind, id)
			continue
		}
		o.told[id] = o.steps
	}
	for id, f := range o.keys {
		table, key := split(id)
		ts := state.Tables[table]
		w, _ := postgres.ParseLSN(ts.LSN)
		if f.after == 0 || f.busy {
			continue
		}
		if f.at.Before(ts.At) && f.before > w {
			t.Errorf("%s committed behind %s at %s: the watermark is %s at %s", id, f.before, f.at, ts.LSN, ts.At)
		}
		if f.after > w || !f.differs() || ts.Dirty != "" || excepted(ts, key) {
			continue
		}
		if o.told[id] < f.steps+1 {
			t.Errorf("%s: %+v differs since it was committed before %s, the watermark is %s, and nothing was told", id, *f, f.after, ts.LSN)
		}
	}
}

func excepted(ts TableState, key string) bool {
	for _, k := range ts.Exceptions {
		if k[0] == key {
			return true
		}
	}
	return false
}

// TestOracle checks each claim of the watermark against what writers know, while the target
// damages what arrives, and the follower is killed and begun again.
func TestOracle(t *testing.T) {
	last := 6 * time.Second
	if d, err := time.ParseDuration(os.Getenv("PGPARITY_TEST_ORACLE")); err == nil {
		last = d
	}
	const sql = `CREATE TABLE o(id int PRIMARY KEY, v int, note text); CREATE TABLE w(id int PRIMARY KEY, v int, note text); ALTER TABLE w REPLICA IDENTITY FULL;
CREATE TABLE p(id int PRIMARY KEY, v int, note text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (300); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (300) TO (1000000000)`
	w := newWorld(t, 15, 18, "o, w, p", sql)
	w.target.exec(t, damaging)
	for _, table := range []string{"o", "w", "p1", "p2"} {
		w.target.exec(t, "CREATE TRIGGER damage BEFORE INSERT OR UPDATE OR DELETE ON "+table+" FOR EACH ROW EXECUTE FUNCTION damage()",
			"ALTER TABLE "+table+" ENABLE ALWAYS TRIGGER damage")
	}
	w.options.MaxKeys = 300
	w.follow(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	o := &oracle{keys: map[string]*fate{}, told: map[string]int{}, draw: rand.New(rand.NewPCG(seed, 1))}
	ctx, stop := context.WithTimeout(t.Context(), last)
	defer stop()
	var writers sync.WaitGroup
	for range 3 {
		conn := connect(t, w.source.url)
		writers.Go(func() {
			if err := o.write(ctx, conn); err != nil {
				t.Error(err)
			}
		})
	}
	coin := rand.New(rand.NewPCG(seed, 2))
	var all Step
	step := func() {
		o.mu.Lock()
		o.steps++
		o.mu.Unlock()
		s, err := w.f.Step(t.Context(), 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if coin.IntN(12) == 0 { // it dies, and nobody has heard of what it found
			w.close()
			w.begin(t, w.keptState(), false)
			return
		}
		o.check(t, s, w.f.State())
		all.Keys, all.Total, all.Changes = all.Keys+s.Keys, all.Total+s.Total, all.Changes+s.Changes
		all.Dirty = append(all.Dirty, s.Dirty...)
	}
	for ctx.Err() == nil {
		step()
	}
	writers.Wait()
	to := w.mark(t)
	until(t, "all is judged", func() bool {
		step()
		at, _ := postgres.ParseLSN(w.f.State().Through)
		return at >= to
	})
	differ := 0
	o.mu.Lock()
	for _, f := range o.keys {
		if f.differs() {
			differ++
		}
	}
	o.mu.Unlock()
	if differ == 0 || len(all.Dirty) > 0 {
		t.Errorf("the oracle is broken: %d rows differ, %+v", differ, all)
	}
	t.Logf("%d changes, %d keys rechecked, %d found, %d rows differ in the end, %d steps", all.Changes, all.Keys, all.Total, differ, o.steps)
}
