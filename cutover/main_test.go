package cutover

import (
	"os"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestMain runs the tests, or, where it was started by one of them as another
// process, plays the part that it was given (child_test.go).
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && parts[os.Args[1]] != nil {
		os.Exit(parts[os.Args[1]]())
	}
	pgcluster.Main(m)
}
