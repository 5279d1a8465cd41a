package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

const mib = 1 << 20

// wideRow is the size of the widest row of wideTables, in bytes.
const wideRow = 100 * mib

// wideTables hold three rows of 100 MiB that compress well, one that is stored
// as it is, and narrow rows that are read at the same time.
var wideTables = []string{
	"CREATE TABLE wide (id integer PRIMARY KEY, body text)",
	"INSERT INTO wide SELECT g, repeat(md5(g::text), 100 * 32768) FROM generate_series(1, 3) AS g",
	"CREATE TABLE plain (id integer PRIMARY KEY, body text)",
	"ALTER TABLE plain ALTER body SET STORAGE EXTERNAL",
	"INSERT INTO plain VALUES (1, repeat(md5('1'), 100 * 32768))",
	"CREATE TABLE narrow (id integer PRIMARY KEY, v text)",
	"INSERT INTO narrow SELECT g, md5(g::text) FROM generate_series(1, 200000) AS g",
}

// TestMemoryOfWideRows measures the program as a process of its own. Rows that
// the servers hash stay there; rows that have to come here come one at a time
// from each side.
func TestMemoryOfWideRows(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory of its own: `make test` measures without it")
	}
	if testing.Short() {
		t.Skip("makes and reads rows of 100 MiB: left out by -short")
	}
	sides := sidesOf(t, wideTables, "UPDATE wide SET body = left(body, -1) || 'X' WHERE id = 3")
	for _, c := range []struct {
		name  string
		args  []string
		limit int // bytes
		says  []string
	}{
		{"pushdown", []string{"verify", "--digest", "pushdown", "--show-values", "--output", "json", "--progress", "none"}, 100 * mib,
			[]string{`"different"`, `"3"`, "… (104,857,600 bytes"}},
		{"stream", []string{"verify", "--digest", "stream", "--show-values", "--output", "json", "--progress", "none"}, 100*mib + 2*wideRow,
			[]string{`"different"`, `"3"`, "… (104,857,600 bytes"}},
		{"show", []string{"show", "wide", "3"}, 100 * mib, []string{"MISMATCH", "bytes"}},
		{"show whole", []string{"show", "--full", "wide", "3"}, 100 * mib, []string{"MISMATCH", "104,857,600 bytes"}},
		{"show by stream", []string{"show", "--digest", "stream", "wide", "3"}, 100*mib + 2*wideRow, []string{"MISMATCH"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, peak := peakMemory(t, exitMismatch, append(c.args, sides...)...)
			t.Logf("%d MiB at most, %d bytes of output", peak/mib, len(out))
			if peak > c.limit {
				t.Errorf("took %d MiB, want at most %d", peak/mib, c.limit/mib)
			}
			for _, text := range c.says {
				if !strings.Contains(out, text) {
					t.Errorf("does not say %q: %.2000s", text, out)
				}
			}
			if len(out) > 300_000 {
				t.Errorf("says %d bytes of it", len(out))
			}
		})
	}
}

// longKeys hold every row under a key of 2400 bytes, which do not compress, or
// of 100 kB, which do: an index takes them.
var longKeys = []string{
	"CREATE TABLE keys (k text PRIMARY KEY, v integer)",
	"INSERT INTO keys SELECT (SELECT string_agg(md5(g || '.' || n), '') FROM generate_series(1, 75) AS n), g FROM generate_series(1, 2000) AS g",
	"CREATE TABLE compressed (k text PRIMARY KEY, v integer)",
	"INSERT INTO compressed SELECT repeat(lpad(g::text, 10), 10000), g FROM generate_series(1, 80) AS g",
	"CREATE TABLE parts (a text, b text, c integer, v integer, PRIMARY KEY (a, b, c))",
	"INSERT INTO parts SELECT left(k, 1200), right(k, 1100), 1, v FROM keys",
	"ANALYZE",
}

// TestMemoryOfLongKeys looks up every row of tables that all differ.
func TestMemoryOfLongKeys(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory of its own: `make test` measures without it")
	}
	if testing.Short() {
		t.Skip("makes and looks up 4,000 rows by keys of 2 kB: left out by -short")
	}
	sides := sidesOf(t, longKeys, "UPDATE keys SET v = -v", "UPDATE compressed SET v = -v", "UPDATE parts SET v = -v")
	for _, way := range []string{"pushdown", "stream"} {
		t.Run(way, func(t *testing.T) {
			out, peak := peakMemory(t, exitMismatch, append([]string{"verify", "--digest", way, "--max-diffs", "5", "--output", "json", "--progress", "none"}, sides...)...)
			t.Logf("%d MiB at most", peak/mib)
			if peak > 100*mib {
				t.Errorf("took %d MiB, want at most 100", peak/mib)
			}
			for _, total := range []string{`"findings_total":2000`, `"findings_total":80`} {
				if !strings.Contains(strings.ReplaceAll(out, " ", ""), total) {
					t.Errorf("does not say %s", total)
				}
			}
		})
	}
}

// sidesOf makes a database of one content on both sides, at the same time, then
// damages the target; and gives the flags that name them.
func sidesOf(t *testing.T, both []string, damage ...string) []string {
	t.Helper()
	source, target := pgcluster.Shared(t, 15).TestDB(t), pgcluster.Shared(t, 18).TestDB(t)
	var g errgroup.Group
	for url, sql := range map[string][]string{source: both, target: slices.Concat(both, damage)} {
		g.Go(func() error {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
			for _, statement := range sql {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return []string{"--source", source, "--target", target}
}

// peakMemory runs the program to its end and tells what it wrote to stdout and
// the most memory it held, in bytes. A process counts from what its parent held
// when it was started: that must not be much.
func peakMemory(t *testing.T, wantCode int, args ...string) (stdout string, peak int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "pgparity", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Fatalf("exit code %d, want %d: %s%.2000s", code, wantCode, errs.String(), out.String())
	}
	t.Log(fmt.Sprint("took ", time.Since(began).Round(time.Millisecond)))
	return out.String(), int(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) * 1024
}
