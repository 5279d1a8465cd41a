//go:build unix

package main

import (
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

func pauseRun(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(running(ts, args[0]).cmd.Process.Signal(syscall.SIGUSR1))
}
