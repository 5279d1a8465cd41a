//go:build !unix

package main

import "github.com/pgparity/pgparity/checker"

// pausable gives no switch: there is no signal to turn it. --pause-file serves.
func pausable() (pause *checker.Pause, stop func()) { return nil, func() {} }
