package cutover

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSilence: the definition of Outage, on statements that are made up.
func TestSilence(t *testing.T) {
	ok := func(at, took float64) Beat { return Beat{AtMS: at, TookMS: took, Kind: kindWrite, On: "source"} }
	bad := func(at, took float64) Beat { return Beat{AtMS: at, TookMS: took, Kind: kindWrite, Failed: true} }
	for _, c := range []struct {
		name    string
		beats   []Beat
		end     float64
		longest float64
		at      float64
	}{
		{"nothing, not even tried", nil, 40, 0, 0},
		{"nothing, for longer than the pause", nil, 90, 40, 50},
		{"never acknowledged", []Beat{bad(1, 2), bad(51, 2), bad(101, 2)}, 120, 119, 1},
		{"the pause does not count", []Beat{ok(0, 2), ok(50, 2), ok(100, 3), ok(150, 2)}, 160, 3, 100},
		{"a statement that waited", []Beat{ok(0, 2), ok(50, 302), ok(352, 2)}, 380, 302, 50},
		{"failures, until it came through", []Beat{ok(0, 2), bad(50, 1), bad(100, 1), ok(150, 4), ok(200, 2)}, 210, 104, 50},
		{"a failure that took long", []Beat{ok(0, 2), bad(50, 400), ok(450, 2)}, 460, 402, 50},
		{"tried late: what is more than the pause counts", []Beat{ok(0, 2), ok(200, 2)}, 210, 150, 52},
		{"the longest of two", []Beat{ok(0, 2), ok(50, 100), ok(150, 2), ok(200, 101), ok(301, 2)}, 310, 101, 200},
		{"still away at the end", []Beat{ok(0, 2), bad(50, 1), bad(100, 1)}, 500, 450, 50},
		{"one that had not ended is not acknowledged", []Beat{ok(0, 2), {AtMS: 50, TookMS: 450, Kind: kindWrite}}, 500, 450, 50},
		{"another database's word counts", []Beat{ok(0, 2), bad(50, 1), {AtMS: 100, TookMS: 1, Kind: kindWrite, On: "target"}}, 110, 51, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := silence{tried: noTime}
			for _, b := range c.beats {
				s.add(b)
			}
			s.until(c.end)
			if s.longest != c.longest || s.at != c.at {
				t.Errorf("%v ms from %v on, want %v from %v", s.longest, s.at, c.longest, c.at)
			}
		})
	}
}

func newRecorder() *recorder {
	r := &recorder{}
	r.begin()
	return r
}

// beats feeds a recorder one acknowledged statement of each kind every 50 ms.
func (r *recorder) beats(from, until float64) {
	for at := from; at < until; at += beatMS {
		r.acknowledged(Beat{AtMS: at, TookMS: 2, Kind: kindWrite, On: "source"}, int64(at))
		r.acknowledged(Beat{AtMS: at, TookMS: 1, Kind: kindRead, On: "source"}, 0)
	}
}

// TestRecorderBefore: a stumble before the window is no outage of the switch; one
// that lasts into it is.
func TestRecorderBefore(t *testing.T) {
	r := newRecorder()
	r.beats(0, 1000)
	r.mark(Armed, 4000)
	r.acknowledged(Beat{AtMS: 1000, TookMS: 3100, Kind: kindWrite, On: "source"}, 1)
	r.beats(4100, 4200)
	r.stop(4200)
	if o := r.outage(); o.WriteMS != 3100 {
		t.Errorf("a write that waited from before the window into it counts as %v ms, want 3100", o.WriteMS)
	}

	r = newRecorder()
	r.acknowledged(Beat{AtMS: 0, TookMS: 700, Kind: kindWrite, On: "source"}, 1)
	r.beats(700, 2000)
	r.mark(Armed, 2000)
	r.beats(2000, 2200)
	r.acknowledged(Beat{AtMS: 2200, TookMS: 300, Kind: kindWrite, On: "target"}, 9)
	r.mark(Redirected, 2480)
	r.beats(2500, 2600)
	r.stop(2600)
	o := r.outage()
	if o.WriteMS != 300 || o.WriteAtMS != 2200 {
		t.Errorf("no write for %v ms from %v on, want 300 from 2200", o.WriteMS, o.WriteAtMS)
	}
	if diff := cmp.Diff([]Mark{{Armed, 2000}, {Redirected, 2480}}, o.Marks); diff != "" {
		t.Error(diff)
	}
}

