package postgres

import (
	"strings"
	"testing"
)

// TestBucardoState: only what is noted and carried somewhere is ready, and what
// is not says why.
func TestBucardoState(t *testing.T) {
	all := func(trigger string) BucardoTable {
		return BucardoTable{Delta: "bucardo.delta_a", Track: "bucardo.track_a", Targets: []string{BucardoTarget("shop")}, Trigger: trigger}
	}
	untracked, nowhere := all("O"), all("O")
	untracked.Track, nowhere.Targets = "", nil
	for _, c := range []struct {
		name  string
		table BucardoTable
		ready bool
		phase string
	}{
		{"origin", all("O"), true, "ready"},
		{"always", all("A"), true, "ready"},
		{"replica", all("R"), false, "disabled"},
		{"disabled", all("D"), false, "disabled"},
		{"dropped", all(""), false, "no trigger"},
		{"no track table", untracked, false, "in no sync"},
		{"no group", nowhere, false, "in no sync"},
		{"unknown to Bucardo", BucardoTable{}, false, "in no sync"},
	} {
		s := TableState{Subscription: bucardoName, State: c.table.State()}
		if s.Ready() != c.ready || !strings.Contains(s.Phase(), c.phase) {
			t.Errorf("%s: ready %v, %q; want %v, %q", c.name, s.Ready(), s.Phase(), c.ready, c.phase)
		}
	}
}
