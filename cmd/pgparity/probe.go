package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/probe"
)

func (a *app) probeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Try what a pair is there for, by writing into a scratch table",
		Long: `probe tries things out rather than compare. What it tries, it tries with rows of
its own, in a table that is named for it.`,
		Args: a.commandArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.probeReplicationCommand())
	return cmd
}

// probeFlags are the flags of probe replication, beside the pairs'.
type probeFlags struct {
	pairFlags
	table     string
	direction string
	timeout   time.Duration
	rounds    int
	output    string
}

// The options of a pair that mean something else here, and are flags of the
// command's own: one table rather than globs, the wait for one operation rather
// than for the whole run.
var probeOwn = []string{"table", "timeout"}

var directionWords = []string{string(probe.Both), string(probe.Forward), string(probe.Reverse)}

const (
	leastProbeTimeout = 100 * time.Millisecond
	maxProbeRounds    = 1000
)

func (a *app) probeReplicationCommand() *cobra.Command {
	f := &probeFlags{}
	cmd := &cobra.Command{
		Use:   "replication --source URL --target URL --table SCHEMA.TABLE",
		Short: "Try INSERT, UPDATE and DELETE in both directions, and time each",
		Long: `replication writes a row with a random key on one side, waits until the other
shows it with that content, updates it, waits, deletes it, waits; and the same
in the other direction. It prints how long each of the six took, or why it was
not seen. With --rounds N it does so N times, and prints the least, the median
and the greatest.

This command WRITES, into the one table that --table names and nowhere else.
Make one for it on both sides, and let the replication carry it:

  CREATE TABLE public.pgparity_probe (id bigint PRIMARY KEY, note text);

A table with more than 1000 rows, with foreign keys, or that a row with a key
and one more column does not fit into, is refused. The role needs SELECT,
INSERT, UPDATE and DELETE on it; where it only looks, SELECT and DELETE.

Whatever happens, what it wrote is removed from both sides: also after Ctrl-C
(once) and after a lost connection. A row that could not be removed is told on
stderr, with the DELETE to type.

Where replication goes one way, the other direction is not seen: ask for
--direction forward alone.

Exit codes: 0 all operations were seen · 1 one was waited for in vain, or could
not be written · 2 could not run (usage, connection, the table was refused):
nothing was written · 3 interrupted, or a side was lost.`,
		Example: `  pgparity probe replication --source postgres://db1/shop --target postgres://db2/shop --table public.pgparity_probe
  pgparity probe replication --config pairs.yaml --pair shop --table public.pgparity_probe --direction forward --rounds 20`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.probeReplication(cmd, f) },
	}
	f.registerBut(a, cmd)
	cmd.Flags().StringVar(&f.table, "table", "", "scratch `TABLE` to write into: schema.table, on both sides")
	cmd.Flags().StringVar(&f.direction, "direction", string(probe.Both), "`WORD`: both, forward (source to target) or reverse")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 30*time.Second, "wait so long for each operation to be seen")
	cmd.Flags().IntVar(&f.rounds, "rounds", 1, "try each operation `N` times")
	cmd.Flags().StringVar(&f.output, "output", "text", "`FORMAT` of what stdout gets: text or json")
	f.help(cmd, probeOwn...)
	complete(cmd, "direction", directionWords)
	complete(cmd, "output", planOutputs)
	return cmd
}

// registerBut is register without the options that are the command's own flags.
func (f *probeFlags) registerBut(a *app, cmd *cobra.Command) {
	slices.DeleteFunc(config.Options(), func(o config.Option) bool { return slices.Contains(probeOwn, o.Name) }).Register(cmd.Flags())
	cmd.Flags().StringVar(&f.file, "config", "", "YAML `FILE` with one or many pairs (see docs/configuration.md)")
	cmd.Flags().StringArrayVar(&f.pairs, "pair", nil, "`NAME` of a pair in the file")
	f.completeOptions(a, cmd)
}

func (f *probeFlags) check() error {
	if err := oneOf("direction", f.direction, directionWords); err != nil {
		return err
	}
	if err := oneOf("output", f.output, planOutputs); err != nil {
		return err
	}
	switch {
	case f.table == "":
		return fmt.Errorf("--table: is missing; name a scratch table that is on both sides, made for this: CREATE TABLE public.pgparity_probe (id bigint PRIMARY KEY, note text)")
	case f.timeout < leastProbeTimeout:
		return fmt.Errorf("--timeout: must be at least %s, not %s", leastProbeTimeout, f.timeout)
	case f.rounds < 1 || f.rounds > maxProbeRounds:
		return fmt.Errorf("--rounds: must be 1 to %d, not %d", maxProbeRounds, f.rounds)
	}
	return nil
}

func (a *app) probeReplication(cmd *cobra.Command, f *probeFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	pairs, err := a.load(cmd, &f.pairFlags)
	if err != nil {
		return err
	}
	if len(pairs) > 1 {
		return fmt.Errorf("--pair: the file has %d pairs; choose one with --pair NAME", len(pairs))
	}
	source, target, err := connect(cmd.Context(), pairs[0])
	if err != nil {
		return named(pairs[0], err)
	}
	defer closeBoth(source, target)
	res, err := probe.Run(cmd.Context(), source, target, probe.Options{Table: f.table, Direction: probe.Direction(f.direction), Timeout: f.timeout, Rounds: f.rounds})
	if err != nil {
		return named(pairs[0], err)
	}
	a.worse(map[probe.Verdict]int{probe.VerdictMatch: exitMatch, probe.VerdictMismatch: exitMismatch, probe.VerdictUnproven: exitUnproven}[res.Verdict()])
	for _, l := range res.Left {
		printError(a.stderr, fmt.Errorf("%s", l))
	}
	p := probeReport{pair: pairs[0].Name, source: source.Server(), target: target.Server(), Result: res}
	if f.output == "json" {
		return p.writeJSON(a.stdout)
	}
	return p.writeText(a.stdout)
}
