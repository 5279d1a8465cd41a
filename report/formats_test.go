package report

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/pgparity/pgparity/checker"
)

// TestNothingHostileGetsThrough renders a result whose every text field
// holds terminal commands, markup and bytes that are no UTF-8.
func TestNothingHostileGetsThrough(t *testing.T) {
	for _, f := range Formats() {
		for _, o := range []Options{{}, {Verbose: true}} {
			out := render(t, hostileResult(), f, o)
			if !utf8.ValidString(out) {
				t.Errorf("%s is not UTF-8", f)
			}
			for line := range strings.SplitSeq(out, "\n") {
				if i := strings.IndexFunc(line, func(r rune) bool { return unsafeRune(r) && r != '\ufe0f' }); i >= 0 {
					t.Errorf("%s holds an invisible character: %q", f, line[i:min(i+20, len(line))])
					break
				}
			}
		}
	}
	for _, f := range []Format{HTML, Markdown, JUnit} {
		if out := strings.ToLower(render(t, hostileResult(), f, Options{})); f != JUnit && strings.Contains(out, "<script") {
			t.Errorf("%s holds a script", f)
		}
	}
	md := render(t, hostileResult(), Markdown, Options{})
	for _, bad := range []string{"@all", "](http", "://e", "\n#1"} {
		if strings.Contains(strings.ReplaceAll(md, `\]`, ""), bad) {
			t.Errorf("markdown holds %q", bad)
		}
	}
	for line := range strings.SplitSeq(md, "\n") {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 8 {
			t.Errorf("a name breaks the table: %s", line)
		}
	}
	if n := strings.Count(md, "</details>"); n != strings.Count(md, "<details>") {
		t.Errorf("a name closes a folded section: %d", n)
	}
}

func TestTextFitsTheWidth(t *testing.T) {
	for name, fixture := range fixtures {
		for _, w := range []int{0, 60, 72, 80, 100, 140} {
			limit := max(w, narrowest)
			if w == 0 {
				limit = defaultWidth
			}
			for line := range strings.SplitSeq(render(t, fixture(), Text, Options{Width: w, Verbose: true}), "\n") {
				if width(line) > limit {
					t.Errorf("%s at %d: %d columns: %s", name, w, width(line), line)
				}
			}
		}
	}
}

// TestASampleIsCalledOne in every format that people read: no report of a
// sample may pass for one of the whole content.
func TestASampleIsCalledOne(t *testing.T) {
	r := sampledResult()
	for f, word := range map[Format]string{Text: "MATCH (sampled)", Markdown: "**match (sampled)**", HTML: "<h1 id=\"verdict\">match (sampled)</h1>", JUnit: `name="sampled"`} {
		out := render(t, r, f, Options{Width: 1000})
		if !strings.Contains(out, word) || !strings.Contains(out, "only a random sample was compared") || !strings.Contains(out, "at least 0.037 %") {
			t.Errorf("%s does not say that it is of a sample:\n%s", f, out)
		}
		if strings.Contains(out, "every planned chunk was compared") {
			t.Errorf("%s claims the whole content", f)
		}
	}
	if out := render(t, r, JSON, Options{}); !strings.Contains(out, `"verdict": "match"`) || strings.Contains(out, `"verdict": "match (sampled)"`) {
		t.Error("JSON knows three verdicts")
	}
	// Where it is no match, what a match would have claimed is still said.
	r.Verdict = checker.Unproven
	for _, f := range []Format{Text, Markdown, HTML} {
		if out := render(t, r, f, Options{Width: 1000}); strings.Contains(strings.ToLower(out), "match (sampled)") || !strings.Contains(out, "only a random sample was compared") {
			t.Errorf("%s:\n%s", f, out)
		}
	}
}

// Colour must not move anything: without its escapes the text is the same.
func TestColourChangesNoText(t *testing.T) {
	for name, fixture := range fixtures {
		coloured := render(t, fixture(), Text, Options{Color: true})
		if !strings.Contains(coloured, "\x1b[1m") {
			t.Errorf("%s has no colour", name)
		}
		for _, code := range []string{"\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"} {
			coloured = strings.ReplaceAll(coloured, code, "")
		}
		if coloured != render(t, fixture(), Text, Options{}) {
			t.Errorf("%s reads otherwise with colour", name)
		}
	}
}

