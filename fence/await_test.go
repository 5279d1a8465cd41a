package fence

import (
	"context"
	"testing"
)

// TestAwaitPassedLate: what was proved while the deadline ran out is proved.
func TestAwaitPassedLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := await(ctx, Mark{}, func(context.Context) (bool, error) {
		cancel()
		return true, nil
	}, func(context.Context) ([]Trouble, error) {
		t.Error("nothing was left to explain")
		return []Trouble{{}}, nil
	})
	if err != nil {
		t.Errorf("a fence that was passed: %v", err)
	}
}
