package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// The tables stand between these marks in the document.
const (
	begin = "<!-- bench:begin -->"
	end   = "<!-- bench:end -->"
)

// publish prints the tables and writes them where the options say.
func publish(f figures, o options) error {
	text := f.markdown()
	fmt.Println(text)
	if o.json != "" {
		b, err := json.MarshalIndent(f, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	page, err := o.page(text)
	if err != nil || page == "" {
		return err
	}
	return os.WriteFile(o.doc, []byte(page), 0o644)
}

// page is the document with the text in it, "" where none is asked for.
func (o options) page(text string) (string, error) {
	if o.doc == "" {
		return "", nil
	}
	old, err := os.ReadFile(o.doc)
	if err != nil {
		return "", err
	}
	page, err := insert(string(old), text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.doc, err)
	}
	return page, nil
}

// insert puts the text between the marks of a document.
func insert(page, text string) (string, error) {
	head, rest, ok := strings.Cut(page, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("no %s … %s to write between; put them where the tables belong", begin, end)
	}
	return head + begin + "\n" + text + end + tail, nil
}

func (f figures) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s by `make bench` on %v. All is cached. Medians of %d alternating rounds, of the slowest contenders %d.\n",
		f.At.Format("2006-01-02"), f.Machine, f.Rounds, min(f.Rounds, heavyRounds))
	if len(f.Workloads) > 0 && f.Workloads[0].median("pg_dump") == 0 {
		b.WriteString("The source's programs here are without pg_dump, so it did not take part.\n")
	}
	f.writeTimes(&b)
	f.writeTraffic(&b)
	f.Beside.write(&b)
	f.writeTargets(&b)
	return b.String()
}

func (f figures) writeTimes(b *strings.Builder) {
	if len(f.Workloads)+len(f.Growth) == 0 {
		return
	}
	b.WriteString("\n")
	row(b, "workload", "contender", "rounds", "median", "× COPY", "× verify", "client's peak")
	row(b, "---", "---", "---:", "---:", "---:", "---:", "---:")
	for _, m := range f.Workloads {
		m.write(b)
	}
	for _, m := range f.Growth {
		for _, l := range m.Times {
			what := fmt.Sprintf("%s: %.2f × the first size", l.What, ratio(l.median(), f.Growth[0].median(l.Name)))
			row(b, m.What, what, count(len(l.Took)), milliseconds(l.median()), "", "", mebibytes(l.Memory))
		}
	}
}

// write shows the medians of a workload's contenders and their ratios to the
// COPY that any reading of it has to match, and to verify.
func (m measured) write(b *strings.Builder) {
	for i, l := range m.Times {
		d := l.median()
		row(b, first(i, m.What), l.What, count(len(l.Took)), milliseconds(d),
			twoPlaces(ratio(d, m.median("copy"))), twoPlaces(ratio(d, m.median("verify"))), mebibytes(l.Memory))
	}
}

func (f figures) writeTraffic(b *strings.Builder) {
	if len(f.Workloads) == 0 {
		return
	}
	b.WriteString("\nBytes on the wire of one run in sync, both servers together:\n\n")
	row(b, "workload", "run", "plan", "chunks", "to the servers", "from them", "per chunk", "each further chunk", "per million rows")
	row(b, "---", "---", "---", "---:", "---:", "---:", "---:", "---:", "---:")
	for _, m := range f.Workloads {
		for i, t := range m.Traffic {
			further := ""
			if each, ok := m.perChunk(); ok && i > 0 {
				further = kibibytes(each)
			}
			row(b, first(i, m.What), t.What, t.Plan, count(t.Chunks), kibibytes(float64(t.Up)), kibibytes(float64(t.Down)),
				kibibytes(float64(t.bytes())/float64(max(t.Chunks, 1))), further, kibibytes(m.perMillion(t)))
		}
	}
}

func (f figures) writeTargets(b *strings.Builder) {
	b.WriteString("\nWhat it is held to:\n\n")
	row(b, "target", "limit", "measured", "")
	row(b, "---", "---:", "---:", "---")
	for _, t := range f.Targets {
		met := "met"
		if !t.Met {
			met = "**not met**"
		}
		row(b, t.What, t.Limit, twoPlaces(t.Measured)+" "+t.Unit, met)
	}
}

// row writes a row of a table. A bar in a cell would end it, in code too.
func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}

// first is a text in the first row of a group.
func first(i int, text string) string {
	if i > 0 {
		return ""
	}
	return text
}

func count[N int | int64](n N) string { return fmt.Sprintf("%d", n) }

func twoPlaces(x float64) string { return fmt.Sprintf("%.2f", x) }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

func kibibytes(n float64) string { return fmt.Sprintf("%.1f KiB", n/(1<<10)) }

// mebibytes is "" for what has no client of its own.
func mebibytes(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
