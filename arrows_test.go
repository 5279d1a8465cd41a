package pgparity_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pgparity/pgparity/"

// arrows are the imports of this project that each package may have: they
// run upward only. Tests are free, but for what they would drag into a build.
var arrows = map[string][]string{
	"postgres":                 {},
	"pairing":                  {"postgres"},
	"hashing":                  {"postgres", "pairing"},
	"sampler":                  {"postgres", "pairing"},
	"fence":                    {"postgres", "pairing"},
	"schema":                   {"postgres"},
	"preflight":                {"postgres", "pairing", "hashing", "sampler", "fence", "schema"},
	"probe":                    {"postgres"},
	"checker":                  {"postgres", "pairing", "hashing", "sampler", "fence", "schema"},
	"follow":                   {"checker", "fence", "pairing", "postgres"},
	"cutover":                  {"checker", "fence", "follow", "hashing", "pairing", "postgres", "preflight", "sampler", "schema"},
	"report":                   {"checker", "cutover", "fence", "pairing", "preflight", "hashing", "sampler", "schema"},
	"monitor":                  {"checker", "cutover", "fence", "follow", "pairing", "postgres", "report"},
	"config":                   {},
	"internal/pgcluster":       {},
	"internal/pgcluster/fetch": {"internal/pgcluster"},
	"internal/demo":            {"checker", "hashing", "postgres", "report", "internal/pgcluster"},
	"internal/soak":            {}, // tests alone
	"internal/bench":           {"checker", "hashing", "postgres", "internal/pgcluster"},
	"cmd/pgparity":             {"checker", "config", "cutover", "fence", "follow", "hashing", "monitor", "pairing", "postgres", "preflight", "probe", "report", "sampler", "internal/demo"},
}

func TestImportsRunUpward(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, ok := strings.CutPrefix(fields[0], module)
		if !ok {
			continue // the root holds this test only
		}
		allowed, known := arrows[name]
		if !known {
			t.Errorf("package %s has no place in the arrows: say what it may import", name)
			continue
		}
		seen++
		for _, imported := range fields[1:] {
			if inner, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, inner) {
				t.Errorf("%s imports %s, which is not below it", name, inner)
			}
		}
	}
	if seen < len(arrows)-2 {
		t.Errorf("only %d of %d packages were found: the list does not check what it says", seen, len(arrows))
	}
}
