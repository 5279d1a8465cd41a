package config

import (
	"slices"
	"strings"
)

// perTable reads per_table. A pair's entry for a table replaces the one under
// defaults.
func (w *walker) perTable(e entry) setter {
	tables := map[string]Table{}
	list, _ := w.entries(e.value, e.at.key, names{what: "a mapping of schema.table to key, last_by and plan"})
	for _, t := range list {
		if schema, name, _ := strings.Cut(t.name, "."); schema == "" || name == "" || strings.ContainsAny(name, ".") || strings.ContainsAny(t.name, `*?"`) {
			w.m.add(t.at, "must be the unquoted name of one table, schema.table")
		}
		var table Table
		settings, _ := w.entries(t.value, t.at.key, names{known: []string{"key", "last_by", "plan"}, what: "a mapping with key, last_by and plan",
			refused: map[string]string{"exclude_columns": "is not in this version; take it out: all columns are compared"}})
		for _, s := range settings {
			if !w.plain(s.value, s.at.key) {
				continue
			}
			switch s.name {
			case "key":
				table.Key = w.columns(s)
			case "last_by":
				table.LastBy = w.word(s)
			case "plan":
				if table.Plan = w.word(s); table.Plan != "" {
					if message := checkWord(table.Plan, planWords); message != "" {
						w.m.add(s.at, message)
					}
				}
			}
		}
		if table.Plan == "multiset" && len(table.Key) > 0 {
			w.m.add(t.at, "has a key, which the plan multiset does not use; take one of the two out")
		}
		tables[t.name] = table
	}
	return func(p *Pair) {
		merged := map[string]Table{}
		for _, from := range []map[string]Table{p.PerTable, tables} {
			for name, t := range from {
				t.Key = slices.Clone(t.Key)
				merged[name] = t
			}
		}
		p.PerTable = merged
	}
}

// word reads one text that is not empty; "" after a mistake.
func (w *walker) word(e entry) string {
	values, _, ok := w.values(kindText, e)
	if !ok {
		return ""
	}
	if values[0] == "" {
		w.m.add(e.at, "is empty")
	}
	return values[0]
}

func (w *walker) columns(e entry) []string {
	values, origins, ok := w.values(kindList, e)
	if ok && len(values) == 0 {
		w.m.add(e.at, "is empty; name the columns of a unique index")
	}
	for i, v := range values {
		switch {
		case v == "":
			w.m.add(origins[i], "is empty")
		case slices.Contains(values[:i], v):
			w.m.add(origins[i], "names a column twice")
		}
	}
	return values
}
