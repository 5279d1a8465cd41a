package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/report"
)

// verifyFlags are verify's own flags, beside the pairs'.
type verifyFlags struct {
	pairFlags
	output    string
	progress  string
	quiet     bool
	verbose   bool
	logFormat string
}

func (a *app) verifyCommand() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify --source URL --target URL | --config FILE [--pair NAME]",
		Short: "Compare two databases and give a verdict",
		Long: `verify compares sequences, row counts, the last rows and the whole content of
every table of the source with the target, and gives a verdict.

Nothing has to be stopped: what replicates the pair is found (--replication
auto) or named, and waited for between readings. The verdict says at which LSN
of the source it holds. A row that differs for longer than --settle is a
finding where it is at rest, and unsettled where it goes on changing.

With several pairs, each is verified after the other and has a report of its
own; with --output json, one document follows the other on stdout.

Progress goes to stderr: bars on a terminal, log lines elsewhere, with
--progress json one JSON object per event. Ctrl-C ends the run with a report
that says unproven; a second one ends it at once.

While --max-active, --max-lag or --max-xmin-age is passed, or --pause-file
exists, no new statement begins. SIGUSR1 pauses the run as well; sent again, it
lets it go on. To see other roles' sessions the limits need GRANT pg_monitor.

With --checks sample random rows of each table are compared instead of all: it
takes seconds, and the verdict is "match (sampled)" at best, with what that
proves. The same --seed draws the same rows again.

With --resume FILE the run keeps checkpoints in FILE, and begins where an
earlier one left them when it was stopped or killed. It refuses a file of other
databases, definitions or options. At the end of its work it removes the file.

Exit codes: 0 match · 1 mismatch · 2 could not run · 3 unproven. With several
pairs the worst counts: mismatch, then could not run, then unproven.`,
		Example: `  pgparity verify --source postgres://db1/shop --target postgres://db2/shop
  pgparity verify --config pairs.yaml --pair shop --report html=shop.html
  pgparity verify … --table 'public.*' --exclude-table '*_log' --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd, f) },
	}
	f.register(a, cmd)
	f.hide(cmd, slices.Concat(preflightOptions, cutoverOptions)...)
	cmd.Flags().StringVar(&f.output, "output", "text", "`FORMAT` of what stdout gets: text, json, html, markdown, junit or prometheus")
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "`WORD`: auto (bars on a terminal, else log lines), none or json")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no report on stdout and no progress; the exit code speaks")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list everything, and log more")
	cmd.Flags().StringVar(&f.logFormat, "log-format", "text", "`FORMAT` of log lines on stderr: text or json")
	complete(cmd, "output", formatWords())
	complete(cmd, "progress", progressWords)
	complete(cmd, "log-format", logFormatWords)
	return cmd
}

func (a *app) verify(cmd *cobra.Command, f *verifyFlags) error {
	format, err := report.ParseFormat(f.output)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	watch, err := a.newWatcher(f)
	if err != nil {
		return err
	}
	pairs, err := a.load(cmd, &f.pairFlags)
	if err != nil {
		return err
	}
	// A file that cannot be written is found out before the hours of work.
	for _, p := range pairs {
		if err := checker.CheckResume(p.Resume); err != nil {
			return named(p, err)
		}
		for _, r := range p.Reports {
			if err := report.Prepare(r.Path); err != nil {
				return fmt.Errorf("--report: %w", err)
			}
		}
	}
	pause, stop := pausable()
	defer stop()
	return a.verifyAll(cmd.Context(), pairs, f, format, watch, pause)
}

// verifyAll verifies one pair after the other. A pair that cannot run does
// not keep the others from running.
func (a *app) verifyAll(ctx context.Context, pairs []config.Pair, f *verifyFlags, format report.Format, watch *watcher, pause *checker.Pause) error {
	for _, p := range pairs {
		if cause := context.Cause(ctx); cause != nil && len(pairs) > 1 {
			a.worse(exitUnproven)
			printError(a.stderr, named(p, fmt.Errorf("not verified: %w", cause)))
			continue
		}
		res, err := a.verifyPair(ctx, p, watch, pause)
		if err != nil {
			if len(pairs) == 1 {
				return err
			}
			printError(a.stderr, named(p, err))
			if ctx.Err() != nil {
				a.worse(exitUnproven)
			} else {
				a.worse(exitUsage)
			}
			continue
		}
		a.worse(exitOf(res.Verdict))
		err = deliver(p.Reports, f.quiet,
			func(path string, format report.Format) error {
				return report.WriteFile(path, res, format, report.Options{Verbose: f.verbose})
			},
			func() error { return report.Write(a.stdout, res, format, a.rendering(f.verbose)) })
		if err != nil {
			// The verdict stands; that a report is lost must not hide it.
			printError(a.stderr, named(p, err))
			a.worse(exitUsage)
		}
	}
	return nil
}

// deliver writes one pair's reports: all that can be written, whatever
// happens to the others. file writes one of them, print what stdout gets.
func deliver(reports []config.Report, quiet bool, file func(path string, f report.Format) error, print func() error) error {
	var failed []error
	for _, r := range reports {
		if err := file(r.Path, report.Format(r.Format)); err != nil {
			failed = append(failed, fmt.Errorf("report: %w", err))
		}
	}
	if !quiet {
		if err := print(); err != nil {
			failed = append(failed, fmt.Errorf("stdout: %w", err))
		}
	}
	return errors.Join(failed...)
}

// verifyPair runs one pair under its deadline.
func (a *app) verifyPair(ctx context.Context, p config.Pair, watch *watcher, pause *checker.Pause) (*checker.Result, error) {
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
	stop := watch.start(p.Name)
	defer stop()
	o.OnEvent = watch.event
	o.Guard.Pause = pause
	return checker.Run(ctx, s.source, s.target, o)
}

// exitOf is the one place where a verdict becomes an exit code. What is
// neither a match nor a mismatch is unproven.
func exitOf(v checker.Verdict) int {
	switch v {
	case checker.Match:
		return exitMatch
	case checker.Mismatch:
		return exitMismatch
	default:
		return exitUnproven
	}
}

// worse keeps the worst exit code of several pairs.
func (a *app) worse(code int) {
	rank := map[int]int{exitMatch: 0, exitUnproven: 1, exitUsage: 2, exitMismatch: 3}
	if rank[code] > rank[a.code] {
		a.code = code
	}
}
