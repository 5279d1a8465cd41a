//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/pgparity/pgparity/checker"
)

// pausable gives the switch that SIGUSR1 turns until stop is called.
func pausable() (pause *checker.Pause, stop func()) {
	pause = &checker.Pause{By: "SIGUSR1", Resume: "send it again to go on"}
	signals := make(chan os.Signal, 8) // each one counts
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for {
			select {
			case <-signals:
				pause.Toggle()
			case <-done:
				return
			}
		}
	}()
	return pause, func() {
		signal.Stop(signals)
		close(done)
	}
}
