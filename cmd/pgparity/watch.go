package main

import (
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
)

var (
	progressWords  = []string{"auto", "none", "json"}
	logFormatWords = []string{"text", "json"}
)

// view is one way to show progress. It is told of events as they come and
// must not block; its work is done by a goroutine of its own, which close
// ends.
type view interface {
	event(e checker.Event, p *progress)
	close()
}

// watcher shows a run's events while it runs. It keeps the counts and hands
// each event to the view; neither waits for a terminal or a pipe, so that a
// reader that stalls does not stall the run.
type watcher struct {
	a       *app
	f       *verifyFlags
	refresh time.Duration // of log lines; bars have their own

	mu   sync.Mutex
	view view // nil: nothing is shown
	p    *progress
}

// logEvery is how often a log line tells of the work.
const logEvery = 5 * time.Second

func (a *app) newWatcher(f *verifyFlags) (*watcher, error) {
	if err := oneOf("progress", f.progress, progressWords); err != nil {
		return nil, err
	}
	if err := oneOf("log-format", f.logFormat, logFormatWords); err != nil {
		return nil, err
	}
	return &watcher{a: a, f: f, refresh: logEvery}, nil
}

// start shows the progress of one pair until the function that it returns is
// called; then nothing of it is left on a terminal, and no goroutine.
func (w *watcher) start(pair string) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.p = newProgress(pair, time.Now)
	w.view = w.choose()
	return func() {
		w.mu.Lock()
		v := w.view
		w.view = nil
		w.mu.Unlock()
		if v != nil {
			v.close()
		}
	}
}

func (w *watcher) choose() view {
	width, terminal := w.a.terminal(w.a.stderr)
	switch {
	case w.f.quiet || w.f.progress == "none":
		return nil
	case w.f.progress == "json":
		return newEventView(w.a.stderr)
	case terminal && w.a.getenv("TERM") != "dumb" && w.f.logFormat == "text":
		return newBarView(w.a.stderr, width, w.p)
	}
	return newLogView(w.a.stderr, w.f.logFormat, w.f.verbose, w.refresh, w.p)
}

// event takes one event of the run. The checker calls it one at a time.
func (w *watcher) event(e checker.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.p == nil {
		return
	}
	w.p.take(e)
	if w.view != nil {
		w.view.event(e, w.p)
	}
}
