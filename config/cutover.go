package config

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cutover says how a pair is switched: the mapping cutover of a pair or of
// defaults. It is complete and valid, what was left out is DefaultCutover's.
type Cutover struct {
	Journal     string // file that says how far the switch has come; no two pairs have the same
	Maintenance string // database of both servers, beside the pair's
	Strategy    string // auto, native, tool or verify-only

	// Application is a connection string as Pair.Source is, "" for none. It may
	// hold a password.
	Application string

	Verified string        // a JSON report of verify, "" for none
	Monitor  string        // the state file of the monitor that watches the pair, "" for none
	MaxAge   time.Duration // of a full verification; at least 1 s

	Attempts int           // of the window; 1 to 100
	Backoff  time.Duration // before the second attempt; 0 is none

	KeepPrepared   bool
	Stragglers     string // terminate or abort
	SequenceMargin int    // values by which a sequence is set ahead; preflight's is another
	Refresh        []string

	Budgets Budgets
	Gate    Gate
	Reverse Reverse
	Poolers []Pooler  // names differ
	Hooks   []Hook    // names of one moment differ
	Delayed []Delayed // tables differ
}

// Budgets bound the steps of a switch; each is at least 1 ms.
type Budgets struct {
	Window, Pause, Grace, Freeze, Drain, Gate, Lag, Arm, Open time.Duration
}

// Gate is what is verified while writes are stopped.
type Gate struct {
	Overflow string   // abort or accept
	Tables   []string // globs of those that are read whole first
}

// Reverse is what prepares the way back.
type Reverse struct {
	Off bool
	// Connection is how the source's server reaches the target, in libpq's words;
	// "" where Off, and where it reaches it as the configuration does. It may hold
	// a password.
	Connection string
}

// Delayed is a table that replication does not carry, and the switch copies.
type Delayed struct {
	Table  string // schema.table, unquoted
	Column string // "" = the key
	After  bool   // what is left is copied when the target is live
}

// The words and the limits of a switch's options.
var (
	strategyWords  = []string{"auto", "native", "tool", "verify-only"}
	stragglerWords = []string{"terminate", "abort"}
	overflowWords  = []string{"abort", "accept"}
	copyWords      = []string{"window", "after"}
)

const (
	cutoverPrefix  = "cutover."
	defaultJournal = "pgparity-cutover.jsonl"
	namedJournal   = "pgparity-cutover-{pair}.jsonl"
	maxAttempts    = 100
	// A timeout of less reaches a server as 0, which is none.
	minCutoverBudget = time.Millisecond
)

// DefaultCutover is that of a pair of which the configuration says nothing. A
// named pair's journal has the name in its path. The caller owns what it gets.
func DefaultCutover() Cutover {
	return Cutover{
		Journal:     defaultJournal,
		Maintenance: "postgres",
		Strategy:    "auto",
		MaxAge:      24 * time.Hour,
		Attempts:    3,
		Backoff:     10 * time.Second,
		Stragglers:  "terminate",
		Budgets: Budgets{Window: 30 * time.Second, Pause: 2 * time.Second, Grace: 2 * time.Second, Freeze: 10 * time.Second,
			Drain: 15 * time.Second, Gate: 10 * time.Second, Lag: 5 * time.Second, Arm: time.Minute, Open: 30 * time.Second},
		Gate: Gate{Overflow: "abort"},
	}
}

