package cutover

import (
	"fmt"
	"math"
	"strings"
)

// view is the part of a timeline that is drawn: one try of the window, what led to
// it and what came of it.
type view struct {
	from, to float64 // since the probe began
	zero     float64 // when the freeze began
	moments  []drawnMark
	lanes    []viewLane
}

// viewLane are the statements of a kind.
type viewLane struct {
	name, verb string // writes, write
	beats      []Beat
	at, length float64 // of its outage
}

// drawnMark is a mark that is drawn.
type drawnMark struct {
	label string
	at    float64
}

// momentWords are the states that are drawn, but for the one with which a window opens.
// The picture has no room for all.
var momentWords = map[State]string{Frozen: "frozen", PNR: "no return", TargetOpen: "open", Redirected: "redirected", Live: "live", Aborting: "aborting", Aborted: "aborted"}

// The margin on both ends of what is drawn: of its length, and at least.
const (
	viewMargin  = 0.2
	leastMargin = 250.0 // ms
)

// view chooses what is drawn: of several tries the one with the longest outage of
// writes, and where there is none all that was probed.
func (o *Outage) view() view {
	v := view{to: o.ProbedMS}
	tries := o.tries()
	for i, marks := range tries {
		next := math.Inf(1)
		if i+1 < len(tries) {
			next = tries[i+1][0].AtMS
		}
		if end := o.WriteAtMS + o.WriteMS; i+1 < len(tries) && (end < marks[0].AtMS || end >= next) {
			continue
		}
		v.zero = marks[0].AtMS
		v.moments = drawn(marks)
		end := v.moments[len(v.moments)-1].at
		for _, e := range []float64{o.WriteAtMS + o.WriteMS, o.ReadAtMS + o.ReadMS} {
			if e < next {
				end = max(end, e)
			}
		}
		margin := max(leastMargin, viewMargin*(end-v.zero))
		v.from, v.to = max(0, v.zero-margin), min(o.ProbedMS, end+margin)
		break
	}
	v.to = max(v.to, v.from+1) // something made up
	v.lanes = []viewLane{{name: "writes", verb: "write", at: o.WriteAtMS, length: o.WriteMS}, {name: "reads", verb: "read", at: o.ReadAtMS, length: o.ReadMS}}
	for i, kind := range []string{kindWrite, kindRead} {
		for _, b := range o.Timeline {
			if b.Kind == kind && b.AtMS <= v.to && b.end() >= v.from {
				v.lanes[i].beats = append(v.lanes[i].beats, b)
			}
		}
	}
	return v
}

// tries are the marks, by tries of the window.
func (o *Outage) tries() [][]Mark {
	var tries [][]Mark
	open := false
	for _, m := range o.Marks {
		if opens(m.State) && !open {
			tries = append(tries, nil)
			open = true
		}
		if len(tries) > 0 {
			tries[len(tries)-1] = append(tries[len(tries)-1], m)
		}
		open = open && !closes(m.State)
	}
	return tries
}

// drawn are the moments of one try. Being live is waited for behind the window, and
// is drawn only where nothing else says that it is over.
func drawn(marks []Mark) []drawnMark {
	list := []drawnMark{{"freeze", marks[0].AtMS}}
	if s := marks[0].State; s != Armed && s != Freezing {
		list[0].label = "taken up again"
	}
	over := false
	for _, m := range marks[1:] {
		label, ok := momentWords[m.State]
		if ok && !over {
			list = append(list, drawnMark{label, m.AtMS})
		}
		over = over || closes(m.State)
	}
	return list
}

// place is where a moment stands in a picture so many units wide.
func (v view) place(at, width float64) float64 { return (at - v.from) / (v.to - v.from) * width }

// ticks are round moments, by a step that gives about n of them; relative to the
// freeze.
func (v view) ticks(n int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((v.to-v.from)/float64(n))))
	for _, f := range []float64{1, 2, 5, 10} {
		if (v.to-v.from)/(f*step) <= float64(n) {
			step *= f
			break
		}
	}
	var list []float64
	for i := math.Ceil((v.from-v.zero)/step) + 0; i*step <= v.to-v.zero; i++ {
		list = append(list, i*step)
	}
	return list
}

// Sentence says the figures in one line.
func (o *Outage) Sentence() string {
	s := fmt.Sprintf("no write for %s, no read for %s; ", printMS(o.WriteMS), printMS(o.ReadMS))
	if o.Failed == 0 {
		s += "no statement failed"
	} else {
		s += fmt.Sprintf("%s failed (%d came through later)", countOf(o.Failed, "statement"), o.Retried)
	}
	switch {
	case o.Lost == 1:
		s += "; 1 acknowledged write is LOST"
	case o.Lost > 0:
		s += fmt.Sprintf("; %d acknowledged writes are LOST", o.Lost)
	}
	if o.Elsewhere > 0 {
		s += fmt.Sprintf("; %s acknowledged by a database of neither side", countOf(o.Elsewhere, "write"))
	}
	return s
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printMS prints milliseconds, with three digits where there are fewer.
func printMS(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

// wrapItems joins items into lines of at most width characters, each with an indent.
func wrapItems(items []string, width, indent int, between string) []string {
	var lines []string
	line := ""
	for _, item := range items {
		switch {
		case line == "":
			line = strings.Repeat(" ", indent) + item
		case len([]rune(line+between+item)) > width:
			lines = append(lines, line)
			line = strings.Repeat(" ", indent) + item
		default:
			line += between + item
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
