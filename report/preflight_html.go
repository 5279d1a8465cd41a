package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

	"github.com/pgparity/pgparity/preflight"
)

//go:embed preflight.html.tmpl
var preflightSource string

//go:embed preflight.css
var preflightStyle string

// preflightTemplate is apart from verify's, and uses its parts.
var preflightTemplate = template.Must(template.Must(page.Clone()).New("preflight").Parse(preflightSource))

// openGroups bounds the hazards that a page shows unfolded.
const openGroups = 6

// preflightPage is what the template sees; of its strings the same holds as of
// htmlPage's.
type preflightPage struct {
	Style        template.CSS
	StyleHash    string
	Class        string // the verdict of verify that looks like this one
	Verdict      string
	Headline     string
	Reasons      []string
	Sides        []htmlSide
	Moving       htmlReplication
	Carrier      string
	Facts        []htmlFact
	Bar, Percent string
	Carried      string
	NotCarried   []group
	Window       *htmlWindow
	Hazards      []htmlSeverity
	Unknown      []group
	Acknowledged []htmlHazard
	Quiet        []group // unknown, and acknowledged
	Noted        string
	Notes        []string
	Turns        []htmlTurn
	Looked       string
	Run          string
}

// htmlWindow is what a team looks at before it chooses one.
type htmlWindow struct {
	Outage, Sentence string
	Class            string
	Phases           []htmlPhase
	Largest          []htmlBar
	Figures          []figureLine
}

// htmlPhase is a bar of the timeline, in percent of its scale. Width is ""
// where nothing is known.
type htmlPhase struct {
	Name, Writes, Estimate, How, Start, Width string
	Stops                                     bool
}

type htmlBar struct{ Name, Text, Share, Width string }

type htmlSeverity struct {
	Title, Class, Count string
	Hazards             []htmlHazard
}

type htmlHazard struct {
	hazardGroup
	Where string
	Open  bool
}

type htmlTurn struct{ ID, About, Word, Text string }

func preflightHTML(buf *bytes.Buffer, r *preflight.Result, _ Options) error {
	style := pageStyle + preflightStyle
	sum := sha256.Sum256([]byte(style))
	p := preflightPage{
		Style: template.CSS(style), StyleHash: base64.StdEncoding.EncodeToString(sum[:]),
		Class: shade(r.Verdict).String(), Verdict: string(r.Verdict), Headline: preflightHeadline(r),
		Reasons: sentences(r.Reasons), Notes: sentences(r.Notes),
		Sides:   []htmlSide{{"Source", preflightSide(r.Source)}, {"Target", preflightSide(r.Target)}},
		Carrier: carrierLine(r), Facts: preflightFacts(r), Carried: carriedLine(r), NotCarried: notCarried(r),
		Window: htmlWindowOf(r.Rehearsal), Hazards: htmlSeverities(r), Unknown: unknowns(r, false), Quiet: unknowns(r, true),
		Looked: preflightClose(r), Run: runLine(asRun(r)),
	}
	if r.Replication != nil {
		p.Moving.Evidence = sentences(r.Replication.Evidence)
	}
	p.Bar, p.Percent = carriedBar(&r.Coverage)
	for _, g := range acknowledgedHazards(r) {
		p.Acknowledged = append(p.Acknowledged, htmlHazard{hazardGroup: g, Where: g.where()})
	}
	if len(p.Acknowledged)+len(p.Quiet) > 0 {
		p.Noted = acknowledgedCount(r)
	}
	for _, t := range turns(r) {
		p.Turns = append(p.Turns, htmlTurn{t.ID, t.About, t.Word, t.Text})
	}
	return preflightTemplate.Execute(buf, p)
}

// carriedBar rounds down, as coverageBar does.
func carriedBar(c *preflight.Coverage) (bar, text string) {
	switch {
	case c.Tables <= 0:
		return "", ""
	case c.Carried == c.Tables && len(c.NotCarried) == 0:
		return "100", "all tables are carried whole"
	}
	share := 100 * float64(c.Carried) / float64(c.Tables)
	return fmt.Sprintf("%.2f", min(max(share, 0), 99)), fmt.Sprintf("%.0f percent of the tables are carried whole", min(max(share, 0), 99))
}

