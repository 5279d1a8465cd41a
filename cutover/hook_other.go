//go:build !unix

package cutover

import "os/exec"

// inGroup leaves a program alone: it is killed without what it has started.
func inGroup(*exec.Cmd) {}
