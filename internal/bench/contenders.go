package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// contender is one way to read or compare a workload, over all its tables.
type contender struct {
	name  string // of its figures, for ratios
	what  string // in the table
	heavy bool   // runs in fewer rounds
	run   func(context.Context, *bed) (reading, error)
}

// differing is the name of the run on a pair in which n rows differ.
func differing(n int) string { return fmt.Sprintf("verify, %d different", n) }

// heavyRounds bounds the rounds of heavy contenders.
const heavyRounds = 3

// judged are the flags of the runs that targets are held against.
var judged = []string{"--checks", "ranges", "--digest", "pushdown"}

var judgedCommand = "`pgparity verify " + strings.Join(judged, " ") + "`"

// judgedWith are the same flags and more.
func judgedWith(flags ...string) []string { return slices.Concat(judged, flags) }

// contenders are those that take turns on a workload.
func (w workload) contenders(b *bed) []contender {
	clean := b.ends(database, database)
	all := []contender{{name: "verify", what: judgedCommand, run: verify(clean, match, judged...)}}
	for _, n := range differences {
		all = append(all, contender{name: differing(n), what: fmt.Sprintf("the same, scattered rows different: %d", min(n, w.total())),
			run: verify(b.ends(database, damaged(n)), mismatch, judged...)})
	}
	all = append(all, contender{name: "verify, all checks", what: "`pgparity verify`, all checks", run: verify(clean, match)})
	all = append(all, w.variants(clean)...)
	all = append(all,
		contender{name: "count", what: "`SELECT count(*)`, both servers at once", run: w.sql("SELECT count(*) FROM {table}")},
		contender{name: "copy", what: "`COPY t TO '/dev/null' (FORMAT binary)`, both servers at once", run: w.sql("COPY {table} TO '/dev/null' (FORMAT binary)")},
		contender{name: "hashtext", what: "`SELECT sum(hashtext(t::text)::bigint)`, both servers at once",
			run: w.sql("SELECT sum(hashtext({table}::text)::bigint) FROM {table}")},
		contender{name: "md5", what: "`SELECT sum(('x'||left(md5(t::text),16))::bit(64)::bigint::numeric)`, both servers at once", heavy: true,
			run: w.sql("SELECT sum(('x'||left(md5({table}::text),16))::bit(64)::bigint::numeric) FROM {table}")},
		contender{name: "stream", what: "`pgparity verify --checks ranges --digest stream`", heavy: true,
			run: verify(clean, match, "--checks", "ranges", "--digest", "stream")},
	)
	if _, err := os.Stat(b.pgDump()); err == nil { // not every server comes with it
		all = append(all, contender{name: "pg_dump", what: "`pg_dump -Fc -Z0` of the source alone, to /dev/null", heavy: true, run: pgDump})
	}
	return all
}

// variants are runs of verify that are worth a figure on some workloads only.
func (w workload) variants(e ends) []contender {
	var all []contender
	if w.name == "narrow" || w.name == "wide" {
		all = append(all, contender{name: "verify, small ranges", what: "`--chunk-rows 250000`",
			run: verify(e, match, judgedWith("--chunk-rows", "250000")...)})
		for _, workers := range []string{"1", "2", "4"} {
			all = append(all, contender{name: "verify, workers " + workers, what: "`--concurrency " + workers + "`",
				run: verify(e, match, judgedWith("--concurrency", workers)...)})
		}
	}
	if w.name == "narrow" || w.name == "small" {
		all = append(all, contender{name: "verify, distant", what: fmt.Sprintf("`--concurrency 4`, both servers a round trip of %d ms away", roundTrip.Milliseconds()),
			run: distant(e, judgedWith("--concurrency", "4")...)})
	}
	return all
}

func verify(e ends, wants int, args ...string) func(context.Context, *bed) (reading, error) {
	return func(ctx context.Context, b *bed) (reading, error) {
		r, _, err := b.verify(ctx, e, wants, append(args, "--quiet")...)
		return r, err
	}
}

// roundTrip is how far away the servers of a distant run seem.
const roundTrip = 20 * time.Millisecond

// distant runs verify on a clean pair over a wire of some length.
func distant(e ends, args ...string) func(context.Context, *bed) (reading, error) {
	return func(ctx context.Context, b *bed) (reading, error) {
		w, err := layWire(ctx, b.pair, e, roundTrip/2)
		if err != nil {
			return reading{}, err
		}
		defer w.close()
		return verify(w.ends, match, args...)(ctx, b)
	}
}

// sql runs a statement for each table, one after the other on one connection
// a server, pinned as verify pins its own.
func (w workload) sql(statement string) func(context.Context, *bed) (reading, error) {
	statements := append([]string{"SET jit = off; SET max_parallel_workers_per_gather = 0"}, w.each(statement)...)
	return func(ctx context.Context, b *bed) (reading, error) {
		start := time.Now()
		err := b.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error {
			return c.Exec(ctx, database, statements...)
		})
		return reading{took: time.Since(start)}, err
	}
}

// pgDump is the source's own.
func (p *pair) pgDump() string { return p.source.Binaries().Path("pg_dump") }

func pgDump(ctx context.Context, b *bed) (reading, error) {
	cmd := exec.CommandContext(ctx, b.pgDump(), "-Fc", "-Z0", b.source.URL(database)) // no stdout is /dev/null
	cmd.Env = append(os.Environ(), b.source.Binaries().Env()...)
	var said strings.Builder
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return reading{}, fmt.Errorf("pg_dump: %w: %s", err, strconv.Quote(said.String()))
	}
	return reading{took: took}, nil
}
