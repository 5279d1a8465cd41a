package monitor

import (
	"cmp"
	"encoding/hex"
	"hash/fnv"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

// How much a page holds; what is beyond is counted, and in the API.
const (
	shownTables   = 40 // before the matching rest is folded away
	mostTables    = 400
	mostFindings  = 200
	mostHealed    = 50
	mostSequences = 12
	mostRuns      = 30
)

// pairView is what the template of a pair sees.
type pairView struct {
	frame
	Name, Word, Headline string
	Said                 string
	Reasons              []string
	Facts                []fact
	Sides                []sideView
	Activity             string
	Troubled             bool
	LastError            string
	Bar, BarText         string
	PassStarted          *moment
	PassRows             string
	NextPass, NextQuick  *moment
	LastSuccess          *moment
	Claim                string
	SlotDropped          string
	Plots                []*plot
	Cutover              *switchView
	Freshness            []string // what the legend says of equal cells
	Tables, Folded       []tableView
	MoreTables           string
	Open, Healed         []findingView
	OpenText, MoreOpen   string
	Sequences            []sequenceView
	MoreSequences        string
	Runs                 []runView
	API                  string
}

type sideView struct{ Role, Database, Version, System string }

type tableView struct {
	Name, Verdict, Rows, Watermark, Open, Note string
	Strip                                      *strip
}

type findingView struct {
	ID                  int64
	Kind, Object, Key   string
	Columns             string
	First, Last, Healed *moment
	By                  string
}

type sequenceView struct{ Name, Verdict, Left, Bar string }

type runView struct {
	When                            *moment
	Kind, Verdict, Rows, Took, Note string
	Findings                        string
}

func (h *web) pairPage(given *Status) pairView {
	now := h.now()
	s := settled(given, now)
	name := report.Name(s.Name)
	v := pairView{
		frame: h.frame("../", name+": "+s.Verdict.String(), s.Verdict), Name: name, Word: s.Verdict.String(), Headline: pairHeadline(s, now),
		Reasons: sentences(s.Reasons), Facts: pairFacts(s), Activity: capital(busy(s)), Troubled: troubled(s.Activity),
		LastError: report.Sentence(s.LastError), NextPass: when(now, s.NextPassAt), NextQuick: when(now, s.NextQuickAt),
		LastSuccess: when(now, s.LastSuccess), Claim: claim(s, now), Cutover: switchOf(s.Cutover, now),
		Sides: []sideView{sideOf("Source", s.Source), sideOf("Target", s.Target)},
		API:   "api/v1/pairs/" + url.PathEscape(s.Name),
	}
	if p := s.Pass; p != nil && p.Running {
		v.Bar, v.PassStarted = barOf(p), when(now, p.StartedAt)
		v.BarText = grouped(p.ChunksCompared) + " of " + some(p.ChunksPlanned, "chunk", "chunks")
		v.PassRows = some(p.RowsCompared, "row", "rows")
		v.NextPass = nil
	}
	if s.Slot != nil {
		v.SlotDropped = report.Sentence(s.Slot.Dropped)
	}
	v.Said = v.Word + ": " + some(openFindings(s), "open finding", "open findings")
	v.plots(s, now)
	v.tables(s, now)
	v.findings(s, now)
	v.sequences(s)
	for _, r := range s.Runs[:min(len(s.Runs), mostRuns)] {
		v.Runs = append(v.Runs, runOf(&r, now))
	}
	return v
}

func pairHeadline(s *Status, now time.Time) string {
	proven := ""
	if m := when(now, s.ProvenAt); m != nil {
		proven = m.Rel
	}
	switch {
	case s.Verdict == checker.Mismatch:
		text := "The target does not hold the same data as the source."
		if n := openFindings(s); n > 0 {
			text = "The target does not hold the same data as the source: " + some(n, "difference is", "differences are") + " open."
		}
		if proven != "" {
			text += " All was found equal " + proven + "."
		}
		return text
	case s.Verdict == checker.Match && proven != "":
		return "All content was found equal " + proven + ", and nothing since says otherwise."
	case s.Verdict == checker.Match:
		return "All content was found equal, and nothing since says otherwise."
	case proven != "":
		return "Not all of it is proven now. All content was found equal " + proven + "."
	default:
		return "Not all content was compared yet: this is no match."
	}
}

// claim is what the watermark says, with its limits.
func claim(s *Status, now time.Time) string {
	w := s.Watermark
	if w == nil {
		return ""
	}
	text := "Each row of the followed tables whose last change was committed on the source up to LSN " + report.Name(w.LSN)
	if m := when(now, w.At); m != nil {
		text += " (" + m.Full + ")"
	}
	text += " was read on the target after that change was applied, and was equal then"
	var but []string
	if openFindings(s) > 0 {
		but = append(but, "the open findings")
	}
	if w.Exceptions > 0 {
		but = append(but, some(int64(w.Exceptions), "key that does not settle", "keys that do not settle"))
	}
	if len(but) > 0 {
		text += "; but for " + strings.Join(but, " and ")
	}
	return text + ". It says nothing of later writes to the target."
}

func pairFacts(s *Status) []fact {
	facts := []fact{{grouped(openFindings(s)), "open findings"}}
	if w := s.Watermark; w != nil {
		facts = append(facts, fact{watermarkText(w), "watermark age"})
	}
	if s.Lag != nil {
		facts = append(facts, fact{lagText(s.Lag), "replication lag"})
	}
	followed := int64(0)
	for i := range s.Tables {
		if s.Tables[i].Followed {
			followed++
		}
	}
	if n := len(s.Tables); n > 0 {
		facts = append(facts, fact{grouped(followed) + " of " + grouped(int64(n)), "tables followed"})
	}
	if s.FenceMS != nil {
		facts = append(facts, fact{span(*s.FenceMS / 1000), "last fence"})
	}
	if l := s.Slot; l != nil && l.Dropped == "" {
		text := size(l.RetainedBytes)
		if l.LimitBytes > 0 {
			text += " of " + size(l.LimitBytes)
		}
		facts = append(facts, fact{text, "log kept by our slot"})
	}
	return append(facts, fact{grouped(s.Totals.Rows), "rows verified since the start"})
}

func sideOf(role string, s checker.ServerInfo) sideView {
	v := sideView{Role: role, Database: report.Name(s.Database)}
	if s.ServerVersion != "" {
		v.Version = "PostgreSQL " + report.Name(s.ServerVersion)
	}
	if s.SystemIdentifier != "" {
		v.System = "system " + report.Name(s.SystemIdentifier)
	}
	if s == (checker.ServerInfo{}) {
		v.Database = "not reached yet"
	}
	return v
}

func (v *pairView) plots(s *Status, now time.Time) {
	for _, p := range []*plot{
		newPlot("plot-watermark", "Watermark age", watermarkAges(s.Samples), now, secondSteps, span),
		newPlot("plot-lag", "Replication lag, time", lagSeconds(s.Samples), now, secondSteps, span),
		newPlot("plot-lag-bytes", "Replication lag, log", lagBytes(s.Samples), now, byteSteps, formatBytes),
	} {
		if p != nil {
			v.Plots = append(v.Plots, p)
		}
	}
}

// tables puts what needs a person first; matching ones beyond the first are folded away.
func (v *pairView) tables(s *Status, now time.Time) {
	f := freshnessOf(s.Tables, now)
	v.Freshness = f.words()
	sorted := slices.SortedStableFunc(slices.Values(s.Tables), func(a, b Table) int { return cmp.Compare(report.Gravity(a.Verdict), report.Gravity(b.Verdict)) })
	if more := len(sorted) - mostTables; more > 0 {
		v.MoreTables, sorted = "and "+some(int64(more), "table", "tables")+" more, which the API lists", sorted[:mostTables]
	}
	for i := range sorted {
		t := &sorted[i]
		row := tableView{
			Name: report.Name(t.Name), Verdict: t.Verdict.String(), Rows: grouped(t.Rows), Watermark: watermarkText(t.Watermark), Note: report.Sentence(t.Reason),
			Strip: stripOf(t.Cells, f, now),
		}
		if t.Open > 0 {
			row.Open = grouped(t.Open)
		}
		if !t.Followed {
			row.Watermark = "not followed"
		}
		if t.Verdict == checker.Match && i >= shownTables {
			v.Folded = append(v.Folded, row)
		} else {
			v.Tables = append(v.Tables, row)
		}
	}
}

func (v *pairView) findings(s *Status, now time.Time) {
	var open, healed []findingView
	for i := range s.Findings {
		f := &s.Findings[i]
		row := findingView{
			ID: f.ID, Kind: report.ShortSentence(f.Kind, 12), Object: report.Name(f.Object), Key: keyOf(f.Key), Columns: namesOf(f.Columns),
			First: when(now, f.FirstSeen), Last: when(now, f.LastSeen), Healed: when(now, f.HealedAt), By: byWord(f.By),
		}
		if f.Open() {
			open = append(open, row)
		} else {
			healed = append(healed, row)
		}
	}
	all := openFindings(s)
	v.Open, v.Healed = open[:min(len(open), mostFindings)], healed[:min(len(healed), mostHealed)]
	if more := all - int64(len(v.Open)); more > 0 {
		v.MoreOpen = "and " + grouped(more) + " more that are not listed here"
	}
	v.OpenText = some(all, "open finding", "open findings")
}

func keyOf(key []KeyPart) string {
	var parts []string
	for _, k := range key {
		parts = append(parts, report.Name(k.Column)+"="+report.ShortName(k.Value, 160))
	}
	return strings.Join(parts, ", ")
}

func namesOf(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, report.Name(n))
	}
	return strings.Join(out, ", ")
}

