package pgcluster

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Standby makes a hot standby of a running cluster, a cluster of its own that
// replays what the primary writes, and returns once it accepts connections.
// settings go over the primary's; ctx bounds the start. It is ErrUnavailable
// where the version comes without pg_basebackup. The caller calls Stop, before
// that of the primary.
func (c *Cluster) Standby(ctx context.Context, settings map[string]string) (*Cluster, error) {
	if _, err := exec.LookPath(c.binaries.Path("pg_basebackup")); err != nil {
		return nil, fmt.Errorf("postgres %s: %w: it comes without pg_basebackup; install the server's own package", c.binaries.Version, ErrUnavailable)
	}
	s := &Cluster{binaries: c.binaries, account: c.account, settings: maps.Clone(c.settings)}
	maps.Copy(s.settings, settings)
	if err := s.copyOf(ctx, c); err != nil {
		return nil, err
	}
	return s, nil
}

// copyOf is create for a standby: the data come from the primary.
func (c *Cluster) copyOf(ctx context.Context, primary *Cluster) (err error) {
	if c.root, err = makeRoot(filepath.Dir(primary.root), c.account); err != nil {
		return err
	}
	if c.watchdog, err = startWatchdog(c.root); err != nil {
		return fmt.Errorf("postgres %s: watchdog: %w", c.binaries.Version, joinRemove(err, c.root))
	}
	defer func() {
		if err != nil {
			_ = c.Stop(context.WithoutCancel(ctx)) // err is the news
		}
	}()
	args := []string{"--pgdata=" + c.data(), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-password",
		"--username=postgres", "--host=" + primary.Host(), "--port=" + strconv.Itoa(primary.Port())}
	out, err := c.account.command(ctx, c.binaries.Env(), c.binaries.Path("pg_basebackup"), args...).CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("postgres %s: base backup: %w", c.binaries.Version, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("postgres %s: base backup: %w: %s", c.binaries.Version, err, bytes.TrimSpace(out))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startOnFreePort(ctx)
}
