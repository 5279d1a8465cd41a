// Package zoo makes one of each thing that a PostgreSQL schema can hold, with
// rows, for tests: what a dump carries from one major version to another has to
// be found equal there, by definition and by data.
//
// The rules of its SQL files are:
//
//   - They run in the order of their names, as superuser, each section as one
//     transaction; they run by hand with psql as well.
//   - A line "-- since 14" begins a section for servers of that major and newer,
//     up to the next such line or the end of the file.
//   - Roles are made where they are missing: several zoos share a cluster.
package zoo

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn" //nolint:depguard // it makes databases for tests, as pgcluster does

	"github.com/pgparity/pgparity/internal/pgcluster"
)

//go:embed *.sql
var files embed.FS

// Cluster is a cluster of a major version that holds nothing but zoos: what
// other tests do to roles does not show. It is shared, as pgcluster.Shared is.
func Cluster(tb testing.TB, major int) *pgcluster.Cluster {
	tb.Helper()
	return pgcluster.SharedWith(tb, "zoo "+strconv.Itoa(major), pgcluster.Options{Major: major})
}

// New is the URL of a new database with the zoo, all that the major version
// knows.
func New(tb testing.TB, major int) string {
	tb.Helper()
	c := Cluster(tb, major)
	database := c.TestDB(tb)
	if err := load(tb.Context(), database, major, func(string) bool { return true }); err != nil {
		tb.Fatal(err)
	}
	return database
}

// Pair is a zoo of one major version and what its dump makes in a cluster of
// another: the URLs of source and target. The databases have one name. The test is
// skipped with the reason where pg_dump is not there, and fails where CI=true.
func Pair(tb testing.TB, source, target int) (sourceURL, targetURL string) {
	tb.Helper()
	sourceURL = New(tb, source)
	return sourceURL, Restore(tb, sourceURL, target)
}

// Restore dumps a database and restores it in a cluster of another major version
// under the same name; it gives the URL there.
func Restore(tb testing.TB, sourceURL string, major int) string {
	tb.Helper()
	c := Cluster(tb, major)
	if err := load(tb.Context(), c.URL("postgres"), major, isRoles); err != nil {
		tb.Fatal(err)
	}
	dump, err := pgcluster.Dump(tb.Context(), sourceURL, "--create")
	if err == nil {
		if major < 15 { // CREATE DATABASE did not know the option: there was one provider
			dump = bytes.Replace(dump, []byte(" LOCALE_PROVIDER = libc"), nil, 1)
		}
		err = pgcluster.Restore(tb.Context(), c.URL("postgres"), dump)
	}
	switch {
	case errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true":
		tb.Skipf("skipped: %v", err)
	case err != nil:
		tb.Fatal(err)
	}
	cfg, err := pgconn.ParseConfig(sourceURL)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.DropDatabase(ctx, cfg.Database); err != nil {
			tb.Logf("drop restored database: %v", err)
		}
	})
	return c.URL(cfg.Database)
}

func isRoles(name string) bool { return name == "00_roles.sql" }

// load runs the files that are wanted.
func load(ctx context.Context, databaseURL string, major int, wanted func(name string) bool) (err error) {
	conn, err := pgconn.Connect(ctx, databaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		if !wanted(name) {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		for _, s := range sections(string(text), major) {
			if _, err := conn.Exec(ctx, s.sql).ReadAll(); err != nil {
				return fmt.Errorf("postgres %d: %s:%d: %w", major, name, s.line+lineOf(s.sql, err), err)
			}
		}
	}
	return nil
}

type section struct {
	line int // of the file, counted from 1, at which sql begins
	sql  string
}

var since = regexp.MustCompile(`(?m)^-- since (\d+)$`)

// sections are the parts of a file that a major version runs.
func sections(text string, major int) []section {
	var list []section
	from, wanted := 0, true
	add := func(to int) {
		if wanted {
			list = append(list, section{1 + strings.Count(text[:from], "\n"), text[from:to]})
		}
	}
	for _, m := range since.FindAllStringSubmatchIndex(text, -1) {
		add(m[0])
		n, err := strconv.Atoi(text[m[2]:m[3]])
		from, wanted = m[0], err == nil && n <= major
	}
	add(len(text))
	return list
}

// lineOf is how many lines into a text the server found its error.
func lineOf(sql string, err error) int {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Position == 0 {
		return 0
	}
	head := []rune(sql)
	return strings.Count(string(head[:min(int(pg.Position)-1, len(head))]), "\n")
}
