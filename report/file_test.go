package report

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// only fails when the folder holds anything but the named files.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPrepareLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if err := Prepare(filepath.Join(dir, "report.json")); err != nil {
		t.Fatal(err)
	}
	only(t, dir)

	old := filepath.Join(dir, "old.json")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(old); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "old.json")
	if content(t, old) != "old" {
		t.Error("Prepare changed the file")
	}
}

func TestPrepareRefuses(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":                                   "name is empty",
		dir:                                  "is a folder",
		filepath.Join(dir, "none", "r.json"): "create the folder first",
		filepath.Join(plain, "r.json"):       "not a directory",
		filepath.Join(dir, "dangling"):       "link leads nowhere",
	} {
		for verb, err := range map[string]error{
			"Prepare": Prepare(path), "WriteFile": WriteFile(path, matchResult(), JSON, Options{}),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s(%q) = %v, want %q", verb, path, err, want)
			}
		}
	}
	only(t, dir, "dangling", "plain")
}

func TestPrepareUnwritableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root writes to every folder; run as another user to test one that is not writable")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(filepath.Join(dir, "r.json")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := WriteFile(path, mismatchResult(), JSON, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, matchResult(), JSON, Options{}); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "report.json")
	if content(t, path) != render(t, matchResult(), JSON, Options{}) {
		t.Error("the file is not the report")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("the file's mode became %v", info.Mode())
	}
}

// TestWriteFileKeepsTheOldFile runs out of space in the middle of the new
// report.
func TestWriteFileKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := writeAtomic(path, func(w io.Writer) error {
		if _, err := w.Write([]byte("half")); err != nil {
			return err
		}
		return syscall.ENOSPC
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "as it was before") {
		t.Errorf("got %v", err)
	}
	if content(t, path) != "old" {
		t.Errorf("the old file became %q", content(t, path))
	}
	only(t, dir, "report.json")
}

func TestWriteFileFollowsALink(t *testing.T) {
	dir, real := t.TempDir(), t.TempDir()
	target := filepath.Join(real, "r.txt")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, matchResult(), Text, Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(content(t, target), "MATCH") {
		t.Error("the link was replaced instead of followed")
	}
}

// A full device: the error must come out, and name its cause.
func TestWriteFileToADevice(t *testing.T) {
	if err := WriteFile(os.DevNull, matchResult(), JSON, Options{}); err != nil {
		t.Errorf("%s: %v", os.DevNull, err)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skipf("this system has no /dev/full: %v", err)
	}
	if err := Prepare("/dev/full"); err != nil {
		t.Error(err)
	}
	if err := WriteFile("/dev/full", matchResult(), JSON, Options{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

type brokenWriter struct{ bytes.Buffer }

func (*brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteReportsTheWritersError(t *testing.T) {
	for _, f := range Formats() {
		if err := Write(&brokenWriter{}, matchResult(), f, Options{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", f, err)
		}
	}
}
