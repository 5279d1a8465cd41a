package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/follow"
)

// Handover is what a switch takes over of a pair.
type Handover struct {
	State follow.State    // how far its changes were followed
	Pass  *checker.Result // the last full pass: a match
}

// ReadHandover reads it from a monitor's state file, which the monitor may be at work with. It is
// an error where there is nothing to rest on: nothing is followed, no pass was a match, or a
// difference is open.
func ReadHandover(ctx context.Context, path, pair string) (*Handover, error) {
	if _, err := os.Stat(path); err != nil { // it would be made
		return nil, fmt.Errorf("state of the monitor: %w", err)
	}
	db, err := openSQLite(path, "NORMAL")
	if err != nil {
		return nil, stateFile(err)
	}
	defer func() { _ = db.Close() }()
	var state, proof string
	var open int
	err = db.QueryRowContext(ctx, `SELECT follow, proof, (SELECT count(*) FROM findings WHERE pair = p.name AND healed_at IS NULL) FROM pairs p WHERE name = ?`, pair).Scan(&state, &proof, &open)
	switch {
	case err != nil:
		return nil, fmt.Errorf("state of the monitor: pair %q: %w", pair, err)
	case open > 0:
		return nil, fmt.Errorf("the monitor knows of %d differences that have not healed: look at its page", open)
	case proof == "":
		return nil, errors.New("no full pass of the monitor has ended in a match yet")
	case state == "":
		return nil, errors.New("the monitor does not follow the pair's changes: its page says why")
	}
	h := &Handover{Pass: &checker.Result{}}
	if err := errors.Join(json.Unmarshal([]byte(state), &h.State), json.Unmarshal([]byte(proof), h.Pass)); err != nil {
		return nil, fmt.Errorf("state of the monitor: pair %q: %w", pair, err)
	}
	return h, nil
}

// errAside ends the session of a pair that is being switched.
var errAside = errors.New("a switch is at work")

// aside says why a pair is left alone, "" for no reason. While it is switched, its changes are the
// switch's to follow, and no session may be in its way. Once the application writes to
// the target, differences are what is to be expected.
func aside(p *Switch) string {
	switch {
	case p == nil || len(p.Steps) == 0 && p.Outcome == "":
		return ""
	case p.Outcome == "":
		return fmt.Sprintf("a switch is at work, or was interrupted, at %s: `pgparity cutover status` says more", p.State)
	case p.Outcome == string(cutover.Done) && p.Direction == string(cutover.Forward):
		return "the application was led to the target: there is nothing to compare until it is led back; take the pair out of the file once that is final"
	}
	return ""
}

// yields looks, until ctx is done, whether a switch has begun.
func (s *session) yields(ctx context.Context) error {
	t := time.NewTicker(s.w.s.pace.yield)
	defer t.Stop()
	for {
		if s.w.isAside() {
			return errAside
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// isAside looks whether the pair is to be left alone, and notes it.
func (w *watcher) isAside() bool {
	sw, err := w.readCutover()
	w.set(func() {
		if err != nil { // what it says is not known: it may be written to just now
			w.lastError = err.Error()
			return
		}
		w.cutover = sw
		if w.aside = aside(sw); w.aside != "" {
			w.activity = Aside
		}
	})
	return w.asideFor() != ""
}

func (w *watcher) asideFor() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.aside
}
