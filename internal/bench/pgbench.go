package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// pgbenchClients are enough to keep two cores busy, and wait for each other's
// locks rarely.
const pgbenchClients = 4

// pgbench is the source's own.
func (p *pair) pgbench() string { return p.source.Binaries().Path("pgbench") }

// initialise does some of pgbench's steps of making its tables.
func (p *pair) initialise(ctx context.Context, c *pgcluster.Cluster, steps string, scale int) error {
	return p.runPgbench(ctx, c, "--initialize", "--quiet", "--init-steps="+steps, "--scale="+strconv.Itoa(scale))
}

func (p *pair) runPgbench(ctx context.Context, c *pgcluster.Cluster, args ...string) error {
	cmd := exec.CommandContext(ctx, p.pgbench(), append(args, c.URL(besideDB))...)
	cmd.Env = append(os.Environ(), p.source.Binaries().Env()...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pgbench: %w: %s", err, strconv.Quote(said.String()))
	}
	return nil
}

// application is pgbench's TPC-B on the source.
type application struct {
	*bed
	logs string        // folder
	rate float64       // transactions a second; 0 for as many as it can
	seed int           // of what they are and of when they are due
	span time.Duration // whole seconds
}

// besideRun is a run of a neighbour, and its client's peak.
type besideRun struct {
	besides
	memory int64
}

// run lets pgbench run for the span, and its neighbour again and again, if it
// has one. The last run of that is let end.
func (a *application) run(ctx context.Context, neighbour func(context.Context, *bed) (reading, error)) (interval, []besideRun, error) {
	if err := a.rest(ctx); err != nil {
		return interval{}, nil, err
	}
	var fared interval
	var runs []besideRun
	over := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		defer close(over)
		fared, err = a.trade(ctx)
		return err
	})
	for whole := neighbour != nil; whole; {
		r, err := neighbour(ctx, a.bed)
		if err != nil {
			g.Go(func() error { return err }) // it ends pgbench, too
			break
		}
		select {
		case <-over:
			whole = false
		default:
		}
		runs = append(runs, besideRun{besides{Took: r.took, Whole: whole}, r.memory})
	}
	return fared, runs, g.Wait()
}

// trade lets pgbench run for the span.
func (a *application) trade(ctx context.Context) (interval, error) {
	dir, err := os.MkdirTemp(a.logs, "")
	if err != nil {
		return interval{}, err
	}
	args := []string{"--no-vacuum", fmt.Sprintf("--client=%d", pgbenchClients), "--jobs=2", "--time=" + strconv.Itoa(int(a.span.Seconds())),
		"--random-seed=" + strconv.Itoa(a.seed), "--log", "--log-prefix=" + filepath.Join(dir, "log")}
	if a.rate > 0 {
		args = append(args, fmt.Sprintf("--rate=%f", a.rate))
	}
	if err := a.runPgbench(ctx, a.source, args...); err != nil {
		return interval{}, err
	}
	took, err := latencies(dir)
	if err != nil {
		return interval{}, fmt.Errorf("pgbench: log: %w", err)
	}
	if len(took) == 0 {
		return interval{}, fmt.Errorf("pgbench: no transaction in %v", a.span)
	}
	slices.Sort(took)
	seconds := a.span.Truncate(time.Second).Seconds()
	return interval{TPS: float64(len(took)) / seconds, Median: quantile(took, 50), P95: quantile(took, 95)}, nil
}

// latencies are those of all transactions in the logs of a folder, one log a
// thread. A line is: client, number, latency in µs, script, and when it ended.
func latencies(dir string) ([]time.Duration, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, name := range logs {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() && err == nil {
			var micros int64
			if fields := strings.Fields(lines.Text()); len(fields) < 6 {
				err = fmt.Errorf("a line of %d fields: %q", len(fields), lines.Text())
			} else if micros, err = strconv.ParseInt(fields[2], 10, 64); err == nil { // a failed transaction has none
				all = append(all, time.Duration(micros)*time.Microsecond)
			}
		}
		_ = f.Close()
		if err == nil {
			err = lines.Err()
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// quantile is the least of the sorted values that so many percent do not exceed.
func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[max((len(sorted)*percent+99)/100-1, 0)]
}
