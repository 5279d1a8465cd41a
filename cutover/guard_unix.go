//go:build unix

package cutover

import "syscall"

// ownSession keeps a guard from the signals that end the run: the terminal's
// among them.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
