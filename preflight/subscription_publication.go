package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// severityOf: what no TRUNCATE carries is seldom used, and seen at once.
func severityOf(operations []string) schema.Severity {
	if slices.Equal(operations, operationNames[3:]) {
		return schema.Warn
	}
	return schema.Block
}

// publicationOperations tells of each publication what it does not publish, and
// nothing else does; of each table where tools say so one by one.
func publicationOperations(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, p := range c.tables {
		if o := p.held.operations; len(o) > 0 {
			found = append(found, Hazard{Object: p.name, Severity: severityOf(o), Sentence: fmt.Sprintf("no %s of it is sent: what that does on the source is not done on the target", strings.Join(o, ", no "))})
		}
	}
	if f.way() != byPublications {
		return found, nil
	}
	truncates := f.lacks(postgres.Source, []string{"pg_publication.pubtruncate"}) == ""
	if !truncates {
		found = append(found, Hazard{Severity: schema.Warn, Sentence: "this version does not replicate TRUNCATE: rows that it removes on the source stay on the target"})
	}
	for _, pub := range c.publications {
		var missing, tables []string
		for _, p := range c.tables {
			for _, l := range p.logged() {
				lacks := l.unsentOperations()
				if !slices.ContainsFunc(l.sendings, func(s sending) bool { return s.publication == pub.name }) || len(lacks) == 0 {
					continue
				}
				missing = append(missing, lacks...)
				if !slices.Contains(tables, p.name) {
					tables = append(tables, p.name)
				}
			}
		}
		if len(tables) == 0 {
			continue
		}
		missing = slices.DeleteFunc(slices.Clone(operationNames[:]), func(o string) bool { return !slices.Contains(missing, o) })
		publish := operationNames[:]
		if !truncates {
			publish = operationNames[:3]
		}
		found = append(found, Hazard{Object: "publication " + pub.quoted, Severity: severityOf(missing),
			Sentence: fmt.Sprintf("it publishes no %s: what that does on the source is not done on the target, in %s", strings.Join(missing, ", no "), fewOf(tables, ", ")),
			Fix:      fmt.Sprintf("ALTER PUBLICATION %s SET (publish = '%s')", pub.quoted, strings.Join(publish, ", "))})
	}
	return found, nil
}

// publicationFiltered tells of each table what of it is not sent.
func publicationFiltered(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, p := range c.tables {
		if says := p.held.says(); says != "" {
			found = append(found, Hazard{Object: p.name, Sentence: says + " of it are sent: the target has not all of its data"})
		}
		var says, fixes []string
		for _, s := range p.partials() {
			i := slices.IndexFunc(c.publications, func(pub publication) bool { return pub.name == s.publication })
			says = append(says, fmt.Sprintf("publication %q %s", s.publication, s.says()))
			fixes = append(fixes, fmt.Sprintf("ALTER PUBLICATION %s DROP TABLE ONLY %s; ALTER PUBLICATION %[1]s ADD TABLE ONLY %[2]s", c.publications[i].quoted, s.name))
		}
		if len(says) > 0 {
			found = append(found, Hazard{Object: p.name, Sentence: fewOf(says, "; ") + ": the target has not all of its data, and what was left out has to be copied",
				// In one transaction: what is written in between would never be sent.
				Fix: "BEGIN; " + strings.Join(fixes, "; ") + "; COMMIT"})
		}
	}
	return found, nil
}

func (w withholding) says() string {
	switch {
	case w.filtered && w.limited:
		return "only some rows and columns"
	case w.filtered:
		return "only some rows"
	case w.limited:
		return "only some columns"
	}
	return ""
}
