package checker_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// seen makes a reading from "version:content", or "-" for a row not there.
func seen(s string) hashing.State {
	if s == "-" {
		return hashing.State{}
	}
	version, content, _ := strings.Cut(s, ":")
	return hashing.State{Present: true, Version: version, Key: []string{"1"}, Hashes: []int64{int64(content[0])}}
}

var standings = map[checker.Standing]string{checker.Open: "open", checker.Cleared: "cleared", checker.Confirmed: "confirmed"}

// TestSuspectLives feeds readings, source and target in turn, and looks at
// the standing after each.
func TestSuspectLives(t *testing.T) {
	for _, c := range []struct {
		name     string
		first    postgres.Side
		readings string // version:content, or - for absent
		want     string
	}{
		{"missing, resting", postgres.Source, "1:a - 1:a", "open open confirmed"},
		{"missing on the target, but the source's row is new each time", postgres.Source, "1:a - 2:a - 3:a -", "open open open open open open"},
		{"extra, resting", postgres.Target, "7:a - 7:a", "open open confirmed"},
		{"extra, read from the source first", postgres.Source, "- 7:a - 7:a", "open open open confirmed"},
		{"different, the source rests", postgres.Source, "1:a 7:b 1:a", "open open confirmed"},
		{"different, the target rests", postgres.Source, "1:a 7:b 2:c 7:b", "open open open confirmed"},
		{"equal at once", postgres.Source, "1:a 7:a", "open cleared"},
		{"equal, target first", postgres.Target, "7:a 1:a", "open cleared"},
		{"absent on both", postgres.Source, "- -", "open cleared"},
		{"arrives late", postgres.Source, "1:a - 2:a 7:a", "open open open cleared"},
		{"deleted on the source, and then on the target", postgres.Source, "1:a 7:b - -", "open open open cleared"},
		{"equals a version that the source had before its last reading", postgres.Source, "1:a - 2:b 7:a", "open open open open"},
		{"the target was ahead of the source", postgres.Source, "1:a 7:b 2:b", "open open cleared"},
		{"toggled: absent twice proves nothing", postgres.Source, "- 7:a - 8:a - 9:a -", "open open open open open open open"},
		{"toggled on both", postgres.Source, "1:a - 2:a - - 7:b -", "open open open open cleared"},
		{"one xmin, other content: several commands of one transaction", postgres.Source, "1:a 7:x 1:b", "open open open"},
		{"one xmin, other content, and then at rest", postgres.Source, "1:a 7:x 1:b 8:x 1:b", "open open open open confirmed"},
		{"hot on both sides", postgres.Source, "1:a 7:z 2:b 8:y 3:c 9:x", "open open open open open open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, side := &checker.Suspect{Key: []string{"1"}}, c.first
			var got []string
			for _, r := range strings.Fields(c.readings) {
				standing := s.Observe(side, seen(r))
				got = append(got, standings[standing])
				if standing != checker.Open {
					break
				}
				side = otherSide(side)
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("%s, read %s:\n got %s\nwant %s", c.name, c.readings, g, c.want)
			}
		})
	}
}

// TestSuspectCopies: counts of equal rows say something only where four readings
// rest, since copies pass through each other.
func TestSuspectCopies(t *testing.T) {
	for _, c := range []struct{ name, readings, want string }{
		{"a copy is lost", "1:b 7:a 1:b 7:a", "open open open confirmed"},
		{"as many on both sides", "1:b 7:b 1:b 7:b", "open open open cleared"},
		{"none on both sides", "- - - -", "open open open cleared"},
		{"the source's count falls to the target's", "1:b 7:a 2:a 7:a 2:a", "open open open open cleared"},
		{"the target's copies are others", "1:b 7:b 1:b 8:b 1:b 8:b", "open open open open open cleared"},
		{"a copy comes and goes", "1:b 7:b 2:c 8:c 3:b 9:a", "open open open open open open"},
	} {
		s, side := &checker.Suspect{Key: []string{"h"}, Copies: true}, postgres.Source
		var got []string
		for _, r := range strings.Fields(c.readings) {
			standing := s.Observe(side, seen(r))
			got = append(got, standings[standing])
			if standing != checker.Open {
				break
			}
			side = otherSide(side)
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, g, c.want)
		}
	}
}

