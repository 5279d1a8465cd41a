package cutover

import (
	"fmt"
	"math"
	"strings"
)

// What a character of the picture says, in ascending weight: one character may
// stand for several statements, and shows the worst.
const (
	cellNothing = iota
	cellSource
	cellTarget
	cellElsewhere
	cellWaits
	cellFailed
)

var cellRunes = [...]rune{cellNothing: ' ', cellSource: '▒', cellTarget: '█', cellElsewhere: '?', cellWaits: '·', cellFailed: 'x'}

// textIndent is the room for a lane's name.
const textIndent = 8

// Text draws the window for a terminal, in lines of at most width characters
// (60 at least): two lanes, below them the moments, the time since the freeze, and
// what is what.
func (o *Outage) Text(width int) []string {
	width = max(width, 60)
	v := o.view()
	columns := width - textIndent
	var lines []string
	seen := map[int]bool{}
	for _, l := range v.lanes {
		cells := v.cells(l, columns)
		runes := make([]rune, columns)
		for i, c := range cells {
			runes[i] = cellRunes[c]
			seen[c] = true
		}
		lines = append(lines, fmt.Sprintf("%-*s%s", textIndent, l.name, string(runes)))
	}
	numbers, named := v.numbered(columns)
	lines = append(lines, numbers, v.axis(columns))
	lines = append(lines, wrapItems(named, width, textIndent, "  ")...)
	var legend []string
	for cell, what := range []string{cellSource: "source", cellTarget: "target", cellElsewhere: "neither side", cellWaits: "waits", cellFailed: "failed"} {
		if seen[cell] && what != "" {
			legend = append(legend, string(cellRunes[cell])+" "+what)
		}
	}
	lines = append(lines, wrapItems(legend, width, textIndent, "  ")...)
	lines = append(lines, wrapItems(strings.Fields(o.Sentence()), width, textIndent, " ")...)
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

// cells are what a lane's characters say. A statement that takes longer than the
// pause is seen to wait; what came of it holds until the next one begins.
func (v view) cells(l viewLane, columns int) []int {
	cells := make([]int, columns)
	fill := func(from, to float64, cell int) {
		a, b := int(math.Floor(v.place(from, float64(columns)))), int(math.Ceil(v.place(to, float64(columns))))
		for i := max(a, 0); i < min(max(b, a+1), columns); i++ {
			if cell < cells[i] && cell <= cellElsewhere && cells[i] <= cellElsewhere {
				continue // of two that were acknowledged, the later
			}
			cells[i] = max(cells[i], cell)
		}
	}
	for i, b := range l.beats {
		until := b.end() + 2*beatMS // what is not known is left blank
		if i+1 < len(l.beats) {
			until = min(until, l.beats[i+1].AtMS)
		}
		from := b.AtMS
		if b.TookMS > beatMS || b.On == "" && !b.Failed {
			fill(b.AtMS, b.end(), cellWaits)
			from = b.end()
		}
		switch {
		case b.Failed:
			fill(from, until, cellFailed)
		case b.On == onSource:
			fill(from, until, cellSource)
		case b.On == onTarget:
			fill(from, until, cellTarget)
		case b.On != "":
			fill(from, until, cellElsewhere)
		}
	}
	return cells
}

// numbered places a number for each moment, and says what they are.
func (v view) numbered(columns int) (line string, named []string) {
	row := []rune(strings.Repeat(" ", columns))
	at := 0
	for i, m := range v.moments {
		number := []rune(fmt.Sprint(i + 1))
		at = max(at, int(v.place(m.at, float64(columns)))) // beside the one before where they meet
		if at+len(number) <= columns {
			copy(row[at:], number)
		}
		at += len(number)
		named = append(named, fmt.Sprintf("%d %s %s", i+1, m.label, sinceFreeze(m.at-v.zero)))
	}
	return strings.Repeat(" ", textIndent) + string(row), named
}

// sinceFreeze prints a moment relative to the freeze.
func sinceFreeze(ms float64) string {
	if ms = math.Round(ms); ms <= 0 {
		return fmt.Sprintf("%.0f", ms)
	}
	return fmt.Sprintf("+%.0f", ms)
}

func (v view) axis(columns int) string {
	row := []rune(strings.Repeat(" ", columns))
	free := 0
	for _, t := range v.ticks(max(columns/12, 2)) {
		at := int(v.place(v.zero+t, float64(columns)))
		label := []rune("|" + fmt.Sprint(math.Round(t*1000)/1000))
		if at >= free && at+len(label) <= columns {
			copy(row[at:], label)
			free = at + len(label) + 1
		}
	}
	return fmt.Sprintf("%-*s%s", textIndent, "ms", string(row))
}
