//go:build unix

package cutover

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives a file the owner of another.
func own(f *os.File, like fs.FileInfo) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	is, ok := mine.Sys().(*syscall.Stat_t)
	shall, also := like.Sys().(*syscall.Stat_t)
	if !ok || !also || is.Uid == shall.Uid && is.Gid == shall.Gid {
		return nil
	}
	return f.Chown(int(shall.Uid), int(shall.Gid))
}
