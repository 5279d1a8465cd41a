package config

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	docsFile  = "../docs/configuration.md"
	docsBegin = "<!-- options: begin (generated: go test ./config -run TestDocs -update) -->\n"
	docsEnd   = "<!-- options: end -->\n"
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
	before, rest, ok := strings.Cut(string(content), docsBegin)
	table, after, ok2 := strings.Cut(rest, docsEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers of the option table", docsFile)
	}
	want := markdown(Options())
	if *update {
		if err := os.WriteFile(docsFile, []byte(before+docsBegin+want+docsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("run go test ./config -run TestDocs -update\n%s", diff)
	}
}

// The example in the documentation is a valid file.
func TestDocsExample(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatalf("%s has no YAML example", docsFile)
	}
	pairs, err := Load(Input{Config: []byte(example), Environ: []string{"SHOP_USER=u", "STOCK_PASSWORD=p"},
		ReadFile: func(string) ([]byte, error) { return []byte("p\n"), nil }})
	if err != nil || len(pairs) != 3 {
		t.Errorf("got %d pairs and %v", len(pairs), err)
	}
}
