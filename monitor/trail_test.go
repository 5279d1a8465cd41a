package monitor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

func (w *world) followed(name string) Pair {
	p := w.pair(name)
	p.Follow, p.Quick = true, time.Hour
	return p
}

// Between passes what changes is followed: watermarks go on, damage that is done to a row on its way is found with its
// key, a restart goes on where it was, and what following has made is removed.
func TestFollowing(t *testing.T) {
	long(t)
	w := newWorld(t)
	state := t.TempDir() + "/state.db"
	w.target.exec(t, `CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.id = 77 THEN NEW.note := 'damaged'; END IF; RETURN NEW; END$$`,
		"CREATE TRIGGER damage BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION damage()", "ALTER TABLE orders ENABLE ALWAYS TRIGGER damage")
	g := begin(t, state, nil, w.followed("shop"))
	s := g.until(t, "shop", "it is followed", func(s Status) bool { return matches(s) && s.Watermark != nil && s.Activity == Following })
	if s.Slot == nil || s.Slot.Name == "" || s.Slot.LimitBytes != 1<<30 || len(s.Tables) != 2 || !s.Tables[0].Followed || s.Tables[0].Watermark == nil {
		t.Fatalf("slot %+v, tables %+v", s.Slot, s.Tables)
	}
	before := s.Watermark
	w.source.exec(t, "UPDATE orders SET total = total + 1 WHERE id BETWEEN 70 AND 79")
	s = g.until(t, "shop", "the damage is found", func(s Status) bool {
		return s.Verdict == checker.Mismatch && s.Watermark != nil && s.Watermark.At.After(before.At)
	})
	if f := open(s); len(f) != 1 || f[0].Object != "public.orders" || f[0].Key[0].Value != "77" || f[0].By != "follow" || !slices.Contains(f[0].Columns, "note") {
		t.Errorf("found %+v", f)
	}
	if s.Totals.Changes < 10 || s.Totals.Passes != 1 {
		t.Errorf("%+v", s.Totals)
	}
	g.end(t)
	w.target.exec(t, "DROP TRIGGER damage ON orders")
	w.source.exec(t, "UPDATE orders SET total = total + 1 WHERE id BETWEEN 75 AND 85")
	again := begin(t, state, nil, w.followed("shop"))
	s = again.until(t, "shop", "it has healed, and is followed", func(s Status) bool {
		return matches(s) && s.Activity == Following && s.Watermark != nil && s.Watermark.At.After(before.At) && s.Totals.Changes >= 11
	})
	if s.Totals.Passes != 0 {
		t.Errorf("%d passes after a restart", s.Totals.Passes)
	}
	again.end(t)
	var said []string
	o := again.o
	if err := Cleanup(t.Context(), o, nil, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }); err != nil {
		t.Fatal(err)
	}
	if left := w.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+s.Slot.Name+"'"); left != "0" || len(said) != 1 {
		t.Errorf("%s slots are left: %q", left, said)
	}
}

// A table that following has lost track of is read anew, and goes on from there.
func TestATableThatIsTruncated(t *testing.T) {
	long(t)
	w := newWorld(t)
	g := begin(t, "", nil, w.followed("shop"))
	s := g.until(t, "shop", "it is followed", func(s Status) bool { return matches(s) && s.Watermark != nil })
	began := s.Watermark.At
	w.source.exec(t, "TRUNCATE items", "INSERT INTO items VALUES (1, 1, 'after')")
	s = g.until(t, "shop", "its watermark has gone on", func(s Status) bool {
		for _, r := range s.Runs {
			if r.Kind == "tables" {
				return s.Watermark != nil && s.Watermark.At.After(r.StartedAt) && matches(s)
			}
		}
		return false
	})
	if !s.Watermark.At.After(began) {
		t.Errorf("watermark of %s", s.Watermark.At)
	}
}

// A pair that is taken out of the configuration leaves no slot behind.
func TestAPairThatGoesLeavesNoSlot(t *testing.T) {
	long(t)
	w := newWorld(t)
	g := begin(t, "", nil, w.followed("shop"))
	s := g.until(t, "shop", "it is followed", func(s Status) bool { return s.Slot != nil })
	g.mu.Lock()
	g.settings.Pairs = nil
	g.mu.Unlock()
	g.reload <- struct{}{}
	until(t, "the slot is gone", func() bool {
		return w.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '"+s.Slot.Name+"'") == "0"
	})
}

