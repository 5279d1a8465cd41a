package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// A comment on the large forges holds 65,536 characters, and one that is too
// long is refused whole. Sections that do not fit are named instead.
const (
	commentBytes = 60_000
	listedRows   = 30 // findings shown per table; the JSON report has more
)

func writeMarkdown(buf *bytes.Buffer, r *checker.Result, o Options) error {
	mark := map[checker.Verdict]string{checker.Match: "✅", checker.Mismatch: "❌"}[r.Verdict]
	if mark == "" {
		mark = "⚠️"
	}
	fmt.Fprintf(buf, "### %s pgparity: **%s** – %s\n\n", mark, verdictWord(r), mdText(headline(r)))
	limit := groupedNames
	if o.Verbose {
		limit = 0
	}
	for i, s := range r.Reasons {
		if i == listedReasons && !o.Verbose {
			fmt.Fprintf(buf, "- … and %d more\n", len(r.Reasons)-i)
			break
		}
		fmt.Fprintf(buf, "- %s\n", mdText(prose(s)))
	}
	if len(r.Reasons) > 0 {
		buf.WriteString("\n")
	}
	if sampled := sampledText(r); sampled != "" {
		fmt.Fprintf(buf, "%s\n\n", mdText(sampled))
	}
	fmt.Fprintf(buf, "%s\n", mdText(coverageLine(r)))

	left := []string{}
	for _, s := range []struct{ title, body string }{
		{"the replication", mdReplication(r, o)},
		{"the table list", mdTables(r, o)},
		{"what was not proven", mdGroups("Not proven", tableErrors(bySeverity(r.Tables)), limit)},
		{"what was skipped", mdGroups("Skipped, so not proven", skippedElse(r), limit)},
		{"sequences", mdSequences(r)},
		{"schema differences", mdSchema(r, o)},
		{"findings", mdFindings(r, commentBytes-buf.Len()-2000)},
		{"unsettled rows", mdUnsettled(r, limit)},
		{"what was excluded", mdGroups("Excluded on purpose", groups(r.Coverage.Excluded), limit)},
		{"notes", mdNotes(r, limit)},
		{"the sides", mdSides(r)},
	} {
		if s.body == "" {
			continue
		}
		if buf.Len()+len(s.body) > commentBytes {
			left = append(left, s.title)
			continue
		}
		buf.WriteString("\n" + s.body)
	}
	if len(left) > 0 {
		fmt.Fprintf(buf, "\nLeft out, for a comment must stay short: %s. See the JSON or HTML report.\n", strings.Join(left, ", "))
	}
	return nil
}

func mdTables(r *checker.Result, o Options) string {
	if len(r.Tables) == 0 {
		return ""
	}
	p := &textPage{Options: o}
	shown, hidden := p.listedTables(r.Tables)
	var b strings.Builder
	if len(shown) > 0 {
		b.WriteString("| table | verdict | source rows | target rows | chunks | findings | how |\n")
		b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | --- |\n")
	}
	for i := range shown {
		t := &shown[i]
		verdict := t.Verdict.String()
		if t.Verdict != checker.Match {
			verdict = "**" + verdict + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", mdCode(ident(t.Name)), verdict,
			rowsText(t.Rows.Source), rowsText(t.Rows.Target), chunksText(t.Chunks), findingsText(t), mdHow(t))
	}
	if hidden > 0 {
		if len(shown) > 0 {
			b.WriteString("\n+ ")
		}
		b.WriteString(plural(int64(hidden), "table matches", "tables match") + "\n")
	}
	return b.String()
}

// mdFindings is one folded list per table, as many as fit the budget.
func mdFindings(r *checker.Result, budget int) string {
	var b strings.Builder
	unlisted := 0
	for _, t := range bySeverity(r.Tables) {
		if total(&t) == 0 {
			continue
		}
		s := mdFindingsOf(&t)
		if b.Len()+len(s) > budget-20_000 && b.Len() > 0 {
			unlisted++
			continue
		}
		b.WriteString(s)
	}
	if unlisted > 0 {
		fmt.Fprintf(&b, "Findings of %s are not listed here.\n", plural(int64(unlisted), "more table", "more tables"))
	}
	return b.String()
}

