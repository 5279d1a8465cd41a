package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad feeds arbitrary YAML: Load never panics, and no mistake holds the
// password that stands in a side's value.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/mistakes/*.yaml")
	for _, file := range append(files, "testdata/full.yaml", "testdata/cutover.yaml") {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	for _, side := range []string{
		"postgres://u:s3cr3t-canary@h/db", "{host: h, password: s3cr3t-canary}", "'s3cr3t-canary", "{s3cr3t-canary: x}", "|\n  s3cr3t-canary", "? s3cr3t-canary", "[s3cr3t-canary]",
		"${s3cr3t-canary}", "!s3cr3t-canary x", "&s3cr3t-canary x", "*s3cr3t-canary", "@s3cr3t-canary", "%s3cr3t-canary", "s3cr3t-canary: x: y", "\"\\s3cr3t-canary\"",
	} {
		f.Add([]byte("version: 1\npairs:\n- name: a\n  source: " + side + "\n  last: s3cr3t-canary\n"))
		f.Add([]byte("version: 1\npairs:\n- name: a\n  cutover: {application: x, reverse: " + side + ", poolers: [{admin: " + side + ", target: " + side + "}], hooks: [{http: {url: " + side + ", headers: " + side + "}}]}\n"))
		f.Add([]byte(side))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if content == nil {
			content = []byte{}
		}
		pairs, err := Load(Input{Config: content, ReadFile: noFiles, Cutover: true})
		if err == nil {
			for _, p := range pairs {
				if p.Name == "" || p.Source == "" || p.Target == "" || len(p.Checks) == 0 || p.Concurrency < 0 || p.Cutover.Journal == "" {
					t.Errorf("incomplete pair %+v", p)
				}
			}
			return
		}
		var list Mistakes
		if !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("got %T, want mistakes", err)
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("the secret is in the error: %s", err)
		}
		for _, m := range list {
			if m.Where == "" || m.Message == "" || strings.ContainsAny(m.String(), "\n\r\x00") {
				t.Errorf("mistake %+v", m)
			}
		}
	})
}
