//go:build unix

package monitor

import (
	"errors"
	"os"
	"syscall"
)

// lockState takes the lock that whoever has the state open holds; the system gives it back when the process
// ends, however it does.
func lockState(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errStateHeld
	}
	return err
}
