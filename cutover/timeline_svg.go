package cutover

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The measures of the picture, in its own units.
const (
	svgWidth   = 960.0
	svgLeft    = 132.0 // where the time begins
	svgRight   = 24.0
	svgRow     = 16.0 // the height of a side's row
	svgGap     = 6.0  // between the rows of a lane
	svgBracket = 26.0 // below a lane, for its outage
	svgLetter  = 6.6  // about the width of a character
	svgLine    = 16.0 // of text
	svgPad     = 6.0
	svgAnswer  = 3.0 // the end of a statement that waited
	// svgHeadline is how many characters a line above the picture has at most.
	svgHeadline = 120
)

// svgStyle has one colour for each side, told apart by the colour-blind too, in
// light and in dark; what a statement is says its row or its form as well.
const svgStyle = `.pgo{color-scheme:light dark;font:12px system-ui,sans-serif;--s:#0072b2;--t:#008060;--f:#c43d00}` +
	`@media (prefers-color-scheme:dark){.pgo{--s:#6cb8f0;--t:#4fd6ac;--f:#ff9566}}` +
	`.pgo text{fill:currentColor}.pgo .b{font-weight:600}.pgo .d{opacity:.75}.pgo .r{fill:currentColor;opacity:.06}` +
	`.pgo .l{stroke:currentColor;fill:none}.pgo .m{stroke:currentColor;stroke-dasharray:3 3;opacity:.6}` +
	`.pgo .s{fill:var(--s)}.pgo .t{fill:var(--t)}.pgo .e{fill:currentColor}.pgo .f{stroke:var(--f);stroke-width:2;fill:none}` +
	`.pgo .w{stroke:currentColor;stroke-dasharray:2 2;fill:none}`

// svg draws one view.
type svg struct {
	bytes.Buffer
	view
	y float64
}

// SVG draws the window as a picture that needs nothing else, in light or dark as
// its reader has it: for writes and for reads a row for each side with its
// statements, the moments, and the outages.
func (o *Outage) SVG() string {
	p := &svg{view: o.view()}
	body := &svg{view: p.view, y: 24}
	for _, line := range wrapItems(strings.Fields(o.Sentence()), svgHeadline, 0, " ") {
		body.text(svgPad, body.y, "b", "start", line)
		body.y += svgLine
	}
	top := body.labels()
	for _, l := range body.lanes {
		body.lane(l)
	}
	body.verticals(top)
	body.axis()
	body.legend()

	fmt.Fprintf(p, `<svg class="pgo" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="pgo-title pgo-desc">`, num(svgWidth), num(body.y))
	fmt.Fprintf(p, "\n<title id=\"pgo-title\">What the application saw of the switch</title>\n<desc id=\"pgo-desc\">%s</desc>\n<style>%s</style>\n", escaped(o.describe(p.view)), svgStyle)
	p.Write(body.Bytes())
	p.WriteString("</svg>\n")
	return p.String()
}

// describe says in words what the picture shows.
func (o *Outage) describe(v view) string {
	s := fmt.Sprintf("A timeline of %s of the application's own connection.", printMS(v.to-v.from))
	for _, l := range v.lanes {
		var source, target, failed int
		for _, b := range l.beats {
			switch {
			case b.Failed:
				failed++
			case b.On == onSource:
				source++
			case b.On == onTarget:
				target++
			}
		}
		s += fmt.Sprintf(" %s: %d acknowledged by the source, %d by the target, %d failed; no %s for %s, from %s ms on.",
			strings.ToUpper(l.name[:1])+l.name[1:], source, target, failed, l.verb, printMS(l.length), sinceFreeze(l.at-v.zero))
	}
	for i, m := range v.moments {
		if i == 0 {
			s += " Moments, in ms:"
		} else {
			s += ","
		}
		s += " " + m.label + " " + sinceFreeze(m.at-v.zero)
	}
	return strings.TrimSuffix(s, ".") + "."
}

// x is where a moment stands.
func (p *svg) x(at float64) float64 {
	return svgLeft + min(max(p.place(at, svgWidth-svgLeft-svgRight), 0), svgWidth-svgLeft-svgRight)
}

// labels names the moments, each where it has room, and gives how low each one is.
func (p *svg) labels() []float64 {
	var ends, at []float64 // of each line of labels; of each moment
	for _, m := range p.moments {
		text := m.label + " " + sinceFreeze(m.at-p.zero)
		x, width, anchor := p.x(m.at), svgLetter*float64(len(text)), "start"
		from := x + 4
		if from+width > svgWidth {
			from, anchor = x-4-width, "end"
		}
		line := 0
		for line < len(ends) && ends[line] > from-6 {
			line++
		}
		if line == len(ends) {
			ends = append(ends, 0)
		}
		ends[line] = from + width
		y := p.y + float64(line+1)*svgLine
		at = append(at, y-10)
		if anchor == "end" {
			from = x - 4
		}
		p.text(from, y, "", anchor, text)
	}
	p.y += float64(len(ends))*svgLine + 8
	return at
}

