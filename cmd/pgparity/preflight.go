package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/report"
)

// preflightFlags are preflight's own flags, beside the pairs'.
type preflightFlags struct {
	pairFlags
	output  string
	quiet   bool
	verbose bool
	list    bool
}

// The options that preflight alone looks at.
var preflightOptions = []string{"ack", "deep", "measure", "sequence-margin", "long-transaction"}

func (a *app) preflightCommand() *cobra.Command {
	f := &preflightFlags{}
	cmd := &cobra.Command{
		Use:   "preflight --source URL --target URL | --config FILE [--pair NAME]",
		Short: "Find everything that replication does not carry, before it hurts",
		Long: `preflight looks for what makes a switch fail, or behave otherwise on the other
side: tables that are not replicated or have no replica identity, sequences,
large objects, triggers, constraints and indexes that are not in force, roles and
privileges that lack, collations, extensions and settings that differ, slots and
workers in trouble, transactions that stand in the way. What the two databases
are made of is compared by meaning (schema-…).

Each hazard has an id that stays, names its object, says what will go wrong, and
gives the statement that mends it. --list prints all that are looked for.

A block has to be mended. A warning is acknowledged with --ack ID[:OBJECT], or
under acknowledge in the file, and is a note then; with --strict a warning that
nobody has acknowledged blocks. What could not be looked at keeps the pair from
being ready.

Beside the hazards stand the figures of a rehearsal: bytes to verify, the rate of
hashing, how the lag grows and drains, and the time that each phase of a switch
is expected to take. --report html=FILE is the page to choose a window by.

Only catalogs and statistics are read, and a sample of the largest table for the
rate; with --deep tables and indexes as well. Nothing is written. Reports that
the file lists are verify's: give --report here.

Exit codes: 0 ready · 1 blocked · 2 could not run · 3 something could not be
looked at. With several pairs the worst counts.`,
		Example: `  pgparity preflight --source postgres://db1/shop --target postgres://db2/shop
  pgparity preflight --config pairs.yaml --pair shop --report html=window.html
  pgparity preflight … --ack extension-outdated --ack 'table-unlogged:public.cache_*'
  pgparity preflight --list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.preflight(cmd, f) },
	}
	f.register(a, cmd)
	f.help(cmd, slices.Concat(filterFlags, replicationFlags, preflightOptions, []string{"strict", "report", "budget", "timeout"})...)
	cmd.Flags().StringVar(&f.output, "output", "text", "`FORMAT` of what stdout gets: text, json, html, markdown, junit or prometheus")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no report on stdout; the exit code speaks")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list everything")
	cmd.Flags().BoolVar(&f.list, "list", false, "print every hazard that is looked for, and end")
	complete(cmd, "output", formatWords())
	return cmd
}

func (a *app) preflight(cmd *cobra.Command, f *preflightFlags) error {
	if f.list {
		return a.listHazards()
	}
	format, err := report.ParseFormat(f.output)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	pairs, err := config.Load(config.Input{Flags: config.Options().FromFlags(cmd.Flags()), Environ: a.environ,
		ConfigPath: f.file, PairNames: f.pairs, FlagsOnly: []string{"report"}})
	if err != nil {
		return err
	}
	acks := make([][]preflight.Ack, len(pairs))
	for i, p := range pairs {
		if acks[i], err = parseAcks(p.Acknowledge); err != nil {
			return named(p, err)
		}
		for _, r := range p.Reports {
			if err := report.Prepare(r.Path); err != nil {
				return fmt.Errorf("--report: %w", err)
			}
		}
	}
	for i, p := range pairs {
		if cause := context.Cause(cmd.Context()); cause != nil && len(pairs) > 1 {
			a.worse(exitUnproven)
			printError(a.stderr, named(p, fmt.Errorf("not looked at: %w", cause)))
			continue
		}
		res, err := a.preflightPair(cmd.Context(), p, acks[i])
		if err != nil {
			if len(pairs) == 1 {
				return err
			}
			printError(a.stderr, named(p, err))
			a.worse(exitUsage)
			continue
		}
		a.worse(map[preflight.Verdict]int{preflight.Ready: exitMatch, preflight.Blocked: exitMismatch, preflight.Unproven: exitUnproven}[res.Verdict])
		err = deliver(p.Reports, f.quiet,
			func(path string, format report.Format) error {
				return report.WritePreflightFile(path, res, format, report.Options{Verbose: f.verbose})
			},
			func() error { return report.WritePreflight(a.stdout, res, format, a.rendering(f.verbose)) })
		if err != nil {
			printError(a.stderr, named(p, err))
			a.worse(exitUsage)
		}
	}
	return nil
}

// parseAcks reads the acknowledgements, all mistakes at once.
func parseAcks(texts []string) ([]preflight.Ack, error) {
	var acks []preflight.Ack
	var wrong []error
	for _, text := range texts {
		ack, err := preflight.ParseAck(text)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("acknowledgement: %w%s", err, knownHazards(text)))
		}
		acks = append(acks, ack)
	}
	return acks, errors.Join(wrong...)
}

// knownHazards says which id was probably meant; "" where that is one.
func knownHazards(text string) string {
	var ids []string
	for _, d := range preflight.Detectors() {
		ids = append(ids, d.ID)
	}
	id, _, _ := strings.Cut(text, ":")
	near := config.Nearest(id, ids)
	switch {
	case slices.Contains(ids, id):
		return ""
	case near != "":
		return fmt.Sprintf("; did you mean %q? `pgparity preflight --list` prints all", near)
	}
	return "; `pgparity preflight --list` prints all"
}

// listHazards prints every detector.
func (a *app) listHazards() error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, d := range preflight.Detectors() {
		deep := ""
		if d.Deep {
			deep = " (--deep)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\n", d.ID, d.Worst(), d.About, deep)
	}
	return w.Flush()
}

// preflightPair looks at one pair under its deadline.
func (a *app) preflightPair(ctx context.Context, p config.Pair, acks []preflight.Ack) (*preflight.Result, error) {
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("the deadline passed (--timeout %s)", p.Timeout))
		defer cancel()
	}
	s, err := connectAll(ctx, p)
	if err != nil {
		return nil, err
	}
	defer s.close()
	o, err := s.options(ctx, p)
	if err != nil {
		return nil, err
	}
	res, err := preflight.Run(ctx, s.source, s.target, preflight.Options{
		Version: version, OptionsHash: o.OptionsHash, Pair: p.Name, Pairing: o.Pairing,
		Fence: fence.Options{SourcePrimary: s.sourcePrimary, TargetPrimary: s.targetPrimary, Via: s.via, Kind: o.Replication, Heartbeats: o.Heartbeats},
		Acks:  acks, Strict: p.Strict, Deep: p.Deep, Measure: p.Measure, Margin: int64(p.SequenceMargin), LongTransaction: p.LongTransaction, Budget: o.Budget,
	})
	if err != nil && postgres.Lost(err) {
		return nil, fmt.Errorf("%w: run again when the server answers", err)
	}
	return res, err
}
