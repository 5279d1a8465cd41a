package report

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/preflight"
)

func TestReadCutoverGivesBackWhatWasWritten(t *testing.T) {
	if cutover.SchemaVersion != schemaVersion {
		t.Fatal("the versions went apart: checkVersion must be told which one to look for")
	}
	for name, fixture := range cutovers {
		if name == "hostile" {
			continue // bytes that are not UTF-8 do not survive JSON
		}
		saved := renderCutover(t, fixture(), JSON, Options{})
		if kind, err := KindOf([]byte(saved)); kind != KindCutover || err != nil {
			t.Errorf("%s is of the kind %q: %v", name, kind, err)
		}
		r, err := ReadCutover(strings.NewReader(saved))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(fixture(), r, unexported); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
		for _, f := range CutoverFormats() {
			if renderCutover(t, r, f, Options{}) != renderCutover(t, fixture(), f, Options{}) {
				t.Errorf("%s as %s: the saved report renders otherwise than the live one", name, f)
			}
		}
	}
	if _, err := ReadPreflight(strings.NewReader(renderCutover(t, plannedCutover(), JSON, Options{}))); err == nil {
		t.Error("a cutover's report was read as a preflight's")
	}
	if _, err := ReadCutover(strings.NewReader(renderPreflight(t, calm(), JSON, Options{}))); err == nil {
		t.Error("a preflight's report was read as a cutover's")
	}
	for text, want := range map[string]string{`{"schema_version":1,"steps":[]}`: string(KindCutover), `{"schema_version":1,"hazards":[],"steps":[]}`: string(KindPreflight)} {
		if kind, err := KindOf([]byte(text)); string(kind) != want || err != nil {
			t.Errorf("%s is of the kind %q, want %q: %v", text, kind, want, err)
		}
	}
}

// TestReadCutoverRefuses changes one thing each in a saved report of a switch,
// or of one that was aborted.
func TestReadCutoverRefuses(t *testing.T) {
	switched, aborted, refused := renderCutover(t, switchedCutover(), JSON, Options{}), renderCutover(t, abortedCutover(), JSON, Options{}), renderCutover(t, refusedCutover(), JSON, Options{})
	planned := renderCutover(t, plannedCutover(), JSON, Options{})
	replace := func(whole, old, new string) string {
		t.Helper()
		if !strings.Contains(whole, old) {
			t.Fatalf("the saved report does not hold %q", old)
		}
		return strings.Replace(whole, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"truncated", switched[:len(switched)/2], "ends in the middle"},
		{"twice", switched + switched, "not one JSON document"},
		{"version 2", replace(switched, `"schema_version": 1`, `"schema_version": 2`), "schema_version 2 is not known"},
		{"no steps", replace(switched, `"steps"`, `"steps_lost"`), "steps is missing"},
		{"null steps", replace(switched, `"notes": [`, `"notes": null, "x": [`), "notes is null"},
		{"two outcomes", replace(aborted, `"outcome": "aborted"`, `"outcome": "aborted", "outcome": "done"`), `"outcome" occurs twice`},
		{"another outcome", replace(switched, `"outcome": "done"`, `"outcome": "DONE"`), "outcome is DONE, not one of done,"},
		{"another command", replace(switched, `"command": "run"`, `"command": "walk"`), "command is walk, not one of plan,"},
		{"another direction", replace(switched, `"direction": "forward"`, `"direction": ""`), "direction is"},
		{"another strategy", replace(switched, `"strategy": "native"`, `"strategy": "dms"`), "strategy is dms, not one of auto,"},
		{"another state", replace(switched, `"state": "LIVE"`, `"state": "live"`), "state is live, not one of INIT,"},
		{"a step of another state", replace(switched, `"state": "FREEZING"`, `"state": "FREEZE"`), "steps[4].state is FREEZE"},
		{"another claim", replace(switched, `"claim": "last"`, `"claim": "all"`), "gate.tables[2].claim is all"},
		{"a verdict of nobody", replace(switched, `"verdict": "match"`, `"verdict": "fine"`), "verdict is fine"},
		{"number is text", replace(switched, `"writes": 32`, `"writes": "32"`), "not a cutover's report"},
		{"a severity in the preflight", replace(refused, `"severity": "block"`, `"severity": "note"`), "preflight: hazards[0].severity is note"},

		{"edited into a switch", replace(aborted, `"outcome": "aborted"`, `"outcome": "done"`), "it gives a reason against: VERIFIED"},
		{"not arrived", replace(switched, `"state": "LIVE"`, `"state": "PNR"`), "it has come to PNR only"},
		{"gate not passed", replace(switched, `"passed": true`, `"passed": false`), "was not passed"},
		{"a difference", replace(switched, `"findings": []`, `"findings": ["a row"]`), "found: a row"},
		{"a lost write", replace(switched, `"lost": 0`, `"lost": 2`), "2 acknowledged writes are lost"},
		{"evidence", replace(switched, `"verdict": "match"`, `"verdict": "mismatch"`), "the full verification says mismatch"},
		{"a step that failed", replace(switched, `"state": "DRAINED",`, `"state": "DRAINED", "error": "no",`), "DRAINED failed: no"},
		{"aborted, and open", replace(aborted, `"state": "ABORTED"`, `"state": "TARGET_OPEN"`), "it has come to TARGET_OPEN, past the point of no return"},
		{"a preflight that is not ready", replace(planned, `"severity": "warn"`, `"severity": "block"`), "its preflight is said to be ready, and long-transaction pid 4242 blocks"},
	} {
		r, err := ReadCutover(strings.NewReader(c.text))
		if err == nil {
			t.Errorf("%s: read as %s", c.name, r.Outcome)
		} else if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "report: ") {
			t.Errorf("%s: the error does not say %q: %v", c.name, c.want, err)
		}
	}
	if _, err := ReadCutover(strings.NewReader(replace(switched, "{", `{"added_later": {"outcome": "ok"},`))); err != nil {
		t.Errorf("a field that was added later: %v", err)
	}
}

