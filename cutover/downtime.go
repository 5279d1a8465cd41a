package cutover

import (
	"context"
	"time"
)

// Outage is what the application's own connection saw. Durations are in
// milliseconds.
type Outage struct {
	WriteMS  float64 `json:"write_ms"` // the longest time without an acknowledged write
	ReadMS   float64 `json:"read_ms"`
	Writes   int     `json:"writes"`  // acknowledged
	Failed   int     `json:"failed"`  // statements that failed
	Retried  int     `json:"retried"` // tried again, and then acknowledged
	Timeline []Beat  `json:"timeline"`
}

// Beat is one statement of the probe.
type Beat struct {
	AtMS   float64 `json:"at_ms"` // since the probe began
	TookMS float64 `json:"took_ms"`
	Kind   string  `json:"kind"` // write or read
	On     string  `json:"on"`   // source or target, "" where it failed
	Failed bool    `json:"failed,omitempty"`
}

// downtime writes and reads through the application's connection.
type downtime struct{}

// prepareDowntime makes what the probe writes to, on an end.
func (r *run) prepareDowntime(ctx context.Context, e *end) error { return nil }

// startDowntime begins, stopDowntime ends and gives what was seen.
func (r *run) startDowntime(ctx context.Context) error { return nil }
func (r *run) stopDowntime() *Outage                   { return nil }

func (d *downtime) mark(s State, at time.Time) {}
