package config

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Hook is a program, or an HTTP request, that a switch calls at a moment.
// Either Exec or URL is set.
type Hook struct {
	Name string
	When string   // freeze, thaw, stop, start, redirect, back, live or remove
	Exec []string // program and arguments, for no shell
	// The URL is an http or https one. It, Headers and Body may hold secrets.
	Method, URL string
	// Secrets are what ${NAME} stood for in the URL.
	Secrets []string
	Headers map[string]string // names as HTTP writes them
	Body    string
	Timeout time.Duration // of one try
	Retries int           // after the first try; at most 20
}

const (
	defaultHookTimeout = 10 * time.Second
	minHookTimeout     = 100 * time.Millisecond
	maxRetries         = 20
)

var (
	hookKeys    = []string{"name", "when", "exec", "http", "timeout", "retries"}
	httpKeys    = []string{"url", "method", "headers", "body"}
	momentWords = []string{"freeze", "thaw", "stop", "start", "redirect", "back", "live", "remove"}
	methodWords = []string{"POST", "PUT", "PATCH", "DELETE", "GET"}
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")

// hook is a Hook with variables to be filled in.
type hook struct {
	Hook
	url, body template
	headers   map[string]template
}

// hooks reads the list of hooks.
func (w *walker) hooks(e entry, _ bool) (setter, rendering) {
	var list []hook
	w.mappings(e, names{known: hookKeys, secret: true, what: "a mapping with " + strings.Join(hookKeys, ", ")}, []string{"name", "when"}, func(at origin, settings []entry) {
		h := w.hook(at, settings)
		if h.Name != "" && h.When != "" && slices.ContainsFunc(list, func(other hook) bool { return other.Name == h.Name && other.When == h.When }) {
			w.m.add(at, "has the name of another hook of the same moment; each needs its own")
		}
		list = append(list, h)
	})
	return nil, func(env environment, _ fileReader, m *mistakes) setter {
		var rendered []Hook
		for _, h := range list {
			rendered = append(rendered, h.render(env, m))
		}
		return func(p *Pair) { p.Cutover.Hooks = rendered }
	}
}

func (w *walker) hook(at origin, settings []entry) hook {
	h := hook{Hook: Hook{Timeout: defaultHookTimeout}}
	for _, s := range settings {
		if !w.plain(s.value, s.at.key) {
			continue
		}
		switch s.name {
		case "name":
			h.Name = w.named(s, func(string) bool { return false })
		case "when":
			h.When = w.choice(s, momentWords)
		case "exec":
			h.Exec = w.command(s)
		case "http":
			w.request(s, &h)
		case "timeout":
			h.Timeout = w.wait(s, minHookTimeout)
		case "retries":
			h.Retries = w.count(s, 0, maxRetries)
		}
	}
	switch exec, request := has(settings, "exec"), has(settings, "http"); {
	case !exec && !request:
		w.m.add(at, "needs exec, a program with its arguments, or http, a request")
	case exec && request:
		w.m.add(at, "has both exec and http; make two hooks of it")
	}
	return h
}

// command reads a program and its arguments: texts, numbers and switches, as
// they are written. ${NAME} in them is not for us: a program may mean it.
func (w *walker) command(e entry) (argv []string) {
	seq, isList := e.value.(*ast.SequenceNode)
	if !isList || len(seq.Values) == 0 {
		w.m.add(e.at, "must be a list, the program and each argument by itself, such as [/usr/local/bin/switch, --to, target]; no shell reads it")
		return nil
	}
	for i, n := range seq.Values {
		s, ok := scalar(n)
		at := w.atNode(n, fmt.Sprintf("%s[%d]", e.at.key, i))
		switch {
		case !w.plain(n, at.key):
		case !ok:
			w.m.add(at, "must be a text or a number")
		case strings.ContainsRune(s, 0):
			w.m.add(at, "holds a NUL byte")
		case i == 0 && strings.TrimSpace(s) == "":
			w.m.add(at, "is empty; it is the program")
		}
		argv = append(argv, s)
	}
	return argv
}

func (w *walker) request(e entry, h *hook) {
	h.Method = methodWords[0]
	settings, ok := w.entries(e.value, e.at.key, names{known: httpKeys, secret: true, what: "a mapping with " + strings.Join(httpKeys, ", ")})
	if !ok {
		return
	}
	w.require(e.at, settings, "url")
	for _, s := range settings {
		if !w.plain(s.value, s.at.key) {
			continue
		}
		switch s.name {
		case "url":
			h.url = w.template(s, checkURL)
		case "method":
			h.Method = w.choice(s, methodWords)
		case "headers":
			h.headers = w.headers(s)
		case "body":
			h.body = w.template(s, anyText)
		}
	}
}

func (w *walker) headers(e entry) map[string]template {
	headers := map[string]template{}
	// Any key: it is told by its number, since it may be a piece of a value.
	list, _ := w.entries(e.value, e.at.key, names{what: "a mapping of header names to values"})
	for _, s := range list {
		name := http.CanonicalHeaderKey(s.name)
		_, twice := headers[name]
		switch {
		case !w.plain(s.value, s.at.key):
			continue
		case !headerName.MatchString(s.name):
			w.m.add(s.at, "has a name that is none of a header")
		case twice:
			w.m.add(s.at, "names a header twice; upper and lower case are one")
		}
		headers[name] = w.template(s, checkHeader)
	}
	return headers
}

func (h hook) render(env environment, m *mistakes) Hook {
	out := h.Hook
	out.Exec = slices.Clone(h.Exec)
	if h.url.wrong == nil {
		return out // a program
	}
	out.URL, _ = h.url.fill(env, m)
	out.Secrets = h.url.values(env)
	if h.body.wrong != nil {
		out.Body, _ = h.body.fill(env, m)
	}
	for _, name := range slices.Sorted(maps.Keys(h.headers)) {
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		t := h.headers[name]
		out.Headers[name], _ = t.fill(env, m)
	}
	return out
}

// checkURL says what is wrong with a URL to call. It may hold a secret: it is
// never repeated, nor what the parser says of it.
func checkURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "must be a URL such as https://example.org/switch"
	}
	return ""
}

func checkHeader(s string) string {
	if strings.ContainsAny(s, "\x00\r\n") {
		return "must be one line"
	}
	return ""
}
