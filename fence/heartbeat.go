package fence

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// Heartbeat is a marker row in a replicated table: a fence for any tool that
// applies transactions in the order of their commits, on one stream. A tool
// with several streams needs a marker in each, joined by All.
type Heartbeat struct {
	postgres.Beat
	// Strike lets the fence change the marker itself, by adding one to it.
	// Otherwise something else does, one beat after the other.
	Strike bool
}

// heartbeat waits for a marker.
//
// What its Wait's nil proves, when the fence strikes itself:
//
//  1. Mark, after the reading has returned, commits a beat. Whatever was
//     visible to that reading has committed before.
//  2. The tool applies in the order of commits: once the beat, or a later one,
//     is visible on the target, so is all that committed before it.
//
// And when somebody else beats, one beat at a time, each after the one before
// has committed:
//
//  1. Order of commit is not order of visibility: a beat that the reading did
//     not see may have its commit record before that of a change which the
//     reading did see. So the next beat proves nothing.
//  2. Mark reads the marker after the reading: n0. Wait watches the source until
//     it sees a later one, n1, and then one later than that, n2. n1 was not
//     visible at the mark and is now, so it became visible after the mark; n2
//     was begun after that, hence after the mark, and committed later still.
//  3. Once the target shows n2 or later, all that was visible at the mark is
//     visible there.
//
// That n2 is two more than n0 is not relied on: beats may skip numbers, and
// times are no numbers.
type heartbeat struct {
	source, target *postgres.DB
	beat           Heartbeat
}

// NewHeartbeat is the fence of a marker row.
func NewHeartbeat(source, target *postgres.DB, b Heartbeat) Fence {
	return &heartbeat{source, target, b}
}

func (h *heartbeat) name() string { return h.beat.Table }

// Mark strikes, or reads the last beat of whoever does.
func (h *heartbeat) Mark(ctx context.Context) (Mark, error) {
	if h.beat.Strike {
		value, err := h.source.Strike(ctx, h.beat.Beat)
		return Mark{beat: value}, err
	}
	value, _, _, err := h.source.ReadBeat(ctx, h.beat.Beat, "")
	return Mark{beat: value}, err
}

// Wait follows the steps above.
func (h *heartbeat) Wait(ctx context.Context, m Mark) error {
	if m.beat == "" {
		return errForeignMark
	}
	goal := m.beat
	later := 2 // beats to see on the source
	if h.beat.Strike {
		later = 0
	}
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		if later > 0 {
			value, _, beyond, err := h.source.ReadBeat(ctx, h.beat.Beat, goal)
			if err != nil || !beyond {
				return false, err
			}
			goal = value
			later--
			return false, nil
		}
		_, reached, _, err := h.target.ReadBeat(ctx, h.beat.Beat, goal)
		return reached, err
	}, func(context.Context) ([]Trouble, error) {
		t := Trouble{Kind: Behind, Side: h.target.Side(), Subject: h.name(), Sentence: fmt.Sprintf("the heartbeat in %s has not arrived on the target: the replication is behind, or does not run; look at the tool", h.name())}
		if later > 0 {
			t = Trouble{Kind: NoBeat, Side: h.source.Side(), Subject: h.name(), Sentence: fmt.Sprintf("nobody changes the heartbeat in %s on the source, or too seldom: two beats are needed; beat more often, or raise --settle", h.name())}
		}
		return []Trouble{t}, nil
	})
}

// Cover has no gaps: which tables the tool carries is the operator's to know.
func (h *heartbeat) Cover(context.Context, []string) (Cover, error) { return Cover{}, nil }

// Health tells whether the beat that the source shows has arrived.
func (h *heartbeat) Health(ctx context.Context) (Health, error) {
	near, _, _, err := h.source.ReadBeat(ctx, h.beat.Beat, "")
	if err != nil {
		return Health{}, err
	}
	_, reached, _, err := h.target.ReadBeat(ctx, h.beat.Beat, near)
	if err != nil {
		return Health{}, err
	}
	health := Health{Streams: []Stream{{Kind: KindHeartbeat, Name: h.name()}}}
	if !reached {
		health.Troubles = []Trouble{{Kind: Behind, Side: h.target.Side(), Subject: h.name(), Sentence: fmt.Sprintf("the target has not got the heartbeat that %s shows on the source yet", h.name())}}
	}
	return health, nil
}
