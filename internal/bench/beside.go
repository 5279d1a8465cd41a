package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// besideName stands for what verify costs an application, where workloads are
// asked for.
const besideName = "beside"

// besideScale is pgbench's scale, a hundred thousand accounts each.
const besideScale = 10

// probing is how long pgbench is let run as fast as it can.
const probing = 10 * time.Second

// beside is what verify costs an application that writes to its source while
// replication runs.
type beside struct {
	Missing string        `json:"missing,omitempty"` // why nothing was measured
	Scale   int           `json:"pgbench_scale"`
	Clients int           `json:"pgbench_clients"`
	Span    time.Duration `json:"span_ns"` // of each interval
	Max     float64       `json:"max_tps"`
	Rate    float64       `json:"rate_tps"` // that was asked for in all intervals
	Company []company     `json:"company"`
	// Up and Down are of one run of verify, both servers together.
	Up   int64 `json:"bytes_to_servers"`
	Down int64 `json:"bytes_from_servers"`
}

// company is how pgbench fared beside something.
type company struct {
	Name      string     `json:"name"`
	What      string     `json:"what"`
	Intervals []interval `json:"intervals"` // a round each, from the first on
	Runs      []besides  `json:"runs"`      // of all intervals; of verify each ended in a match
	Memory    int64      `json:"client_peak_bytes,omitempty"`
}

// interval is how pgbench fared in one.
type interval struct {
	TPS float64 `json:"tps"`
	// Latencies count from when a transaction was due, as pgbench counts them:
	// one that waits for those before it is late by that.
	Median time.Duration `json:"p50_ns"`
	P95    time.Duration `json:"p95_ns"`
}

// besides is one run beside pgbench.
type besides struct {
	Took  time.Duration `json:"took_ns"`
	Whole bool          `json:"whole"` // it ended before pgbench did
}

// neighbours are the contenders that take turns beside pgbench. One that does
// not run leaves it alone.
func (b *bed) neighbours() []contender {
	e := b.ends(besideDB, besideDB)
	return []contender{
		{name: "alone", what: "nothing"},
		{name: "verify", what: "`pgparity verify`", run: verifyReplicated(e)},
		{name: "verify, workers 2", what: "`pgparity verify --concurrency 2`", heavy: true, run: verifyReplicated(e, "--concurrency", "2")},
		{name: "copy", what: "`COPY t TO '/dev/null' (FORMAT binary)` of all tables, both servers at once", heavy: true, run: copyBeside},
	}
}

// verifyReplicated wants a match, and that the replication was seen.
func verifyReplicated(e ends, args ...string) func(context.Context, *bed) (reading, error) {
	return func(ctx context.Context, b *bed) (reading, error) {
		took, result, err := b.reported(ctx, e, match, args...)
		if err == nil && (result.Replication == nil || result.Replication.Kind != "logical") {
			err = fmt.Errorf("verify: it saw no logical replication: %+v", result.Replication)
		}
		return took, err
	}
}

func copyBeside(ctx context.Context, b *bed) (reading, error) {
	var statements []string
	for _, table := range []string{"accounts", "branches", "history", "tellers"} {
		statements = append(statements, "COPY pgbench_"+table+" TO '/dev/null' (FORMAT binary)")
	}
	start := time.Now()
	err := b.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error { return c.Exec(ctx, besideDB, statements...) })
	return reading{took: time.Since(start)}, err
}