func preflightFacts(r *preflight.Result) []htmlFact {
	var facts []htmlFact
	for _, s := range severityTitles {
		_, open := r.Count(s.Severity)
		facts = append(facts, htmlFact{count(int64(open)), strings.ToLower(s.Title)})
	}
	facts = append(facts, htmlFact{count(int64(openUnknown(r))), "not looked for"}, htmlFact{count(int64(len(r.Checked))), "detectors"})
	if rh := r.Rehearsal; rh != nil {
		facts = append(facts, htmlFact{size(max(rh.Bytes, 0)), "to verify"})
		if rh.Lag != nil {
			facts = append(facts, htmlFact{size(max(rh.Lag.Bytes, 0)), "behind"})
		}
	}
	return facts
}

func htmlSeverities(r *preflight.Result) []htmlSeverity {
	var out []htmlSeverity
	shown := 0
	for _, s := range severityTitles {
		h := htmlSeverity{Title: s.Title, Class: string(s.Severity)}
		for _, g := range openHazards(r, s.Severity) {
			h.Hazards = append(h.Hazards, htmlHazard{g, g.where(), s.Severity == "block" && shown < openGroups && g.Total <= 20})
			shown++
		}
		if len(h.Hazards) > 0 {
			_, open := r.Count(s.Severity)
			h.Count = count(int64(open))
			out = append(out, h)
		}
	}
	return out
}

func htmlWindowOf(rh *preflight.Rehearsal) *htmlWindow {
	if rh == nil {
		return nil
	}
	o := outageOf(rh)
	w := &htmlWindow{Outage: o.figure(), Sentence: capital(o.sentence()), Phases: timeline(rh.Phases)}
	if o.Known == 0 || len(o.Unknown) > 0 {
		w.Class = "open"
	}
	last := ""
	for _, f := range figures(rh, 0) {
		if f.Name == "Largest" { // has bars
			continue
		}
		name := f.Name
		if name == last {
			f.Name = ""
		}
		last = name
		w.Figures = append(w.Figures, f)
	}
	for _, t := range rh.Largest {
		w.Largest = append(w.Largest, htmlBar{ident(t.Name), size(max(t.Bytes, 0)) + ", " + estimated(t.Rows, t.Bytes), percent(t.Share), fmt.Sprintf("%.2f", 100*min(max(t.Share, 0), 1))})
	}
	return w
}

// timeline places the phases one after the other on two scales: those in which
// writes go on take hours beside the seconds in which they stop, and on one
// scale the seconds, which are what a window is chosen by, would not be seen.
func timeline(phases []preflight.Phase) []htmlPhase {
	known := func(p *preflight.Phase) float64 {
		if p.EstimateMS == nil {
			return 0
		}
		return float64(max(*p.EstimateMS, 0))
	}
	whole := map[bool]float64{}
	for i := range phases {
		whole[phases[i].Writes] += known(&phases[i])
	}
	done := map[bool]float64{}
	out := make([]htmlPhase, len(phases))
	for i := range phases {
		p := &phases[i]
		h := htmlPhase{Name: prose(p.Name), Writes: writesWord(p), Estimate: spanOf(p.EstimateMS), How: prose(p.How), Stops: !p.Writes}
		if p.EstimateMS != nil {
			share := func(v float64) float64 { return 100 * v / max(whole[p.Writes], 1) }
			const least = 0.8 // what takes no time is still a step
			width := max(share(known(p)), least)
			h.Start, h.Width = fmt.Sprintf("%.2f", min(share(done[p.Writes]), 100-width)), fmt.Sprintf("%.2f", width)
			done[p.Writes] += known(p)
		}
		out[i] = h
	}
	return out
}
