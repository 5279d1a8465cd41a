package report

import (
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

// listedObjects is how many objects, or sentences, a hazard shows unasked.
const listedObjects = 5

// hazardGroup is all that one detector found on one side. Its strings are safe
// to show.
type hazardGroup struct {
	ID, About string
	Severity  schema.Severity
	Side      string
	Total     int
	Said      []said
}

// said is a sentence, the objects it is said of, and what mends them.
type said struct {
	group
	Fixes []string
}

// openHazards are those of a severity that nobody has acknowledged.
func openHazards(r *preflight.Result, s schema.Severity) []hazardGroup {
	return hazardGroups(r, func(h *preflight.Hazard) bool { return h.Severity == s && !h.Acknowledged })
}

// acknowledgedHazards are those that somebody has taken note of.
func acknowledgedHazards(r *preflight.Result) []hazardGroup {
	return hazardGroups(r, func(h *preflight.Hazard) bool { return h.Acknowledged })
}

func hazardGroups(r *preflight.Result, keep func(*preflight.Hazard) bool) []hazardGroup {
	about := map[string]string{}
	for _, c := range r.Checked {
		about[c.ID] = prose(c.About)
	}
	type key struct {
		id       string
		severity schema.Severity
		side     string
	}
	var order []key
	found := map[key][]*preflight.Hazard{}
	for i := range r.Hazards {
		h := &r.Hazards[i]
		if !keep(h) {
			continue
		}
		k := key{h.ID, h.Severity, string(h.Side)}
		if found[k] == nil {
			order = append(order, k)
		}
		found[k] = append(found[k], h)
	}
	out := make([]hazardGroup, len(order))
	for i, k := range order {
		out[i] = hazardGroup{ID: ident(k.id), About: about[k.id], Severity: k.severity, Side: sideWord(k.side), Total: len(found[k]), Said: saidOf(found[k])}
	}
	return out
}

// saidOf joins the objects of which the same is said, each fix once.
func saidOf(hazards []*preflight.Hazard) []said {
	list := make([]checker.Skipped, len(hazards))
	fixes := map[string][]string{}
	seen := map[[2]string]bool{}
	for i, h := range hazards {
		list[i] = checker.Skipped{Object: h.Object, Reason: h.Sentence}
		text, fix := prose(h.Sentence), statement(h.Fix)
		if at := [2]string{text, fix}; h.Fix != "" && !seen[at] {
			seen[at] = true
			fixes[text] = append(fixes[text], fix)
		}
	}
	var out []said
	for _, g := range groups(list) {
		if len(g.Objects) == 1 && g.Objects[0] == "" { // the whole side
			g.Objects = nil
		}
		out = append(out, said{g, fixes[g.Text]})
	}
	return out
}

// where names the side, and the object where there is just one.
func (g *hazardGroup) where() string {
	switch {
	case g.Total > 1:
		return g.Side + ": " + plural(int64(g.Total), "object", "objects")
	case len(g.Said[0].Objects) == 1:
		return g.Side + ": " + g.Said[0].Objects[0]
	}
	return g.Side
}

// first cuts the sentences to the first limit, 0 for all, and says how many
// objects the others are of.
func (g *hazardGroup) first(limit int) (shown []said, more int) {
	if limit == 0 || len(g.Said) <= limit {
		return g.Said, 0
	}
	more = g.Total
	for _, s := range g.Said[:limit] {
		more -= max(len(s.Objects), 1)
	}
	return g.Said[:limit], more
}

// fixes are the statements that mend what is shown, all for limit 0, else the
// first, which ends in … where it is not the only one.
func (g *hazardGroup) fixes(limit int) []string {
	var all []string
	for _, s := range g.Said {
		all = append(all, s.Fixes...)
	}
	if limit == 0 || len(all) < 2 {
		return all
	}
	return []string{strings.TrimRight(all[0], "; ") + "; …"}
}
