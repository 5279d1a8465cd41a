package schema_test

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

//go:embed testdata/everyday.sql
var everyday string

// everydayRoles are wanted by everyday.sql, in each cluster.
const everydayRoles = `DO $$ BEGIN PERFORM pg_advisory_lock(2); IF to_regrole('everyday_app') IS NULL THEN CREATE ROLE everyday_app; END IF; PERFORM pg_advisory_unlock(2); END $$`

// everydayCluster is one that such databases alone are made in.
func everydayCluster(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	c := pgcluster.SharedWith(t, fmt.Sprintf("everyday %d", major), pgcluster.Options{Major: major})
	if err := c.Exec(t.Context(), "postgres", everydayRoles); err != nil {
		t.Fatal(err)
	}
	return c
}

// everydaySQL is the part of everyday.sql that a version knows.
func everydaySQL(major int) []string {
	var list []string
	for _, part := range strings.Split("10\n"+everyday, "\n-- since ") {
		number, sql, _ := strings.Cut(part, "\n")
		since := 0
		if _, err := fmt.Sscan(number, &since); err != nil {
			panic(err)
		}
		if since <= major {
			list = append(list, sql)
		}
	}
	return list
}

// Ordinary databases are the same after a dump and a restore in a newer version.
func TestEverydayAfterDumpAndRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes seconds; run without -short")
	}
	for _, majors := range [][2]int{{10, 18}, {12, 15}, {13, 16}, {14, 17}, {15, 18}, {13, 15}} {
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			source := everydayCluster(t, majors[0]).TestDB(t, everydaySQL(majors[0])...)
			target := everydayCluster(t, majors[1]).TestDB(t)
			dump, err := pgcluster.Dump(t.Context(), source)
			if err == nil {
				err = pgcluster.Restore(t.Context(), target, dump)
			}
			switch {
			case errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true":
				t.Skipf("skipped: %v", err)
			case err != nil:
				t.Fatal(err)
			}
			for _, d := range compareZoos(t, source, target) {
				t.Errorf("%s %s\nsource: %s\ntarget: %s", d.Kind, d.Object, d.Source, d.Target)
			}
		})
	}
}
