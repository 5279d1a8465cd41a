// Package demo shows pgparity at work on two servers of its own: it builds a
// shop on one, replicates it to the other with PostgreSQL's logical
// replication, verifies the pair, damages the target row by row and verifies
// again.
//
// It is a test of itself: the second report must name exactly what was done to
// the target, or the run ends in a BrokenError.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/report"
)

// Options say how to run the demo.
type Options struct {
	// Check is how both verifications are done: what verify does by default.
	Check checker.Options
	// Dir is where the reports are written; it is made if missing. "" means a
	// new folder among the temporary ones, whose name is printed.
	Dir string
	// Keep leaves the servers running at the end, until ctx is done.
	Keep bool
	// Out receives the narration and the reports.
	Out io.Writer
	// Rendering is how the text reports look.
	Rendering report.Options
	// Live says that Out is a terminal: steps then show how far they are.
	Live bool
}

// Summary is what a run of the demo did. It is filled as far as the run came.
type Summary struct {
	Clean   *checker.Result // before the damage
	Damaged *checker.Result // after it
	HTML    string          // path of the report on Damaged
	JSON    string          // likewise
}

// serverPatience bounds the shutdown of the servers after an interruption.
const serverPatience = 10 * time.Second

// demo is the state of one run.
type demo struct {
	o              Options
	say            *narrator
	source, target *pgcluster.Cluster
	from, to       *postgres.DB
	summary        Summary
}

// Run runs the demo from start to end and stops its servers. A BrokenError
// means that pgparity did not find what it should have; an interrupted run
// returns the cause of ctx.
func Run(ctx context.Context, o Options) (Summary, error) {
	return newDemo(o).runAndClose(ctx)
}

func newDemo(o Options) *demo {
	return &demo{o: o, say: &narrator{out: o.Out, live: o.Live, width: o.Rendering.Width}}
}

func (d *demo) runAndClose(ctx context.Context) (Summary, error) {
	err := d.run(ctx)
	d.say.abandon()
	d.close(ctx)
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("the demo was stopped: %w", context.Cause(ctx))
	}
	return d.summary, err
}

func (d *demo) run(ctx context.Context) error {
	began := time.Now()
	if err := d.prepareDir(); err != nil {
		return err
	}
	d.say.headline("pgparity demo: a shop moves to a new server, and rows go wrong on the way")
	for _, step := range []func(context.Context) error{
		d.startServers, d.buildShop, d.replicate, d.verifyClean, d.damage, d.verifyDamaged, d.writeReports,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.farewell(time.Since(began))
	if d.o.Keep {
		d.keep(ctx)
	}
	return nil
}

// steps is how many numbered steps the narration has.
const steps = 7

// startServers starts both clusters at once.
func (d *demo) startServers(ctx context.Context) error {
	d.say.step("Starting two PostgreSQL servers")
	m, err := pickMajors(pgcluster.Available(ctx), func(major int) error {
		d.say.clear() // a download is logged on stderr
		_, err := pgcluster.Ensure(ctx, major)
		return err
	})
	if err != nil {
		return err
	}
	d.say.rename(fmt.Sprintf("Starting PostgreSQL %d and %d", m.source, m.target))
	start := func(major int, settings map[string]string) (*pgcluster.Cluster, error) {
		return pgcluster.Start(ctx, pgcluster.Options{Major: major, InMemory: true, Settings: settings,
			Logf: func(string, ...any) { d.say.progress("first use: preparing the server") }})
	}
	var g errgroup.Group // not its context: a cluster that came up is to be stopped, too
	g.Go(func() (err error) { d.source, err = start(m.source, sourceSettings); return })
	g.Go(func() (err error) { d.target, err = start(m.target, targetSettings); return })
	if err := g.Wait(); err != nil {
		return err
	}
	d.say.rename(fmt.Sprintf("Starting PostgreSQL %s (source) and %s (target)", d.source.Version(), d.target.Version()))
	d.say.done()
	if m.note != "" {
		d.say.remark(m.note)
	}
	return nil
}

// Autovacuum would write to the judged databases in the middle of the run, and
// the demo analyses its tables itself.
var (
	sourceSettings = map[string]string{"autovacuum": "off"}
	targetSettings = map[string]string{"autovacuum": "off", "wal_receiver_status_interval": "1s"}
)

// close stops what runs, also after an interruption. Its errors are not the
// news: a watchdog removes what is left.
func (d *demo) close(ctx context.Context) {
	for _, db := range []*postgres.DB{d.from, d.to} {
		if db != nil {
			db.Close()
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverPatience)
	defer cancel()
	// The target first: its subscription holds the source's shutdown up.
	for _, c := range []*pgcluster.Cluster{d.target, d.source} {
		if c != nil {
			_ = c.Stop(ctx)
		}
	}
}

// both does the same on both sides at once.
func both(ctx context.Context, source, target func(context.Context) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source(gctx) })
	g.Go(func() error { return target(gctx) })
	return g.Wait()
}
