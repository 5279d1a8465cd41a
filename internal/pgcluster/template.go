package pgcluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// ensureTemplate returns a data directory made by initdb with these arguments,
// to be copied and never used itself. It is made once per server version, set of
// arguments and account, and kept in the cache.
func ensureTemplate(ctx context.Context, bin Binaries, acc account, extra []string, logf func(string, ...any)) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", fmt.Errorf("postgres %s: %w", bin.Version, err)
	}
	args := initdbArgs(extra)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", bin.BinDir, acc.uid, strings.Join(args, "\x00")))
	dir := filepath.Join(cache, "templates", bin.Version+"-"+hex.EncodeToString(sum[:8]))
	if exists(dir) {
		return filepath.Join(dir, "data"), nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("postgres %s: cache: %w", bin.Version, err)
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("postgres %s: %w", bin.Version, err)
	}
	defer unlock()
	if exists(dir) { // made while we waited for the lock
		return filepath.Join(dir, "data"), nil
	}
	logf("postgres %s: initdb %s", bin.Version, strings.Join(args, " "))
	if err := makeTemplate(ctx, bin, acc, args, dir); err != nil {
		return "", fmt.Errorf("postgres %s: %w", bin.Version, err)
	}
	return filepath.Join(dir, "data"), nil
}

// makeTemplate runs initdb in a work folder and renames that to dir. The caller
// holds the lock, so a work folder that is there is a killed run's.
func makeTemplate(ctx context.Context, bin Binaries, acc account, args []string, dir string) error {
	work := dir + ".part"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := acc.mkdir(work); err != nil {
		return err
	}
	args = append([]string{"--pgdata=" + filepath.Join(work, "data")}, args...)
	out, err := acc.command(ctx, bin.Env(), bin.Path("initdb"), args...).CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("initdb: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("initdb %s: %w:\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return os.Rename(work, dir)
}

// initdbArgs are the defaults with the caller's arguments after them: initdb
// takes the last of each. A caller's encoding without a locale gets the locale
// C, the one that goes with every encoding.
func initdbArgs(extra []string) []string {
	args := []string{"--username=postgres", "--auth=trust", "--no-sync"}
	locale, encoding := "C.UTF-8", "UTF8"
	if runtime.GOOS == "darwin" {
		locale = "C" // older ones have no C.UTF-8
	}
	for i, a := range extra {
		name, value, joined := strings.Cut(a, "=")
		if !joined && i+1 < len(extra) {
			value = extra[i+1]
		}
		switch name {
		case "--encoding", "-E":
			encoding = value
			if !strings.EqualFold(value, "UTF8") && !strings.EqualFold(value, "UTF-8") {
				locale = "C"
			}
		}
	}
	args = append(args, "--encoding="+encoding, "--locale="+locale)
	return append(args, extra...)
}