// TestNoFormatShowsAFalseSwitch renders live results that contradict
// themselves, each in one way.
func TestNoFormatShowsAFalseSwitch(t *testing.T) {
	for name, harm := range map[string]func(*cutover.Result){
		"a reason":             func(r *cutover.Result) { r.Reasons = []string{"because"} },
		"not arrived":          func(r *cutover.Result) { r.State = cutover.Redirected },
		"taken back":           func(r *cutover.Result) { r.State = cutover.Aborted },
		"an unknown state":     func(r *cutover.Result) { r.State = "OPEN" },
		"a gate not passed":    func(r *cutover.Result) { r.Gate.Passed = false },
		"a finding":            func(r *cutover.Result) { r.Gate.Findings = []string{"x"} },
		"a lost write":         func(r *cutover.Result) { r.Outage.Lost = 1 },
		"no match":             func(r *cutover.Result) { r.Verified.Verdict = checker.Unproven },
		"a verdict of nobody":  func(r *cutover.Result) { r.Verified.Verdict = 7 },
		"a step that failed":   func(r *cutover.Result) { r.Steps[8].Error = "no" },
		"an aborted one, open": func(r *cutover.Result) { r.Outcome = cutover.AbortedRun },
		"an unknown outcome":   func(r *cutover.Result) { r.Outcome = "perfect" },
		"no outcome":           func(r *cutover.Result) { r.Outcome = "" },
	} {
		r := switchedCutover()
		harm(r)
		for f, sign := range map[Format]string{
			Text: "UNPROVEN  ", JSON: "\n  \"outcome\": \"unproven\"", HTML: `<h1 id="verdict">unproven</h1>`, Markdown: "**unproven**", JUnit: ` type="unproven"`, Prometheus: `outcome="done",pair="shop"} 0`,
		} {
			out := renderCutover(t, r, f, Options{})
			if !strings.Contains(out, sign) {
				t.Errorf("%s as %s: no %q", name, f, sign)
			}
			if strings.Contains(out, "SWITCHED") || strings.Contains(out, "now writes to the target") {
				t.Errorf("%s as %s says that it is switched", name, f)
			}
		}
	}
	for name, fixture := range cutovers {
		if r := fixture(); name != "hostile" && settleCutover(r).Outcome != r.Outcome {
			t.Errorf("%s is settled as %s: %q", name, settleCutover(r).Outcome, notSo(r))
		}
	}
	// A plan that rests on a preflight that is not ready says so.
	r := plannedCutover()
	r.Preflight.Hazards[0].Severity = "x"
	if v := settleCutover(r).Preflight.Verdict; v != preflight.Blocked {
		t.Errorf("the preflight is shown as %s", v)
	}
	// What failed, and was tried again until it was done, is no contradiction.
	r = switchedCutover()
	failed := r.Steps[5]
	failed.Error = "no"
	r.Steps = append(append(append([]cutover.StepResult{}, r.Steps[:5]...), failed), r.Steps[5:]...)
	if v := settleCutover(r).Outcome; v != cutover.Done {
		t.Errorf("a switch whose second attempt went through is %s", v)
	}
}

func FuzzReadCutover(f *testing.F) {
	for _, fixture := range cutovers {
		raw, err := json.Marshal(settleCutover(fixture()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/3])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ReadCutover(strings.NewReader(string(raw)))
		if err != nil {
			if r != nil || !strings.HasPrefix(err.Error(), "report: ") || strings.ContainsFunc(err.Error(), unsafeRune) {
				t.Fatalf("result %v with the error %q", r, err)
			}
			return
		}
		if against := notSo(r); len(against) > 0 {
			t.Fatalf("read as %s against %q", r.Outcome, against)
		}
		for _, form := range CutoverFormats() {
			var out strings.Builder
			if err := WriteCutover(&out, r, form, Options{}); err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if !utf8.ValidString(out.String()) || strings.Contains(out.String(), "\x1b") {
				t.Fatalf("%s holds what a terminal could obey", form)
			}
		}
	})
}
