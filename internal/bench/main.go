// Command bench measures verify against what any reading of the same tables
// must cost, in one run on one machine, and rewrites the tables in
// docs/performance.md. Figures are medians over rounds in which the
// contenders take turns, so that a noisy moment hits all alike.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; figures are medians")
	flag.Float64Var(&o.scale, "scale", 1, "times the rows of each workload")
	flag.StringVar(&o.only, "only", "", "workloads whose name starts so, growth and beside among them")
	flag.DurationVar(&o.span, "span", 20*time.Second, "of each interval of beside")
	flag.StringVar(&o.doc, "doc", "docs/performance.md", "file whose tables are rewritten; empty for none")
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
	span      time.Duration
	doc, json string
}

// asked are the workloads that the options ask for, in their size.
func (o options) asked() []workload {
	var some []workload
	for _, w := range workloads {
		if strings.HasPrefix(w.name, o.only) {
			some = append(some, w.scaled(o.scale))
		}
	}
	return some
}

func (o options) growth() bool { return strings.HasPrefix(growthName, o.only) }
func (o options) beside() bool { return strings.HasPrefix(besideName, o.only) }

// figures is all that a run measured; its JSON form is docs/performance.json.
type figures struct {
	At        time.Time  `json:"measured_at"`
	Machine   machine    `json:"machine"`
	Rounds    int        `json:"rounds"`
	Scale     float64    `json:"scale"`
	Workloads []measured `json:"workloads"`
	Growth    []measured `json:"growth,omitempty"` // the smallest first
	Beside    *beside    `json:"beside,omitempty"`
	Targets   []target   `json:"targets"`
}

func run(ctx context.Context, o options) error {
	if o.rounds < 1 || o.scale <= 0 {
		return fmt.Errorf("%d rounds, scale %g: ask for one round at least and a scale above 0", o.rounds, o.scale)
	}
	asked := o.asked()
	if len(asked) == 0 && !o.growth() && !o.beside() {
		return fmt.Errorf("no workload's name starts with %q: ask for one of those in workloads.go, growth or beside", o.only)
	}
	if _, err := o.page(""); err != nil { // not only after all the work
		return err
	}
	if o.beside() && o.span < time.Second { // pgbench's least
		return fmt.Errorf("intervals of %v beside pgbench: ask for a second at least", o.span)
	}
	return measureAll(ctx, o, asked)
}

// measureAll measures and publishes what was asked for.
func measureAll(ctx context.Context, o options, asked []workload) error {
	dir, err := os.MkdirTemp("", "pgparity-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bed{program: filepath.Join(dir, "pgparity")}
	if err := build(ctx, b.program); err != nil {
		return err
	}
	here := thisMachine()
	if b.pair, err = startPair(ctx, here.sharedBuffers()); err != nil {
		return err
	}
	defer b.stop()
	here.Source, here.Target = b.source.Version(), b.target.Version()
	f := figures{At: time.Now().UTC().Truncate(time.Second), Machine: here, Rounds: o.rounds, Scale: o.scale}
	for _, w := range asked {
		m, err := measure(ctx, b, w, o.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		f.Workloads = append(f.Workloads, m)
	}
	if o.growth() {
		if f.Growth, err = measureGrowth(ctx, b, o); err != nil {
			return fmt.Errorf("growth: %w", err)
		}
	}
	if o.beside() {
		if f.Beside, err = measureBeside(ctx, b, o); err != nil {
			return fmt.Errorf("%s: %w", besideName, err)
		}
	}
	f.Targets = judge(f)
	return publish(f, o)
}

func build(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "github.com/pgparity/pgparity/cmd/pgparity")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build pgparity: %w", err)
	}
	return nil
}
