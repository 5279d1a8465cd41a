package main

import (
	"context"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"golang.org/x/sync/errgroup"
)

// bed is what contenders run on: the program, and two servers with the data.
type bed struct {
	program string
	*pair
}

// pair is the two servers that hold the same data.
type pair struct{ source, target *pgcluster.Cluster }

// The majors of the two servers.
const (
	sourceMajor = 15
	targetMajor = 18
)

func startPair(ctx context.Context, sharedBuffers string) (*pair, error) {
	settings := map[string]string{"shared_buffers": sharedBuffers, "autovacuum": "off", "max_wal_size": "4GB"}
	var p pair
	var err error
	if p.source, err = pgcluster.Start(ctx, pgcluster.Options{Major: sourceMajor, Settings: settings}); err != nil {
		return nil, err
	}
	if p.target, err = pgcluster.Start(ctx, pgcluster.Options{Major: targetMajor, Settings: settings}); err != nil {
		p.stop()
		return nil, err
	}
	return &p, nil
}

func (p *pair) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range []*pgcluster.Cluster{p.source, p.target} {
		if c != nil {
			_ = c.Stop(ctx) // its watchdog removes what is left
		}
	}
}

// both does the same on both servers at once.
func (p *pair) both(ctx context.Context, do func(context.Context, *pgcluster.Cluster) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range []*pgcluster.Cluster{p.source, p.target} {
		g.Go(func() error { return do(ctx, c) })
	}
	return g.Wait()
}

// database is where a workload lives on both servers.
const database = "bench"

// load makes a database on both servers that holds the workload.
func (p *pair) load(ctx context.Context, db string, w workload) error {
	return p.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error {
		if err := c.CreateDatabase(ctx, db); err != nil {
			return err
		}
		return c.Exec(ctx, db, append(w.load(), "VACUUM (ANALYZE, FREEZE)", "CHECKPOINT")...)
	})
}

// damage makes a copy of the target's database in which n rows differ.
func (p *pair) damage(ctx context.Context, w workload, n int) error {
	// The files are copied: writing them through the log would take longer.
	if err := p.target.CreateDatabase(ctx, damaged(n), "TEMPLATE", database, "STRATEGY file_copy"); err != nil {
		return err
	}
	return p.target.Exec(ctx, damaged(n), append(w.damage(n), "VACUUM (ANALYZE)")...)
}

// drop removes databases from both servers; those of the target's copies
// are on the target only.
func (p *pair) drop(ctx context.Context, dbs ...string) error {
	return p.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error {
		for _, db := range dbs {
			if err := c.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+db); err != nil {
				return err
			}
		}
		return nil
	})
}
