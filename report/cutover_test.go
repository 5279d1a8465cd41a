package report

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/cutover"
)

func renderCutover(t *testing.T, r *cutover.Result, f Format, o Options) string {
	t.Helper()
	var buf bytes.Buffer
	if err := WriteCutover(&buf, r, f, o); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// unmeasured is what the golden files are made of: what the package cutover
// draws of an outage has golden files of its own.
func unmeasured(r *cutover.Result) *cutover.Result {
	if r.Outage != nil {
		r.Outage.Timeline, r.Outage.Marks = nil, nil
	}
	return r
}

func TestCutoverGolden(t *testing.T) {
	for name, fixture := range cutovers {
		for _, f := range CutoverFormats() {
			t.Run(name+"."+string(f), func(t *testing.T) {
				golden(t, "cutover."+name+"."+string(f), renderCutover(t, unmeasured(fixture()), f, Options{}))
			})
		}
	}
	golden(t, "cutover.switched.color", renderCutover(t, unmeasured(switchedCutover()), Text, Options{Color: true}))
	golden(t, "cutover.aborted.verbose", renderCutover(t, unmeasured(abortedCutover()), Text, Options{Verbose: true, Width: 120}))
}

func TestCutoverRenderingChangesNothing(t *testing.T) {
	for name, fixture := range cutovers {
		r := fixture()
		for _, f := range CutoverFormats() {
			if renderCutover(t, r, f, Options{}) != renderCutover(t, fixture(), f, Options{}) {
				t.Errorf("%s as %s differs from the first rendering", name, f)
			}
		}
		if diff := cmp.Diff(fixture(), r, unexported); diff != "" {
			t.Errorf("%s was changed by rendering:\n%s", name, diff)
		}
	}
	if err := WriteCutover(&bytes.Buffer{}, still("plan"), "pdf", Options{}); err == nil || !strings.Contains(err.Error(), "text, json, html, markdown, junit, prometheus") {
		t.Errorf("%v, want the list of formats", err)
	}
}

func TestCutoverFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runbook.md")
	if err := WriteCutoverFile(path, plannedCutover(), Markdown, Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := renderCutover(t, plannedCutover(), Markdown, Options{}); string(got) != want {
		t.Errorf("the file holds %q", got)
	}
}

// TestNothingHostileGetsThroughACutover renders results whose every text field
// holds terminal commands, markup and bytes that are no UTF-8.
func TestNothingHostileGetsThroughACutover(t *testing.T) {
	for _, command := range []string{"plan", "run", "status", hostile} {
		for _, f := range CutoverFormats() {
			for _, o := range []Options{{}, {Verbose: true}} {
				r := hostileCutover()
				r.Command = command
				out := renderCutover(t, r, f, o)
				if !utf8.ValidString(out) {
					t.Errorf("%s is not UTF-8", f)
				}
				for line := range strings.SplitSeq(out, "\n") {
					if i := strings.IndexFunc(line, func(r rune) bool { return unsafeRune(r) && r != '\ufe0f' }); i >= 0 {
						t.Errorf("%s of %s holds an invisible character: %q", f, command, line[max(i-20, 0):min(i+20, len(line))])
						break
					}
				}
				if f == HTML && strings.Contains(strings.ToLower(out), "<script") {
					t.Errorf("%s holds a script", f)
				}
				if f == Markdown {
					hostileMarkdown(t, out)
				}
			}
		}
	}
}

// hostileMarkdown reads a document as a forge does: what is in a block of code
// is shown as it is, and everything else must be harmless.
func hostileMarkdown(t *testing.T, md string) {
	t.Helper()
	fence, outside := "", []string{}
	for line := range strings.SplitSeq(md, "\n") {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && len(ticks) >= len(fence) && strings.TrimSpace(line[len(ticks):]) == "":
			fence = ""
		case fence == "":
			outside = append(outside, line)
		}
	}
	if fence != "" {
		t.Error("a block of code is never closed")
	}
	for _, line := range outside {
		plain := strings.ReplaceAll(strings.ReplaceAll(line, `\]`, ""), `\|`, "")
		for _, bad := range []string{"@all", "](http", "://e", "<script"} {
			if strings.Contains(strings.ToLower(plain), bad) {
				t.Errorf("markdown holds %q: %s", bad, line)
			}
		}
		if strings.HasPrefix(line, "# not") || strings.HasPrefix(line, "#1") {
			t.Errorf("a statement got out of its block: %s", line)
		}
		if n := strings.Count(plain, "|"); strings.HasPrefix(line, "|") && n != 3 && n != 5 && n != 7 {
			t.Errorf("a name breaks the table: %s", line)
		}
	}
	all := strings.Join(outside, "\n")
	if strings.Count(all, "</details>") != strings.Count(all, "<details>") {
		t.Error("a name closes a folded section")
	}
}

