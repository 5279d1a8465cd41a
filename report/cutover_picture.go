package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/cutover"
)

// pictureText draws the outage in so many columns, if there is anything to draw.
func pictureText(o *cutover.Outage, columns int) []string {
	if len(o.Timeline)+len(o.Marks) == 0 {
		return nil
	}
	var lines []string
	for _, l := range o.Text(columns) {
		lines = append(lines, strings.TrimRight(escaped(l, false), " "))
	}
	return lines
}

// picture draws the outage for a page, whose style has to have the picture's.
func picture(o *cutover.Outage) (shapes template.HTML, style string) {
	if len(o.Timeline)+len(o.Marks) == 0 {
		return "", ""
	}
	drawn := o.SVG()
	safe, err := safeSVG(drawn)
	if err != nil {
		return "", "" // a page without its picture is still a report
	}
	return template.HTML(safe), svgStyle(drawn)
}

// svgStyle is the style sheet that a picture brings. It is made of the program's
// own text alone; one that could end the page's is left out.
func svgStyle(drawn string) string {
	_, after, _ := strings.Cut(drawn, "<style>")
	style, _, whole := strings.Cut(after, "</style>")
	if !whole || strings.ContainsAny(style, "<&") {
		return ""
	}
	return style + "\n"
}

// What a picture may consist of: shapes and words, and what places and colours
// them. No link, no script, and no style, which the page's policy forbids.
var (
	svgElements   = strings.Fields("svg g path rect line circle ellipse polyline polygon text tspan title desc defs clipPath pattern")
	svgAttributes = strings.Fields("viewBox width height x y x1 x2 y1 y2 dx dy cx cy r rx ry d points transform preserveAspectRatio role id class" +
		" fill fill-opacity stroke stroke-width stroke-dasharray stroke-linecap stroke-linejoin stroke-opacity opacity vector-effect" +
		" text-anchor dominant-baseline font-size font-family font-weight aria-label aria-hidden aria-labelledby aria-describedby focusable")
)

var errPicture = errors.New("the picture holds what no picture may")

// safeSVG writes a picture anew with nothing in it but what a picture may
// consist of: it holds words that may have come from a file, and the page
// takes it as it is.
func safeSVG(s string) (string, error) {
	dec := xml.NewDecoder(strings.NewReader(s))
	var out bytes.Buffer
	depth, skipped := 0, 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if skipped > 0 || !slices.Contains(svgElements, t.Name.Local) {
				skipped++
				continue
			}
			if depth++; depth == 1 && t.Name.Local != "svg" {
				return "", errPicture
			}
			out.WriteString("<" + t.Name.Local)
			for _, a := range t.Attr {
				if slices.Contains(svgAttributes, a.Name.Local) && a.Name.Space == "" && !strings.Contains(strings.ToLower(a.Value), "url(") {
					out.WriteString(" " + a.Name.Local + `="` + template.HTMLEscapeString(escaped(a.Value, false)) + `"`)
				}
			}
			out.WriteString(">")
		case xml.EndElement:
			if skipped > 0 {
				skipped--
				continue
			}
			depth--
			out.WriteString("</" + t.Name.Local + ">")
		case xml.CharData:
			if skipped == 0 && depth > 0 {
				out.WriteString(template.HTMLEscapeString(escaped(strings.ReplaceAll(string(t), "\n", " "), false)))
			}
		}
	}
	if out.Len() == 0 {
		return "", errPicture
	}
	return out.String(), nil
}
