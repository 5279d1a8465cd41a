package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// walker reads one YAML file. It goes over the syntax tree by itself: the
// library's decoder stops at the first mistake, and its messages print the
// lines around it.
type walker struct {
	file string
	m    *mistakes
}

// at is the origin of a token. Tokens made up by the parser have no position.
func (w *walker) at(t *token.Token, key string) origin {
	if t == nil || t.Position == nil {
		return origin{w.file, key, place{layer: layerFile}}
	}
	line, column := t.Position.Line, t.Position.Column
	return origin{fmt.Sprintf("%s:%d:%d", w.file, line, column), key, place{layerFile, line, column}}
}

// atNode is the origin of a node: of its first key, where it is a mapping,
// because the parser's token for those is the colon.
func (w *walker) atNode(n ast.Node, key string) origin {
	switch n := n.(type) {
	case nil:
		return w.at(nil, key)
	case *ast.MappingNode:
		if len(n.Values) > 0 && !n.IsFlowStyle {
			return w.at(n.Values[0].Key.GetToken(), key)
		}
	case *ast.MappingValueNode:
		return w.at(n.Key.GetToken(), key)
	}
	return w.at(n.GetToken(), key)
}

// root parses the file and returns its one document, nil after a mistake.
func (w *walker) root(content []byte) ast.Node {
	file, err := parse(content)
	if err != nil {
		w.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		case *ast.DirectiveNode:
			w.m.add(w.atNode(doc.Body, ""), "is a YAML directive; take it out")
			return nil
		default:
			if body != nil {
				w.m.add(w.atNode(doc.Body, ""), "starts a second document; keep one document to a file, and list several pairs under pairs")
				return nil
			}
			body = doc.Body
		}
	}
	if body == nil {
		w.m.add(origin{where: w.file, place: place{layer: layerFile}}, "is empty; it needs at least version: 1 and pairs")
	}
	return body
}

// errParser stands for a panic of the YAML parser. What it panicked with may
// quote the file.
var errParser = errors.New("cannot be read as YAML")

// parse guards against the parser's own faults: it is fed by hand-written
// files, and a trace is no answer to one.
func parse(content []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errParser
		}
	}()
	// Duplicate keys are found by the walk, which goes on after them.
	return parser.ParseBytes(content, 0, parser.AllowDuplicateMapKey())
}

// syntaxHints is what may be said of a syntax error. The parser's own messages
// are not printed: some quote the file.
var syntaxHints = []struct{ message, hint string }{
	{"tab character", "a tab is used for indentation; use spaces"},
	{"character '\t' that cannot start", "a tab is used for indentation; use spaces"},
	{"is a reserved character", "a value starts with @ or `; put it in quotes"},
	{"escape", "a backslash in double quotes starts an escape; write it twice, or use single quotes"},
	{"flow mapping end token", "a { is not closed"},
	{"',' or '}'", "a , or } is missing; put values with special characters in quotes"},
	{"sequence end token", "a [ is not closed"},
	{"',' or ']'", "a , or ] is missing; put values with special characters in quotes"},
	{"end character of", "a quote is not closed"},
	{"mapping value is not allowed", "a second colon stands in the line; put values that hold \": \" in quotes"},
	{"non-map value", "a line is neither \"key: value\" nor a list item; check its indentation"},
	{"unexpected key name", "a key is not followed by a colon, or is indented wrongly"},
	{"value is not allowed in this context", "a value stands where none may; check the indentation of this line and the one above"},
}

func (w *walker) syntax(err error) {
	at := origin{where: w.file, place: place{layer: layerFile}}
	hint := "check the indentation, and put values with special characters in quotes"
	var parsed yaml.Error
	if errors.As(err, &parsed) {
		at = w.at(parsed.GetToken(), "")
		for _, h := range syntaxHints {
			if strings.Contains(parsed.GetMessage(), h.message) {
				hint = h.hint
				break
			}
		}
	}
	w.m.add(at, "is not valid YAML: "+hint)
}

