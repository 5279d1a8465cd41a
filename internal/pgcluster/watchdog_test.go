//go:build linux || darwin

package pgcluster

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes the test binary play another process: see playRole.
const roleVariable = "PGCLUSTER_TEST_ROLE"

// playRole starts a cluster, says its directory and postmaster on stdout and
// ends in the way the role names, without stopping it.
func playRole(role string) int {
	c, err := Start(context.Background(), Options{Major: 15})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(c.root, c.PID(), c.watchdog.process.pid)
	switch role {
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(3)
	case "crash": // the server first, then we
		c.Kill()
		os.Exit(3)
	case "stop":
		if err := c.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	select {} // until a signal
}

// TestNothingOutlivesUs: however the process ends, server and files are gone
// soon after.
func TestNothingOutlivesUs(t *testing.T) {
	for role, sig := range map[string]syscall.Signal{
		"panic": 0, "exit": 0, "crash": 0, "stop": 0,
		"kill": syscall.SIGKILL, "interrupt": syscall.SIGINT, "terminate": syscall.SIGTERM, "hangup": syscall.SIGHUP,
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			if sig != 0 && signal.Ignored(sig) { // as behind nohup, or in the background of a script
				t.Skipf("skipped: this process was started with %v ignored, and so would be its child", sig)
			}
			child := play(t, os.Args[0], role, nil)
			child.signalGroup(t, sig)
			child.gone(t)
		})
	}
}

// TestOtherProcessSpared: a pid that by now is someone else's is left alone.
func TestOtherProcessSpared(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	dir := filepath.Join(t.TempDir(), "cluster")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := startWatchdog(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.guard(other.Process.Pid)
	w.abandon()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if !w.process.wait(ctx) {
		t.Fatal("the watchdog did not end")
	}
	if exists(dir) {
		t.Error("the directory is left")
	}
	if !alive(other.Process.Pid) {
		t.Error("the other process was ended")
	}
}

// TestAsNormalUser runs the whole life of a cluster as a user without rights.
func TestAsNormalUser(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short, and this makes clusters in an empty cache")
	}
	acc, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	if !acc.change {
		t.Skip("skipped: not root, so the other tests run as a normal user already")
	}
	// The test binary lies where only root can read it.
	dir, err := os.MkdirTemp("/tmp", "pgcluster-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary := filepath.Join(dir, "test")
	if out, err := exec.Command("cp", os.Args[0], binary).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{dir, binary} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cache := filepath.Join(dir, "cache")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(cache, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"stop", "kill"} {
		child := play(t, binary, role, &syscall.Credential{Uid: 65534, Gid: 65534}, "PGPARITY_CACHE="+cache, "HOME="+dir)
		if role == "kill" {
			child.signalGroup(t, syscall.SIGKILL)
		}
		child.gone(t)
	}
}

// player is the test binary in a role.
type player struct {
	cmd                  *exec.Cmd
	root                 string
	postmaster, watchdog int
}

func play(t *testing.T, binary, role string, as *syscall.Credential, env ...string) *player {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Dir = "/"
	cmd.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 3 {
		_ = cmd.Wait()
		t.Fatalf("%s: %v: %q: %s", role, err, line, stderr.String())
	}
	p := &player{cmd: cmd, root: fields[0]}
	p.postmaster, _ = strconv.Atoi(fields[1])
	p.watchdog, _ = strconv.Atoi(fields[2])
	return p
}

// signalGroup signals the process group, as a terminal does; 0 = none.
func (p *player) signalGroup(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if sig == 0 {
		return
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, sig); err != nil {
		t.Fatal(err)
	}
}

// gone waits until the process has ended and its cluster is gone.
func (p *player) gone(t *testing.T) {
	t.Helper()
	_ = p.cmd.Wait() // it ends as its role says
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	for {
		left := p.left()
		if left == "" {
			t.Logf("gone after %v", time.Since(began))
			return
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			t.Fatalf("still there: %s", left)
		}
	}
}

func (p *player) left() string {
	switch {
	case exists(p.root):
		return p.root
	case alive(p.postmaster):
		return "postmaster " + strconv.Itoa(p.postmaster)
	case alive(p.watchdog):
		return "watchdog " + strconv.Itoa(p.watchdog)
	}
	return ""
}

// alive doesn't count zombies: who reaps orphans is the machine's affair.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}
