package cutover

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// application is what a run's sessions call themselves: by that its guard, and
// whoever reads pg_stat_activity, tells them from clients.
func application(run string) string { return "pgparity cutover " + run }

// poolSize is how many connections a side's pool has, all made beforehand.
func (r *run) poolSize() int { return max(r.o.Verify.Concurrency, 2) + 3 }

// open connects both ends, and reads what they are.
func (r *run) open(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	return r.join(ctx)
}

// connect connects both ends.
func (r *run) connect(ctx context.Context) error {
	r.from, r.to = &end{name: "source", url: r.o.Source}, &end{name: "target", url: r.o.Target}
	if r.direction == Rollback {
		r.from, r.to = r.to, r.from
	}
	ends, errs := []*end{r.from, r.to}, [2]error{}
	g, gctx := errgroup.WithContext(ctx)
	for i, e := range ends {
		g.Go(func() error {
			errs[i] = r.openEnd(gctx, e)
			return nil
		})
	}
	_ = g.Wait()
	for i, e := range ends {
		if full(errs[i]) && len(r.facts.Saved) == 0 && errs[1-i] == nil { // the journal is lost: the other end has a copy
			errs[i] = r.openByLedger(ctx, e, ends[1-i], errs[i])
		}
		if errs[i] != nil {
			return errs[i]
		}
	}
	if postgres.SameDatabase(r.from.db, r.to.db) {
		return fmt.Errorf("source and target are the same database (%s): give two different ones", r.from.db.Server().Database)
	}
	return nil
}

// openEnd connects one end, also where the switch has closed it.
func (r *run) openEnd(ctx context.Context, e *end) error {
	err := r.openSessions(ctx, e, false)
	if full(err) && len(r.facts.Saved) > 0 {
		// The reservation of a switch: its pool and control, and one to spare.
		closed := err
		err = r.letIn(ctx, e, r.poolSize()+2, closed, func(ctx context.Context) error { return r.openSessions(ctx, e, true) })
		if err == nil && e.db == nil { // a plan lets nobody in
			err = closed
		}
	}
	if err != nil {
		return err
	}
	e.database = postgres.Ident(e.db.Server().Database)
	if r.o.maintenance() == e.db.Server().Database {
		return fmt.Errorf("%s: the database is the maintenance database too, from which one that is closed is opened again: name another (cutover.maintenance)", e.name)
	}
	return r.openMaintenance(ctx, e)
}

// openSessions makes the pool, and with warm all its connections, and the one that
// writes.
func (r *run) openSessions(ctx context.Context, e *end, warm bool) error {
	o := r.options(e)
	db, err := postgres.Open(ctx, o)
	if err != nil {
		return err
	}
	control, err := postgres.OpenControl(ctx, o)
	if err == nil && warm {
		err = db.Warm(ctx, r.poolSize())
	}
	if err != nil {
		if control != nil {
			control.Close()
		}
		db.Close()
		return err
	}
	e.db, e.control = db, control
	return nil
}

// options are those of an end's connections. A verification bounds its own
// statements.
func (r *run) options(e *end) postgres.Options {
	return postgres.Options{Side: r.sideOf(e), URL: e.url, MaxConns: r.poolSize(), Run: r.id, Application: r.calls(), Keep: true, Primary: true}
}

func (r *run) openMaintenance(ctx context.Context, e *end) (err error) {
	if e.maintenance != nil {
		return nil
	}
	o := r.options(e)
	o.Database = r.o.maintenance()
	if e.maintenance, err = postgres.OpenControl(ctx, o); err != nil {
		return fmt.Errorf("%s: the maintenance database, from which one that is closed is opened again: %w", e.name, err)
	}
	return nil
}

func (o *Options) maintenance() string {
	if o.Maintenance == "" {
		return "postgres"
	}
	return o.Maintenance
}

// full tells whether a database let nobody in, its owner neither.
func full(err error) bool { return postgres.HasCode(err, "53300") }

// openByLedger is openEnd for an end that lets nobody in, with the facts that the
// other end has of the run that closed it. full is what openEnd said.
func (r *run) openByLedger(ctx context.Context, e, other *end, full error) error {
	records, err := readLedger(ctx, other)
	if err != nil {
		return err
	}
	r.facts = (&journal{records: records}).standing().Facts
	if len(r.facts.Saved) == 0 {
		return full
	}
	return r.openEnd(ctx, e)
}

