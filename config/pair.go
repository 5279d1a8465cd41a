// Package config turns what the operator asked for into complete, valid
// pairs: flags over environment over the YAML file over defaults.
//
// The rules are:
//
//   - One table (see Options) makes the flags, the environment variables, the
//     YAML keys, the help text, docs/configuration.md and the options hash.
//   - Every mistake is found and told at once, each with the place where it
//     stands and what to do about it.
//   - No mistake prints a value of source or target, nor the text around it.
//     Values of other options are printed only where they cannot be a
//     misplaced secret (see shown).
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Pair is one pair to verify, complete and valid.
type Pair struct {
	Name string // "" when it comes from flags and environment alone

	// Source and Target are libpq URLs or keyword/value strings. What they
	// leave out is for the driver to fill in from PG* variables, the service
	// file and .pgpass. They may hold passwords: never print them.
	Source, Target string
	// SourcePrimary and TargetPrimary are such strings too, of the primaries of
	// sides that are standbys; "" = none is known.
	SourcePrimary, TargetPrimary string
	// Via is one of the database in the middle of a cascade, "" for none.
	Via string

	// Globs over the unquoted schema.table, and over schema names. None means
	// everything; what is excluded wins over what is included.
	Tables, ExcludeTables, Schemas, ExcludeSchemas []string

	Matviews bool // materialised views are compared, as tables are

	Checks      []string // of sequences, counts, last, ranges, sample, schema; in this order, each once
	Last        int      // rows per table that the check "last" compares; at least 1
	LastBy      string   // column that says what is last, such as updated_at; "" = the key
	SampleRows  int      // rows per table that the check "sample" draws on each side; at least 1
	Seed        int64    // which rows it draws; 0 = drawn at random
	Concurrency int      // units in work at the same time, 1 to 64; 0 is automatic
	Replication string   // auto, logical, physical, heartbeat, pglogical, bucardo or still
	Digest      string   // auto, pushdown or stream

	// Heartbeats are markers, no two the same; at least one where Replication is
	// heartbeat.
	Heartbeats []Heartbeat

	// When no new statement begins; 0 and "" are no limit.
	MaxActive  int    // active client sessions of others, on either side
	MaxLag     int64  // bytes of WAL that a replica or slot of the source lacks
	MaxXminAge int    // transactions by which vacuum is held back, on either side
	PauseFile  string // while it exists

	Settle           time.Duration // how long a differing row may take to settle before it is unproven
	Timeout          time.Duration // limit of the whole run; 0 = none
	StatementTimeout time.Duration // limit of one statement; at least 1 s
	Budget           time.Duration // limit of a statement that reads a table and can be cut smaller; 0 = none

	MaxDiffs   int  // findings listed per table; 0 lists none, all are counted
	ShowValues bool // reports carry row values
	HashKeys   bool // reports carry hashes in place of keys
	Strict     bool // what is otherwise only said decides the verdict
	ChunkRows  int  // rows per chunk; 0 = automatic

	// Of preflight alone.
	Acknowledge     []string      // hazards as id[:object]
	Deep            bool          // tables are read as well
	Measure         time.Duration // how long lag and rates are watched; 0 = not
	SequenceMargin  int           // values by which a sequence of the target may be ahead
	LongTransaction time.Duration // from which age on an open transaction is a hazard

	PerTable map[string]Table // by unquoted schema.table
	Reports  []Report         // no two with the same path
	Resume   string           // file of checkpoints, of no other use; "" = none

	Cutover Cutover // how the pair is switched; DefaultCutover unless Input.Cutover
	Watch   Watch   // how it is watched; DefaultWatch unless LoadMonitor
}

// Table is what is set for one table in per_table.
type Table struct {
	Key    []string // columns to use as the key; none = the table's own
	LastBy string   // overrides Pair.LastBy; "" = no override
	// Plan is ranges, sweep or multiset; "" = what suits the table. With
	// multiset no key is given.
	Plan string `json:",omitempty"` // in the options hash only where it is set
}

// Report is one report to write.
type Report struct {
	Format string // text, json, html, markdown, junit or prometheus
	Path   string // file, relative to the working directory
}

// Default returns a pair with every option at its default and neither source
// nor target. The caller owns what it gets.
func Default() Pair {
	return Pair{
		Checks:           []string{"sequences", "counts", "last", "ranges"},
		Last:             1000,
		SampleRows:       70_000,
		Replication:      "auto",
		Digest:           "auto",
		Settle:           30 * time.Second,
		StatementTimeout: 10 * time.Minute,
		Budget:           2 * time.Second,
		MaxDiffs:         100,
		Measure:          3 * time.Second,
		SequenceMargin:   1000,
		LongTransaction:  5 * time.Second,
		Cutover:          DefaultCutover(),
		Watch:            DefaultWatch(),
	}
}

// OptionsHash identifies what is compared and how it is told: two pairs with
// the same hash plan the same work on the same databases. It is the first 16
// hex digits of a SHA-256. Left out are the connections, because a hash of a
// short password can be guessed and the servers are identified in the result
// anyway, the paths of reports and checkpoints, what only sets the pace: concurrency, settle,
// the timeouts and what holds the run back, and how the pair is switched.
func (p Pair) OptionsHash() string {
	h := sha256.New()
	for _, o := range Options() {
		if shown := o.show(p); o.work && (shown != "" || !o.late) {
			fmt.Fprintf(h, "%s=%q\n", o.Key, shown)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
