package cutover

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Moment is when a hook is called.
type Moment string

// The moments.
const (
	OnFreeze   Moment = "freeze"   // before clients are kept out; undone by thaw
	OnThaw     Moment = "thaw"     // when a window is given up
	OnStop     Moment = "stop"     // a tool's replication is stopped, when it has drained; undone by start
	OnStart    Moment = "start"    // it is started again, when a window is given up
	OnRedirect Moment = "redirect" // the application is led to the target; a rollback calls back
	OnBack     Moment = "back"
	OnLive     Moment = "live"   // the application writes to the target
	OnRemove   Moment = "remove" // at the end, when the tool is not needed any more
)

// undoes tells that a moment takes another one back: then every hook is called,
// whatever became of those before it.
func (m Moment) undoes() bool { return m == OnThaw || m == OnStart }

// repeats tells that a moment comes once in each window.
func (m Moment) repeats() bool {
	return m == OnFreeze || m == OnThaw || m == OnStop || m == OnStart
}

// reasons say why a moment's hooks are called.
var reasons = map[Moment]string{
	OnFreeze: "what writes by other ways stops", OnThaw: "what was stopped may write again", OnStop: "the replication tool stops: all has arrived",
	OnStart: "the replication tool goes on", OnRedirect: "the application is led to the target", OnBack: "the application is led back",
	OnLive: "the application writes there now", OnRemove: "what replicated is not needed any more",
}

// Hook is a program or an HTTP request of the operator's. It may be called more
// than once for one moment, after a crash for instance: each call says by its
// idempotency key whether it is a new one.
type Hook struct {
	Name    string
	When    Moment
	Exec    []string // program and arguments; no shell
	Method  string   // of HTTP; "" is POST
	URL     string
	Secrets []string          // parts of the path of the URL that are never printed
	Headers map[string]string // may hold secrets: never printed
	Body    string            // "" is JSON that says what the environment of a program does
	Timeout time.Duration     // of one try; 0 is 10 s
	Retries int
}

// defaultTimeout is that of a hook's try.
const defaultTimeout = 10 * time.Second

// The pause before a hook is tried again.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// hookEnv is what a hook is told. It holds no secret.
type hookEnv struct {
	Run       string    `json:"run"`
	Moment    Moment    `json:"moment"`
	Direction Direction `json:"direction"`
	// Window tells one window from another: the run and the record of the journal
	// with which the last one began; "" where there was none.
	Window string `json:"window,omitempty"`
	// Source is what is switched from, Target what is switched to: in a rollback
	// the configured target is the source.
	Source hookSide `json:"source"`
	Target hookSide `json:"target"`
}

// hookSide is where a side is.
type hookSide struct {
	Host     string `json:"host"`
	Port     string `json:"port"`
	Database string `json:"database"`
}

// newHookEnv reads it from what is configured. j is the run's journal.
func newHookEnv(o Options, run string, d Direction, j *journal) (hookEnv, error) {
	env := hookEnv{Run: run, Direction: d}
	if j != nil {
		for _, rec := range slices.Backward(j.records) {
			if rec.Kind == Begins && rec.State == Freezing {
				env.Window = rec.Run + "-" + strconv.Itoa(rec.N)
				break
			}
		}
	}
	source, err := sideOfURL(postgres.Source, o.Source)
	if err != nil {
		return env, err
	}
	target, err := sideOfURL(postgres.Target, o.Target)
	if d == Rollback {
		source, target = target, source
	}
	env.Source, env.Target = source, target
	return env, err
}

func sideOfURL(side postgres.Side, url string) (hookSide, error) {
	a, err := postgres.AddressOf(side, url)
	return hookSide(a), err
}

// environment is that of a program.
func (e hookEnv) environment(key string) []string {
	return []string{
		"PGPARITY_RUN=" + e.Run, "PGPARITY_MOMENT=" + string(e.Moment), "PGPARITY_DIRECTION=" + string(e.Direction), "PGPARITY_IDEMPOTENCY_KEY=" + key,
		"PGPARITY_SOURCE_HOST=" + e.Source.Host, "PGPARITY_SOURCE_PORT=" + e.Source.Port, "PGPARITY_SOURCE_DATABASE=" + e.Source.Database,
		"PGPARITY_TARGET_HOST=" + e.Target.Host, "PGPARITY_TARGET_PORT=" + e.Target.Port, "PGPARITY_TARGET_DATABASE=" + e.Target.Database,
	}
}

// key is the idempotency key of a call: the same however often it is tried, and
// in whichever process. What a window does and takes back is done anew in the
// next one, so there the window takes the place of the run: a guard, or a later
// run, may take back what a dead one did.
func (h Hook) key(e hookEnv) string {
	of := e.Run
	if e.Moment.repeats() {
		of = e.Window
	}
	return strings.Join([]string{"pgparity", of, string(e.Direction), string(e.Moment), url.PathEscape(h.Name)}, "/")
}