// letIn has open connect to a database that the switch has closed: an owner that is
// no superuser is kept out like everybody. From the maintenance database the limit
// is raised by what open needs, and set back. The database stays read only by
// default all the time, and whoever else came in is ended. Where it was not the
// switch that set the limit, nothing is done, and full is returned.
func (r *run) letIn(ctx context.Context, e *end, need int, full error, open func(context.Context) error) error {
	if err := r.openMaintenance(ctx, e); err != nil {
		return err
	}
	name := r.facts.database(e.name)
	counts, err := rows(ctx, e.maintenance, "let in", `SELECT d.datconnlimit, (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datname = d.datname) FROM pg_catalog.pg_database d WHERE d.datname = $1`,
		func(row postgres.Row) [2]int { return [2]int{int(row.Int(0)), int(row.Int(1))} }, name)
	if err != nil {
		return err
	}
	saved, known := r.facts.Saved[e.name]
	if !known || len(counts) == 0 || counts[0][0] < 0 || counts[0][0] == saved.Limit {
		return full
	}
	limit := func(n int) string { return limitTo(postgres.Ident(name), n) }
	on := e.name + ", database " + r.o.maintenance()
	raise := "ALTER DATABASE " + postgres.Ident(name) + " SET default_transaction_read_only = on;\n" + limit(counts[0][1]+need)
	return r.do(ctx, Action{ID: "let-in", On: on, Do: raise + ";\n" + limit(counts[0][0]), Why: "an owner that is no superuser is kept out too"}, func(ctx context.Context) (err error) {
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letInPatience)
			defer cancel()
			if shut := r.shut(ctx, e, name, limit(counts[0][0])); err == nil {
				err = shut
			}
		}()
		if err := e.maintenance.Exec(ctx, "cutover let in", raise); err != nil {
			return err
		}
		return open(ctx)
	})
}

// letInPatience bounds the closing behind who was let in.
const letInPatience = 10 * time.Second

// shut closes a database behind this process, and ends who came in with it.
func (r *run) shut(ctx context.Context, e *end, name, statement string) error {
	if err := r.maintain(ctx, e, []string{statement}, nil); err != nil {
		return fmt.Errorf("%s: it has to be closed again: run %s: %w", e.name, statement, err)
	}
	return poll(ctx, func(ctx context.Context) (bool, string, error) {
		left, err := rows(ctx, e.maintenance, "let in", `SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
WHERE a.datname = $1 AND a.backend_type = 'client backend' AND a.application_name <> $2 AND NOT r.rolsuper`, func(row postgres.Row) bool { return row.Bool(0) }, name, r.calls())
		return len(left) == 0, fmt.Sprintf("%s: %d sessions that came in meanwhile do not end", e.name, len(left)), err
	})
}

// keepShut closes a database again that a run died in letting itself into. Up to 12
// a limit that is not zero may be on purpose (closedLimit).
func (r *run) keepShut(ctx context.Context) error {
	if !r.past || r.from.db.Server().Major() <= 12 {
		return nil
	}
	now, err := readSettings(ctx, r.from)
	if err != nil || now.Limit == 0 || now.ReadOnly == nil || !isOn(*now.ReadOnly) {
		return err // open, which is found out later
	}
	return r.sql(ctx, r.from, "shut-again", "nobody but the switch connects there", fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT 0", r.from.database))
}

// join reads both catalogs, and what replicates the pair: behind the point of no
// return that is of no meaning any more.
func (r *run) join(ctx context.Context) error {
	catalogs, err := postgres.Both(ctx, r.from.db, r.to.db, func(ctx context.Context, db *postgres.DB) (*postgres.Catalog, error) {
		return db.ReadCatalog(ctx)
	})
	if err != nil {
		return err
	}
	if r.pair, err = pairing.Join(catalogs[0], catalogs[1], r.o.Verify.Pairing); err != nil || r.past {
		return err
	}
	return r.detect(ctx)
}

// detect finds out what replicates the pair, and makes the fence of it, which counts
// from then on what goes wrong.
func (r *run) detect(ctx context.Context) (err error) {
	r.detection, err = fence.Detect(ctx, fence.Options{Source: r.from.db, Target: r.to.db, Kind: r.o.Verify.Replication, Heartbeats: r.o.Verify.Heartbeats})
	if err != nil {
		return err
	}
	r.fence, err = r.detection.Fence()
	return err
}

// close ends all connections.
func (r *run) close() {
	r.closePoolers()
	if r.follower != nil {
		r.follower.Close()
	}
	for _, e := range []*end{r.from, r.to} {
		if e == nil {
			continue
		}
		for _, c := range []*postgres.Control{e.control, e.maintenance} {
			if c != nil {
				c.Close()
			}
		}
		if e.db != nil {
			e.db.Close()
		}
	}
}
