package checker

import (
	"context"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// gaugePatience bounds the reading of one gauge. A server that answers no more
// must not hold the run back: its statements will tell.
const gaugePatience = 10 * time.Second

// gauge is one limit on one side, and whether it is passed.
type gauge struct {
	name  string // of the limit: --max-lag
	side  postgres.Side
	limit int64
	read  func(context.Context) (postgres.Gauge, error)
	// say tells of a reading that is over the limit: as it is, and, for the
	// result, as it was.
	say func(postgres.Gauge) (now, then string)
	// unseen tells what the role lacks; of is how many are hidden from it.
	unseen func(of int64) string

	over   bool
	warned bool
}

// cause is one reason to hold the run back.
type cause struct {
	key       string // the same for all readings of one gauge
	value     int64
	now, then string // the reason, in the present and in the past tense
}

// gauges are those that have a limit, by side.
func (o Guard) gauges(source, target *postgres.DB) [][]*gauge {
	var all [][]*gauge
	for _, db := range []*postgres.DB{source, target} {
		var list []*gauge
		if o.MaxActive > 0 {
			list = append(list, activeGauge(db, int64(o.MaxActive)))
		}
		if o.MaxLag > 0 && db.Side() == postgres.Source {
			list = append(list, lagGauge(db, o.MaxLag))
		}
		if o.MaxXminAge > 0 {
			list = append(list, xminGauge(db, o.MaxXminAge))
		}
		if len(list) > 0 {
			all = append(all, list)
		}
	}
	return all
}

func activeGauge(db *postgres.DB, limit int64) *gauge {
	side := db.Side()
	return &gauge{
		name: "--max-active", side: side, limit: limit, read: db.ActiveSessions,
		say: func(g postgres.Gauge) (string, string) {
			what := fmt.Sprintf("%s (limit %d)", plural(g.Value, "active session", "active sessions"), limit)
			return fmt.Sprintf("the %s has %s", side, what), fmt.Sprintf("the %s had up to %s", side, what)
		},
		unseen: func(of int64) string {
			return "whether " + plural(of, "session", "sessions") + " of other roles are active"
		},
	}
}

func lagGauge(db *postgres.DB, limit int64) *gauge {
	side := db.Side()
	return &gauge{
		name: "--max-lag", side: side, limit: limit, read: db.ReplicationLag,
		say: func(g postgres.Gauge) (string, string) {
			what := fmt.Sprintf("%s behind (limit %s)", sizeText(g.Value), sizeText(limit))
			return fmt.Sprintf("the %s's %s is %s", side, g.Holder, what), fmt.Sprintf("the %s's %s was up to %s", side, g.Holder, what)
		},
		unseen: func(of int64) string {
			return "how far " + plural(of, "replica", "replicas") + " without a slot may be behind"
		},
	}
}

func xminGauge(db *postgres.DB, limit int64) *gauge {
	side := db.Side()
	return &gauge{
		name: "--max-xmin-age", side: side, limit: limit, read: db.XminAge,
		say: func(g postgres.Gauge) (string, string) {
			what := fmt.Sprintf("%s (limit %d)", plural(g.Value, "transaction", "transactions"), limit)
			return fmt.Sprintf("the %s's %s holds vacuum back by %s", side, g.Holder, what), fmt.Sprintf("the %s's %s held vacuum back by up to %s", side, g.Holder, what)
		},
		unseen: func(of int64) string {
			return "the snapshots of " + plural(of, "session", "sessions") + " of other roles"
		},
	}
}

// look reads the gauge once. A limit that was passed holds until the value is
// a fifth below it, so that a value around the limit does not make the run
// stutter. warning is what the operator is told, once: "" for nothing.
func (g *gauge) look(ctx context.Context) (c cause, warning string) {
	ctx, cancel := context.WithTimeout(ctx, gaugePatience)
	defer cancel()
	r, err := g.read(ctx)
	switch {
	case postgres.Refused(err):
		g.over = false
		return cause{}, g.warn(fmt.Sprintf("%v: %s holds nothing back there", err, g.name))
	case err != nil: // gone, or too busy to say: the run's own statements will tell
		g.over = false
		return cause{}, ""
	}
	if r.Hidden > 0 {
		warning = g.warn(fmt.Sprintf("%s: the role cannot see %s: GRANT pg_monitor TO it there, or %s is blind to them", g.side, g.unseen(r.Hidden), g.name))
	}
	least := g.limit
	if g.over {
		least -= g.limit / 5
	}
	if g.over = r.Value > least; !g.over {
		return cause{}, warning
	}
	c = cause{key: g.name + " " + string(g.side), value: r.Value}
	c.now, c.then = g.say(r)
	return c, warning
}

func (g *gauge) warn(sentence string) string {
	if g.warned {
		return ""
	}
	g.warned = true
	return sentence
}

// sizeText writes a number of bytes as PostgreSQL writes sizes: 64MB.
func sizeText(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 40, "TB"}, {1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "kB"}} {
		switch {
		case n < u.bytes:
		case n%u.bytes == 0:
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		default:
			return fmt.Sprintf("%.1f%s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
