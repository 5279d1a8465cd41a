package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pgparity/pgparity/checker"
)

const schemaFile = "../docs/report.schema.json"

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	path, err := filepath.Abs(schemaFile)
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

func document(t *testing.T, r *checker.Result) any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(render(t, r, JSON, Options{})))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestReportsFollowTheSchema(t *testing.T) {
	schema := compiledSchema(t)
	nils := &checker.Result{Tables: []checker.TableResult{{Findings: []checker.Finding{{Kind: checker.KindExtra}}}}}
	for name, r := range map[string]*checker.Result{
		"match": matchResult(), "mismatch": mismatchResult(), "unproven": unprovenResult(), "many": manyResult(), "sampled": sampledResult(),
		"moving": movingResult(), "stalled": stalledResult(), "unsettled": unsettledResult(),
		"a replication without lists": {Replication: &checker.Replication{Kind: "logical"}, Tables: []checker.TableResult{{Unsettled: []checker.Unsettled{{}}}}},
		"nil lists":                   nils, "zero": {},
	} {
		if err := schema.Validate(document(t, r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheSchemaRefuses breaks a valid document in one place each.
func TestTheSchemaRefuses(t *testing.T) {
	schema := compiledSchema(t)
	object := func(v any) map[string]any { return v.(map[string]any) }
	first := func(v any) map[string]any { return v.([]any)[0].(map[string]any) }
	for name, harm := range map[string]func(d map[string]any){
		"another version":    func(d map[string]any) { d["schema_version"] = json.Number("2") },
		"unknown verdict":    func(d map[string]any) { d["verdict"] = "ok" },
		"no reasons":         func(d map[string]any) { delete(d, "reasons") },
		"null tables":        func(d map[string]any) { d["tables"] = nil },
		"negative chunks":    func(d map[string]any) { object(d["coverage"])["chunks_planned"] = json.Number("-1") },
		"no skipped":         func(d map[string]any) { delete(object(d["coverage"]), "skipped") },
		"table mismatch":     func(d map[string]any) { first(d["tables"])["verdict"] = "mismatch" },
		"sequence unproven":  func(d map[string]any) { first(d["sequences"])["verdict"] = "unproven" },
		"match with reasons": func(d map[string]any) { d["reasons"] = []any{"x"} },
		"key value not text": func(d map[string]any) {
			first(d["tables"])["findings"] = []any{map[string]any{"kind": "extra", "key": map[string]any{"id": json.Number("1")}}}
		},
		"unknown strip cell":       func(d map[string]any) { object(first(d["tables"])["chunks"])["strip"] = "=!" },
		"match and unsettled rows": func(d map[string]any) { first(d["tables"])["unsettled_total"] = json.Number("1") },
		"a lag that is text": func(d map[string]any) {
			d["replication"] = map[string]any{"kind": "logical", "evidence": []any{}, "streams": []any{map[string]any{"kind": "logical", "name": "s", "lag_bytes": "1"}}}
		},
		"finish is no time": func(d map[string]any) { d["finished_at"] = "yesterday" },
	} {
		doc := object(document(t, matchResult()))
		harm(doc)
		if schema.Validate(doc) == nil {
			t.Errorf("the schema accepts a report with %s", name)
		}
	}
	doc := object(document(t, matchResult()))
	doc["later_addition"] = "x"
	if err := schema.Validate(doc); err != nil {
		t.Errorf("the schema refuses a field that was added later: %v", err)
	}
}

// TestTheSchemaKnowsEveryField walks the Go types and the schema side by
// side: every field described, and required exactly when always written.
func TestTheSchemaKnowsEveryField(t *testing.T) {
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	if n := walk(t, root, root, reflect.TypeFor[checker.Result](), "result"); n < 50 {
		t.Errorf("only %d fields were visited; the walk is broken", n)
	}
}

func walk(t *testing.T, root, node map[string]any, typ reflect.Type, path string) (visited int) {
	for {
		ref, _ := node["$ref"].(string)
		if alternatives, ok := node["anyOf"].([]any); ok {
			node = alternatives[0].(map[string]any)
			continue
		}
		if ref == "" {
			break
		}
		node = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	switch {
	case typ.Kind() == reflect.Pointer:
		return walk(t, root, node, typ.Elem(), path)
	case typ.Kind() == reflect.Slice:
		items, ok := node["items"].(map[string]any)
		if !ok {
			t.Errorf("%s: the schema says nothing of the items", path)
			return 0
		}
		return walk(t, root, items, typ.Elem(), path+"[]")
	case typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]():
		return 0
	}
	properties, _ := node["properties"].(map[string]any)
	required := map[string]bool{}
	names, _ := node["required"].([]any)
	for _, n := range names {
		required[n.(string)] = true
	}
	for f := range typ.Fields() {
		if !f.IsExported() {
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		visited++
		p, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		if always := !strings.Contains(opts, "omitempty"); required[name] != always {
			t.Errorf("%s.%s: required is %v in the schema, written always is %v", path, name, required[name], always)
		}
		delete(required, name)
		visited += walk(t, root, p, f.Type, path+"."+name)
	}
	for n := range required {
		t.Errorf("%s.%s is required and never written", path, n)
	}
	return visited
}