func TestKeyText(t *testing.T) {
	for want, key := range map[string]map[string]string{
		"id=42":            {"id": "42"},
		"a=1, b=2, c=3":    {"c": "3", "a": "1", "b": "2"},
		`name=""`:          {"name": ""},
		`name=" x"`:        {"name": " x"},
		`name="a, b=c"`:    {"name": "a, b=c"},
		`name="NULL"`:      {"name": "NULL"},
		`name="a\nb"`:      {"name": "a\nb"},
		`name="\xff"`:      {"name": "\xff"},
		`name="C:\\dir"`:   {"name": `C:\dir`},
		`name=naïve ☃`:     {"name": "naïve ☃"},
		`name="a \x20b"`:   {"name": "a  b"},
		`name="…a"`:        {"name": "…a"},
		"(no key)":         {},
		`name="\u202eabc"`: {"name": "\u202eabc"},
		"name=" + strings.Repeat("é", longestValue) + "… (1,000 characters)": {"name": strings.Repeat("é", 1000)},
	} {
		if got := keyText(key, nil); got != want {
			t.Errorf("%q reads %s, want %s", key, got, want)
		}
	}
}

// TestKeysStandInTheirOrder holds every human format to the key's own order.
func TestKeysStandInTheirOrder(t *testing.T) {
	key := map[string]string{"tenant": "9", "invoice": "12"}
	for _, c := range []struct {
		order []string
		want  string
	}{
		{[]string{"tenant", "invoice"}, "tenant=9, invoice=12"},
		{nil, "invoice=12, tenant=9"}, // saved before reports had the order
		{[]string{"tenant", "lost", "tenant"}, "tenant=9, invoice=12"},
	} {
		if got := keyText(key, c.order); got != c.want {
			t.Errorf("in the order %q it reads %s, want %s", c.order, got, c.want)
		}
		r := mismatchResult()
		r.Tables[1].Key, r.Tables[1].Findings = c.order, []checker.Finding{{Kind: checker.KindMissing, Key: key}}
		for _, f := range []Format{Text, HTML, Markdown, JUnit} {
			if out := render(t, r, f, Options{}); !strings.Contains(out, c.want) {
				t.Errorf("%s does not hold %s", f, c.want)
			}
		}
	}
}

// TestNotedSequences: what is said and does not decide is not called a match
// beside its finding, except for programs.
func TestNotedSequences(t *testing.T) {
	r := matchResult()
	r.Sequences[1].Finding, r.Sequences[1].Detail = "behind", "the target stands at 1, the source at 9"
	for f, want := range map[Format]string{
		Text:     "\n  noted      public.orders_id_seq: behind: ",
		HTML:     `<span class="badge noted">noted</span><span><code>public.orders_id_seq</code> behind: `,
		Markdown: "\n- noted `public.orders_id_seq` behind: ",
		JSON:     `"name": "public.orders_id_seq",` + "\n      \"verdict\": \"match\"",
		JUnit:    `<testcase classname="pgparity.sequences" name="public.orders_id_seq"></testcase>`,
	} {
		if out := render(t, r, f, Options{}); !strings.Contains(out, want) {
			t.Errorf("%s does not hold %q:\n%s", f, want, out)
		}
	}
	r.Verdict, r.Sequences[1].Verdict = checker.Mismatch, checker.Mismatch // --strict
	if out := render(t, r, Text, Options{}); strings.Contains(out, "noted") || !strings.Contains(out, "  mismatch   public.orders_id_seq") {
		t.Errorf("a finding that decides is noted only:\n%s", out)
	}
}

func TestWrapLosesNothing(t *testing.T) {
	for _, s := range []string{"", "a", "one two three", strings.Repeat("x", 100), "漢字漢字漢字 漢字漢字漢字漢字漢字漢字", "a  b", " a"} {
		lines := wrap(s, 20)
		for _, l := range lines {
			if width(l) > 20 {
				t.Errorf("%q is too wide", l)
			}
		}
		squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if squeeze(strings.Join(lines, "")) != squeeze(s) {
			t.Errorf("%q became %q", s, lines)
		}
	}
	if got := shorten("public.a_rather_long_table_name", 20); width(got) > 20 || !strings.HasPrefix(got, "public.") || !strings.HasSuffix(got, "name") {
		t.Errorf("shortened to %q", got)
	}
}

// TestLongTextIsFast: a report may come from anywhere, and a very long
// name must not take minutes. The bound is far from what it takes.
func TestLongTextIsFast(t *testing.T) {
	texts := []string{strings.Repeat("e\u0301", 1<<16), strings.Repeat("x", 1<<18), strings.Repeat("\u0301", 1<<16)}
	if testing.Short() {
		texts = texts[:1]
	}
	for _, long := range texts {
		r := mismatchResult()
		r.Tables[1].Name, r.Tables[1].Error, r.Reasons = long, long, []string{long}
		start := time.Now()
		for _, f := range []Format{Text, Markdown, JUnit} {
			render(t, r, f, Options{})
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("it took %v", d)
		}
	}
}

