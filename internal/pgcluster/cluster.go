// Package pgcluster starts throw-away PostgreSQL clusters of any major version
// from 10 to 18, several at a time, for tests, benchmarks and the demo.
//
// The rules are:
//
//   - A cluster listens on 127.0.0.1 and on a unix socket in its own directory,
//     and nowhere else.
//   - Nothing outlives the process that started it. Stop removes the cluster;
//     where Stop is never reached (panic, os.Exit, Ctrl-C, kill -9), a watchdog
//     process does it.
//   - A running cluster costs no goroutine, so goleak stays usable beside it.
//   - Durability is off (fsync, full_page_writes): a cluster survives the crash
//     of its server, not the crash of the machine.
package pgcluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Options say which cluster to start. The zero value starts the newest major
// version at hand with the default settings.
type Options struct {
	// Major is the major version, 10 to 18; 0 means the newest at hand.
	Major int
	// Settings go to postgresql.conf over the defaults; values are plain text,
	// quoting is done here.
	Settings map[string]string
	// InitdbArgs go to initdb over the defaults (UTF8, C.UTF-8), for example
	// --locale-provider=icu or --encoding=LATIN1.
	InitdbArgs []string
	// InMemory puts the cluster into a memory file system where the machine has
	// one with room, else into os.TempDir() as otherwise. The clusters that tests
	// share are there unless TMPDIR is set.
	InMemory bool
	// Logf is told of slow steps, a download or an initdb, while Start runs; nil
	// means slog's default logger.
	Logf func(format string, args ...any)
}

// Cluster is one running server with its data directory. Its methods may be
// called from several goroutines.
type Cluster struct {
	binaries Binaries
	account  account
	root     string // holds data, the socket and the log; gone after Stop
	settings map[string]string

	mu       sync.Mutex // guards what follows
	port     int
	server   *process // nil while the server is down
	watchdog *watchdog
	stopped  bool
}

// stopPatience is how long a fast shutdown may take before an immediate one:
// a fast one waits for walsenders, which may wait for a receiver that is gone.
const stopPatience = 5 * time.Second

// Start makes a cluster and returns once it accepts connections; ctx bounds the
// start, not the life of the cluster. The superuser postgres needs no password,
// every other role is asked for its own (scram or md5, as stored).
// The caller owns the cluster and calls Stop.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	logf := o.Logf
	if logf == nil {
		logf = slogf
	}
	bin, err := ensure(ctx, o.Major, logf)
	if err != nil {
		return nil, err
	}
	acc, err := serverAccount()
	if err != nil {
		return nil, err
	}
	template, err := ensureTemplate(ctx, bin, acc, o.InitdbArgs, logf)
	if err != nil {
		return nil, err
	}
	parent := os.TempDir()
	if memory := memoryDir(); o.InMemory && memory != "" {
		parent = memory
	}
	c := &Cluster{binaries: bin, account: acc, settings: defaultSettings()}
	maps.Copy(c.settings, o.Settings)
	if err := c.create(ctx, parent, template); err != nil {
		return nil, err
	}
	return c, nil
}

