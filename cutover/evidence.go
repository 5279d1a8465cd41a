package cutover

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// verifyFull makes sure that a full verification is at hand that is young enough:
// the one that this run made before, or the one that was given, or its own.
// Replication runs, and so does the application.
func (r *run) verifyFull(ctx context.Context) error {
	e := r.facts.Evidence
	var result *checker.Result
	switch {
	case e != nil && r.doubts(e) == nil:
	case r.o.Verified != nil:
		result = r.o.Verified
		e = r.evidenceOf(result, checker.Horizon{}, false)
	case r.monitored():
		result = r.handed
		e = r.evidenceOf(result, checker.Horizon{}, false)
	default:
		e = nil
		why := fmt.Sprintf("the switch rests on it: match, and not older than %v", r.o.MaxAge)
		err := r.do(ctx, Action{ID: "verify-full", On: "here", Do: "pgparity verify --source … --target … --checks " + strings.Join(r.fullChecks(), ","), Why: why},
			func(ctx context.Context) (err error) {
				result, e, err = r.verifyNow(ctx)
				return err
			})
		if err != nil {
			return err
		}
	}
	if e != nil {
		r.result.Verified = e
	}
	err := r.gate(ctx, Action{ID: "verified-recently", On: "here", Do: "read the result of the full verification", Why: "all content was compared, and matched"}, func(context.Context) error {
		switch {
		case e == nil:
			return errors.New("there is no full verification: run again")
		case result == nil:
			return r.doubts(e)
		}
		if err := mismatched(result); err != nil {
			return err
		}
		if err := r.doubts(e); err != nil {
			return err
		}
		return r.covers(result)
	})
	if err != nil {
		if r.o.Verified != nil {
			return fmt.Errorf("the full verification that was given: %w; give one that does, or none: the run then verifies by itself", err)
		}
		return err
	}
	if r.exec.dry() {
		return nil
	}
	r.facts.Evidence = e
	return nil
}

// verifyNow compares all content, with writers at work. The horizons are read
// before: what is written from then on is younger.
func (r *run) verifyNow(ctx context.Context) (*checker.Result, *Evidence, error) {
	since, err := checker.ReadHorizon(ctx, r.from.db, r.to.db, r.fence, r.o.Verify.Settle)
	if err != nil {
		return nil, nil, err
	}
	r.gating = nil // what it knows is of an earlier one
	if r.wrote, err = r.activity(ctx); err != nil {
		return nil, nil, err
	}
	o := r.o.Verify
	o.Checks = r.fullChecks()
	o.Pairing.Filter.ExcludeTables = slices.Clone(o.Pairing.Filter.ExcludeTables)
	for _, d := range r.o.Delayed { // nothing carries them
		o.Pairing.Filter.ExcludeTables = append(o.Pairing.Filter.ExcludeTables, d.Table)
	}
	if r.direction == Rollback {
		o.SourcePrimary, o.TargetPrimary = o.TargetPrimary, o.SourcePrimary
	}
	result, err := checker.Run(ctx, r.from.db, r.to.db, o)
	if err != nil {
		return nil, nil, err
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, nil, fmt.Errorf("the full verification did not end: %w", cause)
	}
	return result, r.evidenceOf(result, since, true), nil
}

// fullChecks are those that were asked for, and all content among them. Sequences
// are left to the window, which sets them: few tools carry them.
func (r *run) fullChecks() []string {
	checks := slices.DeleteFunc(slices.Clone(r.o.Verify.Checks), func(c string) bool {
		return c == "sample" || c == "sequences" && r.strategy != VerifyOnly
	})
	if !slices.Contains(checks, "ranges") {
		checks = append(checks, "ranges")
	}
	return checks
}

func (r *run) evidenceOf(res *checker.Result, since checker.Horizon, own bool) *Evidence {
	return &Evidence{Verdict: res.Verdict, FinishedAt: res.FinishedAt, AsOfLSN: res.AsOfLSN, Tables: res.Coverage.Tables, Rows: res.Coverage.RowsCompared,
		Own: own, Horizon: since.Source, ToHorizon: since.Target, From: system(res.Source), To: system(res.Target), Scope: r.scope()}
}

// system names a database of a cluster.
func system(s checker.ServerInfo) string { return s.SystemIdentifier + "/" + s.Database }

// clockSkew is how far ahead the clock of whoever verified may be.
const clockSkew = time.Minute