// lane draws the statements of a kind: above those of the source, below those of
// the target, between them what failed, or has not ended.
func (p *svg) lane(l viewLane) {
	top, right := p.y, svgWidth-svgRight
	rows := map[string]float64{onSource: top, onTarget: top + svgRow + svgGap}
	middle := top + svgRow + svgGap/2
	p.text(svgPad, middle+4, "b", "start", l.name)
	paths := map[string]*strings.Builder{}
	for _, class := range []string{"s", "t", "e", "f", "w"} {
		paths[class] = &strings.Builder{}
	}
	for _, side := range []string{onSource, onTarget} {
		y := rows[side]
		p.text(svgLeft-8, y+12, "d", "end", side)
		fmt.Fprintf(p, "<rect class=\"r\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\"/>\n", num(svgLeft), num(y), num(right-svgLeft), num(svgRow))
	}
	for _, b := range l.beats {
		from, to := p.x(b.AtMS), p.x(b.end())
		width := min(max(to-from, 2), right-from+2)
		if y, known := rows[b.On]; known && !b.Failed && b.TookMS > beatMS { // it waited, and is acknowledged at its end
			fmt.Fprintf(paths["w"], "M%s %sh%sv8h-%sz", num(from), num(y+4), num(width), num(width))
			from, width = max(to-svgAnswer, from), min(svgAnswer, width)
		}
		switch y, known := rows[b.On]; {
		case b.Failed:
			fmt.Fprintf(paths["f"], "M%s %sH%sm-4 -4l8 8m0 -8l-8 8", num(from), num(middle), num(to))
		case known:
			fmt.Fprintf(paths[b.On[:1]], "M%s %sh%sv%sh-%sz", num(from), num(y), num(width), num(svgRow), num(width))
		case b.On == "":
			fmt.Fprintf(paths["w"], "M%s %sh%sv8h-%sz", num(from), num(middle-4), num(width), num(width))
		default:
			fmt.Fprintf(paths["e"], "M%s %sl5 5l-5 5l-5 -5z", num(from), num(middle-5))
		}
	}
	for _, class := range []string{"s", "t", "e", "w", "f"} {
		if d := paths[class].String(); d != "" {
			fmt.Fprintf(p, "<path class=\"%s\" d=\"%s\"/>\n", class, d)
		}
	}
	p.y = top + 2*svgRow + svgGap
	p.bracket(l)
	p.y += svgBracket + 8
}

// bracket shows how long a lane's outage was, and when.
func (p *svg) bracket(l viewLane) {
	if l.at > p.to || l.at+l.length < p.from {
		return
	}
	from, to, y := p.x(l.at), p.x(l.at+l.length), p.y+8
	fmt.Fprintf(p, "<path class=\"l\" d=\"M%s %sv8M%s %sH%sM%s %sv8\"/>\n", num(from), num(y-4), num(from), num(y), num(to), num(to), num(y-4))
	text := fmt.Sprintf("no %s for %s", l.verb, printMS(l.length))
	width := svgLetter * float64(len(text))
	switch {
	case to-from > width+8: // in its middle, below the line
		p.text((from+to)/2, y+16, "b", "middle", text)
	case to+8+width < svgWidth:
		p.text(to+8, y+4, "b", "start", text)
	default:
		p.text(from-8, y+4, "b", "end", text)
	}
}

// verticals draws a line for each moment from its label down.
func (p *svg) verticals(from []float64) {
	for i, m := range p.moments {
		x := num(p.x(m.at))
		fmt.Fprintf(p, "<path class=\"m\" d=\"M%s %sV%s\"/>\n", x, num(from[i]), num(p.y))
	}
}

func (p *svg) axis() {
	fmt.Fprintf(p, "<path class=\"l\" d=\"M%s %sH%s", num(svgLeft), num(p.y), num(svgWidth-svgRight))
	ticks := p.ticks(10)
	for _, t := range ticks {
		fmt.Fprintf(p, "M%s %sv5", num(p.x(p.zero+t)), num(p.y))
	}
	p.WriteString("\"/>\n")
	for _, t := range ticks {
		p.text(p.x(p.zero+t), p.y+18, "", "middle", strconv.FormatFloat(math.Round(t*1000)/1000, 'f', -1, 64))
	}
	unit := "ms"
	if len(p.moments) > 0 {
		unit = "ms after " + p.moments[0].label
	}
	p.text(svgPad, p.y+18, "d", "start", unit)
	p.y += 34
}

// legend says what the forms are.
func (p *svg) legend() {
	y, x := p.y+12, svgLeft
	forms := []struct{ class, d, text string }{
		{"s", "h12v12h-12z", "acknowledged by the source"},
		{"t", "h12v12h-12z", "acknowledged by the target"},
		{"f", "m2 2l8 8m0 -8l-8 8", "failed"},
		{"w", "m0 2h12v8h-12z", "waits"},
		{"e", "m6 1l5 5l-5 5l-5 -5z", "acknowledged by neither"},
	}
	if !slices.ContainsFunc(p.lanes, func(l viewLane) bool {
		return slices.ContainsFunc(l.beats, func(b Beat) bool { return b.On == elsewhere })
	}) {
		forms = forms[:len(forms)-1]
	}
	for _, e := range forms {
		fmt.Fprintf(p, "<path class=\"%s\" d=\"M%s %s%s\"/>\n", e.class, num(x), num(y-10), e.d)
		p.text(x+18, y, "", "start", e.text)
		x += 18 + svgLetter*float64(len(e.text)) + 22
	}
	p.y += 24
}

// text writes one line of text.
func (p *svg) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(p, `<text x="%s" y="%s"`, num(x), num(y))
	if class != "" {
		fmt.Fprintf(p, ` class="%s"`, class)
	}
	if anchor != "start" {
		fmt.Fprintf(p, ` text-anchor="%s"`, anchor)
	}
	fmt.Fprintf(p, ">%s</text>\n", escaped(text))
}

// num prints a measure to a tenth.
func num(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// escaped is text as XML holds it.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
	return b.String()
}
