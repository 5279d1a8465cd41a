package fence_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// carries is a fence whose cover is known; the value is the tables' states.
type carries map[string]string

func (c carries) Mark(context.Context) (fence.Mark, error)         { return fence.Mark{}, nil }
func (c carries) Wait(ctx context.Context, _ fence.Mark) error     { return context.Cause(ctx) }
func (c carries) Health(context.Context) (h fence.Health, _ error) { return h, nil }
func (c carries) Cover(_ context.Context, tables []string) (fence.Cover, error) {
	var cover fence.Cover
	for _, t := range tables {
		if s := (postgres.TableState{Table: t, Leaf: t, State: c[t]}); !s.Ready() {
			cover.Gaps = append(cover.Gaps, s)
		}
	}
	return cover, nil
}

// TestJoinedCovers: fences side by side carry what any of them carries, those
// in a row what all of them do; what is not ready anywhere is a gap of both.
func TestJoinedCovers(t *testing.T) {
	one, two := carries{"a": "r", "b": "d", "c": "r"}, carries{"b": "r", "c": "r"}
	for what, c := range map[string]struct {
		fence fence.Fence
		want  string
	}{
		"all":   {fence.All(one, two), "[b=d d=]"},
		"chain": {fence.Chain(one, two), "[b=d d= a= d=]"},
	} {
		cover, err := c.fence.Cover(t.Context(), []string{"a", "b", "c", "d"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range cover.Gaps {
			got = append(got, s.Table+"="+s.State)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: gaps %v, want %v", what, got, c.want)
		}
	}
}

// TestForeignMark: a mark that another fence took proves nothing.
func TestForeignMark(t *testing.T) {
	for what, f := range map[string]fence.Fence{
		"physical":  fence.Physical(nil, nil),
		"heartbeat": fence.NewHeartbeat(nil, nil, fence.Heartbeat{}),
		"all":       fence.All(fence.Still(), fence.Still()),
		"chain":     fence.Chain(fence.Physical(nil, nil), fence.Still()),
	} {
		if err := waits(t, f, mark(t, fence.Still()), time.Second); err == nil {
			t.Errorf("%s took a mark that it did not give", what)
		}
	}
}
