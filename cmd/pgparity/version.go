package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
)

// build says which program this is.
type build struct {
	Version       string `json:"version"`
	Commit        string `json:"commit,omitempty"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
	DigestSpec    string `json:"digest_spec"`
	ReportVersion int    `json:"report_schema_version"`
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		DigestSpec: hashing.Spec, ReportVersion: checker.SchemaVersion}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	return b
}

func (a *app) versionCommand() *cobra.Command {
	output := "text"
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `version prints which pgparity this is, what it was built with, and the
definition of equal that its digests follow.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := oneOf("output", output, planOutputs); err != nil {
				return err
			}
			b := thisBuild()
			if output == "json" {
				enc := json.NewEncoder(a.stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(b)
			}
			fmt.Fprintf(a.stdout, "pgparity %s (%s, %s, %s)\n", b.Version, b.DigestSpec, b.Go, b.Platform)
			return nil
		},
	}
	cmd.Flags().StringVar(&output, "output", output, "`FORMAT` to print: text or json")
	complete(cmd, "output", planOutputs)
	return cmd
}
