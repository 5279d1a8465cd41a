package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
)

const token = "a-token-of-some-length"

// asked is a request, and who makes it.
type asked struct {
	method, path, host string
	bearer, basic      string
	header             map[string]string
}

// ask sends it past the network.
func ask(h http.Handler, a asked) *httptest.ResponseRecorder {
	if a.method == "" {
		a.method = http.MethodGet
	}
	r := httptest.NewRequest(a.method, a.path, nil)
	r.Host = "localhost:9432"
	if a.host != "" {
		r.Host = a.host
	}
	if a.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	if a.basic != "" {
		r.SetBasicAuth("me", a.basic)
	}
	for k, v := range a.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// reads are all paths that only look.
var reads = []string{"/", "/pair/orders", "/api/v1/pairs", "/api/v1/pairs/orders", "/metrics", "/page/style.css", "/page/live.js"}

var writes = []string{"/api/v1/pairs/orders/pass", "/api/v1/pairs/orders/pause", "/api/v1/pairs/orders/resume", "/api/v1/pairs/billing/findings/118/recheck"}

// recorded is Commands that note what they were asked.
func recorded(list *[]string, err error) Commands {
	order := func(what string) func(context.Context, string) error {
		return func(_ context.Context, pair string) error {
			*list = append(*list, what+" "+pair)
			return err
		}
	}
	return Commands{Pass: order("pass"), Pause: order("pause"), Resume: order("resume"), Recheck: func(_ context.Context, pair string, id int64) error {
		*list = append(*list, fmt.Sprintf("recheck %s %d", pair, id))
		return err
	}}
}

func TestWhoMayDoWhat(t *testing.T) {
	var done []string
	handler := func(o HandlerOptions) http.Handler {
		o.Pprof = true
		return NewHandler(fixtures(time.Now()), recorded(&done, nil), o)
	}
	local, open := handler(HandlerOptions{Token: token}), handler(HandlerOptions{})
	secure, careless := handler(HandlerOptions{Token: token, Secure: true}), handler(HandlerOptions{Secure: true})
	named := handler(HandlerOptions{Token: token, Hosts: []string{"Watch.example"}})
	each := func(paths []string, a asked) (all []asked) {
		for _, p := range paths {
			a.path = p
			all = append(all, a)
		}
		return all
	}
	post := http.MethodPost
	for _, c := range []struct {
		name string
		h    http.Handler
		ask  []asked
		want int
	}{
		{"this machine reads without a token", local, each(reads, asked{}), 200},
		{"by each of its names", local, []asked{{path: "/", host: "127.0.0.1"}, {path: "/", host: "[::1]:9432"}, {path: "/", host: "LOCALHOST."}, {path: "/", host: "127.9.9.9:1"}}, 200},
		{"a name that was led here does not read", local, append(each(reads, asked{host: "evil.example:9432"}), asked{path: "/events", host: "evil.example"}, asked{path: "/", host: "localhost.evil.example"}, asked{path: "/", host: "10.0.0.1"}), 403},
		{"nor write, with the token even", local, each(writes, asked{method: post, host: "evil.example", bearer: token}), 403},
		{"a name that is configured does", named, []asked{{path: "/", host: "watch.example:443"}}, 200},
		{"and no other", named, []asked{{path: "/", host: "evil.example"}}, 403},
		{"writes need the token here too", local, each(writes, asked{method: post}), 401},
		{"and the right one", local, each(writes, asked{method: post, bearer: token + "x"}), 401},
		{"a browser's own credentials do not write", local, each(writes, asked{method: post, basic: token}), 401},
		{"no token, no writing", open, append(each(writes, asked{method: post}), each(writes, asked{method: post, bearer: " "})...), 403},
		{"a page elsewhere does not write", local, each(writes, asked{method: post, bearer: token, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}), 403},
		{"nor one of another port", local, each(writes, asked{method: post, bearer: token, header: map[string]string{"Origin": "http://localhost:8080"}}), 403},
		{"reading writes nothing", local, each(writes, asked{bearer: token}), 404},
		{"elsewhere reading needs the token", secure, append(each(reads, asked{host: "watch.example"}), asked{path: "/events"}, asked{path: "/nothing"}), 401},
		{"and has it as a bearer", secure, each(reads, asked{host: "watch.example", bearer: token}), 200},
		{"or typed into a browser", secure, each(reads, asked{host: "watch.example", basic: token}), 200},
		{"a wrong one", secure, append(each(reads, asked{bearer: "x"}), each(reads, asked{basic: "x"})...), 401},
		{"without a token nobody reads", careless, append(each(reads, asked{}), each(reads, asked{bearer: "x"})...), 403},
		{"the profiler shows memory: here too", local, each([]string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"}, asked{}), 401},
		{"to who has the token", local, []asked{{path: "/debug/pprof/", bearer: token}}, 200},
		{"probes are open to all", careless, each([]string{"/healthz", "/readyz"}, asked{host: "10.4.4.4:9432"}), 200},
		{"nothing else is there", local, each([]string{"/nothing", "/page/fleet.html.tmpl", "/page/..%2fapi.go", "/pair/none", "/api/v1/pairs/none", "/api/v2"}, asked{}), 404},
		{"and takes nothing", local, []asked{{method: post, path: "/"}, {method: http.MethodDelete, path: "/api/v1/pairs"}}, 405},
	} {
		for _, a := range c.ask {
			w := ask(c.h, a)
			if w.Code != c.want {
				t.Errorf("%s: %s %s of %s: %d, want %d: %.200s", c.name, a.method, a.path, a.host, w.Code, c.want, w.Body)
			}
			if w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s lacks its headers: %v", c.name, a.path, w.Header())
			}
			if strings.Contains(w.Body.String(), token) || w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %s tells too much", c.name, a.path)
			}
			if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %s does not say what is needed", c.name, a.path)
			}
		}
	}
	if len(done) > 0 {
		t.Errorf("done without leave: %q", done)
	}
	if w := ask(NewHandler(NewBoard(), Commands{}, HandlerOptions{Token: token}), asked{path: "/debug/pprof/heap", bearer: token}); w.Code != 404 {
		t.Errorf("the profiler is served unasked: %d", w.Code)
	}
}

