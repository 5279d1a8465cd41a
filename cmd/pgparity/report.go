package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/report"
)

func (a *app) reportCommand() *cobra.Command {
	var format, outputFile string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "report FILE.json",
		Short: "Render a saved JSON report in another format",
		Long: `report reads a report that verify or preflight saved with --report json=FILE or
--output json, and renders it. FILE - reads standard input. A file that was cut
or edited into a match, or into ready, is refused.

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
			saved, err := readSaved(args[0])
			if err != nil {
				return err
			}
			if outputFile != "" {
				return saved.file(outputFile, f, report.Options{Verbose: verbose})
			}
			return saved.write(a.stdout, f, a.rendering(verbose))
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` to render: text, json, html, markdown, junit or prometheus")
	cmd.Flags().StringVar(&outputFile, "output-file", "", "`FILE` to write, whole or not at all, instead of stdout")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "list everything")
	complete(cmd, "format", formatWords())
	return cmd
}

// savedReport is a report that was read back, of either command.
type savedReport struct {
	write func(io.Writer, report.Format, report.Options) error
	file  func(path string, f report.Format, o report.Options) error
}

func readSaved(path string) (*savedReport, error) {
	var in io.Reader = os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	kind, err := report.KindOf(raw)
	if err != nil {
		return nil, err
	}
	if kind == report.KindPreflight {
		r, err := report.ReadPreflight(bytes.NewReader(raw))
		return &savedReport{
			write: func(w io.Writer, f report.Format, o report.Options) error { return report.WritePreflight(w, r, f, o) },
			file: func(path string, f report.Format, o report.Options) error {
				return report.WritePreflightFile(path, r, f, o)
			},
		}, err
	}
	if kind == report.KindCutover {
		r, err := report.ReadCutover(bytes.NewReader(raw))
		return &savedReport{
			write: func(w io.Writer, f report.Format, o report.Options) error { return report.WriteCutover(w, r, f, o) },
			file: func(path string, f report.Format, o report.Options) error {
				return report.WriteCutoverFile(path, r, f, o)
			},
		}, err
	}
	r, err := report.Read(bytes.NewReader(raw))
	return &savedReport{
		write: func(w io.Writer, f report.Format, o report.Options) error { return report.Write(w, r, f, o) },
		file:  func(path string, f report.Format, o report.Options) error { return report.WriteFile(path, r, f, o) },
	}, err
}

func formatWords() []string {
	var words []string
	for _, f := range report.Formats() {
		words = append(words, string(f))
	}
	return words
}