// A slot that somebody drops is missed, which is said; passes go on, and a full one makes another.
func TestASlotThatIsDropped(t *testing.T) {
	long(t)
	w := newWorld(t)
	g := begin(t, "", nil, w.followed("shop"))
	s := g.until(t, "shop", "it is followed", func(s Status) bool { return matches(s) && s.Watermark != nil })
	slot := s.Slot.Name
	w.source.exec(t, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '"+slot+"'")
	until(t, "somebody has dropped the slot", func() bool {
		return w.source.ask(t, "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE NOT active AND slot_name = '"+slot+"'") == "1" ||
			w.source.ask(t, "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE active AND slot_name = '"+slot+"'") == ""
	})
	s = g.until(t, "shop", "that is noticed", func(s Status) bool { return s.Totals.Errors > 0 })
	if err := g.TriggerPass(t.Context(), "shop"); err != nil && s.Activity != Passing {
		t.Fatal(err)
	}
	s = g.until(t, "shop", "it is followed again", func(s Status) bool {
		return matches(s) && s.Watermark != nil && s.Activity == Following && s.Slot.Dropped == "" && s.Totals.Passes > 1
	})
	if s.Slot.Name != slot {
		t.Errorf("the slot is %s, and was %s", s.Slot.Name, slot)
	}
}

// The slot by which one pair is followed is no replication of another pair with the same source, where nothing
// replicates.
func TestASlotOfAnotherPair(t *testing.T) {
	long(t)
	w := newWorld(t)
	g := begin(t, "", nil, w.followed("shop"))
	g.until(t, "shop", "it is followed", func(s Status) bool { return s.Slot != nil })
	w.target.exec(t, "DROP SUBSCRIPTION "+w.target.ask(t, "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"))
	still := &world{source: w.source, target: newPlace(t, pgcluster.Shared(t, 18), shop)}
	g.mu.Lock()
	g.settings.Pairs = append(g.settings.Pairs, still.followed("still"))
	g.mu.Unlock()
	g.reload <- struct{}{}
	s := g.until(t, "still", "it is compared", func(s Status) bool { return s.Verdict == checker.Mismatch && s.Totals.Passes == 1 })
	if s.Slot != nil || s.Tables[0].Followed || !strings.Contains(s.Tables[0].Reason, "differ") {
		t.Errorf("%+v, table %+v", s.Slot, s.Tables[0])
	}
}

// A table that the role may not read keeps the pair unproven, and nothing else from being compared again and again.
func TestWhatCannotBeCompared(t *testing.T) {
	long(t)
	w := newWorld(t)
	p := w.pair("shop")
	p.Cycle = 2 * time.Second
	w.target.exec(t, "ALTER TABLE items ALTER COLUMN sku TYPE bytea USING sku::bytea")
	g := begin(t, "", nil, p)
	s := g.until(t, "shop", "two passes have ended", func(s Status) bool { return s.Totals.Passes >= 2 })
	if s.Verdict != checker.Unproven || len(s.Reasons) == 0 || s.ProvenAt.Unix() > 0 {
		t.Errorf("%s %q", s.Verdict, s.Reasons)
	}
	w.target.exec(t, "DELETE FROM orders WHERE id = 3")
	s = g.until(t, "shop", "damage elsewhere is found", func(s Status) bool { return len(open(s)) == 1 && s.Verdict == checker.Mismatch })
	for _, table := range s.Tables {
		if want := map[string]checker.Verdict{"public.items": checker.Unproven, "public.orders": checker.Mismatch}[table.Name]; table.Verdict != want || table.Reason == "" {
			t.Errorf("%s is %s: %q", table.Name, table.Verdict, table.Reason)
		}
	}
}

// A server that is started anew is the pair's again: what was found before is rechecked, and what is followed goes on where
// it was.
func TestAServerThatIsStartedAnew(t *testing.T) {
	long(t)
	cluster := pgcluster.SharedWith(t, "started anew", pgcluster.Options{Major: 15})
	w := newWorldOn(t, cluster, pgcluster.Shared(t, 18))
	w.target.exec(t, "DELETE FROM orders WHERE id = 5")
	g := begin(t, "", nil, w.followed("shop"))
	s := g.until(t, "shop", "it is followed", func(s Status) bool { return len(open(s)) == 1 && s.Watermark != nil && s.Activity == Following })
	before := s.Watermark.At
	if err := cluster.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.until(t, "shop", "that is noticed", func(s Status) bool { return s.Totals.Errors > 0 })
	w.source.connect(t)
	w.target.exec(t, "INSERT INTO orders VALUES (5, 7.5, 'order 5')")
	w.source.exec(t, "UPDATE orders SET note = 'since' WHERE id = 6")
	s = g.until(t, "shop", "it matches, and is followed", func(s Status) bool {
		return matches(s) && s.Activity == Following && s.Watermark != nil && s.Watermark.At.After(before) && s.Totals.Changes > 0
	})
	if s.Totals.Passes != 1 || s.Slot.Dropped != "" || len(s.Findings) != 1 {
		t.Errorf("%d passes, slot %+v, %d findings", s.Totals.Passes, s.Slot, len(s.Findings))
	}
}
