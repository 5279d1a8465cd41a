package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

func (a *app) reportCommand() *cobra.Command {
	var format, outputFile string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "report FILE.json",
		Short: "Render a saved JSON report in another format",
		Long: `report reads a report that verify saved with --report json=FILE or
--output json, and renders it. FILE - reads standard input. A file that was cut
or edited into a match is refused.

Exit codes: 0 rendered, whatever the saved verdict is · 2 could not run.`,
		Example: `  pgparity report shop.json
  pgparity report shop.json --format html --output-file shop.html
  pgparity verify … --output json | pgparity report - --format markdown`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("report needs one file, written with --report json=FILE; - reads standard input")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := report.ParseFormat(format)
			if err != nil {
				return fmt.Errorf("--format: %w", err)
			}
			res, err := a.readReport(args[0])
			if err != nil {
				return err
			}
			if outputFile != "" {
				return report.WriteFile(outputFile, res, f, report.Options{Verbose: verbose})
			}
			return report.Write(a.stdout, res, f, a.rendering(verbose))
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` to render: text, json, html, markdown, junit or prometheus")
	cmd.Flags().StringVar(&outputFile, "output-file", "", "`FILE` to write, whole or not at all, instead of stdout")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "list everything")
	complete(cmd, "format", formatWords())
	return cmd
}

func (a *app) readReport(path string) (*checker.Result, error) {
	var in io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		defer f.Close()
		in = f
	}
	return report.Read(in)
}

func formatWords() []string {
	var words []string
	for _, f := range report.Formats() {
		words = append(words, string(f))
	}
	return words
}
