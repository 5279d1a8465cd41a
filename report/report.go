// Package report renders a result for those who read it: a terminal, a
// browser, a pull request, a pipeline, a metrics scraper; and reads a saved
// one back. Rendering is pure: the same result and options give the same
// bytes, whatever the clock, the locale and the environment say.
//
// The rules are: no format shows "match" for a result whose own content
// contradicts it, and nothing that came from a database reaches a reader
// unescaped.
package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// Format names a way to render a result.
type Format string

// The formats.
const (
	Text       Format = "text"
	JSON       Format = "json"
	HTML       Format = "html"
	Markdown   Format = "markdown"
	JUnit      Format = "junit"
	Prometheus Format = "prometheus"
)

// Formats lists every format, the default first.
func Formats() []Format {
	return []Format{Text, JSON, HTML, Markdown, JUnit, Prometheus}
}

// ParseFormat finds a format by its name; the error lists the valid ones.
func ParseFormat(s string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if s == string(f) {
			return f, nil
		}
		names = append(names, string(f))
	}
	return "", fmt.Errorf("unknown report format %q: use one of %s", s, strings.Join(names, ", "))
}

// Options say how to render. Only text reads Color and Width.
type Options struct {
	Color   bool // ANSI colours
	Width   int  // columns; 0 means 80, and less than 60 is taken as 60
	Verbose bool // lists what is otherwise only counted: matching tables, long name lists, forms
}

// Write renders r to w. It does not change r. Nothing is written when the
// rendering fails; an error of w is returned as it is, wrapped.
//
// A result that claims match against its own content is rendered unproven,
// with the contradiction as its reason.
func Write(w io.Writer, r *checker.Result, f Format, o Options) error {
	return deliver(w, f, renderers[f], settle(r), o)
}

// rendering writes one format of one kind of result.
type rendering[R any] func(*bytes.Buffer, R, Options) error

// deliver renders whole, and then writes. A renderer that is nil is an unknown
// format's.
func deliver[R any](w io.Writer, f Format, render rendering[R], r R, o Options) error {
	if render == nil {
		_, err := ParseFormat(string(f))
		return err
	}
	var buf bytes.Buffer
	if err := render(&buf, r, o); err != nil {
		return fmt.Errorf("report: render %s: %w", f, err)
	}
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("report: write %s: %w", f, err)
	}
	return nil
}

var renderers = map[Format]rendering[*checker.Result]{
	Text:       writeText,
	JSON:       writeJSON,
	HTML:       writeHTML,
	Markdown:   writeMarkdown,
	JUnit:      writeJUnit,
	Prometheus: writePrometheus,
}
