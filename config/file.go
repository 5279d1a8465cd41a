package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// layer is what one source of settings says, by YAML key of the option.
type layer map[string]setting

type setting struct {
	at    origin
	apply setter
	// render makes in place of apply a setter of what holds variables and password
	// files: connections and what calls others, in YAML.
	render rendering
}

// rendering fills in variables and password files. It is called for pairs that
// are run, and reports what is missing.
type rendering func(env environment, readFile fileReader, m *mistakes) setter

// filePair is one entry of pairs.
type filePair struct {
	name     string
	at       origin
	settings layer
}

// fileContent is a YAML file whose values have been checked.
type fileContent struct {
	defaults layer
	pairs    []filePair
	monitor  *monitorFile // nil where there is none
}

var pairName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// readFile reads a whole configuration file.
func (w *walker) readFile(content []byte) (f fileContent) {
	body := w.root(content)
	if body == nil {
		return f
	}
	top, ok := w.entries(body, "", names{known: []string{"version", "monitor", "defaults", "pairs"}, what: "a mapping with version, defaults and pairs"})
	if !ok {
		return f
	}
	seen := map[string]bool{}
	for _, e := range top {
		seen[e.name] = true
		switch e.name {
		case "version":
			if n, ok := e.value.(*ast.IntegerNode); !ok || n.GetToken().Value != "1" {
				w.m.add(e.at, "must be 1, the version of the file's shape that this build reads")
			}
		case "monitor":
			f.monitor = w.monitorSection(e)
		case "defaults":
			f.defaults = w.defaults(e)
		case "pairs":
			f.pairs = w.pairs(e)
		}
	}
	start := w.atNode(body, "version")
	if !seen["version"] {
		w.m.add(start, "is missing; add version: 1")
	}
	if !seen["pairs"] {
		start.key = "pairs"
		w.m.add(start, "is missing; list the pairs to verify under it, each with name, source and target")
	}
	return f
}

func (w *walker) defaults(e entry) layer {
	table, settings := Options(), layer{}
	allowed := table.names("", true)
	allowed.what, allowed.refused["name"] = "a mapping of options", belongsToPair
	list, _ := w.entries(e.value, e.at.key, allowed)
	w.options(list, "", true, settings)
	return settings
}

const belongsToPair = "belongs to a pair; move it there"

// names are the keys of the table that stand in one mapping: that of a pair, or
// with a prefix such as "cutover." one inside it.
func (t OptionTable) names(prefix string, defaults bool) names {
	n := names{refused: map[string]string{}}
	for _, o := range t {
		key, inside := strings.CutPrefix(o.Key, prefix)
		if !inside {
			continue
		}
		key, _, nested := strings.Cut(key, ".")
		switch {
		case defaults && o.PairOnly && !nested:
			n.refused[key] = belongsToPair
		case !slices.Contains(n.known, key):
			n.known = append(n.known, key)
		}
	}
	n.what = "a mapping with " + strings.Join(n.known, ", ")
	return n
}

func (w *walker) pairs(e entry) (pairs []filePair) {
	allowed := Options().names("", false)
	allowed.known = append([]string{"name"}, allowed.known...)
	allowed.what = "a mapping with name, source, target and options"
	seq, ok := e.value.(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		if w.plain(e.value, e.at.key) {
			w.m.add(e.at, "must be a list of pairs, each with name, source and target")
		}
		return nil
	}
	named := map[string]string{}
	for i, n := range seq.Values {
		path := fmt.Sprintf("%s[%d]", e.at.key, i)
		list, ok := w.entries(n, path, allowed)
		if !ok {
			continue
		}
		p := filePair{at: w.atNode(n, path), settings: layer{}}
		nameAt := slices.IndexFunc(list, func(e entry) bool { return e.name == "name" })
		if nameAt < 0 {
			w.m.add(origin{p.at.where, path + ".name", p.at.place}, "is missing; every pair needs a name, for --pair and for reports")
		} else {
			p.name = w.name(list[nameAt], named, path)
		}
		w.options(list, "", false, p.settings)
		pairs = append(pairs, p)
	}
	return pairs
}

// name reads a pair's name. It may become part of a file name, so it is a
// plain one.
func (w *walker) name(e entry, named map[string]string, path string) string {
	n, ok := e.value.(*ast.StringNode)
	if !ok {
		if w.plain(e.value, e.at.key) {
			w.m.add(e.at, "must be text; put a number in quotes")
		}
		return ""
	}
	if !pairName.MatchString(n.Value) {
		w.m.add(e.at, "must be up to 63 letters, digits, dots, dashes and underscores, the first a letter or digit")
		return ""
	}
	if other, taken := named[n.Value]; taken {
		w.m.add(e.at, "is the name of "+other+" already; each pair needs its own")
		return ""
	}
	named[n.Value] = path
	return n.Value
}

