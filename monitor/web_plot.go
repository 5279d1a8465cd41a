package monitor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The measures of a plot in its own units; it is stretched to where it stands, and its words
// stand beside it, so that they stay readable on a phone.
const (
	plotWidth  = 600.0
	plotHeight = 120.0
	plotSteps  = 4   // of the vertical axis
	plotPoints = 240 // more are put together, the highest staying
	sparkWidth = 100.0
	sparkHigh  = 24.0
)

// point is one of a plot: v is NaN where nothing was known.
type point struct {
	at time.Time
	v  float64
}

// plot is a line over time, with its axes in words.
type plot struct {
	ID, Title, Now string
	Text           string   // all of it in a sentence
	Y              []string // from above down
	X              []string // from the left
	Line, Area     string
	Grid           string
}

// newPlot draws points, oldest first, up to now; nil where there are none. format writes a value.
func newPlot(id, title string, points []point, now time.Time, steps func(float64) float64, format func(float64) string) *plot {
	points = thinned(points)
	high, highAt, known := 0.0, time.Time{}, 0
	last := math.NaN()
	for _, p := range points {
		if math.IsNaN(p.v) {
			continue
		}
		known++
		last = p.v
		if p.v >= high {
			high, highAt = p.v, p.at
		}
	}
	if known < 2 {
		return nil
	}
	from := points[0].at
	to := now
	if !to.After(from) {
		to = points[len(points)-1].at
	}
	step := steps(high / plotSteps)
	p := &plot{ID: id, Title: title, Now: format(last), X: timeLabels(from, to)}
	for i := plotSteps; i >= 0; i-- {
		p.Y = append(p.Y, format(step*float64(i)))
		p.Grid += fmt.Sprintf("M0 %sH%s", measure(plotHeight*float64(i)/plotSteps), measure(plotWidth))
	}
	p.Line, p.Area = curve(points, from, to, step*plotSteps, plotWidth, plotHeight)
	p.Text = fmt.Sprintf("%s over the last %s: %s at the end, %s at most, at %s UTC.",
		title, span(to.Sub(from).Seconds()), format(last), format(high), highAt.UTC().Format("15:04:05"))
	return p
}

// curve is a line through points, broken where nothing was known, and the area below it.
func curve(points []point, from, to time.Time, high, width, height float64) (line, area string) {
	var l, a strings.Builder
	whole := to.Sub(from).Seconds()
	pause := 4 * usualGap(points)
	begun, lastX := false, ""
	end := func() {
		if begun {
			fmt.Fprintf(&a, "L%s %sZ", lastX, measure(height))
		}
		begun = false
	}
	for i, p := range points {
		if math.IsNaN(p.v) {
			end()
			continue
		}
		if i > 0 && p.at.Sub(points[i-1].at) > pause {
			end()
		}
		x := measure(width * p.at.Sub(from).Seconds() / whole)
		y := measure(height * (1 - min(p.v/high, 1)))
		if !begun {
			fmt.Fprintf(&l, "M%s %sh0", x, y) // a dot, should it stay alone
			fmt.Fprintf(&a, "M%s %sL%s %s", x, measure(height), x, y)
		} else {
			fmt.Fprintf(&l, "L%s %s", x, y)
			fmt.Fprintf(&a, "L%s %s", x, y)
		}
		begun, lastX = true, x
	}
	end()
	return l.String(), a.String()
}

// usualGap is the median of the times between two points.
func usualGap(points []point) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(points); i++ {
		gaps = append(gaps, points[i].at.Sub(points[i-1].at))
	}
	if len(gaps) == 0 {
		return 0
	}
	return median(gaps)
}

// thinned leaves at most plotPoints, of neighbours the highest: a peak is what a plot is for.
func thinned(points []point) []point {
	each := (len(points) + plotPoints - 1) / plotPoints
	if each <= 1 {
		return points
	}
	var out []point
	for len(points) > 0 {
		n := min(each, len(points))
		top := points[0]
		for _, p := range points[1:n] {
			if math.IsNaN(top.v) || p.v > top.v {
				top = p
			}
		}
		out, points = append(out, top), points[n:]
	}
	return out
}

// timeLabels are equally far apart, for the words are set by their order.
func timeLabels(from, to time.Time) []string {
	form := "15:04"
	switch whole := to.Sub(from); {
	case whole < 10*time.Minute:
		form = "15:04:05"
	case whole > 36*time.Hour:
		form = "Jan 2 15:04"
	}
	const labels = 3
	var out []string
	for i := range labels {
		at := from.Add(to.Sub(from) * time.Duration(i) / (labels - 1))
		out = append(out, at.UTC().Format(form))
	}
	return out
}

// secondSteps is the next round duration from s on, in seconds.
func secondSteps(s float64) float64 {
	for _, step := range []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600} {
		if step >= s {
			return step
		}
	}
	const day = 86400
	return day * math.Ceil(s/day)
}

// byteSteps is the next round size from n on: a power of two.
func byteSteps(n float64) float64 {
	const least = 256
	return max(math.Exp2(math.Ceil(math.Log2(max(n, 1)))), least)
}

func formatBytes(v float64) string { return size(int64(v)) }

// measure prints a length to a tenth.
func measure(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// sparkLine is a plot without words; "" where there is nothing to draw.
func sparkLine(points []point, now time.Time) string {
	points = thinned(points)
	high := 0.0
	for _, p := range points {
		if p.v > high {
			high = p.v
		}
	}
	if len(points) < 2 || !now.After(points[0].at) {
		return ""
	}
	// Never as high as its place, or the line would be cut; and what stays far below a
	// second is level, not a mountain range.
	line, _ := curve(points, points[0].at, now, max(high*1.1, 1), sparkWidth, sparkHigh)
	return line
}

// The curves of samples.
func watermarkAges(samples []Sample) []point {
	return points(samples, func(s *Sample) *float64 { return s.WatermarkAge })
}

func lagSeconds(samples []Sample) []point {
	return points(samples, func(s *Sample) *float64 { return s.LagSeconds })
}

func lagBytes(samples []Sample) []point {
	return points(samples, func(s *Sample) *float64 {
		if s.LagBytes == nil {
			return nil
		}
		v := float64(*s.LagBytes)
		return &v
	})
}

func points(samples []Sample, of func(*Sample) *float64) []point {
	out := make([]point, 0, len(samples))
	for i := range samples {
		p := point{samples[i].At, math.NaN()}
		if v := of(&samples[i]); v != nil && !math.IsInf(*v, 0) {
			p.v = max(*v, 0)
		}
		if i > 0 && p.at.Before(out[len(out)-1].at) {
			continue // a clock that was put back: what came before it was drawn already
		}
		out = append(out, p)
	}
	return out
}
