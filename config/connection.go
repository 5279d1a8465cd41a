package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// partNames are the parts a connection may be given in, in the order in which
// they are rendered. password_env and password_file name where the password
// is; all others are libpq's own keywords.
var partNames = []string{
	"host", "port", "dbname", "user", "password", "password_env", "password_file", "passfile",
	"service", "servicefile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslsni",
	"sslnegotiation", "channel_binding", "target_session_attrs", "connect_timeout", "application_name", "options",
}

var passwordParts = []string{"password", "password_env", "password_file"}

var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// connection is a side or a primary as the YAML file gives it: one text, or
// parts. It is rendered only for pairs that are run, because the variables
// and files of the others need not exist here.
type connection struct {
	at    origin
	parts []part // one with the name "" when given as text
}

type part struct {
	name, text string
	at         origin
	broken     bool // check has reported it
}

var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.]*$`)

// checkConnection says what is wrong with the shape of a URL or keyword/value
// text, "" if it may be right: the driver reads it in full. The text itself is
// never repeated.
func checkConnection(s string) string {
	switch scheme, _, ok := strings.Cut(s, "://"); {
	case strings.ContainsRune(s, 0):
		return "holds a NUL byte"
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return ""
	case strings.Contains(s, "=") && (!ok || !urlScheme.MatchString(scheme)):
		return ""
	}
	return "must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…"
}

// checkPart says what is wrong with a part's final text.
func checkPart(name, s string) string {
	switch {
	case name == "":
		return checkConnection(s)
	case strings.ContainsRune(s, 0):
		return "holds a NUL byte"
	case s == "":
		return "is empty; leave it out"
	case name == "sslmode" && !slices.Contains(sslModes, s):
		return "must be one of " + strings.Join(sslModes, ", ")
	case name == "port":
		// Several hosts may come with several ports.
		for p := range strings.SplitSeq(s, ",") {
			if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
				return "must be a number from 1 to 65535"
			}
		}
	case name == "connect_timeout":
		if _, err := strconv.ParseUint(s, 10, 31); err != nil {
			return "must be a whole number of seconds"
		}
	}
	return ""
}

// check reports what can be told without the environment.
func (c *connection) check(m *mistakes) {
	for i, p := range c.parts {
		s, references, bad := expand(p.text, func(string) (string, bool) { return "", true })
		if len(bad) == 0 && references == 0 {
			if message := checkPart(p.name, s); message != "" {
				bad = append(bad, message)
			}
		}
		c.parts[i].broken = len(bad) > 0
		m.add(p.at, bad...)
	}
}

// render makes the URL or keyword/value text, with variables and password
// files filled in. It reports only what check could not see.
func (c *connection) render(env environment, readFile fileReader, m *mistakes) string {
	var out []string
	for _, p := range c.parts {
		if p.broken {
			continue
		}
		s, references, bad := expand(p.text, env.lookup)
		if len(bad) == 0 && references > 0 {
			if message := checkPart(p.name, s); message != "" {
				bad = append(bad, message)
			}
		}
		name := p.name
		if len(bad) == 0 && (name == "password_env" || name == "password_file") {
			var message string
			if s, message = password(name, s, env, readFile); message != "" {
				bad = append(bad, message)
			}
			name = "password"
		}
		if name == "" {
			out = append(out, s)
		} else {
			out = append(out, name+"="+quote(s))
		}
		m.add(p.at, bad...)
	}
	return strings.Join(out, " ")
}

func password(from, s string, env environment, readFile fileReader) (secret, bad string) {
	if from == "password_env" {
		if secret, _ = env.lookup(s); secret == "" {
			return "", "names an environment variable that is not set or is empty"
		}
		return secret, ""
	}
	b, err := readFile(s)
	if err != nil {
		return "", "the file cannot be read: " + cause(err)
	}
	// Editors and `echo` end the file with a newline that is not meant.
	if secret = strings.TrimRight(string(b), "\r\n"); secret == "" {
		return "", "the file is empty"
	}
	if strings.ContainsAny(secret, "\x00\r\n") {
		return "", "the file must hold one line, the password"
	}
	return secret, ""
}

// quote writes a value of libpq's keyword/value form.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
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
