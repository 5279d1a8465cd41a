package checker_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestResumeRefused: a file is gone on from only by the same comparison, and
// stays as it was where it is refused.
func TestResumeRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	some := []string{
		`CREATE TABLE a (id int PRIMARY KEY, v varchar(10))`, `INSERT INTO a SELECT g, 'x' FROM generate_series(1, 1000) g`,
		`CREATE TABLE b (id int PRIMARY KEY, v text)`, `INSERT INTO b SELECT g, 'x' FROM generate_series(1, 1000) g`, `ANALYZE`,
	}
	clusters := [2]*pgcluster.Cluster{pgcluster.Shared(t, 15), pgcluster.Shared(t, 18)}
	type sides struct{ source, target string }
	// stopped makes a pair and leaves what a run of it, stopped, had written.
	stopped := func(t *testing.T) (sides, []byte) {
		s := sides{clusters[0].TestDB(t, some...), clusters[1].TestDB(t, some...)}
		o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
		interrupted(t, open(t, postgres.Source, s.source), open(t, postgres.Target, s.target), o, checker.UnitDone, 6)
		content, err := os.ReadFile(o.Resume)
		if err != nil {
			t.Fatal(err)
		}
		return s, content
	}
	common, written := stopped(t)
	for _, c := range []struct {
		name   string
		alters bool                                                                    // the databases, which are then its own
		before func(t *testing.T, s *sides, o *checker.Options, content []byte) []byte // nil: the file as it is
		says   string                                                                  // "" when it is resumed
	}{
		{"as it was", false, nil, ""},
		{"what sets the pace", false, func(_ *testing.T, _ *sides, o *checker.Options, b []byte) []byte {
			o.Concurrency, o.Settle, o.Budget = 1, 5e9, 1e9
			return b
		}, ""},
		{"other options", false, func(_ *testing.T, _ *sides, o *checker.Options, b []byte) []byte { o.OptionsHash = "other"; return b },
			"the options that say what is compared were others then"},
		{"another source", false, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			s.source = clusters[0].TestDB(t, some...)
			return b
		}, "the source was another database then: "},
		{"another target", false, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			s.target = clusters[0].TestDB(t, some...)
			return b
		}, "the target was another database then: system identifier "},
		{"sides exchanged", false, func(_ *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			s.source, s.target = s.target, s.source
			return b
		}, "the source was another database then: "},
		{"a column more", true, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			must(t, connect(t, s.source), `ALTER TABLE a ADD w int`)
			return b
		}, "public.a was altered, dropped or replaced on the source since the first start"},
		{"a type", true, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			must(t, connect(t, s.target), `ALTER TABLE a ALTER v TYPE varchar(20)`)
			return b
		}, "public.a was altered, dropped or replaced on the target since the first start"},
		{"dropped", true, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			must(t, connect(t, s.source), `DROP TABLE b`)
			must(t, connect(t, s.target), `DROP TABLE b`)
			return b
		}, "public.b was planned at the first start and is not there any more"},
		{"made anew", true, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			must(t, connect(t, s.target), `CREATE TABLE c (LIKE b INCLUDING ALL)`, `INSERT INTO c TABLE b`, `DROP TABLE b`, `ALTER TABLE c RENAME TO b`)
			return b
		}, "public.b was altered, dropped or replaced on the target since the first start"},
		{"another key", true, func(t *testing.T, s *sides, _ *checker.Options, b []byte) []byte {
			must(t, connect(t, s.target), `ALTER TABLE b DROP CONSTRAINT b_pkey`)
			return b
		}, "the rows of public.b would be hashed otherwise than at the first start"},
		{"another definition of the digest", false, func(_ *testing.T, _ *sides, _ *checker.Options, b []byte) []byte {
			return checker.Resum(bytes.Replace(b, []byte(`"digest_spec":"`), []byte(`"digest_spec":"old-`), 1))
		}, "rows were hashed by another definition then (old-"},
		{"another format", false, func(_ *testing.T, _ *sides, _ *checker.Options, b []byte) []byte {
			return bytes.Replace(b, []byte(`"format":1`), []byte(`"format":27`), 1)
		}, "it was written by another version of pgparity (format 27, this build reads 1)"},
		{"a flipped bit", false, func(_ *testing.T, _ *sides, _ *checker.Options, b []byte) []byte {
			b[len(b)/2] ^= 1
			return b
		}, "it is damaged in line "},
		{"a line twice", false, func(_ *testing.T, _ *sides, _ *checker.Options, b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			lines = append(lines[:len(lines)-2:len(lines)-2], lines[len(lines)-3], lines[len(lines)-2])
			return bytes.Join(lines, nil)
		}, "it is damaged in line "},
		{"a line less", false, func(_ *testing.T, _ *sides, _ *checker.Options, b []byte) []byte {
			lines := bytes.SplitAfter(b, []byte("\n"))
			return bytes.Join(append(lines[:3:3], lines[4:]...), nil)
		}, "it is damaged in line "},
		{"another file", false, func(_ *testing.T, _ *sides, _ *checker.Options, _ []byte) []byte { return []byte("version: 1\n") },
			"it is no checkpoint file of pgparity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, content := common, bytes.Clone(written)
			if c.alters {
				s, content = stopped(t)
			}
			o := resumeOptions(filepath.Join(t.TempDir(), "journal"))
			if c.before != nil {
				content = c.before(t, &s, &o, content)
			}
			if err := os.WriteFile(o.Resume, content, 0o600); err != nil {
				t.Fatal(err)
			}
			res, err := checker.Run(t.Context(), open(t, postgres.Source, s.source), open(t, postgres.Target, s.target), o)
			if c.says == "" {
				if err != nil || res.Verdict != checker.Match || !contains(res.Notes, "resumed once") {
					t.Fatalf("%v %+v", err, res)
				}
				return
			}
			var mistake *checker.OperatorError
			if !errors.As(err, &mistake) {
				t.Fatalf("%v, not an operator's mistake", err)
			}
			for _, part := range []string{"--resume " + o.Resume + ": ", c.says, "remove "} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
			if after, err := os.ReadFile(o.Resume); err != nil || !bytes.Equal(after, content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

// TestResumeFile: what can be a file of checkpoints, and what it is like.
func TestResumeFile(t *testing.T) {
	t.Parallel()
	made := `CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 1000); ANALYZE`
	source := open(t, postgres.Source, pgcluster.Shared(t, 15).TestDB(t, made))
	target := open(t, postgres.Target, pgcluster.Shared(t, 18).TestDB(t, made))
	dir := t.TempDir()
	refused := func(path, says string) {
		t.Helper()
		o := resumeOptions(path)
		_, err := checker.Run(t.Context(), source, target, o)
		var mistake *checker.OperatorError
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
		if early := checker.CheckResume(path); fmt.Sprint(early) != fmt.Sprint(err) {
			t.Errorf("checked before: %v, then %v", early, err)
		}
	}
	refused(filepath.Join(dir, "no", "journal"), "no such file or directory: give a path that can be written")
	refused(dir, "it is not a regular file")
	refused("/dev/full", "it is not a regular file")

	path := filepath.Join(dir, "journal")
	if err := checker.CheckResume(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the check left a file: %v", err)
	}

	// While a run is on, its file is its own, and nobody else's to read.
	o, seen := resumeOptions(path), false
	o.OnEvent = func(e checker.Event) {
		if e.Kind != checker.UnitDone || seen {
			return
		}
		seen = true
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		refused(path, "another run is using it")
	}
	if res, err := checker.Run(t.Context(), source, target, o); err != nil || res.Verdict != checker.Match || !seen {
		t.Errorf("%v %v", res, err)
	}

	// Files with nothing to go on from are begun anew, whatever their mode was.
	for _, content := range []string{"", `{"pgparity_check`, `{"pgparity_checkpoint":{"format":1,"tool":"`} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		interrupted(t, source, target, resumeOptions(path), checker.UnitDone, 3)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%q: mode %v, %v", content, info.Mode(), err)
		}
		res, err := checker.Run(t.Context(), source, target, resumeOptions(path))
		if err != nil || res.Verdict != checker.Match || !contains(res.Notes, "resumed once") {
			t.Errorf("%q: %v %v", content, res, err)
		}
	}
}
