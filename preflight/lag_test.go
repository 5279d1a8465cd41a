package preflight

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	livesElsewhere["lag-growing"] = "TestLagGrows"
	livesElsewhere["lag-large"] = "TestLagFigures"
}

// course makes one of looks a second apart: pairs of head and confirmed, in MiB.
func course(pairs ...[2]int64) []lagAt {
	start := time.Now()
	var list []lagAt
	for i, p := range pairs {
		list = append(list, lagAt{at: start.Add(time.Duration(i) * time.Second), head: postgres.LSN(p[0] << 20), confirmed: postgres.LSN(p[1] << 20), lag: max(p[0]-p[1], 0) << 20})
	}
	return list
}

func ms(n int64) *int64 { return &n }

// TestLagAlong works the figures out of courses whose figures are known.
func TestLagAlong(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		course []lagAt
		want   Lag
	}{
		"one look":      {course([2]int64{1000, 400}), Lag{Bytes: 600 * mib}},
		"nothing lacks": {course([2]int64{1000, 1000}), Lag{DrainMS: ms(0), CatchUp: ms(0)}},
		"it falls behind": {course([2]int64{1000, 900}, [2]int64{2000, 1400}, [2]int64{3000, 1900}, [2]int64{4000, 2400}),
			Lag{WindowMS: 3000, Bytes: 1600 * mib, Inflow: 1000 * mib, Drained: 500 * mib, Growing: true, DrainMS: ms(3200)}},
		"it catches up": {course([2]int64{10_000, 1000}, [2]int64{10_500, 3000}, [2]int64{11_000, 5000}),
			Lag{WindowMS: 2000, Bytes: 6000 * mib, Inflow: 500 * mib, Drained: 2000 * mib, DrainMS: ms(3000), CatchUp: ms(4000)}},
		"it comes and goes": {course([2]int64{1000, 1000}, [2]int64{2000, 1500}, [2]int64{3000, 3000}, [2]int64{4000, 4000}, [2]int64{5000, 5000}, [2]int64{6000, 5500}),
			Lag{WindowMS: 5000, Bytes: 500 * mib, Inflow: 1000 * mib, Drained: 900 * mib, DrainMS: ms(555), CatchUp: ms(555)}},
		"it stands still":  {course([2]int64{1000, 900}, [2]int64{2000, 900}), Lag{WindowMS: 1000, Bytes: 1100 * mib, Inflow: 1000 * mib, Growing: true}},
		"it is on its way": {course([2]int64{1000, 1000}, [2]int64{1001, 1000}), Lag{WindowMS: 1000, Bytes: mib, Inflow: mib}},
	} {
		if diff := cmp.Diff(&c.want, lagAlong(c.course)); diff != "" {
			t.Errorf("%s (-want +found):\n%s", name, diff)
		}
	}
}

// TestLagFigures: the stream that is furthest behind is the one that counts; a
// slot that is gone, and a tool without positions, have no lag.
func TestLagFigures(t *testing.T) {
	stream := func(name string, confirmed, lag int64) fence.Stream {
		return fence.Stream{Kind: fence.KindLogical, Name: name, Slot: name + "_slot", Confirmed: postgres.LSN(confirmed), Lag: lag}
	}
	facts := func(looks ...fence.Health) *facts {
		return (&facts{o: Options{Measure: time.Duration(len(looks)-1) * 20 * time.Millisecond}, detection: &fence.Detection{}, fence: &scripted{looks: looks}}).watched(t)
	}
	f := facts(fence.Health{Streams: []fence.Stream{stream("near", 900, 100), stream("far", 700, 2<<30), stream("gone", 0, 1000)}})
	if lag := f.lagOf(); lag == nil || lag.Stream != "far" || lag.Slot != "far_slot" || lag.Bytes != 2<<30 || lag.WindowMS != 0 || lag.DrainMS != nil {
		t.Errorf("lag: %+v", lag)
	}
	found, _ := detect(t, f, "lag-large")
	if diff := cmp.Diff([]string{"target subscription far"}, names(found)); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
	if found, _ := detect(t, f, "lag-growing"); len(found) > 0 {
		t.Errorf("grows without having been watched: %+v", found)
	}
	f = facts(fence.Health{Streams: []fence.Stream{{Kind: fence.KindBucardo, Name: "b"}, stream("gone", 0, 2<<30)}})
	if lag := f.lagOf(); lag != nil {
		t.Errorf("lag without a position: %+v", lag)
	}
	if found, _ := detect(t, f, "lag-large"); len(found) > 0 {
		t.Errorf("found: %+v", found)
	}
	// It grows by a segment a look and drains nothing.
	var looks []fence.Health
	for i := range int64(40) {
		looks = append(looks, fence.Health{Streams: []fence.Stream{stream("far", 700, 2<<30+i<<24)}})
	}
	found, _ = detect(t, facts(looks...), "lag-growing")
	if len(found) != 1 || found[0].Severity != schema.Block {
		t.Errorf("a large lag that grows: %+v", found)
	}
}

// TestLagGrows: a subscriber that is stopped by a lock falls behind, and catches
// up when the lock is gone.
func TestLagGrows(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), orders)
	name := w.replicate(t, "")
	o := defaults()
	o.Measure = 600 * time.Millisecond
	if found, _ := detect(t, w.facts(t, o).watched(t), "lag-growing"); len(found) > 0 {
		t.Errorf("grows at rest: %+v", found)
	}

	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	writer := connect(t, w.source.url)
	w.target.exec(t, "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := writer.Exec(context.WithoutCancel(ctx), "INSERT INTO orders SELECT n, repeat('x', 1800) FROM generate_series($1::int, $1 + 99) n", i*100); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	f := w.facts(t, o).watched(t)
	lag := f.lagOf()
	found, _ := detect(t, f, "lag-growing")
	stop()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	w.target.exec(t, "ROLLBACK")
	if lag == nil || !lag.Growing || lag.Inflow <= 0 || lag.Inflow <= lag.Drained || lag.CatchUp != nil || lag.Stream != name || lag.Slot != name || lag.WindowMS < 500 {
		t.Errorf("lag: %+v", lag)
	}
	if diff := cmp.Diff([]string{"target subscription " + name}, names(found)); diff != "" || found[0].Severity != schema.Warn {
		t.Errorf("(-want +found):\n%s%+v", diff, found)
	}
	until(t, "it has caught up", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM orders") == w.source.ask(t, "SELECT count(*) FROM orders")
	})
	if found, _ := detect(t, w.facts(t, o).watched(t), "lag-growing"); len(found) > 0 {
		t.Errorf("grows after it caught up: %+v", found)
	}
}

// TestWatchIsInterrupted: a window ends with the run, and what was seen of it
// stays.
func TestWatchIsInterrupted(t *testing.T) {
	well := fence.Health{Streams: []fence.Stream{{Kind: fence.KindLogical, Name: "s", Slot: "s", Confirmed: 100}}}
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &facts{o: Options{Measure: time.Hour}, detection: &fence.Detection{}, fence: &scripted{looks: []fence.Health{well}}}
	time.AfterFunc(20*time.Millisecond, func() { cancel(fmt.Errorf("stopped")) })
	if err := f.watch(ctx); err != nil {
		t.Fatal(err)
	}
	if len(f.before.Streams) != 1 || f.unseen() == nil {
		t.Errorf("before %+v, unseen %v", f.before, f.unseen())
	}
	if f := (&facts{o: Options{Measure: time.Hour}}).watched(t); f.lag != nil || f.lagOf() != nil {
		t.Error("there was something to watch where nothing is known")
	}
}
