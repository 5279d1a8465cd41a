// Command pgparity proves that a PostgreSQL database holds the same data as
// another. This package reads the command line, wires the parts together and
// turns what they return into an exit code; it decides nothing itself.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes. Mismatch wins over unproven.
const (
	exitMatch    = 0
	exitMismatch = 1
	exitUsage    = 2 // could not run: usage, configuration, connection
	exitUnproven = 3
)

// version is set by the linker.
var version = "devel"

// memoryLimit is from where on the collector does what it can to keep the
// process small. It needs about 20 MB, and buffers for what is on its way; left
// alone, the collector would let twice as much pile up. GOMEMLIMIT overrides it.
const memoryLimit = 64 << 20

func main() { os.Exit(run()) }

func run() int {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := interruptible()
	defer stop()
	app := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), terminal: isTerminal}
	return app.execute(ctx, os.Args[1:])
}

// errInterrupted is the cause of a run that a signal ended.
var errInterrupted = errors.New("interrupted")

// interruptible gives a context that the first SIGINT or SIGTERM cancels, so
// that the run can still write its report; a second one ends the process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitUnproven)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// app is what the commands share: where they write, and the code that the
// process will end with.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	terminal       func(io.Writer) (width int, ok bool)
	code           int
}

// execute runs one command line and returns the exit code.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		printError(a.stderr, err)
		if errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) {
			return exitUnproven
		}
		return exitUsage
	}
	return a.code
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pgparity",
		Short: "Prove that a PostgreSQL target holds the same data as its source",
		Long: `pgparity proves that a PostgreSQL database (the target) holds the same data as
another (the source). A verdict is a proof: match means that every planned
unit of work was compared and agreed; whatever was not compared makes it
unproven. It only reads, but for probe, in a table that you name, a heartbeat
that it was told to strike, and cutover, which switches.

Exit codes: 0 match · 1 mismatch · 2 could not run (usage, configuration,
connection) · 3 unproven; of cutover also 4 given up and undone · 5 stopped behind
the point of no return.`,
		Args:          a.commandArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.verifyCommand(), a.planCommand(), a.grantsCommand(), a.showCommand(), a.preflightCommand(), a.cutoverCommand(), a.probeCommand(), a.monitorCommand(), a.reportCommand(), a.demoCommand(), a.versionCommand())
	return root
}
