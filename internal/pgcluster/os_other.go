//go:build !linux && !darwin

package pgcluster

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
)

// Clusters need unix processes, sockets and users. What follows lets programs
// that merely import this package build elsewhere: Start ends at serverAccount.

type account struct {
	name   string
	uid    int
	change bool
}

func serverAccount() (account, error) {
	return account{}, errors.New("throw-away clusters run on Linux and macOS only; start servers yourself and pass their URLs")
}

func (account) command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}
func (account) own(string) error               { return errors.ErrUnsupported }
func (account) mkdir(string) error             { return errors.ErrUnsupported }
func (account) writeFile(string, string) error { return errors.ErrUnsupported }
func (account) mayNotEnter(string) bool        { return false }

type process struct{ pid int }

func startProcess(*exec.Cmd) (*process, error) { return nil, errors.ErrUnsupported }
func startServer(Binaries, account, string, string) (*process, error) {
	return nil, errors.ErrUnsupported
}
func (*process) exited() bool                 { return true }
func (*process) wait(context.Context) bool    { return true }
func (*process) kill()                        {}
func (*process) crash()                       {}
func (*process) fastShutdown(context.Context) {}

func lock(context.Context, string) (func(), error) { return nil, errors.ErrUnsupported }
func dropSharedMemory(string)                      {}
func ownGroup() *syscall.SysProcAttr               { return nil }
