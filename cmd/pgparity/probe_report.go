package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/probe"
	"github.com/pgparity/pgparity/report"
)

// probeReport is what probe replication prints.
type probeReport struct {
	pair           string // "" for none
	source, target postgres.Server
	*probe.Result
}

// spread is the least, the median and the greatest of some latencies, in
// milliseconds to the microsecond.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func spreadOf(latencies []time.Duration) *spread {
	if len(latencies) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(latencies))
	n := len(sorted)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return &spread{ms(sorted[0]), ms((sorted[(n-1)/2] + sorted[n/2]) / 2), ms(sorted[n-1])}
}

// writeText prints a table of the operations, what is to be known of those that
// were not seen, and the verdict.
func (p probeReport) writeText(w io.Writer) error {
	var b bytes.Buffer
	if p.pair != "" {
		fmt.Fprintf(&b, "  Pair    %s\n", report.Name(p.pair))
	}
	fmt.Fprintf(&b, "  Source  %s (PostgreSQL %s)\n", report.Name(p.source.Database), p.source.Version)
	fmt.Fprintf(&b, "  Target  %s (PostgreSQL %s)\n", report.Name(p.target.Database), p.target.Version)
	fmt.Fprintf(&b, "  Table   %s: key %s, updated %s\n\n", report.Name(p.Table), report.Name(p.KeyColumn), report.Name(p.ValueColumn))
	if err := p.writeTable(&b); err != nil {
		return err
	}
	p.writeReasons(&b)
	fmt.Fprintf(&b, "\n%s  %s\n", strings.ToUpper(string(p.Verdict())), p.headline())
	_, err := w.Write(b.Bytes())
	return err
}

func (p probeReport) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.StripEscape)
	head := "seen after"
	if p.Rounds > 1 {
		head = "rounds\tleast\tmedian\tgreatest"
	}
	fmt.Fprintf(t, "  direction\toperation\t%s\n", head)
	for _, op := range p.Operations {
		fmt.Fprintf(t, "  %s → %s\t%s\t%s\n", op.From, op.To, strings.ToUpper(string(op.Kind)), p.cells(op))
	}
	return t.Flush()
}

func (p probeReport) cells(op *probe.Operation) string {
	s := spreadOf(op.Latencies)
	word := strings.ReplaceAll(string(op.Outcome), "_", " ")
	switch {
	case p.Rounds == 1 && op.Outcome != probe.Seen:
		return word
	case p.Rounds == 1:
		return fmt.Sprintf("%.1f ms", s.Median)
	case s == nil:
		return "0\t" + word
	case op.Outcome != probe.Seen:
		return fmt.Sprintf("%d\t%.1f ms\t%.1f ms\t%.1f ms\tthen %s", len(op.Latencies), s.Min, s.Median, s.Max, word)
	}
	return fmt.Sprintf("%d\t%.1f ms\t%.1f ms\t%.1f ms", len(op.Latencies), s.Min, s.Median, s.Max)
}

// writeReasons says why operations were not seen.
func (p probeReport) writeReasons(w io.Writer) {
	vain := false
	for i, op := range p.Operations {
		if op.Why == "" {
			continue
		}
		if i == 0 || !slices.ContainsFunc(p.Operations[:i], func(o *probe.Operation) bool { return o.Why != "" }) {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "  - %s → %s %s: %s\n", op.From, op.To, strings.ToUpper(string(op.Kind)), report.Sentence(op.Why))
		vain = vain || op.Outcome == probe.NotSeen
	}
	if vain {
		fmt.Fprint(w, `
  What to look at: is the table published (with native replication: in the
  publication, for that operation, and ALTER SUBSCRIPTION … REFRESH PUBLICATION
  done since), does the subscription run, and is it just slow (--timeout)?
`)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "\n  Note: %s\n", report.Sentence(n))
	}
}

func (p probeReport) headline() string {
	seen := 0
	for _, op := range p.Operations {
		if op.Outcome == probe.Seen {
			seen++
		}
	}
	text := fmt.Sprintf("%d of %d operations were seen on the other side", seen, len(p.Operations))
	switch len(p.Left) {
	case 0:
		return text + "; nothing is left of them"
	case 1:
		return text + "; 1 row may be left"
	}
	return fmt.Sprintf("%s; %d rows may be left", text, len(p.Left))
}

// The JSON form: fields are added, never renamed.
type (
	probeDocument struct {
		SchemaVersion int                  `json:"schema_version"`
		Verdict       probe.Verdict        `json:"verdict"`
		Pair          string               `json:"pair,omitempty"`
		Source        probeServerJSON      `json:"source"`
		Target        probeServerJSON      `json:"target"`
		Table         string               `json:"table"`
		KeyColumn     string               `json:"key_column"`
		ValueColumn   string               `json:"value_column"`
		Rounds        int                  `json:"rounds"`
		TimeoutMS     int64                `json:"timeout_ms"`
		Operations    []probeOperationJSON `json:"operations"`
		Left          []probeLeftJSON      `json:"left"`
		Notes         []string             `json:"notes"`
	}
	probeServerJSON struct {
		ServerVersion string `json:"server_version"`
		Database      string `json:"database"`
	}
	probeOperationJSON struct {
		From       postgres.Side `json:"from"`
		To         postgres.Side `json:"to"`
		Operation  probe.Kind    `json:"operation"`
		Outcome    probe.Outcome `json:"outcome"`
		Reason     string        `json:"reason,omitempty"`
		RoundsSeen int           `json:"rounds_seen"`
		LatencyMS  *spread       `json:"latency_ms"` // null where it was never seen
	}
	probeLeftJSON struct {
		Side   postgres.Side `json:"side"`
		Table  string        `json:"table"`
		Key    string        `json:"key"`
		Reason string        `json:"reason"`
		SQL    string        `json:"sql"`
	}
)

// probeSchemaVersion is the version of the JSON form.
const probeSchemaVersion = 1

func (p probeReport) writeJSON(w io.Writer) error {
	doc := probeDocument{SchemaVersion: probeSchemaVersion, Verdict: p.Verdict(), Pair: p.pair,
		Source: probeServerJSON{p.source.Version, p.source.Database}, Target: probeServerJSON{p.target.Version, p.target.Database},
		Table: p.Table, KeyColumn: p.KeyColumn, ValueColumn: p.ValueColumn, Rounds: p.Rounds, TimeoutMS: p.Timeout.Milliseconds(),
		Operations: []probeOperationJSON{}, Left: []probeLeftJSON{}, Notes: append([]string{}, p.Notes...)}
	for _, op := range p.Operations {
		doc.Operations = append(doc.Operations, probeOperationJSON{From: op.From, To: op.To, Operation: op.Kind, Outcome: op.Outcome,
			Reason: op.Why, RoundsSeen: len(op.Latencies), LatencyMS: spreadOf(op.Latencies)})
	}
	for _, l := range p.Left {
		doc.Left = append(doc.Left, probeLeftJSON{l.Side, l.Table, l.Key, l.Why, l.SQL})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