func TestCutoverTextFitsTheWidth(t *testing.T) {
	for name, fixture := range cutovers {
		for _, w := range []int{0, 60, 72, 80, 100, 140} {
			limit := max(w, narrowest)
			if w == 0 {
				limit = defaultWidth
			}
			for line := range strings.SplitSeq(renderCutover(t, fixture(), Text, Options{Width: w, Verbose: true}), "\n") {
				if width(line) > limit && strings.Contains(strings.TrimSpace(line), " ") { // a word stays whole
					t.Errorf("%s at %d: %d columns: %s", name, w, width(line), line)
				}
			}
		}
		coloured := renderCutover(t, fixture(), Text, Options{Color: true})
		for _, code := range []string{"\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"} {
			coloured = strings.ReplaceAll(coloured, code, "")
		}
		if coloured != renderCutover(t, fixture(), Text, Options{}) {
			t.Errorf("%s reads otherwise with colour", name)
		}
	}
}

// TestARunbookLosesNothing: every statement of a plan is there, whole and in
// order, and can be taken from Markdown as it is run.
func TestARunbookLosesNothing(t *testing.T) {
	r := plannedCutover()
	narrow := strings.Join(strings.Fields(renderCutover(t, r, Text, Options{})), " ")
	md := renderCutover(t, r, Markdown, Options{})
	page := renderCutover(t, r, HTML, Options{})
	at := map[string]int{}
	for _, s := range r.Steps {
		for _, a := range append(append([]cutover.Action{}, s.Actions...), s.Undo...) {
			do := a.Do
			if !strings.Contains(do, "…") && !strings.HasSuffix(do, ";") && (strings.HasPrefix(a.On, "source") || strings.HasPrefix(a.On, "target")) {
				do += ";" // a server waits for it
			}
			for format, c := range map[string]struct{ out, want string }{
				"text":     {narrow, strings.Join(strings.Fields(do), " ")},
				"markdown": {md, "```" + language(a.On) + "\n" + do + "\n```\n"},
				"html":     {page, "<pre><code>" + htmlEscape(do) + "</code></pre>"},
			} {
				i := strings.Index(c.out[at[format]:], c.want)
				if i < 0 {
					t.Errorf("%s has not %q behind what is before it", format, c.want)
					continue
				}
				at[format] += i
			}
			if !strings.Contains(md, a.ID) || !strings.Contains(md, place(a.On)) {
				t.Errorf("markdown does not say that %s is %s", a.ID, place(a.On))
			}
		}
		budget, predicted := budgets(&s)
		if !strings.Contains(md, " | "+predicted+" | "+budget+" |\n") {
			t.Errorf("markdown has not what %s may and will take", s.State)
		}
	}
	for _, want := range []string{
		"# Switching shop: from the source to the target", "**Writes are expected to stop for 600 ms.**", "- [ ] who answers for pooler a", "- [ ] who answers for hook dns",
		"> ⛔ **Point of no return", "> **Writes stop**", "> **Writes go on**", "## To abort, before the point of no return", "## To go back, after the point of no return",
		"pgparity cutover rollback is the same runbook", "secrets are at hand", "the preflight is ready (it is ready now", "now: match of 412 tables", "- [ ] all gates of the steps before writes stop hold (3)",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("the runbook does not hold %q", want)
		}
	}
	_, abort, _ := strings.Cut(md, "## To abort")
	for _, before := range [][2]string{{"SUBSCRIPTION shop ENABLE", "LIMIT -1"}, {"LIMIT -1", "DROP SUBSCRIPTION"}} {
		if first, second := strings.Index(abort, before[0]), strings.Index(abort, before[1]); first < 0 || second < first {
			t.Errorf("what takes the steps back is not in order: %q at %d, %q at %d", before[0], first, before[1], second)
		}
	}
	if ready, stop := strings.Index(md, "> **Writes stop**"), strings.Index(md, "FREEZING –"); stop < ready {
		t.Error("it does not say that writes stop before they do")
	}
}

func htmlEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "'", "&#39;", `"`, "&#34;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func TestTheWayBack(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*cutover.Result)
		want   string
	}{
		"native":   {func(*cutover.Result) {}, "cutover rollback is the same runbook"},
		"tool":     {func(r *cutover.Result) { r.Strategy = cutover.Tool }, "no way back that keeps what was written since: the strategy is tool"},
		"off":      {func(r *cutover.Result) { r.Steps[9].Skipped = "reverse is off" }, "no way back that keeps what was written since: reverse is off"},
		"no step":  {func(r *cutover.Result) { r.Steps = r.Steps[:9] }, "no way back that keeps what was written since: no step prepares it"},
		"rollback": {func(r *cutover.Result) { r.Direction = cutover.Rollback }, "it closes the source, waits until the target holds"},
	} {
		r := plannedCutover()
		c.change(r)
		for _, f := range []Format{Text, Markdown, HTML} {
			if out := strings.Join(strings.Fields(renderCutover(t, r, f, Options{Width: 200})), " "); !strings.Contains(out, c.want) {
				t.Errorf("%s as %s does not say %q", name, f, c.want)
			}
		}
	}
	r := plannedCutover()
	r.Strategy = cutover.VerifyOnly
	for _, f := range []Format{Text, Markdown, HTML} {
		if strings.Contains(renderCutover(t, r, f, Options{}), "To abort") {
			t.Errorf("%s tells how to abort what does nothing", f)
		}
	}
}

func TestOutcomes(t *testing.T) {
	for name, want := range map[string]string{
		"plan":        "PLAN  how shop is switched from the source to the target · writes are expected to stop for 600 ms",
		"switched":    "SWITCHED  shop now writes to the target · writes stopped for 412 ms (predicted 600 ms)",
		"aborted":     "ABORTED  the switch was given up and undone; shop can write to the source, as before · writes stopped for 2.1 s (predicted 600 ms)",
		"stopped":     "STOPPED  the point of no return is passed, and shop is not switched to the target yet: run it again, it only goes forward",
		"rollback":    "SWITCHED BACK  shop now writes to the source · writes stopped for 412 ms (not predicted)",
		"status":      "LIVE  shop writes to the target, and the switch is not finalized yet",
		"refused":     "REFUSED  nothing was touched; shop writes to the source, as before",
		"verify-only": "PROVEN  what was compared agrees; who switches the application may do so",
		"hostile":     "UNPROVEN  not everything could be proved, and nothing is claimed",
	} {
		out := renderCutover(t, cutovers[name](), Text, Options{Width: 200})
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if name == "hostile" {
			lines[0], lines[len(lines)-1] = firstRunes(lines[0], len(want)), firstRunes(lines[len(lines)-1], len(want))
		}
		if lines[0] != want || lines[len(lines)-1] != want {
			t.Errorf("%s begins %q and ends %q, want %q", name, lines[0], lines[len(lines)-1], want)
		}
	}
	for state, want := range map[cutover.State]string{
		cutover.Init: "no switch has changed anything", cutover.Synced: "a switch was begun, and writes go on", cutover.Armed: "writes go on", cutover.Freezing: "the window is open: the source is closed",
		cutover.ReverseReady: "the target not open yet", cutover.PNR: "it only goes forward", cutover.Redirected: "it only goes forward", cutover.Stabilising: "shop writes to the target, and",
		cutover.Finalised: "the way back is removed", cutover.Aborting: "may still be closed", cutover.Aborted: "undone; shop writes to the source",
	} {
		r := still("status")
		r.State = state
		if got := outcomeSentence(r); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want %q", state, got, want)
		}
	}
	r := switchedCutover()
	r.Outage.Writes = 0
	if s := outcomeSentence(r); strings.Contains(s, "412") || !strings.Contains(s, "no write was acknowledged") {
		t.Errorf("an outage of which nothing was seen: %s", s)
	}
	if r.Outage = nil; !strings.Contains(outcomeSentence(r), "was not measured") {
		t.Errorf("an outage that was not measured: %s", outcomeSentence(r))
	}
}

