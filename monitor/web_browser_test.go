package monitor

import (
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pgparity/pgparity/checker"
)

// browser starts one headless Chromium for the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium was found; scripts/test-deps.sh installs it")
		}
		t.Skip("no chromium was found; scripts/test-deps.sh installs it, to test the page in a browser")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WindowSize(1240, 900), chromedp.UserDataDir(t.TempDir()),
		chromedp.Env("TMPDIR=" + t.TempDir()), // where its socket would else be left
	}
	for _, flag := range []string{
		"no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "disable-background-networking",
		"disable-component-update", "disable-sync", "hide-scrollbars",
	} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// heard collects what a page must not do: speak to the console, ask anybody else.
type heard struct {
	sync.Mutex
	console, requests []string
}

func (h *heard) add(ev any) {
	h.Lock()
	defer h.Unlock()
	switch ev := ev.(type) {
	case *cdplog.EventEntryAdded:
		h.console = append(h.console, ev.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		h.console = append(h.console, "console."+string(ev.Type))
	case *runtime.EventExceptionThrown:
		h.console = append(h.console, ev.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		h.requests = append(h.requests, ev.Request.URL)
	}
}

// quiet fails the test for what was heard since the last time, but for what is asked of the service itself.
func (h *heard) quiet(t *testing.T, origin string) {
	t.Helper()
	h.Lock()
	defer h.Unlock()
	if len(h.console) > 0 {
		t.Errorf("the console says %q", h.console)
	}
	if len(h.requests) == 0 {
		t.Error("no request was heard of: the test does not see what it looks for")
	}
	for _, u := range h.requests {
		if !strings.HasPrefix(u, origin+"/") {
			t.Errorf("the page asks for %s", u)
		}
	}
	h.console, h.requests = nil, nil
}

// screen is a browser that looks at a service.
type screen struct {
	t      *testing.T
	ctx    context.Context
	heard  *heard
	board  *Board
	origin string
}

func newScreen(t *testing.T, b *Board) *screen {
	t.Helper()
	ctx := browser(t)
	h := newWeb(b, Commands{}, HandlerOptions{Version: "1.4.0"})
	h.pace = 20 * time.Millisecond
	done := make(chan struct{})
	h.Done = done
	server := httptest.NewServer(h.handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) }) // before the server, which waits for its streams
	s := &screen{t, ctx, &heard{}, b, server.URL}
	s.do(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	})
	if err := chromedp.Listen(ctx, s.heard.add); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *screen) do(f func(context.Context, *chromedp.Target) error) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, chromedp.Func(f)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) open(path string) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, chromedp.Navigate(s.origin+path)); err != nil {
		s.t.Fatal(err)
	}
}

