package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
)

// The load leaves every tenth row alone. What such a row may be used for, the
// digit before the last of its n tells. Where it is not there at first, it is
// on neither side.
const (
	present   = 0 // 0 to 3
	absent    = 4 // 4 and 5
	corrupted = 6 // there, and the target's trigger changes what is applied to it
	swallowed = 7 // not there, and the target's trigger lets no such row in
	traveller = 8 // there
	stations  = 9 // not there
)

// reserved are the digits of each use.
var reserved = map[int][]int{present: {0, 1, 2, 3}, absent: {4, 5}, corrupted: {6}, swallowed: {7}, traveller: {8}, stations: {9}}

// damager damages rows of the target, or lets the replication do so. It is
// used by one goroutine.
type damager struct {
	p              *pair
	ledger         *ledger
	draw           *rand.Rand
	source, target *pgx.Conn
	free           map[string]map[int][]int // n by table and use
	moving         []*journey
}

func newDamager(t *testing.T, p *pair, tables []*stock, l *ledger, seed uint64) *damager {
	t.Helper()
	d := &damager{p: p, ledger: l, draw: rand.New(rand.NewPCG(seed, 200)), source: connect(t, p.source.url), target: connect(t, p.target.url), free: map[string]map[int][]int{}}
	for _, s := range tables {
		uses := map[int][]int{}
		for use, digits := range reserved {
			for _, digit := range digits {
				for n := digit*10 + 9; n < s.rows; n += 100 {
					uses[use] = append(uses[use], n)
				}
			}
			d.draw.Shuffle(len(uses[use]), func(i, j int) { uses[use][i], uses[use][j] = uses[use][j], uses[use][i] })
		}
		d.free[s.name] = uses
	}
	p.target.exec(t, `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
  IF NEW.n % 100 = 79 THEN RETURN NULL; END IF;
  IF NEW.n % 100 = 69 THEN NEW.note := NEW.note || '' spoilt''; END IF;
  RETURN NEW; END'`)
	for _, s := range tables {
		p.target.exec(t, "CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON "+s.name+" FOR EACH ROW EXECUTE PROCEDURE spoil()", "ALTER TABLE "+s.name+" ENABLE ALWAYS TRIGGER spoil")
	}
	return d
}

// take takes a row for a use; each is taken once.
func (d *damager) take(s *stock, use int) int {
	list := d.free[s.name][use]
	if len(list) == 0 {
		panic("no row is left to be damaged in " + s.name)
	}
	d.free[s.name][use] = list[1:]
	return list[0]
}

// direct writes to the target as no application does.
func (d *damager) direct(ctx context.Context, sql string, args ...any) error {
	return d.on(ctx, d.target, "SET LOCAL session_replication_role = replica; "+fmt.Sprintf(sql, args...))
}

