package checker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// crowd is a source and a target of many rows, each of a fate of its own.
type crowd struct {
	fates  map[string]string
	round  int
	failAt int // the reading that fails; -1 for none
}

var errLook = errors.New("connection lost")

func (c *crowd) look(_ context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error) {
	if c.round == c.failAt {
		return nil, errLook
	}
	c.round++
	states := make([]hashing.State, len(keys))
	for i, k := range keys {
		pair := map[string][2]string{
			"equal": {"1:a", "7:a"}, "missing": {"1:a", "-"}, "extra": {"-", "7:a"}, "different": {"1:a", "7:b"},
			"hot": {fmt.Sprintf("%d:a", c.round), "-"},
		}[c.fates[k[0]]]
		if side == postgres.Source {
			states[i] = seen(pair[0])
		} else {
			states[i] = seen(pair[1])
		}
	}
	return states, nil
}

// TestRecheckLosesNoSuspect demands that each key comes out once, whatever
// its fate and wherever a reading fails.
func TestRecheckLosesNoSuspect(t *testing.T) {
	fates := []string{"equal", "missing", "extra", "different", "hot"}
	rapid.Check(t, func(rt *rapid.T) {
		c := &crowd{fates: map[string]string{}, failAt: rapid.IntRange(-1, 8).Draw(rt, "failing reading")}
		var keys [][]string
		for i, fate := range rapid.SliceOfN(rapid.SampledFrom(fates), 0, 12).Draw(rt, "fates") {
			key := fmt.Sprint(i)
			c.fates[key] = fate
			keys = append(keys, []string{key})
		}
		var confirmed, unsettled []*checker.Suspect
		var err error
		synctest.Test(t, func(*testing.T) { // the pauses take no time
			confirmed, unsettled, err = checker.Recheck{Look: c.look, Settle: 5 * time.Second}.Run(context.Background(), keys)
		})
		if failed := errors.Is(err, errLook); err != nil && !failed || failed != (c.round == c.failAt && c.failAt >= 0 && len(unsettled) > 0) {
			rt.Fatalf("reading %d of %d failed, err = %v", c.failAt, c.round, err)
		}
		out := map[string]string{}
		for name, list := range map[string][]*checker.Suspect{"confirmed": confirmed, "unsettled": unsettled} {
			for _, s := range list {
				if old := out[s.Key[0]]; old != "" {
					rt.Fatalf("key %s came out as %s and as %s", s.Key[0], old, name)
				}
				out[s.Key[0]] = name
			}
		}
		for key, fate := range c.fates {
			want := []string{"confirmed"}
			switch fate {
			case "equal":
				want = []string{"", "unsettled"} // cleared, or not read often enough
			case "hot":
				want = []string{"unsettled"}
			}
			if err != nil {
				want = append(want, "unsettled")
			} else if fate == "equal" {
				want = want[:1]
			}
			if !slices.Contains(want, out[key]) {
				rt.Fatalf("key %s (%s) came out as %q, want one of %q; err = %v", key, fate, out[key], want, err)
			}
		}
	})
}

// TestRecheckStopsWhenCancelled keeps the suspects that a cancelled run had
// not settled.
func TestRecheckStopsWhenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &crowd{fates: map[string]string{"1": "hot", "2": "missing"}, failAt: -1}
		look := func(ctx context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error) {
			if c.round == 3 {
				cancel() // before the first pause
			}
			return c.look(ctx, side, keys)
		}
		confirmed, unsettled, err := checker.Recheck{Look: look, Settle: time.Minute}.Run(ctx, [][]string{{"1"}, {"2"}})
		if !errors.Is(err, context.Canceled) || len(confirmed) != 1 || len(unsettled) != 1 {
			t.Errorf("got %d confirmed, %d unsettled, err %v; want one of each and context.Canceled", len(confirmed), len(unsettled), err)
		}
	})
}
