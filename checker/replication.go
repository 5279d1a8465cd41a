package checker

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