func TestCommands(t *testing.T) {
	var done []string
	h := NewHandler(fixtures(time.Now()), recorded(&done, nil), HandlerOptions{Token: token})
	for _, path := range writes {
		if w := ask(h, asked{method: http.MethodPost, path: path, bearer: token, header: map[string]string{"Origin": "http://localhost:9432"}}); w.Code != 202 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if want := []string{"pass orders", "pause orders", "resume orders", "recheck billing 118"}; !reflect.DeepEqual(done, want) {
		t.Errorf("done %q, want %q", done, want)
	}
	for _, c := range []struct {
		err  error
		path string
		want int
	}{
		{fmt.Errorf("finding 118: %w", ErrNotKnown), writes[3], 404},
		{fmt.Errorf("pass: %w: the pair is paused; resume it first", ErrNotNow), writes[0], 409},
		{errors.New("state: disk is full"), writes[1], 500},
		{nil, "/api/v1/pairs/nobody/pass", 404},
		{nil, "/api/v1/pairs/nobody/findings/1/recheck", 404},
		{nil, "/api/v1/pairs/billing/findings/x/recheck", 400},
	} {
		w := ask(NewHandler(fixtures(time.Now()), recorded(&done, c.err), HandlerOptions{Token: token}), asked{method: http.MethodPost, path: c.path, bearer: token})
		var got struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.want || got.Error == "" || c.err != nil && got.Error != c.err.Error() {
			t.Errorf("%s, %v: %d %s, want %d", c.path, c.err, w.Code, w.Body, c.want)
		}
	}
	for _, path := range writes {
		if w := ask(NewHandler(fixtures(time.Now()), Commands{}, HandlerOptions{Token: token}), asked{method: http.MethodPost, path: path, bearer: token}); w.Code != 501 {
			t.Errorf("%s: %d, want 501", path, w.Code)
		}
	}
}

func TestAPIShowsTheBoard(t *testing.T) {
	now := time.Now()
	h := NewHandler(fixtures(now), Commands{}, HandlerOptions{Version: "1.4.0"})
	var list struct {
		Version, Verdict string
		Pairs            []struct {
			Name, Verdict, Activity, Cutover string
			Reasons                          []string
			Open                             int64      `json:"open_findings"`
			Watermark                        *Watermark `json:"watermark"`
		}
	}
	decode(t, ask(h, asked{path: "/api/v1/pairs"}), &list)
	if list.Version != "1.4.0" || list.Verdict != "mismatch" || len(list.Pairs) != 6 {
		t.Fatalf("%+v", list)
	}
	b := list.Pairs[1]
	if b.Name != "billing" || b.Verdict != "mismatch" || b.Open != 3 || b.Activity != "passing" || b.Watermark == nil || list.Pairs[4].Cutover != "FROZEN" {
		t.Errorf("%+v", b)
	}
	if list.Pairs[0].Reasons == nil {
		t.Error("no reasons are null")
	}
	var got, want any
	decode(t, ask(h, asked{path: "/api/v1/pairs/billing"}), &got)
	s, _ := fixtures(now).Pair("billing")
	raw, err := json.Marshal(settled(&s, now))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"findings", "runs", "samples", "sequences", "totals", "verdict"} {
		if g, w := got.(map[string]any)[key], want.(map[string]any)[key]; !reflect.DeepEqual(g, w) || g == nil {
			t.Errorf("%s: %.200v, want %.200v", key, g, w)
		}
	}
	var fresh map[string]any
	board := NewBoard()
	board.Keep([]string{"new"})
	decode(t, ask(NewHandler(board, Commands{}, HandlerOptions{}), asked{path: "/api/v1/pairs/new"}), &fresh)
	for _, key := range []string{"reasons", "tables", "findings", "runs", "samples"} {
		if _, ok := fresh[key].([]any); !ok {
			t.Errorf("%s is %v, want a list", key, fresh[key])
		}
	}
	if fresh["verdict"] != "unproven" {
		t.Errorf("of what nothing is known the verdict is %v", fresh["verdict"])
	}
}

