package monitor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

// The words of the page. Everything returned here is safe to show: what came from a database or
// an operator went through report.Name or report.Sentence (the template escapes for HTML, but
// an invisible character stays invisible there).

// moment is a time as the page shows it.
type moment struct{ ISO, Full, Rel string }

// when is nil for no time.
func when(now, at time.Time) *moment {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	m := &moment{ISO: at.Format(time.RFC3339), Full: at.Format("2006-01-02 15:04:05") + " UTC"}
	switch d := now.Sub(at); {
	case d < -time.Second:
		m.Rel = "in " + coarse(-d)
	case d < time.Second:
		m.Rel = "just now"
	default:
		m.Rel = coarse(d) + " ago"
	}
	return m
}

// coarse is how long ago something was: of minutes nobody wants the seconds.
func coarse(d time.Duration) string {
	if d >= time.Minute && d < time.Hour {
		d = d.Truncate(time.Minute)
	}
	return span(d.Truncate(time.Second).Seconds())
}

// span is a duration of some seconds, in two units at most.
func span(seconds float64) string {
	s := int64(max(seconds, 0))
	switch {
	case math.IsNaN(seconds) || seconds > 1e11:
		return "unknown"
	case seconds < 0.0005:
		return "0 s"
	case seconds < 1:
		return strconv.FormatInt(int64(math.Ceil(seconds*1000)), 10) + " ms"
	case s < 10:
		return strconv.FormatFloat(math.Floor(seconds*10)/10, 'f', -1, 64) + " s"
	case s < 60:
		return strconv.FormatInt(s, 10) + " s"
	case s < 3600:
		return twoUnits(s, 60, "min", "s")
	case s < 86400:
		return twoUnits(s/60, 60, "h", "min")
	default:
		return twoUnits(s/3600, 24, "d", "h")
	}
}

func twoUnits(n, per int64, large, small string) string {
	if n%per == 0 {
		return fmt.Sprintf("%d %s", n/per, large)
	}
	return fmt.Sprintf("%d %s %d %s", n/per, large, n%per, small)
}

// size is a number of bytes in units of 1024, as pg_size_pretty has them.
func size(n int64) string {
	const step = 1024
	v := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if math.Abs(v) < step || unit == "TB" {
			if math.Abs(v) < 10 && unit != "B" {
				return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " " + unit
			}
			return strconv.FormatFloat(math.Round(v), 'f', -1, 64) + " " + unit
		}
		v /= step
	}
	return ""
}

// grouped writes n with separators: 2,000,000.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if s[0] == '-' {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func some(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// percent rounds down: what is not whole is not called 100 percent.
func percent(part, whole int64) string {
	if whole <= 0 {
		return ""
	}
	return strconv.FormatInt(min(100*part/whole, 100), 10) + " %"
}

// sentences are safe ones.
func sentences(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, report.Sentence(s))
	}
	return out
}

// capital begins a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// worst is the verdict of all together. No pairs at all are unproven.
func worst(all []Status) checker.Verdict {
	v := checker.Unproven
	for i := range all {
		switch {
		case all[i].Verdict == checker.Mismatch:
			return checker.Mismatch
		case i == 0 || all[i].Verdict == checker.Unproven:
			v = all[i].Verdict
		}
	}
	return v
}

// openFindings counts all that are open: those listed, and those of tables that have more.
func openFindings(s *Status) int64 {
	var n int64
	for _, c := range openByKind(s) {
		n += c
	}
	return n
}

// unlisted is the kind of findings that a table counts and does not list.
const unlisted = "unlisted"

// openByKind counts the open findings. What tables count beyond what is listed has no kind.
func openByKind(s *Status) map[string]int64 {
	kinds, listed := map[string]int64{}, map[string]int64{}
	for _, f := range s.Findings {
		if f.Open() {
			kinds[f.Kind]++
			listed[f.Object]++
		}
	}
	for _, t := range s.Tables {
		if more := t.Open - listed[t.Name]; more > 0 {
			kinds[unlisted] += more
		}
	}
	return kinds
}

// busy says what a pair is being kept busy with.
func busy(s *Status) string {
	switch s.Activity {
	case Starting:
		return "starting"
	case Passing:
		if p := s.Pass; p != nil && p.ChunksPlanned > 0 {
			return "reading all, " + percent(p.ChunksCompared, p.ChunksPlanned)
		}
		return "reading all"
	case Following:
		return "following changes"
	case Resting:
		return "waiting for the next check"
	case Paused:
		return "paused"
	case Retrying:
		return "trying again"
	case Aside:
		return "left alone: it is being switched, or was"
	case NotRunning:
		return "not running"
	default:
		return report.Sentence(string(s.Activity))
	}
}

// troubled tells whether nobody should take the pair for watched.
func troubled(a Activity) bool { return a == Paused || a == Retrying || a == Aside || a == NotRunning }
