package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
)

var update = flag.Bool("update", false, "write the golden files anew")

var fixtures = map[string]func() *checker.Result{
	"match":    matchResult,
	"mismatch": mismatchResult,
	"unproven": unprovenResult,
	"many":     manyResult,
	"hostile":  hostileResult,
	"sampled":  sampledResult,

	"moving":    movingResult,
	"stalled":   stalledResult,
	"unsettled": unsettledResult,
}

func render(t *testing.T, r *checker.Result, f Format, o Options) string {
	t.Helper()
	var buf bytes.Buffer
	if err := Write(&buf, r, f, o); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "report", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./report -update writes it anew):\n%s", path, diff)
	}
}

func TestGolden(t *testing.T) {
	for name, fixture := range fixtures {
		for _, f := range Formats() {
			if f == HTML && name == "many" {
				continue // the browser test counts its cells
			}
			t.Run(name+"."+string(f), func(t *testing.T) {
				golden(t, name+"."+string(f), render(t, fixture(), f, Options{}))
			})
		}
	}
	t.Run("mismatch.color", func(t *testing.T) {
		golden(t, "mismatch.color", render(t, mismatchResult(), Text, Options{Color: true}))
	})
	t.Run("stalled.verbose", func(t *testing.T) {
		golden(t, "stalled.verbose", render(t, stalledResult(), Text, Options{Verbose: true}))
	})
	t.Run("mismatch.verbose", func(t *testing.T) {
		golden(t, "mismatch.verbose", render(t, mismatchResult(), Text, Options{Verbose: true, Width: 120}))
	})
}

// TestRenderingChangesNothing renders in all formats from one result: the
// same bytes must come out twice, and the result must stay as it was.
func TestRenderingChangesNothing(t *testing.T) {
	for name, fixture := range fixtures {
		r := fixture()
		for _, f := range Formats() {
			if render(t, r, f, Options{}) != render(t, fixture(), f, Options{}) {
				t.Errorf("%s as %s differs from the first rendering", name, f)
			}
		}
		if diff := cmp.Diff(fixture(), r); diff != "" {
			t.Errorf("%s was changed by rendering:\n%s", name, diff)
		}
	}
}

// A list that is filled in for rendering is the copy's, not the caller's.
func TestRenderingFillsNothingIn(t *testing.T) {
	findings := []checker.Finding{{Kind: checker.KindExtra}}
	r := &checker.Result{Tables: []checker.TableResult{{Findings: findings}}, Sequences: []checker.SequenceResult{{Verdict: 7}}}
	for _, f := range Formats() {
		render(t, r, f, Options{})
	}
	want := &checker.Result{
		Tables:    []checker.TableResult{{Findings: []checker.Finding{{Kind: checker.KindExtra}}}},
		Sequences: []checker.SequenceResult{{Verdict: 7}},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range Formats() {
		if got, err := ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("ParseFormat(%q) = %q, %v", f, got, err)
		}
	}
	for _, s := range []string{"", "pdf", "JSON", "text "} {
		_, err := ParseFormat(s)
		if err == nil || !strings.Contains(err.Error(), "text, json, html, markdown, junit, prometheus") {
			t.Errorf("ParseFormat(%q): %v, want the list of formats", s, err)
		}
		if err := Write(&bytes.Buffer{}, matchResult(), Format(s), Options{}); err == nil {
			t.Errorf("Write took the format %q", s)
		}
	}
}