func decode(t *testing.T, w *httptest.ResponseRecorder, to any) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
		t.Fatal(err)
	}
}

// TestAgesGoOn: a service that hangs must not look fresh, in any of the three views.
func TestAgesGoOn(t *testing.T) {
	board := fixtures(time.Now())
	h := newWeb(board, Commands{}, HandlerOptions{})
	h.now = func() time.Time { return time.Now().Add(time.Hour) }
	c := NewCollector(board, "")
	c.now = h.now
	h.Gatherer = registryOf(c)
	for path, want := range map[string]string{"/": "1 h", "/pair/orders": "1 h", "/api/v1/pairs/orders": `"age_seconds":360`, "/metrics": `pgparity_watermark_age_seconds{pair="orders"} 360`} {
		if w := ask(h.handler(), asked{path: path}); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s does not have %q", path, want)
		}
	}
	if s, _ := board.Pair("orders"); s.Watermark.AgeSeconds != 1.8 {
		t.Errorf("what the board holds was changed: %v", s.Watermark)
	}
}

func TestReady(t *testing.T) {
	ready := false
	h := NewHandler(NewBoard(), Commands{}, HandlerOptions{Ready: func() bool { return ready }})
	if w := ask(h, asked{path: "/readyz"}); w.Code != 503 {
		t.Errorf("not ready: %d", w.Code)
	}
	ready = true
	if w := ask(h, asked{path: "/readyz"}); w.Code != 200 {
		t.Errorf("ready: %d", w.Code)
	}
}

