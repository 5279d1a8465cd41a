package schema

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Compare gives the differences between two sides, ordered by object and kind.
// chosen says which tables are looked at, by report name; nil is all, and then
// what belongs to no table is compared as well.
func Compare(source, target *Definitions, chosen func(table string) bool) []Difference {
	c := &comparison{source: newHalf(source, chosen), target: newHalf(target, chosen), gone: map[string]bool{}, regrouped: map[string]bool{}}
	c.findGone()
	c.compareFacts()
	c.comparePrivileges()
	slices.SortFunc(c.found, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(order(a.Kind), order(b.Kind)))
	})
	return c.found
}

func order(name string) int {
	return slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
}

// factID finds the same fact of the other side. An object goes by its canonical
// name.
type factID struct{ kind, object, grantee string }

// half is one side of a comparison.
type half struct {
	*Definitions
	heads map[string]*Definition // by object
	facts map[factID]*Definition
}

func newHalf(d *Definitions, chosen func(string) bool) *half {
	h := &half{Definitions: d, heads: map[string]*Definition{}, facts: make(map[factID]*Definition, len(d.List))}
	for i := range d.List {
		f := &d.List[i]
		k := kindNamed[f.Kind]
		if k == nil || chosen != nil && (f.Table == "" || !chosen(f.Table)) {
			continue
		}
		id := factID{f.Kind, canonical(f.Object), canonical(f.grantee)}
		h.facts[id] = f
		if k.head {
			h.heads[id.object] = f
		}
	}
	return h
}

type comparison struct {
	source, target *half
	// gone are objects that are not on both sides, or not as the same kind of
	// thing: one difference says so, and no fact about them is compared.
	gone map[string]bool
	// regrouped are tables that the two sides partition otherwise, on purpose or
	// not: which partitions they have is no difference of its own.
	regrouped map[string]bool
	found     []Difference
}

// newlyQuoted are names that later versions made keywords, and quote since.
var newlyQuoted = regexp.MustCompile(`"(json|json_array|json_arrayagg|json_exists|json_object|json_objectagg|json_query|json_scalar|json_serialize|json_table|json_value|merge_action|normalize|system_user)"`)

// canonical is an object's name as all versions would quote it.
func canonical(object string) string {
	if !strings.Contains(object, `"`) {
		return object
	}
	return newlyQuoted.ReplaceAllString(object, "$1")
}

// findGone finds what is on one side only.
func (c *comparison) findGone() {
	for _, two := range [][2]*half{{c.source, c.target}, {c.target, c.source}} {
		here, there := two[0], two[1]
		for object, d := range here.heads {
			other := there.heads[object]
			if other == nil || other.Kind != d.Kind {
				c.gone[object] = true
			}
			if d.Kind == "table" && (other == nil || other.Text != d.Text) {
				c.regrouped[object] = true
			}
		}
		for id, d := range here.facts {
			switch other := there.facts[id]; {
			case id.kind == "identity" && other == nil:
				c.gone["identity "+id.object] = true
			case id.kind == "partition_key" && (other == nil || !c.same(kindNamed[id.kind], d, other)):
				c.regrouped[id.object] = true
			}
		}
		for role := range here.present {
			if !there.present[role] && role != "role "+here.bootstrap {
				c.gone[role] = true
			}
		}
	}
}

// silent tells whether what a fact goes with is said to be gone already.
func (c *comparison) silent(h *half, within string) bool {
	for object := range strings.SplitSeq(within, "\n") {
		if object = canonical(object); object == "" {
			continue
		}
		if c.gone[object] {
			return true
		}
		if head := h.heads[object]; head != nil && head.within != "" && head.within != within && c.silent(h, head.within) {
			return true
		}
	}
	return false
}

// elsewhere tells whether a partition is of a tree that the sides divide
// otherwise.
func (c *comparison) elsewhere(h *half, d *Definition) bool {
	for d != nil && d.Kind == "partition" {
		up := canonical(d.within)
		if c.regrouped[up] {
			return true
		}
		d = h.heads[up]
	}
	return false
}

// plain tells whether a side has the table, and not partitioned.
func (c *comparison) plain(h *half, object string) bool {
	d := h.heads[object]
	return d != nil && d.Kind == "table" && d.Text != "partitioned table"
}

func (c *comparison) compareFacts() {
	ids := map[factID]bool{}
	for _, h := range []*half{c.source, c.target} {
		for id := range h.facts {
			ids[id] = true
		}
	}
	for id := range maps.Keys(ids) {
		if id.grantee != "" {
			continue // comparePrivileges
		}
		c.compareFact(kindNamed[id.kind], id, c.source.facts[id], c.target.facts[id])
	}
}

