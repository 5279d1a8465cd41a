package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/pgparity/pgparity/checker"
)

// Commands are what an operator may ask of the service. Each returns as soon as the service has
// taken it, not when it is done: what comes of it is on the board. One that is nil is answered
// with 501. Their errors are shown to who asked; ErrNotKnown and ErrNotNow tell 404 and 409.
type Commands struct {
	Pass, Pause, Resume func(ctx context.Context, pair string) error
	Recheck             func(ctx context.Context, pair string, finding int64) error
}

// What a command may wrap.
var (
	ErrNotKnown = errors.New("not known")
	ErrNotNow   = errors.New("not possible now")
)

// HandlerOptions says who is served, and with what.
type HandlerOptions struct {
	// Token is asked for by every write, by pprof, and with Secure by every read. While it is "" none of those is served.
	Token string
	// Secure is for a service that others than this machine reach. Without it only a request
	// that names this machine is answered, so that no page of the web can be made to read.
	Secure bool
	// Hosts are the names by which the service is asked for besides this machine's own: those that a proxy in
	// front passes on. With Secure and none given, any name is answered.
	Hosts   []string
	Pprof   bool
	Version string
	// Ready tells whether all pairs were begun; nil is yes.
	Ready func() bool
	// Gatherer gives /metrics; nil is the board's collector and those of the process.
	Gatherer prometheus.Gatherer
	// Done ends the streams of events, which http.Server.Shutdown would wait for; nil is never.
	Done <-chan struct{}
	// Log is told of every command that was asked for; nil is nobody.
	Log *slog.Logger
}

// web serves a board.
type web struct {
	board    *Board
	commands Commands
	HandlerOptions
	streams atomic.Int64
	// What tests hurry.
	now   func() time.Time
	pace  time.Duration // between two events of a stream, at least
	pulse time.Duration // of a stream on which nothing happens
}

// NewHandler serves what b holds: as a page, as JSON, as metrics. See docs of the routes in the README's section on the monitor.
func NewHandler(b *Board, c Commands, o HandlerOptions) http.Handler {
	return newWeb(b, c, o).handler()
}