// byWord says what found a finding.
func byWord(by string) string {
	switch by {
	case "pass":
		return "a full pass"
	case "quick":
		return "a quick check"
	case "follow":
		return "following changes"
	case "recheck":
		return "a recheck"
	default:
		return report.Sentence(by)
	}
}

// sequences are those that need a person, and those with the least left.
func (v *pairView) sequences(s *Status) {
	sorted := slices.SortedStableFunc(slices.Values(s.Sequences), func(a, b Sequence) int {
		return cmp.Or(cmp.Compare(report.Gravity(a.Verdict), report.Gravity(b.Verdict)), cmp.Compare(a.Headroom, b.Headroom))
	})
	for _, q := range sorted[:min(len(sorted), mostSequences)] {
		left := min(max(q.Headroom, 0), 1) * 100
		text := measure(float64(int64(left*10))/10) + " % left" // down: what is used up has nothing left
		v.Sequences = append(v.Sequences, sequenceView{report.Name(q.Name), q.Verdict.String(), text, measure(left)})
	}
	if more := len(sorted) - mostSequences; more > 0 {
		v.MoreSequences = "and " + some(int64(more), "sequence", "sequences") + " with more left"
	}
}

func runOf(r *Run, now time.Time) runView {
	kind := map[string]string{"pass": "full pass", "quick": "quick check"}[r.Kind]
	if kind == "" {
		kind = report.Sentence(r.Kind)
	}
	v := runView{When: when(now, r.FinishedAt), Kind: kind, Verdict: r.Verdict.String(), Rows: grouped(r.Rows), Findings: grouped(r.Findings)}
	if d := r.FinishedAt.Sub(r.StartedAt); !r.StartedAt.IsZero() && d >= 0 {
		v.Took = span(d.Seconds())
	}
	if len(r.Reasons) > 0 && r.Verdict != checker.Match {
		v.Note = report.Sentence(strings.Join(r.Reasons, "; "))
	}
	return v
}

// anchor is an element's id that no other name has, whatever is in the name.
func anchor(kind, name string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it takes all
	return kind + "-" + hex.EncodeToString(h.Sum(nil))
}
