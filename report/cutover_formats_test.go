package report

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/pgparity/pgparity/cutover"
)

// TestCutoverJUnit: what failed is red, what was tried again or was only planned
// is skipped, and the outcome's case comes first.
func TestCutoverJUnit(t *testing.T) {
	for name, c := range map[string]struct{ failures, errors, skipped int }{
		"plan":        {0, 0, 22}, // 14 steps and 8 gates, less none
		"switched":    {0, 0, 0},
		"aborted":     {2, 1, 2},
		"stopped":     {2, 0, 0},
		"rollback":    {0, 0, 0},
		"status":      {0, 0, 0},
		"refused":     {2, 0, 0},
		"verify-only": {0, 0, 1},
	} {
		var got struct {
			Failures int `xml:"failures,attr"`
			Tests    int `xml:"tests,attr"`
			Suites   []struct {
				Errors  int `xml:"errors,attr"`
				Skipped int `xml:"skipped,attr"`
				Cases   []struct {
					Class   string        `xml:"classname,attr"`
					Name    string        `xml:"name,attr"`
					Failure *junitProblem `xml:"failure"`
					Error   *junitProblem `xml:"error"`
					Skipped *junitSkipped `xml:"skipped"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		r := cutovers[name]()
		out := renderCutover(t, r, JUnit, Options{})
		if err := xml.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		suite := got.Suites[0]
		failures, errors, skipped, steps, gates := 0, 0, 0, 0, 0
		for i, tc := range suite.Cases {
			if i == 0 && (tc.Name != "outcome" || (tc.Failure == nil && tc.Error == nil) != (r.Outcome == cutover.Done)) {
				t.Errorf("%s: the first case is %+v", name, tc)
			}
			failures += int(truth(tc.Failure != nil))
			errors += int(truth(tc.Error != nil))
			skipped += int(truth(tc.Skipped != nil))
			steps += int(truth(tc.Class == "pgparity.cutover.steps"))
			gates += int(truth(tc.Class == "pgparity.cutover.gates"))
		}
		want := 0
		for _, s := range r.Steps {
			for _, a := range s.Actions {
				want += int(truth(a.Gate))
			}
		}
		if steps != len(r.Steps) || gates != want {
			t.Errorf("%s: %d cases of steps and %d of gates, want %d and %d", name, steps, gates, len(r.Steps), want)
		}
		if name == "plan" {
			c.skipped = steps + gates
		}
		if failures != c.failures || errors != c.errors || skipped != c.skipped {
			t.Errorf("%s: %d failures, %d errors, %d skipped, want %d, %d and %d", name, failures, errors, skipped, c.failures, c.errors, c.skipped)
		}
		if got.Failures != failures || suite.Errors != errors || suite.Skipped != skipped || got.Tests != len(suite.Cases) {
			t.Errorf("%s: the heads say otherwise", name)
		}
	}
}

func TestCutoverPrometheusIsWellFormed(t *testing.T) {
	many := switchedCutover()
	for i := range 2000 {
		many.Gate.Tables = append(many.Gate.Tables, cutover.GateTable{Name: fmt.Sprint(i), Claim: fmt.Sprint(i)})
		many.Steps = append(many.Steps, cutover.StepResult{State: cutover.State(fmt.Sprint(i))})
	}
	results := map[string]*cutover.Result{"zero": {}, "many": many}
	for name, fixture := range cutovers {
		results[name] = fixture()
	}
	for name, r := range results {
		out := renderCutover(t, r, Prometheus, Options{})
		problems, err := promlint.New(strings.NewReader(out)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", name, problems, err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(out))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		set := 0.0
		for _, m := range families["pgparity_cutover_outcome"].GetMetric() {
			set += m.GetGauge().GetValue()
		}
		if set != 1 {
			t.Errorf("%s: %v outcomes are set", name, set)
		}
		for n, f := range families {
			if !strings.HasPrefix(n, "pgparity_cutover_") || len(f.GetMetric()) > len(cutoverStates) {
				t.Errorf("%s: family %s has %d series", name, n, len(f.GetMetric()))
			}
		}
	}
	out := renderCutover(t, switchedCutover(), Prometheus, Options{})
	for _, want := range []string{
		`outcome{outcome="done",pair="shop"} 1`, `state{pair="shop",state="LIVE"} 1`, `state{pair="shop",state="PNR"} 0`, `write_outage_seconds{pair="shop"} 0.4123`, `predicted_write_outage_seconds{pair="shop"} 0.6`,
		`step_seconds{pair="shop",state="FREEZING"} 0.1312`, `gate_passed{pair="shop"} 1`, `gate_tables{claim="changed",pair="shop"} 41`, `gate_rows{claim="changed",pair="shop"} 4900`, `statements{kind="any",pair="shop",result="retried"} 1`, `attempts{pair="shop"} 1`,
	} {
		if !strings.Contains(out, "pgparity_cutover_"+want+"\n") {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	unseen := switchedCutover()
	unseen.Outage.Writes = 0
	for _, r := range []*cutover.Result{unseen, plannedCutover()} {
		if strings.Contains(renderCutover(t, r, Prometheus, Options{}), "\npgparity_cutover_write_outage") {
			t.Errorf("%s: an outage that nobody saw the end of is a metric", r.Command)
		}
	}
}

// TestFoldedStatements: a statement is broken between words alone, so that it
// does what it did.
func TestFoldedStatements(t *testing.T) {
	for _, c := range []struct {
		in    string
		n     int
		want  []string
		exact bool
	}{
		{"RESUME shop;", 40, []string{"RESUME shop;"}, true},
		{"a\r\nb\rc\n", 40, []string{"a", "b", "c"}, true},
		{"SELECT 'one two three' FROM t", 16, []string{"SELECT", "  'one two ", "  three' FROM t"}, false},
		{"SELECT 'one two' AS \"a b\" FROM t", 18, []string{"SELECT 'one two'", "  AS \"a b\" FROM t"}, true},
		{"SELECT 'it''s one' FROM t WHERE a", 20, []string{"SELECT 'it''s one'", "  FROM t WHERE a"}, true},
		{"SELECT '\none two three four five six", 20, []string{"SELECT '", "one two three four ", "  five six"}, false},
		{"x\x1b[2J", 40, []string{`x\x1b[2J`}, false},
		{"\tx", 40, []string{"    x"}, true},
		{"abcdefghijklmnop", 8, []string{"abcdefghijklmnop"}, true},
		{"a 'bcdefghijklmnop q' r", 8, []string{"a", "  'bcdefghijklmnop", "   q' r"}, false},
	} {
		got, exact := foldedLines(c.in, c.n)
		if diff := cmp.Diff(c.want, got); diff != "" || exact != c.exact {
			t.Errorf("%q in %d columns, exact %v:\n%s", c.in, c.n, exact, diff)
		}
	}
}

func TestFenceAround(t *testing.T) {
	for in, want := range map[string]string{"": "```", "a`b": "```", "```": "````", "x ````` y": "``````"} {
		if got := fenceAround([]string{"y", in}); got != want {
			t.Errorf("around %q: %s, want %s", in, got, want)
		}
	}
}

func TestSafeSVG(t *testing.T) {
	const in = `<?xml version="1.0"?><!-- x --><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" onload="x()" style="a:b" class="t"><style>*{}</style><script>alert(1)</script><g><a href="http://e.vil"><text x="1">in</text></a><rect width="3" fill="currentColor" filter="url(#x)" clip-path="url(http://e.vil)"/><text>a &lt;b&gt; &#x202e;</text></g></svg>`
	const want = `<svg viewBox="0 0 10 10" class="t"><g><rect width="3" fill="currentColor"></rect><text>a &lt;b&gt; \u202e</text></g></svg>`
	got, err := safeSVG(in)
	if err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	for _, bad := range []string{"", "x", "<g></g>", "<svg>", "<svg><g></svg>", "<script/>"} {
		if got, err := safeSVG(bad); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}
