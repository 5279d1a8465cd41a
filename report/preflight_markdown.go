package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/preflight"
)

// longestReason bounds a sentence in a comment: hundreds of GRANTs are for the
// other formats.
const longestReason = 600

func preflightMarkdown(buf *bytes.Buffer, r *preflight.Result, o Options) error {
	mark := map[preflight.Verdict]string{preflight.Ready: "✅", preflight.Blocked: "❌"}[r.Verdict]
	if mark == "" {
		mark = "⚠️"
	}
	fmt.Fprintf(buf, "### %s pgparity preflight: **%s** – %s\n\n", mark, r.Verdict, mdText(preflightHeadline(r)))
	for i, s := range r.Reasons {
		if i == listedReasons && !o.Verbose {
			fmt.Fprintf(buf, "- … and %d more\n", len(r.Reasons)-i)
			break
		}
		fmt.Fprintf(buf, "- %s\n", mdText(shorten(prose(s), longestReason)))
	}
	if len(r.Reasons) > 0 {
		buf.WriteString("\n")
	}
	if r.Rehearsal != nil {
		fmt.Fprintf(buf, "**%s**\n\n", mdText(capital(outageOf(r.Rehearsal).sentence())))
	}
	fmt.Fprintf(buf, "%s\n", mdText(preflightClose(r)))

	objects, names := listedObjects, groupedNames
	if o.Verbose {
		objects, names = 0, 0
	}
	var sections []mdSection
	for _, s := range severityTitles {
		gs := openHazards(r, s.Severity)
		sections = append(sections, mdSection{strings.ToLower(s.Title), mdHazards(s.Title, gs, objects), mdHazards(s.Title, gs, 1)})
	}
	for _, s := range []struct{ title, body string }{
		{"what was not looked for", mdGroups("Not looked for, so not known", unknowns(r, false), names)},
		{"what is not carried", mdGroups("Not carried by the replication, or not whole", notCarried(r), names)},
		{"the rehearsal", mdRehearsal(r.Rehearsal, objects)},
		{"what was acknowledged", mdAcknowledged(r, o)},
		{"notes", mdPreflightNotes(r)},
		{"the sides", mdPreflightSides(r)},
	} {
		sections = append(sections, mdSection{s.title, s.body, s.body})
	}
	mdFill(buf, sections)
	return nil
}

// mdSection is a part of a comment, and what stands for it where it is too long.
type mdSection struct{ title, body, short string }

// mdFill writes the sections that fit, and names those that do not.
func mdFill(buf *bytes.Buffer, sections []mdSection) {
	var left []string
	for _, s := range sections {
		switch {
		case s.body == "":
		case buf.Len()+len(s.body) <= commentBytes:
			buf.WriteString("\n" + s.body)
		case buf.Len()+len(s.short) <= commentBytes:
			buf.WriteString("\n" + s.short)
		default:
			left = append(left, s.title)
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(buf, "\nLeft out, for a comment must stay short: %s. See the JSON or HTML report.\n", strings.Join(left, ", "))
	}
}

// mdHazards is a list, a hazard each with its sentences and fixes below.
func mdHazards(title string, gs []hazardGroup, limit int) string {
	if len(gs) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n", title)
	for i := range gs {
		g := &gs[i]
		place := mdText(g.Side)
		if g.Total > 1 {
			place += ", " + plural(int64(g.Total), "object", "objects")
		}
		fmt.Fprintf(&b, "- **%s** (%s)\n", mdText(g.ID), place)
		shown, more := g.first(limit)
		for _, s := range shown {
			if len(s.Objects) > 0 {
				fmt.Fprintf(&b, "  - %s: %s\n", mdCode(s.names(limit)), mdText(s.Text))
			} else {
				fmt.Fprintf(&b, "  - %s\n", mdText(s.Text))
			}
		}
		if more > 0 {
			fmt.Fprintf(&b, "  - … and %s more\n", count(int64(more)))
		}
		for _, f := range g.fixes(limit) {
			fmt.Fprintf(&b, "  - fix: %s\n", mdCode(f))
		}
	}
	return b.String()
}

func mdRehearsal(rh *preflight.Rehearsal, limit int) string {
	if rh == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("**Rehearsal**\n\n")
	if len(rh.Phases) > 0 {
		b.WriteString("| phase | writes | estimate | how |\n| --- | --- | ---: | --- |\n")
		for i := range rh.Phases {
			p := &rh.Phases[i]
			writes := writesWord(p)
			if !p.Writes {
				writes = "**" + writes + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", mdText(prose(p.Name)), writes, spanOf(p.EstimateMS), mdText(prose(p.How)))
		}
		b.WriteString("\n")
	}
	for _, f := range figures(rh, limit) {
		fmt.Fprintf(&b, "- %s: %s\n", f.Name, mdText(f.Text))
	}
	return b.String()
}

func mdAcknowledged(r *preflight.Result, o Options) string {
	gs, quiet := acknowledgedHazards(r), unknowns(r, true)
	if len(gs)+len(quiet) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary>%s</summary>\n\n", acknowledgedCount(r))
	for i := range gs {
		fmt.Fprintf(&b, "- %s\n", mdText(acknowledgedText(&gs[i], o.Verbose)))
	}
	b.WriteString(mdSaid(quiet, groupedNames))
	b.WriteString("\n</details>\n")
	return b.String()
}

// acknowledgedCount counts what somebody has taken note of.
func acknowledgedCount(r *preflight.Result) string {
	n := int64(len(r.Unknown) - openUnknown(r))
	for _, h := range r.Hazards {
		if h.Acknowledged {
			n++
		}
	}
	return count(n) + " acknowledged"
}

func mdPreflightNotes(r *preflight.Result) string {
	if len(r.Notes) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("**Notes**\n\n")
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", mdText(prose(n)))
	}
	return b.String()
}

func mdPreflightSides(r *preflight.Result) string {
	parts := []string{"source: " + strings.Join(preflightSide(r.Source), ", "), "target: " + strings.Join(preflightSide(r.Target), ", "), "replication: " + carrierLine(r)}
	if run := runLine(asRun(r)); run != "" {
		parts = append(parts, run)
	}
	return "<sub>" + mdText(strings.Join(parts, " · ")) + "</sub>\n"
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
