package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

// The words that the formats of a preflight share. Everything returned here is
// safe to show, but for what returns a checker's type.

// asRun is what a preflight and a verify say alike: who, when, with what.
func asRun(r *preflight.Result) *checker.Result {
	return &checker.Result{Pair: r.Pair, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Tool: checker.Tool{Version: r.Tool.Version}}
}

// shade is the verdict of verify that looks like one of a preflight.
func shade(v preflight.Verdict) checker.Verdict {
	switch v {
	case preflight.Ready:
		return checker.Match
	case preflight.Blocked:
		return checker.Mismatch
	default:
		return checker.Unproven
	}
}

// weight is likewise of a severity; nothing is said by the colour of an info.
func weight(s schema.Severity) (v checker.Verdict, any bool) {
	switch s {
	case schema.Block:
		return checker.Mismatch, true
	case schema.Warn:
		return checker.Unproven, true
	default:
		return checker.Match, false
	}
}

// preflightHeadline says the verdict in a sentence.
func preflightHeadline(r *preflight.Result) string {
	blocks, _ := r.Count(schema.Block)
	_, warnings := r.Count(schema.Warn)
	var more []string
	if n := openUnknown(r); n > 0 {
		more = append(more, plural(int64(n), "hazard", "hazards")+" could not be looked for")
	}
	if warnings > 0 && (r.Verdict != preflight.Blocked || blocks > 0) {
		more = append(more, plural(int64(warnings), "warning to read", "warnings to read"))
	}
	var first string
	switch {
	case r.Verdict == preflight.Ready:
		first = "nothing that was looked for keeps this pair from being switched"
	case r.Verdict != preflight.Blocked:
		first = "not everything could be looked at: this pair is not known to be ready"
	case blocks > 0:
		first = plural(int64(blocks), "hazard keeps", "hazards keep") + " this pair from being switched"
	case warnings > 0:
		first = plural(int64(warnings), "warning that nobody has acknowledged keeps", "warnings that nobody has acknowledged keep") + " this pair from being switched"
	default:
		first = "this pair must not be switched"
	}
	return strings.Join(append([]string{first}, more...), "; ")
}

func openUnknown(r *preflight.Result) int {
	n := 0
	for _, u := range r.Unknown {
		if !u.Acknowledged {
			n++
		}
	}
	return n
}

// lookedLine says how much the verdict stands on.
func lookedLine(r *preflight.Result) string {
	skipped, unknown := 0, map[string]bool{}
	for _, u := range r.Unknown {
		unknown[u.ID] = true
	}
	for _, c := range r.Checked {
		if c.Skipped != "" && !unknown[c.ID] {
			skipped++
		}
	}
	s := fmt.Sprintf("%s of %s looked", count(int64(max(len(r.Checked)-skipped-len(unknown), 0))), plural(int64(len(r.Checked)), "detector", "detectors"))
	if len(unknown) > 0 {
		s += ", " + count(int64(len(unknown))) + " could not"
	}
	if skipped > 0 {
		s += ", " + count(int64(skipped)) + " skipped"
	}
	return s
}

// preflightClose is the line that ends a report.
func preflightClose(r *preflight.Result) string {
	s := lookedLine(r)
	if d, ok := elapsed(asRun(r)); ok {
		s += ", in " + d
	}
	return s + "; " + carriedLine(r)
}

// carriedLine says how much of the source the replication carries.
func carriedLine(r *preflight.Result) string {
	c := &r.Coverage
	if c.Tables == 0 && len(c.NotCarried) == 0 {
		return "which tables are carried was not counted"
	}
	if r.Replication != nil && r.Replication.Kind == string(fence.KindStill) && c.Carried == 0 {
		return plural(int64(c.Tables), "table", "tables") + ", which nothing replicates"
	}
	return fmt.Sprintf("%s of %s carried whole", count(int64(c.Carried)), plural(int64(c.Tables), "table", "tables"))
}

func notCarried(r *preflight.Result) []group {
	said := make([]checker.Skipped, len(r.Coverage.NotCarried))
	for i, o := range r.Coverage.NotCarried {
		said[i] = checker.Skipped(o)
	}
	return groups(said)
}

func preflightSide(s preflight.Server) []string {
	parts := sideParts(checker.ServerInfo{ServerVersion: s.ServerVersion, Database: s.Database, SystemIdentifier: s.SystemIdentifier})
	if s.Timeline != 0 {
		parts = append(parts, fmt.Sprintf("timeline %d", s.Timeline))
	}
	if s.InRecovery {
		parts = append(parts, "a standby")
	}
	return parts
}

