//go:build linux || darwin

package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// account is who runs the servers: ourselves, or, because servers refuse root,
// another user when we are root.
type account struct {
	name     string
	uid, gid int
	change   bool // we are root and run programs as this account
}

// serverAccount finds the account: postgres if there is one, else nobody.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.Atoi(u.Uid)
		gid, gerr := strconv.Atoi(u.Gid)
		if uerr == nil && gerr == nil && uid != 0 {
			return account{name: name, uid: uid, gid: gid, change: true}, nil
		}
	}
	return account{}, errors.New("a server refuses to run as root, and there is neither a user postgres nor nobody; type: useradd --system postgres")
}

// command is a program run as the account, in its own process group: a
// terminal's Ctrl-C is for us, who then end it in order.
func (a account) command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/" // ours may be closed to the account
	cmd.Env = append(cleanEnv(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.change {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return cmd
}

// cleanEnv is our environment without what changes a server: PG*, LC_*, LANG.
func cleanEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "PG") || strings.HasPrefix(kv, "LC_") || strings.HasPrefix(kv, "LANG") || strings.HasPrefix(kv, "TZ=") {
			continue
		}
		env = append(env, kv)
	}
	return env
}

func (a account) own(path string) error {
	if !a.change {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

func (a account) mkdir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return a.own(path)
}

func (a account) writeFile(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return a.own(path)
}

// mayNotEnter says whether some directory on the way to path is closed to the
// account. It looks at the bits for others only: the account owns nothing there.
func (a account) mayNotEnter(path string) bool {
	if !a.change {
		return false
	}
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// process is a child that is reaped by asking, not by a goroutine that waits:
// a cluster that runs must not look like a leak. One goroutine at a time.
type process struct {
	pid  int
	dead bool
}

// startProcess starts cmd and takes its reaping over from os/exec.
func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid}
	return p, cmd.Process.Release()
}

// startServer starts a postmaster that writes its log to logFile.
func startServer(bin Binaries, acc account, data, logFile string) (*process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	// Not the caller's context: it bounds the start, the server lives on.
	cmd := acc.command(context.Background(), bin.Env(), bin.Path("postgres"), "-D", data)
	cmd.Stdout, cmd.Stderr = out, out
	return startProcess(cmd)
}

func (p *process) exited() bool {
	if p.dead {
		return true
	}
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(p.pid, &status, syscall.WNOHANG, nil)
	p.dead = pid == p.pid || errors.Is(err, syscall.ECHILD)
	return p.dead
}

// wait returns whether the process ended before ctx did.
func (p *process) wait(ctx context.Context) bool {
	for !p.exited() {
		if pause(ctx, 2*time.Millisecond) != nil {
			return p.exited()
		}
	}
	return true
}

func (p *process) signal(s syscall.Signal) {
	if !p.exited() { // never a pid that may belong to someone else by now
		_ = syscall.Kill(p.pid, s)
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.wait(context.Background())
}

// crash kills a postmaster and its children. The children by themselves would
// end late: before 12 a sleeping backend doesn't notice that its postmaster died.
// The postmaster is halted first, so that it makes no further ones.
func (p *process) crash() {
	p.signal(syscall.SIGSTOP)
	orphans := children(p.pid)
	p.kill()
	for _, pid := range orphans {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// children lists the processes whose parent is pid.
func children(pid int) []int {
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil { // no Linux, or one built without it
		out, err = exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	}
	if err != nil {
		return nil // they notice by themselves, sooner or later
	}
	var pids []int
	for _, f := range strings.Fields(string(out)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// fastShutdown is SIGINT; SIGQUIT when ctx ends before the server does; SIGKILL
// when that doesn't help either.
func (p *process) fastShutdown(ctx context.Context) {
	p.signal(syscall.SIGINT)
	if p.wait(ctx) {
		return
	}
	p.signal(syscall.SIGQUIT)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 6*time.Second)
	defer cancel()
	if !p.wait(last) {
		p.kill()
	}
}

// lock takes an exclusive lock on a file, made if missing, against other
// processes and other callers in this one; the returned function gives it back.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("wait for %s: %w", name, err)
		}
	}
}

// dropSharedMemory removes the System V segment that a killed postmaster
// leaves: line 7 of its pid file is "key id". Nothing else can be lost: a server
// that ended in order has removed file and segment itself.
func dropSharedMemory(data string) {
	lines := readLines(filepath.Join(data, "postmaster.pid"))
	if len(lines) < 7 {
		return
	}
	if fields := strings.Fields(lines[6]); len(fields) == 2 {
		if id, err := strconv.Atoi(fields[1]); err == nil {
			_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
	}
}

// ownGroup keeps a terminal's Ctrl-C away from a child.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
