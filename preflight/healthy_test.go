package preflight

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// running are the detectors of what runs: streams, slots, room, sessions and
// settings.
func running() []Detector {
	return slices.Concat(streamDetectors(), capacityDetectors, activityDetectors, settingDetectors)
}

// TestNothingRunsAmiss: on each major a replicated pair on which somebody works
// has nothing to tell; a role that may only look learns what it lacks.
func TestNothingRunsAmiss(t *testing.T) {
	slow(t)
	t.Parallel()
	for _, majors := range [][2]int{{10, 10}, {13, 13}, {15, 15}, {18, 18}} {
		t.Run(strconv.Itoa(majors[0]), func(t *testing.T) {
			w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), orders)
			// On one cluster a subscription cannot wait for its own publisher's slot.
			name := "healthy_" + strconv.Itoa(majors[0])
			w.source.exec(t, "CREATE PUBLICATION "+name+" FOR ALL TABLES")
			w.source.exec(t, "SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
			w.subscribe(t, name, " WITH (create_slot = false)")
			app, appURL := role(t, w.source, "")
			w.source.exec(t, "GRANT INSERT, SELECT ON orders TO "+app)
			at(t, appURL, "INSERT INTO orders VALUES (1)", "SELECT * FROM orders")
			o := defaults()
			o.Measure = 200 * time.Millisecond

			look := func(w *world) (hazards, unknown []string) {
				f := w.facts(t, o).watched(t)
				for _, d := range running() {
					found, not, _ := d.look(t.Context(), f)
					for _, h := range found {
						hazards = append(hazards, d.ID+" "+string(h.Side)+" "+h.Object)
					}
					for _, u := range not {
						unknown = append(unknown, d.ID+" "+u.Reason)
					}
				}
				return hazards, unknown
			}
			hazards, unknown := look(w)
			hazards = slices.DeleteFunc(hazards, elsewheres)
			if len(hazards) > 0 || len(unknown) > 0 {
				t.Errorf("found %q, unknown %q", hazards, unknown)
			}

			sourceRole, sourceURL := role(t, w.source, "")
			targetRole, targetURL := role(t, w.target, "")
			seen := w.seenAs(t, postgres.Source, sourceURL).seenAs(t, postgres.Target, targetURL)
			for _, u := range second(look(seen)) {
				if !strings.Contains(u, "GRANT ") {
					t.Errorf("names no privilege: %s", u)
				}
			}
			w.source.exec(t, "GRANT pg_monitor TO "+sourceRole, "GRANT pg_signal_backend TO "+sourceRole)
			w.target.exec(t, "GRANT pg_monitor TO "+targetRole)
			hazards, unknown = look(seen)
			hazards = slices.DeleteFunc(hazards, elsewheres)
			if diff := cmp.Diff([]string{"unkillable-session source role postgres"}, hazards); diff != "" || len(unknown) > 0 {
				t.Errorf("unknown %q (-want +found):\n%s", unknown, diff)
			}
		})
	}
}

func second[A, B any](_ A, b B) B { return b }

// elsewheres are hazards of the whole cluster, which other tests bring about
// meanwhile.
func elsewheres(hazard string) bool {
	for _, id := range []string{"slot-creation-waits ", "slot-wal-status ", "xmin-held ", "settings-override ", "capacity-"} {
		if strings.HasPrefix(hazard, id) {
			return true
		}
	}
	return false
}

// TestStandbys: a target that is the source's own standby has nothing of its own
// to be looked at; replay that is paused blocks. A source that is a standby
// cannot tell who writes, its primary can.
func TestStandbys(t *testing.T) {
	slow(t)
	primary, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 15, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Stop(context.Background()) })
	url := primary.TestDB(t, orders)
	standby, err := primary.Standby(t.Context(), nil)
	if errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop(context.Background()) })
	from := newEnd(t, postgres.Source, primary, url)
	to := newEnd(t, postgres.Target, standby, standby.URL(from.db.Server().Database))
	w := &world{source: from, target: to}
	look := func(w *world, o Options) (hazards, unknown []string) {
		f := w.facts(t, o).watched(t)
		for _, d := range running() {
			found, not, _ := d.look(t.Context(), f)
			for _, h := range found {
				hazards = append(hazards, d.ID+" "+string(h.Side)+" "+h.Object)
			}
			for range not {
				unknown = append(unknown, d.ID)
			}
		}
		return hazards, unknown
	}
	if hazards, unknown := look(w, defaults()); len(hazards) > 0 || len(unknown) > 0 {
		t.Errorf("found %q, unknown %q", hazards, unknown)
	}
	to.exec(t, "SELECT pg_wal_replay_pause()")
	from.exec(t, "INSERT INTO orders SELECT generate_series(1, 10000)")
	w.mends(t, "stream-replay-paused", "target standby")
	until(t, "all is replayed", func() bool { return to.ask(t, "SELECT count(*) FROM orders") == "10000" })
	if lag := w.facts(t, defaults()).watched(t).lagOf(); lag == nil || lag.Stream != "standby" || lag.Slot != "" {
		t.Errorf("lag: %+v", lag)
	}

	// The other way round: the standby is read in place of its primary.
	far := newWorld(t, primary, pgcluster.Shared(t, 18), orders)
	far.source = newEnd(t, postgres.Source, standby, standby.URL(from.db.Server().Database))
	at(t, url, "BEGIN; INSERT INTO orders VALUES (0)")
	o := defaults()
	soon(&o)
	if _, unknown := look(far, o); !slices.Contains(unknown, "long-write-transaction") {
		t.Errorf("a standby told who writes: unknown is %q", unknown)
	}
	o.Fence.SourcePrimary = from.db
	hazards, unknown := look(far, o)
	hazards = slices.DeleteFunc(hazards, func(h string) bool { return strings.HasPrefix(h, "xmin-held ") }) // soon it is that, too
	if len(unknown) > 0 || len(hazards) != 1 || !strings.HasPrefix(hazards[0], "long-write-transaction source session ") {
		t.Errorf("found %q, unknown %q", hazards, unknown)
	}
}

// mends checks that a detector finds what is wanted, and no more once its own
// fixes were run.
func (w *world) mends(t *testing.T, id string, want ...string) {
	t.Helper()
	for _, h := range w.found(t, id, want...) {
		w.on(h.Side).exec(t, h.Fix)
	}
	w.found(t, id)
}
