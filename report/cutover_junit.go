package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
)

// The JUnit form of a cutover: a case for the outcome, for each step, for each
// gate, and for what was proved. What was tried again is skipped, with its
// error as the message: it is neither green nor why a pipeline should stop.
type cutoverSuites struct {
	junitSuites
	Suites []cutoverSuite `xml:"testsuite"`
}

type cutoverSuite struct {
	junitSuite
	Cases []cutoverCase `xml:"testcase"`
}

type cutoverCase struct {
	junitCase
	Time    string        `xml:"time,attr,omitempty"`
	Skipped *junitSkipped `xml:"skipped"`
	Output  *junitOutput  `xml:"system-out"`
}

func cutoverJUnit(buf *bytes.Buffer, r *cutover.Result, _ Options) error {
	suite := cutoverSuite{junitSuite: junitSuite{Name: strings.TrimSpace("pgparity cutover " + prose(r.Command)), Properties: []junitProperty{
		{"source", strings.Join(preflightSide(r.Source), ", ")}, {"target", strings.Join(preflightSide(r.Target), ", ")},
		{"direction", prose(string(r.Direction))}, {"strategy", prose(string(r.Strategy))}, {"state", stateText(r)}, {"run", cutoverRunLine(r)},
	}}}
	for _, l := range append(proofs(r), outageFigures(r)...) {
		suite.Properties = append(suite.Properties, junitProperty{strings.ToLower(l.Name), l.Text})
	}
	if r.Pair != "" {
		suite.Name += " " + ident(r.Pair)
	}
	if !r.StartedAt.IsZero() {
		suite.Timestamp = r.StartedAt.Format("2006-01-02T15:04:05")
		if !r.FinishedAt.Before(r.StartedAt) {
			suite.Time = fmt.Sprintf("%.3f", r.FinishedAt.Sub(r.StartedAt).Seconds())
		}
	}
	verdict, _ := mood(r)
	suite.put("pgparity.run", "outcome", verdict, string(r.Outcome), outcomeSentence(r), r.Reasons)
	n, words := attempts(r.Steps), stepWords(r)
	for i := range r.Steps {
		suite.step(&r.Steps[i], words[i], n)
	}
	if g := r.Gate; g != nil {
		v := checker.Match
		if !g.Passed {
			v = checker.Mismatch
		}
		suite.put("pgparity.cutover.proof", "gate", v, "gate", gateText(g), g.Findings)
	}
	if e := r.Verified; e != nil {
		suite.put("pgparity.cutover.proof", "verified", e.Verdict, e.Verdict.String(), evidenceText(e, r.StartedAt), nil)
	}
	buf.WriteString(xml.Header)
	enc := xml.NewEncoder(buf)
	enc.Indent("", "  ")
	head := junitSuites{Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time}
	err := enc.Encode(cutoverSuites{junitSuites: head, Suites: []cutoverSuite{suite}})
	buf.WriteString("\n")
	return err
}

// step adds the case of a step, and those of its gates.
func (s *cutoverSuite) step(step *cutover.StepResult, word string, attempts int) {
	name := stepName(step, attempts)
	var failed []string
	for k := range step.Actions {
		if a := &step.Actions[k]; a.Error != "" {
			failed = append(failed, actionTitle(a)+": "+prose(a.Error))
		}
	}
	c := s.tried("pgparity.cutover.steps", name, word, prose(step.Error), failed)
	c.Time = seconds(step.TookMS)
	if step.Skipped != "" {
		c.Skipped.Message = prose(step.Skipped)
	}
	for k := range step.Actions {
		a := &step.Actions[k]
		if !a.Gate {
			continue
		}
		of := "done"
		switch {
		case a.Error != "" && word == "retried":
			of = word
		case a.Error != "":
			of = "failed"
		case a.TookMS == nil:
			of = "planned"
		}
		g := s.tried("pgparity.cutover.gates", name+": "+ident(a.ID), of, prose(a.Error), nil)
		g.Time = seconds(a.TookMS)
		if a.Why != "" {
			g.Output = &junitOutput{prose(a.Why)}
		}
	}
}

// tried adds a case by the word for what came of it. Only what was done is
// green: a plan proves nothing.
func (s *cutoverSuite) tried(class, name, word, message string, body []string) *cutoverCase {
	if word == "failed" || word == "not ended" {
		return s.put(class, name, checker.Mismatch, word, strings.TrimSuffix(word+": "+message, ": "), body)
	}
	c := s.put(class, name, checker.Match, "", "", nil)
	if word != "done" {
		c.Skipped = &junitSkipped{strings.TrimSuffix(word+": "+message, ": ")}
		s.Skipped++
	}
	return c
}

// put adds a case as verify's reports do, with this report's word for it.
func (s *cutoverSuite) put(class, name string, v checker.Verdict, word, message string, body []string) *cutoverCase {
	s.add(class, name, v, message, body)
	c := s.junitSuite.Cases[len(s.junitSuite.Cases)-1]
	for _, problem := range []*junitProblem{c.Failure, c.Error} {
		if problem != nil {
			problem.Type = prose(word)
		}
	}
	s.Cases = append(s.Cases, cutoverCase{junitCase: c})
	return &s.Cases[len(s.Cases)-1]
}

func seconds(ms *float64) string {
	if ms == nil {
		return ""
	}
	return fmt.Sprintf("%.3f", *ms/1000)
}
