// Command bench measures verify against what any reading of the same tables
// must cost, in one run on one machine, and rewrites the table of ratios in
// docs/performance.md. Figures are medians over rounds in which the
// contenders take turns, so that a noisy moment hits all alike.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

func main() {
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; figures are medians")
	flag.Float64Var(&o.scale, "scale", 1, "times the rows of each workload")
	flag.StringVar(&o.only, "only", "", "workloads whose name starts so")
	flag.StringVar(&o.doc, "doc", "docs/performance.md", "file whose table is rewritten; empty for none")
	flag.StringVar(&o.json, "json", "docs/performance.json", "file for all figures; empty for none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds    int
	scale     float64
	only      string
	doc, json string
}

// measured is one workload's figures: per contender a duration a round.
type measured struct {
	Workload string                     `json:"workload"`
	Rows     int                        `json:"rows"`
	Times    map[string][]time.Duration `json:"times_ns"`
	Memory   int64                      `json:"client_peak_bytes"` // of verify, the greatest of all rounds
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "pgparity-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "pgparity")
	if err := build(ctx, program); err != nil {
		return err
	}
	p, err := startPair(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	var all []measured
	for _, w := range workloads {
		if !strings.HasPrefix(w.name, o.only) {
			continue
		}
		m, err := measure(ctx, p, program, w, o)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		all = append(all, m)
	}
	return publish(all, o)
}

// measure loads one workload on both servers and lets the contenders take
// turns.
func measure(ctx context.Context, p *pair, program string, w workload, o options) (measured, error) {
	rows := int(float64(w.rows) * o.scale)
	fmt.Fprintf(os.Stderr, "%s: loading %d rows on both servers\n", w.name, rows)
	if err := p.load(ctx, w, rows); err != nil {
		return measured{}, err
	}
	m := measured{Workload: w.name, Rows: rows, Times: map[string][]time.Duration{}}
	for round := range o.rounds + 1 { // the first warms the caches and is not counted
		for _, c := range contenders {
			took, memory, err := c.run(ctx, p, program)
			if err != nil {
				return m, fmt.Errorf("%s: %w", c.name, err)
			}
			if round == 0 {
				continue
			}
			m.Times[c.name] = append(m.Times[c.name], took)
			m.Memory = max(m.Memory, memory)
		}
		fmt.Fprintf(os.Stderr, "%s: round %d of %d done\n", w.name, round, o.rounds)
	}
	for _, n := range differences {
		if err := measureDamaged(ctx, p, program, w, rows, n, o.rounds, &m); err != nil {
			return m, err
		}
	}
	return m, nil
}

// differences are how many scattered rows differ in the runs on a damaged pair.
var differences = []int{1, 1000}

// measureDamaged damages the target and lets verify find it.
func measureDamaged(ctx context.Context, p *pair, program string, w workload, rows, n, rounds int, m *measured) error {
	if err := p.target.Exec(ctx, database, fmt.Sprintf(w.damage, max(rows/n-1, 1)), "VACUUM (ANALYZE) t"); err != nil {
		return err
	}
	for range rounds {
		took, memory, err := differs(ctx, p, program)
		if err != nil {
			return fmt.Errorf("%d differences: %w", n, err)
		}
		name := damagedName(n)
		m.Times[name] = append(m.Times[name], took)
		m.Memory = max(m.Memory, memory)
	}
	return nil
}

func damagedName(n int) string { return fmt.Sprintf("verify, %d different", n) }

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

// pair is the two servers that hold the same data.
type pair struct{ source, target *pgcluster.Cluster }

func startPair(ctx context.Context) (*pair, error) {
	settings := map[string]string{"shared_buffers": "1GB", "autovacuum": "off", "max_wal_size": "4GB"}
	var p pair
	var err error
	if p.source, err = pgcluster.Start(ctx, pgcluster.Options{Major: 15, Settings: settings}); err != nil {
		return nil, err
	}
	if p.target, err = pgcluster.Start(ctx, pgcluster.Options{Major: 18, Settings: settings}); err != nil {
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
