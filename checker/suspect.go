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
//  5. When the target equals a version that the source was seen to have since its
//     last reading before the target's, or right after, the row is cleared. Behind a
//     fence the target cannot rightly show one that is older.
//
// On a moving pair a fence has to stand between a reading of the source and
// the next one of the target, and a barrier between one of the target and
// the next one of the source; on a pair at rest there is nothing to wait for.
//
// Where both sides are written to, step 2 is asked of both: then two absences
// count as rest, beside two sightings of one version on the other side.
//
// Copies of a row without a key pass through each other: a copy that came and
// goes may stand in for one that was lost. There only four readings that rest on
// both sides say anything, also that the counts are equal.
type Suspect struct {
	Key []string
	// BothRest asks for four readings of which the two of each side agree.
	BothRest bool
	// Copies: the states count copies of a row without a key.
	Copies bool

	source, target hashing.State   // of the finding, once Confirmed
	last           []reading       // at most four
	witnessed      []hashing.State // on the source, since its last reading
	restless       bool            // the source was seen in more than one version
	why            string          // why it is still open
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
		before := s.witnessed
		s.witnessed = nil
		if len(before) > 0 {
			last := before[len(before)-1]
			s.restless = s.restless || last.Version != state.Version || !last.Same(state)
		}
		s.Witness(state)
	}
	if s.clear() {
		return Cleared
	}
	return s.judge()
}

// newest is the source's last version that was witnessed.
func (s *Suspect) newest() hashing.State {
	if n := len(s.witnessed); n > 0 {
		return s.witnessed[n-1]
	}
	return hashing.State{}
}

// clear is step 5.
func (s *Suspect) clear() bool {
	if s.Copies {
		return s.rests() && s.last[2].state.Same(s.last[3].state)
	}
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
	n := len(s.witnessed)
	if n > 0 && s.witnessed[n-1].Version == state.Version && s.witnessed[n-1].Same(state) {
		return
	}
	s.restless = s.restless || n > 0
	s.witnessed = append(s.witnessed, state)
}

// Untouched takes a reading of the source that no barrier belongs to. It confirms
// where the row is the version of the reading before, and free: what the
// target, in between, may have been quicker to show was written by a transaction that
// the source does not see yet, and that has left its mark on the row. It holds
// for a source that is a primary and gets no changes from the target.
func (s *Suspect) Untouched(state hashing.State) Standing {
	n := len(s.last)
	if n < 2 || s.BothRest || s.Copies || !state.Free || s.last[n-1].side != postgres.Target || s.last[n-2].side != postgres.Source ||
		!oneVersion(s.last[n-2].state, state) || s.last[n-1].state.Same(state) {
		return Open
	}
	s.source, s.target = state, s.last[n-1].state
	return Confirmed
}

// Restless tells whether the source was seen in more than one version.
func (s *Suspect) Restless() bool { return s.restless }

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
	if s.BothRest || s.Copies {
		rest = s.rests()
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

// rests tells whether the last four readings are two of each side, in turn, and
// each side's agree.
func (s *Suspect) rests() bool {
	l := s.last
	return len(l) == 4 && l[0].side == l[2].side && l[1].side == l[3].side && l[0].side != l[1].side &&
		atRest(l[0].state, l[2].state) && atRest(l[1].state, l[3].state)
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
