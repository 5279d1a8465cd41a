package pgcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// socketRoom is what the longest path of a unix socket leaves for its
// directory: sun_path has 104 bytes on macOS, 108 on Linux.
const socketRoom = 104 - len("/s/.s.PGSQL.32000.lock") - 1

// makeRoot makes the directory that holds everything of one cluster, owned by
// the account that runs the server. It goes below parent, or below /tmp where
// parent is closed to the account or too long for a socket's path.
func makeRoot(parent string, acc account) (string, error) {
	if len(parent)+len("/pgparity-4294967295") > socketRoom || acc.mayNotEnter(parent) {
		parent = "/tmp"
	}
	root, err := os.MkdirTemp(parent, "pgparity-")
	if err != nil {
		return "", err
	}
	if err := acc.own(root); err == nil {
		err = acc.mkdir(filepath.Join(root, "s"))
		if err == nil {
			return root, nil
		}
	}
	return "", joinRemove(err, root)
}

// removeTree is os.RemoveAll with patience: backends that outlive a killed
// postmaster for a moment may still create files.
func removeTree(dir string) error {
	var err error
	for range 40 {
		if err = os.RemoveAll(dir); !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
		_ = pause(context.Background(), 50*time.Millisecond)
	}
	return err
}

// copyTree copies a data directory as the server's account, keeping modes.
func copyTree(ctx context.Context, acc account, from, to string) error {
	out, err := acc.command(ctx, nil, "cp", "-Rp", from, to).CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func readLines(name string) []string {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil // not there yet, or no longer
	}
	lines := strings.Split(string(b), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

func fileSize(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// tailFrom is what was written to a log since it had size mark, cut to the last
// few lines.
func tailFrom(name string, mark int64) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	if mark < int64(len(b)) {
		b = b[mark:]
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if n := len(lines); n > 12 {
		lines = lines[n-12:]
	}
	return strings.Join(lines, "\n")
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist) && err == nil
}
