package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	docsFile  = "../docs/configuration.md"
	docsBegin = "<!-- options: begin (generated: go test ./config -run TestDocs -update) -->\n"
	docsEnd   = "<!-- options: end -->\n"
	// What is set under cutover has a table of its own.
	cutoverBegin = "<!-- cutover: begin (generated: go test ./config -run TestDocs -update) -->\n"
	cutoverEnd   = "<!-- cutover: end -->\n"
	monitorBegin = "<!-- monitor: begin (generated: go test ./config -run TestDocs -update) -->\n"
	monitorEnd   = "<!-- monitor: end -->\n"
)

// markdown is the option table as the documentation shows it.
func markdown(t OptionTable) string {
	var b strings.Builder
	b.WriteString("| flag | environment | YAML | default | meaning |\n| --- | --- | --- | --- | --- |\n")
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, o := range t {
		flag := ""
		if o.Name != "" {
			flag = strings.TrimSpace("--" + o.Name + " " + o.Placeholder)
		}
		help := o.Help
		if o.Repeatable() {
			help += " (repeatable)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(flag), code(o.Env()), code(o.Key), code(o.Default()), help)
	}
	return b.String()
}

// The documentation shows the option table as it is.
func TestDocs(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	cutover := func(o Option) bool { return o.Cutover() }
	for _, part := range []struct{ begin, end, want string }{
		{docsBegin, docsEnd, markdown(slices.DeleteFunc(Options(), func(o Option) bool { return o.Cutover() || o.Monitor() }))},
		{cutoverBegin, cutoverEnd, markdown(slices.DeleteFunc(Options(), func(o Option) bool { return !cutover(o) }))},
		{monitorBegin, monitorEnd, markdown(slices.DeleteFunc(Options(), func(o Option) bool { return !o.Monitor() }))},
	} {
		before, rest, ok := strings.Cut(text, part.begin)
		table, after, ok2 := strings.Cut(rest, part.end)
		if !ok || !ok2 {
			t.Fatalf("%s lacks the markers of the option table: %s", docsFile, part.begin)
		}
		text = before + part.begin + part.want + part.end + after
		if diff := cmp.Diff(part.want, table); diff != "" && !*update {
			t.Errorf("run go test ./config -run TestDocs -update\n%s", diff)
		}
	}
	if *update {
		if err := os.WriteFile(docsFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The examples in the documentation are valid files.
func TestDocsExamples(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := []int{3, 2} // pairs of each
	examples := strings.Split(string(content), "```yaml\n")[1:]
	if len(examples) != len(want) {
		t.Fatalf("%s has %d YAML examples", docsFile, len(examples))
	}
	for i, example := range examples {
		example, _, _ = strings.Cut(example, "```\n")
		pairs, err := Load(Input{Config: []byte(example), Environ: []string{"SHOP_USER=u", "STOCK_PASSWORD=p", "DNS_TOKEN=t", "POOLER_PASSWORD=p"},
			ReadFile: func(string) ([]byte, error) { return []byte("p\n"), nil }, Cutover: true})
		if err != nil || len(pairs) != want[i] {
			t.Errorf("example %d: got %d pairs and %v", i, len(pairs), err)
		}
	}
}
