package checker_test

import (
	"strings"
	"testing"
)

// heavy leaves a test out that one goroutine spends on a lot of bytes: the race detector takes up to a
// hundred times as long for it, and has nothing to see.
func heavy(t *testing.T) {
	t.Helper()
	if !strings.HasPrefix(t.Name(), "TestHeavy") {
		t.Fatal("`make test` runs what is heavy by its name: TestHeavy…")
	}
	if raced {
		t.Skip("one goroutine and many bytes: `make test` runs it without the race detector")
	}
}