// TestSuspectUntouched: what a reading without a barrier may confirm.
func TestSuspectUntouched(t *testing.T) {
	free := func(s string) hashing.State {
		state := seen(s)
		state.Free = state.Present
		return state
	}
	for _, c := range []struct {
		name           string
		source, target string
		then           hashing.State
		both           bool
		want           checker.Standing
	}{
		{"missing", "1:a", "-", free("1:a"), false, checker.Confirmed},
		{"different", "1:a", "7:b", free("1:a"), false, checker.Confirmed},
		{"somebody has touched it", "1:a", "7:b", seen("1:a"), false, checker.Open},
		{"another version", "1:a", "7:b", free("2:a"), false, checker.Open},
		{"gone", "1:a", "7:b", free("-"), false, checker.Open},
		{"extra: an insert may not be visible yet", "-", "7:b", free("-"), false, checker.Open},
		{"both sides have to rest", "1:a", "-", free("1:a"), true, checker.Open},
	} {
		s := &checker.Suspect{Key: []string{"1"}, BothRest: c.both}
		s.Observe(postgres.Source, seen(c.source))
		s.Observe(postgres.Target, seen(c.target))
		if got := s.Untouched(c.then); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, standings[got], standings[c.want])
		}
	}
	if got := (&checker.Suspect{}).Untouched(free("1:a")); got != checker.Open {
		t.Errorf("without readings: %s", standings[got])
	}
}

func otherSide(s postgres.Side) postgres.Side {
	if s == postgres.Source {
		return postgres.Target
	}
	return postgres.Source
}

// replica is one row with a history on the source, of which the source shows
// a part (a commit is sent before it is visible) and the target has applied a
// part. Content 0 is no row.
type replica struct {
	history          []int
	visible, applied int // lengths
	damage           int // content written on the target behind replication's back; -1 for none
}

func (r *replica) read(side postgres.Side) hashing.State {
	at, content := r.visible, 0
	if side == postgres.Target {
		at = r.applied
	}
	if at > 0 {
		content = r.history[at-1]
	}
	version := fmt.Sprint(at)
	if side == postgres.Target && r.damage >= 0 {
		content, version = r.damage, "damage"
	}
	if content == 0 {
		return hashing.State{}
	}
	return hashing.State{Present: true, Version: version, Hashes: []int64{int64(content)}}
}

// move lets both servers go on as they like.
func (r *replica) move(t *rapid.T) {
	r.drift(func(most int) int { return rapid.IntRange(0, most).Draw(t, "step") })
}

// drift is move, by numbers from 0 to most.
func (r *replica) drift(number func(most int) int) {
	for range number(3) {
		r.history = append(r.history, number(4))
	}
	r.visible += number(len(r.history) - r.visible)
	if r.damage < 0 {
		r.applied += number(len(r.history) - r.applied)
	}
}

// TestSuspectNeverAccusesReplication reads a row that replication moves, with
// the fence between a source and a target reading and the barrier between a
// target and a source reading, as the package demands. Nothing may be
// confirmed; after a damage that stays, and once the row rests, the damage must be.
func TestSuspectNeverAccusesReplication(t *testing.T) {
	var confirmed, cleared int
	rapid.Check(t, func(rt *rapid.T) {
		r := &replica{damage: -1}
		s := &checker.Suspect{Key: []string{"1"}}
		side := rapid.SampledFrom([]postgres.Side{postgres.Source, postgres.Target}).Draw(rt, "first side")
		moving := rapid.IntRange(0, 10).Draw(rt, "readings while it moves")
		read := func() checker.Standing {
			if side == postgres.Source {
				r.visible = max(r.visible, r.applied) // barrier
			} else if r.damage < 0 {
				r.applied = max(r.applied, r.visible) // fence
			}
			standing := s.Observe(side, r.read(side))
			side = otherSide(side)
			return standing
		}
		for range moving {
			r.move(rt)
			if standing := read(); standing == checker.Confirmed {
				rt.Fatalf("accused of a difference that replication is about to settle: %+v", r)
			} else if standing == checker.Cleared {
				cleared++
				s = &checker.Suspect{Key: s.Key} // and suspected anew
			}
		}
		r.visible, r.applied = len(r.history), len(r.history)
		if side == postgres.Source && read() == checker.Cleared { // the target is read after the damage, not before
			s = &checker.Suspect{Key: s.Key}
		}
		r.damage = rapid.SampledFrom([]int{0, 99}).Draw(rt, "damage")
		if before := r.read(postgres.Source); !before.Present && r.damage == 0 {
			return // no row is no damage to no row
		}
		if r.damage == 0 {
			s = &checker.Suspect{Key: s.Key} // an absence witnessed while it moved would clear
		}
		for range 4 {
			switch read() {
			case checker.Confirmed:
				confirmed++
				return
			case checker.Cleared:
				rt.Fatalf("a damage was cleared: %+v", r)
			case checker.Open: // read on
			}
		}
		rt.Fatalf("four readings at rest did not confirm a damage: %+v", r)
	})
	if confirmed == 0 || cleared == 0 {
		t.Errorf("the model was never damaged (%d) or never moved (%d): the test is broken", confirmed, cleared)
	}
}
