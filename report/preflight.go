package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/pgparity/pgparity/preflight"
)

// PreflightFormats lists the formats of a preflight, the default first.
func PreflightFormats() []Format { return Formats() }

// WritePreflight renders r to w, as Write does a result of verify: it does not
// change r, and writes nothing when the rendering fails.
//
// A result that claims to be ready against its own content is rendered blocked
// or unproven, with the contradiction as its reason.
func WritePreflight(w io.Writer, r *preflight.Result, f Format, o Options) error {
	render, ok := preflightRenderers[f]
	if !ok {
		_, err := ParseFormat(string(f))
		return err
	}
	var buf bytes.Buffer
	if err := render(&buf, settlePreflight(r), o); err != nil {
		return fmt.Errorf("report: render preflight as %s: %w", f, err)
	}
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("report: write %s: %w", f, err)
	}
	return nil
}

// WritePreflightFile renders r into the file path, as WriteFile does.
func WritePreflightFile(path string, r *preflight.Result, f Format, o Options) error {
	return writeAtomic(path, func(w io.Writer) error { return WritePreflight(w, r, f, o) })
}

var preflightRenderers = map[Format]func(*bytes.Buffer, *preflight.Result, Options) error{
	Text:       preflightText,
	JSON:       preflightJSON,
	HTML:       preflightHTML,
	Markdown:   preflightMarkdown,
	JUnit:      preflightJUnit,
	Prometheus: preflightPrometheus,
}

// preflightJSON writes the report contract (docs/preflight.schema.json).
func preflightJSON(buf *bytes.Buffer, r *preflight.Result, _ Options) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // as writeJSON
	if err := enc.Encode(r); err != nil {
		return err
	}
	escapeControls(buf, raw.Bytes())
	return nil
}
