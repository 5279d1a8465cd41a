//go:build unix

package cutover

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRewriteKeeps: mode, owner and a symbolic link stay, and nothing is left
// beside the file, also when nothing came of it.
func TestRewriteKeeps(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.ini"), filepath.Join(dir, "link.ini")
	writeFile(t, file, "app = host=old\n")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	owner := os.Getuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(file, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real.ini", link); err != nil {
		t.Fatal(err)
	}
	if err := replaceable(link); err != nil {
		t.Error(err)
	}
	edit := []EditedFile{{Path: link, Before: "app = host=old", After: "app = host=new"}}
	for range 2 { // the second time it is so already
		if err := writeEdits(link, edit); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(link)
	info, err := os.Lstat(file)
	if err != nil || string(text) != "app = host=new\n" || info.Mode() != 0o640 || int(info.Sys().(*syscall.Stat_t).Uid) != owner {
		t.Errorf("%q, %v, %v", text, info, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	says(t, writeEdits(link, []EditedFile{{Path: link, Before: "app = host=1", After: "app = host=2"}}), "changed by somebody else")
	says(t, writeEdits(link, []EditedFile{{Path: link, Before: "b = host=1", After: "b = host=2"}}), "there is no entry b")
	if left, _ := filepath.Glob(filepath.Join(dir, ".pgparity-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	says(t, replaceable(filepath.Join(dir, "none")), "no such file")
}
