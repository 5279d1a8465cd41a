//go:build !unix

package cutover

import (
	"errors"
	"os"
)

func lockFile(*os.File, bool) error {
	return errors.New("a switch needs a system whose file locks end with their process: run it on Linux, macOS or another Unix")
}
