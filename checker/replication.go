package checker

import (
	"slices"
	"strings"

	"github.com/pgparity/pgparity/fence"
)

// Replication is what replicates the pair, and how it stood.
type Replication struct {
	// Kind is the fence's: logical, physical, heartbeat, pglogical, bucardo or
	// still. Several side by side are joined by " + ".
	Kind string `json:"kind"`
	// Evidence are sentences that say how it was recognised.
	Evidence []string `json:"evidence"`
	// BothWays: the target's changes are replicated to the source as well.
	BothWays bool `json:"both_ways,omitempty"`
	// Streams are the subscriptions, standbys and heartbeats, as they stood when
	// the run ended, or when they were last seen.
	Streams []StreamState `json:"streams"`
	// Troubles are sentences about what was wrong with it at the beginning or at
	// the end of the run, what to do included.
	Troubles []string `json:"troubles,omitempty"`
}

// StreamState is one subscription, standby or heartbeat as it stood.
type StreamState struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Reverse   bool   `json:"reverse,omitempty"` // from the target to the source
	Slot      string `json:"slot,omitempty"`
	Confirmed string `json:"confirmed_lsn,omitempty"` // applied and durable on the far side
	LagBytes  int64  `json:"lag_bytes"`               // of log between that and its end
	Worker    int    `json:"worker,omitempty"`        // pid of what applies; 0: nothing did
}

// Unsettled is a row that was neither cleared nor confirmed.
type Unsettled struct {
	Key map[string]string `json:"key"` // as a finding's
	Why string            `json:"why"`
}

func replicationOf(d *fence.Detection, f fence.Fence, o Options) *Replication {
	res := &Replication{Kind: string(fence.KindStill), BothWays: len(d.Reverse) > 0}
	if f == fence.Still() {
		res.Evidence = append(res.Evidence, d.Others...)
		return res
	}
	if len(o.Heartbeats) > 0 && (o.Replication == fence.KindHeartbeat || o.Replication == fence.Auto || o.Replication == "") {
		res.Kind = string(fence.KindHeartbeat)
		res.Evidence = append(res.Evidence, "a heartbeat was named")
		return res
	}
	var kinds []string
	for _, found := range d.Forward {
		if !slices.Contains(kinds, string(found.Kind)) {
			kinds = append(kinds, string(found.Kind))
		}
		res.Evidence = append(res.Evidence, found.Evidence...)
	}
	for _, found := range d.Reverse {
		res.Evidence = append(res.Evidence, found.Evidence...)
	}
	res.Kind = strings.Join(kinds, " + ")
	return res
}

func stateOf(s fence.Stream) StreamState {
	state := StreamState{Kind: string(s.Kind), Name: s.Name, Slot: s.Slot, LagBytes: s.Lag, Worker: s.Worker}
	if s.Confirmed != 0 {
		state.Confirmed = s.Confirmed.String()
	}
	return state
}