// callHooks calls the hooks of a moment, in the order given, up to the first that
// fails; where they take something back, all.
func (r *run) callHooks(ctx context.Context, when Moment) error {
	env, err := newHookEnv(r.o, r.id, r.direction, r.journal)
	if err != nil {
		return err
	}
	env.Moment = when
	var errs []error
	for _, h := range r.o.Hooks {
		if h.When != when {
			continue
		}
		a := Action{ID: "hook-" + string(when), On: "hook " + h.Name, Do: h.String(), Why: reasons[when]}
		err := r.do(ctx, a, func(ctx context.Context) error { return h.call(ctx, env) })
		if err != nil && !when.undoes() {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// errFinal is a hook's failure that another try would not mend.
type errFinal struct{ err error }

func (e errFinal) Error() string { return e.err.Error() }
func (e errFinal) Unwrap() error { return e.err }

// call calls the hook, and again where it fails.
func (h Hook) call(ctx context.Context, env hookEnv) error {
	pause := firstBackoff
	for try := 0; ; try++ {
		err := h.try(ctx, env)
		if err == nil {
			return nil
		}
		var final errFinal
		if errors.As(err, &final) || try >= h.Retries || ctx.Err() != nil {
			return h.failed(err, try+1)
		}
		rest(ctx, pause)
		pause = min(2*pause, lastBackoff)
	}
}

func (h Hook) try(ctx context.Context, env hookEnv) error {
	timeout := h.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no end within %v", timeout))
	defer cancel()
	if len(h.Exec) > 0 {
		return h.exec(ctx, env)
	}
	return h.request(ctx, env)
}

// failed is a hook's error without what its headers and its URL hold.
func (h Hook) failed(err error, tries int) error {
	text := err.Error()
	for _, secret := range h.secrets() {
		text = strings.ReplaceAll(text, secret, "xxxxx")
	}
	if tries > 1 {
		text += fmt.Sprintf(" (%d tries)", tries)
	}
	return hookError{fmt.Sprintf("hook %s: %s: %s", h.Name, h, text), err}
}

// hookError prints no secret, and keeps its cause for errors.Is.
type hookError struct {
	text  string
	cause error
}

func (e hookError) Error() string { return e.text }
func (e hookError) Unwrap() error { return e.cause }

// shortSecret is the length below which a part of a header is not taken for a
// secret: text would be full of gaps.
const shortSecret = 4

// secrets are the values of headers, also without their scheme ("Bearer …"), and
// what a URL has beside the address.
func (h Hook) secrets() (list []string) {
	add := func(values ...string) {
		for _, v := range values {
			if len(v) >= shortSecret {
				list = append(list, v)
			}
		}
	}
	for _, v := range h.Headers {
		add(v)
		if _, token, ok := strings.Cut(v, " "); ok {
			add(strings.TrimSpace(token))
		}
	}
	if u, err := url.Parse(h.URL); err == nil {
		for _, s := range h.Secrets {
			if strings.Contains(u.EscapedPath(), s) {
				add(s)
			}
		}
		password, _ := u.User.Password()
		add(password, u.User.Username())
		for _, values := range u.Query() {
			add(values...)
			for _, v := range values {
				add(url.QueryEscape(v))
			}
		}
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return list
}

// plain is an argument that a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quoted is an argument as a shell reads it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// String is the command line, or the request, as a runbook prints it.
func (h Hook) String() string {
	if len(h.Exec) > 0 {
		words := make([]string, len(h.Exec))
		for i, w := range h.Exec {
			words[i] = quoted(w)
		}
		return strings.Join(words, " ")
	}
	u, err := url.Parse(h.URL)
	if err != nil { // the parser would quote it, with all that is in it
		return h.method() + " …"
	}
	address := url.URL{Scheme: u.Scheme, Host: u.Host, Opaque: u.Opaque}
	text := address.String() + h.path(u)
	if u.User != nil {
		text = strings.Replace(text, "://", "://xxxxx@", 1)
	}
	separator := "?"
	for _, p := range strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' }) {
		key, _, _ := strings.Cut(p, "=")
		text, separator = text+separator+key+"=xxxxx", "&"
	}
	return h.method() + " " + text
}

// path is that of its URL, without what is secret in it.
func (h Hook) path(u *url.URL) string {
	path := u.EscapedPath()
	for _, s := range h.Secrets {
		if s != "" {
			path = strings.ReplaceAll(strings.ReplaceAll(path, s, "xxxxx"), url.PathEscape(s), "xxxxx")
		}
	}
	return path
}

func (h Hook) method() string {
	if h.Method == "" {
		return "POST"
	}
	return strings.ToUpper(h.Method)
}
