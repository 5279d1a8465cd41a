package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole run on two servers of its own",
		Long: `demo starts two throw-away PostgreSQL servers, builds a shop on one, replicates
it to the other, verifies the pair, damages the target in many small ways and
verifies again. It takes under a minute and touches nothing else; servers that
are not installed are downloaded once.

Exit codes: 0 every damage was found and nothing else · 1 not so, which is a
bug · 2 could not run · 3 interrupted.`,
		Example: `  pgparity demo
  pgparity demo --dir /tmp/demo
  pgparity demo --keep`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Check = options(config.Default())
			o.Out, o.Rendering = a.stdout, a.rendering(false)
			_, o.Live = a.terminal(a.stdout)
			_, err := demo.Run(cmd.Context(), o)
			var broken *demo.BrokenError
			if errors.As(err, &broken) {
				fmt.Fprintln(a.stderr, "pgparity:", err)
				a.code = exitMismatch
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "`DIR` to write demo-report.html and demo-report.json to (default: a new temporary one)")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave the servers running until Ctrl-C, and say what to try")
	return cmd
}