func newWeb(b *Board, c Commands, o HandlerOptions) *web {
	if o.Gatherer == nil {
		o.Gatherer = NewRegistry(b, o.Version)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &web{board: b, commands: c, HandlerOptions: o, now: time.Now, pace: time.Second, pulse: 15 * time.Second}
}

func (h *web) handler() http.Handler {
	mux := http.NewServeMux()
	read := func(pattern string, next http.HandlerFunc) { mux.Handle("GET "+pattern, h.reads(next)) }
	read("/{$}", h.fleet)
	read("/pair/{name}", h.pair)
	read("/page/{file}", h.asset)
	read("/events", h.events)
	read("/api/v1/pairs", h.listPairs)
	read("/api/v1/pairs/{name}", h.onePair)
	read("/metrics", promhttp.HandlerFor(h.Gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP)
	read("/", h.nowhere)

	order := func(what string, f func(context.Context, string) error) {
		mux.Handle("POST /api/v1/pairs/{name}/"+what, h.writes(func(w http.ResponseWriter, r *http.Request) {
			h.command(w, r, what, f)
		}))
	}
	order("pass", h.commands.Pass)
	order("pause", h.commands.Pause)
	order("resume", h.commands.Resume)
	mux.Handle("POST /api/v1/pairs/{name}/findings/{id}/recheck", h.writes(h.recheck))

	// Probes have no token, and name a pod as they like; these tell nothing else.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if h.Ready != nil && !h.Ready() {
			plain(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	if h.Pprof {
		secret := func(pattern string, next http.HandlerFunc) { mux.Handle("GET "+pattern, h.secrets(next)) }
		secret("/debug/pprof/", pprof.Index)
		secret("/debug/pprof/cmdline", pprof.Cmdline)
		secret("/debug/pprof/profile", pprof.Profile)
		secret("/debug/pprof/symbol", pprof.Symbol)
		secret("/debug/pprof/trace", pprof.Trace)
	}
	return headers(mux)
}

// pairsAnswer is what /api/v1/pairs gives.
type pairsAnswer struct {
	At      time.Time       `json:"at"`
	Version string          `json:"version"`
	Verdict checker.Verdict `json:"verdict"` // the worst of all
	Pairs   []pairAnswer    `json:"pairs"`
}

// pairAnswer is a Status without what is long: that is what /api/v1/pairs/{name} is for.
type pairAnswer struct {
	Name         string          `json:"name"`
	UpdatedAt    time.Time       `json:"updated_at,omitzero"`
	Activity     Activity        `json:"activity"`
	Verdict      checker.Verdict `json:"verdict"`
	Reasons      []string        `json:"reasons"`
	ProvenAt     time.Time       `json:"proven_at,omitzero"`
	OpenFindings int64           `json:"open_findings"`
	Tables       int             `json:"tables"`
	Watermark    *Watermark      `json:"watermark,omitempty"`
	Lag          *Lag            `json:"lag,omitempty"`
	Pass         *Progress       `json:"pass,omitempty"`
	NextPassAt   time.Time       `json:"next_pass_at,omitzero"`
	LastSuccess  time.Time       `json:"last_success_at,omitzero"`
	LastError    string          `json:"last_error,omitempty"`
	Cutover      string          `json:"cutover,omitempty"` // its state
}

func (h *web) listPairs(w http.ResponseWriter, _ *http.Request) {
	all := h.board.Pairs()
	out := pairsAnswer{At: h.now().UTC(), Version: h.Version, Verdict: worst(all), Pairs: make([]pairAnswer, len(all))}
	for i := range all {
		s := settled(&all[i], h.now())
		out.Pairs[i] = pairAnswer{
			Name: s.Name, UpdatedAt: s.UpdatedAt, Activity: s.Activity, Verdict: s.Verdict, Reasons: s.Reasons, ProvenAt: s.ProvenAt,
			OpenFindings: openFindings(s), Tables: len(s.Tables), Watermark: s.Watermark, Lag: s.Lag, Pass: s.Pass,
			NextPassAt: s.NextPassAt, LastSuccess: s.LastSuccess, LastError: s.LastError,
		}
		if s.Cutover != nil {
			out.Pairs[i].Cutover = s.Cutover.State
		}
	}
	answer(w, http.StatusOK, out)
}

func (h *web) onePair(w http.ResponseWriter, r *http.Request) {
	s, known := h.board.Pair(r.PathValue("name"))
	if !known {
		noPair(w)
		return
	}
	answer(w, http.StatusOK, settled(&s, h.now()))
}

// settled is s as it is shown: lists are lists, and ages are those of now, not of when the
// board was told, which may be long ago.
func settled(s *Status, now time.Time) *Status {
	out := *s
	old := 0.0
	if !s.UpdatedAt.IsZero() {
		old = max(now.Sub(s.UpdatedAt).Seconds(), 0)
	}
	aged := func(w *Watermark) *Watermark {
		if w == nil {
			return nil
		}
		older := *w
		older.AgeSeconds += old
		return &older
	}
	out.Watermark = aged(s.Watermark)
	out.Reasons, out.Findings = listed(s.Reasons), listed(s.Findings)
	out.Runs, out.Samples = listed(s.Runs), listed(s.Samples)
	out.Tables = make([]Table, len(s.Tables))
	for i, t := range s.Tables {
		t.Watermark, t.Cells = aged(t.Watermark), listed(t.Cells)
		out.Tables[i] = t
	}
	for i := range out.Runs {
		if out.Runs[i].Reasons == nil { // copied first: a board owns what it was given
			out.Runs = append([]Run{}, out.Runs...)
			out.Runs[i].Reasons = []string{}
		}
	}
	return &out
}

// listed is list, never null.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (h *web) command(w http.ResponseWriter, r *http.Request, what string, f func(context.Context, string) error) {
	name := r.PathValue("name")
	if _, known := h.board.Pair(name); !known {
		noPair(w)
		return
	}
	if f == nil {
		refuse(w, http.StatusNotImplemented, "this monitor does not offer "+what)
		return
	}
	h.taken(w, r, what, name, f(r.Context(), name))
}

func (h *web) recheck(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if _, known := h.board.Pair(name); !known {
		noPair(w)
		return
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "a finding is named by its number, the id that the pair's findings have")
	case h.commands.Recheck == nil:
		refuse(w, http.StatusNotImplemented, "this monitor does not offer recheck")
	default:
		h.taken(w, r, "recheck", name, h.commands.Recheck(r.Context(), name, id))
	}
}

// taken answers a command, and has it on record.
func (h *web) taken(w http.ResponseWriter, r *http.Request, what, pair string, err error) {
	log := h.Log.With("command", what, "pair", pair, "remote", r.RemoteAddr)
	if err != nil {
		log.Warn("command refused", "error", err)
		code := http.StatusInternalServerError
		switch {
		case errors.Is(err, ErrNotKnown):
			code = http.StatusNotFound
		case errors.Is(err, ErrNotNow):
			code = http.StatusConflict
		}
		refuse(w, code, err.Error())
		return
	}
	log.Info("command taken")
	answer(w, http.StatusAccepted, struct {
		Pair    string `json:"pair"`
		Command string `json:"command"`
	}{pair, what})
}

func noPair(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, "there is no such pair; GET /api/v1/pairs lists them")
}

// refuse answers with an error, as JSON.
func refuse(w http.ResponseWriter, code int, why string) {
	answer(w, code, struct {
		Error string `json:"error"`
	}{why})
}

func answer(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		plain(w, http.StatusInternalServerError, "the answer could not be written: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // who has gone needs no answer
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}
