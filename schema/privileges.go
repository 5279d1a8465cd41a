package schema

import (
	"cmp"
	"slices"
	"strings"
)

// comparePrivileges compares what each grantee may do, and tells what differs in
// one difference for each object. Privileges that one of the servers does not
// know are left out, as are grantees that one side does not have: that is said
// of the role.
func (c *comparison) comparePrivileges() {
	type grants struct {
		kind           *kind
		table, object  string
		source, target []string
		lacks          bool // something that the source grants, or does not revoke
	}
	byObject := map[factID]*grants{}
	look := func(id factID, s, t *Definition) {
		d, here := s, c.source
		if d == nil {
			d, here = t, c.target
		}
		if c.gone[id.object] || c.silent(here, d.within) || c.gone["role "+id.grantee] {
			return
		}
		had, has := c.known(s), c.known(t)
		if had == has || s != nil && t != nil && s.otherwise != "" && c.knownText(s.otherwise) == c.knownText(t.otherwise) {
			return
		}
		// Who owns it there needs no grant: that it is the owner is said.
		if owner := c.target.facts[factID{"owner", id.object, ""}]; owner != nil && owner.Text == id.grantee && within(had, c.known(c.target.facts[factID{id.kind, id.object, theOwner}])) {
			return
		}
		of := factID{id.kind, id.object, ""}
		g := byObject[of]
		if g == nil {
			g = &grants{kind: kindNamed[id.kind], table: d.Table, object: d.Object}
			byObject[of] = g
		}
		g.source, g.target = append(g.source, grant(id.grantee, had)), append(g.target, grant(id.grantee, has))
		g.lacks = g.lacks || !within(had, has)
	}
	for id, s := range c.source.facts {
		if id.grantee != "" {
			look(id, s, c.target.facts[c.across(id, c.source, c.target)])
		}
	}
	for id, t := range c.target.facts {
		if id.grantee != "" && c.source.facts[c.across(id, c.target, c.source)] == nil {
			look(id, nil, t)
		}
	}
	for _, g := range byObject {
		d := Difference{Kind: g.kind.name, Table: g.table, Object: g.object, Source: list(g.source), Target: list(g.target), Severity: g.kind.extra}
		if g.lacks {
			d.Severity = g.kind.lacks
		}
		d.Source, d.Target = shorten(d.Source, d.Target)
		c.found = append(c.found, d)
	}
}

// theOwner is how a grantee is called that owns the object.
const theOwner = "the owner"

// across is the same fact on the other side, where the superuser that made the
// cluster may have another name.
func (c *comparison) across(id factID, from, to *half) factID {
	if to.facts[id] == nil && id.grantee == from.bootstrap {
		id.grantee = to.bootstrap
	}
	return id
}

// known is what both servers know of a grantee's privileges.
func (c *comparison) known(d *Definition) string {
	if d == nil {
		return ""
	}
	return c.knownText(d.Text)
}

func (c *comparison) knownText(text string) string {
	text = strings.TrimPrefix(text, sinceMade)
	var kept []string
	for p := range strings.SplitSeq(text, ", ") {
		name := strings.Trim(p, "-*")
		if name != "" && c.source.privileges[name] && c.target.privileges[name] {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}

// within tells whether all that was granted is, and nothing more was revoked.
func within(had, has string) bool {
	now := strings.Split(has, ", ")
	for p := range strings.SplitSeq(had, ", ") {
		if p == "" || strings.HasPrefix(p, "-") {
			continue
		}
		if !slices.Contains(now, p) && !slices.Contains(now, p+"*") {
			return false
		}
	}
	for _, p := range now {
		if strings.HasPrefix(p, "-") && !slices.Contains(strings.Split(had, ", "), p) {
			return false
		}
	}
	return true
}

func grant(grantee, privileges string) string {
	if privileges == "" {
		return ""
	}
	return grantee + ": " + privileges
}

// list joins what a side grants, in the order of the grantees' names.
func list(grants []string) string {
	grants = slices.DeleteFunc(grants, func(g string) bool { return g == "" })
	slices.SortFunc(grants, cmp.Compare)
	return strings.Join(grants, "; ")
}
