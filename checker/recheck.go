package checker

import (
	"context"
	"time"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// Standing is what is known of a suspect.
type Standing int

// The standings. A suspect leaves Open only by an outcome.
const (
	Open      Standing = iota
	Cleared            // both sides were equal
	Confirmed          // a finding
)

// Suspect is a row whose two sides disagreed once. It is fed readings that
// alternate between the sides and decides, without a database, what they
// prove:
//
//  1. A reading of one side stands between two readings of the other.
//  2. When those two saw the same row version, that version was there all the
//     time between them, so also when the reading in the middle was made.
//  3. If the middle reading differs from that version, the row differs: that
//     is a finding.
//  4. Two absences say less than two sightings of one version, since a row
//     may come and go between them: they confirm nothing.
//  5. When the target equals any version that was seen on the source since
//     the suspicion, the row is cleared.
//
// On a moving pair a fence has to stand between a reading of the source and
// the next one of the target, and a barrier between one of the target and
// the next one of the source; on a pair at rest there is nothing to wait for.
type Suspect struct {
	Key []string

	source, target hashing.State // of the finding, once Confirmed
	last           []reading
	witnessed      []hashing.State // versions seen on the source
}

type reading struct {
	side  postgres.Side
	state hashing.State
}

// Observe takes the next reading and tells how the suspect stands.
func (s *Suspect) Observe(side postgres.Side, state hashing.State) Standing {
	s.last = append(s.last, reading{side, state})
	if side == postgres.Source {
		s.witnessed = append(s.witnessed, state)
	}
	n := len(s.last)
	if n < 2 {
		return Open
	}
	if s.clearedBy(s.last[n-1], s.last[n-2]) {
		return Cleared
	}
	if n < 3 {
		return Open
	}
	before, middle, after := s.last[n-3], s.last[n-2], s.last[n-1]
	if before.side != after.side || before.side == middle.side || !oneVersion(before.state, after.state) || middle.state.Same(after.state) {
		return Open
	}
	s.source, s.target = middle.state, after.state
	if middle.side == postgres.Target {
		s.source, s.target = after.state, middle.state
	}
	return Confirmed
}

// clearedBy tells whether the newest reading of the target equals a version
// witnessed on the source.
func (s *Suspect) clearedBy(newest, previous reading) bool {
	target := newest
	if newest.side == postgres.Source {
		target = previous
	}
	if target.side != postgres.Target {
		return false
	}
	for _, w := range s.witnessed {
		if w.Same(target.state) {
			return true
		}
	}
	return false
}

// oneVersion tells whether two readings of one side saw the same row version.
func oneVersion(a, b hashing.State) bool {
	return a.Present && b.Present && a.Version == b.Version && a.Same(b)
}

// Look reads some rows of one side by key, in one snapshot.
type Look func(ctx context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error)

// The pause between the rounds of a recheck doubles from the first to the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Recheck reads suspects in turn on source and target until each is cleared
// or confirmed, or the time to settle is over; whatever that is, both sides
// are read twice, which settles all that does not move. It returns the
// confirmed ones and those still open. An error drops none of them.
func Recheck(ctx context.Context, keys [][]string, settle time.Duration, look Look) (confirmed, unsettled []*Suspect, err error) {
	open := make([]*Suspect, len(keys))
	for i, k := range keys {
		open[i] = &Suspect{Key: k}
	}
	pause, deadline := firstPause, time.Now().Add(settle)
	for round := 0; round < 2 || time.Now().Before(deadline); round++ {
		if round > 1 {
			if err := wait(ctx, pause); err != nil {
				return confirmed, open, err
			}
			pause = min(2*pause, lastPause)
		}
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if len(open) == 0 {
				return confirmed, nil, nil
			}
			states, err := look(ctx, side, keysOf(open))
			if err != nil {
				return confirmed, open, err
			}
			var still []*Suspect
			for i, s := range open {
				switch s.Observe(side, states[i]) {
				case Confirmed:
					confirmed = append(confirmed, s)
				case Open:
					still = append(still, s)
				case Cleared: // both sides were seen equal: nothing to report
				}
			}
			open = still
		}
	}
	return confirmed, open, nil
}

func keysOf(suspects []*Suspect) [][]string {
	keys := make([][]string, len(suspects))
	for i, s := range suspects {
		keys[i] = s.Key
	}
	return keys
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
