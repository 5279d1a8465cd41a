package checker_test

import (
	"context"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// open connects to a test database as one side.
func open(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(context.Background(), postgres.Options{Side: side, URL: url, MaxConns: 3, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// defaults are the options that verify has without flags.
func defaults() checker.Options {
	return checker.Options{
		Checks: []string{"sequences", "counts", "last", "ranges"}, Last: 1000,
		Concurrency: 2, Digest: hashing.Auto, MaxDiffs: 100,
	}
}

// verify runs a check of two databases and fails the test where it cannot run.
func verify(t *testing.T, sourceURL, targetURL string, o checker.Options) *checker.Result {
	t.Helper()
	res, err := checker.Run(context.Background(), open(t, postgres.Source, sourceURL), open(t, postgres.Target, targetURL), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
