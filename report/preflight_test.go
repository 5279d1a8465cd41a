package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

func renderPreflight(t *testing.T, r *preflight.Result, f Format, o Options) string {
	t.Helper()
	var buf bytes.Buffer
	if err := WritePreflight(&buf, r, f, o); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestPreflightGolden(t *testing.T) {
	for name, fixture := range preflights {
		for _, f := range PreflightFormats() {
			t.Run(name+"."+string(f), func(t *testing.T) {
				golden(t, "preflight."+name+"."+string(f), renderPreflight(t, fixture(), f, Options{}))
			})
		}
	}
	golden(t, "preflight.blocked.color", renderPreflight(t, blockedPreflight(), Text, Options{Color: true}))
	golden(t, "preflight.blocked.verbose", renderPreflight(t, blockedPreflight(), Text, Options{Verbose: true, Width: 120}))
}

func TestPreflightRenderingChangesNothing(t *testing.T) {
	for name, fixture := range preflights {
		r := fixture()
		for _, f := range PreflightFormats() {
			if renderPreflight(t, r, f, Options{}) != renderPreflight(t, fixture(), f, Options{}) {
				t.Errorf("%s as %s differs from the first rendering", name, f)
			}
		}
		if diff := cmp.Diff(fixture(), r); diff != "" {
			t.Errorf("%s was changed by rendering:\n%s", name, diff)
		}
	}
	if err := WritePreflight(&bytes.Buffer{}, calm(), "pdf", Options{}); err == nil || !strings.Contains(err.Error(), "text, json, html, markdown, junit, prometheus") {
		t.Errorf("%v, want the list of formats", err)
	}
}

func TestPreflightFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "preflight.md")
	if err := WritePreflightFile(path, blockedPreflight(), Markdown, Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := renderPreflight(t, blockedPreflight(), Markdown, Options{}); string(got) != want {
		t.Errorf("the file holds %q", got)
	}
}

// TestNothingHostileGetsThroughAPreflight renders a result whose every text
// field holds terminal commands, markup and bytes that are no UTF-8.
func TestNothingHostileGetsThroughAPreflight(t *testing.T) {
	for _, f := range PreflightFormats() {
		for _, o := range []Options{{}, {Verbose: true}} {
			out := renderPreflight(t, hostilePreflight(), f, o)
			if !utf8.ValidString(out) {
				t.Errorf("%s is not UTF-8", f)
			}
			for line := range strings.SplitSeq(out, "\n") {
				if i := strings.IndexFunc(line, func(r rune) bool { return unsafeRune(r) && r != '\ufe0f' }); i >= 0 {
					t.Errorf("%s holds an invisible character: %q", f, line[i:min(i+20, len(line))])
					break
				}
			}
			if (f == HTML || f == Markdown) && strings.Contains(strings.ToLower(out), "<script") {
				t.Errorf("%s holds a script", f)
			}
		}
	}
	md := renderPreflight(t, hostilePreflight(), Markdown, Options{})
	for _, bad := range []string{"@all", "](http", "://e", "\n#1"} {
		if strings.Contains(strings.ReplaceAll(md, `\]`, ""), bad) {
			t.Errorf("markdown holds %q", bad)
		}
	}
	for line := range strings.SplitSeq(md, "\n") {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 5 {
			t.Errorf("a name breaks the table: %s", line)
		}
	}
	if n := strings.Count(md, "</details>"); n != strings.Count(md, "<details>") {
		t.Errorf("a name closes a folded section: %d", n)
	}
}

func TestPreflightTextFitsTheWidth(t *testing.T) {
	for name, fixture := range preflights {
		for _, w := range []int{0, 60, 72, 80, 100, 140} {
			limit := max(w, narrowest)
			if w == 0 {
				limit = defaultWidth
			}
			for line := range strings.SplitSeq(renderPreflight(t, fixture(), Text, Options{Width: w, Verbose: true}), "\n") {
				if width(line) > limit {
					t.Errorf("%s at %d: %d columns: %s", name, w, width(line), line)
				}
			}
		}
		coloured := renderPreflight(t, fixture(), Text, Options{Color: true})
		for _, code := range []string{"\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"} {
			coloured = strings.ReplaceAll(coloured, code, "")
		}
		if coloured != renderPreflight(t, fixture(), Text, Options{}) {
			t.Errorf("%s reads otherwise with colour", name)
		}
	}
}

