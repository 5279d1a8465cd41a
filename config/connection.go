package config

import (
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
	name string
	template
}

func newPart(name, text string, at origin) part {
	return part{name, template{text: text, at: at, wrong: func(s string) string { return checkPart(name, s) }}}
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
	for i := range c.parts {
		c.parts[i].check(m)
	}
}

// render makes the URL or keyword/value text, with variables and password
// files filled in. It reports only what check could not see.
func (c *connection) render(env environment, readFile fileReader, m *mistakes) string {
	var out []string
	for _, p := range c.parts {
		s, ok := p.fill(env, m)
		if !ok {
			continue
		}
		name := p.name
		if name == "password_env" || name == "password_file" {
			var message string
			if s, message = password(name, s, env, readFile); message != "" {
				m.add(p.at, message)
			}
			name = "password"
		}
		if name == "" {
			out = append(out, s)
		} else {
			out = append(out, name+"="+quote(s))
		}
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
