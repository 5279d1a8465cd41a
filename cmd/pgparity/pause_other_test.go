//go:build !unix

package main

import "github.com/rogpeppe/go-internal/testscript"

func pauseRun(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no SIGUSR1 to send") }
