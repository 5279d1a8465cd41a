package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// The exit codes of verify that a run may end with: a clean pair matches, a
// damaged one does not, and anything else is an error of the benchmark.
const (
	match    = 0
	mismatch = 1
)

// reading is what one run of a contender took; memory is the client's peak in
// bytes, 0 where the client is this process.
type reading struct {
	took   time.Duration
	memory int64
}

// ends are the URLs that verify is given.
type ends struct{ source, target string }

// ends are those of a database of the source and one of the target.
func (p *pair) ends(source, target string) ends {
	return ends{p.source.URL(source), p.target.URL(target)}
}

// verify runs the program and wants an exit code. What it writes to stdout
// is returned too.
func (b *bed) verify(ctx context.Context, e ends, wants int, args ...string) (reading, []byte, error) {
	all := append([]string{"verify", "--source", e.source, "--target", e.target, "--progress", "none"}, args...)
	cmd := exec.CommandContext(ctx, b.program, all...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	out, err := cmd.Output()
	took := time.Since(start)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return reading{}, nil, fmt.Errorf("verify: %w", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != wants {
		return reading{}, nil, fmt.Errorf("verify: exit code %d, want %d:\n%s", got, wants, out)
	}
	return reading{took, peakMemory(cmd.ProcessState)}, out, nil
}

// report runs verify for what it says instead of for the time it takes.
func (b *bed) report(ctx context.Context, e ends, wants int, args ...string) (*checker.Result, error) {
	_, r, err := b.reported(ctx, e, wants, append(args, "--max-diffs", "0")...)
	return r, err
}

// reported runs verify for both.
func (b *bed) reported(ctx context.Context, e ends, wants int, args ...string) (reading, *checker.Result, error) {
	took, out, err := b.verify(ctx, e, wants, append(args, "--output", "json")...)
	if err != nil {
		return reading{}, nil, err
	}
	r := new(checker.Result)
	if err := json.Unmarshal(out, r); err != nil {
		return reading{}, nil, fmt.Errorf("verify: report: %w", err)
	}
	return took, r, nil
}

// peakMemory is the resident size of a process that has ended, at its peak.
// Linux counts in what this process had when it started the other one, so a
// small program seems as large as this one.
func peakMemory(s *os.ProcessState) int64 {
	if usage, ok := s.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss * 1024 // kilobytes on Linux
	}
	return 0
}
