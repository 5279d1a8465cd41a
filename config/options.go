package config

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Option is one row of the option table.
type Option struct {
	Name        string // flag without the dashes; "" = only in YAML
	Key         string // YAML key; of one in a mapping inside the pair's with dots: cutover.journal
	Placeholder string // what stands for the value in help: GLOB, N; "" for a switch
	Help        string // one sentence, lower case, without a full stop
	PairOnly    bool   // the YAML key is refused under defaults

	work bool // goes into Pair.OptionsHash
	late bool // into that only where it is set: older hashes go without it
	value
}

// OptionTable is the list of all options, in the order in which help and the
// documentation show them.
type OptionTable []Option

// What is drawn is kept in memory until it is compared, some 100 bytes a row.
const maxSampleRows = 10_000_000

const envPrefix = "PGPARITY_"

// Env is the environment variable of the option, "" if it has none.
func (o Option) Env() string {
	if o.Name == "" {
		return ""
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_"))
}

// Cutover says whether the option is one of a switch alone: it counts only
// where Input.Cutover is set.
func (o Option) Cutover() bool { return strings.HasPrefix(o.Key, cutoverPrefix) }

// Default is the option's default as it would be typed, "" if there is none.
func (o Option) Default() string { return o.show(Default()) }

// Repeatable says whether the flag may be given several times.
func (o Option) Repeatable() bool {
	return o.Name != "" && (o.kind == kindList || o.kind == kindItems || o.kind == kindReports || o.kind == kindHeartbeats)
}

// The words that options take.
var (
	checkWords       = []string{"sequences", "counts", "last", "ranges", "sample", "schema"}
	replicationWords = []string{"auto", "logical", "physical", "heartbeat", "pglogical", "bucardo", "still"}
	digestWords      = []string{"auto", "pushdown", "stream"}
	planWords        = []string{"ranges", "sweep", "multiset"}
	formatWords      = []string{"text", "json", "html", "markdown", "junit", "prometheus"}
)

// Options returns the option table. It is the only place where an option is
// defined; those of a switch, and of the monitor, stand at its end.
func Options() OptionTable {
	return append(OptionTable{
		{Name: "source", Key: "source", Placeholder: "URL", PairOnly: true,
			Help:  "database to compare against: postgres:// URL or keyword/value text",
			value: connectionText(func(p *Pair) *string { return &p.Source })},
		{Name: "target", Key: "target", Placeholder: "URL", PairOnly: true,
			Help:  "database to judge: postgres:// URL or keyword/value text",
			value: connectionText(func(p *Pair) *string { return &p.Target })},
		{Name: "source-primary", Key: "source_primary", Placeholder: "URL", PairOnly: true,
			Help:  "primary of a source that is a standby: its log says what the standby has to show",
			value: connectionText(func(p *Pair) *string { return &p.SourcePrimary })},
		{Name: "target-primary", Key: "target_primary", Placeholder: "URL", PairOnly: true,
			Help:  "primary of a target that is a standby: what replicates the pair is set up there",
			value: connectionText(func(p *Pair) *string { return &p.TargetPrimary })},
		{Name: "via", Key: "via", Placeholder: "URL", PairOnly: true,
			Help:  "database in the middle of a cascade, which gets the source's changes and hands them on to the target",
			value: connectionText(func(p *Pair) *string { return &p.Via })},
		{Name: "table", Key: "tables", Placeholder: "GLOB", work: true,
			Help:  "only tables whose schema.table matches; without a dot, in any schema",
			value: globs(func(p *Pair) *[]string { return &p.Tables }, 1)},
		{Name: "exclude-table", Key: "exclude_tables", Placeholder: "GLOB", work: true,
			Help:  "not these tables; wins over what is included",
			value: globs(func(p *Pair) *[]string { return &p.ExcludeTables }, 1)},
		{Name: "schema", Key: "schemas", Placeholder: "GLOB", work: true,
			Help:  "only schemas that match",
			value: globs(func(p *Pair) *[]string { return &p.Schemas }, 0)},
		{Name: "exclude-schema", Key: "exclude_schemas", Placeholder: "GLOB", work: true,
			Help:  "not these schemas; wins over what is included",
			value: globs(func(p *Pair) *[]string { return &p.ExcludeSchemas }, 0)},
		{Name: "matviews", Key: "matviews", work: true,
			Help:  "compare materialised views as tables; they must be populated on both sides",
			value: toggle(func(p *Pair) *bool { return &p.Matviews })},
		{Name: "checks", Key: "checks", Placeholder: "LIST", work: true,
			Help:  "what to compare: " + strings.Join(checkWords, ", "),
			value: words(func(p *Pair) *[]string { return &p.Checks }, checkWords)},
		{Name: "last", Key: "last", Placeholder: "N", work: true,
			Help:  "rows per table that the check \"last\" compares",
			value: number(func(p *Pair) *int { return &p.Last }, 1, math.MaxInt32)},
		{Name: "last-by", Key: "last_by", Placeholder: "COLUMN", work: true,
			Help:  "column that says which rows are last, such as updated_at; else the key",
			value: text(func(p *Pair) *string { return &p.LastBy })},
		{Name: "sample-rows", Key: "sample_rows", Placeholder: "N", work: true,
			Help:  "rows per table that the check \"sample\" draws on each side",
			value: number(func(p *Pair) *int { return &p.SampleRows }, 1, maxSampleRows)},
		{Name: "seed", Key: "seed", Placeholder: "N", work: true,
			Help:  "which rows the check \"sample\" draws; 0 draws the seed at random and reports it",
			value: number64(func(p *Pair) *int64 { return &p.Seed })},
		{Name: "concurrency", Key: "concurrency", Placeholder: "N",
			Help:  "chunks compared at the same time, 1 to 64; 0 is 1 while replication runs, since the application does, and else 2",
			value: number(func(p *Pair) *int { return &p.Concurrency }, 0, 64)},
		{Name: "max-active", Key: "max_active", Placeholder: "N",
			Help:  "begin no statement while more client sessions of others are active on a side; 0 is no limit",
			value: number(func(p *Pair) *int { return &p.MaxActive }, 0, math.MaxInt32)},
		{Name: "max-lag", Key: "max_lag", Placeholder: "SIZE",
			Help:  "begin no statement while one of the source's replicas or slots is further behind, such as 64MB; 0 is no limit",
			value: size(func(p *Pair) *int64 { return &p.MaxLag })},
		{Name: "max-xmin-age", Key: "max_xmin_age", Placeholder: "N",
			Help:  "begin no statement while vacuum is held back by more transactions on a side; 0 is no limit",
			value: number(func(p *Pair) *int { return &p.MaxXminAge }, 0, math.MaxInt32)},
		{Name: "pause-file", Key: "pause_file", Placeholder: "FILE",
			Help:  "begin no statement while this file exists",
			value: text(func(p *Pair) *string { return &p.PauseFile })},
		{Name: "replication", Key: "replication", Placeholder: "WORD", work: true,
			Help:  "what replicates the pair: " + strings.Join(replicationWords, ", ") + "; auto looks for it, still is a pair at rest",
			value: word(func(p *Pair) *string { return &p.Replication }, replicationWords)},
		{Name: "heartbeat", Key: "heartbeats", Placeholder: "TEXT", work: true, late: true,
			Help:  "marker in a replicated table, which something changes on the source again and again: schema.table.column[=key_column:key]; only read, unless the file says strike, which is all that verify ever writes",
			value: heartbeats()},
		{Name: "settle", Key: "settle", Placeholder: "DURATION",
			Help:  "how long rows that differ are read anew, and replication is waited for, before they are unproven",
			value: duration(func(p *Pair) *time.Duration { return &p.Settle }, 0)},
		{Name: "timeout", Key: "timeout", Placeholder: "DURATION",
			Help:  "limit of the whole run; 0s is none",
			value: duration(func(p *Pair) *time.Duration { return &p.Timeout }, 0)},
		{Name: "statement-timeout", Key: "statement_timeout", Placeholder: "DURATION",
			Help:  "limit of a single statement on either server, at least 1s",
			value: duration(func(p *Pair) *time.Duration { return &p.StatementTimeout }, minStatementTimeout)},
		{Name: "budget", Key: "budget", Placeholder: "DURATION",
			Help:  "how long a statement that reads a table may take; it is then cut smaller; at least 10ms, 0s is no limit",
			value: durationOrNone(func(p *Pair) *time.Duration { return &p.Budget }, minBudget)},
		{Name: "digest", Key: "digest", Placeholder: "WORD", work: true,
			Help:  "where rows are hashed: pushdown on the servers, stream in pgparity, auto chooses per table",
			value: word(func(p *Pair) *string { return &p.Digest }, digestWords)},
		{Name: "chunk-rows", Key: "chunk_rows", Placeholder: "N", work: true,
			Help:  "rows per chunk; 0 is automatic",
			value: number(func(p *Pair) *int { return &p.ChunkRows }, 0, math.MaxInt32)},
		{Name: "max-diffs", Key: "max_diffs", Placeholder: "N", work: true,
			Help:  "findings listed per table; 0 lists none, all are counted",
			value: number(func(p *Pair) *int { return &p.MaxDiffs }, 0, math.MaxInt32)},
		{Name: "show-values", Key: "show_values", work: true,
			Help:  "put row values into reports: they may be personal data",
			value: toggle(func(p *Pair) *bool { return &p.ShowValues })},
		{Name: "hash-keys", Key: "hash_keys", work: true,
			Help:  "put hashes in place of keys into reports",
			value: toggle(func(p *Pair) *bool { return &p.HashKeys })},
		{Name: "strict", Key: "strict", work: true,
			Help:  "let what is otherwise only noted decide the verdict",
			value: toggle(func(p *Pair) *bool { return &p.Strict })},
		{Name: "report", Key: "reports", Placeholder: "FORMAT=FILE",
			Help:  "write a report: " + strings.Join(formatWords, ", ") + "; {pair} in FILE becomes the pair's name",
			value: reports(func(p *Pair) *[]Report { return &p.Reports })},
		{Name: "resume", Key: "resume", Placeholder: "FILE",
			Help:  "keep checkpoints in FILE, and go on from those that a run left there; {pair} in it becomes the pair's name",
			value: text(func(p *Pair) *string { return &p.Resume })},
		{Name: "ack", Key: "acknowledge", Placeholder: "ID[:OBJECT]",
			Help:  "preflight: a hazard that somebody has taken note of, of one object or of all; * in OBJECT stands for any text",
			value: items(func(p *Pair) *[]string { return &p.Acknowledge })},
		{Name: "deep", Key: "deep",
			Help:  "preflight: read tables as well, to look for rows that break a foreign key, and for indexes that disagree with their tables",
			value: toggle(func(p *Pair) *bool { return &p.Deep })},
		{Name: "measure", Key: "measure", Placeholder: "DURATION",
			Help:  "preflight: how long lag, counters and the rate of hashing are watched; 0s is not at all",
			value: duration(func(p *Pair) *time.Duration { return &p.Measure }, 0)},
		{Name: "sequence-margin", Key: "sequence_margin", Placeholder: "N",
			Help:  "preflight: how many values a sequence of the target may be ahead of the source's",
			value: number(func(p *Pair) *int { return &p.SequenceMargin }, 0, math.MaxInt32)},
		{Name: "long-transaction", Key: "long_transaction", Placeholder: "DURATION",
			Help:  "preflight: from which age on an open transaction is a hazard",
			value: duration(func(p *Pair) *time.Duration { return &p.LongTransaction }, 0)},
		{Key: "per_table", work: true,
			Help:  "mapping of schema.table to key (list of columns), last_by and plan (ranges, sweep or multiset)",
			value: perTable()},
	}, slices.Concat(cutoverOptions(), monitorOptions())...)
}

// byKey finds the option of a YAML key, nil if there is none.
func (t OptionTable) byKey(key string) *Option {
	for i := range t {
		if t[i].Key == key {
			return &t[i]
		}
	}
	return nil
}
