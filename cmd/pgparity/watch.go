package main

import (
	"fmt"

	"github.com/pgparity/pgparity/checker"
)

// watcher shows a run's events while it runs.
type watcher struct{ a *app }

func (a *app) newWatcher(f *verifyFlags) (*watcher, error) { return &watcher{a}, nil }

func (w *watcher) start(pair string) func() { return func() {} }

func (w *watcher) event(e checker.Event) {
	if e.Message != "" {
		fmt.Fprintln(w.a.stderr, e.Table, e.Message)
	}
}
