package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// junitLines bounds the lines of one test case's body.
const junitLines = 100

// The JUnit form that pipelines read. A mismatch is a failure; unproven is
// an error, for "skipped" would leave the pipeline green.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr,omitempty"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr,omitempty"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	ClassName string        `xml:"classname,attr"`
	Name      string        `xml:"name,attr"`
	Failure   *junitProblem `xml:"failure"`
	Error     *junitProblem `xml:"error"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

func writeJUnit(buf *bytes.Buffer, r *checker.Result, _ Options) error {
	suite := junitSuite{Name: "pgparity verify", Properties: []junitProperty{
		{"source", sideLine(r.Source)}, {"target", sideLine(r.Target)}, {"coverage", coverageLine(r)},
		{"excluded", count(int64(len(r.Coverage.Excluded)))}, {"run", runLine(r)},
	}}
	if r.Sampled != nil {
		suite.Properties = append(suite.Properties, junitProperty{"sampled", prose(r.Sampled.Sentence)})
	}
	suite.Properties = append(suite.Properties, junitReplication(r)...)
	if r.Pair != "" {
		suite.Name += " " + ident(r.Pair)
	}
	if !r.StartedAt.IsZero() {
		suite.Timestamp = r.StartedAt.Format("2006-01-02T15:04:05")
		if !r.FinishedAt.Before(r.StartedAt) {
			suite.Time = fmt.Sprintf("%.3f", r.FinishedAt.Sub(r.StartedAt).Seconds())
		}
	}
	// The run's own verdict comes first: it is red even when there is no
	// table and no sequence that could be.
	suite.add("pgparity.run", "verdict", r.Verdict, headline(r), r.Reasons)
	for i := range r.Tables {
		t := &r.Tables[i]
		suite.add("pgparity.tables", ident(t.Name), t.Verdict, tableMessage(t), tableBody(t))
	}
	for i := range r.Sequences {
		s := &r.Sequences[i]
		suite.add("pgparity.sequences", ident(s.Name), s.Verdict, sequenceText(s), nil)
	}
	named := map[string]bool{}
	for _, t := range r.Tables {
		named[t.Name] = true
	}
	for _, s := range r.Coverage.Skipped {
		if !named[s.Object] {
			suite.add("pgparity.skipped", ident(s.Object), checker.Unproven, prose(s.Reason), nil)
		}
	}
	buf.WriteString(xml.Header)
	enc := xml.NewEncoder(buf)
	enc.Indent("", "  ")
	err := enc.Encode(junitSuites{
		Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time,
		Suites: []junitSuite{suite},
	})
	buf.WriteString("\n")
	return err
}

// add appends a case. message must be safe to show already, the body's lines
// are made so here.
func (s *junitSuite) add(class, name string, v checker.Verdict, message string, body []string) {
	c := junitCase{ClassName: class, Name: name}
	if len(body) > junitLines {
		body = append(body[:junitLines:junitLines], fmt.Sprintf("… and %d more", len(body)-junitLines))
	}
	lines := make([]string, len(body))
	for i, l := range body {
		lines[i] = prose(l)
	}
	problem := &junitProblem{Message: message, Type: v.String(), Text: strings.Join(lines, "\n")}
	s.Tests++
	switch v {
	case checker.Match:
	case checker.Mismatch:
		c.Failure = problem
		s.Failures++
	default:
		c.Error = problem
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func tableMessage(t *checker.TableResult) string {
	var parts []string
	if n := total(t); n > 0 {
		parts = append(parts, plural(n, "finding", "findings"))
	}
	if unsettled(t) > 0 {
		parts = append(parts, unsettledCount(t))
	}
	if t.Error != "" {
		parts = append(parts, prose(t.Error))
	}
	parts = append(parts, fmt.Sprintf("%s of %s compared", count(t.Chunks.Compared), plural(t.Chunks.Planned, "chunk", "chunks")))
	return strings.Join(parts, "; ")
}

func tableBody(t *checker.TableResult) []string {
	var lines []string
	for i := range t.Findings {
		f := &t.Findings[i]
		lines = append(lines, f.Kind+" "+findingText(t, f))
		lines = append(lines, valuesOf(f)...)
	}
	if more := moreFindings(t, len(t.Findings)); more != "" {
		lines = append(lines, more)
	}
	return append(append(lines, junitUnsettled(t)...), t.Notes...)
}