// doubts says why a full verification cannot be rested on, whatever it found;
// nil for no reason.
func (r *run) doubts(e *Evidence) error {
	from, to := system(checker.Identify(r.from.db)), system(checker.Identify(r.to.db))
	if checker.Identify(r.from.db).SystemIdentifier == "" || checker.Identify(r.to.db).SystemIdentifier == "" {
		r.note("a system identifier may not be read: which databases were verified is told by their names alone")
	}
	switch age := time.Since(e.FinishedAt); {
	case e.From != from:
		return fmt.Errorf("it is of %s (%s), and what is switched from is %s", e.From, "system identifier/database", from)
	case e.To != to:
		return fmt.Errorf("it compared with %s (%s), and what is switched to is %s", e.To, "system identifier/database", to)
	case e.Verdict != checker.Match:
		return fmt.Errorf("its verdict is %s", e.Verdict)
	case e.FinishedAt.IsZero() || age < -clockSkew:
		return errors.New("when it ended is not known, or lies ahead: compare the clocks")
	case age > r.o.MaxAge:
		return fmt.Errorf("it ended %v ago, and may be %v old (cutover.max_age)", age.Round(time.Second), r.o.MaxAge)
	case e.Scope != r.scope():
		return errors.New("tables or columns were added or left out since")
	}
	return nil
}

// scope is a hash of the tables and columns that are compared.
func (r *run) scope() string {
	h := sha256.New()
	for _, t := range r.pair.Tables {
		if !r.verified(t) {
			continue
		}
		fmt.Fprintf(h, "%q", t.Name)
		for _, c := range t.Columns {
			fmt.Fprintf(h, " %q %q", c.Name, c.Source.TypeText)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// verified tells whether a full verification has to have compared a table.
func (r *run) verified(t *pairing.Table) bool {
	return t.Both() && !r.copied(t)
}

// copied tells whether the switch copies a table itself.
func (r *run) copied(t *pairing.Table) bool {
	return slices.ContainsFunc(r.o.Delayed, func(d Delayed) bool { return d.Table == unquoted(t) })
}

func unquoted(t *pairing.Table) string {
	side := t.On(postgres.Source)
	if side == nil {
		side = t.On(postgres.Target)
	}
	return side.Schema + "." + side.Name
}

// named bounds how many tables and findings an error names.
const named = 3

// mismatched says what a verification found, without a value of a row.
func mismatched(res *checker.Result) error {
	if res.Verdict == checker.Match {
		return nil
	}
	said := firsts(res.Reasons)
	var rows []string
	for _, t := range res.Tables {
		for _, f := range t.Findings {
			rows = append(rows, sentence(checker.Located{Table: t.Name, Finding: f}))
		}
	}
	if len(rows) > 0 {
		said += " (" + firsts(rows) + ")"
	}
	return fmt.Errorf("the full verification ended in %s and not in a match: %s; look at it with pgparity verify, and run again when it finds a match", res.Verdict, said)
}

// firsts joins the first of some sentences, and counts the others.
func firsts(list []string) string {
	if more := len(list) - named; more > 0 {
		return strings.Join(list[:named], "; ") + fmt.Sprintf("; and %d more", more)
	}
	return strings.Join(list, "; ")
}

// covers proves that a verification compared all content of every table of the
// pair. A result that says so of fewer is a match too.
func (r *run) covers(res *checker.Result) error {
	if res.Sampled != nil {
		return errors.New("it compared a sample, and not all content")
	}
	byName := map[string]*checker.TableResult{}
	for i := range res.Tables {
		byName[res.Tables[i].Name] = &res.Tables[i]
	}
	var lacks []string
	for _, t := range r.pair.Tables {
		if !r.verified(t) {
			continue
		}
		if why := lacking(byName[t.Name]); why != "" {
			lacks = append(lacks, t.Name+": "+why)
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("it does not cover all: %s", firsts(lacks))
	}
	return nil
}

// lacking says what keeps a table's result from being of all its content, or "".
func lacking(t *checker.TableResult) string {
	switch {
	case t == nil:
		return "it is not in it"
	case t.Verdict != checker.Match:
		return "its verdict is " + t.Verdict.String()
	case t.Sample != nil, t.Plan == "sample":
		return "only a sample was compared"
	case !slices.Contains([]string{"ranges", "sweep", "multiset"}, t.Plan):
		return "its content was not compared (--checks ranges)"
	case t.Chunks.Planned == 0, t.Chunks.Compared != t.Chunks.Planned, t.Rows.Source == nil:
		return "not all of it was compared"
	}
	return ""
}

// sentence is a finding in words: no value but the key's.
func sentence(f checker.Located) string {
	parts := make([]string, 0, len(f.Key))
	for name, value := range f.Key {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	text := f.Table + ": " + f.Kind + " " + strings.Join(parts, " ")
	if len(f.Columns) > 0 {
		text += " (" + strings.Join(f.Columns, ", ") + ")"
	}
	return text
}
