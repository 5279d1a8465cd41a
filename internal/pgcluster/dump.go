package pgcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// dumpMajor is the oldest pg_dump that serves: it reads the servers of its own
// version and of older ones, and what it writes is read by newer ones. The one of
// 17 and newer begins with settings that servers before 17 refuse.
const dumpMajor = 15

// Dump is what pg_dump writes of a database, as SQL for psql: definitions,
// privileges, rows and large objects, but no roles. args go to pg_dump, such as
// --create or --schema-only. The server may not be newer than pg_dump. It is
// ErrUnavailable where no pg_dump of 15 or newer is there.
func Dump(ctx context.Context, databaseURL string, args ...string) ([]byte, error) {
	return client(ctx, "pg_dump", databaseURL, nil, args...)
}

// Restore runs SQL for psql, as Dump gives it, and stops at the first statement
// that fails; the error has its line and the server's message. Of a dump made with
// --create the URL names any other database. It is ErrUnavailable as Dump is.
func Restore(ctx context.Context, databaseURL string, sql []byte) error {
	_, err := client(ctx, "psql", databaseURL, sql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
	return err
}

// client runs a client program against a database and gives what it prints.
func client(ctx context.Context, program, databaseURL string, stdin []byte, args ...string) ([]byte, error) {
	at, err := findClient(ctx, program)
	if err != nil {
		return nil, err
	}
	bare, password, err := withoutPassword(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	cmd := exec.CommandContext(ctx, at, append([]string{"--no-password", "--dbname=" + bare}, args...)...)
	cmd.Dir = "/"
	cmd.Env = append(cleanEnv(), "PGPASSWORD="+password)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", program, context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// withoutPassword takes the password out of a URL: arguments are in the list of
// processes, which anybody may read. The error does not quote the URL.
func withoutPassword(databaseURL string) (bare, password string, err error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme == "" {
		return "", "", errors.New("want a URL: postgres://user@host:port/database")
	}
	if u.User != nil {
		password, _ = u.User.Password()
		u.User = url.User(u.User.Username())
	}
	return u.String(), password, nil
}

var clientVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// findClient finds a client program beside a server or in PATH: the oldest that
// serves, so that what it writes is read by as many servers as can be.
func findClient(ctx context.Context, program string) (string, error) {
	var candidates []string
	for _, b := range installed(ctx) {
		candidates = append(candidates, b.Path(program))
	}
	candidates = append(candidates, program)
	best, bestMajor := "", 0
	for _, name := range candidates {
		at, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, at, "--version")
		cmd.Env = cleanEnv()
		out, err := cmd.Output()
		m := clientVersion.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		major, err := strconv.Atoi(string(m[1]))
		if err == nil && major >= dumpMajor && (best == "" || major < bestMajor) {
			best, bestMajor = at, major
		}
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", program, context.Cause(ctx))
	}
	if best == "" {
		return "", fmt.Errorf("%s: %w: none of version %d or newer is in PATH or beside a server; install the client programs of PostgreSQL %d (Debian, Ubuntu: postgresql-client-%d)",
			program, ErrUnavailable, dumpMajor, dumpMajor, dumpMajor)
	}
	return filepath.Clean(best), nil
}