// TestPreflightLosesNothing: with Verbose every object and every fix is there,
// in the formats that people read, and without it the rest is counted.
func TestPreflightLosesNothing(t *testing.T) {
	r := blockedPreflight()
	for _, f := range []Format{Text, HTML, Markdown} {
		out := renderPreflight(t, r, f, Options{Verbose: true, Width: 400})
		plain := strings.NewReplacer(`\_`, "_", "&#95;", "_").Replace(out)
		for _, h := range r.Hazards {
			for _, want := range []string{h.ID, h.Object, h.Sentence, h.Fix} {
				if !strings.Contains(plain, want) {
					t.Errorf("%s does not hold %q", f, want)
				}
			}
		}
		for _, u := range r.Unknown {
			if !strings.Contains(plain, u.Reason) {
				t.Errorf("%s does not hold %q", f, u.Reason)
			}
		}
	}
	short := renderPreflight(t, r, Text, Options{})
	for _, want := range []string{"12 objects", "and 7 more", "REPLICA IDENTITY FULL; …", "and 2 more", "-v lists all"} {
		if !strings.Contains(short, want) {
			t.Errorf("the short text does not hold %q", want)
		}
	}
	if strings.Contains(short, "tenant_005.events") || strings.Contains(renderPreflight(t, readyPreflight(), Text, Options{}), "-v lists all") {
		t.Error("the short text is not short, or says that it is where it is whole")
	}
}

func TestOutage(t *testing.T) {
	ms := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		phases []preflight.Phase
		want   string
	}{
		{nil, "not known"},
		{[]preflight.Phase{{Name: "verify", EstimateMS: ms(9), Writes: true}}, "not known"},
		{[]preflight.Phase{{Name: "freeze", EstimateMS: ms(1500)}, {Name: "verify", EstimateMS: ms(1e6), Writes: true}, {Name: "open", EstimateMS: ms(0)}}, "about 1.5 s"},
		{[]preflight.Phase{{Name: "freeze", EstimateMS: ms(1500)}, {Name: "drain"}}, "at least 1.5 s"},
		{[]preflight.Phase{{Name: "freeze", EstimateMS: ms(-1)}}, "not known"},
	} {
		if got := outageOf(&preflight.Rehearsal{Phases: c.phases}).figure(); got != c.want {
			t.Errorf("%v reads %s, want %s", c.phases, got, c.want)
		}
	}
	for _, f := range []Format{Text, HTML, Markdown, JUnit} {
		if out := renderPreflight(t, blockedPreflight(), f, Options{Width: 200}); !strings.Contains(out, "for at least 6.5 s; how long these phases take is not known: fence") {
			t.Errorf("%s does not say which phases are not known", f)
		}
	}
	if out := renderPreflight(t, blockedPreflight(), Prometheus, Options{}); strings.Contains(out, "write_outage") {
		t.Error("an outage that is not known is a metric")
	}
}

func TestSpan(t *testing.T) {
	for ms, want := range map[int64]string{
		-1: "not known", 0: "0 ms", 999: "999 ms", 1000: "1.0 s", 59_999: "59.9 s", 60_000: "1 min 00 s", 3_599_999: "59 min 59 s",
		3_600_000: "1 h 00 min", 172_799_000: "47 h 59 min", 172_800_000: "2 d 00 h", math.MaxInt64: "106,751,991,167 d 07 h",
	} {
		if got := span(ms); got != want {
			t.Errorf("%d ms reads %s, want %s", ms, got, want)
		}
	}
}