// create makes the directory, puts the watchdog beside it before anything else
// can be left behind, fills it from the template and starts the server.
func (c *Cluster) create(ctx context.Context, parent, template string) (err error) {
	if c.root, err = makeRoot(parent, c.account); err != nil {
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
	if err := copyTree(ctx, c.account, template, c.data()); err != nil {
		return fmt.Errorf("postgres %s: copy template: %w", c.binaries.Version, err)
	}
	if err := renewIdentity(c.data()); err != nil {
		return fmt.Errorf("postgres %s: system identifier: %w", c.binaries.Version, err)
	}
	if err := c.writeAccess(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startOnFreePort(ctx)
}

// startOnFreePort tries ports until the server gets one. Another process may
// take a port between our look and the server's bind; that shows as a server
// that exited while its port is taken.
func (c *Cluster) startOnFreePort(ctx context.Context) error {
	var err error
	for range 8 {
		if c.port, err = pickPort(); err != nil {
			return err
		}
		if err = c.writeSettings(); err != nil {
			releasePort(c.port)
			return err
		}
		if err = c.launch(ctx); err == nil {
			return nil
		}
		taken := !portFree(c.port)
		releasePort(c.port)
		c.port = 0
		if !taken || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Major is the major version of the server.
func (c *Cluster) Major() int { return c.binaries.Major }

// Version is the full version of the server, such as 15.18.
func (c *Cluster) Version() string { return c.binaries.Version }

// Binaries are the programs the cluster runs on.
func (c *Cluster) Binaries() Binaries { return c.binaries }

// Host is the address the server listens on.
func (c *Cluster) Host() string { return "127.0.0.1" }

// Port is the TCP port, the same over restarts.
func (c *Cluster) Port() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.port
}

// Dir is the data directory.
func (c *Cluster) Dir() string { return c.data() }

// SocketDir is the directory of the server's unix socket.
func (c *Cluster) SocketDir() string { return filepath.Join(c.root, "s") }

// LogFile is the server's log; Stop removes it.
func (c *Cluster) LogFile() string { return filepath.Join(c.root, "log") }

// PID is the process id of the postmaster, 0 while the server is down.
func (c *Cluster) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil || c.server.exited() {
		return 0
	}
	return c.server.pid
}

func (c *Cluster) data() string { return filepath.Join(c.root, "data") }

// Stop shuts the server down (fast, then immediate when that takes long) and
// removes its directory. Stopping twice is fine. A done ctx shortens the
// shutdown, it doesn't leave anything behind.
func (c *Cluster) Stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	c.stopped = true
	c.shutdown(ctx)
	releasePort(c.port)
	dropSharedMemory(c.data())
	if err := removeTree(c.root); err != nil {
		// The watchdog tries again, with more patience.
		c.watchdog.abandon()
		return fmt.Errorf("postgres %s: remove %s: %w", c.binaries.Version, c.root, err)
	}
	return c.watchdog.dismiss()
}

// Kill ends all processes of the server with SIGKILL, as a crash does: no
// checkpoint, no goodbye. Restart brings the cluster back through recovery.
func (c *Cluster) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return
	}
	c.server.crash()
	c.server = nil
}

// Restart shuts the server down if it runs and starts it again on the same
// port.
func (c *Cluster) Restart(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return fmt.Errorf("postgres %s: restart: the cluster was stopped and removed", c.binaries.Version)
	}
	c.shutdown(ctx)
	// Two reasons to try again: processes of a killed server hold its shared
	// memory until they are gone, and the port may be in use for a moment.
	deadline := time.Now().Add(15 * time.Second)
	for {
		err := c.launch(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if werr := pause(ctx, 50*time.Millisecond); werr != nil {
			return err
		}
	}
}

// shutdown ends the server, politely first; c.mu is held.
func (c *Cluster) shutdown(ctx context.Context) {
	if c.server == nil {
		return
	}
	patient, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	c.server.fastShutdown(patient)
	c.server = nil
}

// launch starts the server process and waits until it is ready; c.mu is held.
func (c *Cluster) launch(ctx context.Context) error {
	mark := fileSize(c.LogFile())
	p, err := startServer(c.binaries, c.account, c.data(), c.LogFile())
	if err != nil {
		return fmt.Errorf("postgres %s: start: %w", c.binaries.Version, err)
	}
	c.watchdog.guard(p.pid)
	for !c.ready(p.pid) {
		if p.exited() {
			return fmt.Errorf("postgres %s: the server ended while starting; its log says:\n%s",
				c.binaries.Version, tailFrom(c.LogFile(), mark))
		}
		if err := pause(ctx, 4*time.Millisecond); err != nil {
			p.kill()
			return fmt.Errorf("postgres %s: start: %w", c.binaries.Version, err)
		}
	}
	c.server = p
	return nil
}

// ready reads the status that the postmaster keeps in line 8 of its pid file;
// the pid in line 1 tells it from the file of a crashed predecessor.
func (c *Cluster) ready(pid int) bool {
	lines := readLines(filepath.Join(c.data(), "postmaster.pid"))
	return len(lines) >= 8 && lines[0] == strconv.Itoa(pid) && (lines[7] == "ready" || lines[7] == "standby")
}

// pause waits d, or less when ctx ends, and then says why.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func joinRemove(err error, dir string) error {
	if rerr := os.RemoveAll(dir); rerr != nil {
		return fmt.Errorf("%w (and remove %s: %w)", err, dir, rerr)
	}
	return err
}