// TestEvents reads a stream: the first event at once, then one for many changes, beats in between, and an end.
func TestEvents(t *testing.T) {
	board := fixtures(time.Now())
	h := newWeb(board, Commands{}, HandlerOptions{})
	h.pace, h.pulse = 300*time.Millisecond, 20*time.Second
	done := make(chan struct{})
	h.Done = done
	server := httptest.NewServer(h.handler())
	defer server.Close()
	r, err := http.Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("type %q", kind)
	}
	events := make(chan string, 100)
	go func() {
		defer close(events)
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				events <- name
			}
		}
	}()
	next := func(want string) time.Time {
		t.Helper()
		select {
		case got := <-events:
			if got != want {
				t.Errorf("event %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no event, want %q", want)
		}
		return time.Now()
	}
	first := next("board")
	for range 100 {
		board.Put(orders(time.Now()))
	}
	if again := next("board"); again.Sub(first) < 200*time.Millisecond {
		t.Errorf("two events within %v", again.Sub(first))
	}
	select {
	case e := <-events:
		t.Errorf("a hundred changes are more than one event: %q", e)
	case <-time.After(2 * h.pace):
	}
	close(done)
	select {
	case _, more := <-events:
		if more {
			t.Error("an event after the end")
		}
	case <-time.After(10 * time.Second):
		t.Error("the stream does not end with the service")
	}
}

func TestEventsBeatAndAreBounded(t *testing.T) {
	h := newWeb(NewBoard(), Commands{}, HandlerOptions{})
	h.pulse = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(h.handler())
	defer server.Close()
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var read strings.Builder
	for !strings.Contains(read.String(), "event: beat") {
		if _, err := io.CopyN(&read, answer.Body, 16); err != nil {
			t.Fatal(err)
		}
	}
	h.streams.Add(maxStreams)
	if w := ask(h.handler(), asked{path: "/events"}); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one stream too many: %d", w.Code)
	}
}

// TestHostileNames: whatever a name holds, the page has no element of it, and no character that cannot be seen.
func TestHostileNames(t *testing.T) {
	board := NewBoard()
	board.Keep([]string{hostile})
	board.Put(nasty(time.Now()))
	h := NewHandler(board, Commands{}, HandlerOptions{Version: "1.4.0"})
	for _, path := range []string{"/", "/pair/" + url.PathEscape(hostile)} {
		w := ask(h, asked{path: path})
		body := w.Body.String()
		if w.Code != 200 || strings.Contains(body, "<script>") || strings.ContainsAny(body, "\u202e\x1b") {
			t.Errorf("%s: %d, %.3000s", path, w.Code, body)
		}
		if !strings.Contains(body, "&lt;script&gt;") {
			t.Errorf("%s does not have the name at all: the test does not see what it looks for", path)
		}
	}
	if w := ask(h, asked{path: "/metrics"}); w.Code != 200 || strings.ContainsAny(w.Body.String(), "\u202e\x1b") || !strings.Contains(w.Body.String(), `alert(1)`) {
		t.Errorf("metrics: %d %.300s", w.Code, w.Body)
	}
}

