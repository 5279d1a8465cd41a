package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/monitor"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/report"
)

// The exit codes of a switch, beside those of all commands.
const (
	exitAborted = 4 // given up, and undone: the source can be written to
	exitStopped = 5 // behind the point of no return: run it again
)

// cutoverOptions are the options that all cutover commands look at.
var cutoverOptions = []string{"application", "journal", "maintenance"}

// cutoverFlags are the cutover commands' own flags, beside the pairs'.
type cutoverFlags struct {
	pairFlags
	output  string
	quiet   bool
	verbose bool
	confirm string
	keep    bool
	window  bool
}

// cutoverAction is one cutover command: what it does, and whether somebody has to
// say yes to it.
type cutoverAction struct {
	use, short, long string
	confirms         bool
	run              func(context.Context, cutover.Options, *cutoverFlags) (*cutover.Result, error)
	flags            func(*cobra.Command, *cutoverFlags)
}

func (a *app) cutoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cutover",
		Short: "Switch the application from the source to the target, proven and with a way back",
		Long: `cutover switches: it keeps clients out of the source, waits until all that they
wrote has arrived, sets the sequences, proves that both sides hold the same,
stops the replication and starts it the other way round, opens the target and
leads the application there. Writes stop for well under a second.

Up to the point of no return everything is undone when something goes wrong, also
when this process dies: a guard sees to that. Behind it the way leads forward, and
run goes on where it was interrupted. rollback leads back, with everything that
was written since. What is switched, and how, stands in the file (--config), under
cutover; docs/cutover.md has the steps and their proofs.

plan prints the runbook, and changes nothing. rehearse takes every step but those
that the application would notice.

Exit codes: 0 done · 1 refused by the preflight, and nothing was touched · 2 could
not run · 3 not known: what the reasons say has to be looked at · 4 given up, and
undone: the source can be written to · 5 stopped behind the point of no return: run
it again.`,
		Args: a.commandArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, c := range cutoverActions() {
		cmd.AddCommand(a.cutoverSubcommand(c))
	}
	cmd.AddCommand(a.guardCommand())
	return cmd
}

func cutoverActions() []cutoverAction {
	confirm := func(cmd *cobra.Command, f *cutoverFlags) {
		cmd.Flags().StringVar(&f.confirm, "confirm", "", "`NAME` that would have to be typed: for a pipeline, where nobody types")
	}
	keep := func(cmd *cobra.Command, f *cutoverFlags) {
		cmd.Flags().BoolVar(&f.keep, "keep", false, "leave what was prepared in place when the switch is given up (its slot holds back WAL)")
	}
	return []cutoverAction{
		{use: "plan", short: "Print the runbook: every statement and call in order, and how each step is undone",
			long: `plan prints what run would do, in order: the exact statements and calls, the time
that each step is expected to take, its budget, and how it is undone. Nothing is
changed. --output markdown is the runbook for a change request.`,
			run: func(ctx context.Context, o cutover.Options, _ *cutoverFlags) (*cutover.Result, error) {
				return cutover.Plan(ctx, o)
			}},
		{use: "run", short: "Switch, or go on with a switch that was interrupted", confirms: true,
			long: `run switches. It looks first at what the journal and the databases say of an
earlier run: one that was interrupted in its window is undone and begins anew, one
behind the point of no return goes on.`,
			run: func(ctx context.Context, o cutover.Options, _ *cutoverFlags) (*cutover.Result, error) {
				return cutover.Run(ctx, o)
			},
			flags: func(cmd *cobra.Command, f *cutoverFlags) { confirm(cmd, f); keep(cmd, f) }},
		{use: "status", short: "Say how far a switch has come, and what to do next",
			long: `status reads the journal and both databases, and changes nothing. It may be asked
while a run is at work.`,
			run: func(ctx context.Context, o cutover.Options, _ *cutoverFlags) (*cutover.Result, error) {
				return cutover.Status(ctx, o)
			}},
		{use: "abort", short: "Undo whatever a run before the point of no return has done",
			long: `abort lets the application write to the source again, where it is kept from that,
and removes what was prepared: the way back, its slot, the heartbeat.`,
			run: func(ctx context.Context, o cutover.Options, _ *cutoverFlags) (*cutover.Result, error) {
				return cutover.Abort(ctx, o)
			}, flags: keep},
		{use: "rollback", short: "Lead the application back to the source, with all that was written since", confirms: true,
			long: `rollback is the same machine, mirrored: it closes the target, drains the way back,
proves both sides equal, and opens the source. Afterwards all is as before the
switch, and run can switch again.`,
			run: func(ctx context.Context, o cutover.Options, _ *cutoverFlags) (*cutover.Result, error) {
				return cutover.RollBack(ctx, o)
			},
			flags: func(cmd *cobra.Command, f *cutoverFlags) { confirm(cmd, f); keep(cmd, f) }},
		{use: "finalize", short: "Verify the way back, and remove it: there is no rollback any more", confirms: true,
			long: `finalize compares the source, which is still closed, with the target, and then
removes the way back and everything else that the switch has left. The source
stays closed.`,
			run: func(ctx context.Context, o cutover.Options, _ *cutoverFlags) (*cutover.Result, error) {
				return cutover.Finalize(ctx, o)
			}, flags: confirm},
		{use: "rehearse", short: "Take every step that the application does not notice, and undo it", confirms: true,
			long: `rehearse prepares, verifies and measures as run does, and removes it again. With
--window it goes into the window up to the point of no return as well: the
application cannot write for as long as it would in earnest.`,
			run: func(ctx context.Context, o cutover.Options, f *cutoverFlags) (*cutover.Result, error) {
				return cutover.Rehearse(ctx, o, f.window)
			},
			flags: func(cmd *cobra.Command, f *cutoverFlags) {
				confirm(cmd, f)
				keep(cmd, f)
				cmd.Flags().BoolVar(&f.window, "window", false, "also close the source, up to the point of no return")
			}},
	}
}

