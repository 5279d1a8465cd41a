package monitor

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

// fleetView is what the template of the fleet sees.
type fleetView struct {
	frame
	Word, Headline, Said string // Said is what a screen reader is told when it changes
	Facts                []fact
	Pairs                []fleetRow
}

// fact is a figure and what it is of.
type fact struct{ Value, Name string }

// fleetRow is a pair at a glance. ID is of the row alone.
type fleetRow struct {
	ID, Name, Href, Sides, Verdict string
	Proven                         *moment
	Watermark, Spark, SparkText    string
	Lag                            string
	Open                           int64
	Activity, Note                 string
	Troubled                       bool
	Bar                            string // how much of the pass is done, in percent of the bar
	Next                           *moment
	Cutover                        string
}

func (h *web) fleetPage(all []Status) fleetView {
	now := h.now()
	v := worst(all)
	view := fleetView{
		frame: h.frame("./", "pgparity: "+fleetWord(all, v), v), Word: fleetWord(all, v), Headline: fleetHeadline(all), Facts: fleetFacts(all, now),
	}
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b Status) int { return cmp.Compare(report.Gravity(a.Verdict), report.Gravity(b.Verdict)) })
	view.Said = view.Word + ": " + view.Headline
	for i := range sorted {
		view.Pairs = append(view.Pairs, fleetRowOf(settled(&sorted[i], now), now))
	}
	return view
}

func fleetWord(all []Status, v checker.Verdict) string {
	if len(all) == 0 {
		return "no pairs"
	}
	return v.String()
}

func fleetHeadline(all []Status) string {
	var n [3]int64
	for i := range all {
		n[report.Gravity(all[i].Verdict)]++
	}
	switch {
	case len(all) == 0:
		return "Nothing is watched: the configuration names no pair."
	case n[2] == int64(len(all)) && n[2] == 1:
		return "The pair was found to hold the same data, and nothing since says otherwise."
	case n[2] == int64(len(all)):
		return "All " + grouped(n[2]) + " pairs were found to hold the same data, and nothing since says otherwise."
	}
	var parts []string
	for i, words := range [3][2]string{{"pair differs", "pairs differ"}, {"is not proven", "are not proven"}, {"matches", "match"}} {
		if n[i] > 0 {
			if i > 0 && len(parts) == 0 {
				words = [3][2]string{{}, {"pair is not proven", "pairs are not proven"}, {}}[i]
			}
			parts = append(parts, some(n[i], words[0], words[1]))
		}
	}
	return strings.Join(parts, ", ") + "."
}

func fleetFacts(all []Status, now time.Time) []fact {
	var open int64
	oldest, lag, lagS, watched := math.NaN(), int64(-1), math.NaN(), 0
	for i := range all {
		s := settled(&all[i], now)
		open += openFindings(s)
		if w := s.Watermark; w != nil && !(oldest >= w.AgeSeconds) {
			oldest = w.AgeSeconds
		}
		if l := s.Lag; l != nil {
			lag = max(lag, l.Bytes)
			if l.Seconds != nil && !(lagS >= *l.Seconds) {
				lagS = *l.Seconds
			}
		}
		if !troubled(s.Activity) && s.Activity != Starting {
			watched++
		}
	}
	facts := []fact{
		{grouped(int64(watched)) + " of " + grouped(int64(len(all))), "pairs watched"},
		{grouped(open), "open findings"},
	}
	if !math.IsNaN(oldest) {
		facts = append(facts, fact{span(oldest), "oldest watermark"})
	}
	switch {
	case !math.IsNaN(lagS):
		facts = append(facts, fact{span(lagS), "largest lag"})
	case lag >= 0:
		facts = append(facts, fact{size(lag), "largest lag"})
	}
	return facts
}

func fleetRowOf(s *Status, now time.Time) fleetRow {
	row := fleetRow{
		ID: anchor("pair", s.Name), Name: report.Name(s.Name), Href: "pair/" + url.PathEscape(s.Name), Sides: sidesText(s),
		Verdict: s.Verdict.String(), Proven: when(now, s.ProvenAt), Watermark: watermarkText(s.Watermark), Lag: lagText(s.Lag),
		Open: openFindings(s), Activity: busy(s), Troubled: troubled(s.Activity), Next: when(now, s.NextPassAt),
	}
	ages := watermarkAges(s.Samples)
	if row.Spark = sparkLine(ages, now); row.Spark != "" {
		row.SparkText = "watermark age over the last " + span(now.Sub(ages[0].at).Seconds())
	}
	if s.Activity == Passing {
		row.Bar = barOf(s.Pass)
		row.Next = nil
	}
	if s.Slot != nil && s.Slot.Dropped != "" {
		row.Note = "changes are not followed"
	}
	if row.Troubled {
		row.Next = nil
		row.Note = report.ShortSentence(s.LastError, 160)
	}
	if s.Cutover != nil && s.Cutover.Outcome == "" {
		row.Cutover = stateWord(s.Cutover.State)
	}
	return row
}

// barOf is how much of a pass is done, "" where none is planned. What is not whole does not look whole.
func barOf(p *Progress) string {
	if p == nil || p.ChunksPlanned <= 0 {
		return ""
	}
	if p.ChunksCompared >= p.ChunksPlanned {
		return "100"
	}
	return measure(math.Floor(min(100*float64(p.ChunksCompared)/float64(p.ChunksPlanned), 99)))
}

func sidesText(s *Status) string {
	if s.Source == (checker.ServerInfo{}) && s.Target == (checker.ServerInfo{}) {
		return "not reached yet"
	}
	databases := arrow(s.Source.Database, s.Target.Database)
	if s.Source.ServerVersion == "" && s.Target.ServerVersion == "" {
		return databases
	}
	return databases + ", PostgreSQL " + report.Name(s.Source.ServerVersion) + " → " + report.Name(s.Target.ServerVersion)
}

// arrow leads from a to b, where they differ.
func arrow(a, b string) string {
	if a == b {
		return report.Name(a)
	}
	return report.Name(a) + " → " + report.Name(b)
}

func watermarkText(w *Watermark) string {
	if w == nil {
		return ""
	}
	return span(w.AgeSeconds)
}

// lagText has what is known; nothing to apply is no lag, whatever the clock says.
func lagText(l *Lag) string {
	switch {
	case l == nil:
		return ""
	case l.Seconds == nil:
		return size(l.Bytes)
	case l.Bytes == 0 && *l.Seconds < 0.0005:
		return "none"
	default:
		return span(*l.Seconds) + ", " + size(l.Bytes)
	}
}