// What was not measured is said to be so, and never shown as nought.
func TestNoFigureIsMadeUp(t *testing.T) {
	for _, c := range []struct {
		rh         preflight.Rehearsal
		want, none string
	}{
		{preflight.Rehearsal{Tables: 1, Bytes: 8192, Lag: &preflight.Lag{Bytes: 16384, WindowMS: 3000}}, "rows not known", "0 rows"},
		{preflight.Rehearsal{Tables: 1}, "0 rows (est.)", "rows not known"},
		{preflight.Rehearsal{Largest: []preflight.TableSize{{Name: "public.a", Bytes: 8192}}}, "public.a: 8.0 KiB, 0 % of all, rows not known", "0 rows (est.) of"},
		{preflight.Rehearsal{Lag: &preflight.Lag{DrainMS: new(int64), CatchUp: new(int64)}}, "was not watched (--measure)", "0 B/s"},
		{preflight.Rehearsal{Lag: &preflight.Lag{WindowMS: 3000, DrainMS: new(int64), CatchUp: new(int64)}}, "0 B/s written", "not watched"},
	} {
		var text string
		for _, f := range figures(&c.rh, 0) {
			text += f.Name + " " + f.Text + "\n"
		}
		if !strings.Contains(text, c.want) || strings.Contains(text, c.none) {
			t.Errorf("not %q, or %q, in\n%s", c.want, c.none, text)
		}
	}
}

