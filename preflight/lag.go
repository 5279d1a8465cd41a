package preflight

import (
	"context"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// lagWatch is how the replication was seen to do before the detectors looked.
type lagWatch struct {
	looks []lagLook // in order; one where Options.Measure is 0
	err   error     // why there are none, or no more
}

// lagLook is one look at the replication's health.
type lagLook struct {
	at     time.Time
	health fence.Health
}

// looks in a window: enough to tell a lag that grows from one that comes and
// goes, and to see a worker that is started again and again.
const (
	lagLooks     = 12
	longestPause = 5 * time.Second
)

// watch looks at the replication's health, and again and again until
// Options.Measure is over. That it cannot be read is a fact, too, which
// stream-no-privilege tells.
func (f *facts) watch(ctx context.Context) error { //nolint:unparam // whatever it is, the run goes on
	if f.fence == nil {
		return nil
	}
	f.lag = &lagWatch{}
	end := time.Now().Add(f.o.Measure)
	pause := min(f.o.Measure/lagLooks, longestPause)
	for {
		if f.lag.err = f.lag.look(ctx, f.fence); f.lag.err != nil {
			break
		}
		left := time.Until(end)
		if left <= 0 {
			break
		}
		t := time.NewTimer(min(pause, left))
		select {
		case <-t.C:
			continue
		case <-ctx.Done():
			t.Stop()
			f.lag.err = context.Cause(ctx)
		}
		break
	}
	if n := len(f.lag.looks); n > 0 {
		f.before, f.after = f.lag.looks[0].health, f.lag.looks[n-1].health
	}
	return nil
}

func (w *lagWatch) look(ctx context.Context, of fence.Fence) error {
	look := lagLook{at: time.Now()}
	err := postgres.Again(ctx, func() (err error) {
		look.health, err = of.Health(ctx)
		return err
	})
	if err == nil {
		w.looks = append(w.looks, look)
	}
	return err
}

// lagAt is where a stream stood at one look.
type lagAt struct {
	at              time.Time
	head, confirmed postgres.LSN
	lag             int64
}

// course is how a stream did, look for look.
func (w *lagWatch) course(of fence.Stream) []lagAt {
	var course []lagAt
	for _, l := range w.looks {
		for _, s := range l.health.Streams {
			if s.Kind == of.Kind && s.Name == of.Name && s.Slot == of.Slot && s.Confirmed != 0 {
				course = append(course, lagAt{at: l.at, head: s.Confirmed + postgres.LSN(s.Lag), confirmed: s.Confirmed, lag: s.Lag})
			}
		}
	}
	return course
}

// lagOf works the figures out for the stream that is furthest behind. It is nil
// where nothing has a position: nothing replicates, or a tool that has none.
// Where Options.Measure is 0 only the bytes are known.
func (f *facts) lagOf() *Lag {
	var worst *fence.Stream
	for i := range f.after.Streams {
		// A slot that is gone has confirmed nothing: that is no lag.
		if s := &f.after.Streams[i]; s.Confirmed != 0 && (worst == nil || s.Lag > worst.Lag) {
			worst = s
		}
	}
	if worst == nil {
		return nil
	}
	lag := lagAlong(f.lag.course(*worst))
	lag.Slot, lag.Stream = worst.Slot, worst.Name
	return lag
}

// lagAlong works the figures out of a course, which is never empty.
func lagAlong(course []lagAt) *Lag {
	first, last := course[0], course[len(course)-1]
	lag := &Lag{Bytes: last.lag}
	if last.lag == 0 {
		lag.DrainMS, lag.CatchUp = new(int64), new(int64)
	}
	window := last.at.Sub(first.at)
	if window <= 0 {
		return lag
	}
	lag.WindowMS = window.Milliseconds()
	lag.Inflow = float64(int64(last.head-first.head)) / window.Seconds()
	lag.Drained = float64(int64(last.confirmed-first.confirmed)) / window.Seconds()
	lag.Growing = growing(course)
	if last.lag == 0 || lag.Drained <= 0 {
		return lag
	}
	lag.DrainMS = milliseconds(float64(last.lag) / lag.Drained)
	switch spare := lag.Drained - lag.Inflow; {
	case spare > 0:
		lag.CatchUp = milliseconds(float64(last.lag) / spare)
	case !lag.Growing: // it keeps pace: what lacks is what is on its way
		lag.CatchUp = lag.DrainMS
	}
	return lag
}

func milliseconds(seconds float64) *int64 {
	ms := int64(min(seconds, 1e12) * 1000)
	return &ms
}

// onItsWay is how many bytes a lag may differ by without a meaning: what is
// written and not yet confirmed, other databases' log among it.
const onItsWay = 1 << 20

// growing tells whether the lag is larger in all of the last third than in any
// of the first, and noticeably: one that comes and goes does not grow.
func growing(course []lagAt) bool {
	third := max(len(course)/3, 1)
	most, least := int64(0), course[len(course)-1].lag
	for _, c := range course[:third] {
		most = max(most, c.lag)
	}
	for _, c := range course[len(course)-third:] {
		least = min(least, c.lag)
	}
	return len(course) > 1 && least > most+onItsWay
}

// largeLag is from how many bytes on a lag is large: teams have switched with
// some hundred megabytes of it.
const largeLag = 1 << 30

// unmeasured is a When for what takes a window.
func unmeasured(f *facts) string {
	if f.o.Measure == 0 {
		return "nothing was watched: asked for with --measure"
	}
	return ""
}

// lagDetectors look at how far behind the target is.
var lagDetectors = []Detector{
	{
		ID: "lag-growing", Severity: schema.Warn, AtWorst: schema.Block, When: firstOf(unmeasured, streamSeen),
		About: "more changes come in than the target applies",
		Find: func(_ context.Context, f *facts) ([]Hazard, error) {
			lag := f.lagOf()
			if lag == nil || !lag.Growing {
				return nil, nil
			}
			h := Hazard{Side: postgres.Target, Object: lag.object(), Severity: schema.Warn,
				Sentence: fmt.Sprintf("it falls behind: in %s %s of log a second came in and %s were applied, and %s are left: a switch waits for all of it with writing stopped",
					round(lag.WindowMS), size(int64(lag.Inflow)), size(int64(lag.Drained)), size(lag.Bytes))}
			if lag.CatchUp == nil && lag.Bytes >= largeLag {
				h.Severity = schema.Block
				h.Sentence += "; at this rate it never catches up"
			}
			return []Hazard{h}, nil
		},
	},
	{
		ID: "lag-large", Severity: schema.Warn, When: streamSeen,
		About: "a target that is far behind",
		Find: func(_ context.Context, f *facts) ([]Hazard, error) {
			lag := f.lagOf()
			if lag == nil || lag.Bytes < largeLag {
				return nil, nil
			}
			sentence := fmt.Sprintf("it is %s of log behind, and a switch waits for all of it with writing stopped", size(lag.Bytes))
			if lag.DrainMS != nil {
				sentence += fmt.Sprintf(": %s at the rate that was seen", round(*lag.DrainMS))
			}
			return []Hazard{{Side: postgres.Target, Object: lag.object(), Sentence: sentence}}, nil
		},
	},
}

// object names the stream that is behind.
func (l *Lag) object() string {
	if l.Slot == "" {
		return plainName(l.Stream)
	}
	return "subscription " + plainName(l.Stream)
}

func round(ms int64) string {
	return (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond).String()
}

// size prints bytes for a person, as the reports do.
func size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	if unit == 0 || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, units[unit])
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
