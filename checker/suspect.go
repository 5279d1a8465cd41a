package checker

import (
	"slices"

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
//
// Where both sides are written to, or where a reading counts copies of a row
// that may pass through others, step 2 is asked of both sides: then two absences
// count as rest, beside two sightings of one version on the other side.
type Suspect struct {
	Key []string
	// BothRest asks for four readings of which the two of each side agree.
	BothRest bool

	source, target hashing.State // of the finding, once Confirmed
	last           []reading     // at most four
	witnessed      []hashing.State
	why            string // why it is still open
}

type reading struct {
	side  postgres.Side
	state hashing.State
}

// Observe takes the next reading and tells how the suspect stands.
func (s *Suspect) Observe(side postgres.Side, state hashing.State) Standing {
	if s.last = append(s.last, reading{side, state}); len(s.last) > 4 {
		s.last = s.last[1:]
	}
	if side == postgres.Source {
		s.Witness(state)
	}
	if s.clear() {
		return Cleared
	}
	return s.judge()
}

// absent tells whether the target's last reading found no row.
func (s *Suspect) absent() bool {
	for _, r := range slices.Backward(s.last) {
		if r.side == postgres.Target {
			return !r.state.Present
		}
	}
	return false
}

// clear tells whether the target's last reading equals a witnessed version.
func (s *Suspect) clear() bool {
	for i := len(s.last) - 1; i >= 0; i-- {
		if s.last[i].side == postgres.Target {
			return slices.ContainsFunc(s.witnessed, s.last[i].state.Same)
		}
	}
	return false
}

// Witness takes a reading of the source that no fence belongs to: one of those
// made while the target is waited for. It decides nothing by itself.
func (s *Suspect) Witness(state hashing.State) {
	if n := len(s.witnessed); n == 0 || s.witnessed[n-1].Version != state.Version || !s.witnessed[n-1].Same(state) {
		s.witnessed = append(s.witnessed, state)
	}
}

// Untouched takes a reading of the source that no barrier belongs to. It confirms
// where the row is the version of the reading before, and free: what the
// target, in between, may have been quicker to show was written by a transaction that
// the source does not see yet, and that has left its mark on the row. It holds
// for a source that is a primary and gets no changes from the target.
func (s *Suspect) Untouched(state hashing.State) Standing {
	n := len(s.last)
	if n < 2 || s.BothRest || !state.Free || s.last[n-1].side != postgres.Target || s.last[n-2].side != postgres.Source ||
		!oneVersion(s.last[n-2].state, state) || s.last[n-1].state.Same(state) {
		return Open
	}
	s.source, s.target = state, s.last[n-1].state
	return Confirmed
}

// Restless tells whether the source was seen in more than one version.
func (s *Suspect) Restless() bool { return len(s.witnessed) > 1 }

// judge is steps 1 to 4.
func (s *Suspect) judge() Standing {
	n := len(s.last)
	if n < 3 {
		return Open
	}
	before, middle, after := s.last[n-3], s.last[n-2], s.last[n-1]
	if before.side != after.side || before.side == middle.side || middle.state.Same(after.state) {
		return Open
	}
	rest := oneVersion(before.state, after.state)
	if s.BothRest {
		rest = n == 4 && s.last[0].side == middle.side && atRest(s.last[0].state, middle.state) && atRest(before.state, after.state)
	}
	if !rest {
		return Open
	}
	s.source, s.target = middle.state, after.state
	if middle.side == postgres.Target {
		s.source, s.target = after.state, middle.state
	}
	return Confirmed
}

// oneVersion tells whether two readings of one side saw the same row version.
func oneVersion(a, b hashing.State) bool {
	return a.Present && b.Present && a.Version == b.Version && a.Same(b)
}

func atRest(a, b hashing.State) bool {
	return oneVersion(a, b) || !a.Present && !b.Present
}

// unsettled says why a suspect is still open.
func (s *Suspect) unsettled() string {
	switch {
	case s.why != "":
		return s.why
	case s.Restless():
		return "it changed on the source each time it was read"
	case len(s.last) > 2:
		return "it changed on the target each time it was read"
	}
	return "there was no time to read it often enough"
}
