//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package checker

import "os"

// lockFile takes the file for this process alone, until unlock.
func lockFile(f *os.File) (unlock func(), err error) { return lockBeside(f) }
