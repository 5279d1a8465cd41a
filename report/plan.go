package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/pairing"
)

// Plan is what `pgparity plan` found: how a pair would be compared.
type Plan struct {
	Name           string // the pair's, "" for none
	Source, Target checker.ServerInfo
	Checks         []string
	Tables         []checker.TablePlan
	Pair           *pairing.Pair
}

// WritePlan renders a plan as text or json. Numbers of rows, bytes and chunks
// are the planner's estimates, and are called so.
func WritePlan(w io.Writer, plan Plan, f Format, o Options) error {
	var buf bytes.Buffer
	var err error
	switch f {
	case JSON:
		err = planJSON(&buf, plan)
	case Text:
		err = planText(&buf, plan, o)
	default:
		return fmt.Errorf("a plan has no format %q: use one of %s, %s", f, Text, JSON)
	}
	if err != nil {
		return fmt.Errorf("report: render plan: %w", err)
	}
	_, err = w.Write(buf.Bytes())
	return err
}

// estimate is what a plan's reading will take, as the planner guesses it.
type estimate struct {
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"`
	Chunks int   `json:"chunks"`
}

func (p Plan) total() (tables int, e estimate) {
	for i := range p.Tables {
		if t := &p.Tables[i]; t.Reason == "" {
			tables++
			e.Rows, e.Bytes, e.Chunks = e.Rows+t.Plan.Rows, e.Bytes+t.Plan.Bytes, e.Chunks+t.Plan.Chunks
		}
	}
	return tables, e
}

func planText(buf *bytes.Buffer, plan Plan, o Options) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, narrowest)
	p := &textPage{buf, o}
	if plan.Name != "" {
		p.item("  Pair", labelColumns, "", ident(plan.Name))
	}
	p.item("  Source", labelColumns, "", sideLine(plan.Source))
	p.item("  Target", labelColumns, "", sideLine(plan.Target))
	p.item("  Checks", labelColumns, "", strings.Join(plan.Checks, ", "))
	if err := p.planTable(plan); err != nil {
		return err
	}
	p.planDetails(plan)
	p.groups("Cannot be compared", planUncompared(plan))
	p.groups("On one side only", planOneSided(plan))
	p.groups("Excluded on purpose", planExcluded(plan))
	p.planClose(plan)
	return nil
}

func (p *textPage) planTable(plan Plan) error {
	rows := [][]string{{"table", "how", "est.\nchunks", "est.\nrows", "est.\nsize"}}
	for i := range plan.Tables {
		t := &plan.Tables[i]
		if t.Reason == "" {
			rows = append(rows, []string{ident(t.Name), string(t.Way) + " " + string(t.Plan.Strategy),
				count(int64(t.Plan.Chunks)), count(t.Plan.Rows), size(t.Plan.Bytes)})
		}
	}
	if len(rows) == 1 {
		return nil
	}
	widths := naturalWidths(rows)
	rest := p.Width - tableIndent - tableGap*(len(widths)-1)
	for _, w := range widths[1:] {
		rest -= w
	}
	widths[0] = min(widths[0], max(rest, tightestName))
	for _, row := range rows {
		row[0] = shorten(row[0], widths[0])
	}
	p.section("Tables")
	return p.draw(rows, widths)
}

// planDetails says per table why it is compared the way it is.
func (p *textPage) planDetails(plan Plan) {
	open := false
	for i := range plan.Tables {
		t := &plan.Tables[i]
		if t.Reason != "" {
			continue
		}
		if !open {
			p.section("Why so")
			open = true
		}
		p.item("", 2, "", p.bold(ident(t.Name)))
		p.item("    plan", 13, "", string(t.Plan.Strategy)+": "+prose(t.Plan.Why))
		if len(t.Key) > 0 {
			names := make([]string, len(t.Key))
			for i, k := range t.Key {
				names[i] = ident(k)
			}
			p.item("    key", 13, "", strings.Join(names, ", ")+" ("+prose(t.KeyWhy)+")")
		} else {
			p.item("    key", 13, "", "none: "+prose(t.KeyWhy))
		}
		if t.Sample != "" {
			p.item("    sample", 13, "", prose(t.Sample))
		}
		p.planColumns(t)
	}
}

func (p *textPage) planColumns(t *checker.TablePlan) {
	var other []checker.Skipped
	for _, c := range t.Columns {
		if c.Why != "" {
			other = append(other, checker.Skipped{Object: c.Name, Reason: c.Form + ": " + c.Why})
		}
	}
	text := plural(int64(len(t.Columns)), "column", "columns")
	if len(other) == 0 {
		text += ", each by the preferred form of its type"
	} else {
		text += fmt.Sprintf(", %d of them not by the preferred form of their type", len(other))
	}
	p.item("    columns", 13, "", text)
	if p.Verbose {
		for _, c := range t.Columns {
			line := ident(c.Name) + ": " + prose(c.Form)
			if c.Why != "" {
				line += " (" + prose(c.Why) + ")"
			}
			p.item("", 13, "- ", line)
		}
		return
	}
	for _, g := range groups(other) {
		p.item("", 13, "- ", p.said(g))
	}
}