// cutoverOptions are the rows of the option table under cutover.
func cutoverOptions() OptionTable {
	t := OptionTable{
		{Name: "journal", Key: "cutover.journal", Placeholder: "FILE",
			Help:  "file that says how far the switch has come; {pair} in it becomes the pair's name; without one, a named pair's is " + namedJournal,
			value: text(func(p *Pair) *string { return &p.Cutover.Journal })},
		{Name: "maintenance", Key: "cutover.maintenance", Placeholder: "NAME",
			Help:  "another database of both servers, from which one that is closed is opened again",
			value: text(func(p *Pair) *string { return &p.Cutover.Maintenance })},
		{Name: "application", Key: "cutover.application", Placeholder: "URL", PairOnly: true,
			Help:  "how the application connects: by that the outage is measured, and by that is seen that the switch has arrived",
			value: connectionText(func(p *Pair) *string { return &p.Cutover.Application })},
		{Key: "cutover.strategy",
			Help:  "what to do about what replicates the pair: " + strings.Join(strategyWords, ", "),
			value: word(func(p *Pair) *string { return &p.Cutover.Strategy }, strategyWords)},
		{Key: "cutover.verified",
			Help:  "JSON report of a full verify that the switch may rest on; {pair} in it becomes the pair's name",
			value: text(func(p *Pair) *string { return &p.Cutover.Verified })},
		{Key: "cutover.monitor",
			Help:  "state file of the monitor that watches the pair: the switch rests on its last full pass, and compares what changed since its watermark",
			value: text(func(p *Pair) *string { return &p.Cutover.Monitor })},
		{Key: "cutover.max_age",
			Help:  "how old a full verification may be",
			value: duration(func(p *Pair) *time.Duration { return &p.Cutover.MaxAge }, time.Second)},
		{Key: "cutover.attempts",
			Help:  fmt.Sprintf("how often the window is tried before the switch is given up, 1 to %d", maxAttempts),
			value: number(func(p *Pair) *int { return &p.Cutover.Attempts }, 1, maxAttempts)},
		{Key: "cutover.backoff",
			Help:  "what lies between two attempts, doubled each time",
			value: duration(func(p *Pair) *time.Duration { return &p.Cutover.Backoff }, 0)},
		{Key: "cutover.keep_prepared",
			Help:  "leave what was prepared in place when the switch is given up; a slot that is kept holds WAL",
			value: toggle(func(p *Pair) *bool { return &p.Cutover.KeepPrepared })},
		{Key: "cutover.stragglers",
			Help:  "what becomes of sessions that are left when the grace is over: terminate ends them, abort the attempt",
			value: word(func(p *Pair) *string { return &p.Cutover.Stragglers }, stragglerWords)},
		{Key: "cutover.sequences.margin",
			Help:  "how many values further than on the source a sequence is set on the target",
			value: number(func(p *Pair) *int { return &p.Cutover.SequenceMargin }, 0, math.MaxInt32)},
		{Key: "cutover.refresh",
			Help:  "list of globs: materialised views that are refreshed on the target beforehand; else those that were never filled",
			value: globs(func(p *Pair) *[]string { return &p.Cutover.Refresh }, 1)},
		{Key: "cutover.gate.overflow",
			Help:  "what becomes of tables that do not fit into the gate's budget: abort ends the attempt, accept lets them rest on the full verification",
			value: word(func(p *Pair) *string { return &p.Cutover.Gate.Overflow }, overflowWords)},
		{Key: "cutover.gate.tables",
			Help:  "list of globs: tables that are read whole first while writes are stopped",
			value: globs(func(p *Pair) *[]string { return &p.Cutover.Gate.Tables }, 1)},
	}
	for _, b := range []struct {
		key, help string
		field     func(*Budgets) *time.Duration
	}{
		{"window", "from the first pooler's pause to the point of no return", func(b *Budgets) *time.Duration { return &b.Window }},
		{"pause", "for the poolers to pause", func(b *Budgets) *time.Duration { return &b.Pause }},
		{"grace", "for transactions that clients have open", func(b *Budgets) *time.Duration { return &b.Grace }},
		{"freeze", "until all clients are gone", func(b *Budgets) *time.Duration { return &b.Freeze }},
		{"drain", "until the target has applied all", func(b *Budgets) *time.Duration { return &b.Drain }},
		{"gate", "for what is verified while writes are stopped", func(b *Budgets) *time.Duration { return &b.Gate }},
		{"lag", "how long a mark may take to the target for the window to begin", func(b *Budgets) *time.Duration { return &b.Lag }},
		{"arm", "from arming to the window, without the wait for the person's answer", func(b *Budgets) *time.Duration { return &b.Arm }},
		{"open", "per try, for what follows the point of no return", func(b *Budgets) *time.Duration { return &b.Open }},
	} {
		t = append(t, Option{Key: "cutover.budgets." + b.key, Help: b.help,
			value: duration(func(p *Pair) *time.Duration { return b.field(&p.Cutover.Budgets) }, minCutoverBudget)})
	}
	return append(t,
		Option{Key: "cutover.reverse",
			Help:  "off for no way back, or a mapping with connection: how the source's server reaches the target",
			value: walked((*walker).reverse)},
		Option{Key: "cutover.poolers", PairOnly: true,
			Help:  "list of PgBouncers, each a mapping with " + strings.Join(poolerKeys, ", "),
			value: walked((*walker).poolers)},
		Option{Key: "cutover.hooks",
			Help:  "list of programs and HTTP requests, each a mapping with " + strings.Join(hookKeys, ", "),
			value: walked((*walker).hooks)},
		Option{Key: "cutover.delayed",
			Help:  "list of tables that the switch copies, each a mapping with " + strings.Join(delayedKeys, ", "),
			value: walked((*walker).delayed)},
	)
}

