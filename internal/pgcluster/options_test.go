//go:build linux || darwin

package pgcluster

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Major: 15,
		InitdbArgs: []string{"--encoding=LATIN1"},
		Settings:   map[string]string{"wal_level": "replica", "my.text": `it's a \ and` + "\na line"}})
	url := c.URL("postgres")
	for sql, want := range map[string]string{
		"SHOW server_encoding":         "LATIN1",
		"SHOW lc_collate":              "C",
		"SHOW wal_level":               "replica",
		"SHOW my.text":                 `it's a \ and` + "\na line",
		"SHOW synchronous_commit":      "on",
		"SHOW fsync":                   "off",
		"SHOW listen_addresses":        "127.0.0.1",
		"SHOW unix_socket_directories": c.SocketDir(),
	} {
		if got := query(t, url, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}

func TestIcu(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Major: 15, InitdbArgs: []string{"--locale-provider=icu", "--icu-locale=de"}})
	if got := query(t, c.URL("postgres"), "SELECT daticulocale::text FROM pg_database WHERE datname = 'postgres'"); got != "de" {
		t.Errorf("icu locale %q", got)
	}
}

// TestStartErrors: the error names the version and carries what the server said;
// nothing is left.
func TestStartErrors(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"setting":     {Options{Major: 15, Settings: map[string]string{"shared_buffers": "many"}}, "shared_buffers"},
		"name":        {Options{Major: 15, Settings: map[string]string{"a = 1\nb": "2"}}, "not the name of a setting"},
		"initdb":      {Options{Major: 15, InitdbArgs: []string{"--no-such-thing"}}, "no-such-thing"},
		"old version": {Options{Major: 9}, "10 to 18"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			if err := os.Chmod(os.TempDir(), 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := Start(t.Context(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "postgres "+strconv.Itoa(c.o.Major)) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
				t.Errorf("%v left", left)
			}
		})
	}
}

// TestExecError names the server and the statement.
func TestExecError(t *testing.T) {
	c := Shared(t, 15)
	err := c.Exec(t.Context(), "postgres", "SELECT 1; SELECT 1/0")
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pgErr.Code != "22012" || !strings.Contains(err.Error(), "postgres 15.") || !strings.Contains(err.Error(), "1/0") {
		t.Errorf("error %v", err)
	}
}
