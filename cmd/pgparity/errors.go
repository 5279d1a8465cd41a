package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/report"
)

// printError tells the operator what is wrong: one line, or for several
// mistakes one line each. Names from a database in it are made safe to print.
func printError(w io.Writer, err error) {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	var many config.Mistakes
	if !errors.As(err, &many) || len(many) == 1 {
		// cobra's suggestions come on lines of their own.
		fmt.Fprintln(w, "pgparity:", report.Sentence(strings.Join(lines, " ")))
		return
	}
	fmt.Fprintln(w, "pgparity:")
	for _, line := range lines {
		fmt.Fprintln(w, "  "+report.Sentence(line))
	}
}

// flagError names the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := config.Nearest(unknown.GetSpecifiedName(), known); near != "" {
			return fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	return fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())
}

// oneOf refuses an unknown word for a flag of the command's own.
func oneOf(flag, word string, words []string) error {
	for _, w := range words {
		if w == word {
			return nil
		}
	}
	hint := ""
	if near := config.Nearest(word, words); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("--%s: must be one of %s, not %q%s", flag, strings.Join(words, ", "), word, hint)
}
