package monitor

import (
	"os"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestMain is the child of a test that kills one, too.
func TestMain(m *testing.M) {
	if what := os.Getenv("PGPARITY_TEST_CHILD"); what != "" {
		os.Exit(children[what]())
	}
	pgcluster.Main(m)
}

// children are what a test runs as another process.
var children = map[string]func() int{"store": storeChild, "monitor": monitorChild}
