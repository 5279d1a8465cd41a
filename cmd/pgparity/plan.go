package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/report"
)

// planFlags are plan's own flags, beside the pairs'.
type planFlags struct {
	pairFlags
	output  string
	verbose bool
}

var planOutputs = []string{"text", "json"}

func (a *app) planCommand() *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use:   "plan --source URL --target URL | --config FILE [--pair NAME]",
		Short: "Tell how verify would compare, without reading a table",
		Long: `plan tells for each table how verify would compare it and why: by ranges of
the key, in one sweep, or as a multiset; by which key; hashed on the servers or
in pgparity, and by which form each column. It reads the catalogs and asks both
servers for their hash functions' results, but reads no table: it needs no
privilege on one. Rows, bytes and chunks are the planner's estimates.

With several pairs and --output json, one document per pair follows the other.

Exit codes: 0 planned · 2 could not run.`,
		Example: `  pgparity plan --source postgres://db1/shop --target postgres://db2/shop
  pgparity plan --config pairs.yaml --pair shop -v`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd, f) },
	}
	f.register(a, cmd)
	f.help(cmd, slices.Concat(filterFlags, replicationFlags, []string{"checks", "sample-rows", "digest", "chunk-rows"})...)
	cmd.Flags().StringVar(&f.output, "output", "text", "`FORMAT` of what stdout gets: text or json")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list the form of every column")
	complete(cmd, "output", planOutputs)
	return cmd
}

func (a *app) plan(cmd *cobra.Command, f *planFlags) error {
	if err := oneOf("output", f.output, planOutputs); err != nil {
		return err
	}
	pairs, err := a.load(cmd, &f.pairFlags)
	if err != nil {
		return err
	}
	for i, p := range pairs {
		if i > 0 && f.output == "text" {
			fmt.Fprintln(a.stdout)
		}
		if err := a.planPair(cmd, p, f); err != nil {
			return named(p, err)
		}
	}
	return nil
}

func (a *app) planPair(cmd *cobra.Command, p config.Pair, f *planFlags) error {
	s, err := connectAll(cmd.Context(), p)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.options(cmd.Context(), p)
	if err != nil {
		return err
	}
	tables, pair, err := checker.Plan(cmd.Context(), s.source, s.target, o)
	if err != nil {
		return err
	}
	plan := report.Plan{Name: p.Name, Source: checker.Identify(s.source), Target: checker.Identify(s.target), Checks: o.Checks, Tables: tables, Pair: pair}
	return report.WritePlan(a.stdout, plan, report.Format(f.output), a.rendering(f.verbose))
}

// named adds the pair's name to an error, where it has one.
func named(p config.Pair, err error) error {
	if p.Name == "" {
		return err
	}
	return fmt.Errorf("pair %s: %w", p.Name, err)
}
