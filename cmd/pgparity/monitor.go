package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/monitor"
)

// monitorFlags are monitor's own flags.
type monitorFlags struct {
	file, listen, state string
	pairs               []string
	cleanup             bool
	verbose             bool
	logFormat           string
}

// monitorMemory is what memoryLimit is to a run: a monitor has many pairs open.
const monitorMemory = 256 << 20

func (a *app) monitorCommand() *cobra.Command {
	f := &monitorFlags{}
	cmd := &cobra.Command{
		Use:   "monitor --config FILE [--pair NAME]",
		Short: "Watch pairs for as long as it is let, and alert on drift",
		Long: `monitor watches the pairs of a file until it is told to end. It compares all
content again and again (monitor.cycle), and what takes seconds every minute;
between passes it follows what changes on the source, by a logical replication
slot of its own, and rechecks just that. So each table has a watermark: all that
was committed on the source before it was read on the target, and was equal.

What it finds it keeps in a file (--state), with when each difference was first
and last seen, and when it had healed; a restart goes on from there. It serves a
page, /metrics for Prometheus and a JSON API (--listen), to this machine alone
unless the file says otherwise, and tells webhooks of what changes.

SIGHUP has the file read again: pairs come, go and change while the others are
watched on; a file with mistakes changes nothing. SIGTERM ends it within 10 s.

A slot that nobody reads holds back the source's log. A monitor that is stopped
for good is followed by --cleanup, which removes the slots and publications that
it has made; while one runs, it gives a slot up at monitor.retention.

Exit codes: 0 it was told to end · 2 could not run.`,
		Example: `  pgparity monitor --config pairs.yaml
  pgparity monitor --config pairs.yaml --listen 127.0.0.1:9432 --state /var/lib/pgparity/state.db
  pgparity monitor --config pairs.yaml --cleanup --pair shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.monitor(cmd, f) },
	}
	cmd.Flags().StringVar(&f.file, "config", "", "YAML `FILE` with one or many pairs (see docs/configuration.md)")
	cmd.Flags().StringArrayVar(&f.pairs, "pair", nil, "`NAME` of a pair in the file (repeatable; default: all)")
	cmd.Flags().StringVar(&f.listen, "listen", "", "`ADDRESS:PORT` of page, metrics and API, in place of the file's")
	cmd.Flags().StringVar(&f.state, "state", "", "`FILE` that all is remembered in, in place of the file's")
	cmd.Flags().BoolVar(&f.cleanup, "cleanup", false, "remove the slots and publications that following has made, and end")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "log more")
	cmd.Flags().StringVar(&f.logFormat, "log-format", "text", "`FORMAT` of log lines on stderr: text or json")
	complete(cmd, "log-format", logFormatWords)
	return cmd
}

func (a *app) monitor(cmd *cobra.Command, f *monitorFlags) error {
	if err := oneOf("log-format", f.logFormat, logFormatWords); err != nil {
		return err
	}
	if a.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(monitorMemory)
	}
	m, _, err := f.load(a)
	if err != nil {
		return err
	}
	reload, stop := hangups()
	defer stop()
	o := monitor.Options{Version: version, State: m.State, Log: a.logger(f), Reload: reload, HTTP: monitor.HTTPOptions{Listen: m.Listen, Token: m.Token,
		Secure: !onThisMachine(m.Listen), Hosts: m.Hosts, TLSCert: m.TLSCert, TLSKey: m.TLSKey, Pprof: m.Pprof},
		Load: func() (monitor.Settings, error) {
			m, pairs, err := f.load(a)
			if err != nil {
				return monitor.Settings{}, err
			}
			return watchedPairs(m, pairs), nil
		}}
	if f.cleanup {
		return monitor.Cleanup(cmd.Context(), o, f.pairs, func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) })
	}
	return monitor.New(o).Run(cmd.Context())
}

func (f *monitorFlags) load(a *app) (config.Monitor, []config.Pair, error) {
	if f.file == "" {
		return config.Monitor{}, nil, errors.New("--config is missing: the monitor takes its pairs from a file")
	}
	return config.LoadMonitor(config.MonitorInput{Input: config.Input{Environ: a.environ, ConfigPath: f.file, PairNames: f.pairs}, Listen: f.listen, State: f.state})
}

func onThisMachine(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && config.Loopback(host)
}

// watchedPairs turns the configuration into the monitor's settings.
func watchedPairs(m config.Monitor, pairs []config.Pair) monitor.Settings {
	s := monitor.Settings{Passes: m.Passes, Keep: m.Keep}
	for _, h := range m.Webhooks {
		w := monitor.Webhook{Name: h.Name, URL: h.URL, Slack: h.Slack, Headers: h.Headers, Timeout: h.Timeout, Retries: h.Retries}
		for _, n := range h.On {
			w.On = append(w.On, monitor.Notice(n))
		}
		s.Webhooks = append(s.Webhooks, w)
	}
	for _, p := range pairs {
		w := p.Watch
		s.Pairs = append(s.Pairs, monitor.Pair{Name: p.Name, SourceURL: p.Source, Same: p, Cycle: w.Cycle, Quick: w.Quick, Recheck: w.Recheck,
			Follow: !w.NoFollow, Retention: w.Retention, WatermarkAge: w.WatermarkAge, HashKeys: p.HashKeys, Journal: p.Cutover.Journal,
			Open: func(ctx context.Context) (*monitor.Sides, error) {
				sides, err := connectAll(ctx, p)
				if err != nil {
					return nil, err
				}
				o, err := sides.options(ctx, p)
				if err != nil {
					sides.close()
					return nil, err
				}
				return &monitor.Sides{Source: sides.source, Target: sides.target, Check: o, Close: sides.close}, nil
			}})
	}
	return s
}

// logger writes what a service has to say.
func (a *app) logger(f *monitorFlags) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		o.Level = slog.LevelDebug
	}
	if f.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// hangups gives a value for each SIGHUP, until stop is called.
func hangups() (reload <-chan struct{}, stop func()) {
	signals, out, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-signals:
			case <-done:
				return
			}
			select {
			case out <- struct{}{}:
			case <-done:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(done)
	}
}
