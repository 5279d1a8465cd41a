package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// pairFlags are the flags of a command that works on pairs: every option of
// the configuration, the file, and which of its pairs.
type pairFlags struct {
	file  string
	pairs []string
}

func (f *pairFlags) register(a *app, cmd *cobra.Command) {
	config.Options().Register(cmd.Flags())
	cmd.Flags().StringVar(&f.file, "config", "", "YAML `FILE` with one or many pairs (see docs/configuration.md)")
	cmd.Flags().StringArrayVar(&f.pairs, "pair", nil, "`NAME` of a pair in the file (repeatable; default: all)")
	f.completeOptions(a, cmd)
}

// help lists only the options that a command looks at: the sides, the
// statement timeout, and those that are named. The others are taken all the same, so that a command
// line of verify serves it too.
func (f *pairFlags) help(cmd *cobra.Command, used ...string) {
	used = append(used, "source", "target", "statement-timeout")
	for _, o := range config.Options() {
		if o.Name != "" && !slices.Contains(used, o.Name) {
			cmd.Flags().Lookup(o.Name).Hidden = true
		}
	}
}

// filterFlags choose the tables.
var filterFlags = []string{"table", "exclude-table", "schema", "exclude-schema", "matviews"}

// load reads flags, environment and file into pairs.
func (a *app) load(cmd *cobra.Command, f *pairFlags) ([]config.Pair, error) {
	return config.Load(config.Input{
		Flags:      config.Options().FromFlags(cmd.Flags()),
		Environ:    a.environ,
		ConfigPath: f.file,
		PairNames:  f.pairs,
	})
}

// runID names a run in the comments of its statements.
func runID() string {
	id := make([]byte, 4)
	_, _ = rand.Read(id) // crypto/rand never fails
	return hex.EncodeToString(id)
}

// openSide opens one side. The caller closes it.
func openSide(ctx context.Context, p config.Pair, side postgres.Side, url, run string) (*postgres.DB, error) {
	return postgres.Open(ctx, postgres.Options{Side: side, URL: url, MaxConns: p.Concurrency + 2,
		StatementTimeout: p.StatementTimeout, Run: run})
}

// connect opens both sides at once. The caller closes them.
func connect(ctx context.Context, p config.Pair) (source, target *postgres.DB, err error) {
	run := runID()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = openSide(gctx, p, postgres.Source, p.Source, run); return })
	g.Go(func() (err error) { target, err = openSide(gctx, p, postgres.Target, p.Target, run); return })
	if err := g.Wait(); err != nil {
		closeBoth(source, target)
		return nil, nil, err
	}
	return source, target, nil
}

func closeBoth(sides ...*postgres.DB) {
	for _, db := range sides {
		if db != nil {
			db.Close()
		}
	}
}

// options turns a pair's configuration into the checker's.
func options(p config.Pair) checker.Options {
	o := checker.Options{
		Version: version, OptionsHash: p.OptionsHash(), Pair: p.Name,
		Pairing: pairing.Options{
			Filter: pairing.Filter{Tables: p.Tables, ExcludeTables: p.ExcludeTables, Schemas: p.Schemas, ExcludeSchemas: p.ExcludeSchemas},
			Keys:   map[string][]string{}, Matviews: p.Matviews,
		},
		Plans:  map[string]sampler.Strategy{},
		Checks: p.Checks, Last: p.Last, LastBy: p.LastBy, LastByTable: map[string]string{}, SampleRows: p.SampleRows, Seed: p.Seed,
		Concurrency: p.Concurrency, Digest: hashing.Way(p.Digest), ChunkRows: p.ChunkRows, Settle: p.Settle, Budget: min(p.Budget, p.StatementTimeout),
		MaxDiffs: p.MaxDiffs, ShowValues: p.ShowValues, HashKeys: p.HashKeys, Strict: p.Strict, Resume: p.Resume,
		Guard: checker.Guard{MaxActive: p.MaxActive, MaxLag: p.MaxLag, MaxXminAge: int64(p.MaxXminAge), PauseFile: p.PauseFile},
	}
	for name, t := range p.PerTable {
		if len(t.Key) > 0 {
			o.Pairing.Keys[name] = t.Key
		}
		if t.LastBy != "" {
			o.LastByTable[name] = t.LastBy
		}
		if t.Plan != "" {
			o.Plans[name] = sampler.Strategy(t.Plan)
		}
	}
	return o
}
