package report

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
)

func TestReadGivesBackWhatWasWritten(t *testing.T) {
	for name, fixture := range fixtures {
		if name == "hostile" {
			continue // bytes that are not UTF-8 do not survive JSON
		}
		r, err := Read(strings.NewReader(render(t, fixture(), JSON, Options{})))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(fixture(), r); diff != "" {
			t.Errorf("%s (-written +read):\n%s", name, diff)
		}
		for _, f := range Formats() {
			if render(t, r, f, Options{}) != render(t, fixture(), f, Options{}) {
				t.Errorf("%s as %s: the saved report renders otherwise than the live one", name, f)
			}
		}
	}
}

func TestReadLeavesUnknownFieldsAlone(t *testing.T) {
	saved := strings.Replace(render(t, matchResult(), JSON, Options{}), "{", `{"added_later": {"verdict": "ok"},`, 1)
	if _, err := Read(strings.NewReader(saved)); err != nil {
		t.Error(err)
	}
}

// TestReadRefuses changes one thing each in a saved match.
func TestReadRefuses(t *testing.T) {
	whole := render(t, matchResult(), JSON, Options{})
	replace := func(old, new string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("the saved report does not hold %q", old)
		}
		return strings.Replace(whole, old, new, 1)
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"blank", " \n\t", "the file is empty"},
		{"garbage", "MATCH  all is well", "not one JSON document"},
		{"binary", "\x00\x01\x02", "not one JSON document"},
		{"a list", "[]", "JSON, but no report"},
		{"null", "null", "JSON, but no report"},
		{"another document", `{"name":"x"}`, "no schema_version"},
		{"truncated", whole[:len(whole)/2], "ends in the middle"},
		{"last brace lost", strings.TrimRight(whole, "}\n"), "ends in the middle"},
		{"twice", whole + whole, "not one JSON document"},
		{"trailing text", whole + "x", "not one JSON document"},
		{"version 2", replace(`"schema_version": 1`, `"schema_version": 2`), "schema_version 2 is not known, this pgparity reads 1"},
		{"version as text", replace(`"schema_version": 1`, `"schema_version": "1"`), "no schema_version"},
		{"unknown verdict", replace(`"verdict": "match"`, `"verdict": "ok"`), "verdict is ok, not match"},
		{"verdict in capitals", replace(`"verdict": "match"`, `"verdict": "MATCH"`), "verdict is MATCH, not match"},
		{"null verdict", replace(`"verdict": "match"`, `"verdict": null`), "verdict is"},
		{"no verdict", replace(`"verdict": "match",`, ``), "verdict is missing"},
		{"two verdicts", replace(`"verdict": "match"`, `"verdict": "mismatch", "verdict": "match"`), `"verdict" occurs twice`},
		{"verdict spelled otherwise", replace(`"verdict": "match"`, `"verdict": "mismatch", "Verdict": "match"`), `verdict is spelled "Verdict"`},
		{"null list", replace(`"reasons": []`, `"reasons": null`), "reasons is null"},
		{"no coverage", replace(`"coverage"`, `"coverage_lost"`), "coverage is missing"},
		{"tables is text", replace(`"tables": [`, `"tables": "none", "x": [`), "tables is not a list"},
		{"number is text", replace(`"rows_compared": 2000000`, `"rows_compared": "2000000"`), "not a pgparity report"},

		{"fewer chunks compared", replace(`"chunks_compared": 15`, `"chunks_compared": 14`), "14 of 15 chunks were compared"},
		{"table not match", replace("\n      \"verdict\": \"match\"", "\n      \"verdict\": \"mismatch\""), "table public.customers is mismatch"},
		{"table unproven", replace("\n      \"verdict\": \"match\"", "\n      \"verdict\": \"unproven\""), "table public.customers is unproven"},
		{"skipped", replace(`"skipped": []`, `"skipped": [{"object": "public.x", "reason": "no privilege"}]`), "1 object was skipped"},
		{"reason", replace(`"reasons": []`, `"reasons": ["because"]`), "a reason against: because"},
		{"table's chunks", replace(`"compared": 3`, `"compared": 2`), "2 of its 3 chunks"},
		{"findings", replace(`"findings_total": 0`, `"findings_total": 1`), "1 finding"},
		{"listed finding", replace(`"findings": []`, `"findings": [{"kind": "extra", "key": {"id": "1"}}]`), "1 finding"},
		{"strip", replace(`"strip": "==="`, `"strip": "==?"`), "not compared"},
		{"strip differing", replace(`"strip": "==="`, `"strip": "=x="`), "chunks that differ"},
		{"unsettled rows", replace(`"findings": []`, `"findings": [], "unsettled_total": 2`), "2 unsettled rows"},
		{"a listed unsettled row", replace(`"findings": []`, `"findings": [], "unsettled": [{"key": {"id": "1"}, "why": "it moved"}]`), "1 unsettled row"},
		{"unsettled is null", replace(`"findings": []`, `"findings": [], "unsettled": null`), "unsettled is null"},
		{"error", replace(`"findings": []`, `"findings": [], "error": "timeout"`), "carries an error: timeout"},
		{"tables lost", replace(`"tables": 2`, `"tables": 3`), "3 tables were planned, 2 reported"},
		{"sequence", replace("public.orders_id_seq\",\n      \"verdict\": \"match\"", "public.orders_id_seq\",\n      \"verdict\": \"mismatch\""), "sequence public.orders_id_seq is mismatch"},
	} {
		r, err := Read(strings.NewReader(c.text))
		if err == nil {
			t.Errorf("%s: read as %s", c.name, r.Verdict)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error does not say %q: %v", c.name, c.want, err)
		}
	}
}

