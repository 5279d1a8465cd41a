package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"golang.org/x/sync/errgroup"
)

// workload is a table, or several, the same on both sides.
type workload struct {
	name   string
	rows   int
	create string // %d: the rows
	// damage changes n scattered rows of the target; "" leaves that out.
	damage string // %d: every how many rows
}

var workloads = []workload{
	{"narrow", 2_000_000, `CREATE TABLE t (id bigint PRIMARY KEY, customer int NOT NULL, amount int NOT NULL, created timestamptz NOT NULL, status text NOT NULL);
INSERT INTO t SELECT i, i %% 5000, (i::bigint * 7919) %% 100000, '2024-01-01'::timestamptz + i * interval '7 seconds', (ARRAY['new','paid','sent','done'])[1 + i %% 4] FROM generate_series(1, %d) i`,
		`UPDATE t SET amount = -amount - 1 WHERE id %% %d = 0`},
	{"wide", 800_000, `CREATE TYPE mood AS ENUM ('sad','ok','happy');
CREATE TABLE t (id bigint PRIMARY KEY, n int, price numeric(12,2), ratio float8, flag boolean, day date, at timestamptz, name text, code varchar(20), ref uuid, doc jsonb, m mood);
INSERT INTO t SELECT i, i %% 1000, i * 0.37, i / 7.0, i %% 3 = 0, '2020-01-01'::date + i %% 2000, '2024-01-01'::timestamptz + i * interval '13 seconds',
  'customer number ' || i, 'C' || i %% 10000, md5(i::text)::uuid, jsonb_build_object('k', i, 'tags', ARRAY['a','b'], 'x', i * 1.5), (ARRAY['sad','ok','happy'])[1 + i %% 3]::mood FROM generate_series(1, %d) i`,
		`UPDATE t SET price = -price WHERE id %% %d = 0`},
	{"uuid", 3_000_000, `CREATE TABLE t (id uuid PRIMARY KEY, n int NOT NULL, amount int NOT NULL, at timestamptz NOT NULL);
INSERT INTO t SELECT md5(i::text)::uuid, i, i %% 1000, '2024-01-01'::timestamptz + i * interval '1 second' FROM generate_series(1, %d) i`,
		`UPDATE t SET amount = -amount - 1 WHERE n %% %d = 0`},
	{"text", 1_500_000, `CREATE TABLE t (k text PRIMARY KEY, n int NOT NULL, note text NOT NULL);
INSERT INTO t SELECT 'key-' || md5(i::text), i, 'note ' || i %% 100 FROM generate_series(1, %d) i`,
		`UPDATE t SET note = '' WHERE n %% %d = 0`},
	{"keyless", 1_000_000, `CREATE TABLE t (n int NOT NULL, at timestamptz NOT NULL, line text NOT NULL);
INSERT INTO t SELECT i / 2, '2024-01-01'::timestamptz + i / 2 * interval '1 second', 'line ' || i / 2 FROM generate_series(1, %d) i`,
		`UPDATE t SET line = '' WHERE n %% %d = 0`},
}

// database is where a workload lives on both servers.
const database = "bench"

func (p *pair) load(ctx context.Context, w workload, rows int) error {
	return p.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error {
		if err := c.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+database); err != nil {
			return err
		}
		if err := c.CreateDatabase(ctx, database); err != nil {
			return err
		}
		return c.Exec(ctx, database, fmt.Sprintf(w.create, rows), "VACUUM (ANALYZE, FREEZE) t", "CHECKPOINT")
	})
}

func (p *pair) both(ctx context.Context, do func(context.Context, *pgcluster.Cluster) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range []*pgcluster.Cluster{p.source, p.target} {
		g.Go(func() error { return do(ctx, c) })
	}
	return g.Wait()
}

// contender is one way to read or compare the table; memory is the client's
// peak where it has a process of its own.
type contender struct {
	name, what string
	run        func(ctx context.Context, p *pair, program string) (took time.Duration, memory int64, err error)
}

var contenders = []contender{
	{"verify", "`pgparity verify --checks ranges` by pushdown", verify("--checks", "ranges", "--digest", "pushdown")},
	{"verify, small ranges", "the same with `--chunk-rows 250000`, by index ranges", verify("--checks", "ranges", "--digest", "pushdown", "--chunk-rows", "250000")},
	{"verify, all checks", "`pgparity verify`", verify()},
	{"verify, stream", "`pgparity verify --checks ranges --digest stream`", verify("--checks", "ranges", "--digest", "stream")},
	{"count", "`SELECT count(*)`, both servers at once", sql("SELECT count(*) FROM t")},
	{"copy", "`COPY t TO '/dev/null' (FORMAT binary)`, both servers at once", sql("COPY t TO '/dev/null' (FORMAT binary)")},
	{"hashtext", "`SELECT sum(hashtextextended(t::text, 0))`, both servers at once", sql("SELECT sum(hashtextextended(t::text, 0)) FROM t")},
}

func sql(statement string) func(context.Context, *pair, string) (time.Duration, int64, error) {
	return func(ctx context.Context, p *pair, _ string) (time.Duration, int64, error) {
		start := time.Now()
		err := p.both(ctx, func(ctx context.Context, c *pgcluster.Cluster) error {
			return c.Exec(ctx, database, "SET jit = off; SET max_parallel_workers_per_gather = 0; "+statement)
		})
		return time.Since(start), 0, err
	}
}

func verify(args ...string) func(context.Context, *pair, string) (time.Duration, int64, error) {
	return verifyTo(0, args...)
}

// differs runs verify on a damaged pair, where anything but a mismatch is an
// error of the benchmark.
var differs = verifyTo(1, "--checks", "ranges")

// verifyTo runs the program and wants an exit code.
func verifyTo(wants int, args ...string) func(context.Context, *pair, string) (time.Duration, int64, error) {
	return func(ctx context.Context, p *pair, program string) (time.Duration, int64, error) {
		all := append([]string{"verify", "--source", p.source.URL(database), "--target", p.target.URL(database),
			"--quiet", "--progress", "none"}, args...)
		cmd := exec.CommandContext(ctx, program, all...)
		cmd.Stderr = os.Stderr
		start := time.Now()
		err := cmd.Run()
		took := time.Since(start)
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != wants) {
			return 0, 0, err
		}
		var memory int64
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			memory = usage.Maxrss * 1024 // kilobytes on Linux
		}
		return took, memory, nil
	}
}

func build(ctx context.Context, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/pgparity")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}
