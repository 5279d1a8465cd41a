package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// The words all formats share. Everything returned here is safe to show:
// what came from a database went through ident, prose or value.

// verdictWord is the verdict, which says so when it stands on a sample.
func verdictWord(r *checker.Result) string {
	if r.Verdict == checker.Match && r.Sampled != nil {
		return r.Verdict.String() + " (sampled)"
	}
	return r.Verdict.String()
}

// sampledText is what a sample may claim, where the headline does not carry it,
// or "".
func sampledText(r *checker.Result) string {
	if r.Sampled == nil || r.Verdict == checker.Match {
		return ""
	}
	return prose(r.Sampled.Sentence)
}

// headline says the verdict in a sentence.
func headline(r *checker.Result) string {
	switch {
	case r.Verdict == checker.Match && r.Sampled != nil:
		return prose(r.Sampled.Sentence)
	case r.Verdict == checker.Mismatch:
		return "the target does not hold the same data as the source"
	case r.Verdict != checker.Match:
		return "not everything planned was compared: this is no match"
	case r.Coverage.ChunksPlanned == 0:
		return "every planned check was done, and the two sides agree"
	default:
		return "every planned chunk was compared, and the two sides agree"
	}
}

// coverageLine closes a report: how much the verdict stands on.
func coverageLine(r *checker.Result) string {
	c := &r.Coverage
	s := fmt.Sprintf("%s of %s, %s compared", count(c.ChunksCompared),
		plural(c.ChunksPlanned, "chunk", "chunks"), plural(c.RowsCompared, "row", "rows"))
	if d, ok := elapsed(r); ok {
		s += " in " + d
	}
	if r.AsOfLSN != "" {
		s += "; as of LSN " + ident(r.AsOfLSN)
	}
	return s
}

func elapsed(r *checker.Result) (string, bool) {
	if r.StartedAt.IsZero() || r.FinishedAt.Before(r.StartedAt) {
		return "", false
	}
	d := r.FinishedAt.Sub(r.StartedAt)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds()), true
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60), true
	default:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60), true
	}
}

func sideLine(s checker.ServerInfo) string { return strings.Join(sideParts(s), ", ") }

func sideParts(s checker.ServerInfo) []string {
	var parts []string
	if s.ServerVersion != "" {
		parts = append(parts, "PostgreSQL "+ident(s.ServerVersion))
	}
	if s.Database != "" {
		parts = append(parts, "database "+ident(s.Database))
	}
	if s.SystemIdentifier != "" {
		parts = append(parts, "system "+ident(s.SystemIdentifier))
	}
	if len(parts) == 0 {
		return []string{"unknown"}
	}
	return parts
}

func runLine(r *checker.Result) string {
	var parts []string
	if r.Pair != "" {
		parts = append(parts, "pair "+ident(r.Pair))
	}
	if !r.FinishedAt.IsZero() {
		parts = append(parts, "finished "+r.FinishedAt.Format("2006-01-02 15:04:05")+" UTC")
	}
	if r.Tool.Version != "" {
		parts = append(parts, "pgparity "+ident(r.Tool.Version))
	}
	return strings.Join(parts, ", ")
}

// bySeverity orders mismatch, unproven, match, and keeps the result's order
// otherwise: what needs a human stands on top.
func bySeverity(tables []checker.TableResult) []checker.TableResult {
	return slices.SortedStableFunc(slices.Values(tables), func(a, b checker.TableResult) int {
		return cmp.Compare(Gravity(a.Verdict), Gravity(b.Verdict))
	})
}

// Gravity orders verdicts: what needs a human comes first.
func Gravity(v checker.Verdict) int {
	switch v {
	case checker.Mismatch:
		return 0
	case checker.Match:
		return 2
	default:
		return 1
	}
}

func rowsText(n *int64) string {
	if n == nil {
		return "-"
	}
	return count(*n)
}

func chunksText(c checker.ChunkCounts) string {
	if c.Planned == 0 && c.Compared == 0 {
		return "-"
	}
	return count(c.Compared) + "/" + count(c.Planned)
}