// TestPreflightJUnit: a block is red, what could not be looked for an error,
// and the run's verdict comes first, red whenever it is not ready.
func TestPreflightJUnit(t *testing.T) {
	for name, c := range map[string]struct {
		r                         *preflight.Result
		failures, errors, skipped int
	}{
		"ready":        {readyPreflight(), 0, 0, 2},
		"blocked":      {blockedPreflight(), 4, 1, 1},
		"unproven":     {unprovenPreflight(), 0, 3, 2},
		"acknowledged": {acknowledgedPreflight(), 0, 0, 2},
		"strict":       {strictPreflight(), 1, 0, 2},
		"empty":        {&preflight.Result{Verdict: preflight.Ready}, 0, 1, 0},
		"hostile":      {hostilePreflight(), 2, 0, 3},
	} {
		var got struct {
			Failures int `xml:"failures,attr"`
			Tests    int `xml:"tests,attr"`
			Suites   []struct {
				Errors  int `xml:"errors,attr"`
				Skipped int `xml:"skipped,attr"`
				Cases   []struct {
					Name    string        `xml:"name,attr"`
					Failure *junitProblem `xml:"failure"`
					Error   *junitProblem `xml:"error"`
					Skipped *junitSkipped `xml:"skipped"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		out := renderPreflight(t, c.r, JUnit, Options{})
		if err := xml.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		suite := got.Suites[0]
		failures, errors, skipped := 0, 0, 0
		for i, tc := range suite.Cases {
			if i == 0 && (tc.Name != "verdict" || (tc.Failure == nil && tc.Error == nil) != (settlePreflight(c.r).Verdict == preflight.Ready)) {
				t.Errorf("%s: the first case is %+v", name, tc)
			}
			if tc.Failure != nil {
				failures++
			}
			if tc.Error != nil {
				errors++
			}
			if tc.Skipped != nil {
				skipped++
			}
		}
		if failures != c.failures || errors != c.errors || skipped != c.skipped {
			t.Errorf("%s: %d failures, %d errors, %d skipped, want %d, %d and %d", name, failures, errors, skipped, c.failures, c.errors, c.skipped)
		}
		if got.Failures != failures || suite.Errors != errors || suite.Skipped != skipped || got.Tests != len(suite.Cases) {
			t.Errorf("%s: the heads say otherwise", name)
		}
		if name == "strict" && !strings.Contains(out, "<system-out><![CDATA[warn: source pid 4242: the freeze waits for it; fix: SELECT pg_terminate_backend(4242)]]></system-out>") {
			t.Errorf("a warning is no output:\n%s", out)
		}
	}
}

func TestPreflightMarkdownStaysShort(t *testing.T) {
	r := calm()
	r.Verdict = preflight.Blocked
	for i := range 600 {
		id := fmt.Sprintf("hazard-number-%03d", i)
		r.Checked = append(r.Checked, preflight.Checked{ID: id})
		for k := range 9 {
			find(r, preflight.Hazard{ID: id, Severity: schema.Block, Object: fmt.Sprintf("public.t%d", k), Sentence: fmt.Sprintf("its %d rows go missing, and nobody says a word", k), Fix: "ALTER TABLE x"})
		}
		r.Reasons = append(r.Reasons, strings.Repeat("because ", 500))
	}
	for _, o := range []Options{{}, {Verbose: true}} {
		out := renderPreflight(t, r, Markdown, o)
		if len(out) > 65_536 && !o.Verbose {
			t.Errorf("%d bytes do not fit a comment", len(out))
		}
		if !strings.Contains(out, "**blocked**") || !strings.Contains(out, "Left out") {
			t.Error("it does not say that something was left out")
		}
	}
}

// TestManyHazardsAreFast: ten thousand indexes may each have one, and a report
// may come from anywhere. The bound is far from what it takes.
func TestManyHazardsAreFast(t *testing.T) {
	r := calm()
	r.Verdict = preflight.Blocked
	for i := range 10_000 {
		name := fmt.Sprintf("public.orders index by_day_%d", i)
		find(r, preflight.Hazard{ID: "schema-index", Severity: schema.Block, Object: name, Sentence: "index: on the source only", Fix: "CREATE INDEX " + name})
		find(r, preflight.Hazard{ID: "table-unpublished", Severity: schema.Warn, Object: name, Sentence: "it is " + name, Fix: "CREATE INDEX " + name})
	}
	long := strings.Repeat("e\u0301", 1<<15)
	find(r, preflight.Hazard{ID: "slot-inactive", Severity: schema.Warn, Object: long, Sentence: long, Fix: long})
	for _, f := range PreflightFormats() {
		start := time.Now()
		renderPreflight(t, r, f, Options{Verbose: true})
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("%s took %v", f, d)
		} else if testing.Verbose() {
			t.Logf("%s took %v", f, d)
		}
	}
}

func TestPreflightPrometheusIsWellFormed(t *testing.T) {
	many := calm()
	for i := range labelledTables + 7 {
		many.Checked = append(many.Checked, preflight.Checked{ID: fmt.Sprintf("made-up-%d", i)})
	}
	results := map[string]*preflight.Result{"zero": {}, "many ids": many}
	for name, fixture := range preflights {
		results[name] = fixture()
	}
	for name, r := range results {
		out := renderPreflight(t, r, Prometheus, Options{})
		problems, err := promlint.New(strings.NewReader(out)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", name, problems, err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(out))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sum := func(family string) (total float64) {
			for _, m := range families[family].GetMetric() {
				total += m.GetGauge().GetValue()
			}
			return total
		}
		if sum("pgparity_preflight_verdict") != 1 {
			t.Errorf("%s: %v verdicts are set", name, sum("pgparity_preflight_verdict"))
		}
		if n := len(families["pgparity_preflight_hazards"].GetMetric()); n != 6 || sum("pgparity_preflight_hazards") != float64(len(r.Hazards)) {
			t.Errorf("%s: %d series count %v hazards, want 6 and %d", name, n, sum("pgparity_preflight_hazards"), len(r.Hazards))
		}
		if n := len(families["pgparity_preflight_detector_open"].GetMetric()); n > labelledTables {
			t.Errorf("%s: %d series of detectors", name, n)
		}
		for n := range families {
			if !strings.HasPrefix(n, "pgparity_preflight_") {
				t.Errorf("%s: family %s has no prefix", name, n)
			}
		}
	}
	out := renderPreflight(t, blockedPreflight(), Prometheus, Options{})
	for _, want := range []string{
		`hazards{acknowledged="false",pair="shop",severity="block"} 20`, `hazards{acknowledged="true",pair="shop",severity="warn"} 1`,
		`unknown{acknowledged="false",pair="shop"} 1`, `detector_open{id="table-unpublished",pair="shop"} 7`, `lag_growing{pair="shop"} 1`, `tables_carried{pair="shop"} 405`,
	} {
		if !strings.Contains(out, "pgparity_preflight_"+want+"\n") {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
