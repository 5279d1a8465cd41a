package cutover

import "context"

// Guarding is all that a guard has to know. It holds secrets: it travels by a
// pipe, not by the command line.
type Guarding struct {
	Journal string   `json:"journal"`
	Run     string   `json:"run"`
	Options []byte   `json:"options"`
	Thaw    []string `json:"thaw"` // statements that open the source again
}

// Guard is a guard process that waits.
type Guard interface {
	// Alive tells whether it still waits.
	Alive() bool
	// Release lets it go: the run has ended, one way or another.
	Release()
}

type probes struct {
	drop  map[string]bool // actions that are left out, by id
	point func(id string) // called before and after each action
}

var _ = context.Background
