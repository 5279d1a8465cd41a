package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// listedAtMost is how many names a sentence has.
const listedAtMost = 5

// fewOf joins the first few.
func fewOf(names []string, by string) string {
	return joined(names, by, listedAtMost)
}

// which names those of a table's relations that something holds for: the table,
// or some of its partitions.
func (p *passage) which(names []string) string {
	switch {
	case len(names) == 1 && names[0] == p.name, len(names) == len(p.leaves) && len(names) > 1:
		return "it"
	case len(names) == 1:
		return "its partition " + names[0]
	}
	return "its partitions " + fewOf(names, ", ")
}

// are is which with its verb.
func (p *passage) are(names []string) string {
	which := p.which(names)
	if strings.HasPrefix(which, "its partitions") {
		return which + " are"
	}
	return which + " is"
}

// unlogged are the relations that leave no changes in the log.
func (p *passage) unlogged() (names []string) {
	for _, l := range p.leaves {
		if l.unlogged {
			names = append(names, l.name)
		}
	}
	return names
}

func (p *passage) foreign() (names []string) {
	for _, l := range p.leaves {
		if l.foreign {
			names = append(names, l.name)
		}
	}
	return names
}

// logged are the relations that could be sent.
func (p *passage) logged() []*leaf {
	return slices.DeleteFunc(slices.Clone(p.leaves), func(l *leaf) bool { return l.unlogged || l.foreign })
}

// unsent are the relations that nothing sends, though it could.
func (p *passage) unsent(w way) (names []string) {
	for _, l := range p.logged() {
		if w == byPublications && len(l.sendings) == 0 {
			names = append(names, l.name)
		}
	}
	unlogged := append(p.unlogged(), p.foreign()...)
	for _, g := range p.gaps {
		if g.State == "" && !slices.Contains(unlogged, g.Leaf) && !slices.Contains(names, g.Leaf) {
			names = append(names, g.Leaf)
		}
	}
	return names
}

// unsubscribed are the relations that are sent, and no subscription has. absent
// tells that the target does not have one of them at all.
func (p *passage) unsubscribed() (names []string, absent bool, publication string) {
	for _, l := range p.logged() {
		if len(l.sendings) == 0 || slices.ContainsFunc(l.sendings, func(s sending) bool { return !s.idle }) {
			continue
		}
		s := l.sendings[0]
		absent = absent || !slices.ContainsFunc(l.sendings, func(s sending) bool { return s.on != nil })
		publication = s.publication
		if !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names, absent, publication
}

// unready are the states that are not ready yet.
func (p *passage) unready(w way) (states []postgres.TableState) {
	add := func(s postgres.TableState) {
		if s.State != "" && !s.Ready() && !slices.Contains(states, s) {
			states = append(states, s)
		}
	}
	for _, g := range p.gaps {
		add(g)
	}
	for _, l := range p.leaves {
		for _, s := range l.sendings {
			if w == byPublications && s.on != nil {
				for _, state := range s.on.states {
					add(state)
				}
			}
		}
	}
	return states
}

// arriving are the sendings that reach the target, all where none does: that is
// told for itself.
func (l *leaf) arriving() []sending {
	if list := slices.DeleteFunc(slices.Clone(l.sendings), func(s sending) bool { return s.idle }); len(list) > 0 {
		return list
	}
	return l.sendings
}

// unsentOperations are those that no publication sends of a leaf.
func (l *leaf) unsentOperations() (missing []string) {
	sendings := l.arriving()
	if len(sendings) == 0 {
		return nil
	}
	for i, name := range operationNames {
		if !slices.ContainsFunc(sendings, func(s sending) bool { return s.operations[i] }) {
			missing = append(missing, name)
		}
	}
	return missing
}

// operations are those that are not sent of a table.
func (p *passage) operations() []string {
	missing := slices.Clone(p.held.operations)
	for _, l := range p.logged() {
		for _, o := range l.unsentOperations() {
			if !slices.Contains(missing, o) {
				missing = append(missing, o)
			}
		}
	}
	return missing
}

// partial is a sending that holds something back which no other one sends, nil
// where there is none. Each operation is looked at for itself: a publication that
// sends whole rows, and those of inserts alone, makes up for no filter on updates.
func (l *leaf) partial() *sending {
	sendings := l.arriving()
	for operation := range operationNames[:3] { // a TRUNCATE has no rows
		var held *sending
		for i := range sendings {
			s := &sendings[i]
			if !s.operations[operation] {
				continue
			}
			if s.filter == "" && len(s.without) == 0 {
				held = nil
				break
			}
			if held == nil {
				held = s
			}
		}
		if held != nil {
			return held
		}
	}
	return nil
}

// partials are the distinct ones of a table.
func (p *passage) partials() (list []*sending) {
	for _, l := range p.logged() {
		if s := l.partial(); s != nil && !slices.ContainsFunc(list, func(o *sending) bool { return o.oid == s.oid }) {
			list = append(list, s)
		}
	}
	return list
}

// says tells what a sending holds back.
func (s *sending) says() string {
	var says []string
	if s.filter != "" {
		says = append(says, "sends only the rows where "+s.filter)
	}
	if len(s.without) > 0 {
		says = append(says, "leaves out "+fewOf(s.without, ", "))
	}
	return strings.Join(says, " and ")
}

// omissions say why a table is not carried whole, none where it is.
func (p *passage) omissions(w way) (reasons []string) {
	add := func(names []string, why string) {
		if len(names) > 0 {
			reasons = append(reasons, p.are(names)+" "+why)
		}
	}
	add(p.unlogged(), "unlogged")
	if w == byFiles {
		return reasons
	}
	add(p.foreign(), "foreign")
	if w == byNothing {
		return reasons
	}
	add(p.unsent(w), "sent by nothing")
	names, _, _ := p.unsubscribed()
	if w == byPublications {
		add(names, "in no subscription")
	}
	for _, s := range p.unready(w) {
		reasons = append(reasons, p.which([]string{s.Leaf})+" "+s.Phase())
	}
	if operations := p.operations(); len(operations) > 0 {
		reasons = append(reasons, "no "+strings.Join(operations, ", no ")+" is sent")
	}
	if p.held.filtered {
		reasons = append(reasons, "only some rows are sent")
	}
	if p.held.limited {
		reasons = append(reasons, "only some columns are sent")
	}
	for _, s := range p.partials() {
		reasons = append(reasons, fmt.Sprintf("publication %q %s", s.publication, s.says()))
	}
	return reasons
}
