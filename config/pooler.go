package config

import (
	"regexp"
	"slices"
	"strings"
)

// Pooler is a PgBouncer in front of the source.
type Pooler struct {
	Name string
	// Admin is a connection string of its admin console. It may hold a password.
	Admin     string
	Databases []string // names of its entries that lead to the source; at least one
	// File is its configuration file, and Target what the entries are given there,
	// key=value pairs as PgBouncer has them; both or neither is "". Target names at
	// least one of host, port and dbname. It may hold a password.
	File, Target string
}

var poolerKeys = []string{"name", "admin", "databases", "file", "target"}

// poolers reads the list of PgBouncers.
func (w *walker) poolers(e entry, _ bool) (setter, rendering) {
	type pooler struct {
		Pooler
		admin  *connection
		target template
	}
	var list []pooler
	w.mappings(e, names{known: poolerKeys, secret: true, what: "a mapping with " + strings.Join(poolerKeys, ", ")}, []string{"name", "admin", "databases"}, func(at origin, settings []entry) {
		p := pooler{admin: &connection{}, target: template{broken: true}}
		for _, s := range settings {
			if !w.plain(s.value, s.at.key) {
				continue
			}
			switch s.name {
			case "name":
				p.Name = w.named(s, func(name string) bool {
					return slices.ContainsFunc(list, func(other pooler) bool { return other.Name == name })
				})
			case "admin":
				p.admin = w.connection(s)
			case "databases":
				p.Databases = w.entryNames(s)
			case "file":
				p.File = w.word(s)
			case "target":
				p.target = w.template(s, checkEntry)
			}
		}
		has := func(key string) bool {
			return slices.ContainsFunc(settings, func(s entry) bool { return s.name == key })
		}
		if has("file") != has("target") {
			w.m.add(at, "needs both file and target, or neither where a hook leads it to the target")
		}
		list = append(list, p)
	})
	return nil, func(env environment, readFile fileReader, m *mistakes) setter {
		var rendered []Pooler
		for _, p := range list {
			p.Admin = p.admin.render(env, readFile, m)
			p.Target, _ = p.target.fill(env, m)
			p.Databases = slices.Clone(p.Databases)
			rendered = append(rendered, p.Pooler)
		}
		return func(p *Pair) { p.Cutover.Poolers = rendered }
	}
}

// entryNames reads the names of a PgBouncer's entries.
func (w *walker) entryNames(e entry) []string {
	values, origins, ok := w.values(kindItems, e)
	if ok && len(values) == 0 {
		w.m.add(e.at, "is empty; name the entries that lead to the source")
	}
	for i, v := range values {
		switch {
		case strings.TrimSpace(v) == "":
			w.m.add(origins[i], "is empty")
		case v == "*":
			w.m.add(origins[i], "is no name of an entry: a fallback leads elsewhere too; name the databases that clients ask for, and give each an entry")
		case slices.Contains(values[:i], v):
			w.m.add(origins[i], "names an entry twice")
		}
	}
	return values
}

// entryKeys are those that an entry of a PgBouncer's databases may have.
var entryKeys = []string{"host", "port", "dbname", "user", "password", "auth_user", "auth_query", "auth_dbname", "pool_size", "min_pool_size",
	"reserve_pool", "reserve_pool_size", "connect_query", "pool_mode", "load_balance_hosts", "max_db_connections", "max_db_client_connections",
	"server_lifetime", "client_encoding", "datestyle", "timezone", "application_name"}

// entryPair is one key=value; a quote inside quotes is written twice. Blanks
// around the = are refused: "host= port=1" would be the host port=1.
var entryPair = regexp.MustCompile(`^\s*([a-z_]+)=('(?:[^']|'')*'|[^\s']\S*)(?:\s+|$)`)

// checkEntry says what is wrong with the text of a PgBouncer's entry, "" if
// nothing is. The text may hold a password: it is never repeated.
func checkEntry(s string) string {
	const must = "must be key=value pairs as in a PgBouncer file, such as host=new.example port=5432 dbname=shop; put a value that holds blanks in single quotes"
	if strings.ContainsAny(s, "\x00\r\n") {
		return "must be one line"
	}
	seen := map[string]bool{}
	for rest := s; strings.TrimSpace(rest) != ""; {
		m := entryPair.FindStringSubmatch(rest)
		if m == nil {
			return must
		}
		key, text := m[1], strings.Trim(m[2], "'")
		rest = rest[len(m[0]):]
		near := nearest(key, entryKeys)
		switch {
		case !slices.Contains(entryKeys, key) && near != "":
			return "has a key that PgBouncer does not know; did you mean " + near + "?"
		case !slices.Contains(entryKeys, key):
			return "has a key that PgBouncer does not know; it knows " + strings.Join(entryKeys, ", ")
		case seen[key]:
			return "has " + key + " twice"
		case text == "":
			return "has a " + key + " that is empty; leave it out, and it stays as it is"
		}
		if key == "port" {
			if message := checkPart(key, text); message != "" {
				return "has a port that " + message
			}
		}
		seen[key] = true
	}
	if !seen["host"] && !seen["port"] && !seen["dbname"] {
		return "names none of host, port and dbname: it would lead to where it leads now; " + must
	}
	return ""
}
