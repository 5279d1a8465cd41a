package postgres

import (
	"context"
	"time"
)

// How often a reading that a standby's replay cancelled is made, and how long
// is waited in between: longer and longer, up to the last pause.
const (
	conflictTries     = 20
	conflictPause     = 100 * time.Millisecond
	lastConflictPause = 2 * time.Second
)

// Again calls read, and once more when a standby's replay cancelled it
// (Conflicted): read has to be fit for that.
func Again(ctx context.Context, read func() error) error {
	for try := 1; ; try++ {
		err := read()
		if !Conflicted(err) || try == conflictTries || ctx.Err() != nil {
			return err
		}
		pause := time.NewTimer(min(time.Duration(try)*conflictPause, lastConflictPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}
