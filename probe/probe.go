// Package probe tries what a pair is there for: it writes a row on one side and
// waits until the other shows it, changes it, removes it, and does so in both
// directions.
//
// The rules are:
//
//   - It writes into the one table that the operator named, and only when that
//     is clearly meant for it: alone, simple, nearly empty.
//   - Every row it writes has a random key that was on neither side. The key is
//     remembered before the row is written, and whatever happens then, the row
//     is looked for on both sides and removed, or named with the DELETE to type.
//   - Seen means: the content arrived. That nobody complained means nothing.
package probe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Direction is which way changes are to travel.
type Direction string

// The directions: from the source to the target, back, or one after the other.
const (
	Forward Direction = "forward"
	Reverse Direction = "reverse"
	Both    Direction = "both"
)

// Kind is what is done to a row.
type Kind string

// The operations, in the order in which a row lives through them.
const (
	Insert Kind = "insert"
	Update Kind = "update"
	Delete Kind = "delete"
)

// Outcome is what became of an operation.
type Outcome string

// The outcomes. Of several rounds the worst counts.
const (
	Unproven Outcome = "unproven" // not tried, interrupted, or a side was lost
	Seen     Outcome = "seen"     // whenever it was tried, with the content that was written
	NotSeen  Outcome = "not_seen" // waited for in vain
	Failed   Outcome = "failed"   // could not be written where it begins
)

// Verdict is what the operations say together.
type Verdict string

// The verdicts. A mismatch wins over unproven.
const (
	VerdictMatch    Verdict = "match"
	VerdictMismatch Verdict = "mismatch"
	VerdictUnproven Verdict = "unproven"
)

// Options say what to try.
type Options struct {
	// Table is schema.table, quoted as the server would or not at all.
	Table     string
	Direction Direction
	// Timeout bounds the wait for each operation, and each write; above 0.
	Timeout time.Duration
	// Rounds is how often each operation is tried; at least 1.
	Rounds int
}

// Result is what was tried, and what came of it.
type Result struct {
	Table       string // the report name
	KeyColumn   string
	ValueColumn string // the one that is written and updated
	Rounds      int    // that were asked for
	Timeout     time.Duration
	// Operations are three per direction, in the order in which they were tried.
	Operations []*Operation
	// Left are rows that could not be removed, or may be there.
	Left []Leftover
	// Notes say what else is to be known.
	Notes []string
}

// Operation is one of insert, update and delete in one direction.
type Operation struct {
	From, To postgres.Side
	Kind     Kind
	Outcome  Outcome
	Why      string // "" when it was seen
	// Latencies are those of the rounds in which it was seen: from the commit on
	// one side to the end of the reading that saw it on the other. Readings are
	// 1 ms apart at first, later a twentieth of what has passed.
	Latencies []time.Duration
}

// Leftover is a row that is, or may be, left on one side.
type Leftover struct {
	Side  postgres.Side
	Table string // as quote_ident prints it there
	Key   string
	Why   string // why it was not removed
	SQL   string // removes it
}

func (l Leftover) String() string {
	return fmt.Sprintf("%s: the row with key %s in %s may be left: %s; type there: %s", l.Side, l.Key, l.Table, l.Why, l.SQL)
}

// Verdict is Match when all operations were seen and nothing is left, Mismatch
// when one was waited for in vain or could not be written, else Unproven.
func (r *Result) Verdict() Verdict {
	seen := 0
	for _, op := range r.Operations {
		switch op.Outcome {
		case NotSeen, Failed:
			return VerdictMismatch
		case Seen:
			seen++
		case Unproven: // keeps it from a match
		}
	}
	if seen == 0 || seen < len(r.Operations) || len(r.Left) > 0 {
		return VerdictUnproven
	}
	return VerdictMatch
}

// Run tries the operations. An error means that nothing was written: a table or
// a role that won't do, a side that can't be reached; it ends in what to do.
// Otherwise there is a result, also when ctx ended or a side was lost: cleaning
// up does not depend on ctx, and takes half a minute at the most, where sides
// do not answer.
func Run(ctx context.Context, source, target *postgres.DB, o Options) (*Result, error) {
	ends, err := prepare(ctx, source, target, o)
	if err != nil {
		return nil, err
	}
	r := &run{o: o, result: &Result{Table: ends[0].table.Quoted, KeyColumn: ends[0].key.Name, ValueColumn: ends[0].value.Name,
		Rounds: o.Rounds, Timeout: o.Timeout}}
	var ways []*way
	if o.Direction != Reverse {
		ways = append(ways, r.way(ends[0], ends[1]))
	}
	if o.Direction != Forward {
		ways = append(ways, r.way(ends[1], ends[0]))
	}
	for range o.Rounds {
		for _, w := range ways {
			if !w.over {
				r.round(ctx, w)
				r.clean(ctx)
			}
		}
	}
	for _, op := range r.result.Operations {
		// Where another operation ended the rounds, what was seen was seen.
		if op.Outcome == Unproven && (len(op.Latencies) == o.Rounds || r.lost == "" && len(op.Latencies) > 0) {
			op.Outcome, op.Why = Seen, ""
		}
	}
	return r.result, nil
}

// run is the state of one Run.
type run struct {
	o      Options
	result *Result
	lost   string   // why no further operation is tried, "" while they are
	rows   []*probe // written, and not known to be gone
}

// way is one direction under way.
type way struct {
	from, to *end
	ops      [3]*Operation
	over     bool // something was not seen: further rounds would tell nothing new
}

// probe is one row on its way.
type probe struct {
	key      string
	contents [2]string // inserted, updated
	way      *way
	written  bool // its INSERT was confirmed
	arrived  bool // the other side has shown it
}

func (r *run) way(from, to *end) *way {
	w := &way{from: from, to: to}
	for i, k := range []Kind{Insert, Update, Delete} {
		w.ops[i] = &Operation{From: from.db.Side(), To: to.db.Side(), Kind: k, Outcome: Unproven, Why: "not tried"}
		r.result.Operations = append(r.result.Operations, w.ops[i])
	}
	return w
}

// forget takes a row off the list of those to be removed.
func (r *run) forget(p *probe) {
	r.rows = slices.DeleteFunc(r.rows, func(x *probe) bool { return x == p })
}
