package preflight

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files and the generated part of docs/preflight.md")

const (
	docsFile  = "../docs/preflight.md"
	docsBegin = "<!-- hazards: begin (generated: go test ./preflight -run TestDocs -update) -->\n"
	docsEnd   = "<!-- hazards: end -->\n"
)

// The documentation lists every detector.
func TestDocs(t *testing.T) {
	content, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), docsBegin)
	table, after, ok2 := strings.Cut(rest, docsEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers of the list of hazards", docsFile)
	}
	var want strings.Builder
	want.WriteString("| hazard | severity | what is looked for |\n| --- | --- | --- |\n")
	for _, d := range Detectors() {
		deep := ""
		if d.Deep {
			deep = " (`--deep`)"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s%s |\n", d.ID, d.Worst(), d.About, deep)
	}
	if *update {
		if err := os.WriteFile(docsFile, []byte(before+docsBegin+want.String()+docsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), table); diff != "" {
		t.Errorf("run go test ./preflight -run TestDocs -update\n%s", diff)
	}
}
