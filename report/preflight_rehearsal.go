package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/pgparity/pgparity/preflight"
)

// The words for the figures of a rehearsal. Durations come in milliseconds;
// one that is not known is said to be so, never left out.

const notKnown = "not known"

// span writes a duration: 450 ms, 4.2 s, 12 min 05 s, 2 h 14 min, 5 d 03 h.
func span(ms int64) string {
	switch s := ms / 1000; {
	case ms < 0:
		return notKnown
	case s < 1:
		return fmt.Sprintf("%d ms", ms)
	case s < 60:
		return fmt.Sprintf("%.1f s", math.Floor(float64(ms)/100)/10)
	case s < 60*60:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	case s < 48*60*60:
		return fmt.Sprintf("%d h %02d min", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%s d %02d h", count(s/86400), s/3600%24)
	}
}

func spanOf(ms *int64) string {
	if ms == nil {
		return notKnown
	}
	return span(*ms)
}

// rateText writes bytes a second.
func rateText(perSecond float64) string {
	return size(int64(min(max(perSecond, 0), math.MaxInt64/2))) + "/s"
}

// percent writes a share of 0 to 1.
func percent(share float64) string {
	switch p := 100 * min(max(share, 0), 1); {
	case p > 0 && p < 1:
		return "< 1 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// outage is how long the application cannot write: the sum of the phases in
// which it can't. unknown names those that have no estimate; none at all where
// there are no phases.
type outage struct {
	MS      int64
	Known   int // phases that are in MS
	Unknown []string
}

func outageOf(rh *preflight.Rehearsal) outage {
	var o outage
	if rh == nil {
		return o
	}
	for _, p := range rh.Phases {
		switch {
		case p.Writes:
		case p.EstimateMS == nil || *p.EstimateMS < 0:
			o.Unknown = append(o.Unknown, prose(p.Name))
		default:
			o.MS += min(*p.EstimateMS, math.MaxInt64/2-o.MS)
			o.Known++
		}
	}
	return o
}

// figure is the outage in the fewest words.
func (o outage) figure() string {
	switch {
	case o.Known == 0:
		return notKnown
	case len(o.Unknown) > 0:
		return "at least " + span(o.MS)
	}
	return "about " + span(o.MS)
}

// sentence says it for a person.
func (o outage) sentence() string {
	switch {
	case o.Known == 0:
		return "how long a switch stops writes is not known"
	case len(o.Unknown) > 0:
		return "a switch stops writes for " + o.figure() + "; how long these phases take is not known: " + strings.Join(o.Unknown, ", ")
	}
	return "a switch stops writes for " + o.figure()
}

// figureLine is one measured thing: what it is, and what was measured.
type figureLine struct{ Name, Text string }

// figures are a rehearsal's lines but for its phases; limit bounds each list,
// 0 is all.
func figures(rh *preflight.Rehearsal, limit int) []figureLine {
	lines := []figureLine{
		{"To verify", fmt.Sprintf("%s, %s, %s on the source", plural(int64(rh.Tables), "table", "tables"), estimated(rh.Rows, rh.Bytes), size(max(rh.Bytes, 0)))},
		{"Rate", hashed(rh.Rate)},
	}
	for _, s := range lagLines(rh.Lag) {
		lines = append(lines, figureLine{"Lag", s})
	}
	for i, t := range rh.Largest {
		if limit > 0 && i == limit {
			break
		}
		lines = append(lines, figureLine{"Largest", fmt.Sprintf("%s: %s, %s of all, %s", ident(t.Name), size(max(t.Bytes, 0)), percent(t.Share), estimated(t.Rows, t.Bytes))})
	}
	for i := range rh.Oldest {
		lines = append(lines, figureLine{"Oldest", oldestText(&rh.Oldest[i])})
	}
	for i := range rh.DeadTuples {
		if limit > 0 && i == limit {
			break
		}
		lines = append(lines, figureLine{"Dead rows", deadText(&rh.DeadTuples[i])})
	}
	return lines
}

// estimated is how many rows the planner takes so many bytes to be: none where
// the table was never analyzed.
func estimated(rows, bytes int64) string {
	if rows <= 0 && bytes > 0 {
		return "rows " + notKnown
	}
	return plural(rows, "row", "rows") + " (est.)"
}

func hashed(r *preflight.Rate) string {
	if r == nil {
		return "not measured"
	}
	return fmt.Sprintf("%s on one connection a side, by %s of %s in %s", rateText(r.BytesPerSecond), size(max(r.Bytes, 0)), ident(r.Table), span(r.ElapsedMS))
}

// lagLines say how far behind the target is, and whether that gets worse.
func lagLines(l *preflight.Lag) []string {
	if l == nil {
		return []string{"not measured"}
	}
	first := size(max(l.Bytes, 0)) + " of log behind"
	var of []string
	if l.Stream != "" {
		of = append(of, `stream "`+ident(l.Stream)+`"`)
	}
	if l.Slot != "" {
		of = append(of, `slot "`+ident(l.Slot)+`"`)
	}
	if len(of) > 0 {
		first += " (" + strings.Join(of, ", ") + ")"
	}
	if l.WindowMS <= 0 {
		return []string{first, "how it grows and drains was not watched (--measure)"}
	}
	moves := fmt.Sprintf("%s written, %s confirmed, over %s", rateText(l.Inflow), rateText(l.Drained), span(l.WindowMS))
	if l.Growing {
		moves += ": it grows"
	}
	return []string{first, moves, drains(l) + "; " + catchUp(l)}
}

func drains(l *preflight.Lag) string {
	if l.DrainMS == nil {
		return "how long it drains once writes stop is not known"
	}
	return "drained in " + span(*l.DrainMS) + " once writes stop"
}

func catchUp(l *preflight.Lag) string {
	switch {
	case l.CatchUp != nil:
		return "caught up in " + span(*l.CatchUp) + " while they go on"
	case l.Growing:
		return "never caught up while they go on"
	}
	return "when it is caught up while they go on is not known"
}

func oldestText(t *preflight.OldestTransaction) string {
	s := fmt.Sprintf("%s: open for %s, %s", sideWord(t.Side), span(t.AgeMS), prose(t.State))
	if t.PID != 0 {
		s += fmt.Sprintf(", pid %d", t.PID)
	}
	if t.User != "" {
		s += ", user " + ident(t.User)
	}
	if t.XminAge > 0 {
		s += "; vacuum is held " + plural(t.XminAge, "transaction", "transactions") + " back"
	}
	return s
}

func deadText(d *preflight.DeadTuples) string {
	s := fmt.Sprintf("%s: %s: %s dead, %s live", sideWord(d.Side), ident(d.Table), count(d.Dead), count(d.Live))
	if all := float64(d.Dead) + float64(d.Live); all > 0 && d.Dead > 0 {
		s += " (" + percent(float64(d.Dead)/all) + " dead)"
	}
	return s
}

func writesWord(p *preflight.Phase) string {
	if p.Writes {
		return "go on"
	}
	return "stop"
}
