package follow

import (
	"testing"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// TestWidened: a transaction has the epoch in which it is nearest to the next one.
func TestWidened(t *testing.T) {
	for _, c := range []struct {
		snapshot string
		xid      uint32
		want     uint64
		over     bool
	}{
		{"100:105:101,103", 101, 101, false},
		{"100:105:101,103", 102, 102, true},
		{"100:105:101,103", 105, 105, false},
		{"4294967300:4294967310:", 4294967290, 4294967290, true},   // before the wrap
		{"4294967300:4294967310:4294967301", 5, 4294967301, false}, // behind it
		{"8589934590:8589934590:", 3, 8589934595, false},           // not begun, in the next epoch
		{"4294967290:4294967295:4294967290", 4294967290, 4294967290, false},
	} {
		s, ok := parseSnapshot(c.snapshot)
		if wide := s.widened(c.xid); !ok || wide != c.want || s.over(wide) != c.over {
			t.Errorf("%s: %d is %d, over: %v", c.snapshot, c.xid, wide, s.over(wide))
		}
	}
	for _, bad := range []string{"", "1:2", "1:x:", "1:2:y", "1:2:3:4"} {
		if _, ok := parseSnapshot(bad); ok {
			t.Errorf("%q is a snapshot", bad)
		}
	}
}

// TestMarks: the moment that belongs to a place is never one behind it, however many there
// are.
func TestMarks(t *testing.T) {
	var m marks
	start := time.Now()
	for i := range 5000 {
		m.put(mark{start.Add(time.Duration(i) * time.Second), postgres.LSN(10 + i*10)})
	}
	if len(m) > maxMarks {
		t.Errorf("%d marks", len(m))
	}
	for _, at := range []postgres.LSN{5, 10, 12345, 30000, 49999, 60000} {
		got := m.reached(at)
		limit := start.Add(time.Duration(at/10) * time.Second)
		if got.After(limit) || at >= 10 && got.IsZero() || at == 5 && !got.IsZero() || at > 12 && limit.Sub(got) > 1100*time.Second {
			t.Errorf("%d: %s", at, got.Sub(start))
		}
	}
	m = nil
	m.put(mark{start, 10})
	m.put(mark{start.Add(time.Hour), 10})
	if got := m.reached(10); got != start.Add(time.Hour) {
		t.Errorf("an idle source: %s", got)
	}
}

// TestJoined: two keys are never one.
func TestJoined(t *testing.T) {
	seen := map[string][]string{}
	for _, k := range [][]string{{"a", "b"}, {"ab", ""}, {"", "ab"}, {"1:a", "b"}, {"a1:", "b"}, {"a", "1:b"}} {
		if other, known := seen[joined(k)]; known {
			t.Errorf("%q and %q are %q", k, other, joined(k))
		}
		seen[joined(k)] = k
	}
}
