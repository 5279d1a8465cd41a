package cutover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Progress is how far the last run of a journal is.
type Progress struct {
	Run       string
	Direction Direction
	State     State   // the last that was reached
	Outcome   Outcome // "" while it is at work, or where it was interrupted
	StartedAt time.Time
	Steps     []ProgressStep // as they were begun; one that was tried again is there again
}

// ProgressStep is a step of a run.
type ProgressStep struct {
	State     State
	BeganAt   time.Time
	ReachedAt time.Time // zero where it is under way, or has failed
}

// ReadProgress reads a journal without taking its lock: a run that begins meanwhile does not
// notice. nil is no journal, or one that knows of no run.
func ReadProgress(path string) (*Progress, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	j := &journal{path: path, file: f}
	if err := j.parse(); err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	s := j.standing()
	if s.Run == "" {
		return nil, nil
	}
	p := &Progress{Run: s.Run, Direction: s.Direction, State: s.State}
	if s.Over {
		if p.Outcome = Done; s.State == Aborted {
			p.Outcome = AbortedRun
		}
	}
	for _, rec := range j.records {
		if rec.Run != s.Run {
			continue
		}
		if p.StartedAt.IsZero() {
			p.StartedAt = rec.At
		}
		switch n := len(p.Steps); {
		case rec.Kind == Begins:
			p.Steps = append(p.Steps, ProgressStep{State: rec.State, BeganAt: rec.At})
		case rec.Kind == Reached && n > 0 && p.Steps[n-1].State == rec.State:
			p.Steps[n-1].ReachedAt = rec.At
		case rec.Kind == Undoes:
			p.Steps = append(p.Steps, ProgressStep{State: Aborting, BeganAt: rec.At})
		case rec.Kind == Undone && n > 0 && p.Steps[n-1].State == Aborting:
			p.Steps[n-1].ReachedAt = rec.At
		}
	}
	return p, nil
}
