package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgparity/pgparity/preflight"
)

const preflightSchemaFile = "../docs/preflight.schema.json"

func compiledPreflightSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	path, err := filepath.Abs(preflightSchemaFile)
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

func preflightDocument(t *testing.T, r *preflight.Result) map[string]any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(renderPreflight(t, r, JSON, Options{})))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

func TestPreflightsFollowTheSchema(t *testing.T) {
	s := compiledPreflightSchema(t)
	results := map[string]*preflight.Result{
		"zero": {}, "nil lists": {Replication: &preflight.Replication{}, Rehearsal: &preflight.Rehearsal{}, Hazards: []preflight.Hazard{{}}},
		"a false ready": {Verdict: preflight.Ready, Hazards: []preflight.Hazard{{ID: "x", Severity: "block", Acknowledged: true}}},
	}
	for name, fixture := range preflights {
		if name != "hostile" { // its sides are none
			results[name] = fixture()
		}
	}
	for name, r := range results {
		if err := s.Validate(preflightDocument(t, r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestThePreflightSchemaRefuses breaks a valid document in one place each.
func TestThePreflightSchemaRefuses(t *testing.T) {
	s := compiledPreflightSchema(t)
	object := func(v any) map[string]any { return v.(map[string]any) }
	first := func(v any) map[string]any { return v.([]any)[0].(map[string]any) }
	for name, harm := range map[string]func(d map[string]any){
		"another version":        func(d map[string]any) { d["schema_version"] = json.Number("2") },
		"unknown verdict":        func(d map[string]any) { d["verdict"] = "match" },
		"no hazards":             func(d map[string]any) { delete(d, "hazards") },
		"null unknown":           func(d map[string]any) { d["unknown"] = nil },
		"unknown severity":       func(d map[string]any) { first(d["hazards"])["severity"] = "note" },
		"unknown side":           func(d map[string]any) { first(d["hazards"])["side"] = "" },
		"no sentence":            func(d map[string]any) { delete(first(d["hazards"]), "sentence") },
		"carried below nothing":  func(d map[string]any) { object(d["coverage"])["carried"] = json.Number("-1") },
		"ready with reasons":     func(d map[string]any) { d["reasons"] = []any{"x"} },
		"ready with a block":     func(d map[string]any) { first(d["hazards"])["severity"] = "block" },
		"ready with an unknown":  func(d map[string]any) { d["unknown"] = []any{map[string]any{"id": "x", "reason": "y"}} },
		"ready, nothing checked": func(d map[string]any) { d["checked"] = []any{} },
		"ready, no replication":  func(d map[string]any) { delete(d, "replication") },
		"replication not clear":  func(d map[string]any) { object(d["replication"])["kind"] = "" },
		"an acknowledged block": func(d map[string]any) {
			d["verdict"] = "blocked"
			h := first(d["hazards"])
			h["severity"], h["acknowledged"] = "block", true
		},
		"an estimate that is text": func(d map[string]any) { first(object(d["rehearsal"])["phases"])["estimate_ms"] = "1 s" },
		"a lag without bytes":      func(d map[string]any) { delete(object(object(d["rehearsal"])["lag"]), "bytes") },
		"a finish that is no time": func(d map[string]any) { d["finished_at"] = "yesterday" },
	} {
		doc := preflightDocument(t, readyPreflight())
		harm(doc)
		if s.Validate(doc) == nil {
			t.Errorf("the schema accepts a report with %s", name)
		}
	}
	doc := preflightDocument(t, readyPreflight())
	doc["later_addition"] = "x"
	if err := s.Validate(doc); err != nil {
		t.Errorf("the schema refuses a field that was added later: %v", err)
	}
}

func TestThePreflightSchemaKnowsEveryField(t *testing.T) {
	raw, err := os.ReadFile(preflightSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	if n := walk(t, root, root, reflect.TypeFor[preflight.Result](), "result"); n < 80 {
		t.Errorf("only %d fields were visited; the walk is broken", n)
	}
}