func planUncompared(plan Plan) []group {
	var said []checker.Skipped
	for _, t := range plan.Tables {
		if t.Reason != "" && !t.OneSided {
			said = append(said, checker.Skipped{Object: t.Name, Reason: t.Reason})
		}
		for _, n := range t.Notes {
			if n != t.Reason {
				said = append(said, checker.Skipped{Object: t.Name, Reason: n})
			}
		}
		for _, c := range t.Undecidable {
			said = append(said, checker.Skipped{Object: t.Name + "." + c.Name, Reason: c.Why})
		}
	}
	return groups(said)
}

func planOneSided(plan Plan) []group {
	var said []checker.Skipped
	for _, t := range plan.Tables {
		if t.OneSided {
			said = append(said, checker.Skipped{Object: t.Name, Reason: t.Reason})
		}
	}
	for _, d := range plan.Pair.Differences {
		switch d.Kind {
		case "missing_column":
			said = append(said, checker.Skipped{Object: d.Object, Reason: "missing on the target"})
		case "extra_column":
			said = append(said, checker.Skipped{Object: d.Object, Reason: "on the target only"})
		}
	}
	return groups(said)
}

func planExcluded(plan Plan) []group {
	var said []checker.Skipped
	for _, o := range plan.Pair.Excluded {
		said = append(said, checker.Skipped{Object: o.Object, Reason: o.Reason})
	}
	return groups(said)
}

func (p *textPage) planClose(plan Plan) {
	for _, g := range plan.Pair.Unmatched {
		p.section("Filter")
		p.item("", 2, "- ", fmt.Sprintf("no table matches %q: verify will be unproven", prose(g)))
	}
	tables, e := plan.total()
	p.WriteString("\n")
	p.item("TOTAL", 7, "", fmt.Sprintf("%s, %s; est. %s, %s, %s", plural(int64(tables), "table", "tables"),
		plural(int64(len(plan.Pair.Sequences)), "sequence", "sequences"), plural(int64(e.Chunks), "chunk", "chunks"),
		plural(e.Rows, "row", "rows"), size(e.Bytes)))
}

// size writes bytes with a unit.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// The JSON form of a plan: fields are added, never renamed.
type (
	planDocument struct {
		SchemaVersion int                `json:"schema_version"`
		Pair          string             `json:"pair,omitempty"`
		Source        checker.ServerInfo `json:"source"`
		Target        checker.ServerInfo `json:"target"`
		Checks        []string           `json:"checks"`
		Tables        []planTableJSON    `json:"tables"`
		Sequences     []string           `json:"sequences"`
		Excluded      []checker.Skipped  `json:"excluded"`
		Unmatched     []string           `json:"unmatched"` // globs that chose nothing
		Estimated     estimate           `json:"estimated"`
	}
	planTableJSON struct {
		Name      string           `json:"name"`
		Compared  bool             `json:"compared"`
		Reason    string           `json:"reason,omitempty"` // why it is not
		Plan      string           `json:"plan,omitempty"`
		PlanWhy   string           `json:"plan_why,omitempty"`
		Key       []string         `json:"key"`
		KeyWhy    string           `json:"key_why,omitempty"`
		Sample    string           `json:"sample,omitempty"` // how the check "sample" would go
		Digest    string           `json:"digest,omitempty"`
		Columns   []planColumnJSON `json:"columns"`
		Uncovered []planColumnJSON `json:"not_compared"` // columns that no digest fits
		Notes     []string         `json:"notes"`
		Estimated estimate         `json:"estimated"`
	}
	planColumnJSON struct {
		Name string `json:"name"`
		Form string `json:"form,omitempty"`
		Why  string `json:"why,omitempty"`
	}
)

func planJSON(buf *bytes.Buffer, plan Plan) error {
	_, total := plan.total()
	doc := planDocument{SchemaVersion: schemaVersion, Pair: plan.Name, Source: plan.Source, Target: plan.Target, Checks: plan.Checks,
		Tables: []planTableJSON{}, Sequences: []string{}, Excluded: []checker.Skipped{}, Unmatched: append([]string{}, plan.Pair.Unmatched...), Estimated: total}
	for _, t := range plan.Tables {
		j := planTableJSON{Name: t.Name, Compared: t.Reason == "", Reason: t.Reason, Plan: string(t.Plan.Strategy), PlanWhy: t.Plan.Why,
			Key: append([]string{}, t.Key...), KeyWhy: t.KeyWhy, Sample: t.Sample, Digest: string(t.Way), Columns: []planColumnJSON{}, Uncovered: []planColumnJSON{},
			Notes: append([]string{}, t.Notes...), Estimated: estimate{t.Plan.Rows, t.Plan.Bytes, t.Plan.Chunks}}
		for _, c := range t.Columns {
			j.Columns = append(j.Columns, planColumnJSON{c.Name, c.Form, c.Why})
		}
		for _, c := range t.Undecidable {
			j.Uncovered = append(j.Uncovered, planColumnJSON{Name: c.Name, Why: c.Why})
		}
		doc.Tables = append(doc.Tables, j)
	}
	for _, q := range plan.Pair.Sequences {
		doc.Sequences = append(doc.Sequences, q.Name)
	}
	for _, o := range plan.Pair.Excluded {
		doc.Excluded = append(doc.Excluded, checker.Skipped{Object: o.Object, Reason: o.Reason})
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