// checkCutover fills in the pair's name and sees that the journal is no other
// pair's, nor a report.
func (l *loader) checkCutover(p *Pair, at map[string]origin, writes map[string]bool) {
	c := &p.Cutover
	where, given := at["cutover.journal"]
	if !given {
		where = l.flag("journal", len(l.table))
		if p.Name != "" {
			c.Journal = namedJournal
		}
	}
	for _, f := range []struct {
		path *string
		at   origin
	}{{&c.Journal, where}, {&c.Verified, at["cutover.verified"]}} {
		if strings.Contains(*f.path, "{pair}") && p.Name == "" {
			l.m.add(f.at, "has {pair} in the file name, and the pair has no name; names come from a configuration file")
			return
		}
		*f.path = strings.ReplaceAll(*f.path, "{pair}", p.Name)
	}
	file := filepath.Clean(c.Journal)
	switch {
	case writes[file]:
		l.m.add(where, "names a file that a report or another pair writes to; put {pair} into the file name")
	case c.Verified != "" && filepath.Clean(c.Verified) == file:
		l.m.add(at["cutover.verified"], "names the journal; it is a report that verify wrote, with --report json=FILE")
	}
	writes[file] = true
}

// reverse reads off, on or a mapping with connection.
func (w *walker) reverse(e entry, defaults bool) (setter, rendering) {
	before, what := len(w.m.list), "on, off, or a mapping with connection"
	if s, ok := scalar(e.value); ok {
		switch strings.ToLower(s) {
		case "off", "false":
			return func(p *Pair) { p.Cutover.Reverse = Reverse{Off: true} }, nil
		case "on", "true":
			return func(p *Pair) { p.Cutover.Reverse = Reverse{} }, nil
		}
		w.m.add(e.at, "must be "+what)
		return nil, nil
	}
	list, ok := w.entries(e.value, e.at.key, names{known: []string{"connection"}, secret: true, what: what})
	switch {
	case !ok || len(w.m.list) > before:
		return nil, nil
	case len(list) == 0:
		w.m.add(e.at, "must be "+what)
		return nil, nil
	case defaults:
		w.m.add(list[0].at, belongsToPair)
		return nil, nil
	case !w.plain(list[0].value, list[0].at.key):
		return nil, nil
	}
	c := w.connection(list[0])
	return nil, func(env environment, readFile fileReader, m *mistakes) setter {
		connection := c.render(env, readFile, m)
		return func(p *Pair) { p.Cutover.Reverse = Reverse{Connection: connection} }
	}
}

var delayedKeys = []string{"table", "column", "copy"}

// delayed reads the list of delayed tables.
func (w *walker) delayed(e entry, _ bool) (setter, rendering) {
	var tables []Delayed
	w.mappings(e, names{known: delayedKeys, what: "a mapping such as {table: public.audit, copy: after}"}, delayedKeys[:1], func(_ origin, list []entry) {
		var d Delayed
		for _, s := range list {
			if !w.plain(s.value, s.at.key) {
				continue
			}
			switch s.name {
			case "table":
				d.Table = w.word(s)
				schema, name, _ := strings.Cut(d.Table, ".")
				switch {
				case d.Table == "":
				case schema == "" || name == "" || strings.ContainsAny(name, ".") || strings.ContainsAny(d.Table, `*?"`):
					w.m.add(s.at, "must be the unquoted name of one table, schema.table")
				case slices.ContainsFunc(tables, func(other Delayed) bool { return other.Table == d.Table }):
					w.m.add(s.at, "names a table twice")
				}
			case "column":
				d.Column = w.word(s)
			case "copy":
				d.After = w.choice(s, copyWords) == "after"
			}
		}
		tables = append(tables, d)
	})
	return func(p *Pair) { p.Cutover.Delayed = slices.Clone(tables) }, nil
}
