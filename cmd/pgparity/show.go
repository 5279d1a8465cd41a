package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

func (a *app) showCommand() *cobra.Command {
	f := &pairFlags{}
	full := false
	cmd := &cobra.Command{
		Use:   "show TABLE KEY… --source URL --target URL | --config FILE --pair NAME",
		Short: "Show one row of both sides next to each other",
		Long: `show prints one row as both sides hold it, column by column, with a mark where
they differ. TABLE is schema.table, quoted or not. KEY is the values of its key
in the key's order, or name=value for each of its columns; put -- before a key
that begins with a dash.

NULL stands bare; an empty text, or one that reads NULL, is quoted; blanks at
the ends, control characters and look-alike spellings are made visible. Row
values may be personal data. Nothing waits for replication: a row that is on
its way shows as different.

Exit codes: 0 the same on both sides · 1 different, or on one side only ·
2 could not run · 3 on neither side, or a column could not be compared.`,
		Example: `  pgparity show public.orders 42 --source … --target …
  pgparity show 'public."Order Lines"' order_id=42 line=3 --config pairs.yaml --pair shop`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("show needs a table and the key of a row: pgparity show public.orders 42")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd, f, full, args) },
	}
	f.register(a, cmd)
	f.help(cmd, "digest")
	cmd.Flags().BoolVar(&full, "full", false, "show long values whole, up to 100,000 characters each")
	return cmd
}

func (a *app) show(cmd *cobra.Command, f *pairFlags, full bool, args []string) error {
	pairs, err := a.load(cmd, f)
	if err != nil {
		return err
	}
	if len(pairs) > 1 {
		return fmt.Errorf("--pair: the file has %d pairs; choose one with --pair NAME", len(pairs))
	}
	source, target, err := connect(cmd.Context(), pairs[0])
	if err != nil {
		return err
	}
	defer closeBoth(source, target)
	row, err := checker.Show(cmd.Context(), source, target, options(pairs[0]), args[0], args[1:])
	if err != nil {
		return err
	}
	a.worse(exitOf(row.Verdict()))
	return report.WriteRow(a.stdout, row, a.rendering(full))
}
