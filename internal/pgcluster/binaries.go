package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// The major versions this package knows.
const (
	OldestMajor = 10
	NewestMajor = 18
)

// ErrUnavailable marks a major version that is neither here nor to be had; the
// error that wraps it ends in the command to type.
var ErrUnavailable = errors.New("server not available")

// Binaries are the programs of one server version, initdb and postgres at
// least; client programs (psql, pg_dump) are not always among them.
type Binaries struct {
	Major   int
	Version string // as the server says it, such as 15.18
	BinDir  string
	LibDir  string // for the loader; empty where the system's libraries serve
}

// Path is the path of a program; it doesn't have to exist.
func (b Binaries) Path(program string) string { return filepath.Join(b.BinDir, program) }

// Env is what the programs need in their environment, over the caller's own.
func (b Binaries) Env() []string {
	switch {
	case b.LibDir == "":
		return nil
	case runtime.GOOS == "darwin":
		return []string{"DYLD_LIBRARY_PATH=" + b.LibDir}
	default:
		return []string{"LD_LIBRARY_PATH=" + b.LibDir}
	}
}

// Available lists the major versions at hand without the network, oldest first.
func Available(ctx context.Context) []int {
	found := installed(ctx)
	for major := range packages {
		if b, ok := cachedPackage(ctx, major); ok {
			found[major] = b
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Ensure finds a server of a major version: in PATH, in the usual folders, in
// the cache; else it downloads one into the cache, and logs that it does.
// Major 0 means the newest at hand. Several processes may ask at once.
func Ensure(ctx context.Context, major int) (Binaries, error) {
	return ensure(ctx, major, slogf)
}

func slogf(format string, args ...any) { slog.Info(fmt.Sprintf(format, args...)) }

func ensure(ctx context.Context, major int, logf func(string, ...any)) (Binaries, error) {
	if major == 0 {
		major = NewestMajor
		if at := Available(ctx); len(at) > 0 {
			major = at[len(at)-1]
		}
	}
	if major < OldestMajor || major > NewestMajor {
		return Binaries{}, fmt.Errorf("postgres %d: %w: majors %d to %d are known; ask for one of those", major, ErrUnavailable, OldestMajor, NewestMajor)
	}
	if b, ok := installed(ctx)[major]; ok {
		return b, nil
	}
	if b, ok := cachedPackage(ctx, major); ok {
		return b, nil
	}
	return installPackage(ctx, major, logf)
}

// installed finds the servers of the system; per major the first one wins, and
// PATH comes first.
func installed(ctx context.Context) map[int]Binaries {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	} {
		hits, _ := filepath.Glob(pattern) // the patterns are well formed
		dirs = append(dirs, hits...)
	}
	found := map[int]Binaries{}
	for _, dir := range dirs {
		b, err := inspect(ctx, dir, "")
		if _, known := found[b.Major]; err == nil && !known {
			found[b.Major] = b
		}
	}
	return found
}

// inspected remembers which version lies where: asking costs a process.
var inspected sync.Map // bin folder → Binaries

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) ((\d+)(?:\.\d+|devel|beta\d+|rc\d+)*)`)

// inspect asks the server in a folder for its version.
func inspect(ctx context.Context, binDir, libDir string) (Binaries, error) {
	if b, ok := inspected.Load(binDir); ok {
		return b.(Binaries), nil
	}
	b := Binaries{BinDir: binDir, LibDir: libDir}
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(b.Path(program)); err != nil {
			return Binaries{}, err
		}
	}
	cmd := exec.CommandContext(ctx, b.Path("postgres"), "--version")
	cmd.Env = append(os.Environ(), b.Env()...)
	out, err := cmd.Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("%s --version: %w", b.Path("postgres"), err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return Binaries{}, fmt.Errorf("%s --version: not a version: %q", b.Path("postgres"), out)
	}
	b.Version = string(m[1])
	if b.Major, err = strconv.Atoi(string(m[2])); err != nil {
		return Binaries{}, err
	}
	inspected.Store(binDir, b)
	return b, nil
}

// cacheDir is where downloaded servers and prepared data directories are kept:
// $PGPARITY_CACHE, else /var/cache/pgparity for root, else the user's own cache.
// It is made if missing, and as root open to the account that runs the servers.
func cacheDir() (string, error) {
	dir := os.Getenv("PGPARITY_CACHE")
	if dir == "" && os.Geteuid() == 0 {
		dir = "/var/cache/pgparity"
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("cache: %w; set PGPARITY_CACHE to a folder", err)
		}
		dir = filepath.Join(user, "pgparity")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w; set PGPARITY_CACHE to a folder you may write", err)
	}
	acc, err := serverAccount()
	if err != nil {
		return "", err
	}
	if acc.mayNotEnter(dir) {
		return "", fmt.Errorf("cache: user %s, who runs the servers, may not enter %s; set PGPARITY_CACHE to a folder open to all", acc.name, dir)
	}
	return dir, nil
}
