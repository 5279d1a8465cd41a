package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/fence"
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
			f.hide(cmd, o.Name)
		}
	}
}

// hide leaves options out of a command's help.
func (f *pairFlags) hide(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

// filterFlags choose the tables.
var filterFlags = []string{"table", "exclude-table", "schema", "exclude-schema", "matviews"}

// replicationFlags say what replicates the pair.
var replicationFlags = []string{"replication", "heartbeat", "source-primary", "target-primary", "via"}

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

// openSide opens one side or its primary. The caller closes it.
func openSide(ctx context.Context, p config.Pair, side postgres.Side, url, run string) (*postgres.DB, error) {
	return postgres.Open(ctx, postgres.Options{Side: side, URL: url, MaxConns: max(p.Concurrency, 2) + 2,
		StatementTimeout: p.StatementTimeout, Run: run})
}

// sides are a pair's databases: the two sides, and the primaries of those that
// are standbys, nil where none was given.
type sides struct {
	source, target               *postgres.DB
	sourcePrimary, targetPrimary *postgres.DB
	via                          *postgres.DB // the middle of a cascade, nil where none was given
}

// connectAll opens both sides, and their primaries, at once. The caller closes
// them.
func connectAll(ctx context.Context, p config.Pair) (*sides, error) {
	run, s := runID(), &sides{}
	g, gctx := errgroup.WithContext(ctx)
	for _, o := range []struct {
		side postgres.Side
		url  string
		db   **postgres.DB
		flag string // of what may be left out
	}{
		{postgres.Source, p.Source, &s.source, ""},
		{postgres.Target, p.Target, &s.target, ""},
		{postgres.Source, p.SourcePrimary, &s.sourcePrimary, "source-primary"},
		{postgres.Target, p.TargetPrimary, &s.targetPrimary, "target-primary"},
		{postgres.Middle, p.Via, &s.via, "via"},
	} {
		if o.flag != "" && o.url == "" {
			continue
		}
		g.Go(func() (err error) {
			if *o.db, err = openSide(gctx, p, o.side, o.url, run); err != nil && o.flag != "" {
				return fmt.Errorf("--%s: %w", o.flag, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// connect opens the two sides alone, for a command that asks nothing of what
// replicates them. The caller closes them.
func connect(ctx context.Context, p config.Pair) (source, target *postgres.DB, err error) {
	p.SourcePrimary, p.TargetPrimary, p.Via = "", "", ""
	s, err := connectAll(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	return s.source, s.target, nil
}

func (s *sides) close() { closeBoth(s.source, s.target, s.sourcePrimary, s.targetPrimary, s.via) }

func closeBoth(sides ...*postgres.DB) {
	for _, db := range sides {
		if db != nil {
			db.Close()
		}
	}
}

// options are the pair's, with what replicates it: the primaries, and the
// markers, whose names the source quotes.
func (s *sides) options(ctx context.Context, p config.Pair) (checker.Options, error) {
	o := options(p)
	o.Replication = fence.Kind(p.Replication)
	o.SourcePrimary, o.TargetPrimary, o.Via = s.sourcePrimary, s.targetPrimary, s.via
	for _, h := range p.Heartbeats {
		var table []string
		for _, name := range []string{h.Schema, h.Table} {
			quoted, err := s.source.QuoteIdent(ctx, name)
			if err != nil {
				return o, err
			}
			table = append(table, quoted)
		}
		o.Heartbeats = append(o.Heartbeats, fence.Heartbeat{Strike: h.Strike, Beat: postgres.Beat{
			Table: strings.Join(table, "."), Column: h.Column, KeyColumn: h.KeyColumn, Key: h.Key}})
	}
	return o, nil
}

// options turns a pair's configuration into the checker's, but for what
// replicates it.
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