func TestCutoverMarkdownStaysShort(t *testing.T) {
	r := abortedCutover()
	for range 3000 {
		r.Reasons = append(r.Reasons, strings.Repeat("because ", 500))
		r.Gate.Findings = append(r.Gate.Findings, strings.Repeat("a difference ", 20))
	}
	if out := renderCutover(t, r, Markdown, Options{}); len(out) > 65_536 || !strings.Contains(out, "**aborted**") || !strings.Contains(out, "Left out") {
		t.Errorf("%d bytes do not fit a comment, or it does not say that something was left out", len(out))
	}
	// A runbook is a document, and never cut.
	plan := plannedCutover()
	long := "SELECT 1" + strings.Repeat(", 'and so on'", 20_000)
	plan.Steps[4].Actions[0].Do = long
	if out := renderCutover(t, plan, Markdown, Options{}); !strings.Contains(out, long) || strings.Contains(out, "Left out") {
		t.Error("a runbook was cut")
	}
}

// TestLongCutoversAreFast: a statement may hold thousands of sequences, and a
// report may come from anywhere. The bound is far from what it takes.
func TestLongCutoversAreFast(t *testing.T) {
	r := plannedCutover()
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "SELECT pg_catalog.setval('public.sequence_%d', 42, true); ", i)
	}
	r.Steps[7].Actions[0].Do = b.String()
	r.Steps[8].Actions[0].Do = "'" + strings.Repeat("e\u0301 ", 1<<15)
	r.Gate = passedGate()
	for i := range 10_000 {
		r.Gate.Tables = append(r.Gate.Tables, cutover.GateTable{Name: fmt.Sprint(i), Claim: "whole"})
		r.Steps = append(r.Steps, cutover.StepResult{State: cutover.Live, Attempt: 1})
	}
	for _, command := range []string{"plan", "run"} {
		r.Command = command
		for _, f := range CutoverFormats() {
			start := time.Now()
			renderCutover(t, r, f, Options{Verbose: true})
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("%s took %v", f, d)
			} else if testing.Verbose() {
				t.Logf("%s of %s took %v", f, command, d)
			}
		}
	}
}

func TestCutoverNumbersThatJSONHasNot(t *testing.T) {
	r := switchedCutover()
	r.Outage.WriteMS, r.Outage.ReadMS, r.Gate.TookMS = math.NaN(), math.Inf(1), math.Inf(-1)
	r.Outage.Timeline[0].AtMS = math.NaN()
	r.Steps[0].TookMS, r.Steps[1].Actions[0].TookMS = ptr(math.NaN()), ptr(math.Inf(1))
	for _, f := range CutoverFormats() {
		if out := renderCutover(t, r, f, Options{}); strings.Contains(out, "NaN") || strings.Contains(out, "Inf ") {
			t.Errorf("%s holds what is no number", f)
		}
	}
}

// unexported: an action keeps its secrets to itself.
var unexported = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && f.Name()[0] >= 'a' && f.Name()[0] <= 'z'
}, cmp.Ignore())