// carrierLine names what replicates the pair.
func carrierLine(r *preflight.Result) string {
	p := r.Replication
	switch {
	case p == nil:
		return "not looked at"
	case p.Kind == "":
		return "not recognised"
	case p.Kind == atRest:
		return "nothing replicates this pair"
	}
	s := prose(p.Kind)
	if p.BothWays {
		s += " in both directions"
	}
	if p.Name != "" {
		s += ` "` + ident(p.Name) + `"`
	}
	return s
}

// sideWord is where something is: one short word, also when the report was
// edited.
func sideWord[Side ~string](s Side) string {
	if s == "" {
		return "pair"
	}
	return shorten(prose(string(s)), 12)
}

// statement makes a fix safe to show on one line; its blanks stay, for they
// may stand in a name.
func statement(s string) string {
	return escaped(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s), false)
}

// turn is a detector, and what came of it.
type turn struct {
	ID, About string
	// Word is block, warn, info, acknowledged, unknown, skipped or clear: the
	// worst of what came of it.
	Word    string
	Hazards []preflight.Hazard
	Unknown []preflight.Unknown
	Text    string // what came of it, in a few words
}

// turns are all detectors in their order, and after them the ids that a
// hazard or an unknown has and no detector: nothing that is listed gets lost.
func turns(r *preflight.Result) []turn {
	var out []turn
	at := map[string]int{}
	of := func(id string) *turn {
		i, ok := at[id]
		if !ok {
			i = len(out)
			at[id] = i
			out = append(out, turn{ID: ident(id)})
		}
		return &out[i]
	}
	skipped := map[string]string{}
	for _, c := range r.Checked {
		of(c.ID).About = prose(c.About)
		skipped[c.ID] = prose(c.Skipped)
	}
	for _, h := range r.Hazards {
		t := of(h.ID)
		t.Hazards = append(t.Hazards, h)
	}
	for _, u := range r.Unknown {
		t := of(u.ID)
		t.Unknown = append(t.Unknown, u)
	}
	for id, i := range at {
		out[i].settle(skipped[id])
	}
	return out
}

func (t *turn) settle(skipped string) {
	open := map[schema.Severity]int{}
	acknowledged := 0
	for _, h := range t.Hazards {
		if h.Acknowledged {
			acknowledged++
		} else {
			open[h.Severity]++
		}
	}
	unknown := slices.ContainsFunc(t.Unknown, func(u preflight.Unknown) bool { return !u.Acknowledged })
	found := plural(int64(len(t.Hazards)), "found", "found")
	switch {
	case open[schema.Block] > 0:
		t.Word, t.Text = "block", found
	case unknown:
		t.Word, t.Text = "unknown", "could not look"
	case open[schema.Warn] > 0:
		t.Word, t.Text = "warn", found
	case open[schema.Info] > 0:
		t.Word, t.Text = "info", found
	case acknowledged > 0:
		t.Word, t.Text = "acknowledged", found
	case len(t.Unknown) > 0:
		t.Word, t.Text = "acknowledged", "could not look"
	case skipped != "":
		t.Word, t.Text = "skipped", skipped
	default:
		t.Word, t.Text = "clear", "none"
	}
}

// unknownText says what could not be looked at, and why.
func unknownText(u *preflight.Unknown) string {
	if u.Side == "" {
		return prose(u.Reason)
	}
	// The reason mostly begins with the side already.
	if reason := prose(u.Reason); strings.HasPrefix(reason, string(u.Side)+":") {
		return reason
	}
	return sideWord(u.Side) + ": " + prose(u.Reason)
}

// unknowns groups what could not be looked at by why.
func unknowns(r *preflight.Result, acknowledged bool) []group {
	var said []checker.Skipped
	for i := range r.Unknown {
		if u := &r.Unknown[i]; u.Acknowledged == acknowledged {
			said = append(said, checker.Skipped{Object: u.ID, Reason: unknownText(u)})
		}
	}
	return groups(said)
}

// skips groups the detectors that were skipped by why.
func skips(r *preflight.Result) []group {
	var said []checker.Skipped
	for _, t := range turns(r) {
		if t.Word == "skipped" {
			said = append(said, checker.Skipped{Object: t.ID, Reason: t.Text})
		}
	}
	return groups(said)
}
