package cutover

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// What a recorder keeps of the statements, per kind.
const (
	beatsKept   = 1200 // at most
	beatsBefore = 100  // all of so many before a window
	beatsAfter  = 200  // and so many after it
	failureKept = 8    // different errors
)

var beatMS = milliseconds(beatEvery)

// recorder keeps what came of the probe's statements, in bounded memory. It is
// safe for concurrent use.
type recorder struct {
	mu       sync.Mutex
	now      float64 // the end of the last statement
	lanes    map[string]*lane
	marks    []Mark
	windows  []stretch
	tokens   tokens
	failures []Failure
}

// lane are the statements of a kind.
type lane struct {
	beats                         []Beat
	silence                       silence
	acknowledged, failed, retried int
	failing                       int // since the last that was acknowledged
}

// stretch is a time in which the application was kept out, or was to be.
type stretch struct {
	from, to float64
	open     bool // it has not ended
}

func (r *recorder) begin() {
	r.tokens = tokens{}
	r.lanes = map[string]*lane{kindWrite: {}, kindRead: {}}
	for _, l := range r.lanes {
		l.silence.tried = noTime
	}
}

// add keeps one statement.
func (r *recorder) add(b Beat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(b)
}

func (r *recorder) keep(b Beat) *lane {
	l := r.lanes[b.Kind]
	r.now = max(r.now, b.end())
	l.silence.add(b)
	if l.beats = append(l.beats, b); len(l.beats) >= beatsKept {
		r.thin(l)
	}
	return l
}

// acknowledged keeps a statement that was, with its number where it has one.
func (r *recorder) acknowledged(b Beat, number int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.keep(b)
	l.acknowledged++
	l.retried += l.failing
	l.failing = 0
	if b.Kind == kindWrite {
		r.tokens.add(b.On, number)
	}
}

// failed keeps a statement that did.
func (r *recorder) failed(b Beat, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.keep(b)
	l.failed++
	l.failing++
	f := Failure{Kind: b.Kind, Error: err.Error()}
	i := slices.IndexFunc(r.failures, func(x Failure) bool { return x.Kind == f.Kind && x.Error == f.Error })
	if i < 0 && len(r.failures) >= failureKept {
		f.Error = "others"
		i = slices.IndexFunc(r.failures, func(x Failure) bool { return x.Kind == f.Kind && x.Error == f.Error })
	}
	if i < 0 {
		r.failures = append(r.failures, f)
		i = len(r.failures) - 1
	}
	r.failures[i].Count++
}

// mark keeps when a state was reached.
func (r *recorder) mark(s State, at float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, Mark{s, at})
	last := len(r.windows) - 1
	switch {
	case opens(s) && (last < 0 || !r.windows[last].open):
		if last < 0 { // what was before has nothing to do with the switch
			for _, l := range r.lanes {
				l.silence.longest, l.silence.at = 0, 0
			}
		}
		r.windows = append(r.windows, stretch{from: at, to: at, open: true})
	case closes(s) && last >= 0:
		r.windows[last].to, r.windows[last].open = at, false
	}
}

// opens tells whether the application is kept out from a state on. When ARMED is
// reached, FREEZING is what is done next. A run that was taken up again may begin
// further on.
func opens(s State) bool {
	return slices.Contains([]State{Armed, Freezing, Frozen, Drained, Sequenced, Verified, ReverseReady, PNR, TargetOpen}, s)
}

// closes tells whether the application can write again from a state on.
func closes(s State) bool { return slices.Contains([]State{Redirected, Live, Aborted}, s) }

// whole tells whether a statement is kept in any case.
func (r *recorder) whole(b Beat) bool {
	if b.AtMS >= r.now-beatsBefore*beatMS { // a window may begin
		return true
	}
	return slices.ContainsFunc(r.windows, func(w stretch) bool {
		return b.end() >= w.from-beatsBefore*beatMS && (w.open || b.AtMS <= w.to+beatsAfter*beatMS)
	})
}

// thin makes room: away from the windows, and where that is not enough, everywhere.
func (r *recorder) thin(l *lane) {
	l.beats = thin(l.beats, r.whole)
	if len(l.beats) > beatsKept*3/4 {
		l.beats = thin(l.beats, func(Beat) bool { return false })
	}
}

// thin keeps of each two that follow each other and may go the one that tells
// more: that failed, that took longer. It works in place.
func thin(beats []Beat, whole func(Beat) bool) []Beat {
	kept := beats[:0]
	for i := 0; i < len(beats); i++ {
		b := beats[i]
		if i+1 < len(beats) && !whole(b) && !whole(beats[i+1]) {
			i++
			if c := beats[i]; b.acknowledged() && !c.acknowledged() || b.acknowledged() == c.acknowledged() && c.TookMS > b.TookMS {
				b = c
			}
		}
		kept = append(kept, b)
	}
	return kept
}

// stop says that the probe is over.
func (r *recorder) stop(at float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = at
	for _, l := range r.lanes {
		l.silence.until(at)
	}
}

// outage gives the figures of a probe that is over, what was lost left out.
func (r *recorder) outage() *Outage {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, d := r.lanes[kindWrite], r.lanes[kindRead]
	o := &Outage{WriteMS: micro(w.silence.longest), WriteAtMS: micro(w.silence.at), ReadMS: micro(d.silence.longest), ReadAtMS: micro(d.silence.at), IntervalMS: beatMS, ProbedMS: r.now,
		Writes: w.acknowledged, Reads: d.acknowledged, Failed: w.failed + d.failed, Retried: w.retried + d.retried,
		Failures: r.failures, Marks: append([]Mark{}, r.marks...), Timeline: append(append([]Beat{}, w.beats...), d.beats...)}
	for _, s := range r.tokens[elsewhere] {
		o.Elsewhere += int(s.to - s.from + 1)
	}
	slices.SortStableFunc(o.Timeline, func(a, b Beat) int { return cmp.Compare(a.AtMS, b.AtMS) })
	return o
}

// micro rounds milliseconds to the microsecond.
func micro(ms float64) float64 { return math.Round(ms*1000) / 1000 }

// noTime is the time of something that was not.
const noTime = -1

// silence finds the longest outage, as Outage defines it, in the statements of a
// kind, in their order.
type silence struct {
	last        float64 // when the last one that was acknowledged had ended
	tried       float64 // when it was tried again, none where it was not
	longest, at float64
}

func (s *silence) add(b Beat) {
	if s.tried == noTime {
		s.tried = b.AtMS
	}
	if b.acknowledged() {
		s.until(b.end())
		s.last, s.tried = b.end(), noTime
	}
}

// until has nothing acknowledged up to a moment.
func (s *silence) until(end float64) {
	from := s.last + beatMS
	if s.tried != noTime {
		from = min(from, s.tried)
	}
	if end-from > s.longest {
		s.longest, s.at = end-from, from
	}
}
