//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checker

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the file for this process alone, until unlock or its end. On a
// file system without locks a file beside it stands for one.
func lockFile(f *os.File) (unlock func(), err error) {
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err == nil:
		return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errLocked
	}
	return lockBeside(f)
}
