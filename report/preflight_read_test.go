package report

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

func TestReadPreflightGivesBackWhatWasWritten(t *testing.T) {
	if preflight.SchemaVersion != schemaVersion {
		t.Fatal("the versions went apart: checkVersion must be told which one to look for")
	}
	for name, fixture := range preflights {
		if name == "hostile" {
			continue // bytes that are not UTF-8 do not survive JSON
		}
		saved := renderPreflight(t, fixture(), JSON, Options{})
		if kind, err := KindOf([]byte(saved)); kind != KindPreflight || err != nil {
			t.Errorf("%s is of the kind %q: %v", name, kind, err)
		}
		r, err := ReadPreflight(strings.NewReader(saved))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(fixture(), r); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
		for _, f := range PreflightFormats() {
			if renderPreflight(t, r, f, Options{}) != renderPreflight(t, fixture(), f, Options{}) {
				t.Errorf("%s as %s: the saved report renders otherwise than the live one", name, f)
			}
		}
	}
}

func TestKindOf(t *testing.T) {
	if kind, err := KindOf([]byte(render(t, matchResult(), JSON, Options{}))); kind != KindVerify || err != nil {
		t.Errorf("verify's report is of the kind %q: %v", kind, err)
	}
	for text, want := range map[string]string{
		"": "the file is empty", "[]": "no report", `{"schema_version":1}`: "neither tables nor hazards", `{"hazards":[]}`: "no schema_version",
		`{"schema_version":1,"hazards":[]`: "ends in the middle",
	} {
		if kind, err := KindOf([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is of the kind %q: %v, want %q", text, kind, err, want)
		}
	}
	if _, err := ReadPreflight(strings.NewReader(render(t, matchResult(), JSON, Options{}))); err == nil {
		t.Error("verify's report was read as a preflight's")
	}
	if _, err := Read(strings.NewReader(renderPreflight(t, calm(), JSON, Options{}))); err == nil {
		t.Error("a preflight's report was read as verify's")
	}
}

// TestReadPreflightRefuses changes one thing each in a saved report that says
// ready, or in one that is blocked.
func TestReadPreflightRefuses(t *testing.T) {
	ready, blocked := renderPreflight(t, readyPreflight(), JSON, Options{}), renderPreflight(t, blockedPreflight(), JSON, Options{})
	replace := func(whole, old, new string) string {
		t.Helper()
		if !strings.Contains(whole, old) {
			t.Fatalf("the saved report does not hold %q", old)
		}
		return strings.Replace(whole, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"truncated", ready[:len(ready)/2], "ends in the middle"},
		{"twice", ready + ready, "not one JSON document"},
		{"another document", `{"hazards":[]}`, "no schema_version"},
		{"version 2", replace(ready, `"schema_version": 1`, `"schema_version": 2`), "schema_version 2 is not known"},
		{"no hazards", replace(ready, `"hazards"`, `"hazards_lost"`), "hazards is missing"},
		{"null hazards", replace(ready, `"unknown": []`, `"unknown": null`), "unknown is null"},
		{"two verdicts", replace(blocked, `"verdict": "blocked"`, `"verdict": "blocked", "verdict": "ready"`), `"verdict" occurs twice`},
		{"verdict in capitals", replace(ready, `"verdict": "ready"`, `"verdict": "READY"`), "verdict is READY, not ready"},
		{"verdict of verify", replace(ready, `"verdict": "ready"`, `"verdict": "match"`), "verdict is match, not ready"},
		{"unknown severity", replace(blocked, `"severity": "block"`, `"severity": "note"`), "hazards[0].severity is note"},
		{"unknown side", replace(blocked, `"side": "source"`, `"side": "middleware"`), "hazards[0].side is middleware"},
		{"a side of figures", replace(ready, `"side": "source"`, `"side": "x"`), "rehearsal.oldest_transactions[0].side is x"},
		{"number is text", replace(ready, `"carried": 412`, `"carried": "412"`), "not a preflight's report"},

		{"edited into ready", replace(blocked, `"verdict": "blocked"`, `"verdict": "ready"`), "replica-identity-missing tenant_000.events blocks"},
		{"a block made a warning", replace(ready, `"severity": "info"`, `"severity": "block"`), "sequence-behind public.customers_id_seq blocks"},
		{"hazards cut out", replace(ready, `"hazards": [`, `"hazards": [], "x": [`), "sequence-behind found 2 hazards, 0 listed"},
		{"detectors cut out", replace(ready, `"checked": [`, `"checked": [], "x": [`), "nothing was looked for"},
		{"another id", replace(ready, `"id": "sequence-behind"`, `"id": "x"`), "x was found by no detector"},
		{"an unknown", replace(ready, `"unknown": []`, `"unknown": [{"id":"slot-inactive","reason":"y"}]`), "slot-inactive was not looked for"},
		{"reason", replace(ready, `"reasons": []`, `"reasons": ["because"]`), "a reason against: because"},
		{"replication lost", replace(ready, `"replication"`, `"was_replication"`), "what replicates the pair is not known"},
		{"replication not clear", replace(ready, `"kind": "logical"`, `"kind": ""`), "what replicates the pair is not known"},
		{"more carried than there are", replace(ready, `"carried": 412`, `"carried": 413`), "413 of 412 tables"},
	} {
		r, err := ReadPreflight(strings.NewReader(c.text))
		if err == nil {
			t.Errorf("%s: read as %s", c.name, r.Verdict)
		} else if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "report: ") {
			t.Errorf("%s: the error does not say %q: %v", c.name, c.want, err)
		}
	}
	if _, err := ReadPreflight(strings.NewReader(replace(ready, "{", `{"added_later": {"verdict": "ok"},`))); err != nil {
		t.Errorf("a field that was added later: %v", err)
	}
}

