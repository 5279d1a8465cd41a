package report

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/pgparity/pgparity/cutover"
)

// TestCutoverInABrowser opens each page from a file, as one that was sent by
// mail is opened, on a desk and on a phone.
func TestCutoverInABrowser(t *testing.T) {
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
	for name, fixture := range cutovers {
		if testing.Short() && name != "plan" && name != "switched" && name != "hostile" {
			continue // the others have the same parts
		}
		t.Run(name, func(t *testing.T) { openCutover(t, ctx, h, name, fixture()) })
	}
}

func openCutover(t *testing.T, ctx context.Context, h *heard, name string, r *cutover.Result) {
	path := filepath.Join(t.TempDir(), "cutover.html")
	if err := WriteCutoverFile(path, r, HTML, Options{}); err != nil {
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
	number := func(script string) int { t.Helper(); return eval[int](t, ctx, script) }

	settled := settleCutover(r)
	if got := text("#verdict"); got != outcomeWord(settled) {
		t.Errorf("the page says %q, want %q", got, outcomeWord(settled))
	}
	if o := r.Outage; o != nil && o.Writes > 0 {
		if got := text("#outage"); got != took(o.WriteMS) {
			t.Errorf("the outage reads %q, want %q", got, took(o.WriteMS))
		}
		if n := number(`document.querySelectorAll(".picture svg").length`); n != int(truth(len(o.Timeline) > 0)) {
			t.Errorf("%d pictures", n)
		}
	}
	if n := number(`document.querySelectorAll(".steps li.step").length`); n != len(r.Steps) {
		t.Errorf("%d steps, want %d", n, len(r.Steps))
	}
	if n := number(`[...document.querySelectorAll(".steps .run")].filter(e => e.getBoundingClientRect().width < 2).length`); n != 0 {
		t.Errorf("%d bars cannot be seen", n)
	}
	actions := 0
	for _, s := range r.Steps {
		actions += len(s.Actions) + len(s.Undo)
	}
	if r.Command == "plan" {
		for _, s := range takeBack(r.Steps) {
			actions += len(s.Actions)
		}
		if n := number(`[...document.querySelectorAll(".runbook")][0].querySelectorAll("details:not([open])").length`); n != 0 {
			t.Errorf("%d steps of the runbook are folded away", n)
		}
		if n := number(`document.querySelectorAll("p.no-return").length`); n != 1 {
			t.Errorf("the point of no return is marked %d times", n)
		}
	}
	if n := number(`document.querySelectorAll(".actions > li").length`); n != actions {
		t.Errorf("%d actions, want %d", n, actions)
	}
	all := text("pre code")
	for _, s := range r.Steps {
		for _, a := range s.Actions {
			if lines, _ := statementLines(a.Do); !strings.Contains(all, strings.Join(lines, "\n")) {
				t.Errorf("the page does not hold %q", a.Do)
			}
		}
	}
	if n := number(`document.querySelectorAll("script, img, iframe, [onclick], [onerror], [onload], [style]").length`); n != 0 {
		t.Errorf("%d active elements", n)
	}
	if display := eval[string](t, ctx, `getComputedStyle(document.querySelector(".verdict")).display`); display != "flex" {
		t.Errorf("the style was not applied: %q", display)
	}
	screenshots(t, ctx, "cutover-"+name)
	for _, wide := range []int{1200, 390} {
		resize(t, ctx, wide)
		if n := number(`document.querySelectorAll("details").forEach(d => d.open = true) || document.documentElement.scrollWidth - document.documentElement.clientWidth`); n > 0 {
			t.Errorf("at %d the page is %d pixels too wide: %s", wide, n, eval[string](t, ctx, `[...document.querySelectorAll("main *")]
				.filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth).map(e => e.tagName + "." + e.className).join(" ")`))
		}
	}
	screenshots(t, ctx, "cutover-"+name+"-phone")
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
