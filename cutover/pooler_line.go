package cutover

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// entry is a line of a PgBouncer's [databases]: name = key=value key=value. It is
// read as PgBouncer 1.18 does: blanks part the settings and a tab does not,
// quotes in a value are doubled, nothing is escaped by a backslash, and a comment
// is a line of its own.
type entry struct {
	text     string // the line, without its end
	at       int    // of the line in the file
	number   int    // of the line, from 1
	name     string
	settings []setting
}

// setting is one key and its value, and where they stand in what they were read
// from.
type setting struct {
	key, value string
	begin      int // of the key
	from, end  int // of the value, its quotes included
}

// findEntry finds the entry of a name in a configuration file. A file without a
// section is one that is included into [databases].
func findEntry(text, name string) (*entry, error) {
	section, at, number, includes := "databases", 0, 0, false
	var found *entry
	for line := range strings.SplitSeq(text, "\n") {
		number++
		begin := at
		at += len(line) + 1
		line = strings.TrimSuffix(line, "\r")
		body := strings.TrimLeft(line, " \t\v\f\r")
		switch {
		case body == "" || body[0] == '#' || body[0] == ';':
			continue
		case strings.HasPrefix(body, "%include"):
			includes = true
			continue
		case body[0] == '[':
			section, _, _ = strings.Cut(body[1:], "]")
			continue
		}
		key, _, ok := entryName(line)
		if section != "databases" || !ok || key != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the entry %s stands there twice, in lines %d and %d: remove the one that is not meant", name, found.number, number)
		}
		found = &entry{text: line, at: begin, number: number, name: name}
	}
	switch {
	case found != nil:
		return found, found.parse()
	case includes:
		return nil, fmt.Errorf("there is no entry %s in its [databases]: name the included file that has it", name)
	default:
		return nil, fmt.Errorf("there is no entry %s in its [databases]: add one, as one that * stands for cannot be led elsewhere alone", name)
	}
}

// entryName reads the name that a line begins with, and where the value does.
func entryName(line string) (name string, value int, ok bool) {
	i := len(line) - len(strings.TrimLeft(line, " \t\v\f\r"))
	if strings.HasPrefix(line[i:], `"`) {
		end := i + 1
		for end < len(line) && (line[end] != '"' || strings.HasPrefix(line[end:], `""`)) {
			if line[end] == '"' {
				end++
			}
			end++
		}
		if end >= len(line) {
			return "", 0, false
		}
		name, i = strings.ReplaceAll(line[i+1:end], `""`, `"`), end+1
	} else {
		end := i
		for end < len(line) && !strings.ContainsRune("= \t", rune(line[end])) {
			end++
		}
		name, i = line[i:end], end
	}
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if i == len(line) || line[i] != '=' {
		return "", 0, false
	}
	return name, i + 1, true
}

func (e *entry) parse() error {
	_, i, _ := entryName(e.text)
	for i < len(e.text) && (e.text[i] == ' ' || e.text[i] == '\t') {
		i++
	}
	settings, err := readSettingsOf(strings.TrimRight(e.text, " \t\v\f\r"), i)
	if err != nil {
		return fmt.Errorf("line %d, entry %s: %w", e.number, e.name, err)
	}
	e.settings = settings
	return nil
}

// readSettingsOf reads key=value pairs of s from i on. Its errors hold no value:
// one may be a password.
func readSettingsOf(s string, i int) ([]setting, error) {
	var list []setting
	for {
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i >= len(s) {
			return list, nil
		}
		p := setting{begin: i}
		for i < len(s) && s[i] != '=' && s[i] != ' ' {
			i++
		}
		p.key = s[p.begin:i]
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i == len(s) || s[i] != '=' || p.key == "" {
			return nil, errors.New("want key=value, key=value, with blanks between them (a value with a blank in single quotes, a quote doubled)")
		}
		for i++; i < len(s) && s[i] == ' '; i++ {
		}
		p.from = i
		var ok bool
		if p.value, i, ok = settingValue(s, i); !ok {
			return nil, fmt.Errorf("%s: want a value, with a blank behind it; one with a blank or a quote in it in single quotes, a quote doubled", p.key)
		}
		p.end = i
		switch {
		case strings.ContainsAny(s[p.begin:p.end], "\t\r\n\v\f"):
			return nil, fmt.Errorf("%s: there is a tab or the like in it, which is no space to a PgBouncer: write a blank", strings.TrimSpace(p.key))
		case slices.ContainsFunc(list, func(q setting) bool { return q.key == p.key }):
			return nil, fmt.Errorf("%s stands there twice", p.key)
		}
		list = append(list, p)
	}
}

