package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Heartbeat is a marker: a column of one row of a replicated table, which only
// grows. Names are as they are stored, without quotes.
type Heartbeat struct {
	Schema, Table, Column string
	// KeyColumn and Key pick the row; both "" where the table has one row.
	KeyColumn, Key string
	// Strike lets pgparity add one to the marker on the source. It is the only
	// thing that verify ever writes.
	Strike bool
}

const (
	mustBeMarker = "must be schema.table.column, or schema.table.column=key_column:key for one row of several; put a name that holds . = : or \" in double quotes"
	mustBeTable  = "must be one table, schema.table; put a name that holds a dot or \" in double quotes"
	twiceMarker  = "names a marker twice"
)

func heartbeats() value {
	return value{
		kind: kindHeartbeats,
		walk: func(w *walker, e entry, _ bool) (setter, rendering) { return w.heartbeats(e), nil },
		parse: func(values []string) (setter, []problem) {
			var bad []problem
			var list []Heartbeat
			for i, v := range values {
				h, ok := parseHeartbeat(v)
				switch {
				case strings.TrimSpace(v) == "":
					bad = append(bad, problem{i, "is empty"})
				case !ok:
					bad = append(bad, problem{i, mustBeMarker})
				case slices.Contains(list, h):
					bad = append(bad, problem{i, twiceMarker})
				}
				list = append(list, h)
			}
			return setHeartbeats(list), bad
		},
		show: func(p Pair) string {
			if len(p.Heartbeats) == 0 {
				return ""
			}
			b, _ := json.Marshal(p.Heartbeats) // strings and switches always marshal
			return string(b)
		},
	}
}

func setHeartbeats(list []Heartbeat) setter {
	return func(p *Pair) { p.Heartbeats = slices.Clone(list) }
}

// parseHeartbeat reads schema.table.column[=key_column:key]. The key is what
// follows the first colon behind its column, whatever it holds.
func parseHeartbeat(s string) (h Heartbeat, ok bool) {
	names, rest, ok := identifiers(s)
	if !ok || len(names) != 3 {
		return h, false
	}
	h = Heartbeat{Schema: names[0], Table: names[1], Column: names[2]}
	if rest == "" {
		return h, true
	}
	row, found := strings.CutPrefix(rest, "=")
	if !found {
		return h, false
	}
	names, rest, ok = identifiers(row)
	key, found := strings.CutPrefix(rest, ":")
	if !ok || !found || len(names) != 1 || key == "" {
		return h, false
	}
	h.KeyColumn, h.Key = names[0], key
	return h, true
}

// identifiers reads names with dots between them, each bare or in double
// quotes, up to the end or to a bare = or :. A bare name is taken as it stands,
// upper and lower case too, as everywhere in the configuration.
func identifiers(s string) (names []string, rest string, ok bool) {
	for {
		var name string
		if name, s, ok = identifier(s); !ok {
			return nil, "", false
		}
		names = append(names, name)
		if !strings.HasPrefix(s, ".") {
			return names, s, true
		}
		s = s[1:]
	}
}

func identifier(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ".=:")
		if end < 0 {
			end = len(s)
		}
		name = s[:end]
		ok = name != "" && strings.TrimSpace(name) == name && !strings.ContainsAny(name, "\"\x00\r\n")
		return name, s[end:], ok
	}
	var b strings.Builder
	for s = s[1:]; ; s = s[1:] {
		text, after, closed := strings.Cut(s, `"`)
		b.WriteString(text)
		if !closed || strings.ContainsRune(text, 0) {
			return "", "", false
		}
		if s = after; !strings.HasPrefix(s, `"`) {
			return b.String(), s, b.Len() > 0
		}
		b.WriteByte('"') // two quotes stand for one
	}
}

// heartbeats reads the list of the YAML file.
func (w *walker) heartbeats(e entry) setter {
	seq, isList := e.value.(*ast.SequenceNode)
	if !isList || len(seq.Values) == 0 {
		if w.plain(e.value, e.at.key) {
			w.m.add(e.at, "must be a list of markers, each a mapping such as {table: public.heartbeat, column: beat}")
		}
		return nil
	}
	var list []Heartbeat
	for i, n := range seq.Values {
		path := fmt.Sprintf("%s[%d]", e.at.key, i)
		h, ok := w.heartbeat(n, path)
		if ok && slices.ContainsFunc(list, h.sameMarker) {
			w.m.add(w.atNode(n, path), twiceMarker)
		}
		list = append(list, h)
	}
	return setHeartbeats(list)
}

// sameMarker tells whether two are one marker, whoever changes it.
func (h Heartbeat) sameMarker(other Heartbeat) bool {
	h.Strike = other.Strike
	return h == other
}

func (w *walker) heartbeat(n ast.Node, path string) (h Heartbeat, ok bool) {
	before := len(w.m.list)
	list, isMap := w.entries(n, path, names{known: []string{"table", "column", "key_column", "key", "strike"},
		what: "a mapping with table and column, and where they are needed key_column, key and strike"})
	if !isMap {
		return h, false
	}
	given := map[string]bool{}
	for _, s := range list {
		given[s.name] = true
		if !w.plain(s.value, s.at.key) {
			continue
		}
		switch s.name {
		case "table":
			name := w.word(s)
			parts, rest, ok := identifiers(name)
			if ok = ok && len(parts) == 2 && rest == ""; ok {
				h.Schema, h.Table = parts[0], parts[1]
			} else if name != "" {
				w.m.add(s.at, mustBeTable)
			}
		case "column":
			h.Column = w.word(s)
		case "key_column":
			h.KeyColumn = w.word(s)
		case "key":
			h.Key = w.key(s)
		case "strike":
			if v, _, ok := w.values(kindSwitch, s); ok {
				h.Strike = v[0] == "true"
			}
		}
	}
	at := w.atNode(n, path)
	for _, name := range []string{"table", "column"} {
		if !given[name] {
			w.m.add(at, name+" is missing: a marker is a column of a table")
		}
	}
	if given["key_column"] != given["key"] {
		w.m.add(at, "needs both key_column and key, or neither where the table has one row")
	}
	return h, len(w.m.list) == before
}

// key reads a key's text, for which a number may stand as well.
func (w *walker) key(e entry) string {
	s, ok := scalar(e.value)
	switch {
	case !ok:
		w.m.add(e.at, "must be a text or a number")
	case s == "":
		w.m.add(e.at, "is empty")
	}
	return s
}

// checkHeartbeats sees that markers and replication go together. at is where
// each option was given; markers under defaults serve the pairs that use them.
func (l *loader) checkHeartbeats(p *Pair, at map[string]origin, defaults layer) {
	of := "the pair"
	if p.Name != "" {
		of = "pair " + p.Name
	}
	where, given := at["heartbeats"]
	switch {
	case p.Replication == "heartbeat" && !given:
		l.m.add(at["replication"], fmt.Sprintf("heartbeat needs a marker, and %s has none; give --heartbeat schema.table.column, or list it under heartbeats in the configuration file", of))
	case given && where != defaults["heartbeats"].at && p.Replication != "auto" && p.Replication != "heartbeat":
		l.m.add(where, fmt.Sprintf("is of no use to %s, whose replication is %s; take one of the two out", of, p.Replication))
	}
}