// TestRecorderBounded: an hour is kept in a bounded list, in which all around the
// windows is whole, and of the rest what was worst.
func TestRecorderBounded(t *testing.T) {
	r := newRecorder()
	const hour = 3600_000.0
	r.beats(0, 600_000)
	r.failed(Beat{AtMS: 600_000, TookMS: 1, Kind: kindWrite, Failed: true}, errors.New("away"))
	r.acknowledged(Beat{AtMS: 600_050, TookMS: 49, Kind: kindRead, On: "source"}, 0)
	r.beats(600_100, hour)
	r.mark(Armed, hour)
	r.beats(hour, hour+3000)
	r.mark(Redirected, hour+3000)
	r.beats(hour+3000, 2*hour)
	r.stop(2 * hour)
	o := r.outage()
	if n := len(o.Timeline); n > 2*beatsKept {
		t.Errorf("%d statements are kept", n)
	}
	around := map[string]int{}
	worst := map[string]bool{}
	for _, b := range o.Timeline {
		if b.AtMS >= hour-beatsBefore*beatMS && b.AtMS <= hour+3000+beatsAfter*beatMS {
			around[b.Kind]++
		}
		worst[fmt.Sprintf("%s %t %v", b.Kind, b.Failed, b.TookMS)] = true
	}
	want := beatsBefore + 3000/50 + beatsAfter + 1
	if around[kindWrite] != want || around[kindRead] != want {
		t.Errorf("around the window %v statements are kept, want %d of each kind", around, want)
	}
	for _, w := range []string{"write true 1", "read false 49"} {
		if !worst[w] {
			t.Errorf("%s was thinned out", w)
		}
	}
	if first := o.Timeline[0]; first.AtMS > 600_000 {
		t.Errorf("nothing before %v ms is left", first.AtMS)
	}
	if total := int(2*hour/beatMS) - 2; o.Writes != total || o.Reads != total+1 {
		t.Errorf("%d writes and %d reads are counted, want %d", o.Writes, o.Reads, total)
	}
	if spans := r.tokens["source"]; len(spans) > 300_000 {
		t.Error(len(spans))
	}

	// A window that is longer than the list is thinned out as well.
	r = newRecorder()
	r.mark(Armed, 0)
	r.beats(0, hour)
	r.stop(hour)
	if n := len(r.outage().Timeline); n > 2*beatsKept || n < beatsKept/4 {
		t.Errorf("%d statements are kept of a window of an hour", n)
	}
}

func TestRecorderCounts(t *testing.T) {
	r := newRecorder()
	r.acknowledged(Beat{AtMS: 0, Kind: kindWrite, On: "source"}, 1)
	for i := range 20 {
		r.failed(Beat{AtMS: float64(50 * (i + 1)), Kind: kindWrite, Failed: true}, fmt.Errorf("reason %d", i%10))
	}
	r.acknowledged(Beat{AtMS: 1100, Kind: kindWrite, On: elsewhere}, 22)
	r.acknowledged(Beat{AtMS: 1150, Kind: kindWrite, On: "target"}, 23)
	r.failed(Beat{AtMS: 1100, Kind: kindRead, Failed: true}, errors.New("still away"))
	r.add(Beat{AtMS: 1150, TookMS: 20, Kind: kindRead})
	r.stop(1200)
	o := r.outage()
	if o.Writes != 3 || o.Reads != 0 || o.Failed != 21 || o.Retried != 20 || o.Elsewhere != 1 {
		t.Errorf("%+v", o)
	}
	failures := 0
	for _, f := range o.Failures {
		failures += f.Count
	}
	if failures != 21 || len(o.Failures) != failureKept+2 {
		t.Errorf("%d failures in %d entries: %v", failures, len(o.Failures), o.Failures)
	}
}

func TestTokens(t *testing.T) {
	list := tokens{}
	for _, n := range []int64{1, 2, 4, 5, 6, 9} {
		list.add("source", n)
	}
	list.add("target", 10)
	want := tokens{"source": {{1, 2}, {4, 6}, {9, 9}}, "target": {{10, 10}}}
	if diff := cmp.Diff(want, list, cmp.AllowUnexported(numbers{})); diff != "" {
		t.Error(diff)
	}
}

func TestMarkNobodyHears(*testing.T) {
	var d *downtime
	d.mark(Frozen, time.Now())
}
