package checker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// lockBeside makes a file that only one process can make. A process that is
// killed leaves it behind, which the error says.
func lockBeside(f *os.File) (unlock func(), err error) {
	path := f.Name() + ".lock"
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("%w; if no run is on, remove %s", errLocked, path)
	case err != nil:
		return nil, fmt.Errorf("lock: %w", err)
	}
	_ = lock.Close()
	return func() { _ = os.Remove(path) }, nil
}
