package report

import (
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// atRest is the kind of replication of a pair that nothing replicates.
const atRest = "still"

// listedStreams are streams named before the rest is counted.
const listedStreams = 12

// moving is what replicates the pair, nil where nothing is to be said of it: a
// pair at rest reads as it did before there were fences.
func moving(r *checker.Result) *checker.Replication {
	if p := r.Replication; p != nil && (p.Kind != atRest || len(p.Troubles) > 0) {
		return p
	}
	return nil
}

// replicationLines say what replicates the pair, how far it has come and as of
// when the verdict is: one line, and where there are several streams one more
// for each. limit bounds those; 0 lists all.
func replicationLines(r *checker.Result, limit int) []string {
	p := r.Replication
	first := prose(p.Kind)
	if first == "" {
		first = "not recognised"
	}
	if p.BothWays && p.Kind != atRest {
		first += " in both directions"
	}
	var more []string
	for i := range p.Streams {
		if i == limit && limit > 0 {
			more = append(more, "… and "+count(int64(len(p.Streams)-i))+" more")
			break
		}
		more = append(more, streamText(&p.Streams[i]))
	}
	if len(more) == 1 {
		first, more = first+": "+more[0], nil
	}
	if r.AsOfLSN != "" {
		first += "; as of " + ident(r.AsOfLSN)
		if r.Verdict == checker.Match && p.Kind != atRest && whole(r) {
			first += ": all that was visible in these tables on the source then was read on the target after it was applied there"
		}
	}
	return append([]string{first}, more...)
}

// whole tells whether all content was compared, of every table of which anything
// was: only then may a report speak of all of it.
func whole(r *checker.Result) bool {
	some := false
	for i := range r.Tables {
		t := &r.Tables[i]
		content := t.Plan != "" && t.Plan != "sample"
		if !content && t.Chunks.Planned > 0 {
			return false
		}
		some = some || content
	}
	return some && r.Sampled == nil
}

// streamText names one stream and says how far it is behind. A marker's lag is
// not known, nor that of a slot that could not be read.
func streamText(s *checker.StreamState) string {
	name := `"` + ident(s.Name) + `"`
	switch s.Kind {
	case "logical", "pglogical":
		name = "subscription " + name
	case "heartbeat":
		name = "marker " + ident(s.Name) // a table's name, quoted where it needs be
	case "physical":
		name = ident(s.Name)
	case "bucardo":
		name = "group " + name
		if s.Name == "" {
			name = "all groups"
		}
	}
	if s.Reverse {
		name = "back to the source: " + name
	}
	if s.Slot != "" {
		name += ` (slot "` + ident(s.Slot) + `")`
	}
	switch {
	case s.Confirmed == "":
		return name
	case s.LagBytes <= 0:
		return name + ", not behind"
	}
	return name + ", " + size(s.LagBytes) + " behind"
}

// sentences makes a list safe to show.
func sentences(said []string) []string {
	out := make([]string, len(said))
	for i, s := range said {
		out[i] = prose(s)
	}
	return out
}

// unsettled is the number of rows that were neither equal nor a finding: never
// less than are listed.
func unsettled(t *checker.TableResult) int64 {
	return max(t.UnsettledTotal, int64(len(t.Unsettled)))
}

// unsettledTables keeps the tables that have such rows, the worst first.
func unsettledTables(r *checker.Result) []checker.TableResult {
	var out []checker.TableResult
	for _, t := range bySeverity(r.Tables) {
		if unsettled(&t) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// unsettledGroups joins the listed rows of which the same is said.
func unsettledGroups(t *checker.TableResult) []group {
	var out []group
	at := map[string]int{}
	for i := range t.Unsettled {
		u := &t.Unsettled[i]
		text := prose(u.Why)
		n, ok := at[text]
		if !ok {
			n = len(out)
			at[text] = n
			out = append(out, group{Text: text})
		}
		key := keyText(u.Key, t.Key)
		if len(u.Key) > 1 {
			key = "(" + key + ")" // its commas are not those between rows
		}
		out[n].Objects = append(out[n].Objects, key)
	}
	return out
}

// moreUnsettled is the note below a capped list, "" when all or none are listed.
func moreUnsettled(t *checker.TableResult) string {
	more := unsettled(t) - int64(len(t.Unsettled))
	if more <= 0 || len(t.Unsettled) == 0 {
		return ""
	}
	return "… and " + plural(more, "more row", "more rows")
}

// unsettledCount counts them, and says so where none is listed.
func unsettledCount(t *checker.TableResult) string {
	s := plural(unsettled(t), "unsettled row", "unsettled rows")
	if len(t.Unsettled) == 0 {
		s += ", none listed"
	}
	return s
}

// asOf groups tables by the source's LSN of which their verdicts speak.
func asOf(tables []checker.TableResult) []group {
	var said []checker.Skipped
	for _, t := range tables {
		if t.AsOfLSN != "" {
			said = append(said, checker.Skipped{Object: t.Name, Reason: t.AsOfLSN})
		}
	}
	return groups(said)
}

func (p *textPage) replication(r *checker.Result) {
	const column = 15 // "  Replication  "
	limit, known := listedStreams, moving(r)
	if p.Verbose {
		limit, known = 0, r.Replication
	}
	if known == nil {
		return
	}
	p.WriteString("\n")
	for i, line := range replicationLines(r, limit) {
		label := ""
		if i == 0 {
			label = "  Replication"
		}
		p.item(label, column, "", line)
	}
	for _, s := range sentences(known.Troubles) {
		p.item("", column, "! ", s)
	}
	if p.Verbose {
		for _, s := range sentences(known.Evidence) {
			p.item("", column, "- ", s)
		}
	}
}

func (p *textPage) unsettled(r *checker.Result) {
	for i, t := range unsettledTables(r) {
		if i == 0 {
			p.section("Unsettled, so not proven")
		} else {
			p.WriteString("\n")
		}
		p.item("", 2, "", p.bold(ident(t.Name))+"  "+unsettledCount(&t))
		for _, g := range unsettledGroups(&t) {
			p.item("", 2, "- ", p.said(g))
		}
		if more := moreUnsettled(&t); more != "" {
			p.item("", 2, "", more)
		}
	}
}

func mdReplication(r *checker.Result, o Options) string {
	limit := listedStreams
	if o.Verbose {
		limit = 0
	}
	known := moving(r)
	if known == nil {
		return ""
	}
	var b strings.Builder
	lines := replicationLines(r, limit)
	b.WriteString("**Replication** " + mdText(lines[0]) + "\n\n")
	for _, s := range lines[1:] {
		b.WriteString("- " + mdText(s) + "\n")
	}
	for _, s := range sentences(known.Troubles) {
		b.WriteString("- ⚠️ " + mdText(s) + "\n")
	}
	if o.Verbose {
		for _, s := range sentences(known.Evidence) {
			b.WriteString("- " + mdText(s) + "\n")
		}
	}
	return b.String()
}

func mdUnsettled(r *checker.Result, limit int) string {
	var b strings.Builder
	for _, t := range unsettledTables(r) {
		b.WriteString("<details><summary><code>" + mdEntities(ident(t.Name)) + "</code>: " + unsettledCount(&t) + "</summary>\n\n")
		b.WriteString(mdSaid(unsettledGroups(&t), limit))
		if more := moreUnsettled(&t); more != "" {
			b.WriteString("\n" + more + "\n")
		}
		b.WriteString("\n</details>\n")
	}
	return b.String()
}

// mdHow is how a table went, and as of when.
func mdHow(t *checker.TableResult) string {
	if t.AsOfLSN == "" {
		return mdText(how(t))
	}
	return mdText(how(t) + ", as of " + shorten(ident(t.AsOfLSN), 24))
}

type htmlReplication struct{ Lines, Troubles, Evidence []string }

func htmlReplicationOf(r *checker.Result) *htmlReplication {
	known := moving(r)
	if known == nil {
		return nil
	}
	return &htmlReplication{replicationLines(r, 0), sentences(known.Troubles), sentences(known.Evidence)}
}

type htmlUnsettled struct {
	Name, Total, More string
	Open              bool
	Groups            []group
}

func htmlUnsettledOf(r *checker.Result) []htmlUnsettled {
	var out []htmlUnsettled
	for _, t := range unsettledTables(r) {
		out = append(out, htmlUnsettled{ident(t.Name), unsettledCount(&t), moreUnsettled(&t), len(out) < 3, unsettledGroups(&t)})
	}
	return out
}

// junitReplication are the suite's properties that say what replicates the pair.
func junitReplication(r *checker.Result) []junitProperty {
	known := moving(r)
	if known == nil {
		return nil
	}
	properties := []junitProperty{{"replication", strings.Join(replicationLines(r, 0), "; ")}}
	for _, s := range sentences(known.Troubles) {
		properties = append(properties, junitProperty{"replication_trouble", s})
	}
	return properties
}

func junitUnsettled(t *checker.TableResult) []string {
	var lines []string
	for i := range t.Unsettled {
		u := &t.Unsettled[i]
		lines = append(lines, "unsettled "+keyText(u.Key, t.Key)+": "+u.Why)
	}
	if more := moreUnsettled(t); more != "" {
		lines = append(lines, "unsettled: "+more)
	}
	if t.AsOfLSN != "" {
		lines = append(lines, "as of "+ident(t.AsOfLSN))
	}
	return lines
}
