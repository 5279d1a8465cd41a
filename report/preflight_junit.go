package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/preflight"
)

// The JUnit form of a preflight adds to verify's: a detector that had nothing
// to look at is skipped, and what does not fail a case is its output.
type preflightSuites struct {
	junitSuites
	Suites []preflightSuite `xml:"testsuite"`
}

type preflightSuite struct {
	junitSuite
	Cases []preflightCase `xml:"testcase"`
}

type preflightCase struct {
	junitCase
	Skipped *junitSkipped `xml:"skipped"`
	Output  *junitOutput  `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

func preflightJUnit(buf *bytes.Buffer, r *preflight.Result, _ Options) error {
	suite := preflightSuite{junitSuite: junitSuite{Name: "pgparity preflight", Properties: []junitProperty{
		{"source", strings.Join(preflightSide(r.Source), ", ")}, {"target", strings.Join(preflightSide(r.Target), ", ")},
		{"replication", carrierLine(r)}, {"coverage", carriedLine(r)}, {"looked", lookedLine(r)}, {"run", runLine(asRun(r))},
	}}}
	if r.Rehearsal != nil {
		suite.Properties = append(suite.Properties, junitProperty{"outage", outageOf(r.Rehearsal).sentence()})
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
	suite.put("pgparity.run", "verdict", shade(r.Verdict), string(r.Verdict), preflightHeadline(r), r.Reasons)
	for _, t := range turns(r) {
		suite.turn(&t)
	}
	buf.WriteString(xml.Header)
	enc := xml.NewEncoder(buf)
	enc.Indent("", "  ")
	head := junitSuites{Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time}
	err := enc.Encode(preflightSuites{junitSuites: head, Suites: []preflightSuite{suite}})
	buf.WriteString("\n")
	return err
}

// turn adds a detector's case: red by a block, an error where it could not
// look, else green with what it found as its output.
func (s *preflightSuite) turn(t *turn) {
	lines := turnLines(t)
	switch t.Word {
	case "block":
		s.put("pgparity.preflight", t.ID, checker.Mismatch, t.Word, t.Text, lines)
	case "unknown":
		s.put("pgparity.preflight", t.ID, checker.Unproven, t.Word, t.Text, lines)
	case "skipped":
		s.put("pgparity.preflight", t.ID, checker.Match, "", "", nil).Skipped = &junitSkipped{t.Text}
		s.Skipped++
	default:
		c := s.put("pgparity.preflight", t.ID, checker.Match, "", "", nil)
		if len(lines) > 0 {
			c.Output = &junitOutput{strings.Join(firstLines(lines), "\n")}
		}
	}
}

// put adds a case as verify's reports do, with this report's word for it.
func (s *preflightSuite) put(class, name string, v checker.Verdict, word, message string, body []string) *preflightCase {
	s.add(class, name, v, message, body)
	c := s.junitSuite.Cases[len(s.junitSuite.Cases)-1]
	for _, problem := range []*junitProblem{c.Failure, c.Error} {
		if problem != nil {
			problem.Type = word
		}
	}
	s.Cases = append(s.Cases, preflightCase{junitCase: c})
	return &s.Cases[len(s.Cases)-1]
}

// turnLines are what a detector has to say, the worst first.
func turnLines(t *turn) []string {
	var lines []string
	for i := range t.Unknown {
		u := &t.Unknown[i]
		lines = append(lines, "unknown"+noted(u.Acknowledged)+": "+unknownText(u))
	}
	for _, severity := range severities {
		for _, h := range t.Hazards {
			if h.Severity != severity {
				continue
			}
			lines = append(lines, hazardLine(&h))
		}
	}
	return lines
}

func hazardLine(h *preflight.Hazard) string {
	at := sideWord(h.Side)
	if h.Object != "" {
		at += " " + ident(h.Object)
	}
	line := shortSeverity(h.Severity) + noted(h.Acknowledged) + ": " + at + ": " + prose(h.Sentence)
	if h.Fix != "" {
		line += "; fix: " + statement(h.Fix)
	}
	return line
}

func noted(acknowledged bool) string {
	if acknowledged {
		return " (acknowledged)"
	}
	return ""
}

// firstLines bounds an output as a problem's text is bounded.
func firstLines(lines []string) []string {
	if len(lines) <= junitLines {
		return lines
	}
	return append(lines[:junitLines:junitLines], fmt.Sprintf("… and %d more", len(lines)-junitLines))
}
