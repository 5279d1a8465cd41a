package report

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/pgparity/pgparity/preflight"
)

// TestPreflightInABrowser opens each page from a file, as one that was sent by
// mail is opened, on a desk and on a phone.
func TestPreflightInABrowser(t *testing.T) {
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
	for name, fixture := range preflights {
		if testing.Short() && name != "blocked" && name != "hostile" {
			continue // the others have the same parts
		}
		t.Run(name, func(t *testing.T) { openPreflight(t, ctx, h, name, fixture()) })
	}
}

func openPreflight(t *testing.T, ctx context.Context, h *heard, name string, r *preflight.Result) {
	path := filepath.Join(t.TempDir(), "preflight.html")
	if err := WritePreflightFile(path, r, HTML, Options{}); err != nil {
		t.Fatal(err)
	}
	page := (&url.URL{Scheme: "file", Path: path}).String()
	h.take()
	if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	text := func(selector string) string {
		return strings.TrimSpace(eval[string](t, ctx, `[...document.querySelectorAll("`+selector+`")].map(e => e.textContent).join("\n")`))
	}
	if got := text("#verdict"); got != string(r.Verdict) {
		t.Errorf("the page says %q, want %q", got, r.Verdict)
	}
	if rh := r.Rehearsal; rh != nil {
		if got := text("#outage"); got != outageOf(rh).figure() {
			t.Errorf("the outage reads %q, want %q", got, outageOf(rh).figure())
		}
		if n := eval[int](t, ctx, `document.querySelectorAll(".phases > li").length`); n != len(rh.Phases) {
			t.Errorf("%d phases, want %d", n, len(rh.Phases))
		}
		if n := eval[int](t, ctx, `[...document.querySelectorAll(".phases .run")].filter(e => e.getBoundingClientRect().width < 2).length`); n != 0 {
			t.Errorf("%d bars cannot be seen", n)
		}
	}
	all := text("main")
	for _, hazard := range r.Hazards {
		for _, want := range []string{ident(hazard.ID), ident(hazard.Object), prose(hazard.Sentence), statement(hazard.Fix)} {
			if !strings.Contains(all, want) {
				t.Errorf("the page does not hold %q", want)
			}
		}
	}
	if n := eval[int](t, ctx, `document.querySelectorAll(".detectors tbody tr").length`); n != len(turns(r)) {
		t.Errorf("%d detectors, want %d", n, len(turns(r)))
	}
	if n := eval[int](t, ctx, `document.querySelectorAll("script, img, iframe, [onclick], [onerror], [onload]").length`); n != 0 {
		t.Errorf("%d active elements", n)
	}
	if radius := eval[string](t, ctx, `getComputedStyle(document.querySelector(".detectors")).display + getComputedStyle(document.querySelector(".verdict")).display`); radius != "blockflex" {
		t.Errorf("the style was not applied: %q", radius)
	}
	for _, wide := range []int{1200, 390} {
		resize(t, ctx, wide)
		if n := eval[int](t, ctx, `document.querySelectorAll("details").forEach(d => d.open = true) || document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
			t.Errorf("at %d the page is %d pixels too wide: %s", wide, n, eval[string](t, ctx, `[...document.querySelectorAll("main *")]
				.filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth).map(e => e.tagName + "." + e.className).join(" ")`))
		}
		if wide < 1000 {
			screenshots(t, ctx, "preflight-"+name+"-phone")
		} else {
			screenshots(t, ctx, "preflight-"+name)
		}
	}
	resize(t, ctx, 1200)
	console, requests := h.take()
	if len(console) > 0 {
		t.Errorf("the console says %q", console)
	}
	for _, u := range requests {
		if u != page && u != "data:," {
			t.Errorf("the page asks for %s", u)
		}
	}
}

// resize sets how wide the window is.
func resize(t *testing.T, ctx context.Context, wide int) {
	t.Helper()
	size := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: int64(wide), Height: 1000, DeviceScaleFactor: 1})
		return err
	})
	if err := chromedp.Do(ctx, size); err != nil {
		t.Fatal(err)
	}
}