// TestPageIsBounded: thousands of tables and findings do not make a page that no browser takes.
func TestPageIsBounded(t *testing.T) {
	now := time.Now()
	s := billing(now)
	for i := range 5000 {
		s.Tables = append(s.Tables, table(fmt.Sprintf("public.t%d", i), 90_000_000, now, time.Hour, i))
		s.Findings = append(s.Findings, Finding{ID: int64(1000 + i), Object: "public.invoices", Kind: "missing", FirstSeen: now, LastSeen: now})
	}
	s.Tables[0].Open = 1_000_000
	board := NewBoard()
	board.Keep([]string{"billing"})
	board.Put(s)
	w := ask(NewHandler(board, Commands{}, HandlerOptions{}), asked{path: "/pair/billing"})
	body := w.Body.String()
	if len(body) > 800<<10 {
		t.Errorf("the page has %d kB", len(body)>>10)
	}
	for _, want := range []string{"1,000,000 open findings", "and 999,800 more that are not listed here", "and 4,610 tables more"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := strings.Count(body, "<path class=\"eq"); n > 4*mostTables+10 {
		t.Errorf("%d paths: a strip is not drawn in few lines", n)
	}
}

func TestStrip(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) time.Time { return now.Add(-d) }
	cells := []Cell{
		{checker.Match, at(time.Minute)}, {checker.Match, at(time.Minute)}, {checker.Mismatch, at(time.Minute)},
		{checker.Unproven, at(time.Minute)}, {}, {checker.Match, at(5 * time.Hour)}, {checker.Match, time.Time{}},
	}
	f := freshnessOf([]Table{{Cells: cells}}, now)
	if want := (freshness{15 * time.Minute, time.Hour, 6 * time.Hour}); f != want {
		t.Errorf("freshness %v, want %v", f, want)
	}
	got := stripOf(cells, f, now)
	want := []stripRow{{"eq f0", "M0 10H2"}, {"eq f2", "M5 12H6"}, {"ne", "M2 8H3"}, {"no", "M3 4H4M3 15H4"}, {"nv", "M4 15H5M6 15H7"}}
	if !reflect.DeepEqual(got.Rows, want) {
		t.Errorf("rows %v, want %v", got.Rows, want)
	}
	if text := "7 cells: 3 equal, 1 differing, 1 not proven, 2 not compared yet; the oldest was compared 5 h ago"; got.Text != text {
		t.Errorf("text %q, want %q", got.Text, text)
	}
}

func TestPlot(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var list []Sample
	for i := range 1000 {
		s := Sample{At: now.Add(-time.Duration(1000-i) * time.Second), WatermarkAge: ref(1.0)}
		if i == 777 {
			s.WatermarkAge = ref(90.0)
		}
		if i > 300 && i < 400 {
			s.WatermarkAge = nil
		}
		list = append(list, s)
	}
	p := newPlot("p", "Watermark age", watermarkAges(list), now, secondSteps, span)
	if n := strings.Count(p.Line, "M"); n != 2 {
		t.Errorf("%d lines, want one before what is not known and one after it", n)
	}
	if p.Y[0] != "2 min" || p.Y[4] != "0 s" || p.X[0] != "11:43" || p.X[2] != "12:00" {
		t.Errorf("axes %q, %q", p.Y, p.X)
	}
	if want := "Watermark age over the last 16 min 40 s: 1 s at the end, 1 min 30 s at most, at 11:56:17 UTC."; p.Text != want {
		t.Errorf("text %q, want %q", p.Text, want)
	}
	if strings.Count(p.Line, "L") > plotPoints {
		t.Errorf("%d points", strings.Count(p.Line, "L"))
	}
	if newPlot("p", "", nil, now, secondSteps, span) != nil {
		t.Error("nothing makes a plot")
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{span(0), "0 s"}, {span(0.0384), "39 ms"}, {span(1.89), "1.8 s"}, {span(59.9), "59 s"}, {span(61), "1 min 1 s"}, {span(3600), "1 h"}, {span(93600), "1 d 2 h"},
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(18432), "18 kB"}, {size(1536), "1.5 kB"}, {size(16 << 30), "16 GB"},
		{grouped(-1234567), "-1,234,567"}, {grouped(999), "999"},
		{percent(999, 1000), "99 %"}, {percent(1, 0), ""}, {stateWord("PNR"), "point of no return"}, {stateWord("TARGET_OPEN"), "target open"},
		{barOf(&Progress{ChunksPlanned: 1_000_000, ChunksCompared: 999_999}), "99"}, {barOf(&Progress{}), ""},
		{fleetHeadline([]Status{{Verdict: checker.Unproven}, {Verdict: checker.Match}}), "1 pair is not proven, 1 matches."},
		{fleetHeadline(nil), "Nothing is watched: the configuration names no pair."},
		{worst(nil).String(), "unproven"}, {worst([]Status{{Verdict: checker.Match}, {Verdict: checker.Match}}).String(), "match"},
		{worst([]Status{{Verdict: checker.Match}, {Verdict: checker.Unproven}, {Verdict: checker.Match}}).String(), "unproven"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
