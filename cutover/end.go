package cutover

import (
	"context"
	"fmt"

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
	r.from, r.to = &end{name: "source", url: r.o.Source}, &end{name: "target", url: r.o.Target}
	if r.direction == Rollback {
		r.from, r.to = r.to, r.from
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.openEnd(gctx, r.from, postgres.Source) })
	g.Go(func() error { return r.openEnd(gctx, r.to, postgres.Target) })
	if err := g.Wait(); err != nil {
		return err
	}
	if postgres.SameDatabase(r.from.db, r.to.db) {
		return fmt.Errorf("source and target are the same database (%s): give two different ones", r.from.db.Server().Database)
	}
	return r.join(ctx)
}

func (r *run) openEnd(ctx context.Context, e *end, side postgres.Side) (err error) {
	o := postgres.Options{Side: side, URL: e.url, MaxConns: r.poolSize(), StatementTimeout: r.o.Verify.Budget, Run: r.id, Application: application(r.id), Keep: true}
	o.StatementTimeout = 0 // a verification bounds its own
	if e.db, err = postgres.Open(ctx, o); err != nil {
		return err
	}
	if e.control, err = postgres.OpenControl(ctx, o); err != nil {
		return err
	}
	e.database = postgres.Ident(e.db.Server().Database)
	o.Database = r.o.maintenance()
	if o.Database == e.db.Server().Database {
		return fmt.Errorf("%s: the database is the maintenance database too, from which one that is closed is opened again: name another (cutover.maintenance)", e.name)
	}
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

// join reads both catalogs, and what replicates the pair.
func (r *run) join(ctx context.Context) error {
	catalogs, err := postgres.Both(ctx, r.from.db, r.to.db, func(ctx context.Context, db *postgres.DB) (*postgres.Catalog, error) {
		return db.ReadCatalog(ctx)
	})
	if err != nil {
		return err
	}
	if r.pair, err = pairing.Join(catalogs[0], catalogs[1], r.o.Verify.Pairing); err != nil {
		return err
	}
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
