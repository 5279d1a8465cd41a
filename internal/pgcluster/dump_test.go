//go:build linux || darwin

package pgcluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// available skips a test where the client programs are not there.
func available(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What is dumped from an older server is there after the restore in a newer one:
// rows, large objects, and, with --create, the database's settings.
func TestDumpAndRestore(t *testing.T) {
	old, young := Shared(t, 10), Shared(t, 15)
	source := old.TestDB(t, `CREATE TABLE "it's" (id int PRIMARY KEY, v text)`, `INSERT INTO "it's" SELECT g, 'v' || g FROM generate_series(1, 100) g`,
		"SELECT lo_from_bytea(70000, 'large')", "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''7MB''', current_database()); END$$")
	dump, err := Dump(t.Context(), source)
	available(t, err)
	target := young.TestDB(t)
	if err := Restore(t.Context(), target, dump); err != nil {
		t.Fatal(err)
	}
	const facts = `SELECT count(*) || ' ' || max(v) || ' ' || (SELECT convert_from(lo_get(70000), 'UTF8')) FROM "it's"`
	if got := query(t, target, facts); got != "100 v99 large" {
		t.Errorf("restored: %s", got)
	}

	name := query(t, source, "SELECT current_database()::text")
	if dump, err = Dump(t.Context(), source, "--create"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = young.DropDatabase(context.Background(), name) })
	if err := Restore(t.Context(), young.URL("postgres"), dump); err != nil {
		t.Fatal(err)
	}
	if got := query(t, young.URL(name), facts); got != "100 v99 large" {
		t.Errorf("restored with its database: %s", got)
	}
	if got := query(t, young.URL(name), "SHOW work_mem"); got != "7MB" {
		t.Errorf("work_mem of the restored database is %s", got)
	}
}

// A statement that fails ends the restore, and the error says where and why; so
// does what pg_dump cannot do. No password is told.
func TestRestoreStopsAtAnError(t *testing.T) {
	c := Shared(t, 15)
	url := c.TestDB(t)
	err := Restore(t.Context(), url, []byte("CREATE TABLE a ();\nCREATE TABLE a ();\nCREATE TABLE b ();\n"))
	if errors.Is(err, ErrUnavailable) {
		available(t, err)
	}
	if err == nil || !strings.Contains(err.Error(), `:2: ERROR:  relation "a" already exists`) {
		t.Errorf("not where and why: %v", err)
	}
	if got := query(t, url, "SELECT count(*)::text FROM pg_class WHERE relname IN ('a', 'b')"); got != "1" {
		t.Errorf("%s tables: it went on after the error", got)
	}
	_, err = Dump(t.Context(), c.UserURL("nobody_here", "very secret", "postgres"))
	if err == nil || strings.Contains(err.Error(), "very secret") || !strings.Contains(err.Error(), "nobody_here") {
		t.Errorf("of a role that is not there: %v", err)
	}
	if _, err = Dump(t.Context(), "not a URL password=secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("of what is no URL: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = Dump(ctx, url); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancellation: %v", err)
	}
}

// The oldest client that serves is taken, one that is too old never, and where
// there is none that is said.
func TestFindClient(t *testing.T) {
	path := t.TempDir()
	t.Setenv("PATH", path)
	program := func(name, version string) {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(path, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := findClient(t.Context(), "no_such_client"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "install") {
		t.Errorf("none is there: %v", err)
	}
	program("no_such_client", "9.6.24")
	if at, err := findClient(t.Context(), "no_such_client"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("too old a client: %s, %v", at, err)
	}
	program("no_such_client", "16.1 (Debian 16.1-1)")
	if at, err := findClient(t.Context(), "no_such_client"); err != nil || at != filepath.Join(path, "no_such_client") {
		t.Errorf("a client in PATH: %s, %v", at, err)
	}
}