// TestJUnitGoesRed: nothing but a match may leave a pipeline green, not even
// a run without a single table.
func TestJUnitGoesRed(t *testing.T) {
	empty := base()
	for name, c := range map[string]struct {
		r                *checker.Result
		failures, errors int
	}{
		"match":    {matchResult(), 0, 0},
		"mismatch": {mismatchResult(), 5, 3},
		"unproven": {unprovenResult(), 0, 4},
		"empty":    {empty, 0, 1},

		"moving":    {movingResult(), 0, 0},
		"stalled":   {stalledResult(), 0, 3},
		"unsettled": {unsettledResult(), 0, 2},
		"hostile":   {hostileResult(), 7, 2},
	} {
		var got junitSuites
		if err := xml.Unmarshal([]byte(render(t, c.r, JUnit, Options{})), &got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		failures, errors := 0, 0
		for _, tc := range got.Suites[0].Cases {
			if tc.Failure != nil {
				failures++
			}
			if tc.Error != nil {
				errors++
			}
		}
		if failures != c.failures || errors != c.errors || got.Failures != failures || got.Errors != errors || got.Tests != len(got.Suites[0].Cases) {
			t.Errorf("%s: %d failures, %d errors, want %d and %d; the heads say %d and %d",
				name, failures, errors, c.failures, c.errors, got.Failures, got.Errors)
		}
	}
}

func TestMarkdownStaysShort(t *testing.T) {
	r := base()
	r.Verdict = checker.Mismatch
	for i := range 600 {
		tab := ordersTable()
		tab.Name = fmt.Sprintf("public.a_table_with_some_name_%d", i)
		add(r, tab)
	}
	out := render(t, r, Markdown, Options{})
	if len(out) > 65_536 {
		t.Errorf("%d bytes do not fit a comment", len(out))
	}
	if !strings.Contains(out, "**mismatch**") || !strings.Contains(out, "not listed here") && !strings.Contains(out, "Left out") {
		t.Error("it does not say that something was left out")
	}
}

func TestPrometheusIsWellFormed(t *testing.T) {
	r := base()
	r.Verdict = checker.Mismatch
	for i := range labelledTables + 7 {
		add(r, table(fmt.Sprintf("public.t%d", i), 1, 1))
	}
	bad := ordersTable()
	bad.Name = "public.last"
	add(r, bad)
	twin := table("public.last", 1, 1)
	add(r, twin)
	for name, r := range map[string]*checker.Result{
		"match": matchResult(), "mismatch": mismatchResult(), "unproven": unprovenResult(), "hostile": hostileResult(), "zero": {}, "bounded": r,
		"moving": movingResult(), "stalled": stalledResult(), "unsettled": unsettledResult(),
		"none of the three": {Verdict: 7, Tables: []checker.TableResult{{Name: "public.t", Verdict: 7}}},
	} {
		out := render(t, r, Prometheus, Options{})
		problems, err := promlint.New(strings.NewReader(out)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", name, problems, err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(out))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sum := 0.0
		for _, m := range families["pgparity_verdict"].GetMetric() {
			sum += m.GetGauge().GetValue()
		}
		if sum != 1 {
			t.Errorf("%s: %v verdicts are set", name, sum)
		}
		for _, m := range families["pgparity_tables"].GetMetric() {
			sum += m.GetGauge().GetValue()
		}
		if n := 1 + len(r.Tables); sum != float64(n) || len(families["pgparity_tables"].GetMetric()) != len(verdicts) {
			t.Errorf("%s: tables by verdict make %v, want %d", name, sum, n)
		}
		for n := range families {
			if !strings.HasPrefix(n, "pgparity_") {
				t.Errorf("%s: family %s has no prefix", name, n)
			}
		}
	}
	odd := &checker.Result{Tables: []checker.TableResult{{Name: "public.t", Verdict: 7}}}
	if out := render(t, odd, Prometheus, Options{}); !strings.Contains(out, `table="public.t",verdict="unproven"} 1`) {
		t.Error("a table with none of the three verdicts is not unproven")
	}
	twins := mismatchResult()
	add(twins, table("public.orders", 1, 1))
	if out := render(t, twins, Prometheus, Options{}); !strings.Contains(out, `table="public.orders",verdict="mismatch"} 1`) {
		t.Error("of two tables with one name the matching one won")
	}
	out := render(t, r, Prometheus, Options{})
	if n := strings.Count(out, "\npgparity_table_findings{"); n > labelledTables {
		t.Errorf("%d tables have series", n)
	}
	for _, want := range []string{"pgparity_tables_unlabelled 9", `table_verdict{table="public.last",verdict="mismatch"} 1`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
}