func (a *app) cutoverSubcommand(c cutoverAction) *cobra.Command {
	f := &cutoverFlags{}
	cmd := &cobra.Command{
		Use: c.use + " --config FILE [--pair NAME] | --source URL --target URL", Short: c.short, Long: c.long, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.cutover(cmd, f, c) },
	}
	f.register(a, cmd)
	f.help(cmd, slices.Concat(filterFlags, replicationFlags, preflightOptions, cutoverOptions, []string{"strict", "report", "budget", "settle", "concurrency"})...)
	cmd.Flags().StringVar(&f.output, "output", "text", "`FORMAT` of what stdout gets: text, json, html, markdown, junit or prometheus")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no report on stdout, and no progress; the exit code speaks")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list everything")
	complete(cmd, "output", formatWords())
	if c.flags != nil {
		c.flags(cmd, f)
	}
	return cmd
}

func (a *app) cutover(cmd *cobra.Command, f *cutoverFlags, c cutoverAction) error {
	format, err := report.ParseFormat(f.output)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	pairs, err := config.Load(config.Input{Flags: config.Options().FromFlags(cmd.Flags()), Environ: a.environ,
		ConfigPath: f.file, PairNames: f.pairs, FlagsOnly: []string{"report"}, Cutover: true})
	if err != nil {
		return err
	}
	if len(pairs) != 1 {
		return fmt.Errorf("the file has %d pairs: name the one to switch (--pair NAME)", len(pairs))
	}
	p := pairs[0]
	for _, r := range p.Reports {
		if err := report.Prepare(r.Path); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	o, err := a.cutoverOptions(cmd.Context(), p, f)
	if err != nil {
		return err
	}
	if c.use == "plan" { // nothing happens that is to be told
		o.OnEvent = nil
	}
	if c.confirms && (c.use != "rehearse" || f.window) {
		if err := a.confirmable(p, c.use, f.confirm); err != nil {
			return err
		}
		o.Confirm = a.confirm(f.confirm)
	}
	res, err := c.run(cmd.Context(), o, f)
	if err != nil {
		return err
	}
	a.code = cutoverCode(res.Outcome)
	return deliver(p.Reports, f.quiet,
		func(path string, format report.Format) error {
			return report.WriteCutoverFile(path, res, format, report.Options{Verbose: f.verbose})
		},
		func() error { return report.WriteCutover(a.stdout, res, format, a.rendering(f.verbose)) })
}

// cutoverCode is the exit code of an outcome.
func cutoverCode(o cutover.Outcome) int {
	code, known := map[cutover.Outcome]int{cutover.Done: exitMatch, cutover.Refused: exitMismatch, cutover.AbortedRun: exitAborted, cutover.Stopped: exitStopped}[o]
	if !known {
		return exitUnproven
	}
	return code
}

// cutoverOptions turns a pair's configuration into a switch's options.
func (a *app) cutoverOptions(ctx context.Context, p config.Pair, f *cutoverFlags) (cutover.Options, error) {
	verify := options(p)
	if len(p.Heartbeats) > 0 { // the source quotes their names
		source, err := openSide(ctx, p, "source", p.Source, runID())
		if err != nil {
			return cutover.Options{}, err
		}
		defer source.Close()
		if verify, err = (&sides{source: source}).options(ctx, p); err != nil {
			return cutover.Options{}, err
		}
	}
	verify.Resume = ""
	acks, err := parseAcks(p.Acknowledge)
	if err != nil {
		return cutover.Options{}, err
	}
	c := p.Cutover
	o := cutover.Options{
		Version: version, OptionsHash: p.OptionsHash(), Pair: p.Name, Source: p.Source, Target: p.Target, Maintenance: c.Maintenance, Journal: c.Journal,
		Verify:    verify,
		Preflight: preflight.Options{Version: version, OptionsHash: p.OptionsHash(), Pair: p.Name, Acks: acks, Strict: p.Strict, Deep: p.Deep, Measure: p.Measure, Margin: int64(p.SequenceMargin), LongTransaction: p.LongTransaction, Budget: verify.Budget},
		Strategy:  cutover.Strategy(c.Strategy), Application: c.Application, Reverse: cutover.Reverse(c.Reverse),
		MaxAge: c.MaxAge, Gate: cutover.GateOptions{Accept: c.Gate.Overflow == "accept", Tables: c.Gate.Tables}, Budgets: cutover.Budgets(c.Budgets),
		Attempts: c.Attempts, Backoff: c.Backoff, KeepPrepared: c.KeepPrepared || f.keep, SequenceMargin: int64(c.SequenceMargin),
		TerminateStragglers: c.Stragglers == "terminate", RefreshMatviews: c.Refresh,
		OnEvent: a.cutoverEvents(f.quiet),
	}
	for _, b := range c.Poolers {
		o.Poolers = append(o.Poolers, cutover.Pooler(b))
	}
	for _, h := range c.Hooks {
		o.Hooks = append(o.Hooks, cutover.Hook{Name: h.Name, When: cutover.Moment(h.When), Exec: h.Exec, Method: h.Method, URL: h.URL, Secrets: h.Secrets, Headers: h.Headers, Body: h.Body, Timeout: h.Timeout, Retries: h.Retries})
	}
	for _, d := range c.Delayed {
		o.Delayed = append(o.Delayed, cutover.Delayed(d))
	}
	if o.Verified, err = readVerified(c.Verified); err != nil {
		return o, err
	}
	if c.Monitor != "" {
		o.Monitor = func(ctx context.Context) (*follow.State, *checker.Result, error) {
			h, err := monitor.ReadHandover(ctx, c.Monitor, p.Name)
			if err != nil {
				return nil, nil, err
			}
			return &h.State, h.Pass, nil
		}
	}
	program, err := os.Executable()
	if err != nil {
		return o, fmt.Errorf("the guard is this program, whose file is not known: %w", err)
	}
	o.StartGuard = cutover.Spawn(program, "cutover", "guard")
	return o, nil
}

// readVerified reads a report of verify; nil where none is named.
func readVerified(path string) (*checker.Result, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cutover.verified: %w", err)
	}
	defer file.Close()
	r, err := report.Read(file)
	if err != nil {
		return nil, fmt.Errorf("cutover.verified: %s: %w", path, err)
	}
	return r, nil
}

