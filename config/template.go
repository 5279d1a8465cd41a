package config

import (
	"fmt"
	"regexp"
	"strings"
)

// template is a text of the YAML file in which ${NAME} stands for an
// environment variable. It is filled in only for pairs that are run, because
// the variables of the others need not exist here. It may hold a secret: no
// mistake repeats it.
type template struct {
	text   string
	at     origin
	wrong  func(string) string // says what is wrong with the final text, "" if nothing is
	broken bool                // check has reported it
}

// check reports what can be told without the environment.
func (t *template) check(m *mistakes) {
	s, references, bad := expand(t.text, func(string) (string, bool) { return "", true })
	if len(bad) == 0 && references == 0 {
		if message := t.wrong(s); message != "" {
			bad = append(bad, message)
		}
	}
	t.broken = len(bad) > 0
	m.add(t.at, bad...)
}

// fill returns the final text. It reports only what check could not see; ok is
// false after a mistake of either.
func (t *template) fill(env environment, m *mistakes) (s string, ok bool) {
	if t.broken {
		return "", false
	}
	s, references, bad := expand(t.text, env.lookup)
	if len(bad) == 0 && references > 0 {
		if message := t.wrong(s); message != "" {
			bad = append(bad, message)
		}
	}
	m.add(t.at, bad...)
	return s, len(bad) == 0
}

// values are those that fill in what the text leaves open.
func (t *template) values(env environment) (list []string) {
	_, _, _ = expand(t.text, func(name string) (string, bool) {
		v, ok := env.lookup(name)
		if ok {
			list = append(list, v)
		}
		return v, ok
	})
	return list
}

var variable = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} by what lookup says and counts the references; $${
// stands for a literal ${. What was filled in is not expanded again. An empty
// variable is as bad as a missing one: an empty host means another server.
func expand(s string, lookup func(string) (string, bool)) (out string, references int, bad []string) {
	out = variable.ReplaceAllStringFunc(s, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		references++
		name := strings.TrimSuffix(strings.TrimPrefix(ref, "${"), "}")
		if !strings.HasSuffix(ref, "}") || !variableName.MatchString(name) {
			bad = append(bad, "has a ${ that is not followed by a variable's name and }; write $${ for a literal ${")
			return ""
		}
		v, ok := lookup(name)
		if !ok {
			bad = append(bad, fmt.Sprintf("uses the environment variable %s, which is not set or is empty", name))
		}
		return v
	})
	return out, references, bad
}