func (c *comparison) compareFact(k *kind, id factID, s, t *Definition) {
	if s == nil { // or it goes by its parent's
		s = c.source.followed[id]
	}
	if t == nil {
		t = c.target.followed[id]
	}
	if s != nil && t != nil {
		// That the target lacks the owner is said of the role.
		lacks := k.name == "owner" && c.gone["role "+s.Text]
		if !c.same(k, s, t) && !c.silent(c.source, s.within) && (k.head || !c.gone[id.object]) && !lacks {
			c.add(k, s, t)
		}
		return
	}
	d, here, there := s, c.source, c.target
	if d == nil {
		d, here, there = t, c.target, c.source
	}
	switch {
	case c.silent(here, d.within), k.name == "default" && d.Text == noDefault, k.name == "partition_key" && c.regrouped[id.object] && c.plain(there, id.object), !k.head && c.gone[id.object], c.elsewhere(here, d),
		(k.name == "password") && (!c.source.passwords || !c.target.passwords),
		k.name == "user_mapping_options" && (!c.source.mappings || !c.target.mappings),
		k.name == "role" && id.object == "role "+there.bootstrap:
		return
	}
	// Another kind of thing has its name: said once, of the source's.
	if other := there.heads[id.object]; k.head && other != nil {
		if s != nil {
			c.addAs(k, s, other, Block)
		}
		return
	}
	c.add(k, s, t)
}

// same tells whether two facts mean the same.
func (c *comparison) same(k *kind, s, t *Definition) bool {
	if k.name == "column" || s.Text == t.Text || s.otherwise != "" && s.otherwise == t.otherwise {
		return true
	}
	if k.name == "function" && strings.HasPrefix(s.Text, "procedure ") && strings.HasPrefix(t.Text, "procedure ") {
		return sameTokens(dropIn(s.Text), dropIn(t.Text), false, false)
	}
	if k.name == "column_order" {
		return sameOrder(s.Text, t.Text)
	}
	if k.name == "publication" && (!c.source.truncates || !c.target.truncates) {
		return strings.ReplaceAll(s.Text, truncates, "") == strings.ReplaceAll(t.Text, truncates, "")
	}
	if k.name == "text_search_dictionary" && quotedNumber.ReplaceAllString(s.Text, "= $1") == quotedNumber.ReplaceAllString(t.Text, "= $1") {
		return true
	}
	if k.name == "collation" && sameLocale(s.Text, t.Text) {
		return true
	}
	a, b := c.qualify(k)
	return k.parsed && sameTokens(s.Text, t.Text, a, b)
}

// truncates is what a publication of a server says that can publish TRUNCATE.
const truncates = ", truncate"

// quotedNumber is an option of a dictionary as servers before 14 keep it.
var quotedNumber = regexp.MustCompile(`= '(-?[0-9]+)'`)

// sameOrder tells whether the columns that both have come in the same order.
func sameOrder(a, b string) bool {
	names := func(text string) (list []string) {
		for _, t := range lex(text) {
			if t.text != "," {
				list = append(list, bare(t.text))
			}
		}
		return list
	}
	x, y := names(a), names(b)
	common := func(list, other []string) []string {
		has := map[string]bool{}
		for _, n := range other {
			has[n] = true
		}
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !has[n] })
	}
	return slices.Equal(common(x, y), common(y, x))
}

// qualify tells of each side whether it prints a column's table where there is but
// one: of views alone the two may differ.
func (c *comparison) qualify(k *kind) (source, target bool) {
	if k.name == "view" || k.name == "materialized_view" {
		return c.source.qualifies, c.target.qualifies
	}
	return false, false
}

func (c *comparison) add(k *kind, s, t *Definition) { c.addAs(k, s, t, c.judge(k, s, t)) }

func (c *comparison) addAs(k *kind, s, t *Definition, severity Severity) {
	d := Difference{Kind: k.name, Severity: severity}
	of := s
	if of == nil {
		of = t
	}
	d.Table, d.Object = of.Table, of.Object
	if s != nil {
		d.Source = s.Text
	}
	if t != nil {
		d.Target = t.Text
	}
	if s != nil && t != nil && s.Kind != t.Kind { // one is a view, say
		d.Source, d.Target = title(s), title(t)
	}
	if k.parsed && s != nil && t != nil && (len(s.Text) > shown || len(t.Text) > shown) {
		a, b := c.qualify(k)
		i, j, _ := part(s.Text, t.Text, a, b)
		d.Source, d.Target = from(d.Source, i), from(d.Target, j)
	}
	d.Source, d.Target = shorten(d.Source, d.Target)
	c.found = append(c.found, d)
}

// title says what an object is, where the two sides have different things.
func title(d *Definition) string {
	if d.Kind == "table" {
		return d.Text
	}
	return strings.ReplaceAll(d.Kind, "_", " ")
}