func findingsText(t *checker.TableResult) string {
	n := total(t)
	if n == 0 && t.Verdict == checker.Unproven {
		return "-" // none known is not none
	}
	return count(n)
}

// total is the number of findings: never less than are listed.
func total(t *checker.TableResult) int64 {
	return max(t.FindingsTotal, int64(len(t.Findings)))
}

// how says which way a table's content went: two short words, also when the
// report was edited.
func how(t *checker.TableResult) string {
	s := strings.TrimSpace(shorten(ident(t.Digest), 12) + " " + shorten(ident(t.Plan), 12))
	if s == "" {
		return "-"
	}
	return s
}

// kindText and severityText are one short word, also when the report was
// edited.
func kindText(f *checker.Finding) string           { return shorten(prose(f.Kind), 9) }
func severityText(f *checker.SchemaFinding) string { return shorten(prose(f.Severity), 5) }

// findingText is a finding of t without its kind.
func findingText(t *checker.TableResult, f *checker.Finding) string {
	s := keyText(f.Key, t.Key)
	if f.Count != nil {
		s += fmt.Sprintf(": %s on the source, %s on the target", count(f.Count.Source), count(f.Count.Target))
	}
	if len(f.Columns) > 0 {
		names := make([]string, len(f.Columns))
		for i, c := range f.Columns {
			names[i] = ident(c)
		}
		s += ": " + strings.Join(names, ", ")
	}
	return s
}

// moreFindings is the note below a capped list, "" when all are listed.
func moreFindings(t *checker.TableResult, shown int) string {
	more := total(t) - int64(shown)
	switch {
	case more <= 0:
		return ""
	case shown == 0:
		return plural(more, "finding", "findings") + ", none listed"
	default:
		return "… and " + count(more) + " more"
	}
}

// sequenceWord is a sequence's verdict, for people: one that has a finding
// that does not decide is noted, for "match: behind" would read as a
// contradiction.
func sequenceWord(s *checker.SequenceResult) string {
	if s.Verdict == checker.Match && s.Finding != "" {
		return "noted"
	}
	return s.Verdict.String()
}

func sequenceText(s *checker.SequenceResult) string {
	switch {
	case s.Detail != "" && s.Finding != "":
		return prose(s.Finding) + ": " + prose(s.Detail)
	case s.Detail != "":
		return prose(s.Detail)
	}
	word := prose(s.Finding)
	if word == "" {
		word = s.Verdict.String()
	}
	return fmt.Sprintf("%s (source %s, target %s)", word, sequenceValue(s.Source), sequenceValue(s.Target))
}

func sequenceValue(v *checker.SequenceValue) string {
	switch {
	case v == nil:
		return "none"
	case !v.IsCalled:
		return count(v.LastValue) + " not called yet"
	default:
		return count(v.LastValue)
	}
}

// telling keeps the sequences a reader must see, the worst first, and counts
// the quiet rest.
func telling(seqs []checker.SequenceResult) (loud []checker.SequenceResult, quiet int) {
	for _, s := range seqs {
		if s.Verdict == checker.Match && s.Finding == "" && s.Detail == "" {
			quiet++
			continue
		}
		loud = append(loud, s)
	}
	slices.SortStableFunc(loud, func(a, b checker.SequenceResult) int {
		return cmp.Compare(Gravity(a.Verdict), Gravity(b.Verdict))
	})
	return loud, quiet
}

func schemaText(f *checker.SchemaFinding) string {
	return fmt.Sprintf("%s (source %s, target %s)", prose(f.Kind), orNone(f.Source), orNone(f.Target))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return prose(s)
}

func schemaBySeverity(fs []checker.SchemaFinding) []checker.SchemaFinding {
	rank := func(f checker.SchemaFinding) int {
		return slices.Index([]string{checker.SeverityBlock, checker.SeverityWarn, checker.SeverityInfo}, f.Severity)
	}
	return slices.SortedStableFunc(slices.Values(fs), func(a, b checker.SchemaFinding) int {
		return cmp.Compare(rank(a), rank(b))
	})
}
