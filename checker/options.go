package checker

import (
	"slices"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// Options says what to check. It is not changed by a run.
type Options struct {
	Version     string // the tool's, for the report
	OptionsHash string // likewise
	Pair        string // the pair's name, "" for none

	Pairing pairing.Options
	// Plans overrides how tables are compared, by unquoted schema.table.
	Plans map[string]sampler.Strategy
	// Checks are the checks to run: sequences, counts, last, ranges, sample, schema.
	Checks []string
	// Last is how many rows the last check looks at; LastBy the column that
	// orders them, "" for the key. LastByTable overrides LastBy by unquoted
	// schema.table.
	Last        int
	LastBy      string
	LastByTable map[string]string
	// SampleRows is how many rows of each table the sample check draws on each
	// side; Seed decides which, 0 is drawn at random.
	SampleRows int
	Seed       int64
	// Concurrency is how many units are compared at once; 0 is 1 while replication
	// runs, and else 2.
	Concurrency int
	Digest      hashing.Way
	ChunkRows   int           // 0: by size
	Settle      time.Duration // how long a suspect may take to settle
	Guard       Guard         // when no new statement begins
	// Budget is how long a statement that reads a table may take, 0 for no
	// limit: the server cancels it then, and it is read in smaller pieces.
	Budget     time.Duration
	MaxDiffs   int // findings listed per table; all are counted
	ShowValues bool
	HashKeys   bool
	Strict     bool
	// Resume is a file for the run's checkpoints; where it holds those of a run
	// that ended early, this one goes on from them. "" keeps none.
	Resume string
	// Replication is what carries changes from the source to the target; "" is
	// fence.Auto, which looks for it.
	Replication fence.Kind
	// Heartbeats are the markers of a tool that is waited for by them.
	Heartbeats []fence.Heartbeat
	// SourcePrimary is the primary of a source that is a standby, TargetPrimary
	// that of a target: nil where the side is none, or it isn't known. They stay
	// the caller's, as the sides do.
	SourcePrimary, TargetPrimary *postgres.DB
	// Via is the database in the middle of a cascade, nil where there is none.
	Via *postgres.DB
	// OnEvent receives the run's events, one at a time; nil for none.
	OnEvent func(Event)

	sizes sizes // the usual ones, but in tests
}

// has tells whether a check was asked for.
func (o Options) has(check string) bool { return slices.Contains(o.Checks, check) }
