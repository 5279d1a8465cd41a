package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/schema"
)

//go:embed cutover.html.tmpl
var cutoverSource string

//go:embed cutover.css
var cutoverStyle string

// cutoverTemplate is apart from the others', and uses their parts.
var cutoverTemplate = template.Must(template.Must(preflightTemplate.Clone()).New("cutover").Parse(cutoverSource))

// cutoverPage is what the template sees; of its strings the same holds as of
// htmlPage's.
type cutoverPage struct {
	Style          template.CSS
	StyleHash      string
	Class          string // the verdict of verify that looks like this outcome, or plain
	Command        string
	Word, Sentence string
	Reasons, Next  []string
	Found          []string
	Figure         string // how long writes stop, or stopped
	FigureClass    string
	FigureText     string
	Saw            []proofLine
	Picture        template.HTML
	Sides          []htmlSide
	Facts          []htmlFact
	Proofs         []proofLine
	GateClass      string
	Findings       []string
	Tables         []htmlClaim
	TablesOpen     bool
	Claims         string
	Failures       []htmlFailure
	Steps          []htmlStep
	Plan           bool
	People         []string
	Abort, Back    []string
	TakeBack       []htmlStep
	Preflight      string
	Hazards        []htmlSeverity
	Unknown        []group
	Notes          []string
	Run            string
	AnyToRun       bool
}

type htmlClaim struct{ Name, Claim, Word, Rows, Why string }

type htmlFailure struct {
	Title, Error string
	Do           *htmlCode
}

type htmlCode struct {
	Text  string
	Exact bool
}

// htmlStep is a step; Start and Width place its bar in percent of its part's
// scale, Width is "" where nothing is known.
type htmlStep struct {
	Number                         int
	Name, What, Took, Allowed      string
	Word, Border, Start, Width     string
	Skipped, Error                 string
	Stops, Late, NoReturn, Visible bool
	Actions, Undo                  []htmlAction
}

type htmlAction struct {
	Number, ID, Kind, Place, Why, Took, Error string
	Do                                        *htmlCode
}

func cutoverHTML(buf *bytes.Buffer, r *cutover.Result, _ Options) error {
	p := cutoverPage{
		Class: "plain", Command: prose(r.Command), Word: outcomeWord(r), Sentence: outcomeSentence(r),
		Reasons: sentences(r.Reasons), Next: sentences(r.Next), Notes: sentences(r.Notes),
		Sides:  []htmlSide{{"Source", preflightSide(r.Source)}, {"Target", preflightSide(r.Target)}},
		Facts:  cutoverFacts(r),
		Proofs: proofs(r), Failures: htmlFailures(r), Steps: htmlSteps(r), Plan: r.Command == "plan", Run: cutoverRunLine(r),
	}
	if v, tells := mood(r); tells {
		p.Class = v.String()
	}
	style := pageStyle + preflightStyle + cutoverStyle + p.outage(r)
	sum := sha256.Sum256([]byte(style))
	p.Style, p.StyleHash = template.CSS(style), base64.StdEncoding.EncodeToString(sum[:])
	p.gate(r.Gate)
	if p.Plan {
		p.People = people(r)
		if r.Strategy != cutover.VerifyOnly {
			p.Abort, p.Back = abortText(r), backText(r)
			back := takeBack(r.Steps)
			for i := range back {
				p.TakeBack = append(p.TakeBack, htmlStep{Name: stepName(&back[i], 0), Actions: htmlActions(fmt.Sprintf("abort.%d.", i+1), back[i].Actions)})
			}
		}
	}
	for _, s := range p.Steps {
		p.AnyToRun = p.AnyToRun || s.Visible
	}
	if r.Command == "status" {
		p.Found, p.Notes = p.Notes, nil
	}
	if f := r.Preflight; f != nil {
		p.Preflight = string(f.Verdict) + ": " + preflightHeadline(f)
		for _, h := range htmlSeverities(f) {
			if h.Class != string(schema.Info) {
				p.Hazards = append(p.Hazards, h)
			}
		}
		p.Unknown = unknowns(f, false)
	}
	return cutoverTemplate.Execute(buf, p)
}

// outage is the figure that everybody looks for first. It returns the style of
// its picture.
func (p *cutoverPage) outage(r *cutover.Result) (style string) {
	switch {
	case p.Plan && r.Strategy != cutover.VerifyOnly:
		p.FigureText = capital(predictedSentence(r))
		if p.Figure, p.FigureClass = spanOf(r.PredictedMS), ""; r.PredictedMS == nil {
			p.FigureClass = "open"
		}
	case r.Outage != nil:
		p.Figure, p.FigureText = took(r.Outage.WriteMS), capital(outageSentence(r))
		if r.Outage.Writes == 0 {
			p.Figure, p.FigureClass = notKnown, "open"
		}
		last := ""
		for _, l := range outageFigures(r) {
			if l.Name == last {
				l.Name = ""
			} else {
				last = l.Name
			}
			p.Saw = append(p.Saw, l)
		}
		p.Picture, style = picture(r.Outage)
	}
	return style
}

