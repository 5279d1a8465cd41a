//go:build unix

package cutover

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock on a file, which the end of the process gives back
// however it ends. With wait it returns when it has it.
func lockFile(f *os.File, wait bool) error {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errHeld
		default:
			return err
		}
	}
}
