package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Monitor is the mapping monitor at the top of a configuration file: what concerns no single
// pair. It is complete and valid.
type Monitor struct {
	Listen string // host:port
	State  string // file
	// Token is what writes have to bring, and everything where others than this machine can
	// reach it; "" where there is none, and then only this machine can.
	Token           string
	TLSCert, TLSKey string   // files; both or neither is ""
	Hosts           []string // other names that it is asked for by
	Pprof           bool
	Passes          int           // full passes at a time, over all pairs; 1 to 64
	Keep            time.Duration // how long history is kept; at least an hour
	Webhooks        []Webhook     // names differ
}

// Webhook is who is told of what changes. URL and Headers may hold secrets.
type Webhook struct {
	Name    string
	URL     string            // an http or https one
	Slack   bool              // as Slack's incoming webhooks take it
	Headers map[string]string // names as HTTP writes them
	On      []string          // of NoticeWords; none is all
	Timeout time.Duration     // of one try; at least 100 ms
	Retries int               // after the first try; 0 to 20
}

// DefaultMonitor is that of a file without the mapping.
func DefaultMonitor() Monitor {
	return Monitor{Listen: "127.0.0.1:9432", State: "pgparity-monitor.db", Passes: 2, Keep: 30 * 24 * time.Hour}
}

var (
	monitorKeys = []string{"listen", "state", "token", "token_file", "tls_cert", "tls_key", "plaintext", "hosts", "pprof", "passes", "keep", "webhooks"}
	webhookKeys = []string{"name", "url", "format", "headers", "on", "timeout", "retries"}
	formWords   = []string{"json", "slack"}
	noticeWords = []string{"mismatch", "healed", "unproven", "proven", "watermark", "caught_up"}
)

const (
	minKeep        = time.Hour
	maxPasses      = 64
	minToken       = 16 // characters: what nobody guesses
	webhookTimeout = 10 * time.Second
	webhookRetries = 8
)

// monitorFile is a Monitor with variables to be filled in.
type monitorFile struct {
	Monitor
	given     bool
	listenAt  origin
	token     *template
	tokenFile *template
	tokenAt   origin
	plaintext bool // others than this machine reach it without TLS: something in front has it
	webhooks  []webhookFile
}

type webhookFile struct {
	Webhook
	url     template
	headers map[string]template
}

// MonitorInput is an Input, and what the monitor's own flags say; "" is not given.
type MonitorInput struct {
	Input
	Listen, State string
}

// LoadMonitor is Load for a monitor: it returns what the file says of the monitor as a whole, too.
func LoadMonitor(in MonitorInput) (Monitor, []Pair, error) {
	in.watching = true
	l := loader{in: in.Input, env: newEnvironment(in.Environ), m: &mistakes{}, table: Options(), monitor: &monitorFile{Monitor: DefaultMonitor()}}
	if l.in.ReadFile == nil {
		l.in.ReadFile = readFile
	}
	l.environ = l.readEnviron()
	var pairs []Pair
	if in.ConfigPath == "" && in.Config == nil {
		l.m.add(l.flag("config", 0), "is missing; the monitor takes its pairs from a file")
	} else {
		pairs = l.withFile()
	}
	m := l.monitor.render(&l, in)
	if err := l.m.err(); err != nil {
		return Monitor{}, nil, err
	}
	return m, pairs, nil
}

// monitorSection reads the mapping.
func (w *walker) monitorSection(e entry) *monitorFile {
	f := &monitorFile{Monitor: DefaultMonitor(), given: true, listenAt: e.at}
	list, _ := w.entries(e.value, e.at.key, names{known: monitorKeys, secret: true, what: "a mapping with " + strings.Join(monitorKeys, ", "),
		refused: map[string]string{"cycle": belongsToWatch, "quick": belongsToWatch, "recheck": belongsToWatch, "follow": belongsToWatch, "retention": belongsToWatch, "watermark_age": belongsToWatch}})
	for _, s := range list {
		if !w.plain(s.value, s.at.key) {
			continue
		}
		switch s.name {
		case "listen":
			f.Listen, f.listenAt = w.word(s), s.at
		case "state":
			f.State = w.word(s)
		case "token":
			f.token, f.tokenAt = new(w.template(s, checkToken)), s.at
		case "token_file":
			f.tokenFile, f.tokenAt = new(w.template(s, anyText)), s.at
		case "tls_cert":
			f.TLSCert = w.word(s)
		case "tls_key":
			f.TLSKey = w.word(s)
		case "plaintext":
			f.plaintext = w.yes(s)
		case "hosts":
			f.Hosts = w.texts(s)
		case "pprof":
			f.Pprof = w.yes(s)
		case "passes":
			f.Passes = w.count(s, 1, maxPasses)
		case "keep":
			f.Keep = w.wait(s, minKeep)
		case "webhooks":
			f.webhooks = w.webhooks(s)
		}
	}
	if has(list, "token") && has(list, "token_file") {
		w.m.add(e.at, "has both token and token_file; keep one")
	}
	if has(list, "tls_cert") != has(list, "tls_key") {
		w.m.add(e.at, "needs both tls_cert and tls_key, or neither")
	}
	return f
}