func eval[T any](s *screen, script string) T {
	s.t.Helper()
	v, err := chromedp.Run(s.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		s.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// until waits until the page finds the condition true.
func (s *screen) until(condition string) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for !eval[bool](s, condition) {
		select {
		case <-deadline:
			s.t.Fatalf("the page does not come to %s; it shows %.300q", condition, eval[string](s, "document.body.innerText"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *screen) size(width, height int64, mobile bool) {
	s.t.Helper()
	s.do(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride,
			emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: mobile})
		return err
	})
}

func (s *screen) scheme(name string) {
	s.t.Helper()
	s.do(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	})
}

// shoot keeps a picture with what the test leaves behind (go test -artifacts), or in the folder MONITOR_SCREENSHOTS.
func (s *screen) shoot(name string) {
	s.t.Helper()
	dir := os.Getenv("MONITOR_SCREENSHOTS")
	if dir == "" {
		dir = s.t.ArtifactDir()
	}
	png, err := chromedp.Run(s.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// wide is by how many pixels the page is wider than its window.
const wide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`

// unnamed are pictures without words, and controls without a name.
const unnamed = `[...document.querySelectorAll("svg:not([aria-hidden]), a, summary, [tabindex='0']")]` +
	`.filter(e => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim())).length`

// TestPageLooks opens every page on a desktop, in light and dark, and on a phone.
func TestPageLooks(t *testing.T) {
	s := newScreen(t, fixtures(time.Now()))
	for nth, page := range []struct{ name, path string }{
		{"fleet", "/"}, {"mismatch", "/pair/billing"}, {"match", "/pair/orders"}, {"first-pass", "/pair/identity"},
		{"cutover", "/pair/payments"}, {"not-followed", "/pair/catalog"}, {"unreachable", "/pair/search"},
	} {
		if testing.Short() && page.name != "fleet" && page.name != "mismatch" {
			continue // the others have the same parts
		}
		for i, look := range []struct {
			name          string
			scheme        string
			width, height int64
		}{{"light", "light", 1240, 900}, {"dark", "dark", 1240, 900}, {"phone", "light", 360, 740}} {
			if nth > 1 && i != nth%3 && os.Getenv("MONITOR_SCREENSHOTS") == "" {
				continue // the rest have one look each, unless somebody wants to see all
			}
			s.size(look.width, look.height, look.name == "phone")
			s.scheme(look.scheme)
			s.open(page.path)
			s.until(`document.getElementById("live").className === "live on"`)
			if n := eval[int](s, wide); n > 0 {
				t.Errorf("%s, %s: the page is %d pixels too wide", page.name, look.name, n)
			}
			if n := eval[int](s, unnamed); n > 0 {
				t.Errorf("%s: %d pictures or controls have no name", page.name, n)
			}
			if radius := eval[string](s, `getComputedStyle(document.querySelector(".verdict")).borderRadius`); radius != "12px" {
				t.Errorf("%s: the style was not applied: radius %q", page.name, radius)
			}
			s.shoot(page.name + "-" + look.name)
		}
	}
	s.heard.quiet(t, s.origin)
}

// TestPageIsLive holds that what comes to the board comes to the page, without a reload, and takes
// nothing from who is reading.
func TestPageIsLive(t *testing.T) {
	now := time.Now()
	board := fixtures(now)
	s := newScreen(t, board)
	s.open("/")
	s.until(`document.getElementById("live").className === "live on"`)
	eval[bool](s, `window.here = true`) // gone after a reload
	s.until(`document.querySelectorAll(".fleet tbody tr").length === 6`)

	eval[bool](s, `document.querySelector("a[href='pair/orders']").focus() === undefined`)
	st := orders(now)
	st.Verdict, st.Watermark.AgeSeconds = checker.Mismatch, 4000
	st.Findings = []Finding{{ID: 7, Object: "public.orders", Kind: "extra", FirstSeen: now, LastSeen: now, By: "pass"}}
	board.Put(st)
	s.until(`document.querySelector("tr:has(a[href='pair/orders']) .badge.mismatch") !== null`)
	s.until(`document.querySelector("tr:has(a[href='pair/orders'])").innerText.includes("1 h 6 min")`)
	s.until(`document.getElementById("headline").innerText.startsWith("2 pairs differ")`)
	if at := eval[string](s, `document.activeElement.getAttribute("href") ?? ""`); at != "pair/orders" {
		t.Errorf("the focus went to %q", at)
	}
	s.until(`document.getElementById("said").innerText.startsWith("mismatch")`)
	board.Keep([]string{"orders"})
	s.until(`document.querySelectorAll(".fleet tbody tr").length === 1`)
	if !eval[bool](s, `window.here === true`) {
		t.Error("the page was loaded again")
	}
	s.heard.quiet(t, s.origin)
}

// TestFindingComesAndHeals follows a finding on its pair's page.
func TestFindingComesAndHeals(t *testing.T) {
	now := time.Now()
	board := fixtures(now)
	s := newScreen(t, board)
	s.open("/pair/orders")
	s.until(`document.getElementById("live").className === "live on"`)
	eval[bool](s, `window.here = true`)
	s.until(`document.getElementById("open") === null && document.getElementById("word").innerText === "MATCH"`)
	eval[bool](s, `document.getElementById("act-how").open = true`)
	eval[bool](s, `document.querySelector("#act-how > summary").focus() === undefined`)
	eval[bool](s, `window.scrollTo(0, document.getElementById("tables").offsetTop) === undefined`)
	at := eval[float64](s, `document.getElementById("act").getBoundingClientRect().top`)

	st := orders(now)
	st.Verdict = checker.Mismatch
	found := Finding{ID: 211, Object: "public.orders", Kind: "different", Key: []KeyPart{{"id", "777001"}}, Columns: []string{"total"}, FirstSeen: now, LastSeen: now, By: "follow"}
	st.Findings = []Finding{found}
	st.Tables[0].Verdict, st.Tables[0].Open = checker.Mismatch, 1
	board.Put(st)
	s.until(`document.querySelector("#open #finding-211")?.innerText.includes("id=777001") === true`)
	s.until(`document.getElementById("word").innerText === "MISMATCH"`)
	s.until(`document.getElementById("icon").href.includes("icon-mismatch")`)
	s.until(`document.title.includes("mismatch")`)
	s.until(`document.getElementById("said").innerText === "mismatch: 1 open finding"`)
	if !eval[bool](s, `document.getElementById("act-how").open && document.activeElement.tagName === "SUMMARY"`) {
		t.Error("what was unfolded is folded, or lost the focus")
	}
	// What is read stays where it is, though a section came above it.
	if now := eval[float64](s, `document.getElementById("act").getBoundingClientRect().top`); now-at > 40 || at-now > 40 {
		t.Errorf("the reader's place moved by %v pixels", now-at)
	}

	// Somebody marks the key to copy it: that part waits, the others do not.
	eval[bool](s, `getSelection().selectAllChildren(document.querySelector("#finding-211 .key")) === undefined`)
	st.Findings = []Finding{found, {ID: 212, Object: "public.orders", Kind: "extra", FirstSeen: now, LastSeen: now, By: "pass"}}
	board.Put(st)
	s.until(`document.getElementById("said").innerText === "mismatch: 2 open findings"`)
	if marked := eval[string](s, `getSelection().toString()`); marked != "id=777001" || eval[bool](s, `document.getElementById("finding-212") !== null`) {
		t.Errorf("what is marked was exchanged: %q", marked)
	}
	eval[bool](s, `getSelection().removeAllRanges() === undefined`)
	board.Put(st)
	s.until(`document.getElementById("finding-212") !== null`)

	found.LastSeen, found.HealedAt = now, time.Now()
	healed := orders(now)
	healed.Findings = []Finding{found}
	board.Put(healed)
	s.until(`document.querySelector("#healed #finding-211")?.innerText.includes("healed") === true`)
	s.until(`document.getElementById("open") === null && document.getElementById("word").innerText === "MATCH"`)
	if !eval[bool](s, `window.here === true`) {
		t.Error("the page was loaded again")
	}
	s.heard.quiet(t, s.origin)
}

// TestPageSaysWhenItIsNotLive: what stands still must not look as if it were now.
func TestPageSaysWhenItIsNotLive(t *testing.T) {
	board := fixtures(time.Now())
	ctx := browser(t)
	server := httptest.NewServer(NewHandler(board, Commands{}, HandlerOptions{}))
	defer server.Close()
	s := &screen{t, ctx, &heard{}, board, server.URL}
	s.open("/")
	s.until(`document.getElementById("live").className === "live on"`)
	server.CloseClientConnections()
	server.Listener.Close()
	s.until(`document.getElementById("live").className === "live off"`)
	if text := eval[string](s, `document.getElementById("live").innerText`); !strings.HasPrefix(text, "not live") {
		t.Errorf("the page says %q", text)
	}
}

// TestPageWithoutScript reads the pages as a browser does that runs no script.
func TestPageWithoutScript(t *testing.T) {
	s := newScreen(t, fixtures(time.Now()))
	s.do(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
	for path, wants := range map[string][]string{
		"/":             {"MISMATCH", "billing", "orders", "1 pair differs", "following changes", "as of"},
		"/pair/billing": {"id=4182277", "total_cents", "public.invoices", "WATERMARK AGE", "History", "healed", "as of"},
	} {
		s.open(path)
		text, err := chromedp.Run(s.ctx, chromedp.Text(chromedp.CSS("body")))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
	}
	s.heard.Lock()
	asked := slices.Clone(s.heard.requests)
	s.heard.Unlock()
	if slices.ContainsFunc(asked, func(u string) bool { return strings.HasSuffix(u, "/events") }) {
		t.Error("a script ran")
	}
	s.heard.quiet(t, s.origin)
}

// TestHostileNamesInABrowser: no name is more than a name, and its page is found.
func TestHostileNamesInABrowser(t *testing.T) {
	board := NewBoard()
	board.Keep([]string{hostile})
	board.Put(nasty(time.Now()))
	s := newScreen(t, board)
	s.open("/")
	s.until(`document.getElementById("live").className === "live on"`)
	if n := eval[int](s, `document.querySelectorAll("script:not([src]), img, iframe, [onclick], [onerror], [style]").length`); n != 0 {
		t.Errorf("%d active elements", n)
	}
	eval[bool](s, `document.querySelector(".fleet th a").click() === undefined`)
	s.until(`document.getElementById("path") !== null && document.getElementById("live").className === "live on"`)
	if n := eval[int](s, `document.querySelectorAll("script:not([src]), img, iframe, [onclick], [onerror], [style]").length`); n != 0 {
		t.Errorf("%d active elements", n)
	}
	if n := eval[int](s, wide); n > 0 {
		t.Errorf("the page is %d pixels too wide", n)
	}
	if eval[bool](s, `document.body.innerText.includes("\u202e")`) {
		t.Error("a name turns the direction of writing")
	}
	if u, err := url.Parse(eval[string](s, `location.href`)); err != nil || u.Path != "/pair/"+hostile {
		t.Errorf("the page is at %v, %v", u, err)
	}
	s.heard.quiet(t, s.origin)
}
