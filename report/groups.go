package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// group is a sentence and the objects it is said of.
type group struct {
	Text    string
	Objects []string
}

// groups joins objects of which the same is said: two hundred tables that
// lack the same privilege are one line.
func groups(said []checker.Skipped) []group {
	var out []group
	at := map[string]int{}
	for _, s := range said {
		text := prose(s.Reason)
		i, ok := at[text]
		if !ok {
			i = len(out)
			at[text] = i
			out = append(out, group{Text: text})
		}
		out[i].Objects = append(out[i].Objects, ident(s.Object))
	}
	return out
}

// names lists up to limit objects; 0 lists all.
func (g group) names(limit int) string {
	if limit == 0 || len(g.Objects) <= limit {
		return strings.Join(g.Objects, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(g.Objects[:limit], ", "), len(g.Objects)-limit)
}

// tableErrors and tableNotes turn what single tables say into one list.
func tableErrors(tables []checker.TableResult) []group {
	var said []checker.Skipped
	for _, t := range tables {
		if t.Error != "" {
			said = append(said, checker.Skipped{Object: t.Name, Reason: t.Error})
		}
	}
	return groups(said)
}

// skippedElse are the skipped objects of which tableErrors does not say the same.
func skippedElse(r *checker.Result) []group {
	said := map[checker.Skipped]bool{}
	for _, t := range r.Tables {
		said[checker.Skipped{Object: t.Name, Reason: t.Error}] = true
	}
	return groups(slices.DeleteFunc(slices.Clone(r.Coverage.Skipped), func(s checker.Skipped) bool { return said[s] }))
}

func tableNotes(tables []checker.TableResult) []group {
	var said []checker.Skipped
	for _, t := range tables {
		for _, n := range t.Notes {
			said = append(said, checker.Skipped{Object: t.Name, Reason: n})
		}
	}
	return groups(said)
}

// columnForms says, per table, which columns did not go the preferred way.
func columnForms(tables []checker.TableResult) []group {
	var said []checker.Skipped
	for _, t := range tables {
		for _, c := range t.Columns {
			if c.Why != "" {
				said = append(said, checker.Skipped{Object: t.Name + "." + c.Name, Reason: c.Form + ": " + c.Why})
			}
		}
	}
	return groups(said)
}