// options reads the entries of a mapping, and of those inside it, into settings.
func (w *walker) options(list []entry, prefix string, defaults bool, settings layer) {
	table := Options()
	for _, e := range list {
		key := prefix + e.name
		o := table.byKey(key)
		if o == nil {
			// A mapping of options, or a pair's name.
			if inside := table.names(key+".", defaults); len(inside.known) > 0 {
				nested, _ := w.entries(e.value, e.at.key, inside)
				w.options(nested, key+".", defaults, settings)
			}
			continue
		}
		s := setting{at: e.at}
		switch {
		case !w.plain(e.value, e.at.key):
		case o.walk != nil:
			s.apply, s.render = o.walk(w, e, defaults)
		case o.kind == kindConnection:
			c := w.connection(e)
			s.render = func(env environment, readFile fileReader, m *mistakes) setter {
				text := c.render(env, readFile, m)
				return func(p *Pair) { *o.connection(p) = text }
			}
		default:
			s.apply = w.parse(o, e)
		}
		// A value with a mistake is kept as given: it must not be called missing.
		settings[key] = s
	}
}

// parse reads the value of an option of the simple kinds. It returns nil after
// a mistake.
func (w *walker) parse(o *Option, e entry) setter {
	values, origins, ok := w.values(o.kind, e)
	if !ok {
		return nil
	}
	set, bad := o.parse(values)
	for _, b := range bad {
		at := e.at
		if b.index < len(origins) {
			at = origins[b.index]
		}
		w.m.add(at, b.message)
	}
	if len(bad) > 0 {
		return nil
	}
	return set
}

// values returns an option's value as the texts that its parse function takes,
// each with its place. Types are judged here: last_by: 5 is a mistake although
// "5" is a column's name.
func (w *walker) values(k kind, e entry) (values []string, origins []origin, ok bool) {
	must := map[kind]string{
		kindText:     "must be text; put a number in quotes",
		kindNumber:   "must be a whole number",
		kindDuration: "must be a duration such as 30s, 5m or 1h30m",
		kindSize:     mustBeSize,
		kindSwitch:   "must be true or false",
		kindList:     "must be a list of texts",
		kindItems:    "must be a list of texts",
		kindReports:  "must be a list of FORMAT=FILE",
	}[k]
	nodes := []ast.Node{e.value}
	if seq, isList := e.value.(*ast.SequenceNode); isList && (k == kindList || k == kindItems || k == kindReports) {
		nodes = seq.Values
	}
	ok = true
	for i, n := range nodes {
		at := e.at
		if n != e.value {
			at = w.atNode(n, fmt.Sprintf("%s[%d]", e.at.key, i))
			if !w.plain(n, at.key) {
				ok = false
				continue
			}
		}
		s, fits := scalar(n)
		switch node := n.(type) {
		case *ast.StringNode, *ast.LiteralNode:
			fits = fits && k != kindNumber && k != kindSwitch
		case *ast.IntegerNode:
			// The text may be 0x10 or 1_000.
			s, fits = fmt.Sprint(node.Value), k == kindNumber || k == kindDuration || k == kindSize
		case *ast.BoolNode:
			s, fits = strconv.FormatBool(node.Value), k == kindSwitch
		default:
			fits = false
		}
		if !fits {
			w.m.add(at, must)
			ok = false
			continue
		}
		values, origins = append(values, s), append(origins, at)
	}
	return values, origins, ok
}

// connection reads a side or a primary: one text, or a mapping of parts.
func (w *walker) connection(e entry) *connection {
	c := &connection{at: e.at}
	if s, ok := scalar(e.value); ok {
		if strings.TrimSpace(s) == "" {
			w.m.add(e.at, "is empty")
			return c
		}
		c.parts = []part{newPart("", s, e.at)}
		c.check(w.m)
		return c
	}
	list, ok := w.entries(e.value, e.at.key, names{known: partNames, secret: true,
		what: "a postgres:// URL, keyword/value text, or a mapping such as {host: …, dbname: …}"})
	if !ok {
		return c
	}
	passwords := 0
	for _, p := range list {
		if slices.Contains(passwordParts, p.name) {
			if passwords++; passwords == 2 {
				w.m.add(p.at, "is a second place for the password; keep one of "+strings.Join(passwordParts, ", "))
			}
		}
		if !w.plain(p.value, p.at.key) {
			continue
		}
		s, ok := scalar(p.value)
		if !ok {
			w.m.add(p.at, "must be a text or a number")
			continue
		}
		c.parts = append(c.parts, newPart(p.name, s, p.at))
	}
	if len(list) == 0 {
		w.m.add(e.at, "is empty")
	}
	slices.SortStableFunc(c.parts, func(a, b part) int {
		return slices.Index(partNames, a.name) - slices.Index(partNames, b.name)
	})
	c.check(w.m)
	return c
}