// measureBeside finds how fast pgbench can be on the source of a replicated
// pair, holds it at half of that, and lets its neighbours take turns, in an
// order that turns as well.
func measureBeside(ctx context.Context, b *bed, o options) (*beside, error) {
	r := &beside{Scale: max(int(besideScale*o.scale), 1), Clients: pgbenchClients, Span: o.span}
	if _, err := exec.LookPath(b.pgbench()); errors.Is(err, fs.ErrNotExist) {
		r.Missing = "the source's programs here are without pgbench"
		return r, nil
	}
	logs, err := os.MkdirTemp("", "pgparity-bench-pgbench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(logs)
	fmt.Fprintf(os.Stderr, "%s: pgbench at scale %d, and its replication\n", besideName, r.Scale)
	if err := b.replicate(ctx, r.Scale); err != nil {
		return nil, err
	}
	app := &application{bed: b, logs: logs, span: min(probing, o.span)}
	fastest, _, err := app.run(ctx, nil)
	if err != nil {
		return nil, err
	}
	r.Max = fastest.TPS
	r.Rate, app.rate, app.span = r.Max/2, r.Max/2, o.span
	if err := r.warmUp(ctx, app); err != nil {
		return nil, err
	}
	if err := r.takeTurns(ctx, app, o.rounds); err != nil {
		return nil, err
	}
	return r, b.unreplicate(ctx)
}

// warmUp is an interval that is not counted, with verify over a wire that
// counts the bytes.
func (r *beside) warmUp(ctx context.Context, app *application) error {
	w, err := layWire(ctx, app.pair, app.ends(besideDB, besideDB), 0)
	if err != nil {
		return err
	}
	_, runs, err := app.run(ctx, verifyReplicated(w.ends))
	w.close()
	if err != nil {
		return err
	}
	for _, p := range w.proxies {
		r.Up += p.up.Load() / int64(len(runs))
		r.Down += p.down.Load() / int64(len(runs))
	}
	return nil
}

// takeTurns gives each neighbour an interval a round. All intervals of a round
// have the same transactions, due at the same moments.
func (r *beside) takeTurns(ctx context.Context, app *application, rounds int) error {
	neighbours := app.neighbours()
	var order []int
	for i, n := range neighbours {
		r.Company = append(r.Company, company{Name: n.name, What: n.what})
		order = append(order, i)
	}
	for round := range rounds {
		app.seed = round + 1
		for _, i := range order {
			n, c := neighbours[i], &r.Company[i]
			if n.heavy && round >= heavyRounds {
				continue
			}
			fared, runs, err := app.run(ctx, n.run)
			if err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
			c.Intervals = append(c.Intervals, fared)
			for _, run := range runs {
				c.Runs, c.Memory = append(c.Runs, run.besides), max(c.Memory, run.memory)
			}
		}
		slices.Reverse(order)
		fmt.Fprintf(os.Stderr, "%s: round %d of %d done\n", besideName, round+1, rounds)
	}
	return nil
}

// besideDB is where pgbench's tables are on both servers.
const besideDB = "bench_beside"

// replicate fills pgbench's tables on the source and has them replicated.
func (p *pair) replicate(ctx context.Context, scale int) error {
	if err := p.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error { return c.CreateDatabase(ctx, besideDB) }); err != nil {
		return err
	}
	if err := p.initialise(ctx, p.source, "dtGvp", scale); err != nil {
		return err
	}
	if err := p.initialise(ctx, p.target, "dtp", scale); err != nil {
		return err
	}
	if err := p.source.Exec(ctx, besideDB, "CREATE PUBLICATION "+besideDB+" FOR ALL TABLES"); err != nil {
		return err
	}
	return p.target.Exec(ctx, besideDB,
		"CREATE SUBSCRIPTION "+besideDB+" CONNECTION '"+strings.ReplaceAll(p.source.URL(besideDB), "'", "''")+"' PUBLICATION "+besideDB,
		`DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r') LOOP PERFORM pg_sleep(0.05); END LOOP; END $$`)
}

// unreplicate removes what replicate made.
func (p *pair) unreplicate(ctx context.Context) error {
	if err := p.target.Exec(ctx, besideDB, "DROP SUBSCRIPTION "+besideDB); err != nil { // and the slot
		return err
	}
	return p.drop(ctx, besideDB)
}

// catchUp waits until the target has applied all that the source has committed.
const catchUp = `DO $$ DECLARE mark pg_lsn := pg_current_wal_insert_lsn();
BEGIN WHILE EXISTS (SELECT FROM pg_replication_slots WHERE confirmed_flush_lsn < mark) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$`

// rest brings the pair to where each interval begins: all is applied, the
// history is empty, and no checkpoint and no vacuum is due.
func (p *pair) rest(ctx context.Context) error {
	if err := p.source.Exec(ctx, besideDB, "TRUNCATE pgbench_history", catchUp); err != nil {
		return err
	}
	return p.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error {
		return c.Exec(ctx, besideDB, "VACUUM ANALYZE", "CHECKPOINT")
	})
}
