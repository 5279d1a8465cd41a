package report

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgparity/pgparity/cutover"
)

const cutoverSchemaFile = "../docs/cutover.schema.json"

func compiledCutoverSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	path, err := filepath.Abs(cutoverSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	s, err := c.Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cutoverDocument(t *testing.T, r *cutover.Result) map[string]any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(renderCutover(t, r, JSON, Options{})))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

func TestCutoversFollowTheSchema(t *testing.T) {
	s := compiledCutoverSchema(t)
	results := map[string]*cutover.Result{
		"zero":             {},
		"nil lists":        {Steps: []cutover.StepResult{{State: cutover.Init}}, Gate: &cutover.Gate{Tables: []cutover.GateTable{{}}}, Outage: &cutover.Outage{}, Verified: &cutover.Evidence{}},
		"a false switch":   {Command: "run", Outcome: cutover.Done},
		"a false abort":    {Command: "run", Outcome: cutover.AbortedRun, State: cutover.Live},
		"a false gate":     {Command: "run", Outcome: cutover.Done, State: cutover.Live, Gate: &cutover.Gate{Passed: true, Findings: []string{"x"}}},
		"a false evidence": {Command: "run", Outcome: cutover.Done, State: cutover.Live, Verified: &cutover.Evidence{}},
	}
	for name, fixture := range cutovers {
		if name != "hostile" { // its words are none
			results[name] = fixture()
		}
	}
	for name, r := range results {
		if err := s.Validate(cutoverDocument(t, r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheCutoverSchemaRefuses breaks a valid document in one place each.
func TestTheCutoverSchemaRefuses(t *testing.T) {
	s := compiledCutoverSchema(t)
	object := func(v any) map[string]any { return v.(map[string]any) }
	first := func(v any) map[string]any { return v.([]any)[0].(map[string]any) }
	for name, harm := range map[string]func(d map[string]any){
		"another version":          func(d map[string]any) { d["schema_version"] = json.Number("2") },
		"unknown outcome":          func(d map[string]any) { d["outcome"] = "switched" },
		"unknown state":            func(d map[string]any) { d["state"] = "live" },
		"unknown direction":        func(d map[string]any) { d["direction"] = "back" },
		"unknown strategy":         func(d map[string]any) { d["strategy"] = "dms" },
		"no steps":                 func(d map[string]any) { delete(d, "steps") },
		"null next":                func(d map[string]any) { d["next"] = nil },
		"a step without actions":   func(d map[string]any) { delete(first(d["steps"]), "actions") },
		"a step of no state":       func(d map[string]any) { first(d["steps"])["state"] = "" },
		"an action without do":     func(d map[string]any) { delete(first(first(d["steps"])["actions"]), "do") },
		"a time that is text":      func(d map[string]any) { first(d["steps"])["took_ms"] = "1 s" },
		"a start that is no time":  func(d map[string]any) { first(d["steps"])["started_at"] = "yesterday" },
		"a claim that is none":     func(d map[string]any) { first(object(d["gate"])["tables"])["claim"] = "most" },
		"a gate without passed":    func(d map[string]any) { delete(object(d["gate"]), "passed") },
		"an outage without writes": func(d map[string]any) { delete(object(d["outage"]), "writes") },
		"a beat without kind":      func(d map[string]any) { delete(first(object(d["outage"])["timeline"]), "kind") },
		"a lost write":             func(d map[string]any) { object(d["outage"])["lost"] = json.Number("1") },
		"unknown evidence":         func(d map[string]any) { object(d["verified"])["verdict"] = "ok" },
		"done with reasons":        func(d map[string]any) { d["reasons"] = []any{"x"} },
		"done and not arrived":     func(d map[string]any) { d["state"] = "REDIRECTED" },
		"done and not passed":      func(d map[string]any) { object(d["gate"])["passed"] = false },
		"passed with findings":     func(d map[string]any) { object(d["gate"])["findings"] = []any{"x"} },
		"done without a match":     func(d map[string]any) { object(d["verified"])["verdict"] = "unproven" },
		"aborted and live":         func(d map[string]any) { d["outcome"] = "aborted" },
		"a preflight that is none": func(d map[string]any) { d["preflight"] = map[string]any{"verdict": "ready"} },
	} {
		doc := cutoverDocument(t, switchedCutover())
		harm(doc)
		if s.Validate(doc) == nil {
			t.Errorf("the schema accepts a report with %s", name)
		}
	}
	doc := cutoverDocument(t, switchedCutover())
	doc["later_addition"] = "x"
	if err := s.Validate(doc); err != nil {
		t.Errorf("the schema refuses a field that was added later: %v", err)
	}
}

// TestTheCutoverSchemaKnowsEveryField walks into the preflight's schema too,
// which is another file.
func TestTheCutoverSchemaKnowsEveryField(t *testing.T) {
	load := func(path string) (root map[string]any) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &root); err != nil {
			t.Fatal(err)
		}
		return root
	}
	root, inner := load(cutoverSchemaFile), load(preflightSchemaFile)
	defs := maps.Clone(inner["$defs"].(map[string]any))
	maps.Copy(defs, root["$defs"].(map[string]any))
	defs["preflight.schema.json"] = inner
	root["$defs"] = defs
	if n := walk(t, root, root, reflect.TypeFor[cutover.Result](), "result"); n < 150 {
		t.Errorf("only %d fields were visited; the walk is broken", n)
	}
}