// on runs statements in one transaction.
func (d *damager) on(ctx context.Context, conn *pgx.Conn, sql string) error {
	if _, err := conn.Exec(ctx, "BEGIN; "+sql+"; COMMIT", pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// replicated runs statements on the source, and waits until they were applied.
func (d *damager) replicated(ctx context.Context, sql string) error {
	if err := d.on(ctx, d.source, sql); err != nil {
		return err
	}
	var mark string
	if err := d.source.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&mark); err != nil {
		return err
	}
	return d.until(ctx, d.source, "SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1", d.p.subscription, mark)
}

// until waits for a query to say yes.
func (d *damager) until(ctx context.Context, conn *pgx.Conn, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		var yes bool
		if err := conn.QueryRow(ctx, sql, args...).Scan(&yes); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
		if yes {
			return nil
		}
		if err := rest(ctx, 30*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
}

// damage is one way of coming apart.
type damage struct {
	name string
	fits func(*stock) bool
	do   func(ctx context.Context, d *damager, s *stock, what string) error
}

func keyed(s *stock) bool { return s.keys != "" }

// spoil is a damage of one row that is there, by a statement about row %d.
func spoil(set string) func(context.Context, *damager, *stock, string) error {
	return func(ctx context.Context, d *damager, s *stock, what string) error {
		n := d.take(s, present)
		e := d.ledger.different(s, n, what)
		defer d.ledger.stand(e...)
		return d.direct(ctx, "UPDATE %s SET %s WHERE n = %d", s.name, set, n)
	}
}

var damages = []damage{
	{"changed", everywhere, spoil("note = note || ' '")},
	{"a number changed", everywhere, spoil("v = -v - 1")},
	{"NULL for a value", everywhere, spoil("note = NULL")},
	{"changed out of line", func(s *stock) bool { return s.toasted }, spoil("big = overlay(big placing 'x' from length(big))")},
	{"lost", everywhere, func(ctx context.Context, d *damager, s *stock, what string) error {
		n := d.take(s, present)
		e := d.ledger.add(s, n, checker.KindMissing, what)
		defer d.ledger.stand(e)
		return d.direct(ctx, "DELETE FROM %s WHERE n = %d", s.name, n)
	}},
	{"extra", everywhere, func(ctx context.Context, d *damager, s *stock, what string) error {
		n := d.take(s, absent)
		e := d.ledger.add(s, n, checker.KindExtra, what)
		defer d.ledger.stand(e)
		return d.direct(ctx, "%s", s.insert(n, n, "true", "extra"))
	}},
	{"swapped", everywhere, func(ctx context.Context, d *damager, s *stock, what string) error {
		a, b := d.take(s, present), d.take(s, present)
		e := append(d.ledger.different(s, a, what), d.ledger.different(s, b, what)...)
		defer d.ledger.stand(e...)
		return d.direct(ctx, "UPDATE %s t SET note = o.note FROM %[1]s o WHERE t.n IN (%d, %d) AND o.n = %[2]d + %[3]d - t.n", s.name, a, b)
	}},
	{"under another key", keyed, func(ctx context.Context, d *damager, s *stock, what string) error {
		from, to := d.take(s, present), d.take(s, absent)
		missing, extra := d.ledger.add(s, from, checker.KindMissing, what), d.ledger.add(s, to, checker.KindExtra, what)
		defer d.ledger.stand(missing, extra)
		return d.direct(ctx, "%s", s.rekey(from, to, "v = v"))
	}},
	{"spoilt by a trigger", everywhere, func(ctx context.Context, d *damager, s *stock, what string) error {
		n := d.take(s, corrupted)
		e := d.ledger.different(s, n, what)
		defer d.ledger.stand(e...)
		return d.replicated(ctx, fmt.Sprintf("UPDATE %s SET v = v + 1 WHERE n = %d", s.name, n))
	}},
	{"swallowed by a trigger", everywhere, func(ctx context.Context, d *damager, s *stock, what string) error {
		n := d.take(s, swallowed)
		e := d.ledger.add(s, n, checker.KindMissing, what)
		defer d.ledger.stand(e)
		return d.replicated(ctx, s.insert(n, n, "true", "swallowed"))
	}},
	{"skipped", keyed, skip},
	{"travels", func(s *stock) bool { return s.toasted }, travel},
}

// failedAt is how the apply worker of a subscription tells what it failed at.
var failedAt = regexp.MustCompile(`replication origin "pg_(\d+)".*finished at ([0-9A-F]+/[0-9A-F]+)`)

// skip lets a transaction fail on the target, and has it skipped.
func skip(ctx context.Context, d *damager, s *stock, what string) error {
	conflict, changed, gone, fresh := d.take(s, absent), d.take(s, present), d.take(s, present), d.take(s, absent)
	l := d.ledger
	e := []*entry{l.add(s, conflict, checker.KindExtra, what+", in the way of it"), l.add(s, conflict, checker.KindDifferent, what),
		l.add(s, changed, checker.KindDifferent, what), l.add(s, gone, checker.KindExtra, what), l.add(s, fresh, checker.KindMissing, what)}
	var oid string
	if err := d.target.QueryRow(ctx, "SELECT oid::text FROM pg_subscription WHERE subname = $1", d.p.subscription).Scan(&oid); err != nil {
		return err
	}
	if err := d.direct(ctx, "%s", s.insert(conflict, conflict, "true", "in the way")); err != nil {
		return err
	}
	if err := d.on(ctx, d.source, fmt.Sprintf("UPDATE %s SET v = v + 1 WHERE n = %d; DELETE FROM %[1]s WHERE n = %[3]d; %[4]s; %[5]s",
		s.name, changed, gone, s.insert(fresh, fresh, "true", "skipped"), s.insert(conflict, conflict, "true", "skipped"))); err != nil {
		return err
	}
	lsn := ""
	for ; lsn == ""; _ = rest(ctx, 50*time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log, err := os.ReadFile(d.p.target.cluster.LogFile())
		if err != nil {
			return err
		}
		for _, m := range failedAt.FindAllStringSubmatch(string(log), -1) {
			if m[1] == oid && !d.ledger.skipped[m[2]] {
				lsn = m[2]
			}
		}
	}
	d.ledger.skipped[lsn] = true
	if _, err := d.target.Exec(ctx, fmt.Sprintf("ALTER SUBSCRIPTION %s SKIP (lsn = '%s')", d.p.subscription, lsn)); err != nil {
		return err
	}
	if err := d.until(ctx, d.target, "SELECT subskiplsn = '0/0' FROM pg_subscription WHERE subname = $1", d.p.subscription); err != nil {
		return err
	}
	l.heal(e[0]) // it is there on both sides now
	l.stand(e[1:]...)
	return nil
}

// journey is a damaged row that the source gives one key after the other. The
// damage is out of line, and so stays.
type journey struct {
	s     *stock
	stops []int
	at    int
	e     *entry
}

// travel damages a row and lets it go.
func travel(ctx context.Context, d *damager, s *stock, what string) error {
	j := &journey{s: s, stops: []int{d.take(s, traveller)}}
	for range 3 {
		j.stops = append(j.stops, d.take(s, stations))
	}
	j.e = d.ledger.add(s, j.stops[0], checker.KindDifferent, what)
	defer d.ledger.stand(j.e)
	d.moving = append(d.moving, j)
	return d.direct(ctx, "UPDATE %s SET big = overlay(big placing 'x' from 7) WHERE n = %d", s.name, j.stops[0])
}

// move gives a travelling row its next key.
func (d *damager) move(ctx context.Context, j *journey) error {
	from := j.stops[j.at]
	j.at = (j.at + 1) % len(j.stops)
	d.ledger.moves(j.e, j.s, j.stops[j.at])
	defer d.ledger.stand(j.e)
	return d.on(ctx, d.source, j.s.rekey(from, j.stops[j.at], "v = v + 1"))
}

// run damages until ctx ends, each way once at least.
func (d *damager) run(ctx context.Context, tables []*stock, pause time.Duration) error {
	always := context.WithoutCancel(ctx)
	over := func() bool { return ctx.Err() != nil }
	for round := 0; ; round++ {
		for _, i := range d.draw.Perm(len(damages)) {
			if round > 0 && over() {
				return nil
			}
			var fitting []*stock
			for _, s := range tables {
				if damages[i].fits(s) {
					fitting = append(fitting, s)
				}
			}
			s := fitting[d.draw.IntN(len(fitting))]
			if err := damages[i].do(always, d, s, damages[i].name); err != nil {
				return fmt.Errorf("%s in %s: %w", damages[i].name, s.name, err)
			}
			for _, j := range d.moving {
				if d.draw.IntN(2) > 0 {
					if err := d.move(always, j); err != nil {
						return err
					}
				}
			}
			_ = rest(ctx, pause/2+time.Duration(d.draw.Int64N(int64(pause))))
		}
	}
}