func (p *cutoverPage) gate(g *cutover.Gate) {
	if g == nil {
		return
	}
	p.GateClass = checker.Mismatch.String()
	if g.Passed {
		p.GateClass = checker.Match.String()
	}
	p.Findings, p.Claims = sentences(g.Findings), claimsText(g)
	for _, t := range weakest(g.Tables) {
		p.Tables = append(p.Tables, htmlClaim{ident(t.Name), t.Claim, claimWord(t.Claim), claimRows(&t), prose(t.Why)})
	}
	p.TablesOpen = len(p.Tables) <= manyMatches
}

func cutoverFacts(r *cutover.Result) []htmlFact {
	facts := []htmlFact{{ident(string(r.State)), "state"}}
	if since := reached(r); since != "" {
		facts[0].Name = "state, since " + since
	}
	strategy, _, _ := strings.Cut(strategyText(r.Strategy), ":")
	facts = append(facts, htmlFact{strategy, "strategy"})
	if n := attempts(r.Steps); n > 1 {
		facts = append(facts, htmlFact{count(int64(n)), "attempts"})
	}
	if d, ok := elapsed(cutoverRun(r)); ok && r.Command != "plan" && r.Command != "status" {
		facts = append(facts, htmlFact{d, "duration"})
	}
	if r.FenceLSN != "" {
		facts = append(facts, htmlFact{ident(r.FenceLSN), "drained up to"})
	}
	return facts
}

func htmlFailures(r *cutover.Result) []htmlFailure {
	var out []htmlFailure
	for _, f := range failures(r) {
		h := htmlFailure{Title: f.Step, Error: f.Error}
		if f.Action != nil {
			h.Title += ": " + ident(f.Action.ID) + ", " + place(f.Action.On)
			h.Do = htmlCodeOf(f.Action.Do)
		}
		h.Title += f.often()
		out = append(out, h)
	}
	return out
}

func htmlCodeOf(do string) *htmlCode {
	if do == "" {
		return nil
	}
	lines, exact := statementLines(do)
	return &htmlCode{strings.Join(lines, "\n"), exact}
}

// htmlSteps places the steps' bars one after the other, on a scale for each
// part of the switch: what is prepared takes hours, and the window, which is
// what everybody looks at, parts of a second.
func htmlSteps(r *cutover.Result) []htmlStep {
	whole, done := map[part]float64{}, map[part]float64{}
	for i := range r.Steps {
		whole[partOf(r.Steps[i].State)] += stepMS(&r.Steps[i])
	}
	n, words := attempts(r.Steps), stepWords(r)
	out := make([]htmlStep, len(r.Steps))
	for i := range r.Steps {
		s := &r.Steps[i]
		of := partOf(s.State)
		h := htmlStep{
			Number: i + 1, Name: stepName(s, n), What: prose(s.What), Word: words[i], Border: capital(border(r.Steps, i)),
			Skipped: prose(s.Skipped), Error: prose(s.Error), Stops: of == window, Late: late(s), NoReturn: s.State == cutover.PNR,
			Actions: htmlActions(fmt.Sprintf("%d.", i+1), s.Actions), Undo: htmlActions(fmt.Sprintf("%d.undo.", i+1), s.Undo),
		}
		h.Visible = len(h.Actions)+len(h.Undo) > 0
		h.Took, h.Allowed = stepTimes(s)
		if s.TookMS != nil || s.PredictedMS != nil {
			share := func(v float64) float64 { return 100 * v / max(whole[of], 1e-9) }
			const least = 0.8 // what takes no time is still a step
			width := min(max(share(stepMS(s)), least), 100)
			h.Start, h.Width = fmt.Sprintf("%.2f", min(share(done[of]), 100-width)), fmt.Sprintf("%.2f", width)
			done[of] += stepMS(s)
		}
		out[i] = h
	}
	return out
}

// stepTimes are what a step took, or is expected to take, and what it may.
func stepTimes(s *cutover.StepResult) (lasted, allowed string) {
	budget, predicted := budgets(s)
	var more []string
	switch {
	case s.TookMS != nil:
		lasted = took(*s.TookMS)
		if predicted != "-" {
			more = append(more, "predicted "+predicted)
		}
	case predicted != "-":
		lasted = "about " + predicted
	}
	if budget != "-" {
		more = append(more, "budget "+budget)
	}
	return lasted, strings.Join(more, ", ")
}

func htmlActions(number string, list []cutover.Action) []htmlAction {
	var out []htmlAction
	for i := range list {
		a := &list[i]
		h := htmlAction{Number: fmt.Sprintf("%s%d", number, i+1), ID: ident(a.ID), Kind: actionKind(a), Place: place(a.On), Why: prose(a.Why), Error: prose(a.Error), Do: htmlCodeOf(typed(a))}
		if a.TookMS != nil {
			h.Took = took(*a.TookMS)
		}
		out = append(out, h)
	}
	return out
}
