package fence_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// stalls waits in vain and gives the stall.
func stalls(t *testing.T, f fence.Fence, m fence.Mark, d time.Duration) *fence.Stalled {
	t.Helper()
	err := waits(t, f, m, d)
	var stalled *fence.Stalled
	if !errors.As(err, &stalled) {
		t.Fatalf("want a stall, got: %v", err)
	}
	return stalled
}

func has(s *fence.Stalled, kinds ...fence.TroubleKind) bool {
	for _, x := range s.Troubles {
		for _, k := range kinds {
			if x.Kind == k {
				return true
			}
		}
	}
	return false
}

// TestDisabled: what is switched off is named at once, by the wait too.
func TestDisabled(t *testing.T) {
	for _, majors := range [][2]int{{15, 18}, {10, 13}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			if majors[0] != 15 {
				long(t, "further versions")
			}
			p := newPair(t, server(t, majors[0]), server(t, majors[1]), ledgers)
			name := subscribe(t, p.source, p.target, "a", "")
			f := p.fence(t)
			p.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE")
			began := time.Now()
			s := stalls(t, f, mark(t, f), 20*time.Second)
			if !has(s, fence.Disabled) || time.Since(began) > 10*time.Second {
				t.Errorf("a disabled subscription was told as %v after %v", s, time.Since(began))
			}
			contains(t, s.Error(), name, "ALTER SUBSCRIPTION")
			if x := trouble(t, f, fence.Disabled); x == nil || !x.Blocking || x.Subject != name {
				t.Errorf("health tells %+v", x)
			}
			// Found disabled, it is one of the pair's all the same.
			d := p.detect(t)
			if len(d.Forward) != 1 {
				t.Fatalf("found %+v, others %q", d.Forward, d.Others)
			}
			p.target.exec(t, "ALTER SUBSCRIPTION "+name+" ENABLE")
			p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
			pass(t, f)
			if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
				t.Errorf("behind the fence the target has %s rows, want 1", got)
			}
		})
	}
}

// TestCrashLoop: a worker that fails over and over is named.
func TestCrashLoop(t *testing.T) {
	long(t, "takes seconds")
	for _, majors := range [][2]int{{15, 18}, {10, 13}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			if majors[0] != 15 {
				long(t, "further versions")
			}
			p := newPair(t, server(t, majors[0]), server(t, majors[1]), ledgers)
			subscribe(t, p.source, p.target, "a", "")
			f := p.fence(t)
			p.target.exec(t, "INSERT INTO a VALUES (1, 1)")
			p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
			m := mark(t, f)
			s := stalls(t, f, m, 2*time.Second)
			if !has(s, fence.WorkerDown, fence.WorkerRestarts, fence.ApplyErrors) {
				t.Errorf("a worker that fails was told as %v", s)
			}
			if majors[1] >= 15 {
				until(t, "the errors are counted", func() bool { return trouble(t, f, fence.ApplyErrors) != nil })
			}
			until(t, "the worker is down", func() bool { return trouble(t, f, fence.WorkerDown) != nil })
			p.target.exec(t, "DELETE FROM a")
			if err := waits(t, f, m, 30*time.Second); err != nil {
				t.Fatal(err)
			}
			if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
				t.Errorf("behind the fence the target has %s rows, want 1", got)
			}
			if x := trouble(t, f, fence.WorkerRestarts); x == nil {
				t.Error("the worker is another one, and nobody says so")
			}
		})
	}
}

// TestCopyFails: a table whose copy fails shows no lag at all. The stream is
// passed, and the table is a gap in it.
func TestCopyFails(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	p.source.exec(t, "INSERT INTO b VALUES (1, 1)", "ALTER PUBLICATION "+name+" ADD TABLE b")
	p.target.exec(t, "INSERT INTO b VALUES (1, 1)", "ALTER SUBSCRIPTION "+name+" REFRESH PUBLICATION")
	until(t, "copying has failed", func() bool { return trouble(t, f, fence.ApplyErrors) != nil })
	pass(t, f)
	x := trouble(t, f, fence.NotReady)
	if x == nil || len(x.Tables) != 1 || x.Tables[0].Table != "public.b" {
		t.Fatalf("health tells %+v", x)
	}
	contains(t, x.Sentence, name, "public.b", "cop")
	c, err := f.Cover(t.Context(), []string{"public.a", "public.b"})
	if err != nil || len(c.Gaps) != 1 || c.Gaps[0].Table != "public.b" || c.Gaps[0].State == "r" {
		t.Errorf("gaps %+v, %v", c.Gaps, err)
	}
}

// TestSlotDropped: without its slot nothing will ever come.
func TestSlotDropped(t *testing.T) {
	long(t, "takes seconds")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE")
	until(t, "nobody reads the slot", func() bool {
		return p.source.ask(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "false"
	})
	p.source.exec(t, "SELECT pg_drop_replication_slot('"+name+"')")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" ENABLE")
	if s := stalls(t, f, mark(t, f), 20*time.Second); !has(s, fence.SlotMissing) || !s.Troubles[0].Blocking {
		t.Errorf("a dropped slot was told as %v", s)
	}
	// Found without its slot, it is still what should carry the pair.
	again := p.fence(t)
	if x := trouble(t, again, fence.SlotMissing); x == nil || x.Subject != name {
		t.Errorf("health tells %+v", x)
	}
}

// TestSlotLost: a slot whose log was removed.
func TestSlotLost(t *testing.T) {
	long(t, "a cluster of its own")
	short := pgcluster.SharedWith(t, "short log", pgcluster.Options{Major: 15, Settings: map[string]string{"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}})
	p := newPair(t, short, server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE")
	until(t, "the log is removed", func() bool {
		p.source.exec(t, "INSERT INTO b SELECT 1, coalesce(max(n), 0) + 1 FROM b", "SELECT pg_switch_wal()", "CHECKPOINT")
		return p.source.ask(t, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "lost"
	})
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" ENABLE")
	if s := stalls(t, f, mark(t, f), 20*time.Second); !has(s, fence.SlotLost) {
		t.Errorf("a lost slot was told as %v", s)
	}
}

// TestRemade: a subscription that was dropped and made anew without a copy took
// a new slot, which proves nothing of what was before.
func TestRemade(t *testing.T) {
	long(t, "takes seconds")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	m := mark(t, f)
	p.target.exec(t, "DROP SUBSCRIPTION "+name)
	if s := stalls(t, f, m, 20*time.Second); !has(s, fence.Dropped, fence.SlotMissing) {
		t.Errorf("a dropped subscription was told as %v", s)
	}
	p.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s WITH (copy_data = false)", name, p.source.cluster.URL(p.source.name)))
	if s := stalls(t, f, m, 20*time.Second); !has(s, fence.Dropped) {
		t.Errorf("a subscription that was made anew was told as %v", s)
	}
}

// TestPartial: absences that are meant are told beforehand.
func TestPartial(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a WHERE (n > 10), b (w, n)", "")
	p.source.exec(t, "ALTER PUBLICATION "+name+" SET (publish = 'insert')")
	h, err := p.fence(t).Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, x := range h.Troubles {
		if x.Kind == fence.Partial {
			text += x.Sentence + "\n"
		}
	}
	contains(t, text, "update, delete, truncate", "some rows of public.a", "some columns of public.b")
}