func mdFindingsOf(t *checker.TableResult) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary><code>%s</code>: %s</summary>\n\n",
		mdEntities(ident(t.Name)), plural(total(t), "finding", "findings"))
	shown := min(len(t.Findings), listedRows)
	for i := range t.Findings[:shown] {
		f := &t.Findings[i]
		fmt.Fprintf(&b, "- %s %s\n", mdText(kindText(f)), mdCode(findingText(t, f)))
		for _, line := range valuesOf(f) {
			fmt.Fprintf(&b, "  - %s\n", mdCode(line))
		}
	}
	if more := moreFindings(t, shown); more != "" {
		fmt.Fprintf(&b, "\n%s\n", more)
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

func mdSequences(r *checker.Result) string {
	if len(r.Sequences) == 0 {
		return ""
	}
	var b strings.Builder
	loud, quiet := telling(r.Sequences)
	b.WriteString("**Sequences**\n\n")
	for i := range loud {
		s := &loud[i]
		fmt.Fprintf(&b, "- %s %s %s\n", sequenceWord(s), mdCode(ident(s.Name)), mdText(sequenceText(s)))
	}
	if quiet > 0 {
		fmt.Fprintf(&b, "- %s\n", plural(int64(quiet), "sequence matches", "sequences match"))
	}
	return b.String()
}

func mdSchema(r *checker.Result, o Options) string {
	if len(r.Schema) == 0 {
		return ""
	}
	var b strings.Builder
	infos := 0
	b.WriteString("**Schema differences**\n\n")
	for _, f := range schemaBySeverity(r.Schema) {
		if f.Severity == checker.SeverityInfo && !o.Verbose {
			infos++
			continue
		}
		fmt.Fprintf(&b, "- %s %s %s\n", mdText(severityText(&f)), mdCode(ident(f.Object)), mdText(schemaText(&f)))
	}
	if infos > 0 {
		fmt.Fprintf(&b, "- %d more of severity info\n", infos)
	}
	return b.String()
}

func mdGroups(title string, gs []group, limit int) string {
	if len(gs) == 0 {
		return ""
	}
	return "**" + title + "**\n\n" + mdSaid(gs, limit)
}

func mdSaid(gs []group, limit int) string {
	var b strings.Builder
	for _, g := range gs {
		fmt.Fprintf(&b, "- %s: %s\n", mdCode(g.names(limit)), mdText(g.Text))
	}
	return b.String()
}

func mdNotes(r *checker.Result, limit int) string {
	said := tableNotes(r.Tables)
	if len(r.Notes)+len(said) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("**Notes**\n\n")
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", mdText(prose(n)))
	}
	return b.String() + mdSaid(said, limit)
}

func mdSides(r *checker.Result) string {
	s := fmt.Sprintf("<sub>source: %s · target: %s", mdText(sideLine(r.Source)), mdText(sideLine(r.Target)))
	if run := runLine(r); run != "" {
		s += " · " + mdText(run)
	}
	return s + "</sub>\n"
}

// mdCode is a code span, in which a forge makes neither links nor mentions.
// Back quotes for ordinary text, entities where those could end early.
func mdCode(s string) string {
	if s != "" && strings.TrimSpace(s) == s && !strings.ContainsAny(s, "`|<>&") {
		return "`" + s + "`"
	}
	return "<code>" + mdEntities(s) + "</code>"
}

// mdEntities writes all ASCII punctuation that Markdown or HTML could read
// as its own by number.
func mdEntities(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("`|<>&*_[]()\\~#@!\"':$", r) {
			fmt.Fprintf(&b, "&#%d;", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// mdText is running text without markup. An empty comment after @ and # and
// inside :// keeps a forge from notifying people and from making links.
var mdText = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "$", `\$`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "@", "@<!-- -->", "#", "#<!-- -->", "://", ":<!-- -->//", "www.", "www<!-- -->.",
).Replace
