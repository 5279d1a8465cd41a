package sampler

import "fmt"

// Check names a kind of comparison, as --checks does.
type Check string

// The checks a unit can be of.
const (
	CheckCounts  Check = "counts"
	CheckLast    Check = "last"
	CheckSample  Check = "sample"
	CheckContent Check = "ranges" // the whole content, by whatever plan the table has
	// CheckClosing ends the content of a table that was written to meanwhile: the
	// rows that are younger than the run.
	CheckClosing Check = "closing"
)

// Unit is one piece of work: plain data, so that it can be stored, resumed
// and done elsewhere. The fingerprint ties it to the columns and forms it was
// made for; under another one it is refused.
type Unit struct {
	Table       string `json:"table"`
	Check       Check  `json:"check"`
	Chunk       int    `json:"chunk"` // position in key order, from 0
	Chunks      int    `json:"chunks"`
	Range       Range  `json:"range"`
	Last        int    `json:"last,omitempty"`
	LastBy      string `json:"last_by,omitempty"`
	SampleRows  int    `json:"sample_rows,omitempty"`
	Seed        int64  `json:"seed,omitempty"`
	Fingerprint string `json:"fingerprint"`
}

// ID names the unit within its run.
func (u Unit) ID() string { return fmt.Sprintf("%s/%s/%d", u.Table, u.Check, u.Chunk) }
