package postgres

import (
	"context"
	"strconv"
	"strings"
)

// Gauge is one reading of how hard pressed a server is, as far as the asking
// role may see.
type Gauge struct {
	Value  int64  // sessions, bytes or transactions
	Holder string // whose the value is, such as `slot "standby1"`; "" for nobody's in particular
	Hidden int64  // sessions or replicas whose state only a role with pg_monitor sees
}

// ActiveSessions counts the client sessions on the whole server that run a
// statement, beside those of this run.
func (db *DB) ActiveSessions(ctx context.Context) (Gauge, error) {
	st := db.statement("active")
	st.Args = []string{strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(runComment(db.run)) + "%"}
	return db.gauge(ctx, st)
}

// ReplicationLag reads how many bytes of WAL the furthest behind of the
// server's replicas and slots still lacks; of a standby, those that it feeds.
func (db *DB) ReplicationLag(ctx context.Context) (Gauge, error) {
	return db.gauge(ctx, db.statement("lag"))
}

// XminAge reads how many transactions back the oldest row version is that
// vacuum must keep in this database. The run's own statements count too.
func (db *DB) XminAge(ctx context.Context) (Gauge, error) {
	return db.gauge(ctx, db.statement("xmin"))
}

// gauge reads in a transaction of its own: where a provider refuses one of the
// gauges, the others are read all the same.
func (db *DB) gauge(ctx context.Context, st Statement) (g Gauge, err error) {
	err = db.Read(ctx, "pressure", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, st, func(r Row) error {
			g = Gauge{Value: r.Int(0), Holder: holder(r.Text(1), r.Text(2)), Hidden: r.Int(3)}
			return nil
		})
	})
	return g, err
}

// holder names who holds a value up. Names are the users' own: quoted, they
// stay on one line.
func holder(kind, name string) string {
	switch kind {
	case "":
		return ""
	case "session":
		return "session " + name
	case "idle slot":
		return "slot " + strconv.Quote(name) + ", which nothing reads,"
	default:
		return kind + " " + strconv.Quote(name)
	}
}
