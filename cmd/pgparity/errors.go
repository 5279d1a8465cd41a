package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/report"
)

// printError tells the operator what is wrong: one line, or for several
// mistakes one line each. Names from a database in it are made safe to print.
func printError(w io.Writer, err error) {
	var many config.Mistakes
	lines := strings.Split(err.Error(), "\n")
	if !errors.As(err, &many) || len(many) == 1 {
		for _, line := range lines {
			fmt.Fprintln(w, "pgparity:", report.Sentence(line))
		}
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
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
		// What follows the letter may be a value, and that a password.
		err = fmt.Errorf("unknown flag -%s", unknown.GetSpecifiedName())
	}
	return fmt.Errorf("%w; `%s --help` lists the flags", err, cmd.CommandPath())
}

// plainWord is what may be repeated of a word that nobody asked for: a
// connection string that was put in the wrong place may hold a password.
var plainWord = regexp.MustCompile(`^[A-Za-z-]{1,20}$`)

// commandArgs refuses what is no command.
func (a *app) commandArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !plainWord.MatchString(args[0]) {
		return fmt.Errorf("the first word is no command; `pgparity --help` lists them")
	}
	var known []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
	}
	if near := config.Nearest(args[0], known); near != "" {
		return fmt.Errorf("unknown command %q; did you mean %q?", args[0], near)
	}
	return fmt.Errorf("unknown command %q; `pgparity --help` lists them", args[0])
}

// noArgs refuses arguments of a command that takes only flags, without
// repeating them.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flags().Lookup("source") != nil {
		hint = ": connections go into --source URL and --target URL"
	}
	return fmt.Errorf("%s takes flags only%s", cmd.CommandPath(), hint)
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
