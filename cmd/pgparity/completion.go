package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/config"
)

// complete offers the words of a flag to the shell.
func complete(cmd *cobra.Command, flag string, words []string) {
	// The only error is a flag that the command has not: a slip in this file.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// completeOptions offers the words of the pairs' options, and pair names.
func (f *pairFlags) completeOptions(a *app, cmd *cobra.Command) {
	table := config.Options()
	for _, name := range []string{"digest", "replication"} {
		complete(cmd, name, table.Words(name))
	}
	register := func(flag string, fn cobra.CompletionFunc) {
		if err := cmd.RegisterFlagCompletionFunc(flag, fn); err != nil {
			panic(err)
		}
	}
	register("checks", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return afterComma(typed, table.Words("checks")), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	register("report", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") {
			return nil, cobra.ShellCompDirectiveDefault // a file name
		}
		var words []string
		for _, w := range table.Words("report") {
			words = append(words, w+"=")
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	register("pair", func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return a.pairNames(f.file), cobra.ShellCompDirectiveNoFileComp
	})
	register("config", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	})
}

// afterComma continues a list with the words that it does not hold yet.
func afterComma(typed string, words []string) []string {
	cut := strings.LastIndex(typed, ",") + 1
	var out []string
	for _, w := range words {
		if !strings.Contains(","+typed[:cut], ","+w+",") {
			out = append(out, typed[:cut]+w)
		}
	}
	return out
}

// pairNames lists the pairs of a file; none while the file has mistakes.
func (a *app) pairNames(file string) []string {
	if file == "" {
		return nil
	}
	pairs, err := config.Load(config.Input{Environ: a.environ, ConfigPath: file})
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range pairs {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	return names
}
