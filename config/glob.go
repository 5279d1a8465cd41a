package config

import (
	"encoding/json"
	"slices"
	"strings"
)

func globs(field func(*Pair) *[]string, dots int) value {
	return value{
		kind: kindList,
		parse: func(values []string) (setter, []problem) {
			if len(values) == 0 {
				// An empty list reads like "nothing", and would mean "everything".
				return nil, []problem{{0, "is empty; leave it out"}}
			}
			var bad []problem
			for i, v := range values {
				if message := checkGlob(v, dots); message != "" {
					bad = append(bad, problem{i, message})
				}
			}
			return func(p *Pair) { *field(p) = slices.Clone(values) }, bad
		},
		show: func(p Pair) string {
			if list := *field(&p); len(list) > 0 {
				sorted := slices.Sorted(slices.Values(list))
				b, _ := json.Marshal(sorted) // strings always marshal
				return string(b)
			}
			return ""
		},
	}
}

func checkGlob(s string, dots int) string {
	switch {
	case s == "":
		return "holds an empty glob"
	case strings.ContainsAny(s, `"`):
		return "holds a double quote; globs match the unquoted name, leave the quotes out"
	case strings.Contains(s, ","):
		return "holds a comma; give each glob by itself"
	case strings.ContainsAny(s, `[]{}\`):
		return "holds one of [ ] { } \\; a glob knows only * and ?" + notShown(s)
	case strings.ContainsAny(s, "\x00\r\n") || strings.TrimSpace(s) != s:
		return "has white space around it or a control character in it"
	case strings.Count(s, ".") > dots && dots == 0:
		return "has a dot; this is a schema's name, use tables for schema.table" + notShown(s)
	case strings.Count(s, ".") > dots:
		return "has more than one dot; globs match schema.table" + notShown(s)
	case strings.HasPrefix(s, ".") || strings.HasSuffix(s, "."):
		return "has nothing on one side of the dot; write * for any" + notShown(s)
	}
	return ""
}