// cutoverEvents tells on stderr how a switch goes.
func (a *app) cutoverEvents(quiet bool) func(cutover.Event) {
	if quiet {
		return nil
	}
	return func(e cutover.Event) {
		sign := "…"
		if e.Reached {
			sign = "ok"
		}
		if e.Reached && e.Message == "" {
			return // the next line says so
		}
		fmt.Fprintf(a.stderr, "%s  %-13s %-2s %s\n", e.At.Local().Format("15:04:05.000"), e.State, sign, report.Sentence(e.Message))
	}
}

// errNotTyped: somebody typed something else, or nobody is there to type.
var errNotTyped = errors.New("what was typed is not the name")

// confirmable makes sure that somebody can say yes: it is asked for after the
// verification, which may have taken hours.
func (a *app) confirmable(p config.Pair, command, given string) error {
	if given == "" {
		if !isTerminalInput(a.stdin) {
			return errors.New("nobody is there to type a confirmation: give --confirm and the name of the database that would have to be typed")
		}
		return nil
	}
	side, url := postgres.Target, p.Target
	if command == "rollback" || command == "finalize" {
		side, url = postgres.Source, p.Source
	}
	is, err := postgres.AddressOf(side, url)
	if err == nil && is.Database != "" && is.Database != given {
		return fmt.Errorf("--confirm says %q, and %q would have to be typed", given, is.Database)
	}
	return nil // an address that cannot be read is told of by who connects
}

// confirm has the operator type a name, or takes the one that --confirm gives.
func (a *app) confirm(given string) func(context.Context, cutover.Question) error {
	return func(ctx context.Context, q cutover.Question) error {
		if given != "" {
			if given != q.Type {
				return fmt.Errorf("--confirm says %q, and %q would have to be typed", given, q.Type)
			}
			return nil
		}
		if !isTerminalInput(a.stdin) {
			return fmt.Errorf("nobody is there to type %q: give --confirm %s", q.Type, q.Type)
		}
		fmt.Fprintln(a.stderr, report.Sentence(q.What))
		if q.PredictedMS != nil {
			fmt.Fprintf(a.stderr, "Writes are expected to stop for %s.\n", report.Milliseconds(*q.PredictedMS))
		}
		fmt.Fprintf(a.stderr, "Type %s to go on: ", report.Sentence(q.Type))
		typed := make(chan string, 1)
		go func() { typed <- readLine(a.stdin) }()
		select {
		case line := <-typed:
			if line != q.Type {
				return errNotTyped
			}
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readLine reads one line, a byte at a time: what follows is not ours.
func readLine(r io.Reader) string {
	var line strings.Builder
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n == 0 || err != nil || b[0] == '\n' {
			return strings.TrimSpace(line.String())
		}
		line.WriteByte(b[0])
	}
}

// guardCommand is the process that opens the source again when the run has died.
func (a *app) guardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "guard", Short: "What a run starts to guard its window", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cutover.Watch(cmd.Context(), a.stdin, a.stdout, func(format string, args ...any) {
				fmt.Fprintf(a.stderr, "%s  %s\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
			})
		},
	}
}
