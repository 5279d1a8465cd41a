package monitor

import (
	"time"

	"github.com/pgparity/pgparity/checker"
)

// facts are what the store keeps of a pair beside its history, as JSON.
type facts struct {
	Source checker.ServerInfo `json:"source"`
	Target checker.ServerInfo `json:"target"`
	Paused bool               `json:"paused,omitempty"`

	// ProvenAt and AsOfLSN are of the last full pass that found all equal.
	ProvenAt time.Time `json:"proven_at,omitzero"`
	AsOfLSN  string    `json:"as_of_lsn,omitempty"`
	// PassedAt is when the last full pass ended that compared all it had planned, whatever
	// it found, and Began when that had begun.
	PassedAt time.Time `json:"passed_at,omitzero"`
	Began    time.Time `json:"began,omitzero"`
	// Doubts are what it left unproven.
	Doubts []string  `json:"doubts,omitempty"`
	Last   *Progress `json:"last,omitempty"`
	// Pass is the one under way, which a restart goes on with.
	Pass *passFacts `json:"pass,omitempty"`
	// Tables are by name.
	Tables map[string]tableFacts `json:"tables,omitempty"`
	// Unlisted are rows that a pass or following found, and did not list: only the next pass tells what
	// became of them. Those of a table are in its facts.
	Unlisted int64 `json:"unlisted,omitempty"`

	Told told `json:"told"`
}

// passFacts are of a full pass under way.
type passFacts struct {
	Began time.Time `json:"began"`
	// Follower tells the slot whose changes are followed since before the pass began, At and When where that
	// was; "" where nothing was.
	Follower string    `json:"follower,omitempty"`
	At       string    `json:"at,omitempty"`
	When     time.Time `json:"when,omitzero"`
}

// tableFacts are what the last pass over a table said of it.
type tableFacts struct {
	Rows     int64  `json:"rows"`
	Compared bool   `json:"compared"` // all that was planned of it
	Doubt    string `json:"doubt,omitempty"`
	Unlisted int64  `json:"unlisted,omitempty"`
	Differs  bool   `json:"differs,omitempty"` // it was a mismatch, for another reason than rows that are listed
}

// told is what was last told to those who want to know.
type told struct {
	Verdict string    `json:"verdict,omitempty"` // "" for nothing yet
	Stale   bool      `json:"stale,omitempty"`   // that the watermark is too old
	At      time.Time `json:"at,omitzero"`
}