// settingValue reads the value that begins at i, and says where it ends.
func settingValue(s string, i int) (value string, end int, ok bool) {
	if i == len(s) {
		return "", i, false
	}
	if s[i] != '\'' {
		end := strings.IndexByte(s[i:], ' ')
		if end < 0 {
			return s[i:], len(s), true
		}
		return s[i : i+end], i + end, true
	}
	for end = i + 1; end < len(s); end++ {
		if s[end] != '\'' {
			continue
		}
		if end+1 < len(s) && s[end+1] == '\'' {
			end++
			continue
		}
		value = strings.ReplaceAll(s[i+1:end], "''", "'")
		return value, end + 1, value != "" && (end+1 == len(s) || s[end+1] == ' ')
	}
	return "", end, false
}

// get gives a setting's value.
func get(list []setting, key string) (string, bool) {
	i := slices.IndexFunc(list, func(s setting) bool { return s.key == key })
	if i < 0 {
		return "", false
	}
	return list[i].value, true
}

// redirectKeys are what a switch may set. A password is none of them: it would
// stand in the journal; and a user cannot be taken away again by a RELOAD.
var redirectKeys = []string{"host", "port", "dbname", "user", "auth_user", "auth_dbname", "pool_size", "min_pool_size", "reserve_pool", "max_db_connections",
	"pool_mode", "connect_query", "client_encoding", "datestyle", "timezone", "application_name"}

// parseTarget reads what entries are to be given.
func parseTarget(target string) ([]setting, error) {
	list, err := readSettingsOf(strings.TrimSpace(target), 0)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if len(list) == 0 {
		return nil, errors.New("target: say where the entries are to lead: host=… port=… dbname=…")
	}
	for _, s := range list {
		if s.key == "password" {
			return nil, errors.New("target: a password is not set by a switch, which would have to keep it in its journal: let both servers take the same, or put it into PgBouncer's auth_file")
		}
		if !slices.Contains(redirectKeys, s.key) {
			return nil, fmt.Errorf("target: %s is not among what a switch sets: %s", s.key, strings.Join(redirectKeys, ", "))
		}
		if n, err := strconv.ParseUint(s.value, 10, 16); s.key == "port" && (err != nil || n == 0) {
			return nil, errors.New("target: port: want a number from 1 to 65535")
		}
	}
	return list, nil
}

// change is a key and the value it gets; nil removes it.
type change struct {
	key   string
	value *string
	raw   string // the value as it stood somewhere, "" to write it anew
}

// with gives the line with its settings changed. All else stays as it is.
func (e *entry) with(changes []change) string {
	line := e.text
	// From the end on, so that what stands before keeps its place.
	for _, s := range slices.Backward(e.settings) {
		i := slices.IndexFunc(changes, func(c change) bool { return c.key == s.key })
		switch {
		case i < 0 || changes[i].value != nil && *changes[i].value == s.value:
		case changes[i].value == nil:
			// With the blanks before it, as it was given with them.
			line = strings.TrimRight(line[:s.begin], " ") + line[s.end:]
		default:
			line = line[:s.from] + changes[i].written() + line[s.end:]
		}
	}
	for _, c := range changes {
		if _, there := get(e.settings, c.key); c.value != nil && !there {
			end := len(strings.TrimRight(line, " \t\v\f\r"))
			line = line[:end] + " " + c.key + "=" + c.written() + line[end:]
		}
	}
	return line
}

func (c change) written() string {
	if c.raw != "" {
		return c.raw
	}
	if strings.ContainsAny(*c.value, " '") {
		return "'" + strings.ReplaceAll(*c.value, "'", "''") + "'"
	}
	return *c.value
}

// masked gives a line of an entry without its password.
func masked(line string) string {
	e := &entry{text: line}
	if err := e.parse(); err != nil {
		return "…" // cannot be told from a password
	}
	if _, has := get(e.settings, "password"); !has {
		return line
	}
	secret := "xxxxx"
	return e.with([]change{{key: "password", value: &secret}})
}

// back gives the changes that lead from the line After to the line Before.
func (f EditedFile) back() ([]change, error) {
	before, after := &entry{text: f.Before}, &entry{text: f.After}
	if err := errors.Join(before.parse(), after.parse()); err != nil {
		return nil, fmt.Errorf("what stood in %s is not readable in the journal: %w", f.Path, err)
	}
	var changes []change
	for _, s := range after.settings {
		if was, there := get(before.settings, s.key); !there {
			changes = append(changes, change{key: s.key})
		} else if was != s.value {
			i := slices.IndexFunc(before.settings, func(b setting) bool { return b.key == s.key })
			changes = append(changes, change{key: s.key, value: &was, raw: f.Before[before.settings[i].from:before.settings[i].end]})
		}
	}
	return changes, nil
}

// entry tells whose line was edited.
func (f EditedFile) entry() string {
	name, _, _ := entryName(f.Before)
	return name
}
