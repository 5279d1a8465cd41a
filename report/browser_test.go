package report

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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
			t.Fatal("no chromium was found; install it: apt-get install chromium")
		}
		t.Skip("no chromium was found; install it to test the HTML report in a browser")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WindowSize(1200, 1000), chromedp.UserDataDir(t.TempDir()),
		chromedp.Env("TMPDIR=" + t.TempDir()), // where its socket would else be left
	}
	for _, flag := range []string{
		"no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "disable-background-networking",
		"disable-component-update", "disable-sync",
	} {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// heard collects what a page must not do: speak to the console, ask for
// anything but itself.
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

func (h *heard) take() (console, requests []string) {
	h.Lock()
	defer h.Unlock()
	console, requests = h.console, h.requests
	h.console, h.requests = nil, nil
	return console, requests
}

func eval[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// TestHTMLInABrowser opens each page as a manager would: from a file.
func TestHTMLInABrowser(t *testing.T) {
	ctx := browser(t)
	h := &heard{}
	listening := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	})
	if err := chromedp.Do(ctx, listening); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, h.add); err != nil {
		t.Fatal(err)
	}

	t.Run("the test hears", func(t *testing.T) {
		noisy := filepath.Join(t.TempDir(), "noisy.html")
		text := `<title>x</title><img src="other.png"><script>console.error("x")</script>`
		if err := os.WriteFile(noisy, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := chromedp.Do(ctx, chromedp.Navigate("file://"+noisy)); err != nil {
			t.Fatal(err)
		}
		if console, requests := h.take(); len(console) == 0 || len(requests) < 2 {
			t.Fatalf("of a noisy page only %q and %q were heard", console, requests)
		}
	})
	for name, fixture := range fixtures {
		if testing.Short() && name != "mismatch" && name != "moving" {
			continue // the others have the same parts
		}
		t.Run(name, func(t *testing.T) { openPage(t, ctx, h, name, fixture()) })
	}
}

func openPage(t *testing.T, ctx context.Context, h *heard, name string, r *checker.Result) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := WriteFile(path, r, HTML, Options{}); err != nil {
		t.Fatal(err)
	}
	page := (&url.URL{Scheme: "file", Path: path}).String()
	h.take()
	if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	verdict, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#verdict")))
	if err != nil {
		t.Fatal(err)
	}
	if want := verdictWord(r); !strings.EqualFold(strings.TrimSpace(verdict), want) {
		t.Errorf("the page says %q, want %q", verdict, want)
	}
	cells := 0
	for _, t := range r.Tables {
		cells += len([]rune(t.Chunks.Strip))
	}
	if n := eval[int](t, ctx, `document.querySelectorAll(".grid .strip i").length`); n != cells {
		t.Errorf("%d strip cells, want %d", n, cells)
	}
	if style := eval[string](t, ctx, `getComputedStyle(document.querySelector(".verdict")).display`); style != "flex" {
		t.Errorf("the style was not applied: display %q", style)
	}
	if n := eval[int](t, ctx, `document.querySelectorAll("script, img, iframe, [onclick], [onerror], [onload]").length`); n != 0 {
		t.Errorf("%d active elements", n)
	}
	if n := eval[int](t, ctx, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
		t.Errorf("the page is %d pixels too wide", n)
	}
	console, requests := h.take()
	if len(console) > 0 {
		t.Errorf("the console says %q", console)
	}
	for _, u := range requests {
		if u != page && u != "data:," {
			t.Errorf("the page asks for %s", u)
		}
	}
	screenshots(t, ctx, name)
}

// screenshots writes pictures into the folder REPORT_SCREENSHOTS, for a
// person to look at.
func screenshots(t *testing.T, ctx context.Context, name string) {
	dir := os.Getenv("REPORT_SCREENSHOTS")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		png, err := chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
			media := emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}
			if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, media); err != nil {
				return nil, err
			}
			return chromedp.FullScreenshot(100)(ctx, target)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-"+scheme+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