// plain refuses the nodes that no option takes, whatever its kind.
func (w *walker) plain(n ast.Node, key string) bool {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		w.m.add(w.atNode(n, key), "is an anchor or alias, which are not supported; write the value out, or put it under defaults; quote a value that starts with & or *")
		return false
	case *ast.TagNode:
		w.m.add(w.atNode(n, key), "has a tag, which are not supported; quote a value that starts with !")
		return false
	}
	return true
}

// entry is one key of a mapping and its value.
type entry struct {
	name  string
	at    origin // of the key
	value ast.Node
}

// names is what a mapping may hold.
type names struct {
	known   []string          // nil = any key
	refused map[string]string // known, but not to be used here, and why
	secret  bool              // a connection: a stray key there may be a piece of a password
	what    string            // for "must be …"
}

// keyText is an unknown key that is printed: no digits, no punctuation that a
// password or URL would have.
var keyText = regexp.MustCompile(`^[A-Za-z]+([_-][A-Za-z]+)*$`)

// nearText is an unknown key that is printed because a known one is near.
var nearText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// entries returns the known keys of a mapping in the order of the file, and
// reports the unknown and the duplicate ones. ok is false if n is no mapping.
func (w *walker) entries(n ast.Node, path string, allowed names) (list []entry, ok bool) {
	if !w.plain(n, path) {
		return nil, false
	}
	m, isMap := n.(ast.MapNode)
	if !isMap {
		w.m.add(w.atNode(n, path), "must be "+allowed.what)
		return nil, false
	}
	first := map[string]int{}
	for iter := m.MapRange(); iter.Next(); {
		at := w.at(iter.Key().GetToken(), path)
		key, isText := iter.Key().(*ast.StringNode)
		switch {
		case iter.Key().IsMergeKey():
			w.m.add(at, "has a merge key (<<), which is not supported; write the keys out, or put them under defaults")
			continue
		case !isText || key.Value == "":
			w.m.add(at, "has a key that is not plain text; put it in quotes")
			continue
		case !w.known(key.Value, at, path, allowed):
			continue
		}
		at.key = join(path, key.Value, len(first), allowed)
		if line, twice := first[key.Value]; twice {
			w.m.add(at, fmt.Sprintf("is given twice, first in line %d", line))
			continue
		}
		first[key.Value] = at.place.line
		list = append(list, entry{key.Value, at, iter.Value()})
	}
	return list, true
}

// known reports an unknown key, with the known one next to it.
func (w *walker) known(key string, at origin, path string, allowed names) bool {
	if allowed.known == nil {
		return true
	}
	if slices.Contains(allowed.known, key) {
		return true
	}
	near := nearest(key, allowed.known)
	switch {
	case allowed.refused[key] != "":
		at.key = join(path, key, 0, names{})
		w.m.add(at, allowed.refused[key])
	case near != "":
		if nearText.MatchString(key) {
			at.key = join(path, key, 0, names{})
		}
		w.m.add(at, fmt.Sprintf("unknown key; did you mean %q?", near))
	case !allowed.secret && keyText.MatchString(key) && len(key) <= 32:
		at.key = join(path, key, 0, names{})
		w.m.add(at, "unknown key; known here: "+strings.Join(allowed.known, ", "))
	default:
		w.m.add(at, "has an unknown key at this place; known here: "+strings.Join(allowed.known, ", "))
	}
	return false
}

// tableText is a table name that is printed in a path; others are told by
// their number.
var tableText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*\.[A-Za-z_][A-Za-z0-9_$]*$`)

func join(path, key string, index int, allowed names) string {
	switch {
	case allowed.known == nil && allowed.what != "" && !tableText.MatchString(key):
		return fmt.Sprintf("%s[%d]", path, index)
	case path == "":
		return key
	}
	return path + "." + key
}

// scalar returns the text of a scalar node, as it is written when it is not a
// string. ok is false for anything else, null included.
func scalar(n ast.Node) (s string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", false
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
