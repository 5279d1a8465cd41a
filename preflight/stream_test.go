package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// subscription is the name of the one that feeds a replicated world's target.
func (w *world) subscription(t *testing.T) string {
	t.Helper()
	return w.target.ask(t, "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())")
}

const orders = `CREATE TABLE orders (id int PRIMARY KEY, note text)`

func init() {
	disabled, inactive, down, missing := []string{""}, []string{""}, []string{""}, []string{""}
	// lead leads the subscription to where nobody answers.
	mislead := func(t *testing.T, w *world) string {
		name := w.subscription(t)
		w.target.exec(t, fmt.Sprintf("ALTER SUBSCRIPTION %s CONNECTION 'host=127.0.0.1 port=1 dbname=%s'", name, w.source.db.Server().Database))
		until(t, "nobody reads the slot", func() bool {
			return w.source.ask(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "false" &&
				w.target.ask(t, "SELECT count(pid) FROM pg_stat_subscription WHERE subname = '"+name+"'") == "0"
		})
		return name
	}
	lives = append(lives,
		life{
			id: "stream-disabled", replicated: true, both: []string{orders},
			during: func(t *testing.T, w *world) {
				name := w.subscription(t)
				w.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE")
				disabled[0] = "target subscription " + name
			},
			want: disabled, says: "is disabled", mends: true,
		},
		life{
			id: "stream-slot-inactive", replicated: true, both: []string{orders},
			during: func(t *testing.T, w *world) { inactive[0] = "source slot " + mislead(t, w) },
			want:   inactive, says: "nobody reads slot",
		},
		life{
			id: "stream-worker-down", replicated: true, both: []string{orders}, majors: [2]int{13, 10},
			during: func(t *testing.T, w *world) { down[0] = "target subscription " + mislead(t, w) },
			want:   down, says: "no apply worker",
		},
		life{
			id: "stream-slot-missing", replicated: true, both: []string{orders},
			during: func(t *testing.T, w *world) {
				name := mislead(t, w)
				w.source.exec(t, "SELECT pg_drop_replication_slot('"+name+"')")
				missing[0] = "source slot " + name
			},
			want: missing, says: "does not exist",
		},
	)
	for _, k := range troubleKinds {
		livesElsewhere["stream-"+strings.ReplaceAll(string(k.kind), "_", "-")] = "TestEveryTrouble"
	}
	livesElsewhere["stream-no-privilege"] = "TestEveryTrouble"
}

// facts gathers them, before anything happens that a watch has to see.
func (w *world) facts(t *testing.T, o Options) *facts {
	t.Helper()
	f, err := gather(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *facts) watched(t *testing.T) *facts {
	t.Helper()
	if err := f.watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// detect runs one detector over facts.
func detect(t *testing.T, f *facts, id string) ([]Hazard, []Unknown) {
	t.Helper()
	for _, d := range Detectors() {
		if d.ID == id {
			hazards, unknown, _ := d.look(t.Context(), f)
			return hazards, unknown
		}
	}
	t.Fatalf("there is no detector %s", id)
	return nil, nil
}

// scripted is a fence whose health is given, look for look; the last one stays.
type scripted struct {
	fence.Fence
	looks []fence.Health
	errs  []error
	seen  int
}

func (s *scripted) Health(context.Context) (fence.Health, error) {
	i := min(s.seen, len(s.looks)-1)
	s.seen++
	if i < len(s.errs) && s.errs[i] != nil {
		return fence.Health{}, s.errs[i]
	}
	return s.looks[i], nil
}

// TestEveryTrouble: each kind of trouble that a fence knows is some detector's,
// and no other's.
func TestEveryTrouble(t *testing.T) {
	kinds := []fence.TroubleKind{fence.Disabled, fence.Dropped, fence.WorkerDown, fence.WorkerRestarts, fence.ApplyErrors, fence.Conflicts, fence.NotReady,
		fence.SlotMissing, fence.SlotLost, fence.SlotAtRisk, fence.SlotInactive, fence.Elsewhere, fence.Partial, fence.NotStandby, fence.ReplayPaused,
		fence.ReceiverDown, fence.WritersOpen, fence.Behind, fence.NoBeat, fence.NoPrivilege}
	warned := map[fence.TroubleKind]bool{fence.Conflicts: true, fence.Partial: true, fence.WritersOpen: true, fence.Behind: true, fence.NoBeat: true}
	for _, kind := range kinds {
		h := fence.Health{Streams: []fence.Stream{{Kind: fence.KindPglogical, Name: "s", Slot: "s"}},
			Troubles: []fence.Trouble{{Kind: kind, Side: postgres.Target, Subject: "s", Sentence: "what is wrong"}}}
		f := (&facts{detection: &fence.Detection{}, fence: &scripted{looks: []fence.Health{h}}}).watched(t)
		var found []string
		for _, d := range streamDetectors() {
			if !strings.HasPrefix(d.ID, "stream-") {
				continue
			}
			hazards, unknown, c := d.look(t.Context(), f)
			if c.Skipped != "" {
				t.Fatalf("%s is skipped: %s", d.ID, c.Skipped)
			}
			for _, h := range hazards {
				if (h.Severity == schema.Warn) != warned[kind] {
					t.Errorf("%s has severity %s", d.ID, h.Severity)
				}
				found = append(found, fmt.Sprint(d.ID, " ", h.Side, " ", h.Object, " ", h.Sentence))
			}
			for _, u := range unknown {
				found = append(found, fmt.Sprint(d.ID, " ", u.Reason))
			}
		}
		id, object := "stream-"+strings.ReplaceAll(string(kind), "_", "-"), "subscription s"
		if strings.HasPrefix(string(kind), "slot_") {
			object = "slot s"
		}
		want := []string{fmt.Sprintf("%s target %s what is wrong", id, object)}
		if kind == fence.NoPrivilege {
			want = []string{"stream-no-privilege target: what is wrong"}
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s (-want +found):\n%s", kind, diff)
		}
	}
}

// TestTroubleOfTables: a trouble of some tables is told of each of them, so that
// a filter and an acknowledgement can name it.
func TestTroubleOfTables(t *testing.T) {
	h := fence.Health{Streams: []fence.Stream{{Kind: fence.KindBucardo, Name: "b"}}, Troubles: []fence.Trouble{{Kind: fence.NotReady, Side: postgres.Source, Subject: "b",
		Tables: []postgres.TableState{{Table: "public.x", State: "i"}, {Table: "public.y", State: "i"}}, Sentence: "does not carry 2"}}}
	f := (&facts{detection: &fence.Detection{}, fence: &scripted{looks: []fence.Health{h}}}).watched(t)
	hazards, _ := detect(t, f, "stream-not-ready")
	h.Streams[0].Kind = fence.KindLogical
	native := (&facts{detection: &fence.Detection{}, fence: &scripted{looks: []fence.Health{h}}}).watched(t)
	if told, _ := detect(t, native, "stream-not-ready"); len(told) > 0 {
		t.Errorf("told twice: %+v", told)
	}
	if diff := cmp.Diff([]string{"source public.x", "source public.y"}, names(hazards)); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
}

// TestBeatThatComes: a heartbeat that has not arrived at one look is no hazard,
// one that never arrives is.
func TestBeatThatComes(t *testing.T) {
	well := fence.Health{Streams: []fence.Stream{{Kind: fence.KindHeartbeat, Name: "public.beat"}}}
	late := well
	late.Troubles = []fence.Trouble{{Kind: fence.Behind, Side: postgres.Target, Subject: "public.beat", Sentence: "late"}}
	for _, c := range []struct {
		looks   []fence.Health
		measure time.Duration
		want    schema.Severity
	}{
		{[]fence.Health{late}, 0, schema.Info},
		{[]fence.Health{well, well, late}, 50 * time.Millisecond, schema.Info},
		{[]fence.Health{late}, 50 * time.Millisecond, schema.Warn},
	} {
		f := (&facts{o: Options{Measure: c.measure}, detection: &fence.Detection{}, fence: &scripted{looks: c.looks}}).watched(t)
		hazards, _ := detect(t, f, "stream-behind")
		if len(hazards) != 1 || hazards[0].Severity != c.want || hazards[0].Object != `"public.beat"` {
			t.Errorf("%d looks: %+v, want %s", len(c.looks), hazards, c.want)
		}
	}
}

// TestHealthUnseen: health that cannot be read is told once, and nothing that
// depends on it is taken for looked at.
func TestHealthUnseen(t *testing.T) {
	f := (&facts{detection: &fence.Detection{}, fence: &scripted{looks: []fence.Health{{}}, errs: []error{errors.New("source: refused")}}}).watched(t)
	told := 0
	for _, d := range streamDetectors() {
		hazards, unknown, c := d.look(t.Context(), f)
		if len(hazards) > 0 || len(unknown) == 0 && c.Skipped == "" {
			t.Errorf("%s took silence for health: %+v", d.ID, c)
		}
		for _, u := range unknown {
			if told++; d.ID != "stream-no-privilege" || !strings.Contains(u.Reason, "source: refused") {
				t.Errorf("%s: %s", d.ID, u.Reason)
			}
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestTroublesSinceFound: what happens to a stream after it was found.
func TestTroublesSinceFound(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), orders)
	name := w.replicate(t, "")
	worker := func() string {
		return w.target.ask(t, "SELECT pid FROM pg_stat_subscription WHERE subname = '"+name+"' AND relid IS NULL AND pid IS NOT NULL")
	}
	until(t, "its worker runs", func() bool { return worker() != "" })

	f := w.facts(t, defaults())
	before := worker()
	w.target.exec(t, "SELECT pg_terminate_backend("+before+")")
	until(t, "another worker runs", func() bool { now := worker(); return now != "" && now != before })
	found, _ := detect(t, f.watched(t), "stream-worker-restarts")
	if diff := cmp.Diff([]string{"target subscription " + name}, names(found)); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
	if found, _ := detect(t, f, "stream-apply-errors"); len(found) > 0 {
		t.Errorf("errors that are none: %+v", found)
	}

	f = w.facts(t, defaults())
	w.target.exec(t, "INSERT INTO orders VALUES (1, 'a stranger''s')")
	w.source.exec(t, "INSERT INTO orders VALUES (1, 'ours')")
	until(t, "apply fails", func() bool {
		return w.target.ask(t, "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats WHERE subname = '"+name+"'") == "true"
	})
	f.watched(t)
	for _, id := range []string{"stream-apply-errors", "stream-conflicts"} {
		found, _ := detect(t, f, id)
		if diff := cmp.Diff([]string{"target subscription " + name}, names(found)); diff != "" {
			t.Errorf("%s (-want +found):\n%s", id, diff)
		}
	}

	f = w.facts(t, defaults())
	w.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE", "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)", "DROP SUBSCRIPTION "+name)
	found, _ = detect(t, f.watched(t), "stream-dropped")
	if diff := cmp.Diff([]string{"target subscription " + name}, names(found)); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
}