// TestNoFormatShowsAFalseReady renders live results that contradict
// themselves, each in one way.
func TestNoFormatShowsAFalseReady(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*preflight.Result)
		want preflight.Verdict
	}{
		"a block": {func(r *preflight.Result) {
			find(r, preflight.Hazard{ID: "slot-inactive", Severity: schema.Block, Sentence: "x"})
		}, preflight.Blocked},
		"a block that is acknowledged": {func(r *preflight.Result) {
			find(r, preflight.Hazard{ID: "slot-inactive", Severity: schema.Block, Acknowledged: true})
		}, preflight.Blocked},
		"a severity that nobody knows": {func(r *preflight.Result) { find(r, preflight.Hazard{ID: "slot-inactive", Severity: "x"}) }, preflight.Blocked},
		"an unknown": {func(r *preflight.Result) {
			r.Unknown = []preflight.Unknown{{ID: "slot-inactive", Side: postgres.Source, Reason: "x"}}
		}, preflight.Unproven},
		"a reason":                      {func(r *preflight.Result) { r.Reasons = []string{"because"} }, preflight.Unproven},
		"nothing was looked for":        {func(r *preflight.Result) { r.Checked, r.Hazards = nil, nil }, preflight.Unproven},
		"a hazard that is not listed":   {func(r *preflight.Result) { r.Checked[2].Found = 1 }, preflight.Unproven},
		"a hazard of no detector":       {func(r *preflight.Result) { find(r, preflight.Hazard{ID: "x", Severity: schema.Warn}) }, preflight.Unproven},
		"no replication":                {func(r *preflight.Result) { r.Replication = nil }, preflight.Unproven},
		"a replication that is unclear": {func(r *preflight.Result) { r.Replication.Kind = "" }, preflight.Unproven},
		"more carried than there are":   {func(r *preflight.Result) { r.Coverage.Carried++ }, preflight.Unproven},
	} {
		r := readyPreflight()
		c.harm(r)
		word := string(c.want)
		for f, signs := range map[Format][]string{
			Text:       {strings.ToUpper(word) + "  ", "contradicts"},
			JSON:       {"\n  \"verdict\": \"" + word + "\"", "contradicts itself"},
			HTML:       {`<h1 id="verdict">` + word + `</h1>`, "contradicts itself"},
			Markdown:   {"**" + word + "**", "contradicts itself"},
			JUnit:      {` type="` + word + `"`, "contradicts itself"},
			Prometheus: {`verdict="ready"} 0`, `verdict="` + word + `"} 1`},
		} {
			out := renderPreflight(t, r, f, Options{})
			for _, sign := range signs {
				if !strings.Contains(out, sign) {
					t.Errorf("%s as %s: no %q", name, f, sign)
				}
			}
			if f == Text && strings.Contains(out, "READY") {
				t.Errorf("%s: the text says ready", name)
			}
		}
	}
	// What is said by none of the three words is unproven.
	odd := calm()
	odd.Verdict = "fine"
	if v := settlePreflight(odd).Verdict; v != preflight.Unproven {
		t.Errorf("a verdict that nobody knows is %s", v)
	}
	for name, fixture := range preflights {
		if r := fixture(); settlePreflight(r).Verdict != r.Verdict {
			t.Errorf("%s is settled as %s: %q", name, settlePreflight(r).Verdict, notReady(r))
		}
	}
}

func TestPreflightNumbersThatJSONHasNot(t *testing.T) {
	r := readyPreflight()
	r.Rehearsal.Largest[0].Share, r.Rehearsal.Rate.BytesPerSecond, r.Rehearsal.Lag.Inflow, r.Rehearsal.Lag.Drained = math.NaN(), math.Inf(1), math.Inf(-1), math.NaN()
	for _, f := range PreflightFormats() {
		if out := renderPreflight(t, r, f, Options{}); strings.Contains(out, "NaN") || strings.Contains(out, "Inf ") {
			t.Errorf("%s holds what is no number", f)
		}
	}
}

func FuzzReadPreflight(f *testing.F) {
	for _, fixture := range preflights {
		raw, err := json.Marshal(settlePreflight(fixture()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/3])
	}
	f.Add([]byte(`{"schema_version":1,"verdict":"ready","hazards":[]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ReadPreflight(strings.NewReader(string(raw)))
		if err != nil {
			if r != nil || !strings.HasPrefix(err.Error(), "report: ") || strings.ContainsFunc(err.Error(), unsafeRune) {
				t.Fatalf("result %v with the error %q", r, err)
			}
			return
		}
		if against := notReady(r); r.Verdict == preflight.Ready && len(against) > 0 {
			t.Fatalf("read as ready against %q", against)
		}
		for _, form := range PreflightFormats() {
			var out strings.Builder
			if err := WritePreflight(&out, r, form, Options{}); err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if !utf8.ValidString(out.String()) || strings.Contains(out.String(), "\x1b") {
				t.Fatalf("%s holds what a terminal could obey", form)
			}
		}
	})
}
