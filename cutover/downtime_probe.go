package cutover

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// The statements of the probe. Which database takes one is told by the comment of
// its table (prepareDowntime), which no stream carries: so a server may be started
// anew, and the role needs no right to read what server it is.
const (
	writeBeat = `INSERT INTO pgparity.downtime (run, n) VALUES ($1, $2) RETURNING ` + whichLabel
	readBeat  = `SELECT ` + whichLabel + `, (SELECT pg_catalog.max(n) FROM pgparity.downtime WHERE run = $1)`

	whichLabel = `pg_catalog.obj_description('pgparity.downtime'::pg_catalog.regclass, 'pg_class')`
)

// beaten is a beat, and why it failed.
type beaten struct {
	Beat
	err error
}

// watch begins to write and to read, each on a connection of its own, and sends
// what came of the first of each. The caller stops it.
func (r *run) watch(ctx context.Context, first chan<- beaten) *downtime {
	d := &downtime{began: time.Now()}
	next, end := context.WithCancel(ctx)
	ctx, cut := context.WithCancel(ctx)
	d.end, d.cut = end, cut
	d.record.begin()
	// A number is never used twice, by no run and by no try: of a write that failed
	// nobody knows whether it is there, and on the other side it would meet itself
	// when the stream back carries it.
	var number atomic.Int64
	number.Store(d.began.UnixMicro())
	write := &prober{kind: kindWrite, ask: func() (string, []string, int64) {
		n := number.Add(1)
		return writeBeat, []string{r.id, strconv.FormatInt(n, 10)}, n
	}}
	read := &prober{kind: kindRead, ask: func() (string, []string, int64) { return readBeat, []string{r.id}, 0 }}
	for _, p := range []*prober{write, read} {
		p.of, p.began, p.patience = &d.record, d.began, max(beatPatience, 2*r.o.Budgets.Window)
		p.options = postgres.Options{Side: applicationEnd, URL: r.o.Application, Run: r.id, Application: "pgparity downtime", AsClient: true, Pooled: true}
		d.ended.Go(func() { p.run(next, ctx, first) })
	}
	return d
}

// prober makes statements of one kind, one after the other.
type prober struct {
	kind     string
	options  postgres.Options
	ask      func() (sql string, args []string, number int64)
	of       *recorder
	began    time.Time
	patience time.Duration
	conn     *postgres.Control // nil where it is to be connected
}

// run makes statements until next is over. A statement that took longer than the
// pause is followed by the next one at once, and what it made late is left out.
func (p *prober) run(next, ctx context.Context, first chan<- beaten) {
	defer p.close()
	for next.Err() == nil {
		began := time.Now()
		b := p.beat(ctx, began)
		if first != nil {
			first <- b
			first = nil
		}
		rest(next, beatEvery-time.Since(began))
	}
}

// beat makes one statement, and connects for it where it has to. Like a client's
// pool it does not trust a connection any more on which one failed: a session
// that began while the database was read only stays so.
func (p *prober) beat(ctx context.Context, began time.Time) beaten {
	sql, args, number := p.ask()
	label, err := p.statement(ctx, sql, args)
	b := beaten{Beat{AtMS: milliseconds(began.Sub(p.began)), TookMS: milliseconds(time.Since(began)), Kind: p.kind}, err}
	switch {
	case err == nil:
		b.On = labelledSide(label)
		p.of.acknowledged(b.Beat, number)
		return b
	case ctx.Err() != nil: // the probe ended, and not the statement
		p.of.add(b.Beat)
	default:
		b.Failed = true
		p.of.failed(b.Beat, err)
	}
	p.close()
	return b
}

func (p *prober) statement(ctx context.Context, sql string, args []string) (label string, err error) {
	if p.conn == nil {
		connecting, cancel := context.WithTimeout(ctx, beatConnect)
		defer cancel()
		if p.conn, err = postgres.OpenControl(connecting, p.options); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	if label, err = text(ctx, p.conn, "downtime", sql, args...); err != nil {
		var e *postgres.Error
		if errors.As(err, &e) {
			e.Op = p.kind
		}
	}
	return label, err
}

func (p *prober) close() {
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}