const belongsToWatch = "is a pair's: put it under monitor in defaults or in the pair"

func (w *walker) yes(e entry) bool {
	values, _, ok := w.values(kindSwitch, e)
	return ok && values[0] == "true"
}

// texts reads a list, each item once.
func (w *walker) texts(e entry) []string {
	values, origins, _ := w.values(kindItems, e)
	for i, v := range values {
		switch {
		case strings.TrimSpace(v) == "":
			w.m.add(origins[i], "is empty")
		case slices.Contains(values[:i], v):
			w.m.add(origins[i], "is listed twice")
		}
	}
	return values
}

func (w *walker) webhooks(e entry) (all []webhookFile) {
	w.mappings(e, names{known: webhookKeys, secret: true, what: "a mapping with " + strings.Join(webhookKeys, ", ")}, []string{"name", "url"}, func(_ origin, settings []entry) {
		h := webhookFile{Webhook: Webhook{Timeout: webhookTimeout, Retries: webhookRetries}, url: template{broken: true}}
		for _, s := range settings {
			if !w.plain(s.value, s.at.key) {
				continue
			}
			switch s.name {
			case "name":
				h.Name = w.named(s, func(name string) bool {
					return slices.ContainsFunc(all, func(other webhookFile) bool { return other.Name == name })
				})
			case "url":
				h.url = w.template(s, checkURL)
			case "format":
				h.Slack = w.choice(s, formWords) == "slack"
			case "headers":
				h.headers = w.headers(s)
			case "on":
				h.On = w.notices(s)
			case "timeout":
				h.Timeout = w.wait(s, minHookTimeout)
			case "retries":
				h.Retries = w.count(s, 0, maxRetries)
			}
		}
		all = append(all, h)
	})
	return all
}

func (w *walker) notices(e entry) []string {
	seq, isList := e.value.(*ast.SequenceNode)
	if !isList || len(seq.Values) == 0 {
		w.m.add(e.at, "must be a list of "+strings.Join(noticeWords, ", "))
		return nil
	}
	list := w.texts(e)
	for i, v := range list {
		if message := checkWord(v, noticeWords); message != "" {
			w.m.add(w.atNode(seq.Values[i], fmt.Sprintf("%s[%d]", e.at.key, i)), message)
		}
	}
	return list
}

// render fills in variables, and sees that nobody can give orders who should not.
func (f *monitorFile) render(l *loader, in MonitorInput) Monitor {
	m := f.Monitor
	for _, t := range []struct {
		flag, given string
		to          *string
	}{{"listen", in.Listen, &m.Listen}, {"state", in.State, &m.State}} {
		if t.given != "" {
			*t.to = t.given
		}
	}
	listenAt := f.listenAt
	if in.Listen != "" || !f.given {
		listenAt = l.flag("listen", len(l.table))
	}
	switch {
	case f.token != nil:
		m.Token, _ = f.token.fill(l.env, l.m)
	case f.tokenFile != nil:
		m.Token = f.readToken(l)
	}
	l.reachable(m, f.token != nil || f.tokenFile != nil, f.plaintext, listenAt)
	for _, h := range f.webhooks {
		out := h.Webhook
		out.URL, _ = h.url.fill(l.env, l.m)
		for name, t := range h.headers {
			if out.Headers == nil {
				out.Headers = map[string]string{}
			}
			out.Headers[name], _ = t.fill(l.env, l.m)
		}
		m.Webhooks = append(m.Webhooks, out)
	}
	return m
}

func (f *monitorFile) readToken(l *loader) string {
	path, ok := f.tokenFile.fill(l.env, l.m)
	if !ok {
		return ""
	}
	content, err := l.in.ReadFile(path)
	if err != nil {
		l.m.add(f.tokenAt, "the file cannot be read: "+cause(err))
		return ""
	}
	token := strings.TrimRight(string(content), "\r\n")
	if message := checkToken(token); message != "" {
		l.m.add(f.tokenAt, "the file's content "+message)
	}
	return token
}

// checkToken says what is wrong with a token, which is never repeated.
func checkToken(s string) string {
	switch {
	case len(s) < minToken:
		return fmt.Sprintf("must have at least %d characters, such as openssl rand -hex 32 prints", minToken)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "must be of letters, digits and signs of ASCII, without blanks"
	}
	return ""
}

// reachable refuses an address that others than this machine reach, where they could read or give
// orders: without a token, or with one that goes over the wire in the clear.
func (l *loader) reachable(m Monitor, token, plaintext bool, at origin) {
	host, port, err := net.SplitHostPort(m.Listen)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		l.m.add(at, "must be an address and a port, such as 127.0.0.1:9432")
		return
	}
	if Loopback(host) {
		return
	}
	if !token {
		l.m.add(at, "lets others than this machine in: set token or token_file in monitor")
	}
	if m.TLSCert == "" && m.TLSKey == "" && !plaintext {
		l.m.add(at, "lets others than this machine in, to whom the token goes in the clear: set tls_cert and tls_key in monitor, or plaintext: true where a proxy in front has TLS")
	}
}

// Loopback tells whether only this machine reaches what listens at a host.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
