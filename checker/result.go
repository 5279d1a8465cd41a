package checker

import "time"

// Verdict is what a run, a table or a sequence was found to be. Its zero
// value is Unproven: what nobody decided is never a match.
type Verdict int

// The verdicts, in the order in which they lose against each other: a
// mismatch anywhere makes the run a mismatch, an unproven part makes it at
// best unproven.
const (
	Unproven Verdict = iota
	Match
	Mismatch
)

// String gives the word the reports use.
func (v Verdict) String() string {
	switch v {
	case Match:
		return "match"
	case Mismatch:
		return "mismatch"
	default:
		return "unproven"
	}
}

// MarshalText writes the word the JSON report uses.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a saved report's word. Anything that is not exactly
// "match" or "mismatch" is unproven, never an accidental match.
func (v *Verdict) UnmarshalText(b []byte) error {
	switch string(b) {
	case "match":
		*v = Match
	case "mismatch":
		*v = Mismatch
	default:
		*v = Unproven
	}
	return nil
}

// Result is what a run found, built only from what was counted. Its JSON
// form is the report contract (docs/report.schema.json): fields are added,
// never renamed, and what is added is omitempty, so that reports saved before
// still read.
type Result struct {
	SchemaVersion int              `json:"schema_version"`
	Tool          Tool             `json:"tool"`
	Pair          string           `json:"pair,omitempty"` // the pair's name in the configuration file
	Verdict       Verdict          `json:"verdict"`
	Reasons       []string         `json:"reasons"` // why the verdict is not match; empty on match
	Doubts        []string         `json:"-"`       // those of the reasons that leave something unproven, all of them
	Notes         []string         `json:"notes"`   // said, not deciding
	StartedAt     time.Time        `json:"started_at"`
	FinishedAt    time.Time        `json:"finished_at"`
	AsOfLSN       string           `json:"as_of_lsn"` // the source's LSN when the first unit was planned
	Source        ServerInfo       `json:"source"`
	Target        ServerInfo       `json:"target"`
	Coverage      Coverage         `json:"coverage"`
	Tables        []TableResult    `json:"tables"`
	Sequences     []SequenceResult `json:"sequences"`
	Schema        []SchemaFinding  `json:"schema"`
	Sampled       *Sampled         `json:"sampled,omitempty"`     // a sample was compared, and not all content
	Replication   *Replication     `json:"replication,omitempty"` // nil where a run did not get to look
}

// Tool names the program and the options that made a result.
type Tool struct {
	Version     string `json:"version"`
	OptionsHash string `json:"options_hash"` // same options, same hash; no secret goes in
	DigestSpec  string `json:"digest_spec"`
}

// ServerInfo identifies one side.
type ServerInfo struct {
	ServerVersion    string `json:"server_version"` // digits only: 15.18
	SystemIdentifier string `json:"system_identifier"`
	Database         string `json:"database"`
}

// Coverage counts the work: what was planned is fixed before the first
// reading, and a match needs every planned chunk compared.
type Coverage struct {
	Tables         int       `json:"tables"`
	ChunksPlanned  int64     `json:"chunks_planned"`
	ChunksCompared int64     `json:"chunks_compared"`
	RowsCompared   int64     `json:"rows_compared"` // rows of the source in compared chunks
	Skipped        []Skipped `json:"skipped"`       // planned, not compared: unproven
	Excluded       []Skipped `json:"excluded"`      // not planned, on purpose: said only
}

