//go:build !unix

package monitor

import "os"

// lockState does nothing where there is no such lock: see that only one monitor has the file.
func lockState(*os.File) error { return nil }