func TestReadRefusesAMatchOfNothing(t *testing.T) {
	r := base()
	r.Verdict = checker.Match
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(strings.NewReader(string(raw))); err == nil || !strings.Contains(err.Error(), "nothing was compared") {
		t.Errorf("a match of nothing was read: %v", err)
	}
}

// A table that claims match beside its own findings is a lie also where the
// run does not match.
func TestReadRefusesAFalseTableInAMismatch(t *testing.T) {
	saved := strings.Replace(render(t, mismatchResult(), JSON, Options{}),
		"public.orders\",\n      \"verdict\": \"mismatch\"", "public.orders\",\n      \"verdict\": \"match\"", 1)
	if _, err := Read(strings.NewReader(saved)); err == nil || !strings.Contains(err.Error(), "table public.orders is said to match, but it has 903 findings") {
		t.Errorf("got %v", err)
	}
}

// TestNoFormatShowsAFalseMatch renders live results that contradict
// themselves.
func TestNoFormatShowsAFalseMatch(t *testing.T) {
	for name, harm := range map[string]func(*checker.Result){
		"a chunk not compared": func(r *checker.Result) { r.Coverage.ChunksCompared-- },
		"a table unproven":     func(r *checker.Result) { r.Tables[1].Verdict = checker.Unproven },
		"a table with finding": func(r *checker.Result) { r.Tables[1].FindingsTotal = 1 },
		"a table half done":    func(r *checker.Result) { r.Tables[1].Chunks.Compared-- },
		"something skipped":    func(r *checker.Result) { r.Coverage.Skipped = []checker.Skipped{{Object: "x", Reason: "y"}} },
		"a sequence":           func(r *checker.Result) { r.Sequences[0].Verdict = 7 },
		"nothing compared":     func(r *checker.Result) { *r = *base(); r.Verdict = checker.Match },
	} {
		r := matchResult()
		harm(r)
		for f, signs := range map[Format][]string{
			Text:       {"UNPROVEN  not everything", "contradicts itself"},
			JSON:       {"\n  \"verdict\": \"unproven\"", "contradicts itself"},
			HTML:       {`<h1 id="verdict">unproven</h1>`, "contradicts itself"},
			Markdown:   {"**unproven**", "contradicts itself"},
			JUnit:      {`errors="`, `name="verdict">` + "\n      <error", "contradicts itself"},
			Prometheus: {`verdict="match"} 0`, `pgparity_verdict{`},
		} {
			out := render(t, r, f, Options{})
			for _, sign := range signs {
				if !strings.Contains(out, sign) {
					t.Errorf("%s as %s: no %q", name, f, sign)
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, r := range []*checker.Result{matchResult(), mismatchResult(), unprovenResult(), base()} {
		raw, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)/3])
	}
	f.Add([]byte(`{"schema_version":1,"verdict":"match"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Read(strings.NewReader(string(raw)))
		if err != nil {
			if r != nil || !strings.HasPrefix(err.Error(), "report: ") || strings.ContainsFunc(err.Error(), unsafeRune) {
				t.Fatalf("result %v with the error %q", r, err)
			}
			return
		}
		if against := contradictions(r); r.Verdict == checker.Match && len(against) > 0 {
			t.Fatalf("read as match against %q", against)
		}
		for _, form := range Formats() {
			var out strings.Builder
			if err := Write(&out, r, form, Options{}); err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if !utf8.ValidString(out.String()) || strings.Contains(out.String(), "\x1b") {
				t.Fatalf("%s holds what a terminal could obey", form)
			}
		}
		again, err := Read(strings.NewReader(renderString(t, r)))
		if err != nil || again.Verdict != r.Verdict {
			t.Fatalf("read, written and read again: %v", err)
		}
	})
}

func renderString(t *testing.T, r *checker.Result) string { return render(t, r, JSON, Options{}) }