// Skipped is an object that was not compared, and why.
type Skipped struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// TableResult is one table of the pair.
type TableResult struct {
	Name          string       `json:"name"` // schema.table, each part as quote_ident prints it
	Verdict       Verdict      `json:"verdict"`
	Rows          RowCounts    `json:"rows"`
	Chunks        ChunkCounts  `json:"chunks"`
	Digest        string       `json:"digest"`        // pushdown, stream or mixed; "" when the content was not compared
	Plan          string       `json:"plan"`          // ranges, sweep or multiset, or sample where only that was compared; "" likewise
	Key           []string     `json:"key,omitempty"` // the key's columns in order; none: a multiset
	Columns       []ColumnForm `json:"columns"`
	FindingsTotal int64        `json:"findings_total"` // distinct rows, all counted
	Findings      []Finding    `json:"findings"`       // listed up to --max-diffs
	// UnsettledTotal counts the rows that were neither equal nor a finding when
	// the time to settle was over; Unsettled lists them up to --max-diffs.
	UnsettledTotal int64       `json:"unsettled_total,omitempty"`
	Unsettled      []Unsettled `json:"unsettled,omitempty"`
	// AsOfLSN is, on a moving pair, the source's LSN of which the table's
	// verdict speaks; never before the run's.
	AsOfLSN string       `json:"as_of_lsn,omitempty"`
	Sample  *TableSample `json:"sample,omitempty"` // what the check "sample" compared
	Notes   []string     `json:"notes,omitempty"`
	Error   string       `json:"error,omitempty"` // why unproven, when something failed
}

// RowCounts holds exact counts, nil where no check counted that side.
type RowCounts struct {
	Source *int64 `json:"source"`
	Target *int64 `json:"target"`
}

// ChunkCounts counts a table's units of comparison.
type ChunkCounts struct {
	Planned  int64 `json:"planned"`
	Compared int64 `json:"compared"`
	// Strip draws the table's content chunks in key order, at most 120 cells:
	// '=' equal on both sides, 'x' differing, '?' not compared. A cell that
	// stands for several chunks shows the worst of them.
	Strip string `json:"strip,omitempty"`
}

// ColumnForm says how one column was compared.
type ColumnForm struct {
	Name string `json:"name"`
	Form string `json:"form"`          // the digest form's name
	Why  string `json:"why,omitempty"` // why not the preferred form
}

// The kinds of finding.
const (
	KindMissing   = "missing"   // on the source only
	KindExtra     = "extra"     // on the target only
	KindDifferent = "different" // same key, other values
)

// Finding is one confirmed difference: a row, or for a table without a key
// an image of rows with its count on each side.
type Finding struct {
	Kind    string            `json:"kind"`
	Key     map[string]string `json:"key"`               // as the server prints it; {"row_hash": …} without a key
	Columns []string          `json:"columns,omitempty"` // sorted; for kind different
	Count   *SideCounts       `json:"count,omitempty"`   // only for tables without a key
	Values  []ColumnValues    `json:"values,omitempty"`  // only with --show-values
}

// SideCounts counts equal rows on each side.
type SideCounts struct {
	Source int64 `json:"source"`
	Target int64 `json:"target"`
}

// ColumnValues holds one column's text on each side; nil is NULL, or a row
// that is not there.
type ColumnValues struct {
	Name   string  `json:"name"`
	Source *string `json:"source"`
	Target *string `json:"target"`
}

// SequenceResult is one sequence of the pair.
type SequenceResult struct {
	Name    string         `json:"name"`
	Verdict Verdict        `json:"verdict"`
	Source  *SequenceValue `json:"source"`
	Target  *SequenceValue `json:"target"`
	Finding string         `json:"finding,omitempty"` // behind, ahead, missing, extra, definition, collides
	Detail  string         `json:"detail,omitempty"`  // the finding in words
}

// SequenceValue is a sequence's state.
type SequenceValue struct {
	LastValue int64 `json:"last_value"`
	IsCalled  bool  `json:"is_called"`
}

// The severities of schema findings.
const (
	SeverityBlock = "block"
	SeverityWarn  = "warn"
	SeverityInfo  = "info"
)

// SchemaFinding is a difference between the two catalogs.
type SchemaFinding struct {
	Kind     string `json:"kind"`
	Object   string `json:"object"`
	Source   string `json:"source"`
	Target   string `json:"target"`
	Severity string `json:"severity"`
}
